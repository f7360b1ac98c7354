"""Commands about tiers, fans and subscriptions, with sensible values: see tests/builders.py."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4

from ledger.billing_periods import Interval
from ledger.commands import (
    AdvanceSubscription,
    ArchiveTier,
    CancelSubscription,
    ChangePaymentMethod,
    ChangeTier,
    ConfirmPhone,
    CreateTier,
    PauseSubscription,
    PayInvoice,
    PaymentTerms,
    Prepay,
    PublishPrice,
    PublishTier,
    RequestCreditRefund,
    ResumeSubscription,
    RevokeCancellation,
    SchedulePriceMigration,
    SetEmail,
    StartPhoneConfirmation,
    Subscribe,
)
from ledger.events import PaymentMethod
from ledger.money import Money
from tests.builders import PROVIDER, SETTLEMENT_DELAY_SECONDS, TERMS, envelope, natural_key
from tests.money_builders import REASON

ZONE: Final = "Africa/Nairobi"
MONTH: Final = Interval(unit="month")
YEAR: Final = Interval(unit="year")
WEEK: Final = Interval(unit="week")
DAY: Final = Interval(unit="day")
CODE_SECONDS: Final = 600
NOTICE_SECONDS: Final = 14 * 24 * 3600


def by_phone(phone: UUID) -> PaymentMethod:
    """Each renewal is a prompt on this phone."""
    return PaymentMethod(kind="phone", provider=PROVIDER, instrument=phone)


def by_card(card: UUID) -> PaymentMethod:
    """Each renewal is charged to this card."""
    return PaymentMethod(kind="card", provider=PROVIDER, instrument=card)


# What a creator offers.


def create_tier(
    creator_id: UUID, tier_id: UUID, *, name: str = "Friends", trial_days: int = 0
) -> CreateTier:
    return CreateTier(
        creator_id=creator_id, tier_id=tier_id, name=name, trial_days=trial_days, **envelope(None)
    )


def publish_price(
    creator_id: UUID,
    tier_id: UUID,
    amount: int,
    interval: Interval = MONTH,
    *,
    currency: str = "KES",
) -> PublishPrice:
    return PublishPrice(
        creator_id=creator_id,
        tier_id=tier_id,
        money=Money(amount=amount, currency=currency),
        interval=interval,
        **envelope(None),
    )


def publish_tier(creator_id: UUID, tier_id: UUID) -> PublishTier:
    return PublishTier(creator_id=creator_id, tier_id=tier_id, **envelope(None))


def archive_tier(creator_id: UUID, tier_id: UUID) -> ArchiveTier:
    return ArchiveTier(creator_id=creator_id, tier_id=tier_id, **envelope(None))


def migrate_price(
    creator_id: UUID,
    tier_id: UUID,
    begins_at: datetime,
    *,
    source: int = 1,
    target: int = 2,
    notice_seconds: int = NOTICE_SECONDS,
) -> SchedulePriceMigration:
    return SchedulePriceMigration(
        creator_id=creator_id,
        tier_id=tier_id,
        from_version=source,
        to_version=target,
        begins_at=begins_at,
        notice_seconds=notice_seconds,
        **envelope(None),
    )


# What a fan says of themself.


def start_confirmation(
    fan_id: UUID,
    phone: UUID | None = None,
    *,
    confirmation_id: UUID | None = None,
    valid_seconds: int = CODE_SECONDS,
) -> StartPhoneConfirmation:
    return StartPhoneConfirmation(
        fan_id=fan_id,
        confirmation_id=confirmation_id or uuid4(),
        phone=phone or uuid4(),
        valid_seconds=valid_seconds,
        **envelope(None),
    )


def confirm_phone(fan_id: UUID, confirmation_id: UUID, *, right: bool = True) -> ConfirmPhone:
    return ConfirmPhone(
        fan_id=fan_id, confirmation_id=confirmation_id, code_is_right=right, **envelope(None)
    )


def set_email(fan_id: UUID, email: UUID | None) -> SetEmail:
    return SetEmail(fan_id=fan_id, email=email, **envelope(None))


# Subscriptions.


def subscribe(
    fan_id: UUID,
    creator_id: UUID,
    tier_id: UUID,
    method: PaymentMethod,
    *,
    subscription_id: UUID | None = None,
    interval: Interval = MONTH,
    zone: str = ZONE,
    trial: bool = False,
    terms: PaymentTerms = TERMS,
) -> Subscribe:
    return Subscribe(
        subscription_id=subscription_id or uuid4(),
        fan_id=fan_id,
        creator_id=creator_id,
        tier_id=tier_id,
        interval=interval,
        zone=zone,
        method=method,
        trial=trial,
        terms=terms,
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(None),
    )


def pay_invoice(
    subscription_id: UUID,
    number: int | None = None,
    *,
    fan_id: UUID | None = None,
    till_payment: UUID | None = None,
    terms: PaymentTerms = TERMS,
) -> PayInvoice:
    """Pay what is open; with `till_payment`, by a reference that is typed at a till."""
    return PayInvoice(
        subscription_id=subscription_id,
        fan_id=fan_id,
        number=number,
        payment_id=till_payment,
        terms=terms,
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(None),
    )


def cancel_subscription(
    subscription_id: UUID, when: Literal["period_end", "now"] = "now", *, fan_id: UUID | None = None
) -> CancelSubscription:
    return CancelSubscription(
        subscription_id=subscription_id, fan_id=fan_id, when=when, **envelope(None)
    )


def revoke_cancellation(subscription_id: UUID) -> RevokeCancellation:
    return RevokeCancellation(subscription_id=subscription_id, fan_id=None, **envelope(None))


def pause_subscription(
    subscription_id: UUID, when: Literal["period_end", "now"] = "now"
) -> PauseSubscription:
    return PauseSubscription(
        subscription_id=subscription_id, fan_id=None, when=when, **envelope(None)
    )


def resume_subscription(
    subscription_id: UUID, *, terms: PaymentTerms = TERMS
) -> ResumeSubscription:
    return ResumeSubscription(
        subscription_id=subscription_id,
        fan_id=None,
        terms=terms,
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(None),
    )


def change_tier(
    subscription_id: UUID,
    tier_id: UUID,
    amount_due: int,
    quoted_at: datetime,
    *,
    interval: Interval = MONTH,
    change_id: UUID | None = None,
    terms: PaymentTerms = TERMS,
) -> ChangeTier:
    """Change as a preview at `quoted_at` had said that it costs `amount_due` minor units."""
    return ChangeTier(
        subscription_id=subscription_id,
        fan_id=None,
        change_id=change_id or uuid4(),
        tier_id=tier_id,
        interval=interval,
        quoted_at=quoted_at,
        amount_due=amount_due,
        terms=terms,
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(None),
    )


def prepay(
    subscription_id: UUID,
    count: int,
    *,
    prepayment_id: UUID | None = None,
    terms: PaymentTerms = TERMS,
) -> Prepay:
    return Prepay(
        subscription_id=subscription_id,
        fan_id=None,
        prepayment_id=prepayment_id or uuid4(),
        count=count,
        terms=terms,
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(None),
    )


def change_method(subscription_id: UUID, method: PaymentMethod) -> ChangePaymentMethod:
    return ChangePaymentMethod(
        subscription_id=subscription_id, fan_id=None, method=method, **envelope(None)
    )


def advance(subscription_id: UUID, *, terms: PaymentTerms | None = TERMS) -> AdvanceSubscription:
    """The clock asks; without `terms` nobody can be reached to collect."""
    return AdvanceSubscription(
        subscription_id=subscription_id,
        fan_id=None,
        terms={} if terms is None else {(terms.provider, "KES"): terms},
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        **envelope(natural_key(scope="clock")),
    )


def refund_credit(
    payment_id: UUID,
    amount: int | None = None,
    *,
    refund_id: UUID | None = None,
    fan_id: UUID | None = None,
    currency: str = "KES",
    step: int = 1,
) -> RequestCreditRefund:
    return RequestCreditRefund(
        payment_id=payment_id,
        refund_id=refund_id or uuid4(),
        fan_id=fan_id,
        money=None if amount is None else Money(amount=amount, currency=currency),
        reason=REASON,
        step=step,
        **envelope(None),
    )
