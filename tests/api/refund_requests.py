"""Right requests to the routes about refunds and disputes, and who may send them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api.operator_callbacks import SignedCallback, sign
from tests.api.role_rules import MADE_BY_ADMINS, Route, Rule

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

REASON: Final = "the concert was called off"
OF_PAYMENT: Final = "/payments/{payment_id}"
OF_WISH: Final = f"{OF_PAYMENT}/refund-requests"

RULES: Final[dict[Route, Rule]] = {
    Route("POST", f"{OF_PAYMENT}/refunds"): Rule(
        {Role.CREATOR: 202, Role.ADMIN: 202}, {Role.CREATOR: 404, Role.ADMIN: 202}
    ),
    Route("POST", OF_WISH): Rule({Role.FAN: 201}, {Role.FAN: 404}),
    Route("POST", f"{OF_WISH}/{{request_id}}/decline"): Rule(
        {Role.CREATOR: 200, Role.ADMIN: 200}, {Role.CREATOR: 404, Role.ADMIN: 200}
    ),
    Route("POST", "/admin/payments/{payment_id}/disputes/{dispute}/evidence"): MADE_BY_ADMINS,
}


def refund_request(
    doors: Deployment, route: Route, fan: Person, creator: Person
) -> dict[str, Any] | None:
    """Path and body for one of these routes, as `ApiProcess.send` takes them; None for others."""
    if route not in RULES:
        return None
    payment_id = doors.pay(fan, creator)
    doors.api.deliver(doors.callback(payment_id))
    path = route.path.replace("{payment_id}", payment_id)
    body: dict[str, Any] = {"reason": REASON}
    if route.path == OF_WISH:
        body = {"wish": "not_received"}
    elif "{request_id}" in path:
        path = path.replace("{request_id}", wish_of(doors, fan, payment_id))
    elif "{dispute}" in path:
        path = path.replace("{dispute}", dispute_of(doors, payment_id))
        body = {"note": "the delivery note was sent"}
    return {"path": path, "json": body}


def wish_of(doors: Deployment, fan: Person, payment_id: str) -> str:
    """The fan asks for their money back; the request's id."""
    answer = doors.api.send(
        fan,
        "POST",
        f"/payments/{payment_id}/refund-requests",
        key=str(uuid4()),
        json={"wish": "not_received"},
    )
    [wish] = answer.json()["data"]["refund_requests"]
    return str(wish)


def dispute_of(doors: Deployment, payment_id: str) -> str:
    """The provider opens a dispute of a payment; its name there."""
    dispute = f"DSP{uuid4().hex[:10].upper()}"
    answer = doors.api.deliver(dispute_callback(doors, payment_id, dispute))
    assert answer.json()["data"]["verdict"] == "applied", answer.text
    return dispute


def dispute_callback(doors: Deployment, payment_id: str, dispute: str = "DSP-1") -> SignedCallback:
    """What the operator says when a payment is disputed."""
    now = datetime.now(UTC).isoformat()
    data = {
        "dispute": dispute,
        "reference": payment_id,
        "transaction": "SB-1",
        "amount": "100.00",
        "currency": "KES",
        "funds_withdrawn": True,
        "occurred_at": now,
    }
    body = json.dumps({"type": "dispute.opened", "timestamp": now, "data": data})
    return sign(doors.webhook_secret, body)
