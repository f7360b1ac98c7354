"""The same key and body answer with the first outcome, and nothing happens twice."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from api.auth import Role
from tests.api.deployment import Deployment, Person, payment_body
from tests.databases import value

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

REPLAYED: Final = "idempotency-replayed"
THREADS: Final = 16


def _key() -> str:
    return f"key-{uuid4()}"


def _told(answer: httpx.Response) -> dict[str, Any]:
    """An answer but for the id of the request that got it."""
    document: dict[str, Any] = answer.json()
    document.get("error", {}).pop("request_id", None)
    return document


def _assert_same(first: httpx.Response, again: httpx.Response) -> None:
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.status_code == first.status_code
    assert _told(again) == _told(first)
    assert again.headers.get("location") == first.headers.get("location")


def test_a_payment_that_is_asked_for_again_is_the_same_payment(doors: Deployment) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    first = doors.initiate(fan, creator, key=key)
    before = doors.recorded()
    _assert_same(first, doors.initiate(fan, creator, key=key))
    _assert_same(first, doors.initiate(fan, creator, key=key, api=doors.apis[1]))
    assert first.status_code == 202
    assert first.headers["location"] == f"/api/v1/payments/{first.json()['data']['id']}"
    assert doors.recorded() == before


def test_the_first_outcome_is_answered_as_it_was_however_the_payment_went_on(
    doors: Deployment,
) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    first = doors.initiate(fan, creator, key=key)
    payment_id = first.json()["data"]["id"]
    assert doors.api.deliver(doors.callback(payment_id)).json()["data"]["verdict"] == "applied"
    assert doors.payment(fan, payment_id)["state"] == "succeeded"
    for api in doors.apis:
        _assert_same(first, doors.initiate(fan, creator, key=key, api=api))


def test_cancelling_again_is_the_same_cancellation(doors: Deployment) -> None:
    fan, key = doors.fan(), _key()
    path = f"/payments/{doors.pay(fan, doors.creator())}/cancel"
    first = doors.api.send(fan, "POST", path, key=key)
    assert (first.status_code, first.json()["data"]["state"]) == (200, "cancelled")
    _assert_same(first, doors.apis[1].send(fan, "POST", path, key=key))


def test_registering_and_assigning_again_is_answered_the_same(doors: Deployment) -> None:
    key, creator_id = _key(), uuid4()
    body: dict[str, Any] = {
        "id": str(creator_id),
        "name": "Amina",
        "settlement_currency": "KES",
        "plan": {"fee_basis_points": 1_000, "vat_basis_points": 1_600},
    }
    first = doors.api.send(doors.admin, "POST", "/admin/creators", key=key, json=body)
    assert first.status_code == 201
    plan_path, plan_key = f"/admin/creators/{creator_id}/fee-plan", _key()
    plan = {"fee_basis_points": 500, "vat_basis_points": 0}
    changed = doors.api.send(doors.admin, "PUT", plan_path, key=plan_key, json=plan)
    assert changed.json()["data"]["plan"]["fee_basis_points"] == 500
    for api in doors.apis:
        _assert_same(first, api.send(doors.admin, "POST", "/admin/creators", key=key, json=body))
        _assert_same(changed, api.send(doors.admin, "PUT", plan_path, key=plan_key, json=plan))


Ask = tuple[Person, str, str, dict[str, Any] | None]
"""Who asks for what: method, path, body."""


def _unknown_creator(doors: Deployment) -> Ask:
    return doors.fan(), "POST", "/payments", payment_body(uuid4())


def _another_currency(doors: Deployment) -> Ask:
    body = payment_body(doors.creator(currency="UGX"))
    return doors.fan(), "POST", "/payments", body


def _own_pocket(doors: Deployment) -> Ask:
    creator = doors.creator()
    return doors.person(Role.FAN, creator.id), "POST", "/payments", payment_body(creator)


def _plan_that_takes_more(doors: Deployment) -> Ask:
    creator = doors.creator()
    plan = {"fee_basis_points": 10_000, "vat_basis_points": 10_000}
    path = f"/admin/creators/{creator.id}/fee-plan"
    doors.api.send(doors.admin, "PUT", path, key=_key(), json=plan)
    return doors.fan(), "POST", "/payments", payment_body(creator)


def _registered_already(doors: Deployment) -> Ask:
    body = {
        "id": str(doors.creator().id),
        "settlement_currency": "KES",
        "plan": {"fee_basis_points": 1},
    }
    return doors.admin, "POST", "/admin/creators", body


def _plan_of_nobody(doors: Deployment) -> Ask:
    return doors.admin, "PUT", f"/admin/creators/{uuid4()}/fee-plan", {"fee_basis_points": 1}


def _cancelled_already(doors: Deployment) -> Ask:
    fan = doors.fan()
    path = f"/payments/{doors.pay(fan, doors.creator())}/cancel"
    doors.api.send(fan, "POST", path, key=_key())
    return fan, "POST", path, None


def _cancel_of_anothers(doors: Deployment) -> Ask:
    payment_id = doors.pay(doors.fan(), doors.creator())
    return doors.fan(), "POST", f"/payments/{payment_id}/cancel", None


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (_unknown_creator, 404, "creator_not_found"),
        (_another_currency, 400, "currency_not_accepted"),
        (_own_pocket, 400, "self_payment"),
        (_plan_that_takes_more, 400, "fee_plan_exceeds_payment"),
        (_registered_already, 409, "creator_already_registered"),
        (_plan_of_nobody, 404, "creator_not_found"),
        (_cancelled_already, 409, "payment_not_cancellable"),
        (_cancel_of_anothers, 404, "payment_not_found"),
    ],
)
def test_a_refusal_is_repeated_too(
    doors: Deployment, ask: Callable[[Deployment], Ask], status: int, code: str
) -> None:
    caller, method, path, body = ask(doors)
    key = _key()
    first = doors.api.send(caller, method, path, key=key, json=body)
    assert (first.status_code, first.json()["error"]["code"]) == (status, code)
    before = doors.recorded()
    for api in doors.apis:
        _assert_same(first, api.send(caller, method, path, key=key, json=body))
    assert doors.recorded() == before


def test_a_refusal_stands_though_it_could_be_granted_by_now(doors: Deployment) -> None:
    fan, key, creator_id = doors.fan(), _key(), uuid4()
    first = doors.api.send(fan, "POST", "/payments", key=key, json=payment_body(creator_id))
    assert first.status_code == 404
    body = {"id": str(creator_id), "settlement_currency": "KES", "plan": {"fee_basis_points": 1}}
    doors.api.send(doors.admin, "POST", "/admin/creators", key=_key(), json=body)
    again = doors.api.send(fan, "POST", "/payments", key=key, json=payment_body(creator_id))
    _assert_same(first, again)
    fresh = doors.api.send(fan, "POST", "/payments", key=_key(), json=payment_body(creator_id))
    assert fresh.status_code == 202


def test_another_body_with_the_same_key_is_refused_and_does_nothing(doors: Deployment) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    first = doors.initiate(fan, creator, key=key)
    before = doors.recorded()
    right = payment_body(creator)
    for body in (
        payment_body(creator, amount=1),
        payment_body(creator, digits="001"),
        payment_body(doors.person(Role.CREATOR)),
        {**right, "purpose": "purchase", "reference": "a"},
    ):
        for api in doors.apis:
            answer = api.send(fan, "POST", "/payments", key=key, json=body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["error"]["code"] == "idempotency_key_reused"
    elsewhere = f"/payments/{first.json()['data']['id']}/cancel"
    assert doors.api.send(fan, "POST", elsewhere, key=key).status_code == 422
    assert doors.recorded() == before
    _assert_same(first, doors.initiate(fan, creator, key=key))


def test_another_way_to_write_the_same_body_is_the_same_request(doors: Deployment) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    first = doors.initiate(fan, creator, key=key)
    body = payment_body(creator)
    written = json.dumps(dict(reversed(body.items())), indent=3)
    escaped = json.dumps(body).replace("KES", "\\u004bES")
    explicit = json.dumps({**body, "purpose": "tip", "reference": None, "provider": "sandbox"})
    for text in (written, escaped, explicit):
        headers = {"content-type": "application/json"}
        again = doors.api.send(fan, "POST", "/payments", key=key, content=text, headers=headers)
        _assert_same(first, again)


def test_anothers_same_key_is_another_key(doors: Deployment) -> None:
    creator, key = doors.creator(), _key()
    fans = [doors.fan() for _ in range(3)]
    # The same id in another role is another caller too.
    answers = [doors.initiate(fan, creator, key=key) for fan in fans]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 3
    assert not any(REPLAYED in answer.headers for answer in answers)


def test_the_longest_and_the_oddest_key_work(doors: Deployment) -> None:
    fan, creator = doors.fan(), doors.creator()
    printable = "".join(map(chr, range(0x21, 0x7F)))
    for key in (
        "k",
        "k" * 255,
        printable,
        "'; DROP TABLE turns; --".replace(" ", "_"),
        "%00",
        "\\0",
    ):
        first = doors.initiate(fan, creator, key=key)
        assert first.status_code == 202, key
        _assert_same(first, doors.initiate(fan, creator, key=key))


def test_what_was_not_understood_does_not_use_the_key_up(doors: Deployment) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    body = payment_body(creator)
    for wrong in ({**body, "phone": "nobody"}, {**body, "money": {}}, {**body, "provider": "none"}):
        assert doors.api.send(fan, "POST", "/payments", key=key, json=wrong).status_code == 400
    assert doors.api.send(creator, "POST", "/payments", key=key, json=body).status_code == 403
    assert doors.api.send(None, "POST", "/payments", key=key, json=body).status_code == 401
    good = doors.initiate(fan, creator, key=key)
    assert good.status_code == 202
    assert REPLAYED not in good.headers


@pytest.mark.parametrize("round_", range(3))
def test_many_at_once_with_one_key_make_one_payment(doors: Deployment, round_: int) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    together = Barrier(THREADS)

    def ask(number: int) -> httpx.Response:
        together.wait()
        return doors.initiate(fan, creator, key=key, api=doors.apis[number % 2])

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert _payments_of(doors, fan) == 1


def test_many_at_once_with_one_key_and_different_bodies_let_one_body_win(
    doors: Deployment,
) -> None:
    fan, creator, key = doors.fan(), doors.creator(), _key()
    together = Barrier(THREADS)

    def ask(number: int) -> tuple[int, httpx.Response]:
        amount = 1_000 + number % 4
        together.wait()
        api = doors.apis[number % 2]
        return amount, doors.initiate(fan, creator, key=key, amount=amount, api=api)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(THREADS)))
    assert Counter(answer.status_code for _, answer in answers) == {202: 4, 422: 12}
    assert len({amount for amount, answer in answers if answer.status_code == 202}) == 1
    assert _payments_of(doors, fan) == 1


def _payments_of(doors: Deployment, fan: Person) -> int:
    found = value(
        doors.database,
        "SELECT count(*) FROM ledger_events WHERE topic = 'payment.initiated.v1' "
        "AND convert_from(state, 'UTF8')::jsonb ->> 'fan_id' = %s",
        str(UUID(str(fan.id))),
    )
    return int(found)
