"""What is due of a subscription, and when: everything that happens by time alone.

The clock knows one request, `AdvanceSubscription`: do all that is due by now. What that is follows
from the state, so it may be asked twice, by two clocks, or after weeks, and nothing happens twice:

    incomplete   24 hours are over                 expired
    trialing     3 days and 1 day before its end   reminded
                 its end                           first period invoiced, past due until paid
    active       3 days and 1 day before renewal   reminded
                 the end of what is paid           cancelled, paused or changed, if so scheduled; a
                                                   period that is over already is skipped, free;
                                                   else the next period is invoiced
                 asking hours                      asked (ledger/dunning.py)
                 the period ended, never asked     void: an outage of ours is not the fan's debt
    past due     asking hours                      asked again
                 the grace is over                 expired
    any          a quote has expired               void

Time is the turn's: years pass as fast as a test says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from ledger import dunning
from ledger.billing_periods import Anchor, anchor_at, period
from ledger.errors import SubscriptionNotFound
from ledger.events import (
    PeriodSkipped,
    PriceMigrationNoticed,
    RenewalReminded,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    TierChanged,
)
from ledger.invoices import (
    collect_if_due,
    issue_first,
    issue_renewal,
    pay_by_credit,
    settle,
    void,
    void_all,
)
from ledger.subscription import Invoice, Subscription, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from ledger.commands import AdvanceSubscription, PaymentTerms
    from ledger.draft import Draft
    from ledger.events import Price

STEPS_MAX: Final = 200
"""Steps of one decision; a clock that was away for years needs several."""


def due_at(sub: Subscription) -> datetime | None:
    """When something is due next; None when nothing is due by time alone."""
    times = [each.expires_at for each in (sub.order,) if each is not None]
    match sub.state:
        case SubscriptionState.INCOMPLETE:
            times.append(sub.completes_by)
        case SubscriptionState.TRIALING:
            times.append(sub.trial_ends_at)
            times += _reminders(sub, sub.trial_ends_at)
        case SubscriptionState.ACTIVE:
            times += _due_while_active(sub)
        case SubscriptionState.PAST_DUE:
            times.append(sub.grace_until)
            times += _attempts(sub.invoice)
        case SubscriptionState.PAUSED | SubscriptionState.CANCELLED | SubscriptionState.EXPIRED:
            pass
        case _:
            assert_never(sub.state)
    return min((each for each in times if each is not None), default=None)


def _due_while_active(sub: Subscription) -> Iterator[datetime | None]:
    if sub.invoice is not None:
        yield sub.invoice.end
        yield from _attempts(sub.invoice)
        return
    yield sub.paid_until
    yield from _reminders(sub, sub.paid_until)


def _attempts(invoice: Invoice | None) -> Iterator[datetime | None]:
    if invoice is not None and invoice.live is None:
        yield invoice.next_attempt_at


def _reminders(sub: Subscription, begins_at: datetime | None) -> Iterator[datetime]:
    for at, _, _ in _reminder_times(sub, begins_at):
        yield at


def _reminder_times(
    sub: Subscription, begins_at: datetime | None
) -> Iterator[tuple[datetime, datetime, int]]:
    """From when, before when, and how many days ahead the fan is reminded, if not done yet."""
    if begins_at is None or sub.cancel_at is not None or sub.pause_at is not None:
        return
    before = begins_at
    known_since = max((each.start for each in sub.periods), default=sub.started_at)
    given = [days for number, days in sub.reminded if number == sub.next_number]
    for days in sorted(dunning.REMINDER_DAYS):
        wanted = begins_at - timedelta(days=days)
        at = dunning.allowed_at(wanted, method=sub.method, zone=sub.zone)
        # A period of a day needs no reminder on the day before, nor does who was told later on.
        if known_since < wanted and at < before and not any(each <= days for each in given):
            yield at, before, days
        before = min(before, at)


def advance(draft: Draft, sub: Subscription | None, command: AdvanceSubscription) -> None:
    """Do all that is due. Raises `SubscriptionNotFound`."""
    if sub is None:
        raise SubscriptionNotFound
    terms = command.terms.get((sub.method.provider, sub.currency))
    for _ in range(STEPS_MAX):
        recorded = len(draft.events)
        _step(draft, draft.subscription(sub.id), terms, command.settlement_delay_seconds)
        if len(draft.events) == recorded:
            return


def begin_what_is_due(draft: Draft, sub_id: UUID, terms: PaymentTerms | None, delay: int) -> None:
    """Invoice, skip, end or change what began while the clock did not look; ask for nothing."""
    for _ in range(STEPS_MAX):
        sub = draft.subscription(sub_id)
        waits = sub.paid_until is None or sub.paid_until > draft.now
        if sub.state is not SubscriptionState.ACTIVE or sub.invoice is not None or waits:
            return
        _while_active(draft, sub, terms, delay)


def _step(draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int) -> None:
    order = sub.order
    if order is not None and order.expires_at is not None and order.expires_at <= draft.now:
        void(draft, sub.id, order.id, "expired")
        return
    match sub.state:
        case SubscriptionState.INCOMPLETE:
            if sub.completes_by <= draft.now:
                _expire(draft, sub)
        case SubscriptionState.TRIALING:
            _while_trialing(draft, sub, terms, delay)
        case SubscriptionState.ACTIVE:
            _while_active(draft, sub, terms, delay)
        case SubscriptionState.PAST_DUE:
            if sub.grace_until is not None and sub.grace_until <= draft.now:
                # A clock that comes late finds what credit would have paid in time.
                if not pay_by_credit(draft, sub.id, delay):
                    _expire(draft, sub)
            elif not _closed_before(draft, sub):
                collect_if_due(draft, sub.id, terms, delay)
        case SubscriptionState.PAUSED | SubscriptionState.CANCELLED | SubscriptionState.EXPIRED:
            pass
        case _:
            assert_never(sub.state)


def _expire(draft: Draft, sub: Subscription) -> None:
    never = sub.state is SubscriptionState.INCOMPLETE
    void_all(draft, sub.id, "unpaid")
    draft.record(SubscriptionExpired, sub.id, reason="never_completed" if never else "unpaid")


def _while_trialing(
    draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int
) -> None:
    assert sub.trial_ends_at is not None  # noqa: S101 - it is a trial
    if draft.now < sub.trial_ends_at:
        _remind(draft, sub, sub.trial_ends_at)
    elif not _ends(draft, sub):
        _end_trial(draft, sub, terms, delay)


def _end_trial(draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int) -> None:
    invoice = sub.invoice
    if invoice is None:
        at = dunning.allowed_at(draft.now, method=sub.method, zone=sub.zone)
        invoice = issue_first(draft, sub.id, terms, prompt_at=at)
    if invoice.cash == 0:
        settle(draft, sub.id, invoice.id, (), delay)
        return
    draft.record(
        SubscriptionPastDue,
        sub.id,
        invoice_id=invoice.id,
        number=invoice.number,
        grace_until=None,
        entitled=False,
    )


def _while_active(draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int) -> None:
    invoice, paid_until = sub.invoice, sub.paid_until
    assert paid_until is not None  # noqa: S101 - it is active
    if invoice is not None:
        if invoice.end is not None and invoice.end <= draft.now:
            void(draft, sub.id, invoice.id, "not_collected")
        elif paid_until > draft.now or not _closed_before(draft, sub):
            collect_if_due(draft, sub.id, terms, delay)
    elif paid_until > draft.now:
        _give_notice(draft, sub)
        _remind(draft, sub, paid_until)
    elif not (_ends(draft, sub) or _changes(draft, sub, paid_until)):
        # While an invoice was open nothing was told; a short period is over without a reminder.
        _give_notice(draft, sub)
        _renew(draft, sub, terms, delay)


def _ends(draft: Draft, sub: Subscription) -> bool:
    """End or pause it, where that is scheduled or its creator has closed; cancelling wins."""
    creator = draft.creator(sub.creator_id)
    if sub.cancel_at is not None or (creator is not None and creator.closed):
        void_all(draft, sub.id, "cancelled")
        reason = "period_end" if sub.cancel_at is not None else "creator_closed"
        draft.record(SubscriptionCancelled, sub.id, reason=reason)
        return True
    if sub.pause_at is not None:
        void_all(draft, sub.id, "paused")
        draft.record(SubscriptionPaused, sub.id, reason="period_end")
        return True
    return False


def _closed_before(draft: Draft, sub: Subscription) -> bool:
    """End it where its creator closed before the period that is open began, or was asked for."""
    invoice = sub.invoice
    if (
        invoice is None
        or invoice.live is not None
        or (invoice.start is not None and invoice.pushes)
    ):
        return False
    return _ends(draft, sub)


def _changes(draft: Draft, sub: Subscription, begins_at: datetime) -> bool:
    """Let the tier or price that is scheduled, or that the fan was told of, hold from now on."""
    if sub.change is not None:
        change_at(draft, sub, begins_at, tier_id=sub.change.tier_id, price=sub.change.price)
        return True
    return migrate_price(draft, sub, begins_at)


def migrate_price(draft: Draft, sub: Subscription, begins_at: datetime) -> bool:
    """Let the price hold that the fan was told of, if it does for a period that begins then."""
    if sub.noticed is not None and sub.noticed.at <= begins_at:
        draft.record(
            TierChanged,
            sub.id,
            tier_id=sub.tier_id,
            price=sub.noticed.price,
            anchor=None,
            number=sub.next_number,
            reason="migrated",
            invoice_id=None,
            payments=(),
        )
        return True
    return False


def change_at(
    draft: Draft, sub: Subscription, begins_at: datetime, *, tier_id: UUID, price: Price
) -> None:
    """Change the tier with the period that begins; another interval is counted from there."""
    anchor: Anchor | None = None
    if sub.anchor is not None and price.interval != sub.price.interval:
        anchor = anchor_at(begins_at, zone=sub.zone, first=sub.next_number, interval=price.interval)
        if sub.price.interval.unit in {"month", "year"}:
            # What begins on the 28th may be meant for the 31st.
            anchor = anchor.model_copy(update={"day": sub.anchor.day})
    draft.record(
        TierChanged,
        sub.id,
        tier_id=tier_id,
        price=price,
        anchor=anchor,
        number=sub.next_number,
        reason="scheduled",
        invoice_id=None,
        payments=(),
    )


def _renew(draft: Draft, sub: Subscription, terms: PaymentTerms | None, delay: int) -> None:
    assert sub.anchor is not None  # noqa: S101 - it is active
    due = period(sub.anchor, sub.next_number)
    if due.end <= draft.now:
        draft.record(PeriodSkipped, sub.id, number=due.number, start=due.start, end=due.end)
        return
    invoice = issue_renewal(draft, sub.id, terms)
    if invoice.cash == 0:
        settle(draft, sub.id, invoice.id, (), delay)


def _give_notice(draft: Draft, sub: Subscription) -> None:
    """Tell the fan of another price that their subscription will be taken to."""
    creator = draft.creator(sub.creator_id)
    tier = None if creator is None else creator.tiers.get(sub.tier_id)
    migration = None if tier is None else tier.migrations.get(sub.price.version)
    if tier is None or migration is None:
        return
    if sub.noticed is not None and sub.noticed.price.version == migration.to_version:
        return
    draft.record(
        PriceMigrationNoticed,
        sub.id,
        price=tier.prices[migration.to_version],
        at=max(migration.begins_at, draft.now + migration.notice),
    )


def _price_from(sub: Subscription, begins_at: datetime) -> Price:
    """What the next period costs, which begins then."""
    if sub.change is not None:
        return sub.change.price
    if sub.noticed is not None and sub.noticed.at <= begins_at:
        return sub.noticed.price
    return sub.price


def _remind(draft: Draft, sub: Subscription, begins_at: datetime) -> None:
    for at, before, days in _reminder_times(sub, begins_at):
        if at <= draft.now < before:
            draft.record(
                RenewalReminded,
                sub.id,
                number=sub.next_number,
                start=begins_at,
                days=days,
                money=_price_from(sub, begins_at).money,
            )
