"""A statement over HTTP, as an admin brings it: once, safely, and with nobody's number in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api.auth import Role
from ledger.key_store import KeyStore
from tests.api.deployment import GROSS, PHONE_PREFIX
from tests.api.leaks import CANARY_NAME
from tests.api.statement_requests import (
    HEADER,
    NO_DAY,
    REASON,
    STATEMENTS,
    brought,
    csv_body,
    items_of,
    odd_line,
)
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.api.deployment import Deployment, Person


def line(transaction: str, payment_id: str, amount: str) -> str:
    at = datetime.now(UTC).isoformat()
    return f"{transaction},payment,succeeded,{payment_id},{amount},KES,,{at},,"


def bring(
    doors: Deployment,
    *lines: str,
    key: str | None = None,
    provider: str = "sandbox",
    **more: Any,  # noqa: ANN401 - as `send`
) -> httpx.Response:
    body = {**csv_body(*lines), **more}
    return doors.api.send(
        doors.admin, "POST", f"{STATEMENTS}/{provider}", key=key or str(uuid4()), **body
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_lost_callback_is_repaired_over_http_and_a_person_explains_the_rest(
    doors: Deployment,
) -> None:
    fan, creator = doors.fan(), doors.creator()
    lost, differing = doors.pay(fan, creator), doors.pay(fan, creator)
    doors.api.deliver(doors.callback(differing, transaction="SBX-d1"))
    transaction = f"SBX-{uuid4()}"
    report = brought(
        doors,
        line(transaction, lost, "1250.00"),
        line("SBX-d1", differing, "1250.01"),
    )
    assert doors.payment(fan, lost)["state"] == "succeeded"
    [total] = report["totals"]
    assert total["total"] == 2 * GROSS + 1
    assert (total["recorded"], total["open"]) == (GROSS, GROSS + 1)
    [item] = items_of(doors, report, state="open")
    assert (item["why"], item["ledger_amount"]) == ("amount_differs", GROSS)
    late = doors.api.deliver(doors.callback(lost, transaction=transaction))
    assert late.json()["data"]["verdict"] == "duplicate"
    path = f"/admin/reconciliation-items/{item['id']}/explain"
    explained = doors.api.send(doors.admin, "POST", path, key="e-1", json={"reason": REASON})
    assert explained.json()["data"]["state"] == "explained"
    again = doors.api.send(doors.admin, "POST", path, key="e-1", json={"reason": REASON})
    assert again.headers["idempotency-replayed"] == "true"
    other = doors.api.send(doors.admin, "POST", path, key="e-1", json={"reason": "Another one."})
    assert code(other) == (422, "idempotency_key_reused")
    read = doors.api.send(doors.auditor, "GET", f"{STATEMENTS}/{report['id']}").json()["data"]
    [total] = read["totals"]
    assert (total["matched"], total["explained"], total["open"]) == (GROSS, GROSS + 1, 0)
    assert_book_is_sound(doors.database)


def test_much_money_waits_until_another_admin_brings_the_same_file(doors: Deployment) -> None:
    other = doors.person(Role.ADMIN)
    row = line(f"SBX-{uuid4()}", "", "98765.43")
    days = {"first_day": NO_DAY, "last_day": NO_DAY}
    head = doors.recorded()

    def told(who: Person, *lines: str) -> dict[str, Any]:
        answer = doors.api.send(
            who, "POST", f"{STATEMENTS}/sandbox", key=str(uuid4()), params=days, **csv_body(*lines)
        )
        assert answer.is_success, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    for who, lines in (
        (doors.admin, (row,)),
        (doors.admin, (row,)),
        (other, (row, odd_line())),
    ):
        waiting = told(who, *lines)
        assert (waiting["waits_for_second_person"], waiting["waiting_amount"]) == (True, 9_876_543)
        assert waiting["totals"][0]["recorded"] == 0
        assert doors.recorded() == head
    first = told(doors.admin, row)
    [item] = items_of(doors, first)
    assert (item["why"], item["state"]) == ("needs_second_person", "open")
    done = told(other, row)
    assert done["id"] == first["id"]
    assert (done["waits_for_second_person"], done["unexplained"]) == (False, 0)
    assert done["uploaded_by"] == f"admin:{doors.admin.id}"
    assert done["second_person"] == f"admin:{other.id}"
    assert done["totals"][0]["recorded"] == 9_876_543
    assert doors.recorded() != head
    assert_book_is_sound(doors.database)


def test_the_same_key_answers_again_and_the_same_file_is_the_same_statement(
    doors: Deployment,
) -> None:
    odd = odd_line()
    first = bring(doors, odd, key="s-1")
    assert first.status_code == 201
    again = bring(doors, odd, key="s-1")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json()["data"]["id"] == first.json()["data"]["id"]
    by_another_key = bring(doors, odd)
    assert by_another_key.status_code == 200
    assert by_another_key.json()["data"]["id"] == first.json()["data"]["id"]
    assert code(bring(doors, odd_line(), key="s-1")) == (422, "idempotency_key_reused")


def test_a_file_that_is_no_statement_is_refused_with_what_is_wrong(doors: Deployment) -> None:
    before = doors.recorded()
    for content, field in (
        (b"a,b,c\n1,2,3\n", "file"),
        (b"", "file"),
        (f"{HEADER},amount\n".encode(), "amount"),
        (f'{HEADER}\nT1,payment,"open'.encode(), "file"),
        (b"\x00\x01\x02", "file"),
    ):
        answer = bring(doors, content=content)
        assert code(answer) == (400, "statement_unreadable")
        assert [each["field"] for each in answer.json()["error"]["details"]] == [field]
    assert code(bring(doors, odd_line(), provider="nobody")) == (404, "not_found")
    assert code(bring(doors, odd_line(), headers={"content-type": "application/json"})) == (
        400,
        "validation_error",
    )
    days = {"first_day": "2026-03-02", "last_day": "2026-03-01"}
    assert code(bring(doors, odd_line(), params=days)) == (400, "validation_error")
    assert doors.recorded() == before


def test_a_statement_may_be_larger_than_other_bodies_and_has_a_bound_too(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy(STATEMENT_BYTES_MAX=str(256 * 1024)).add_apis(1) as running:
        many = [odd_line() for _ in range(1_200)]
        content: bytes = csv_body(*many)["content"]
        assert 64 * 1024 < len(content) < 256 * 1024
        report = brought(running, *many)
        assert (report["lines"], report["unexplained"]) == (1_200, 1_200)
        assert report["file_bytes"] == len(content)
        too_large = bring(running, *(many * 3))
        assert code(too_large) == (413, "body_too_large")
        pieces = (piece for piece in [content] * 3)
        assert code(bring(running, content=pieces)) == (413, "body_too_large")
        path = f"/admin/reconciliation-items/{uuid4()}/explain"
        reason = {"reason": "x" * 70_000}
        answer = running.api.send(running.admin, "POST", path, key="x", json=reason)
        assert code(answer) == (413, "body_too_large")


def test_names_and_numbers_of_a_file_are_kept_nowhere_but_under_its_key(
    doors: Deployment,
) -> None:
    name = f"{PHONE_PREFIX}001 - {CANARY_NAME}"
    header = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Balance"
    receipt = f"Q{uuid4().hex[:9].upper()}"
    at = datetime.now(UTC).strftime("%d-%m-%Y %H:%M:%S")
    file = (
        f"Organization Name,{CANARY_NAME}\n\n{header},Other Party Info,A/C No.\n"
        f'{receipt},{at},Pay Bill from {name},Completed,"1,250.00",,1250.00,{name},{name}\n'
    ).encode()
    days = {"first_day": NO_DAY, "last_day": NO_DAY}
    answer = bring(doors, content=file, provider="daraja", params=days)
    assert answer.status_code == 201, answer.text
    [item] = items_of(doors, answer.json()["data"])
    assert (item["transaction"], item["why"]) == (receipt, "statement_only")
    # That nothing of it lies in a table or a log is what the deployment checks as it stops.
    statement = answer.json()["data"]["id"]
    key_id = value(
        doors.database, "SELECT key_id FROM provider_statements WHERE statement_id = %s", statement
    )
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    assert store.get(key_id).secret
    store.close()
    assert rows(
        doors.database,
        "SELECT count(*) FROM provider_statement_parts WHERE statement_id = %s",
        statement,
    ) == [(1,)]


@pytest.mark.parametrize("what", ["", "/items"])
def test_a_statement_that_is_none_is_not_found(doors: Deployment, what: str) -> None:
    answer = doors.api.send(doors.admin, "GET", f"{STATEMENTS}/{uuid4()}{what}")
    assert code(answer) == (404, "not_found")
