"""No phone number and no name is anywhere but in the vault, no secret in any log.

What is sought here is planted by every test: all phone numbers have the same digits, and every
deployment is searched once more when it is taken down.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import httpx
import pytest

from ledger.key_store import KeyStore
from ledger.vault import READ_ENTRY, unseal, vault_entry
from tests.api.deployment import API, PHONE_PREFIX, Deployment, payment_body
from tests.api.leaks import (
    CANARY_NAME,
    PERSONAL,
    leaks_in_log,
    personal_data_in_tables,
    texts_of_tables,
)
from tests.api.processes import REPOSITORY
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from tests.databases import Databases

PARTS: Final = ("709481", "Zqcanary")


@pytest.fixture(scope="module")
def told(stories: Deployment) -> list[str]:
    """Stories that end well, badly, and strangely; and requests that are refused with the phone."""
    creator = stories.creator(name=CANARY_NAME)
    payments = []
    for digits in ("000", "001", "004", "008", "012", "015"):
        fan = stories.fan()
        payment_id = stories.pay(fan, creator, digits=digits)
        stories.wait_for_end(fan, payment_id)
        payments.append(payment_id)
    fan, phone = stories.fan(), f"{PHONE_PREFIX}000"
    right = payment_body(creator)
    # A wrong name is named to whoever sent it, but it must not be logged.
    httpx.post(
        f"{stories.api.url}{API}/payments",
        json={**right, phone: 1},
        headers={**fan.headers, "idempotency-key": str(uuid4())},
    )
    for body in (
        {**right, "reference": phone},
        {**right, "provider": "709481000"},
        {**right, "creator_id": phone},
        {**right, "phone": [phone]},
        {**right, "purpose": CANARY_NAME},
    ):
        answer = stories.api.send(fan, "POST", "/payments", key=str(uuid4()), json=body)
        assert answer.status_code == 400
    for path in (f"/payments/{phone}", f"/creators/{phone}/balance", f"/{phone}?phone={phone}"):
        stories.api.send(fan, "GET", path, headers={"x-correlation-id": phone})
    stories.api.client.post(f"{API}/webhooks/{phone}", content=phone)
    stories.api.client.post(f"{API}/webhooks/sandbox", content=phone)
    stories.api.deliver(stories.callback(uuid4(), reference=phone, phone=phone))
    stories.api.deliver(stories.callback(payments[0], "failed", reason=phone.strip("+")))
    return payments


def test_no_table_holds_a_phone_number_or_a_name_that_can_be_read(
    stories: Deployment, told: list[str]
) -> None:
    assert personal_data_in_tables(stories.database) == set()


def test_what_is_sought_would_be_found(stories: Deployment, told: list[str]) -> None:
    """The negative control: a phone number in any kind of column is seen."""
    with superuser(stories.database) as connection, connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE public.canaries (a text, b bytea, c jsonb, d bigint)")
        phone = f"{PHONE_PREFIX}000"
        connection.execute(
            "INSERT INTO public.canaries VALUES (%s, %s, %s, %s)",
            (f"x{phone}x", f"\0{phone}".encode(), json.dumps({"a": [phone]}), int(phone)),
        )
        for column in "abcd":
            query = f"SELECT {column}::text FROM public.canaries"
            [[text]] = connection.execute(query.encode()).fetchall()
            if column == "b":
                text = bytes.fromhex(text.removeprefix("\\x")).decode("latin-1")
            assert PERSONAL.search(text)
    seen = {place for place, _ in texts_of_tables(stories.database)}
    assert {
        "hesabu.ledger_events.state", "hesabu.vault_entries.ciphertext", "hesabu.inbox.ciphertext",
        "hesabu.inbox.headers", "hesabu.idempotency_keys.parameters", "hesabu.turns.position",
    } <= seen  # fmt: skip


def test_the_vault_has_them_and_only_the_key_store_opens_it(
    stories: Deployment, told: list[str]
) -> None:
    found = set()
    store = KeyStore(stories.directory / "keys" / "key_store.sqlite3")
    with superuser(stories.database) as connection:
        for (entry_id,) in connection.execute("SELECT entry_id FROM vault_entries").fetchall():
            row = connection.execute(READ_ENTRY, (entry_id,)).fetchone()
            assert row is not None
            found.add(unseal(store, vault_entry(row)))
    store.close()
    assert {CANARY_NAME, f"{PHONE_PREFIX}000", f"{PHONE_PREFIX}015"} <= found
    assert not any(PERSONAL.search(text) for text in _key_store_dump(stories))


def _key_store_dump(stories: Deployment) -> list[str]:
    files = (stories.directory / "keys").rglob("*")
    return [file.read_bytes().decode("latin-1") for file in files if file.is_file()]


def test_no_event_and_no_answer_to_an_auditor_names_a_person(
    stories: Deployment, told: list[str]
) -> None:
    for headers in ({}, {"accept": "application/x-ndjson"}):
        answer = stories.api.send(
            stories.auditor, "GET", "/audit/events?limit=200", headers=headers
        )
        assert not PERSONAL.search(answer.text)
    topics = {topic for (topic,) in rows(stories.database, "SELECT topic FROM ledger_events")}
    assert "creator.registered.v1" in topics


def test_no_log_holds_personal_data_a_token_or_a_secret(
    stories: Deployment, told: list[str], databases: Databases
) -> None:
    logs = [process.log for process in stories.processes]
    assert len(logs) >= 3
    for log in logs:
        assert leaks_in_log(log, *stories.secrets) == []
    assert leaks_in_log(databases.server.directory / "server.log", *stories.secrets) == []
    told_of = stories.api.log_text()
    assert '"event":"callback_refused"' in told_of
    assert '"route":"/payments' in told_of


NOISY: Final = """
import logging, structlog
from pydantic import BaseModel
from api.observability import configure_logging

configure_logging()

class Money(BaseModel):
    amount: int

def fail(how):
    try:
        how()
    except Exception:
        structlog.get_logger().exception("structured")
        logging.getLogger("ledger").exception("standard")

def validation():
    Money.model_validate({"amount": "SECRET +254709481000 Zqcanary"})

def several_lines():
    raise ValueError("first\\n  indented 254709481000\\n    File 'x', line 1\\nTraceback Zqcanary")

def chained():
    try:
        validation()
    except ValueError as error:
        raise KeyError("0709481000 Zqcanary") from error

def grouped():
    raise ExceptionGroup("Zqcanary", [ValueError("709481000"), KeyError("  709481000")])

def noted():
    error = ValueError("x")
    error.add_note("  noted: 709481000")
    raise error

class Odd(Exception):
    def __str__(self):
        return "  +254709481000"

def odd():
    raise Odd

for how in (validation, several_lines, chained, grouped, noted, odd):
    fail(how)
"""


def test_a_logged_exception_says_where_and_what_kind_but_never_its_text() -> None:
    """An exception's text may quote what somebody sent."""
    finished = subprocess.run(
        [sys.executable, "-c", NOISY], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in finished.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["structured", "standard"] * 6
    for line in lines:
        assert "in fail" in line["exception"], line
        assert not PERSONAL.search(line["exception"]), line["exception"]
        assert "SECRET" not in line["exception"]
    kinds = ["ValidationError", "ValueError", "KeyError", "ExceptionGroup", "ValueError", "Odd"]
    for number, kind in enumerate(kinds):
        assert kind in lines[2 * number]["exception"]


def test_a_failure_that_nobody_foresaw_is_logged_without_what_was_sent(
    stories: Deployment, told: list[str]
) -> None:
    """An event that cannot be read makes an answer of 500; its stream is named, nothing else."""
    fan = stories.fan()
    payment_id = stories.pay(fan, stories.creator(), digits="002")
    stories.wait_for_end(fan, payment_id)
    with superuser(stories.database) as connection:
        connection.execute("SET session_replication_role = replica")
        change = "UPDATE ledger_events SET state = %s WHERE originator_id = %s::uuid"
        before = connection.execute(
            "SELECT originator_version, state FROM ledger_events WHERE originator_id = %s::uuid",
            (payment_id,),
        ).fetchall()
        connection.execute(change, (b'{"phone": "+254709481000"}', payment_id))
        try:
            answer = stories.api.send(fan, "GET", f"/payments/{payment_id}")
        finally:
            for version, state in before:
                one = f"{change} AND originator_version = %s"
                connection.execute(one.encode(), (state, payment_id, version))
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert not PERSONAL.search(answer.text)
    assert answer.headers["x-request-id"] == answer.json()["error"]["request_id"]
    assert answer.json()["error"]["request_id"] in stories.api.log_text()
    assert leaks_in_log(stories.api.log, *stories.secrets) == []
    assert stories.payment(fan, payment_id)["state"] == "cancelled"
    assert httpx.codes.is_success(stories.api.client.get("/readyz").status_code)
