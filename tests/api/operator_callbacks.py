"""Callbacks as the sandbox operator signs them, also such as it would never send."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from standardwebhooks import Webhook

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class SignedCallback:
    """A request to a webhook: its headers, and the exact bytes that were signed."""

    webhook_id: str
    timestamp: str
    signature: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return {
            "webhook-id": self.webhook_id,
            "webhook-timestamp": self.timestamp,
            "webhook-signature": self.signature,
            "content-type": "application/json",
        }

    def altered(self, **changes: str | bytes) -> SignedCallback:
        """The same, with something changed after it was signed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # by name, of their types


def sign(
    secret: str, body: str, *, webhook_id: str | None = None, sent_at: datetime | None = None
) -> SignedCallback:
    """Sign any body."""
    webhook_id = webhook_id or f"msg_{uuid4().hex}"
    sent_at = sent_at or datetime.now(UTC)
    return SignedCallback(
        webhook_id=webhook_id,
        timestamp=str(int(sent_at.timestamp())),
        signature=Webhook(secret).sign(webhook_id, sent_at, body),
        body=body.encode(),
    )


def callback(
    secret: str,
    reference: UUID | str,
    status: str = "succeeded",
    /,
    *,
    amount: str = "1250.00",
    webhook_id: str | None = None,
    sent_at: datetime | None = None,
    **fields: object,
) -> SignedCallback:
    """What the operator says about a payment, by default that it was paid; `fields` replace."""
    now = datetime.now(UTC).isoformat()
    paid = status == "succeeded"
    data = {
        "reference": str(reference),
        "operator_reference": f"op_{uuid4().hex}",
        "status": status,
        "transaction": f"SB{uuid4().hex[:12].upper()}" if paid else None,
        "amount": amount,
        "currency": "KES",
        "reason": None if paid else "insufficient_funds",
        "occurred_at": now,
        **fields,
    }
    body = {"type": f"payment.{status}", "timestamp": now, "data": data}
    return sign(secret, json.dumps(body), webhook_id=webhook_id, sent_at=sent_at)


def till_payment(
    secret: str, account_reference: object, *, transaction: object, **fields: object
) -> SignedCallback:
    """What the operator says when a customer has paid at a till; `fields` replace."""
    now = datetime.now(UTC).isoformat()
    data = {
        "transaction": transaction,
        "account_reference": account_reference,
        "phone": "+254709481000",
        "amount": "1250.00",
        "currency": "KES",
        "occurred_at": now,
        **fields,
    }
    body = {"type": "till.payment.received", "timestamp": now, "data": data}
    return sign(secret, json.dumps(body))
