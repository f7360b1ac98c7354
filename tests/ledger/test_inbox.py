"""The inbox: every verified callback is kept, sealed, with what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from cryptography.exceptions import InvalidTag

from ledger.application import Ledger
from ledger.callbacks import Verdict
from ledger.commands import Claim, ParkCallback, RecordReport
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from ledger.inbox import InboxEntry, seal_callback, unseal_callback
from ledger.key_store import KeyDestroyedError, KeyStore
from tests.builders import (
    envelope,
    initiate_payment,
    natural_key,
    register_creator,
    report_success,
    report_without_money,
)
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound

BODY = b'{"phone": "+254712345678", "amount": 1000}'


def sealed(key_store: KeyStore, natural: str = "C-1", body: bytes = BODY) -> InboxEntry:
    return seal_callback(
        key_store.allocate(),
        provider="sandbox",
        natural_key=natural,
        headers={"webhook-id": natural},
        body=body,
        of_unknown_origin=False,
    )


def park(entry: InboxEntry, reason: str = "not_understood") -> ParkCallback:
    return ParkCallback(
        reason=reason, inbox_entry=entry, **envelope(natural_key(entry.natural_key))
    )


def kept(database: DatabaseLocation) -> list[tuple[Any, ...]]:
    return rows(
        database, "SELECT natural_key, verdict, reason, position, copies FROM inbox ORDER BY 1"
    )


def payment_of(ledger: Ledger) -> UUID:
    creator, payment = uuid4(), uuid4()
    ledger.execute([register_creator(creator), initiate_payment(creator, payment_id=payment)])
    return payment


def test_a_sealed_callback_is_read_again_by_its_key_alone(key_store: KeyStore) -> None:
    entry = sealed(key_store)
    place = {"inbox_id": entry.inbox_id, "key_id": entry.key_id, "ciphertext": entry.ciphertext}
    assert unseal_callback(key_store, **place) == BODY  # type: ignore[arg-type]
    assert BODY not in entry.ciphertext
    with pytest.raises(InvalidTag):
        unseal_callback(key_store, **{**place, "inbox_id": uuid4()})  # type: ignore[arg-type]
    with pytest.raises(InvalidTag):
        unseal_callback(key_store, **{**place, "key_id": key_store.allocate().id})  # type: ignore[arg-type]
    key_store.destroy(entry.key_id)
    with pytest.raises(KeyDestroyedError):
        unseal_callback(key_store, **place)  # type: ignore[arg-type]


def test_an_empty_body_is_a_body(key_store: KeyStore) -> None:
    entry = sealed(key_store, body=b"")
    assert (
        unseal_callback(
            key_store, inbox_id=entry.inbox_id, key_id=entry.key_id, ciphertext=entry.ciphertext
        )
        == b""
    )


def test_the_hash_of_a_body_is_no_oracle_for_what_is_in_it(key_store: KeyStore) -> None:
    one, two = sealed(key_store), sealed(key_store)
    assert one.body_hash != two.body_hash
    assert one.body_hash != hashlib.sha256(BODY).hexdigest()
    assert "ciphertext" not in repr(one)


def test_a_callback_commits_with_its_verdict_and_is_the_evidence_of_its_events(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    payment, entry = payment_of(ledger), sealed(key_store)
    outcome = ledger.execute_one(report_success(payment, inbox_entry=entry))
    assert outcome.verdict is Verdict.APPLIED
    assert kept(database) == [("C-1", "applied", None, outcome.position, 1)]
    assert [event.evidence for event in outcome.events] == [entry.body_hash]


def test_a_callback_that_changes_nothing_is_kept_too(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    payment = payment_of(ledger)
    report = report_without_money(payment, Claim.PENDING, inbox_entry=sealed(key_store))
    assert ledger.execute_one(report).verdict is Verdict.IGNORED
    assert [row[:2] for row in kept(database)] == [("C-1", "ignored")]


def test_the_same_callback_again_gets_the_first_verdict_and_no_second_row(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    payment, key = payment_of(ledger), natural_key("C-1")
    first = ledger.execute_one(
        report_success(payment, transaction="T1", inbox_entry=sealed(key_store), key=key)
    )
    again = ledger.execute_one(
        report_success(payment, transaction="T1", inbox_entry=sealed(key_store), key=key)
    )
    assert again == replace(first, replayed=True, events=())
    assert [row[:2] for row in kept(database)] == [("C-1", "applied")]


def test_a_callback_that_was_not_understood_is_parked_with_the_reason(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    outcome = ledger.execute_one(park(sealed(key_store)))
    assert outcome.verdict is Verdict.PARKED
    assert kept(database) == [("C-1", "parked", "not_understood", 0, 1)]


def test_a_parked_callback_that_comes_again_is_counted_and_may_be_understood_later(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    payment = payment_of(ledger)
    ledger.execute_one(park(sealed(key_store)))
    ledger.execute_one(park(sealed(key_store), "still_not_understood"))
    [row] = kept(database)
    assert (row[1], row[2], row[4]) == ("parked", "still_not_understood", 2)
    understood = report_success(payment, inbox_entry=sealed(key_store), key=natural_key("C-1"))
    assert ledger.execute_one(understood).verdict is Verdict.APPLIED
    [row] = kept(database)
    assert (row[1], row[2], row[4]) == ("applied", None, 3)


def test_the_copy_is_kept_by_which_a_callback_was_decided(
    ledger: Ledger, database: DatabaseLocation, key_store: KeyStore
) -> None:
    payment = payment_of(ledger)
    ledger.execute_one(park(sealed(key_store, body=b"the first copy")))
    second = sealed(key_store, body=b"the second copy")
    key = natural_key(second.natural_key)
    ledger.execute_one(report_success(payment, inbox_entry=second, key=key))
    assert kept(database)[0][1:3] == ("applied", None)
    [(inbox_id, key_id, body_hash, ciphertext, copies)] = rows(
        database, "SELECT inbox_id, key_id, body_hash, ciphertext, copies FROM inbox"
    )
    body = unseal_callback(key_store, inbox_id=inbox_id, key_id=key_id, ciphertext=ciphertext)
    assert (body, copies) == (b"the second copy", 2)
    evidence = value(
        database,
        "SELECT convert_from(state, 'UTF8')::jsonb ->> 'evidence' FROM ledger_events "
        "WHERE topic LIKE 'payment.succeeded%'",
    )
    assert evidence == body_hash == second.body_hash


@pytest.mark.parametrize("change", ["ciphertext = ''", "body_hash = ''", "verdict = 'parked'"])
def test_nobody_changes_what_is_kept_of_a_callback_that_was_decided(
    ledger: Ledger, database: DatabaseLocation, key_store: KeyStore, change: str
) -> None:
    waiting, decided = (sealed(key_store, natural) for natural in ("C-1", "C-2"))
    ledger.execute_one(park(waiting))
    ledger.execute_one(
        report_success(payment_of(ledger), inbox_entry=decided, key=natural_key("C-2"))
    )
    statement = f"UPDATE inbox SET {change} WHERE natural_key = %s".encode()
    with BookLocation(database, DatabaseRole.APP).connect_writer() as connection:
        connection.execute(statement, ("C-1",))
        with pytest.raises(psycopg.errors.RestrictViolation, match="decided refused"):
            connection.execute(statement, ("C-2",))


def test_two_copies_in_one_turn_leave_one_row(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation
) -> None:
    outcomes = ledger.execute([park(sealed(key_store)), park(sealed(key_store))])
    assert [outcome.verdict for outcome in outcomes] == [Verdict.PARKED, Verdict.PARKED]
    assert len(kept(database)) == 1


def test_a_callback_whose_decision_fails_is_parked_and_can_be_decided_again(
    ledger: Ledger,
    key_store: KeyStore,
    database: DatabaseLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payment = payment_of(ledger)
    report = report_success(payment, inbox_entry=sealed(key_store), key=natural_key("C-1"))

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("ledger.callbacks.decide_report", fail)
        outcome = ledger.execute_one(report)
    assert outcome.verdict is Verdict.PARKED
    assert kept(database)[0][1:3] == ("parked", "internal_error")
    again = replace(report, inbox_entry=sealed(key_store))
    assert ledger.execute_one(again).verdict is Verdict.APPLIED
    assert kept(database)[0][1:3] == ("applied", None)
    assert_book_is_sound(database)


@pytest.mark.parametrize("headers", [{"a": "\0"}, {"\0": "a"}, {"a": "\ud800"}])
def test_a_header_that_cannot_be_stored_fails_that_callback_alone(
    ledger: Ledger, key_store: KeyStore, database: DatabaseLocation, headers: dict[str, str]
) -> None:
    payment = payment_of(ledger)
    good = report_success(payment, inbox_entry=sealed(key_store, "C-1"))
    bad = park(replace(sealed(key_store, "C-2"), headers=headers))
    outcomes = ledger.execute([bad, good])
    assert outcomes[0].error is not None
    assert outcomes[0].error.code == "invalid_value"
    assert outcomes[1].verdict is Verdict.APPLIED
    assert value(database, "SELECT count(*) FROM inbox") == 1


def test_a_report_from_a_query_leaves_no_row(ledger: Ledger, database: DatabaseLocation) -> None:
    report = report_success(payment_of(ledger))
    assert isinstance(report, RecordReport)
    assert ledger.execute_one(report).verdict is Verdict.APPLIED
    assert kept(database) == []
