"""An event of every class on a subscription's stream: its life, and its invoices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from ledger.billing_periods import anchor_at
from ledger.events import (
    CancellationRevoked,
    CancellationScheduled,
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    DunningScheduled,
    Event,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    InvoiceVoided,
    PauseScheduled,
    PaymentMethod,
    PaymentMethodChanged,
    PeriodPaid,
    PeriodSkipped,
    PeriodsPrepaid,
    PrepaymentEnded,
    PrepaymentInvoiced,
    PriceMigrationNoticed,
    RenewalInvoiced,
    RenewalReminded,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    SubscriptionStarted,
    TierChanged,
    TierChangeRevoked,
    TierChangeScheduled,
    TrialConverted,
    TrialStarted,
)
from ledger.postings import credit_reserved, credit_set_free
from tests.ledger.catalog_examples import PRICE
from tests.ledger.example_fields import (
    CREATOR,
    CREDIT_NOTE,
    FAN,
    INVOICE,
    PAYMENT,
    PHONE,
    PLACE,
    RECORDED_AT,
    kes,
)

ZONE: Final = "Africa/Cairo"
START: Final = RECORDED_AT + timedelta(days=1)
END: Final = START + timedelta(days=91)
TIER: Final = UUID(int=30)
NEXT_TIER: Final = UUID(int=33)
PHONE_METHOD: Final = PaymentMethod(kind="phone", provider="sandbox", instrument=PHONE)
CARD_METHOD: Final = PaymentMethod(kind="card", provider="cards", instrument=UUID(int=34))
ANCHOR: Final = anchor_at(RECORDED_AT, zone=ZONE, first=7, interval=PRICE.interval)
OF_INVOICE: Final[dict[str, Any]] = {"invoice_id": INVOICE, **PLACE}
CREDIT: Final[dict[str, Any]] = {"credit": 1_200, "goodwill": 300}
OF_FAN: Final[dict[str, Any]] = {**CREDIT, "currency": "KES", "fan_id": FAN}
RESERVED: Final[dict[str, Any]] = {**CREDIT, "entry": credit_reserved(**OF_FAN)}
INVOICED: Final[dict[str, Any]] = {
    "number": 7,
    "money": PRICE.money,
    **RESERVED,
    **OF_INVOICE,
}
PERIOD: Final[dict[str, Any]] = {"number": 7, "start": START, "end": END}
PAYMENTS: Final = (PAYMENT, UUID(int=35))
"""What paid an invoice: cash, and credit."""

BEGINNINGS: Final[tuple[Event, ...]] = (
    SubscriptionStarted(
        fan_id=FAN,
        creator_id=CREATOR,
        tier_id=TIER,
        price=PRICE,
        zone=ZONE,
        method=PHONE_METHOD,
        completes_by=RECORDED_AT + timedelta(hours=24),
        **PLACE,
    ),
    TrialStarted(ends_at=RECORDED_AT + timedelta(days=14), **PLACE),
    TrialConverted(anchor=ANCHOR, **PLACE),
    SubscriptionActivated(anchor=ANCHOR, **PLACE),
)

INVOICES: Final[tuple[Event, ...]] = (
    FirstPeriodInvoiced(price=PRICE, prompt_at=START, **INVOICED),
    RenewalInvoiced(
        start=START, end=END, price=PRICE, prompt_at=START + timedelta(hours=8), **INVOICED
    ),
    ChangeInvoiced(
        change_id=UUID(int=36),
        tier_id=NEXT_TIER,
        price=PRICE,
        expires_at=RECORDED_AT + timedelta(minutes=15),
        **INVOICED,
    ),
    PrepaymentInvoiced(count=4, expires_at=RECORDED_AT + timedelta(minutes=10), **INVOICED),
    CreditReserved(**RESERVED, **OF_INVOICE),
    InvoiceAttempted(
        attempt=2,
        payment_id=PAYMENT,
        origin="clock",
        method="phone",
        money=kes(48_500),
        **OF_INVOICE,
    ),
    InvoiceAttemptFailed(
        attempt=2,
        payment_id=PAYMENT,
        reason="insufficient_funds",
        pushed_at=RECORDED_AT - timedelta(minutes=2),
        **OF_INVOICE,
    ),
    DunningScheduled(push=2, at=RECORDED_AT + timedelta(hours=4), **OF_INVOICE),
    PeriodPaid(payments=PAYMENTS, **PERIOD, **OF_INVOICE),
    PeriodsPrepaid(
        number=7,
        count=2,
        starts=(START, END),
        end=END + timedelta(days=92),
        payments=PAYMENTS,
        **OF_INVOICE,
    ),
    PrepaymentEnded(number=8, anchor=ANCHOR, **PLACE),
    PeriodSkipped(**PERIOD, **PLACE),
    InvoiceVoided(number=7, reason="not_collected", entry=credit_set_free(**OF_FAN), **OF_INVOICE),
    CreditNoteIssued(
        credit_note_id=CREDIT_NOTE, money=kes(3_000), reason="prepayment_ended", **OF_INVOICE
    ),
)

LIVES: Final[tuple[Event, ...]] = (
    RenewalReminded(number=7, start=START, days=3, money=PRICE.money, **PLACE),
    SubscriptionPastDue(
        number=7, grace_until=START + timedelta(days=7), entitled=True, **OF_INVOICE
    ),
    SubscriptionRecovered(number=7, **PLACE),
    SubscriptionExpired(reason="never_completed", **PLACE),
    CancellationScheduled(at=END, **PLACE),
    CancellationRevoked(**PLACE),
    PauseScheduled(at=END, **PLACE),
    SubscriptionCancelled(reason="creator_closed", **PLACE),
    SubscriptionPaused(reason="period_end", **PLACE),
    SubscriptionResumed(anchor=ANCHOR, **PLACE),
    TierChangeScheduled(tier_id=NEXT_TIER, price=PRICE, at=END, **PLACE),
    TierChangeRevoked(**PLACE),
    TierChanged(
        tier_id=NEXT_TIER,
        price=PRICE,
        anchor=ANCHOR,
        number=7,
        reason="upgraded",
        payments=PAYMENTS,
        **OF_INVOICE,
    ),
    PriceMigrationNoticed(price=PRICE, at=END, **PLACE),
    PaymentMethodChanged(method=CARD_METHOD, **PLACE),
)
