"""A payment and an invoice as every list shows them; each audience adds what it may see besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from ledger.events import InvoiceKind
from ledger.money import Money
from projections.payments import PaymentStanding

if TYPE_CHECKING:
    from projections.models.invoices import FoundInvoice
    from projections.models.payments import FoundPayment

Method = Literal["phone", "card", "till", "credit"]
Purpose = Literal["tip", "purchase", "invoice"]


class ListedPayment(BaseModel):
    """A payment: nothing of who paid whom."""

    id: UUID
    state: PaymentStanding
    purpose: Purpose
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    method: Method
    money: Money
    initiated_at: AwareDatetime
    ended_at: AwareDatetime | None


class ListedInvoice(BaseModel):
    """An invoice for `count` periods from `number` on.

    `credited` minor units of it became the subscriber's credit again.
    """

    id: UUID
    state: Literal["open", "paid", "void"]
    subscription_id: UUID
    kind: InvoiceKind
    number: int
    count: int
    money: Money
    credited: int
    reason: str | None
    starts_at: AwareDatetime | None
    ends_at: AwareDatetime | None
    issued_at: AwareDatetime
    ended_at: AwareDatetime | None


def listed_payment(found: FoundPayment) -> dict[str, Any]:
    """The fields of `ListedPayment`."""
    return {
        "id": found.payment_id,
        "state": found.state,
        "purpose": found.purpose,
        "reference": found.reference,
        "subscription_id": found.subscription_id,
        "invoice_id": found.invoice_id,
        "method": found.method,
        "money": {"amount": found.amount, "currency": found.currency},
        "initiated_at": found.initiated_at,
        "ended_at": found.ended_at,
    }


def split_of(found: FoundPayment) -> dict[str, int]:
    """How it is shared, in minor units."""
    return {"fee": found.fee, "vat": found.vat, "net": found.net}


def listed_invoice(found: FoundInvoice) -> dict[str, Any]:
    """The fields of `ListedInvoice`."""
    return {
        "id": found.invoice_id,
        "state": found.state,
        "subscription_id": found.subscription_id,
        "kind": found.kind,
        "number": found.number,
        "count": found.count,
        "money": {"amount": found.amount, "currency": found.currency},
        "credited": found.credited,
        "reason": found.reason,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
        "issued_at": found.issued_at,
        "ended_at": found.ended_at,
    }
