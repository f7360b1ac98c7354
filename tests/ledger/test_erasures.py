"""A person is erased as a whole or not at all, whoever is killed, and no event knows of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import pytest

from ledger import erasure_list
from ledger.commands import ParkCallback
from ledger.erasure_list import ErasureList
from ledger.erasures import Erasures, all_erasures
from ledger.errors import (
    InvalidValue,
    ObligationsOpen,
    PersonErased,
    PersonNotFound,
    RetentionOpen,
)
from ledger.inbox import InboxEntry, seal_callback
from ledger.key_store import Key, KeyDestroyedError, KeyStore
from ledger.vault import PersonalData, VaultEntry, seal, unseal, vault_entry
from tests.builders import (
    PROVIDER,
    cancel_payment,
    envelope,
    initiate_payment,
    natural_key,
    register_creator,
    report_success,
)
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound, balances
from tests.money_builders import (
    ask_for_refund,
    close_creator,
    report_dispute,
    request_refund,
)
from tests.subscription_builders import (
    by_card,
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation

PHONE: Final = "+254709483007"
REASON: Final = "They asked to be forgotten."
EVENTS: Final = "SELECT * FROM ledger_events ORDER BY notification_id"


class Scene:
    """A creator, and a fan who has paid them once; what lies of the fan, and where."""

    def __init__(self, ledger: Ledger, key_store: KeyStore, directory: Path) -> None:
        self.ledger, self.key_store = ledger, key_store
        self.database = ledger.book.database
        self.path = directory / "erasures.ndjson"
        self.fan, self.creator = uuid4(), uuid4()
        ledger.execute_one(register_creator(self.creator))
        self.entry = self.sealed(PHONE)
        self.payment = self.pays(self.entry)

    @property
    def erasures(self) -> Erasures:
        return Erasures(self.ledger.book, self.key_store, ErasureList(self.path))

    def erase(self, person: UUID | None = None) -> bool:
        """Erase the fan, or somebody else; whether they were erased before."""
        return self.erasures.erase(person or self.fan, by="admin:one", reason=REASON)[1]

    def sealed(self, text: str, person: UUID | None = None) -> VaultEntry:
        return seal(
            self.key_store, person_id=person or self.fan, kind=PersonalData.PHONE, text=text
        )

    def initiates(self, entry: VaultEntry, fan: UUID | None = None) -> UUID:
        payment = initiate_payment(self.creator, fan_id=fan or self.fan)
        with_phone = replace(payment, phone=entry.entry_id, vault_entries=(entry,))
        self.ledger.execute_one(with_phone)
        return payment.payment_id

    def pays(self, entry: VaultEntry, fan: UUID | None = None) -> UUID:
        payment = self.initiates(entry, fan)
        self.ledger.execute_one(
            report_success(payment, inbox_entry=self.body(self.key_store.get(entry.key_id)))
        )
        return payment

    def body(self, key: Key | None = None, *, phone: str = PHONE, name: str = "") -> InboxEntry:
        return seal_callback(
            key or self.key_store.allocate(),
            provider=PROVIDER,
            natural_key=name or f"C-{uuid4()}",
            headers={},
            body=f'{{"msisdn": "0{phone[-9:]}"}}'.encode(),
            of_unknown_origin=key is None,
        )

    def parks(self, entry: InboxEntry) -> None:
        self.ledger.execute_one(
            ParkCallback(
                reason="unread",
                inbox_entry=entry,
                **envelope(natural_key(entry.natural_key)),
            )
        )

    def is_open(self, key_id: UUID) -> bool:
        try:
            self.key_store.get(key_id)
        except KeyDestroyedError:
            return False
        return True

    def everything(self) -> tuple[object, ...]:
        """What no erasure may change."""
        return rows(self.database, EVENTS), balances(self.database)


@pytest.fixture
def scene(ledger: Ledger, key_store: KeyStore, tmp_path: Path) -> Scene:
    return Scene(ledger, key_store, tmp_path)


def _vault(scene: Scene, person: UUID) -> list[VaultEntry]:
    found = rows(scene.database, "SELECT * FROM vault_entries WHERE person_id = %s", person)
    return [vault_entry(row) for row in found]


def test_keys_and_rows_are_gone_and_every_event_and_balance_is_as_it_was(scene: Scene) -> None:
    [entry] = _vault(scene, scene.fan)
    assert unseal(scene.key_store, entry) == PHONE, "the negative control: it could be opened"
    before = scene.everything()
    assert scene.erase() is False
    assert _vault(scene, scene.fan) == []
    with pytest.raises(KeyDestroyedError):
        unseal(scene.key_store, entry)
    assert scene.everything() == before
    assert_book_is_sound(scene.database)


def test_bodies_that_name_them_are_gone_and_nobody_elses(scene: Scene) -> None:
    named, stranger = scene.body(), scene.body(phone="+254709481000")
    for entry in (named, stranger):
        scene.parks(entry)
    other = scene.sealed("+254709481000", uuid4())
    scene.initiates(other, other.person_id)
    [(of_payment,)] = rows(scene.database, "SELECT key_id FROM inbox WHERE NOT of_unknown_origin")
    assert of_payment == scene.entry.key_id
    scene.erase()
    assert not scene.is_open(named.key_id)
    assert not scene.is_open(of_payment)
    assert scene.is_open(stranger.key_id)
    assert scene.is_open(other.key_id)
    assert _vault(scene, other.person_id) == [other]


def test_a_body_about_something_of_theirs_is_gone_also_where_it_does_not_name_them(
    scene: Scene,
) -> None:
    fan, told = uuid4(), scene.body(name="C-1")
    payment = scene.initiates(scene.sealed("+256700000001", fan), fan)
    scene.ledger.execute_one(report_success(payment, inbox_entry=told, key=natural_key("C-1")))
    scene.erase(fan)
    assert not scene.is_open(told.key_id)


def test_a_person_erased_twice_was_erased_once(scene: Scene) -> None:
    assert scene.erase() is False
    once = (rows(scene.database, "SELECT * FROM erasures"), scene.path.read_bytes())
    assert scene.erase() is True
    assert (rows(scene.database, "SELECT * FROM erasures"), scene.path.read_bytes()) == once
    assert len(once[0]) == 1
    assert scene.erasures.repeat() == []


def test_what_is_kept_of_an_erasure_says_who_and_why_and_nothing_of_them(scene: Scene) -> None:
    scene.erase()
    with scene.ledger.book.connect_reader() as connection:
        [erasure] = all_erasures(connection)
    assert (erasure.person_id, erasure.erased_by, erasure.reason) == (
        scene.fan, "admin:one", REASON,
    )  # fmt: skip
    assert ErasureList(scene.path).read() == [erasure]
    assert scene.entry.key_id in erasure.key_ids


def test_nobody_who_is_not_known_is_erased(scene: Scene) -> None:
    with pytest.raises(PersonNotFound):
        scene.erase(uuid4())
    assert not scene.path.exists()


def test_nothing_new_is_sealed_or_stored_for_the_erased(scene: Scene) -> None:
    sealed_before = scene.sealed(PHONE)
    scene.erase()
    with pytest.raises(PersonErased):
        scene.sealed(PHONE)
    # A request that was on its way meanwhile: refused alone, by the table itself.
    late = initiate_payment(scene.creator, fan_id=scene.fan)
    late = replace(late, phone=sealed_before.entry_id, vault_entries=(sealed_before,))
    good = initiate_payment(scene.creator)
    outcomes = scene.ledger.execute([late, good])
    assert isinstance(outcomes[0].error, InvalidValue)
    assert outcomes[1].error is None
    assert _vault(scene, scene.fan) == []


def test_fingerprints_of_their_requests_are_like_no_request_afterwards(scene: Scene) -> None:
    key = replace(envelope(None)["key"], scope=f"fan:{scene.fan}", fingerprint=b"h" * 32)
    payment = initiate_payment(scene.creator, fan_id=scene.fan, key=key)
    scene.ledger.execute_one(payment)
    scene.ledger.execute_one(cancel_payment(payment.payment_id, scene.fan))
    by_admin = replace(key, scope=f"admin:{uuid4()}", key="registers")
    creator = uuid4()
    scene.ledger.execute_one(register_creator(creator, key=by_admin))
    scene.ledger.execute_one(close_creator(creator))
    scene.erase()
    scene.erase(creator)
    found = rows(
        scene.database,
        "SELECT fingerprint FROM idempotency_keys WHERE (scope, key) IN ((%s, %s), (%s, %s))",
        *(key.scope, key.key, by_admin.scope, by_admin.key),
    )
    assert len(found) == 2
    assert all(len(each) == 32 and each != b"h" * 32 for (each,) in found)
    assert scene.ledger.execute([payment])[0].error is not None, "and none is done again"


Refusing = tuple[str, "Callable[[Scene], object]"]


def _subscribes(scene: Scene) -> None:
    tier = uuid4()
    for command in (
        create_tier(scene.creator, tier),
        publish_price(scene.creator, tier, 50_000),
        publish_tier(scene.creator, tier),
        subscribe(scene.fan, scene.creator, tier, by_card(scene.entry.entry_id)),
    ):
        scene.ledger.execute_one(command)


OF_A_FAN: Final[tuple[Refusing, ...]] = (
    ("a payment", lambda scene: scene.initiates(scene.sealed(PHONE))),
    (
        "a refund",
        lambda scene: scene.ledger.execute_one(ask_for_refund(scene.payment, scene.fan)),
    ),
    ("a refund", lambda scene: scene.ledger.execute_one(request_refund(scene.payment))),
    (
        "a dispute",
        lambda scene: scene.ledger.execute_one(report_dispute(scene.payment, "opened", 1_000)),
    ),
    (
        "money in suspense",
        lambda scene: scene.ledger.execute_one(report_success(scene.payment, transaction="T-2")),
    ),
)


@pytest.mark.parametrize(("what", "happens"), OF_A_FAN)
def test_a_fan_with_something_open_is_not_erased_and_is_told_what(
    scene: Scene, what: str, happens: Callable[[Scene], object]
) -> None:
    happens(scene)
    with pytest.raises(ObligationsOpen) as refused:
        scene.erase()
    assert refused.value.parameters == {"what": what}
    assert len(_vault(scene, scene.fan)) >= 1
    assert not scene.path.exists()
    assert not scene.key_store.is_erased(scene.fan)


def test_a_subscriber_is_not_erased_and_neither_is_whom_they_subscribed_to(scene: Scene) -> None:
    _subscribes(scene)
    for person in (scene.fan, scene.creator):
        with pytest.raises(ObligationsOpen, match="a subscription"):
            scene.erase(person)


def test_a_creator_is_erased_once_they_are_closed_and_nothing_is_owed(scene: Scene) -> None:
    creator = uuid4()
    scene.ledger.execute_one(register_creator(creator))
    with pytest.raises(ObligationsOpen, match="a creator's account that is not closed"):
        scene.erase(creator)
    scene.ledger.execute_one(close_creator(creator))
    assert scene.erase(creator) is False
    scene.ledger.execute_one(close_creator(scene.creator))
    with pytest.raises(ObligationsOpen, match="money owed to them"):
        scene.erase(scene.creator)


def test_their_data_is_kept_as_long_as_it_has_to_be(scene: Scene) -> None:
    kept = Erasures(
        scene.ledger.book, scene.key_store, ErasureList(scene.path), retention=timedelta(days=1)
    )
    with pytest.raises(RetentionOpen):
        kept.erase(scene.fan, by="admin:one", reason=REASON)
    assert scene.erase() is False


def test_what_happens_while_it_is_looked_for_is_seen_before_anything_is_erased(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment that begins between the scan and the lock: scanned again, then refused."""
    look = Erasures._keys
    seen: list[object] = []

    def late(self: Erasures, *given: Any) -> set[UUID]:  # noqa: ANN401 - as it is called
        found = look(self, *given)
        if not seen:
            scene.initiates(scene.sealed(PHONE))
        seen.append(given)
        return found

    monkeypatch.setattr(Erasures, "_keys", late)
    with pytest.raises(ObligationsOpen, match="a payment"):
        scene.erase()
    assert len(seen) == 2
    assert not scene.path.exists()


def _killed(book: BookLocation, keys: Path, listed: Path, person: UUID, moment: str) -> None:
    """Erase, and be killed at a moment."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def then_die(do: Callable[..., object]) -> Callable[..., None]:
        def done(*given: object) -> None:
            do(*given)
            die()

        return done

    if moment == "in the line":
        whole = erasure_list._write_all
        erasure_list._write_all = then_die(lambda file, line: whole(file, line[:60]))
    elif moment == "after the line":
        ErasureList.append = then_die(ErasureList.append)  # type: ignore[method-assign]
    elif moment == "after the row":
        KeyStore.erase = die  # type: ignore[method-assign,assignment]
    else:
        KeyStore.erase = then_die(KeyStore.erase)  # type: ignore[method-assign]
    store = KeyStore(keys)
    Erasures(book, store, ErasureList(listed)).erase(person, by="admin:one", reason=REASON)


def _kill(scene: Scene, tmp_path: Path, moment: str) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_killed,
        args=(scene.ledger.book, tmp_path / "keys.sqlite3", scene.path, scene.fan, moment),
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["after the line", "after the row", "after the keys"])
@pytest.mark.parametrize("by", ["a start", "the same request"])
def test_whoever_is_killed_is_finished_and_it_ends_the_same(
    scene: Scene, tmp_path: Path, moment: str, by: str
) -> None:
    named, before = scene.body(), scene.everything()
    scene.parks(named)
    _kill(scene, tmp_path, moment)
    if by == "a start":
        scene.erasures.repeat()
    else:
        assert scene.erase() is True
    assert _vault(scene, scene.fan) == []
    assert not scene.is_open(scene.entry.key_id)
    assert not scene.is_open(named.key_id)
    assert scene.key_store.is_erased(scene.fan)
    [erasure] = ErasureList(scene.path).read()
    assert rows(scene.database, "SELECT erasure_id FROM erasures") == [(erasure.erasure_id,)]
    assert scene.everything() == before
    assert scene.erasures.repeat() == []


def test_who_is_killed_within_the_line_has_erased_nobody(scene: Scene, tmp_path: Path) -> None:
    _kill(scene, tmp_path, "in the line")
    assert scene.path.stat().st_size == 60
    assert scene.erasures.repeat() == []
    assert scene.is_open(scene.entry.key_id)
    assert scene.erase() is False
    assert len(ErasureList(scene.path).read()) == 1


def test_a_list_that_was_lost_is_written_again_from_the_database(scene: Scene) -> None:
    scene.erase()
    lost = scene.path.read_bytes()
    scene.path.unlink()
    scene.erasures.repeat()
    assert scene.path.read_bytes() == lost


def test_a_key_store_from_a_backup_forgets_them_again(scene: Scene, tmp_path: Path) -> None:
    backup = tmp_path / "restored" / "keys.sqlite3"
    backup.parent.mkdir()
    scene.key_store._connection.execute("VACUUM INTO ?", (str(backup),))
    scene.erase()
    restored = KeyStore(backup)
    assert restored.get(scene.entry.key_id), "the negative control: the backup has the key"
    erasures = Erasures(scene.ledger.book, restored, ErasureList(scene.path))
    assert [each.person_id for each in erasures.repeat()] == [scene.fan]
    with pytest.raises(KeyDestroyedError):
        restored.get(scene.entry.key_id)
    assert restored.is_erased(scene.fan)
    assert erasures.repeat() == []
    restored.close()


def test_the_apis_role_may_erase_and_not_delete(scene: Scene, database: DatabaseLocation) -> None:
    for role in ("hesabu_dispatcher", "hesabu_clock", "hesabu_projector", "hesabu_auditor"):
        for function in (
            "erase_person(uuid, uuid, timestamptz, text, text, uuid[])",
            "forget_fingerprints(uuid)",
        ):
            may = "SELECT has_function_privilege(%s, %s, 'EXECUTE')"
            assert value(database, may, role, function) is False
            assert value(database, may, "hesabu_app", function) is True
