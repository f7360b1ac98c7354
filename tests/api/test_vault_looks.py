"""An admin may look into the vault with a reason, and no look goes unrecorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.auth import Role
from tests.api.deployment import PHONE_PREFIX
from tests.api.erasure_requests import (
    ERASURES,
    LOOKS,
    erasure_body,
    look_body,
    with_a_phone_and_nothing_open,
)
from tests.api.leaks import CANARY_NAME, PERSONAL
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.api.deployment import Deployment, Person

COLUMNS = "request_id, looked_by, person_id, kind, reason"


def _look(
    doors: Deployment, person: Person, kind: str = "phone", admin: Person | None = None
) -> httpx.Response:
    return doors.api.send(admin or doors.admin, "POST", LOOKS, json=look_body(person, kind))


def _recorded(doors: Deployment, person: Person) -> list[tuple[Any, ...]]:
    return rows(
        doors.database,
        f"SELECT {COLUMNS} FROM vault_looks WHERE person_id = %s ORDER BY look_id",
        person.id,
    )


def test_what_is_seen_is_recorded_with_who_whom_what_and_why(doors: Deployment) -> None:
    creator, admin = doors.creator(name=CANARY_NAME), doors.person(Role.ADMIN)
    fan = doors.fan()
    payment = doors.pay(fan, creator)
    answer = _look(doors, fan, admin=admin)
    assert answer.status_code == 201, answer.text
    [entry] = answer.json()["data"]["entries"]
    assert entry["text"] == f"{PHONE_PREFIX}000"
    assert entry["entry_id"] == dict(doors.events(payment))["payment.initiated.v1"]["phone"]
    assert answer.headers["cache-control"] == "no-store"
    request_id = UUID(answer.headers["x-request-id"])
    reason = look_body(fan)["reason"]
    assert _recorded(doors, fan) == [(request_id, admin.id, fan.id, "phone", reason)]
    named = _look(doors, creator, "name")
    assert [each["text"] for each in named.json()["data"]["entries"]] == [CANARY_NAME]
    assert not PERSONAL.search(doors.api.log_text())


def test_a_look_at_nothing_is_recorded_too(doors: Deployment) -> None:
    fan = doors.fan()
    answer = _look(doors, fan, "email")
    assert answer.status_code == 404
    assert len(_recorded(doors, fan)) == 1


def test_of_the_erased_nothing_is_shown_and_the_look_is_recorded(doors: Deployment) -> None:
    fan = with_a_phone_and_nothing_open(doors, doors.creator())
    assert doors.api.send(doors.admin, "POST", ERASURES, json=erasure_body(fan)).is_success
    answer = _look(doors, fan)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "person_erased")
    assert len(_recorded(doors, fan)) == 1


@pytest.mark.parametrize("wrong", [{"kind": "card"}, {"reason": " "}, {"reason": None}])
def test_without_a_reason_or_of_a_card_nothing_is_shown(
    doors: Deployment, wrong: dict[str, Any]
) -> None:
    fan = doors.fan()
    doors.pay(fan, doors.creator())
    answer = doors.api.send(doors.admin, "POST", LOOKS, json={**look_body(fan), **wrong})
    assert answer.status_code == 400
    assert not PERSONAL.search(answer.text)
    assert _recorded(doors, fan) == []


def test_what_cannot_be_recorded_is_not_shown(deploy: Callable[..., Deployment]) -> None:
    with deploy().add_apis(1) as alone:
        fan = alone.fan()
        alone.pay(fan, alone.creator())
        with superuser(alone.database) as connection:
            connection.execute("REVOKE INSERT ON vault_looks FROM hesabu_app")
        answer = _look(alone, fan)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "access_not_recorded")
        assert not PERSONAL.search(answer.text)
        with superuser(alone.database) as connection:
            connection.execute("GRANT INSERT ON vault_looks TO hesabu_app")
        assert _look(alone, fan).status_code == 201


def test_auditors_read_the_looks_of_an_admin_or_at_a_person_newest_first(
    doors: Deployment,
) -> None:
    one, two = doors.person(Role.ADMIN), doors.person(Role.ADMIN)
    fans = [doors.fan() for _ in range(3)]
    for fan in fans:
        doors.pay(fan, doors.creator())
        _look(doors, fan, admin=one)
    _look(doors, fans[0], admin=two)
    found: list[str] = []
    params = {"looked_by": str(one.id), "limit": "2"}
    while True:
        answer = doors.api.send(doors.auditor, "GET", "/audit/vault-looks", params=params)
        data = answer.json()["data"]
        found += [item["person_id"] for item in data["items"]]
        if data["next_cursor"] is None:
            break
        params["cursor"] = data["next_cursor"]
    assert found == [str(fan.id) for fan in reversed(fans)]
    at_one = {"person_id": str(fans[0].id)}
    answer = doors.api.send(doors.auditor, "GET", "/audit/vault-looks", params=at_one)
    assert [each["looked_by"] for each in answer.json()["data"]["items"]] == [
        str(two.id),
        str(one.id),
    ]
    nobody = {"person_id": str(uuid4())}
    answer = doors.api.send(doors.auditor, "GET", "/audit/vault-looks", params=nobody)
    assert answer.json()["data"] == {"items": [], "next_cursor": None}
