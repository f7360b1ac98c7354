"""Whoever is erased is nowhere any more: not in a table, a key, an export; and the books stand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

import hesabu_verify
from api.signing_keys import checkpoint_signers
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.location import DatabaseLocation
from ledger.database.migrate import migrate
from ledger.database.roles import DatabaseRole
from ledger.inbox import unseal_callback
from ledger.key_store import KeyDestroyedError, KeyStore
from ledger.replay import replay
from ledger.vault import unseal, vault_entry
from projections.feeder import connect_to_fill
from projections.generations import ensure
from projections.models import READ_MODELS
from tests.api.deployment import Deployment, Person, payment_body
from tests.api.erasure_requests import (
    ERASURES,
    erasure_body,
    with_a_phone_and_nothing_open,
)
from tests.api.leaks import CANARY_NAME, PHONE_RANGE, texts_of_tables
from tests.api.payout_steps import Payee
from tests.api.processes import REPOSITORY, clean_environment
from tests.api.subscriber import Subscriber
from tests.databases import rows
from tests.invariants import assert_book_is_sound, balances
from tests.ledger.database.supervisors import temporary_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.api.documentation import Documentation

LINE: Final = "97"
DIGITS: Final = f"{PHONE_RANGE}{LINE}000"
"""Of a phone that nobody else in these tests has."""
NUMBER: Final = f"+254{DIGITS}"
EMAIL: Final = "canary.of.one@example.org"
EVENTS: Final = "SELECT * FROM ledger_events ORDER BY notification_id"


def _erase(doors: Deployment, person: Person, caller: Person | None = None) -> httpx.Response:
    return doors.api.send(caller or doors.admin, "POST", ERASURES, json=erasure_body(person))


def _command(doors: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(doors.environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _opened(doors: Deployment) -> Iterator[tuple[str, str]]:
    """All that whoever has the database and the key store can read."""
    with closing(KeyStore(doors.directory / "keys" / "key_store.sqlite3")) as store:
        for row in rows(doors.database, "SELECT * FROM vault_entries"):
            try:
                yield "vault", unseal(store, vault_entry(row))
            except KeyDestroyedError:
                continue
        for inbox_id, key_id, ciphertext in rows(
            doors.database, "SELECT inbox_id, key_id, ciphertext FROM inbox"
        ):
            try:
                body = unseal_callback(
                    store, inbox_id=inbox_id, key_id=key_id, ciphertext=ciphertext
                )
            except KeyDestroyedError:
                continue
            yield "inbox", body.decode()


def _files(doors: Deployment) -> Iterator[tuple[str, str]]:
    for file in (doors.directory / "keys").rglob("*"):
        if file.is_file():
            yield f"keys/{file.name}", file.read_bytes().decode("latin-1")


def _places(doors: Deployment, *canaries: str) -> set[str]:
    """Wherever one of these texts can be read, by whoever has everything."""
    everywhere = (*texts_of_tables(doors.database), *_files(doors), *_opened(doors))
    return {
        place
        for place, text in everywhere
        if any(canary.lower() in text.lower() for canary in canaries)
    }


class Told:
    """A fan with a confirmed phone and an address, who paid, and of whom a provider told."""

    def __init__(self, doors: Deployment) -> None:
        self.doors = doors
        self.subscriber = Subscriber(doors, line=LINE)
        self.fan = self.subscriber.fan
        self.subscriber.done("PUT", "/me/email", {"email": EMAIL})
        self.creator = doors.creator()
        self.key = str(uuid4())
        answer = self.pay(self.key)
        assert answer.is_success, answer.text
        payment_id = answer.json()["data"]["id"]
        assert doors.api.deliver(doors.callback(payment_id, phone=NUMBER)).is_success
        # Not understood, and sealed with a key of its own.
        assert doors.api.deliver(doors.callback("nothing of ours", phone=NUMBER)).is_success

    def pay(self, key: str | None = None) -> httpx.Response:
        body = payment_body(self.creator, digits=f"{LINE}000")
        return self.doors.api.send(
            self.fan, "POST", "/payments", key=key or str(uuid4()), json=body
        )


@pytest.fixture(scope="module")
def alone(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    # A day is too long to wait for a destination to cool.
    with deploy(DESTINATION_COOLING_SECONDS="0").add_apis(2) as running:
        yield running


def test_nothing_of_them_is_anywhere_and_every_proof_still_holds(
    alone: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Told(alone)
    alone.seal()
    note = alone.api.send(alone.auditor, "GET", "/audit/checkpoint").json()["data"]["note"]
    kept = tmp_path / "kept.checkpoint"
    kept.write_text(note)
    # The negative control: whoever has both halves reads them, and nobody who has one.
    assert _places(alone, DIGITS) == {"vault", "inbox"}
    assert _places(alone, EMAIL) == {"vault"}
    before = (rows(alone.database, EVENTS), balances(alone.database))

    answer = _erase(alone, told.fan)
    assert answer.status_code == 201, answer.text
    assert _places(alone, DIGITS, EMAIL) == set()

    assert (rows(alone.database, EVENTS), balances(alone.database)) == before
    assert_book_is_sound(alone.database)
    assert replay(BookLocation(alone.database, DatabaseRole.AUDITOR)).ok
    assert _command(alone, "replay", "--verify").returncode == 0
    export = tmp_path / "log.ndjson"
    assert _command(alone, "export", "--output", str(export)).returncode == 0
    log = alone.api.send(
        alone.auditor, "GET", "/audit/events", headers={"accept": "application/x-ndjson"}
    )
    for text in (export.read_text(), log.text):
        assert DIGITS not in text
        assert EMAIL not in text
    keys = [str(each.verifier_key) for each in _signers(alone)]
    status = hesabu_verify.main(
        [str(export), "--json", f"--checkpoint={kept}", *(f"--key={key}" for key in keys)]
    )
    assert status == 0, capsys.readouterr().out


def _signers(doors: Deployment) -> Any:  # noqa: ANN401 - signers
    return checkpoint_signers(doors.directory / "keys" / "checkpoints", "hesabu/hesabu")


def test_doors_say_that_they_were_erased_and_take_nothing_new(alone: Deployment) -> None:
    told = Told(alone)
    # Another process has the number in its memory.
    payment = alone.pay(told.fan, told.creator, digits=f"{LINE}000", api=alone.apis[1])
    told.subscriber.done("POST", f"/payments/{payment}/cancel")
    assert _erase(alone, told.fan).status_code == 201
    data = told.subscriber.done("GET", "/me")
    assert (data["phones"], data["email_set"], data["erased"]) == ([], False, True)
    for api in alone.apis:
        for path, body in (
            ("/payments", payment_body(told.creator, digits=f"{LINE}000")),
            ("/me/phones", {"phone": NUMBER}),
        ):
            answer = api.send(told.fan, "POST", path, key=str(uuid4()), json=body)
            assert (answer.status_code, _code(answer)) == (409, "person_erased"), path
        answer = api.send(told.fan, "PUT", "/me/email", key=str(uuid4()), json={"email": EMAIL})
        assert (answer.status_code, _code(answer)) == (409, "person_erased")
    assert _code(told.pay(told.key)) in {"person_erased", "idempotency_key_reused"}


def _code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_a_person_erased_twice_is_answered_the_first_time_again(alone: Deployment) -> None:
    fan = with_a_phone_and_nothing_open(alone, alone.creator())
    first, again = _erase(alone, fan), _erase(alone, fan)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["data"]["erased_by"] == f"admin:{alone.admin.id}"


def test_who_is_unknown_or_has_something_open_is_refused_with_what_it_is(
    alone: Deployment,
) -> None:
    answer = _erase(alone, alone.fan())
    assert (answer.status_code, _code(answer)) == (404, "person_not_found")
    fan = alone.fan()
    alone.pay(fan, alone.creator())
    answer = _erase(alone, fan)
    assert (answer.status_code, _code(answer)) == (409, "obligations_open")
    assert "a payment" in answer.json()["error"]["message"]
    payee = Payee(alone)
    payee.payout()
    answer = _erase(alone, payee.creator)
    assert _code(answer) == "obligations_open"
    message = answer.json()["error"]["message"]
    for what in ("a creator's account that is not closed", "a payout", "money owed to them"):
        assert what in message


def test_a_creator_is_erased_with_their_name_tax_number_and_destination(
    alone: Deployment,
) -> None:
    creator, admin = alone.creator(name=CANARY_NAME), alone.admin
    path = f"/admin/creators/{creator.id}"
    tax = {"country": "KE", "withholding_basis_points": 500, "tax_number": "A00Zqcanary77"}
    phone = f"+254{PHONE_RANGE}98001"
    for method, where, body in (
        ("PUT", f"{path}/tax-profile", tax),
        ("POST", f"/creators/{creator.id}/destinations", {"phone": phone}),
        ("POST", f"{path}/close", {"reason": "They leave."}),
    ):
        answer = alone.api.send(admin, method, where, key=str(uuid4()), json=body)
        assert answer.is_success, answer.text
    canaries = (CANARY_NAME, "A00Zqcanary77", phone[-9:])
    assert _places(alone, *canaries) == {"vault"}
    assert _erase(alone, creator).status_code == 201
    assert _places(alone, *canaries) == set()
    standing = alone.api.send(admin, "GET", path).json()["data"]
    assert standing["erased"] is True
    assert standing["tax"]["has_tax_number"] is False
    assert [each["phone"] for each in standing["destinations"]] == [None]
    answer = alone.api.send(admin, "PUT", f"{path}/tax-profile", key=str(uuid4()), json=tax)
    assert (answer.status_code, _code(answer)) == (409, "person_erased")


def test_admins_and_auditors_read_who_was_erased_page_by_page(alone: Deployment) -> None:
    creator = alone.creator()
    fans = [with_a_phone_and_nothing_open(alone, creator) for _ in range(3)]
    for fan in fans:
        _erase(alone, fan)
    for caller in (alone.admin, alone.auditor):
        found: list[str] = []
        params = {"limit": "2"}
        while len(found) < len(fans):
            answer = alone.api.send(caller, "GET", ERASURES, params=params).json()["data"]
            found += [item["person_id"] for item in answer["items"]]
            params["cursor"] = answer["next_cursor"]
        assert found[:3] == [str(fan.id) for fan in reversed(fans)]
    wrong = alone.api.send(alone.admin, "GET", ERASURES, params={"cursor": "WyJ4Il0"})
    assert (wrong.status_code, _code(wrong)) == (400, "invalid_cursor")


def test_a_reason_that_names_somebody_is_refused(alone: Deployment) -> None:
    body = {**erasure_body(alone.fan()), "reason": f"It was {NUMBER}."}
    answer = alone.api.send(alone.admin, "POST", ERASURES, json=body)
    assert _code(answer) == "validation_error"


def test_the_command_line_erases_and_lists(alone: Deployment) -> None:
    fan = with_a_phone_and_nothing_open(alone, alone.creator())
    reason = ("--reason", "They wrote a letter.")
    erased = _command(alone, "erase", str(fan.id), *reason)
    assert erased.returncode == 0, erased.stderr
    assert _command(alone, "erase", str(fan.id), *reason).stdout.rstrip().endswith("already.")
    listed = _command(alone, "erasures")
    assert f"{fan.id}  operator  They wrote a letter." in listed.stdout
    unknown = _command(alone, "erase", str(uuid4()), *reason)
    assert unknown.returncode == 1
    assert "Nobody of this id is known" in unknown.stderr
    named = _command(alone, "erase", str(fan.id), "--reason", f"It was {NUMBER}.")
    assert named.returncode == 2


@pytest.mark.parametrize("brought_back_by", ["a start of the API", "the command"])
def test_who_was_erased_stays_erased_after_a_restore_of_yesterdays_backup(
    documentation: Documentation, tmp_path: Path, brought_back_by: str
) -> None:
    """The drill: a cold copy of the cluster, an erasure, the copy put back, a start."""
    with temporary_directory() as directory:
        live, backup = directory / "live", directory / "backup"
        with _running(live) as doors, _serving(doors, tmp_path, documentation) as served:
            told = Told(served)
            events = rows(doors, EVENTS)
        _copy(live / "data", backup)
        with _running(live) as doors, _serving(doors, tmp_path, documentation) as served:
            assert _erase(served, told.fan).status_code == 201
            assert _places(served, DIGITS, EMAIL) == set()
        shutil.rmtree(live / "data")
        _copy(backup, live / "data")
        with _running(live) as database:
            # The negative control: the restored database knows nothing of an erasure.
            assert rows(database, "SELECT * FROM erasures") == []
            [(left,)] = rows(database, "SELECT count(*) FROM vault_entries")
            assert left > 0
            served = Deployment(database, tmp_path, documentation).add_apis(1)
            if brought_back_by == "the command":
                again = _command(served, "erasures", "--repeat")
                assert f"{told.fan.id} was erased again." in again.stdout, again.stderr
            else:
                with served:
                    assert served.api.send(told.fan, "GET", "/me").json()["data"]["erased"]
            assert rows(database, "SELECT person_id FROM erasures") == [(told.fan.id,)]
            vault = "SELECT count(*) FROM vault_entries WHERE person_id = %s"
            assert rows(database, vault, told.fan.id) == [(0,)]
            assert _places(served, DIGITS, EMAIL) == set()
            assert rows(database, EVENTS) == events


@contextmanager
def _running(directory: Path) -> Iterator[DatabaseLocation]:
    """A server of its own with a migrated book."""
    with EmbeddedPostgres(directory) as server:
        server.ensure_database("book")
        database = DatabaseLocation.from_embedded(server, "book")
        migrate(database)
        with connect_to_fill(BookLocation(database, DatabaseRole.REBUILDER)) as rebuilder:
            ensure(rebuilder, READ_MODELS)
        yield database


def _copy(source: Path, target: Path) -> None:
    """With owners and modes: as root the server runs as somebody else."""
    subprocess.run(["/bin/cp", "--archive", str(source), str(target)], check=True)


def _serving(database: DatabaseLocation, directory: Path, docs: Documentation) -> Deployment:
    return Deployment(database, directory, docs).add_apis(1)
