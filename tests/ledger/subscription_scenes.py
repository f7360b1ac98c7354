"""Places from which the tests of subscriptions start: what is offered, one in each of its states.

A month for 31,000 from noon on 1 March, 15:00 in Nairobi: 1,000 a day. Each place has a time of its
own, at which it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4, uuid5

from ledger.accounts import GOODWILL, FanFunds, fan_funds
from ledger.commands import Claim
from ledger.events import PaymentMethod, PostAdjustment
from ledger.invoices import invoice_id
from ledger.journal_entry import entry
from tests.builders import (
    NOON,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, PAYMENT
from tests.money_builders import REASON, close_creator, propose
from tests.subscription_builders import (
    YEAR,
    advance,
    archive_tier,
    by_card,
    by_phone,
    cancel_subscription,
    change_tier,
    confirm_phone,
    create_tier,
    migrate_price,
    pause_subscription,
    pay_invoice,
    prepay,
    publish_price,
    publish_tier,
    start_confirmation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.decisions import LedgerCommand

BASIC: Final = UUID(int=20)
GOLD: Final = UUID(int=21)
SMALL: Final = UUID(int=22)
HIDDEN: Final = UUID(int=23)
ARCHIVED: Final = UUID(int=24)
SUBSCRIPTION: Final = UUID(int=30)
CHANGE: Final = UUID(int=31)
PREPAYMENT: Final = UUID(int=32)
CONFIRMATION: Final = UUID(int=33)
TILL: Final = UUID(int=34)
PHONE: Final = by_phone(UUID(int=40))
UNCONFIRMED: Final = by_phone(UUID(int=41))
CARD: Final = by_card(UUID(int=42))

MONTHLY: Final = 31_000
GOLD_MONTHLY: Final = 62_000
SMALL_MONTHLY: Final = 15_500
NEW_MONTHLY: Final = 33_000
YEARLY: Final = 310_000
TRIAL_DAYS: Final = 7

DAYS_10: Final = NOON + timedelta(days=10)
"""21 of 31 days of the first period are left."""

TO_GOLD: Final = 21_000
"""What is due of the difference then."""

RENEWAL: Final = datetime(2026, 4, 1, 12, tzinfo=UTC)
TRIAL_END: Final = NOON + timedelta(days=TRIAL_DAYS)
QUOTE_OVER: Final = DAYS_10 + timedelta(minutes=15)
LATER: Final = timedelta(minutes=5)
"""How long somebody takes to answer a prompt."""

PREPAID: Final = 2


def attempt_of(number: int, attempt: int = 1) -> UUID:
    """The payment of an attempt to collect a period."""
    return uuid5(invoice_id(SUBSCRIPTION, number), str(attempt))


FIRST: Final = attempt_of(1)
SECOND: Final = attempt_of(2)
UPGRADE: Final = uuid5(uuid5(SUBSCRIPTION, f"change:{CHANGE}"), "1")
IN_ADVANCE: Final = uuid5(uuid5(SUBSCRIPTION, f"prepayment:{PREPAYMENT}"), "1")


def offered() -> History:
    """A creator with tiers, a fan with a confirmed phone, and somebody's tip that is not paid."""
    history = History().given(
        register_creator(CREATOR),
        initiate_payment(CREATOR, payment_id=PAYMENT),
        create_tier(CREATOR, BASIC, trial_days=TRIAL_DAYS),
        publish_price(CREATOR, BASIC, MONTHLY),
        publish_price(CREATOR, BASIC, YEARLY, YEAR),
        publish_tier(CREATOR, BASIC),
        create_tier(CREATOR, HIDDEN),
        publish_price(CREATOR, HIDDEN, MONTHLY),
    )
    for tier, amount in ((GOLD, GOLD_MONTHLY), (SMALL, SMALL_MONTHLY), (ARCHIVED, MONTHLY)):
        history.given(
            create_tier(CREATOR, tier),
            publish_price(CREATOR, tier, amount),
            publish_tier(CREATOR, tier),
        )
    return history.given(archive_tier(CREATOR, ARCHIVED), *confirmed(FAN, PHONE))


def confirmed(fan_id: UUID, method: PaymentMethod) -> tuple[LedgerCommand, ...]:
    """The fan confirms a phone."""
    return (
        start_confirmation(fan_id, method.instrument, confirmation_id=CONFIRMATION),
        confirm_phone(fan_id, CONFIRMATION),
    )


def prompted(payment_id: UUID) -> tuple[LedgerCommand, ...]:
    """The prompt is on the phone."""
    return (start_submission(payment_id), record_submitted(payment_id))


def declined(payment_id: UUID) -> LedgerCommand:
    return report_without_money(payment_id, Claim.FAILED, reason="declined")


def paid(payment_id: UUID, amount: int = MONTHLY, transaction: str | None = None) -> LedgerCommand:
    return report_success(payment_id, amount, transaction=transaction)


SUBSCRIBE: Final = subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=SUBSCRIPTION)
TRY: Final = subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=SUBSCRIPTION, trial=True)
PAY: Final = pay_invoice(SUBSCRIPTION)
CANCEL: Final = cancel_subscription(SUBSCRIPTION)
CANCEL_LATER: Final = cancel_subscription(SUBSCRIPTION, "period_end")
PAUSE: Final = pause_subscription(SUBSCRIPTION)
PAUSE_LATER: Final = pause_subscription(SUBSCRIPTION, "period_end")
CLOCK: Final = advance(SUBSCRIPTION)
CLOCK_ALONE: Final = advance(SUBSCRIPTION, terms=None)
TO_UPGRADE: Final = change_tier(SUBSCRIPTION, GOLD, TO_GOLD, DAYS_10, change_id=CHANGE)
TO_DOWNGRADE: Final = change_tier(SUBSCRIPTION, SMALL, 0, DAYS_10)
TO_PREPAY: Final = prepay(SUBSCRIPTION, PREPAID, prepayment_id=PREPAYMENT)


# Not paid for yet.


def incomplete() -> History:
    """With the first prompt on the phone."""
    return offered().given(SUBSCRIBE, *prompted(FIRST))


def trying() -> History:
    """On the second day of seven."""
    return offered().given(TRY).at(NOON + timedelta(days=1))


def trial_being_paid() -> History:
    """The fan pays before the trial is over."""
    return trying().given(PAY, *prompted(FIRST))


def trial_over() -> History:
    """The clock has said so, and could reach nobody."""
    return trying().at(TRIAL_END).given(CLOCK_ALONE)


def trial_unpaid() -> History:
    """The fan was asked once, and declined."""
    history = trial_over().given(CLOCK, *prompted(FIRST))
    return history.at(TRIAL_END + LATER).given(declined(FIRST))


NOT_PAID: Final[Mapping[str, Callable[[], History]]] = {
    "none": offered,
    "incomplete, prompted": incomplete,
    "incomplete, declined": lambda: incomplete().given(declined(FIRST)),
    "trial": trying,
    "trial, prompted": trial_being_paid,
    "trial, declined": lambda: trial_being_paid().given(declined(FIRST)),
    "trial, to be cancelled": lambda: trying().given(CANCEL_LATER),
    "trial, paid": lambda: trial_being_paid().given(paid(FIRST)),
    "trial is over": lambda: trying().at(TRIAL_END),
    "trial over, not asked": trial_over,
    "trial over, declined": trial_unpaid,
}


# Active, ten days after the beginning.


def active() -> History:
    """The first period is paid, by the transaction PAID-1."""
    return incomplete().given(paid(FIRST, transaction="PAID-1")).at(DAYS_10)


def early() -> History:
    """The fan pays the second period in the first."""
    return active().given(PAY, *prompted(SECOND))


def prepaid() -> History:
    """Two periods more, for 62,000."""
    history = active().given(TO_PREPAY, *prompted(IN_ADVANCE))
    return history.given(paid(IN_ADVANCE, PREPAID * MONTHLY))


def upgrading() -> History:
    """The prompt for the difference is on the phone."""
    return active().given(TO_UPGRADE, *prompted(UPGRADE))


ACTIVE: Final[Mapping[str, Callable[[], History]]] = {
    "active": active,
    "early, prompted": early,
    "early, declined": lambda: early().given(declined(SECOND)),
    "early, paid": lambda: early().given(paid(SECOND)),
    "prepaid": prepaid,
    "prepaying": lambda: active().given(TO_PREPAY, *prompted(IN_ADVANCE)),
    "to be cancelled": lambda: active().given(CANCEL_LATER),
    "to be paused": lambda: active().given(PAUSE_LATER),
    "to be changed": lambda: active().given(TO_DOWNGRADE),
    "upgrading": upgrading,
    "upgrade declined": lambda: upgrading().given(declined(UPGRADE)),
    "quote is over": lambda: upgrading().at(QUOTE_OVER),
}


# At a renewal, and after the end.


def due() -> History:
    """The first period is over, and the clock did not look yet."""
    return active().at(RENEWAL)


def asked() -> History:
    """The prompt for the second period is on the phone."""
    return due().given(CLOCK, *prompted(SECOND))


def past_due() -> History:
    """It was declined."""
    return asked().at(RENEWAL + LATER).given(declined(SECOND))


def asked_again() -> History:
    """Four hours later, the second prompt."""
    history = past_due().at(RENEWAL + timedelta(hours=4)).given(CLOCK)
    return history.given(*prompted(attempt_of(2, 2)))


def paused() -> History:
    """With 21,000 for 21 unused days as credit."""
    return active().given(PAUSE)


def given_goodwill(history: History, amount: int) -> History:
    """The platform gives the fan something to spend."""
    posted = entry("KES", (GOODWILL, amount), (fan_funds(FAN, FanFunds.GOODWILL), -amount))
    action = PostAdjustment(adjustment_id=uuid4(), entry=posted, reason=REASON)
    return history.given(propose(action))


AT_RENEWAL: Final[Mapping[str, Callable[[], History]]] = {
    "due": due,
    "invoiced, not asked": lambda: due().given(CLOCK_ALONE),
    "asked": asked,
    "past due": past_due,
    "past due, prompted": asked_again,
    "past due, with goodwill": lambda: given_goodwill(past_due(), 10_000),
    "past due, with enough": lambda: given_goodwill(past_due(), MONTHLY),
    "paused": paused,
    "paused, to be changed": lambda: active().given(TO_DOWNGRADE, PAUSE),
    "cancelled": lambda: active().given(CANCEL),
    "cancelled, prompted": lambda: asked().given(CANCEL),
    "expired": lambda: past_due().at(RENEWAL + timedelta(days=7)).given(CLOCK),
}


# A price goes up, or a creator is gone.


def migrating() -> History:
    """In 14 days at the earliest, 33,000 are to be paid instead."""
    return active().given(
        publish_price(CREATOR, BASIC, NEW_MONTHLY), migrate_price(CREATOR, BASIC, NOON, target=3)
    )


def closed(scene: Callable[[], History]) -> Callable[[], History]:
    """The same, and then the creator is closed."""
    return lambda: scene().given(close_creator(CREATOR))


OF_CREATORS: Final[Mapping[str, Callable[[], History]]] = {
    "to be migrated": migrating,
    "told of a price": lambda: migrating().given(CLOCK),
    "closed: incomplete": closed(NOT_PAID["incomplete, declined"]),
    "closed: trial": closed(trying),
    "closed: trial over": closed(trial_unpaid),
    "closed: active": closed(active),
    "closed: early": closed(ACTIVE["early, declined"]),
    "closed: upgrade": closed(ACTIVE["upgrade declined"]),
    "closed: past due": closed(past_due),
    "closed: paused": closed(paused),
}

SUBSCRIPTION_STATES: Final = {**NOT_PAID, **ACTIVE, **AT_RENEWAL, **OF_CREATORS}
