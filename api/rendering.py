"""Views as the JSON that the API answers; amounts in minor units, times in ISO 8601 UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.flows import NO_FLOWS

if TYPE_CHECKING:
    from ledger.flows import Dispute, Flows, Refund
    from ledger.money import Money
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
        **_rendered_invoice(view),
        "method": view.method,
        "money": {"amount": view.money.amount, "currency": view.money.currency},
        "split": {"fee": view.split.fee, "vat": view.split.vat, "net": view.split.net},
        "provider": view.provider,
        "late": view.late,
        "reason": view.reason,
        "initiated_at": view.initiated_at,
        "expires_at": view.expires_at,
        "ended_at": view.ended_at,
        **_rendered_flows(view.flows),
        "position": position,
    }


NO_INVOICE: Final = {"subscription_id": None, "invoice_id": None, "attempt": None}


def _rendered_invoice(view: PaymentView) -> dict[str, Any]:
    if (of := view.invoice) is None:
        return NO_INVOICE
    # Credit pays when it is reserved, without an attempt.
    attempt = None if view.method == "credit" else of.attempt
    return {
        "subscription_id": of.subscription_id,
        "invoice_id": of.invoice_id,
        "attempt": attempt,
    }


NOTHING_MOVED: Final[dict[str, Any]] = {
    "releases_at": None,
    "released": False,
    "refundable": 0,
    "credited": 0,
    "credit_left": 0,
    "refunds": [],
    "refund_requests": [],
    "disputes": [],
    "parked": [],
}


def _rendered_flows(flows: Flows) -> dict[str, Any]:
    if flows is NO_FLOWS:
        # Every payment begins so, and most answers to a POST are about a beginning.
        return NOTHING_MOVED
    return {
        "releases_at": flows.releases_at,
        "released": flows.released,
        "refundable": flows.refundable(),
        "credited": flows.to_credit,
        "credit_left": flows.credit_left(),
        "refunds": [_rendered_refund(refund) for refund in flows.refunds.values()],
        "refund_requests": sorted(flows.wishes),
        "disputes": [_rendered_dispute(dispute) for dispute in flows.disputes.values()],
        "parked": [
            {
                "provider_transaction": parked.transaction,
                "money": _rendered_money(parked.money),
                "state": parked.state,
            }
            for parked in flows.parked.values()
        ],
    }


def _rendered_refund(refund: Refund) -> dict[str, Any]:
    legs = refund.legs
    return {
        "id": refund.id,
        "state": refund.state,
        "origin": refund.origin,
        "from_credit": refund.from_credit,
        "money": _rendered_money(refund.money),
        "legs": {"fee": legs.fee, "vat": legs.vat, "net": legs.net},
        "reason": refund.reason,
        "requested_at": refund.requested_at,
    }


def _rendered_dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "dispute": dispute.name,
        "state": dispute.state,
        "round": dispute.round,
        "money": _rendered_money(dispute.money),
        "held": dispute.legs.net,
        "lost": dispute.lost,
    }


def _rendered_money(money: Money) -> dict[str, Any]:
    return {"amount": money.amount, "currency": money.currency}
