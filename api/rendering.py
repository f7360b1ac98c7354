"""Views as the JSON that the API answers; amounts in minor units, times in ISO 8601 UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from projections.payments import PaymentView


def rendered_payment(view: PaymentView, position: int) -> dict[str, Any]:
    """A payment as it stood at a position of the log, without its phone number."""
    return {
        "id": view.id,
        "state": view.state,
        "creator_id": view.creator_id,
        "fan_id": view.fan_id,
        "purpose": view.purpose,
        "reference": view.reference,
        "money": {"amount": view.money.amount, "currency": view.money.currency},
        "split": {"fee": view.split.fee, "vat": view.split.vat, "net": view.split.net},
        "provider": view.provider,
        "late": view.late,
        "reason": view.reason,
        "initiated_at": view.initiated_at,
        "expires_at": view.expires_at,
        "ended_at": view.ended_at,
        "position": position,
    }
