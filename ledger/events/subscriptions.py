"""A subscription's facts: its life, its invoices, what was tried to collect them.

Periods are half-open and numbered from 1; a number is never used again. Amounts of `credit` and
`goodwill` are minor units of the invoice that the fan's credit pays; the rest is cash.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ledger.billing_periods import Anchor, ZoneName
from ledger.events.base import Event, FailureReason
from ledger.events.catalog import Price
from ledger.journal_entry import JournalEntry
from ledger.money import Money

Number = Annotated[int, Field(strict=True, ge=1)]
MinorUnits = Annotated[int, Field(strict=True, ge=0)]

InvoiceKind = Literal["first", "renewal", "change", "prepayment"]
AttemptOrigin = Literal["clock", "fan"]


class PaymentMethod(BaseModel):
    """How renewals are paid: a prompt on a phone, or a stored card.

    `instrument` is an entry of the vault: the phone's number, or the provider's token of the card.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["phone", "card"]
    provider: Annotated[str, Field(max_length=40)]
    instrument: UUID


class SubscriptionStarted(Event):
    """A fan wants to subscribe: incomplete until paid, or trialing."""

    TOPIC = "subscription.started.v1"

    fan_id: UUID
    creator_id: UUID
    tier_id: UUID
    price: Price
    zone: ZoneName
    method: PaymentMethod
    completes_by: AwareDatetime


class TrialStarted(Event):
    """The fan tries it without paying until `ends_at`."""

    TOPIC = "subscription.trial_started.v1"

    ends_at: AwareDatetime


class TrialConverted(Event):
    """The trial is paid: periods are counted from this anchor."""

    TOPIC = "subscription.trial_converted.v1"

    anchor: Anchor


class SubscriptionActivated(Event):
    """The first payment arrived: periods are counted from this anchor."""

    TOPIC = "subscription.activated.v1"

    anchor: Anchor


class Invoiced(Event):
    """What every invoice has. Its entry reserves the fan's credit, if there is any."""

    TOPIC = ""

    invoice_id: UUID
    number: Number
    money: Money
    credit: MinorUnits
    goodwill: MinorUnits
    entry: JournalEntry | None


class FirstPeriodInvoiced(Invoiced):
    """The first period, which begins when it is paid: at a start, or after a trial."""

    TOPIC = "subscription.first_period_invoiced.v1"

    price: Price
    prompt_at: AwareDatetime | None


class RenewalInvoiced(Invoiced):
    """A period is due. `prompt_at` is the first moment at which the fan may be asked by itself."""

    TOPIC = "subscription.renewal_invoiced.v1"

    start: AwareDatetime
    end: AwareDatetime
    price: Price
    prompt_at: AwareDatetime


class ChangeInvoiced(Invoiced):
    """The difference to a higher price, for what remains of the period; paid by then or never."""

    TOPIC = "subscription.change_invoiced.v1"

    change_id: UUID
    tier_id: UUID
    price: Price
    expires_at: AwareDatetime


class PrepaymentInvoiced(Invoiced):
    """`count` periods in advance, the first of them `number`; paid by then or never."""

    TOPIC = "subscription.prepayment_invoiced.v1"

    count: Number
    expires_at: AwareDatetime


class CreditReserved(Event):
    """More of the fan's credit pays an open invoice; both are what was added."""

    TOPIC = "subscription.credit_reserved.v1"

    invoice_id: UUID
    credit: MinorUnits
    goodwill: MinorUnits
    entry: JournalEntry


class InvoiceAttempted(Event):
    """A payment was begun to collect an invoice; by a prompt, a card, or by hand at a till."""

    TOPIC = "subscription.invoice_attempted.v1"

    invoice_id: UUID
    attempt: Number
    payment_id: UUID
    origin: AttemptOrigin
    method: Literal["phone", "card", "till"]
    money: Money


class InvoiceAttemptFailed(Event):
    """The attempt ended without money. `pushed_at`: when it really reached the fan, if it did."""

    TOPIC = "subscription.invoice_attempt_failed.v1"

    invoice_id: UUID
    attempt: Number
    payment_id: UUID
    reason: FailureReason
    pushed_at: AwareDatetime | None


class DunningScheduled(Event):
    """The fan will be asked again, the `push`th time, not before `at`."""

    TOPIC = "subscription.dunning_scheduled.v1"

    invoice_id: UUID
    push: Number
    at: AwareDatetime


class PeriodPaid(Event):
    """A period is paid, by these payments."""

    TOPIC = "subscription.period_paid.v1"

    invoice_id: UUID
    number: Number
    start: AwareDatetime
    end: AwareDatetime
    payments: tuple[UUID, ...]


class PeriodsPrepaid(Event):
    """`count` periods from `number` on are paid in advance; each is `price`, by these payments."""

    TOPIC = "subscription.periods_prepaid.v1"

    invoice_id: UUID
    number: Number
    count: Number
    starts: tuple[AwareDatetime, ...]
    end: AwareDatetime
    payments: tuple[UUID, ...]


class PrepaymentEnded(Event):
    """Periods from `number` on that were paid in advance are not wanted: they became credit.

    The next begins where they did, with a new number that the anchor counts from there.
    """

    TOPIC = "subscription.prepayment_ended.v1"

    number: Number
    anchor: Anchor


class PeriodSkipped(Event):
    """A period was over before it could be invoiced: an outage of ours is not the fan's debt."""

    TOPIC = "subscription.period_skipped.v1"

    number: Number
    start: AwareDatetime
    end: AwareDatetime


class InvoiceVoided(Event):
    """An open invoice is not wanted any more; the credit that it had reserved is back."""

    TOPIC = "subscription.invoice_voided.v1"

    invoice_id: UUID
    number: Number
    reason: Literal["unpaid", "not_collected", "cancelled", "paused", "expired", "replaced"]
    entry: JournalEntry | None


class CreditNoteIssued(Event):
    """What was paid for time that is not used became the fan's credit, in the same turn."""

    TOPIC = "subscription.credit_note_issued.v1"

    credit_note_id: UUID
    invoice_id: UUID
    money: Money
    reason: Literal["paused", "prepayment_ended"]


class RenewalReminded(Event):
    """The fan is told that a period begins (or a trial ends) so many days later, at `start`."""

    TOPIC = "subscription.renewal_reminded.v1"

    number: Number
    start: AwareDatetime
    days: Number
    money: Money


class SubscriptionPastDue(Event):
    """A period could not be collected. Access lasts until `grace_until`, if `entitled`.

    Without `grace_until` the fan was not asked yet.
    """

    TOPIC = "subscription.past_due.v1"

    invoice_id: UUID
    number: Number
    grace_until: AwareDatetime | None
    entitled: Annotated[bool, Field(strict=True)]


class SubscriptionRecovered(Event):
    """It was past due and is paid."""

    TOPIC = "subscription.recovered.v1"

    number: Number


class SubscriptionExpired(Event):
    """It ended unpaid: never begun, or when the grace was over."""

    TOPIC = "subscription.expired.v1"

    reason: Literal["unpaid", "never_completed"]


class CancellationScheduled(Event):
    """It ends with the period that is paid."""

    TOPIC = "subscription.cancellation_scheduled.v1"

    at: AwareDatetime


class CancellationRevoked(Event):
    """It goes on."""

    TOPIC = "subscription.cancellation_revoked.v1"


class PauseScheduled(Event):
    """It pauses with the end of the period that is paid."""

    TOPIC = "subscription.pause_scheduled.v1"

    at: AwareDatetime


class SubscriptionCancelled(Event):
    """It ended: access ends, nothing more is collected, nothing is refunded by itself."""

    TOPIC = "subscription.cancelled.v1"

    reason: Literal["now", "period_end", "replaced", "creator_closed"]


class SubscriptionPaused(Event):
    """It rests: no access, no periods, until it is resumed."""

    TOPIC = "subscription.paused.v1"

    reason: Literal["now", "period_end"]


class SubscriptionResumed(Event):
    """It goes on: periods are counted from this anchor."""

    TOPIC = "subscription.resumed.v1"

    anchor: Anchor


class TierChangeScheduled(Event):
    """Another tier or price from the next renewal on."""

    TOPIC = "subscription.tier_change_scheduled.v1"

    tier_id: UUID
    price: Price
    at: AwareDatetime


class TierChangeRevoked(Event):
    """The change that was scheduled is not wanted any more."""

    TOPIC = "subscription.tier_change_revoked.v1"


class TierChanged(Event):
    """The tier or price is another one from now on; with a new anchor for another interval.

    An upgrade is paid by the payments of its invoice, for what remains of the period `number`.
    """

    TOPIC = "subscription.tier_changed.v1"

    tier_id: UUID
    price: Price
    anchor: Anchor | None
    number: Number
    reason: Literal["upgraded", "scheduled", "migrated"]
    invoice_id: UUID | None
    payments: tuple[UUID, ...]


class PriceMigrationNoticed(Event):
    """The fan is told of another price: it holds for renewals that begin at `at` or later."""

    TOPIC = "subscription.price_migration_noticed.v1"

    price: Price
    at: AwareDatetime


class PaymentMethodChanged(Event):
    """Renewals are paid another way from now on."""

    TOPIC = "subscription.payment_method_changed.v1"

    method: PaymentMethod
