"""Who may do what with every route, and a right request to each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api import (
    book_requests,
    door_requests,
    endpoint_requests,
    erasure_requests,
    explanation_requests,
    inbox_requests,
    membership_requests,
    payout_requests,
    projection_requests,
    proof_requests,
    refund_requests,
    search_requests,
    statement_requests,
    subscription_requests,
)
from tests.api.deployment import payment_body
from tests.api.role_rules import (
    BY_ADMINS,
    MADE_BY_ADMINS,
    READ_BY_AUDITORS,
    READ_BY_ITS_CREATOR,
    Route,
    Rule,
    same,
)

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

RULES: Final = {
    Route("POST", "/payments"): same(202, Role.FAN),
    Route("POST", "/payments/{payment_id}/cancel"): Rule({Role.FAN: 200}, {Role.FAN: 404}),
    Route("GET", "/payments/{payment_id}"): Rule(
        {Role.FAN: 200, Role.CREATOR: 200, Role.ADMIN: 200},
        {Role.FAN: 404, Role.CREATOR: 404, Role.ADMIN: 200},
    ),
    Route("GET", "/payments/{payment_id}/signed-receipts"): Rule(
        {Role.FAN: 200, Role.CREATOR: 200, Role.ADMIN: 200},
        {Role.FAN: 404, Role.CREATOR: 404, Role.ADMIN: 200},
    ),
    Route("GET", "/payments/{payment_id}/events"): Rule(
        {Role.FAN: 200, Role.CREATOR: 200, Role.ADMIN: 200},
        {Role.FAN: 404, Role.CREATOR: 404, Role.ADMIN: 200},
    ),
    Route("GET", "/creators/{creator_id}/balance"): READ_BY_ITS_CREATOR,
    Route("GET", "/creators/{creator_id}/events"): READ_BY_ITS_CREATOR,
    Route("GET", "/creators/{creator_id}/transactions"): READ_BY_ITS_CREATOR,
    Route("POST", "/admin/creators"): MADE_BY_ADMINS,
    Route("PUT", "/admin/creators/{creator_id}/fee-plan"): BY_ADMINS,
    Route("GET", "/audit/events"): READ_BY_AUDITORS,
    Route("GET", "/audit/streams/{stream_id}"): READ_BY_AUDITORS,
    Route("GET", "/audit/accounts"): READ_BY_AUDITORS,
    Route("GET", "/audit/accounts/{account}/entries"): READ_BY_AUDITORS,
    Route("GET", "/audit/accounts/{account}/balance"): READ_BY_AUDITORS,
    Route("GET", "/audit/trial-balance"): READ_BY_AUDITORS,
    **book_requests.RULES,
    **payout_requests.RULES,
    **refund_requests.RULES,
    **inbox_requests.RULES,
    **projection_requests.RULES,
    **search_requests.RULES,
    **door_requests.RULES,
    **endpoint_requests.RULES,
    **erasure_requests.RULES,
    **proof_requests.RULES,
    **statement_requests.RULES,
    **explanation_requests.RULES,
    **membership_requests.RULES,
    **subscription_requests.RULES,
}
"""A part of the API may have its rules, and requests that are right, in a module of its own."""


def right_request(doors: Deployment, route: Route, fan: Person, creator: Person) -> dict[str, Any]:
    """A request that is right in everything but perhaps in who sends it."""
    request: dict[str, Any] = {"method": route.method, "path": route.path}
    if (of_refunds := refund_requests.refund_request(doors, route, fan, creator)) is not None:
        return {**request, "key": str(uuid4()), **of_refunds}
    if (
        of_members := membership_requests.membership_request(doors, route, fan, creator)
    ) is not None:
        return {**request, "key": str(uuid4()), **of_members}
    if (of_fans := subscription_requests.subscription_request(doors, route, fan)) is not None:
        return {**request, "key": str(uuid4()), **of_fans}
    if (of_searches := search_requests.search_request(doors, route, fan, creator)) is not None:
        return {**request, **of_searches}
    if (of_doors := door_requests.door_request(route, fan)) is not None:
        return {**request, **of_doors}
    if (of_people := erasure_requests.erasure_request(doors, route, fan, creator)) is not None:
        return {**request, **of_people}
    if (
        of_balances := explanation_requests.explanation_request(doors, route, fan, creator)
    ) is not None:
        return {**request, **of_balances}
    if (of_endpoints := endpoint_requests.endpoint_request(doors, route, creator)) is not None:
        key = {} if route.method == "GET" else {"key": str(uuid4())}
        return {**request, **key, **of_endpoints}
    if (of_proofs := proof_requests.proof_request(doors, route)) is not None:
        return {**request, **of_proofs}
    if (of_statements := statement_requests.statement_request(doors, route)) is not None:
        key = {} if route.method == "GET" else {"key": str(uuid4())}
        return {**request, **key, **of_statements}
    if "{payment_id}" in route.path:
        payment_id = doors.pay(fan, creator)
        request["path"] = route.path.replace("{payment_id}", payment_id)
    for name in ("creator_id", "stream_id"):
        request["path"] = request["path"].replace(f"{{{name}}}", str(creator.id))
    account = f"creator:{creator.id}:pending"
    request["path"] = request["path"].replace("{account}", account)
    if route.path.endswith("/entries"):
        request["params"] = {"currency": "KES"}
    if route.path == "/audit/accounts/{account}/balance":
        request["params"] = {"currency": "KES", "effective": "2100-01-01T00:00:00Z"}
    if route.method != "GET":
        request["key"] = str(uuid4())
    if (of_books := book_requests.book_request(doors, route, creator)) is not None:
        return {**request, **of_books}
    if (of_projections := projection_requests.projection_request(route)) is not None:
        return {**request, **of_projections}
    if (of_inbox := inbox_requests.inbox_request(doors, route, creator)) is not None:
        return {**request, **of_inbox}
    if (of_payouts := payout_requests.payout_request(doors, route, creator)) is not None:
        return {**request, **of_payouts}
    match route:
        case Route("POST", "/payments"):
            request["json"] = payment_body(creator)
        case Route("POST", "/admin/creators"):
            request["json"] = {"settlement_currency": "KES", "plan": {"fee_basis_points": 1}}
        case Route("PUT", _):
            request["json"] = {"fee_basis_points": 1_000, "vat_basis_points": 1_600}
        case _:
            pass
    return request
