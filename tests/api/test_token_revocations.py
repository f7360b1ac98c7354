"""A token that is revoked is refused everywhere within two seconds, and nobody else's is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest

from api.auth import Role
from tests.api.deployment import API, Deployment, Person
from tests.api.issuers import Issuer, claims
from tests.api.listening import listening
from tests.api.processes import wait_until
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.api.deployment import ApiProcess

PATH = "/admin/token-revocations"
HEARD_SECONDS_MAX = 3.0


@pytest.fixture(scope="module")
def issuer(doors: Deployment) -> Issuer:
    return Issuer.of_development(doors.directory)


def _person(issuer: Issuer, role: Role, subject: object = None, **more: object) -> Person:
    subject = subject or uuid4()
    token = issuer.sign(claims(role.value, sub=str(subject), **more))
    return Person(role, subject, token)  # type: ignore[arg-type]


def _revoke(doors: Deployment, **body: Any) -> httpx.Response:  # noqa: ANN401 - any body
    body.setdefault("reason", "The device was lost.")
    return doors.api.send(doors.admin, "POST", PATH, json=body)


def _status(api: ApiProcess, person: Person) -> int:
    return api.send(person, "GET", "/me").status_code


def _heard(doors: Deployment, person: Person) -> None:
    """Every process refuses the token within the time that is promised."""
    wait_until(
        lambda: {_status(api, person) for api in doors.apis} == {401},
        seconds_max=HEARD_SECONDS_MAX,
    )


def test_one_token_is_refused_everywhere_and_the_others_of_its_subject_are_not(
    doors: Deployment, issuer: Issuer
) -> None:
    lost = _person(issuer, Role.FAN, jti=f"lost-{uuid4()}")
    kept = _person(issuer, Role.FAN, lost.id, jti=f"kept-{uuid4()}")
    unnamed = _person(issuer, Role.FAN, lost.id)
    for api in doors.apis:
        # Each process has it among the tokens that it has verified.
        assert _status(api, lost) == 200
    token_id = _token_id(lost)
    answer = _revoke(doors, token_id=token_id)
    assert answer.status_code == 201
    assert answer.json()["data"]["token_id"] == token_id
    assert answer.json()["data"]["revoked_by"] == f"admin:{doors.admin.id}"
    # The process that was told knows it at once.
    assert _status(doors.api, lost) == 401
    _heard(doors, lost)
    for api in doors.apis:
        assert _status(api, kept) == _status(api, unnamed) == 200


def _token_id(person: Person) -> str:
    """The `jti` of a token."""
    read: dict[str, str] = jwt.decode(person.token, options={"verify_signature": False})
    return read["jti"]


def test_a_subjects_older_tokens_are_refused_in_every_role_and_newer_ones_are_not(
    doors: Deployment, issuer: Issuer
) -> None:
    now = int(time.time())
    subject = uuid4()
    older = [
        _person(issuer, role, subject, iat=now - 100, exp=now + 500)
        for role in (Role.FAN, Role.ADMIN)
    ]
    newer = _person(issuer, Role.FAN, subject, iat=now - 10, exp=now + 500)
    another = _person(issuer, Role.FAN, iat=now - 100, exp=now + 500)
    not_before = datetime.fromtimestamp(now - 50, UTC).isoformat()
    assert _revoke(doors, subject=str(subject), not_before=not_before).status_code == 201
    _heard(doors, older[0])
    for api in doors.apis:
        assert api.send(older[1], "GET", "/admin/payments").status_code == 401
        assert _status(api, newer) == _status(api, another) == 200
    # A weaker one later takes nothing back; one for now refuses the rest, of this second too.
    earlier = datetime.fromtimestamp(now - 1_000, UTC).isoformat()
    assert _revoke(doors, subject=str(subject), not_before=earlier).status_code == 201
    assert _status(doors.api, older[0]) == 401
    assert _revoke(doors, subject=str(subject)).status_code == 201
    _heard(doors, newer)


def test_a_time_to_come_is_cut_to_now(doors: Deployment, issuer: Issuer) -> None:
    fan = _person(issuer, Role.FAN, iat=int(time.time()) - 60)
    future = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    answer = _revoke(doors, subject=str(fan.id), not_before=future)
    named = datetime.fromisoformat(answer.json()["data"]["not_before"])
    assert abs((named - datetime.now(UTC)).total_seconds()) < 60
    assert _status(doors.api, fan) == 401


def test_a_process_that_starts_knows_what_was_revoked_before(
    doors: Deployment, issuer: Issuer, deploy: Callable[..., Deployment]
) -> None:
    with deploy().add_apis(1) as alone:
        own = Issuer.of_development(alone.directory)
        fan = _person(own, Role.FAN, iat=int(time.time()) - 60)
        alone.api.send(alone.admin, "POST", PATH, json={"subject": str(fan.id), "reason": "Left."})
        alone.api.terminate()
        alone.api.start()
        alone.api.wait_until_ready()
        assert _status(alone.api, fan) == 401


def test_a_stream_that_is_open_ends_and_says_why(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy(EVENT_STREAM_HEARTBEAT_SECONDS="0.2").add_apis(1) as alone:
        creator = alone.creator()
        with listening(alone.api, creator, f"/creators/{creator.id}/events") as stream:
            assert stream.next("balance").id is not None
            alone.api.send(
                alone.admin, "POST", PATH, json={"subject": str(creator.id), "reason": "Left."}
            )
            assert stream.next("end").data == {"reason": "token_revoked"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token_id": ""},
        {"token_id": "t" * 129},
        {"token_id": "t", "subject": str(uuid4())},
        {"subject": "zqzq"},
        {"token_id": "t", "not_before": "2026-01-01T00:00:00Z"},
        {"subject": str(uuid4()), "not_before": "2026-01-01T00:00:00"},
        {"subject": str(uuid4()), "not_before": 1_700_000_000},
        {"subject": str(uuid4()), "reason": "x"},
        {"subject": str(uuid4()), "reason": "call +254 709 481 000"},
    ],
)
def test_what_names_nothing_to_revoke_is_refused(doors: Deployment, body: dict[str, Any]) -> None:
    before = rows(doors.database, "SELECT count(*) FROM token_revocations")
    assert _revoke(doors, **body).status_code == 400
    assert rows(doors.database, "SELECT count(*) FROM token_revocations") == before


@pytest.mark.parametrize("token_id", ["", 7, ["a"], "t" * 129, {}, True])
def test_a_token_whose_id_could_not_be_revoked_is_refused(
    doors: Deployment, issuer: Issuer, token_id: object
) -> None:
    assert _status(doors.api, _person(issuer, Role.FAN, jti=token_id)) == 401


def test_revocations_are_listed_with_who_and_why(doors: Deployment) -> None:
    token_ids = [f"listed-{uuid4()}" for _ in range(5)]
    for token_id in token_ids:
        _revoke(doors, token_id=token_id, reason="Reported as stolen.")
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} if cursor is None else {"limit": "2", "cursor": cursor}
        data = doors.api.send(doors.auditor, "GET", PATH, params=params).json()["data"]
        found += data["items"]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert [item["id"] for item in found] == sorted((item["id"] for item in found), reverse=True)
    assert [item["token_id"] for item in found[:5]] == token_ids[::-1]
    assert found[0]["reason"] == "Reported as stolen."


def test_who_is_not_heard_leaves_nothing_behind(doors: Deployment) -> None:
    before = rows(doors.database, "SELECT count(*) FROM token_revocations")
    body = {"subject": str(uuid4()), "reason": "No right to."}
    for caller, status in ((doors.fan(), 403), (doors.auditor, 403), (None, 401)):
        assert doors.api.send(caller, "POST", PATH, json=body).status_code == status
    assert doors.api.client.get(f"{API}{PATH}").status_code == 401
    assert rows(doors.database, "SELECT count(*) FROM token_revocations") == before
