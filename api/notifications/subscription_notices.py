"""What a fan is told of a subscription: trials, reminders, failures, ends, other prices.

A fan who is asked to pay gets a link by which one period can be paid without a login. Dates are
those of the subscription's time zone. When something is told, the ledger says: it reminds by day.
What has no place here was done by the fan, who sees it happen.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

from api.notifications.notice import Notice
from api.notifications.texts import (
    Cancelled,
    Ended,
    Expired,
    PriceChange,
    RenewalReminder,
    RenewalUnpaid,
    TrialBegun,
    TrialEnding,
)
from ledger.application import project
from ledger.billing_periods import period_at
from ledger.events import (
    CancellationScheduled,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    PriceMigrationNoticed,
    RenewalReminded,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    TrialStarted,
)
from ledger.subscription import Subscription, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from api.notifications.notice import History, Maker, Sources
    from api.notifications.texts import Letter
    from ledger.events import Event

LINK_HOLDS: Final = timedelta(days=7)
"""So long after a period was to begin, a reminder's link still pays it: as long as grace may be."""


def _subscription(history: History) -> Subscription:
    return cast("Subscription", project(None, history))


def _to_its_fan(
    subscription: Subscription, letter: Letter, *, useful_until: datetime | None = None
) -> Notice:
    method = subscription.method
    return Notice(
        person_id=subscription.fan_id,
        phone=method.instrument if method.kind == "phone" else None,
        letter=letter,
        useful_until=useful_until,
    )


def _date(subscription: Subscription, instant: datetime) -> date:
    return instant.astimezone(ZoneInfo(subscription.zone)).date()


def _trial_begun(history: History, _: Sources) -> Notice:
    subscription = _subscription(history)
    begun = cast("TrialStarted", history[-1])
    letter = TrialBegun(money=subscription.price.money, ends_on=_date(subscription, begun.ends_at))
    return _to_its_fan(subscription, letter)


def _reminder(history: History, sources: Sources) -> Notice:
    """Of a renewal, or of a trial's end."""
    subscription = _subscription(history)
    reminded = cast("RenewalReminded", history[-1])
    begins_on = _date(subscription, reminded.start)
    link = sources.pay_links.link(subscription.id, reminded.number, reminded.start + LINK_HOLDS)
    letter: Letter
    if subscription.state is SubscriptionState.TRIALING:
        letter = TrialEnding(money=reminded.money, ends_on=begins_on, pay_link=link)
    else:
        # By its dates: what was to be said in the evening is said the next morning.
        days = (begins_on - _date(subscription, reminded.recorded_at)).days
        letter = RenewalReminder(
            money=reminded.money, days=days, renews_on=begins_on, pay_link=link
        )
    return _to_its_fan(subscription, letter, useful_until=reminded.start)


def _past_due(history: History, sources: Sources) -> Notice | None:
    """The first failure of a period; a trial that has just ended waits for its first prompt."""
    return _unpaid(_subscription(history), sources)


def _failed_again(history: History, sources: Sources) -> Notice | None:
    """A later failure in grace. Of the first one the subscription's being past due tells."""
    failed = cast("InvoiceAttemptFailed", history[-1])
    asked_by_clock = any(
        isinstance(event, InvoiceAttempted)
        and event.payment_id == failed.payment_id
        and event.origin == "clock"
        for event in history
    )
    if failed.pushed_at is None or not asked_by_clock:
        return None
    return _unpaid(_subscription(history), sources)


def _unpaid(subscription: Subscription, sources: Sources) -> Notice | None:
    invoice, until = subscription.invoice, subscription.grace_until
    if invoice is None or until is None:
        return None
    letter = RenewalUnpaid(
        money=invoice.money.model_copy(update={"amount": invoice.cash}),
        has_access=subscription.entitled_in_grace,
        payable_until=_date(subscription, until),
        pay_link=sources.pay_links.link(subscription.id, invoice.number, until),
    )
    return _to_its_fan(subscription, letter, useful_until=until)


def _expired(history: History, _: Sources) -> Notice | None:
    subscription = _subscription(history)
    expired = cast("SubscriptionExpired", history[-1])
    if expired.reason == "never_completed":
        return None
    letter = Expired(ended_on=_date(subscription, expired.recorded_at))
    return _to_its_fan(subscription, letter)


def _will_end(history: History, _: Sources) -> Notice:
    subscription = _subscription(history)
    scheduled = cast("CancellationScheduled", history[-1])
    letter = Cancelled(access_until=_date(subscription, scheduled.at))
    return _to_its_fan(subscription, letter)


def _ended(history: History, _: Sources) -> Notice | None:
    """By the fan's wish, or since its creator has closed; what never began did not end."""
    if not any(isinstance(event, SubscriptionActivated | TrialStarted) for event in history):
        return None
    subscription = _subscription(history)
    letter = Ended(ended_on=_date(subscription, history[-1].recorded_at))
    return _to_its_fan(subscription, letter)


def _price_change(history: History, _: Sources) -> Notice:
    subscription = _subscription(history)
    noticed = cast("PriceMigrationNoticed", history[-1])
    letter = PriceChange(
        old=subscription.price.money,
        new=noticed.price.money,
        starts_on=_date(subscription, _first_renewal(subscription, noticed.at)),
    )
    return _to_its_fan(subscription, letter)


def _first_renewal(subscription: Subscription, at: datetime) -> datetime:
    """When the first period begins at `at` or later that is not paid yet."""
    assert subscription.anchor is not None  # noqa: S101 - only who renews is told of a price
    assert subscription.paid_until is not None  # noqa: S101 - the same
    earliest = max(at, subscription.paid_until)
    around = period_at(subscription.anchor, earliest)
    return earliest if around.start == earliest else around.end


SUBSCRIPTION_MAKERS: Final[Mapping[type[Event], Mapping[str, Maker]]] = {
    TrialStarted: {TrialBegun.KIND: _trial_begun},
    RenewalReminded: {RenewalReminder.KIND: _reminder},
    SubscriptionPastDue: {RenewalUnpaid.KIND: _past_due},
    InvoiceAttemptFailed: {RenewalUnpaid.KIND: _failed_again},
    SubscriptionExpired: {Expired.KIND: _expired},
    CancellationScheduled: {Cancelled.KIND: _will_end},
    SubscriptionCancelled: {Ended.KIND: _ended},
    PriceMigrationNoticed: {PriceChange.KIND: _price_change},
}
