"""Every look of an admin or an auditor is recorded before it is answered, and every refusal."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from api.access_records import Access, AccessRecords
from api.auth import Role
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.reader import Reader
from tests.api.leaks import PERSONAL
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database.location import DatabaseLocation
    from tests.api.deployment import Deployment, Person

COLUMNS = "role, subject, method, route, path, status"


def _of(deployment: Deployment, person: Person) -> list[tuple[Any, ...]]:
    return rows(
        deployment.database,
        f"SELECT {COLUMNS} FROM access_records WHERE subject = %s ORDER BY record_id",
        person.id,
    )


def test_a_look_is_recorded_with_what_was_looked_at(doors: Deployment) -> None:
    creator, admin = doors.creator(), doors.person(Role.ADMIN)
    path = f"/creators/{creator.id}/balance"
    answer = doors.api.send(admin, "GET", path)
    assert answer.status_code == 200
    route = "/creators/{creator_id}/balance"
    assert _of(doors, admin) == [("admin", admin.id, "GET", route, f"{path}", 200)]
    [(request_id,)] = rows(
        doors.database, "SELECT request_id FROM access_records WHERE subject = %s", admin.id
    )
    assert request_id == UUID(answer.headers["x-request-id"])


def test_an_auditors_look_is_recorded_with_the_account_and_a_stream_too(doors: Deployment) -> None:
    auditor = doors.person(Role.AUDITOR)
    creator = doors.creator()
    doors.api.deliver(doors.callback(doors.pay(doors.fan(), creator)))
    account = f"creator:{creator.id}:pending"
    for path in (f"/audit/accounts/{account}/entries?currency=KES", "/audit/events"):
        headers = {"accept": "application/x-ndjson"} if path == "/audit/events" else {}
        assert doors.api.send(auditor, "GET", path, headers=headers).status_code == 200
    assert [row[4] for row in _of(doors, auditor)] == [
        f"/audit/accounts/{account}/entries",
        "/audit/events",
    ]


def test_what_others_do_with_their_own_is_not(doors: Deployment) -> None:
    fan, creator = doors.fan(), doors.creator()
    payment = doors.pay(fan, creator)
    assert doors.api.send(fan, "GET", f"/payments/{payment}").status_code == 200
    assert doors.api.send(creator, "GET", f"/creators/{creator.id}/balance").status_code == 200
    assert _of(doors, fan) == _of(doors, creator) == []


def test_an_attempt_that_is_refused_is(doors: Deployment) -> None:
    fan, another, creator = doors.fan(), doors.fan(), doors.creator()
    payment = doors.pay(another, creator)
    assert doors.api.send(fan, "GET", f"/payments/{payment}").status_code == 404
    assert doors.api.send(fan, "GET", "/audit/events").status_code == 403
    cancel = f"/payments/{payment}/cancel"
    assert doors.api.send(fan, "POST", cancel, key=str(uuid4())).status_code == 404
    assert [(row[2], row[4], row[5]) for row in _of(doors, fan)] == [
        ("GET", f"/payments/{payment}", 404),
        ("GET", "/audit/events", 403),
        ("POST", f"{cancel}", 404),
    ]


def test_who_is_nobody_leaves_no_row(doors: Deployment) -> None:
    before = rows(doors.database, "SELECT count(*) FROM access_records")
    for headers in ({}, {"authorization": "Bearer zqzq"}):
        assert doors.api.client.get("/api/v1/audit/events", headers=headers).status_code == 401
    assert rows(doors.database, "SELECT count(*) FROM access_records") == before


@pytest.mark.parametrize(
    "path",
    [
        "/audit/accounts/+254709481000/entries?currency=KES",
        "/audit/accounts/Wanjiku%20Zqcanary/entries?currency=KES",
        "/admin/payments?reference=0709481000",
        "/audit/events?topic=0709481000",
    ],
)
def test_what_a_caller_writes_into_a_path_or_a_query_is_not_kept(
    doors: Deployment, path: str
) -> None:
    admin = doors.person(Role.ADMIN)
    doors.api.send(admin, "GET", path)
    for row in _of(doors, admin):
        assert not PERSONAL.search(str(row))


def test_a_hundred_at_once_are_each_recorded_once_in_few_commits(doors: Deployment) -> None:
    admin = doors.person(Role.ADMIN)
    with ThreadPoolExecutor(20) as threads:
        answers = list(
            threads.map(
                lambda _: doors.api.send(admin, "GET", "/admin/token-revocations"), range(100)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    recorded = rows(
        doors.database,
        "SELECT request_id::text FROM access_records WHERE subject = %s",
        admin.id,
    )
    assert sorted(recorded) == sorted((answer.headers["x-request-id"],) for answer in answers)


def test_what_waits_is_written_together(database: DatabaseLocation) -> None:
    async def play() -> None:
        async with Reader(BookLocation(database, DatabaseRole.APP)) as tables:
            records = AccessRecords(tables)
            await asyncio.gather(
                *(
                    records.record(
                        Access(uuid4(), Role.ADMIN, uuid4(), "GET", "/r", f"/r/{number}", 200)
                    )
                    for number in range(200)
                )
            )

    asyncio.run(play())
    [(written, commits)] = rows(
        database, "SELECT count(*), count(DISTINCT recorded_at) FROM access_records"
    )
    assert written == 200
    assert commits <= 4


def test_what_cannot_be_recorded_is_not_shown(deploy: Callable[..., Deployment]) -> None:
    with deploy().add_apis(1) as alone:
        creator = alone.creator()
        path = f"/creators/{creator.id}/balance"
        with superuser(alone.database) as connection:
            connection.execute("REVOKE INSERT ON access_records FROM hesabu_app")
        answer = alone.api.send(alone.admin, "GET", path)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "access_not_recorded"
        assert "pending" not in answer.text
        # Their own is shown to everybody else, and what is refused stays refused.
        assert alone.api.send(creator, "GET", path).status_code == 200
        assert alone.api.send(alone.fan(), "GET", path).status_code == 403
        with superuser(alone.database) as connection:
            connection.execute("GRANT INSERT ON access_records TO hesabu_app")
        assert alone.api.send(alone.admin, "GET", path).status_code == 200
        assert "access_not_recorded" in alone.api.log_text()


def test_auditors_read_the_records_newest_first_and_that_is_recorded_too(
    doors: Deployment,
) -> None:
    admin, auditor = doors.person(Role.ADMIN), doors.person(Role.AUDITOR)
    paths = [f"/creators/{doors.creator().id}/balance" for _ in range(5)]
    for path in paths:
        doors.api.send(admin, "GET", path)
    found: list[str] = []
    params = {"subject": str(admin.id), "limit": "2"}
    while True:
        answer = doors.api.send(auditor, "GET", "/audit/access-records", params=params)
        data = answer.json()["data"]
        found += [item["path"] for item in data["items"]]
        if data["next_cursor"] is None:
            break
        params["cursor"] = data["next_cursor"]
    assert found == [f"{path}" for path in reversed(paths)]
    assert [row[4] for row in _of(doors, auditor)] == ["/audit/access-records"] * 3
    past = {"subject": str(admin.id), "until": "2026-01-01T00:00:00Z"}
    answer = doors.api.send(auditor, "GET", "/audit/access-records", params=past)
    assert answer.json()["data"]["items"] == []
