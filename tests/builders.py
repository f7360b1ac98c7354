"""Commands and events with sensible values, so that a test says only what it is about.

Ids are new and keys are unique unless a test gives them, so that two calls never collide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from ledger.commands import (
    AssignFeePlan,
    CancelPayment,
    Claim,
    ExpirePayment,
    IdempotencyKey,
    InitiatePayment,
    PaymentTerms,
    ProviderReport,
    RecordReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    RegisterCreator,
    StartSubmission,
)
from ledger.events import Occasion
from ledger.money import Money
from ledger.postings import FeePlan
from ledger.receipt import receipt_id

if TYPE_CHECKING:
    from ledger.inbox import InboxEntry

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROVIDER: Final = "sandbox"
PLAN: Final = FeePlan(fee_basis_points=1_000, vat_basis_points=1_600)
"""Ten per cent, and sixteen per cent VAT on it: 100,000 splits into 10,000, 1,600 and 88,400."""

GROSS: Final = 100_000
SETTLEMENT_DELAY_SECONDS: Final = 3 * 24 * 3600
TERMS: Final = PaymentTerms(
    provider=PROVIDER, step=1, minimum=1, maximum=10**15, expires_after_seconds=3_600
)


def kes(amount: int) -> Money:
    """Kenyan shillings, in cents."""
    return Money(amount=amount, currency="KES")


def caller_key(key: str | None = None, *, fingerprint: bytes = b"a request") -> IdempotencyKey:
    """A key as a caller of the API sends it, with the fingerprint of the request."""
    return IdempotencyKey("fan:test", key or str(uuid4()), fingerprint)


def natural_key(key: str | None = None, *, scope: str = f"callback:{PROVIDER}") -> IdempotencyKey:
    """A key that names a thing of the outside, such as a callback."""
    return IdempotencyKey(scope, key or str(uuid4()))


def occasion(recorded_at: datetime = NOON) -> Occasion:
    """When and by whom, for decisions that are made without a database."""
    return Occasion(
        recorded_at=recorded_at,
        actor="fan:test",
        correlation_id=UUID(int=1),
        causation_id="request:test",
    )


def envelope(key: IdempotencyKey | None) -> dict[str, Any]:
    """What every command carries."""
    return {
        "key": key or caller_key(),
        "actor": "fan:test",
        "correlation_id": uuid4(),
        "causation_id": "request:test",
    }


def register_creator(
    creator_id: UUID | None = None,
    *,
    currency: str = "KES",
    plan: FeePlan = PLAN,
    key: IdempotencyKey | None = None,
) -> RegisterCreator:
    """Register a creator."""
    return RegisterCreator(
        creator_id=creator_id or uuid4(),
        name=None,
        settlement_currency=currency,
        plan=plan,
        **envelope(key),
    )


def assign_fee_plan(
    creator_id: UUID, fee_basis_points: int = 500, *, key: IdempotencyKey | None = None
) -> AssignFeePlan:
    """Change a creator's plan."""
    return AssignFeePlan(
        creator_id=creator_id,
        plan=FeePlan(fee_basis_points=fee_basis_points, vat_basis_points=1_600),
        **envelope(key),
    )


def initiate_payment(
    creator_id: UUID,
    amount: int = GROSS,
    *,
    payment_id: UUID | None = None,
    fan_id: UUID | None = None,
    currency: str = "KES",
    terms: PaymentTerms = TERMS,
    key: IdempotencyKey | None = None,
) -> InitiatePayment:
    """A fan wants to tip a creator."""
    return InitiatePayment(
        payment_id=payment_id or uuid4(),
        fan_id=fan_id or uuid4(),
        creator_id=creator_id,
        purpose="tip",
        reference=None,
        money=Money(amount=amount, currency=currency),
        phone=uuid4(),
        terms=terms,
        **envelope(key),
    )


def cancel_payment(
    payment_id: UUID, fan_id: UUID, *, key: IdempotencyKey | None = None
) -> CancelPayment:
    """The fan gives up."""
    return CancelPayment(payment_id=payment_id, fan_id=fan_id, **envelope(key))


def start_submission(
    payment_id: UUID, *, key: IdempotencyKey | None = None, deadline_seconds: int = 60
) -> StartSubmission:
    """A dispatcher asks for the right to call the provider."""
    return StartSubmission(
        payment_id=payment_id,
        claim=uuid4(),
        deadline_seconds=deadline_seconds,
        **envelope(key or natural_key(scope="dispatcher")),
    )


def record_submitted(payment_id: UUID, *, key: IdempotencyKey | None = None) -> RecordSubmitted:
    """The provider took the request."""
    return RecordSubmitted(
        payment_id=payment_id,
        provider_reference=f"prompt-{payment_id}",
        **envelope(key or natural_key(scope="dispatcher")),
    )


def record_submission_unknown(
    payment_id: UUID, *, key: IdempotencyKey | None = None
) -> RecordSubmissionUnknown:
    """The call to the provider timed out."""
    return RecordSubmissionUnknown(
        payment_id=payment_id,
        reason="timed_out",
        **envelope(key or natural_key(scope="dispatcher")),
    )


def expire_payment(payment_id: UUID, *, key: IdempotencyKey | None = None) -> ExpirePayment:
    """The clock says that the time to pay is over."""
    return ExpirePayment(payment_id=payment_id, **envelope(key or natural_key(scope="clock")))


def report_success(
    payment_id: UUID | None,
    amount: int = GROSS,
    *,
    transaction: str | None = None,
    currency: str = "KES",
    provider: str = PROVIDER,
    occurred_at: datetime | None = None,
    inbox_entry: InboxEntry | None = None,
    key: IdempotencyKey | None = None,
) -> RecordReport:
    """The provider says that money arrived."""
    transaction = transaction or f"T{uuid4().hex[:12]}"
    return RecordReport(
        report=ProviderReport(
            provider=provider,
            payment_id=payment_id,
            claim=Claim.SUCCEEDED,
            provider_transaction=transaction,
            received=Money(amount=amount, currency=currency),
            occurred_at=occurred_at,
        ),
        receipt_id=receipt_id(provider=provider, transaction=transaction),
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        inbox_entry=inbox_entry,
        **envelope(key or natural_key()),
    )


def report_without_money(
    payment_id: UUID | None,
    claim: Claim,
    *,
    transaction: str | None = None,
    reason: str | None = None,
    inbox_entry: InboxEntry | None = None,
    key: IdempotencyKey | None = None,
) -> RecordReport:
    """The provider says that a payment is pending, failed or was cancelled."""
    return RecordReport(
        report=ProviderReport(
            provider=PROVIDER,
            payment_id=payment_id,
            claim=claim,
            provider_transaction=transaction,
            reason=reason,
        ),
        settlement_delay_seconds=SETTLEMENT_DELAY_SECONDS,
        inbox_entry=inbox_entry,
        **envelope(key or natural_key()),
    )
