"""Who may do what: every route for every role, with one's own things and with another's.

The table of rules is written by hand on purpose: it must agree with what the routes declare, so
that neither can be loosened alone. A route that it does not know fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api.auth import Allow, Role
from tests.api.deployment import API, Deployment, Person
from tests.api.right_requests import RULES, right_request
from tests.api.role_rules import Route, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
    from fastapi import FastAPI
    from fastapi.dependencies.models import Dependant

OPEN: Final = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", f"{API}/webhooks/{{provider}}"),
    ("POST", f"{API}/webhooks/{{provider}}/{{token}}"),
    ("PUT", f"{API}/webhooks/{{provider}}/{{token}}"),
    ("GET", "/pay/{token}"),
    ("POST", "/pay/{token}"),
}
"""Routes for everybody: a webhook has its signature, and so has a pay-now link."""

DOCUMENTATION: Final = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}


CODES: Final = {
    401: {"unauthenticated"},
    403: {"forbidden"},
    404: {"payment_not_found", "subscription_not_found", "confirmation_not_found"},
    409: {"nothing_to_document"},
}


def _routes(app: FastAPI) -> Iterator[tuple[Route, Dependant | None]]:
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            assert context.path in DOCUMENTATION
            continue
        for method in context.methods or ():
            yield Route(method, str(context.path)), context.dependant


def _declared(dependant: Dependant | None) -> frozenset[Role] | None:
    """The roles of the `Allow` among a route's dependencies, if it has exactly one."""
    assert dependant is not None
    found = [each.call for each in dependant.dependencies if isinstance(each.call, Allow)]
    if not found:
        return None
    [allow] = found
    return allow.roles


def test_every_route_declares_who_may_use_it(app: FastAPI) -> None:
    undeclared = {route for route, dependant in _routes(app) if _declared(dependant) is None}
    assert undeclared == OPEN


def test_what_the_routes_declare_is_what_was_decided(app: FastAPI) -> None:
    declared = {
        Route(route.method, route.path.removeprefix(API)): _declared(dependant)
        for route, dependant in _routes(app)
        if route not in OPEN
    }
    assert declared == {route: frozenset(rule.own) for route, rule in RULES.items()}


@pytest.fixture(scope="module")
def world(doors: Deployment) -> World:
    callers = {role: doors.person(role) for role in Role}
    callers[Role.CREATOR] = doors.creator()
    other_creator = doors.creator()
    for creator in (callers[Role.CREATOR], other_creator):
        payment_id = doors.pay(doors.fan(), creator)
        doors.api.deliver(doors.callback(payment_id))
    return World(callers, doors.fan(), other_creator)


def _send(doors: Deployment, caller: Person | None, request: dict[str, Any]) -> httpx.Response:
    rest = {name: value for name, value in request.items() if name not in {"method", "path"}}
    return doors.api.send(caller, request["method"], request["path"], **rest)


@pytest.mark.parametrize("route", RULES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("whose", ["own", "anothers"])
@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role or "anonymous")
def test_everybody_gets_what_was_decided(
    doors: Deployment, world: World, role: Role | None, whose: str, route: Route
) -> None:
    request = right_request(doors, route, *world.owners(own=whose == "own"))
    before = doors.recorded()
    answer = _send(doors, None if role is None else world.callers[role], request)
    rule = RULES[route].own if whose == "own" else RULES[route].anothers
    expected = 401 if role is None else rule.get(role, 403)
    assert answer.status_code == expected, answer.text
    if expected >= 400:
        assert answer.json()["error"]["code"] in CODES[expected]
        events = before["ledger_events"]
        assert doors.recorded()["ledger_events"] == events
    if expected in {401, 403}:
        assert doors.recorded() == before


def test_anothers_is_answered_like_what_does_not_exist(doors: Deployment, world: World) -> None:
    fan = world.callers[Role.FAN]
    anothers = doors.pay(world.other_fan, world.other_creator)

    def told(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
        error: dict[str, Any] = answer.json()["error"]
        del error["request_id"]
        return answer.status_code, error

    for method, suffix in (("GET", ""), ("POST", "/cancel")):
        there, nowhere = (
            doors.api.send(fan, method, f"/payments/{payment_id}{suffix}", key=str(uuid4()))
            for payment_id in (anothers, uuid4())
        )
        assert told(there) == told(nowhere)
        assert there.status_code == 404


def test_a_role_does_not_inherit_what_the_same_id_has_in_another(
    doors: Deployment, world: World
) -> None:
    creator = world.callers[Role.CREATOR]
    fan = world.callers[Role.FAN]
    payment_id = doors.pay(fan, creator)
    balance = f"/creators/{creator.id}/balance"
    for role in (Role.FAN, Role.AUDITOR, Role.SERVICE):
        assert doors.api.send(doors.person(role, creator.id), "GET", balance).status_code == 403
    for role, status in ((Role.CREATOR, 404), (Role.AUDITOR, 403), (Role.SERVICE, 403)):
        same = doors.person(role, fan.id)
        assert doors.api.send(same, "GET", f"/payments/{payment_id}").status_code == status


def test_nobody_is_believed_by_what_else_they_say(doors: Deployment, world: World) -> None:
    fan = world.callers[Role.FAN]
    path = f"/creators/{world.other_creator.id}/balance"
    for headers in (
        {"x-role": "admin"},
        {"x-forwarded-user": str(world.other_creator.id)},
        {"x-original-url": "/healthz"},
        {"x-http-method-override": "POST"},
        {"cookie": "role=admin"},
    ):
        assert doors.api.send(fan, "GET", path, headers=headers).status_code == 403
        assert doors.api.send(None, "GET", path, headers=headers).status_code == 401
    assert doors.api.send(fan, "GET", f"{path}?role=admin").status_code == 403


def test_an_unknown_creator_is_not_found_by_an_admin_and_forbidden_to_a_creator(
    doors: Deployment, world: World
) -> None:
    for path in ("balance", "transactions"):
        unknown = f"/creators/{uuid4()}/{path}"
        assert doors.api.send(doors.admin, "GET", unknown).status_code == 404
        assert doors.api.send(world.callers[Role.CREATOR], "GET", unknown).status_code == 403
    unregistered = doors.person(Role.CREATOR, UUID(int=7))
    answer = doors.api.send(unregistered, "GET", f"/creators/{unregistered.id}/balance")
    assert answer.status_code == 404
