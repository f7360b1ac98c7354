"""What is kept of webhooks, for how long and for whom; and who falls behind loses nothing."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from api.book_metrics import OF_WEBHOOKS, BookCollector
from api.webhooks_out import routing
from api.webhooks_out.board import SendingBoard
from api.webhooks_out.guard import Guard
from api.webhooks_out.pacing import Pacing
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.key_store import KeyDestroyedError
from tests.api.processes import wait_until
from tests.api.test_metrics import samples
from tests.api.webhooks_out.owners import with_an_email
from tests.api.webhooks_out.receivers import Receiver, Reply, in_order
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.webhooks_out.scenes import Scene

ERASE = """
    INSERT INTO erasures (erasure_id, person_id, recorded_at, erased_by, reason, key_ids)
    VALUES (gen_random_uuid(), %s, now(), 'admin:1', 'as asked', '{}')
"""
OLDER = """
    UPDATE webhook_messages SET ended_at = ended_at - interval '31 days' WHERE position = %s
"""


@pytest.fixture
def board(scene: Scene) -> Iterator[SendingBoard]:
    opened = SendingBoard(
        BookLocation(scene.database, DatabaseRole.WEBHOOKS),
        scene.key_store,
        Pacing((timedelta(0),), timedelta(0), timedelta(days=5)),
        lease_seconds=5,
    )
    yield opened
    opened.close()


def test_a_name_that_means_a_private_address_is_not_called_and_the_attempt_says_so(
    scene: Scene,
) -> None:
    creator = scene.creator()
    with Receiver() as canary:
        for name, address in (
            ("inside.example.com", "127.0.0.1"),
            ("cloud.example.com", "169.254.169.254"),
        ):
            scene.names.say(name, [address])
        guard = Guard(ports=frozenset(range(65_536)), resolver=scene.names)
        endpoints = [
            scene.register(f"https://{name}:{canary.port}/hooks", types=["payment.succeeded"])
            for name in ("inside.example.com", "cloud.example.com", "nowhere.example.com")
        ]
        with scene.sending(guard=guard):
            scene.pay(creator)
            for endpoint in endpoints:
                wait_until(lambda endpoint=endpoint: len(scene.attempts(endpoint)) >= 2)  # type: ignore[misc]
        assert canary.connections == 0
    said = [{error for _, error in scene.attempts(endpoint)} for endpoint in endpoints]
    assert said == [{"address_not_allowed"}, {"address_not_allowed"}, {"unresolvable"}]


def test_whoever_has_too_much_waiting_falls_behind_and_comes_after(
    scene: Scene, board: SendingBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in (("WAITING_MAX", 6), ("ROOM", 4), ("LAST_PIECE", 3), ("BATCH", 5)):
        monkeypatch.setattr(routing, name, count)
    creator = scene.creator()
    before = scene.head
    with Receiver() as receiver:
        endpoint = scene.register(receiver.url, creator)
        scene.change(endpoint, enabled=False)
        # Once it goes along with the others, it is full at once.
        with superuser(scene.database) as connection:
            connection.execute("UPDATE webhook_endpoints SET state = 'enabled', cursor = NULL")
            connection.execute("UPDATE webhook_follower SET position = %s", (before,))
        scene.pay(creator, 5)
        while board.follow():
            pass
        assert len(scene.messages(endpoint)) == 10
        board.keep_house(30)
        [[cursor]] = rows(scene.database, "SELECT cursor FROM webhook_endpoints")
        assert cursor == scene.head
        scene.pay(creator, 10)
        while board.follow():
            pass
        assert len(scene.messages(endpoint)) == 10
        with scene.sending():
            scene.pay(creator, 3)
            scene.wait(endpoint)
    assert sorted(receiver.positions) == list(range(before + 1, scene.head + 1))
    assert in_order(receiver.taken)


def test_a_new_endpoint_gets_nothing_of_before_though_the_follower_is_behind(
    scene: Scene, board: SendingBoard
) -> None:
    creator = scene.creator()
    while board.follow():
        pass
    scene.pay(creator, 3)
    with Receiver() as receiver:
        endpoint = scene.register(receiver.url)
        before = scene.head
        # It joins the follower, which has not read what was before.
        [held] = board.claim(5)
        board.catch_up(held)
        board.give_back(held)
        assert rows(scene.database, "SELECT cursor FROM webhook_endpoints") == [(None,)]
        scene.pay(creator, 2)
        with scene.sending():
            scene.wait(endpoint)
    assert sorted(receiver.positions) == list(range(before + 1, scene.head + 1))


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(
    scene: Scene, board: SendingBoard
) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url)
        scene.pay(creator)
        scene.wait(endpoint)
    with superuser(scene.database) as connection:
        connection.execute(OLDER, (scene.head,))
    board.keep_house(30)
    assert [position for _, _, position in scene.messages(endpoint)] == [scene.head - 1]
    assert len(scene.attempts(endpoint)) == 1


def test_a_secret_that_signs_no_longer_is_destroyed_with_its_key(
    scene: Scene, board: SendingBoard
) -> None:
    endpoint = scene.register("http://127.0.0.1:1/")
    [(key_id,)] = rows(scene.database, "SELECT key_id FROM webhook_secrets")
    asked = scene.asked(None, endpoint.endpoint.id)
    scene.asking(lambda endpoints, _: endpoints.rotate(asked), webhooks_secret_overlap_seconds=0)
    assert scene.key_store.get(key_id)
    board.keep_house(30)
    with pytest.raises(KeyDestroyedError):
        scene.key_store.get(key_id)
    assert len(rows(scene.database, "SELECT 1 FROM webhook_secrets")) == 1


def test_an_erased_creator_gets_nothing_more(scene: Scene, board: SendingBoard) -> None:
    creator, another = scene.creator(), scene.creator()
    erased, kept = (scene.register("http://127.0.0.1:1/", each) for each in (creator, another))
    with superuser(scene.database) as connection:
        connection.execute(ERASE, (creator,))
    board.keep_house(30)
    assert scene.endpoint(erased) == ("disabled", "owner_erased")
    assert scene.endpoint(kept) == ("enabled", None)
    changes = scene.asking(lambda endpoints, _: endpoints.changes(before=2**62, limit=1))
    assert [(each.change, each.actor, each.reason) for each in changes] == [
        ("disabled", "webhooks", "owner_erased")
    ]


def test_a_defect_of_ours_holds_up_one_stream_and_is_no_fault_of_the_receiver(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    creator = scene.creator()
    made = SendingBoard.make
    broken: list[UUID] = []

    def make(self: SendingBoard, endpoint: object, waiting: object) -> object:
        broken.append(waiting.stream_id)  # type: ignore[attr-defined]
        if waiting.stream_id == broken[0]:  # type: ignore[attr-defined]
            message = "a defect"
            raise KeyError(message)
        return made(self, endpoint, waiting)  # type: ignore[arg-type]

    monkeypatch.setattr(SendingBoard, "make", make)
    with Receiver() as receiver, scene.sending(webhooks_retry_seconds=(0.05, 0.05)):
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 5)
        scene.wait(endpoint)
    assert len(receiver.taken) == 8
    assert scene.states(endpoint) == {"delivered", "dead"}
    assert scene.endpoint(endpoint) == ("enabled", None)


def test_prometheus_is_told(scene: Scene) -> None:
    creator = scene.creator()
    with (
        Receiver(lambda _, __: Reply(500)) as receiver,
        scene.sending(webhooks_retry_seconds=(3_600,)),
    ):
        endpoint = scene.register(receiver.url, types=["payment.succeeded"])
        scene.change(scene.register(receiver.url), enabled=False)
        scene.pay(creator)
        wait_until(lambda: len(scene.attempts(endpoint)) == 1)
        time.sleep(0.3)
    registry = CollectorRegistry()
    book = BookLocation(scene.database, DatabaseRole.WEBHOOKS)
    registry.register(BookCollector(book, OF_WEBHOOKS))
    told = samples(generate_latest(registry).decode())
    assert told["hesabu_book_up", frozenset()] == 1
    assert told["hesabu_webhook_messages", frozenset({("state", "waiting")})] == 1
    assert 0 < told["hesabu_webhook_oldest_waiting_seconds", frozenset()] < 60
    disabled = frozenset({("state", "disabled"), ("reason", "by_owner")})
    assert told["hesabu_webhook_endpoints", disabled] == 1
    attempts = samples(generate_latest(scene.metrics.registry).decode())
    failed = frozenset({("outcome", "failed")})
    assert attempts["hesabu_webhook_attempts_total", failed] == 1


def test_the_sender_sees_nobodys_data_but_addresses_of_owners(scene: Scene) -> None:
    owner = with_an_email(scene, scene.creator())
    with_an_email(scene, scene.creator())
    scene.register("http://127.0.0.1:1/", owner)
    with BookLocation(scene.database, DatabaseRole.WEBHOOKS).connect_reader() as connection:
        found = connection.execute("SELECT person_id, kind FROM webhook_owner_addresses").fetchall()
        assert found == [(owner, "email")]
        for statement in (
            "SELECT 1 FROM vault_entries",
            "SELECT 1 FROM inbox",
            "SELECT 1 FROM balances",
            "SELECT 1 FROM idempotency_keys",
            "INSERT INTO webhook_endpoints DEFAULT VALUES",
            "INSERT INTO webhook_secrets DEFAULT VALUES",
            "UPDATE webhook_secrets SET key_id = key_id",
            "UPDATE ledger_tracking SET notification_id = 0",
            f"SELECT erase_person('{uuid4()}', '{owner}', now(), 'x', 'y', '{{}}')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
