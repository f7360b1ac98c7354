"""Subscriptions and invoices as the JSON that the API answers, with the names of their tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.creator import Creator

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from api.doors import Doors
    from ledger.events import Price
    from projections.subscriptions import InvoiceView, SubscriptionView

TierNames = dict["UUID", str]


async def tier_names(doors: Doors, creator_ids: Collection[UUID]) -> TierNames:
    """Names of all tiers of these creators; a name never changes. Raises `ReadUnavailable`."""
    standing = await doors.aggregates.read(creator_ids)
    for error in standing.unreadable.values():
        raise error
    return {
        tier.id: tier.name
        for creator in standing.found.values()
        if isinstance(creator, Creator)
        for tier in creator.tiers.values()
    }


async def rendered_subscription(
    doors: Doors, views: Sequence[SubscriptionView]
) -> list[dict[str, Any]]:
    """Subscriptions without a position. Raises `ReadUnavailable`."""
    names = await tier_names(doors, {each.subscription.creator_id for each in views})
    return [_rendered(each, names) for each in views]


def _rendered(view: SubscriptionView, names: TierNames) -> dict[str, Any]:
    sub = view.subscription
    renewal, change, told = view.next_renewal, sub.change, sub.noticed
    return {
        "id": sub.id,
        "state": sub.state,
        "reason": sub.reason,
        "fan_id": sub.fan_id,
        "creator_id": sub.creator_id,
        "tier": {"id": sub.tier_id, "name": names[sub.tier_id]},
        "price": rendered_price(sub.price),
        "time_zone": sub.zone,
        "method": {"kind": sub.method.kind, "provider": sub.method.provider},
        "started_at": sub.started_at,
        "completes_by": sub.completes_by if sub.state == "incomplete" else None,
        "trial_ends_at": sub.trial_ends_at,
        "paid_until": sub.paid_until,
        "next_renewal": renewal and {"at": renewal.at, "money": renewal.price.money.model_dump()},
        "cancel_at": sub.cancel_at,
        "pause_at": sub.pause_at,
        "grace_until": sub.grace_until,
        "scheduled_change": change
        and {
            "tier": {"id": change.tier_id, "name": names[change.tier_id]},
            "price": rendered_price(change.price),
        },
        "noticed_price": told and {"price": rendered_price(told.price), "at": told.at},
        "open_invoices": [
            rendered_invoice(view, view.invoices[each.id], names) for each in sub.open_invoices()
        ],
        "ended_at": sub.ended_at,
        "updated_at": view.updated_at,
    }


def rendered_price(price: Price) -> dict[str, Any]:
    """A price with its interval."""
    return price.model_dump()


def rendered_invoice(
    view: SubscriptionView, invoice: InvoiceView, names: TierNames
) -> dict[str, Any]:
    """An invoice of a subscription."""
    opened = view.subscription.open_invoice(invoice.id)
    return {
        "id": invoice.id,
        "kind": invoice.kind,
        "state": invoice.state,
        "reason": invoice.reason,
        "number": invoice.number,
        "count": invoice.count,
        "money": invoice.money.model_dump(),
        "credit": invoice.credit,
        "goodwill": invoice.goodwill,
        "due": invoice.cash,
        "tier": {"id": invoice.tier_id, "name": names[invoice.tier_id]},
        "price": rendered_price(invoice.price),
        "start": invoice.start,
        "end": invoice.end,
        "issued_at": invoice.issued_at,
        "expires_at": invoice.expires_at,
        "ended_at": invoice.ended_at,
        "next_attempt_at": None if opened is None else opened.next_attempt_at,
        "attempts": [
            {
                "number": each.number,
                "payment_id": each.payment_id,
                "origin": each.origin,
                "method": each.method,
                "money": each.money.model_dump(),
                "state": each.state,
                "reason": each.reason,
                "begun_at": each.begun_at,
            }
            for each in invoice.attempts
        ],
        "payments": list(invoice.payments),
        "credit_notes": [
            {
                "id": each.id,
                "money": each.money.model_dump(),
                "reason": each.reason,
                "issued_at": each.issued_at,
            }
            for each in invoice.credit_notes
        ],
    }
