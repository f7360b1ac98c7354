"""Callbacks that wait for a person: seen, read again, ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx

from ledger.key_store import KeyStore
from tests.api.inbox_requests import REASON, parked_id, waiting
from tests.api.operator_callbacks import sign
from tests.api.refund_requests import dispute_callback
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from tests.api.deployment import Deployment


def decide(doors: Deployment, inbox_id: str, what: str, **options: object) -> httpx.Response:
    return doors.api.send(
        doors.admin,
        "POST",
        f"/admin/inbox/{inbox_id}/{what}",
        key=str(uuid4()),
        json={"reason": REASON, **options},
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_dispute_that_came_before_the_money_waits_and_is_applied_when_it_is_read_again(
    doors: Deployment,
) -> None:
    payment_id = doors.pay(doors.fan(), doors.creator())
    inbox_id = parked_id(doors, payment_id)
    [shown] = [each for each in waiting(doors) if each["id"] == inbox_id]
    assert (shown["verdict"], shown["reason"]) == ("parked", "report_disagrees")
    # Too early still.
    assert decide(doors, inbox_id, "reprocess").json()["data"]["verdict"] == "parked"
    doors.api.deliver(doors.callback(payment_id))
    answer = decide(doors, inbox_id, "reprocess")
    assert answer.json()["data"]["verdict"] == "applied"
    [(topic, opened)] = doors.events(payment_id)[-1:]
    assert topic == "dispute.opened.v1"
    assert opened["actor"] == f"admin:{doors.admin.id}"
    assert opened["causation_id"] == f"reprocess:{inbox_id}"
    hashes = rows(doors.database, "SELECT body_hash FROM inbox WHERE inbox_id = %s", UUID(inbox_id))
    assert hashes == [(opened["evidence"],)]
    assert inbox_id not in {each["id"] for each in waiting(doors)}


def test_what_was_applied_is_not_applied_again(doors: Deployment) -> None:
    payment_id = doors.pay(doors.fan(), doors.creator())
    inbox_id = parked_id(doors, payment_id)
    doors.api.deliver(doors.callback(payment_id))
    for _ in range(3):
        assert decide(doors, inbox_id, "reprocess").json()["data"]["verdict"] == "applied"
    assert decide(doors, inbox_id, "ignore").json()["data"]["verdict"] == "applied"
    assert doors.topics(payment_id).count("dispute.opened.v1") == 1
    assert_book_is_sound(doors.database)


def test_what_is_ignored_stays_ignored_whatever_comes_again(doors: Deployment) -> None:
    payment_id = doors.pay(doors.fan(), doors.creator())
    callback = dispute_callback(doors, payment_id)
    assert doors.api.deliver(callback).json()["data"]["verdict"] == "parked"
    inbox_id = waiting(doors)[-1]["id"]
    answer = decide(doors, inbox_id, "ignore")
    assert answer.json()["data"]["verdict"] == "ignored"
    assert answer.json()["data"]["reason"] == REASON
    doors.api.deliver(doors.callback(payment_id))
    assert doors.api.deliver(callback).json()["data"]["verdict"] == "ignored"
    assert decide(doors, inbox_id, "reprocess").json()["data"]["verdict"] == "ignored"
    assert "dispute.opened.v1" not in doors.topics(payment_id)


def test_what_nobody_can_read_stays_parked(doors: Deployment) -> None:
    callback = sign(doors.webhook_secret, '{"type": "weather.changed", "data": {}}')
    assert doors.api.deliver(callback).json()["data"]["verdict"] == "parked"
    found = waiting(doors)[-1]
    assert found["reason"] == "unknown_type"
    answer = decide(doors, found["id"], "reprocess")
    assert (answer.json()["data"]["verdict"], answer.json()["data"]["reason"]) == (
        "parked",
        "unknown_type",
    )


def test_a_body_that_was_forgotten_can_only_be_ignored(doors: Deployment) -> None:
    inbox_id = parked_id(doors, str(uuid4()))
    key_id = value(doors.database, "SELECT key_id FROM inbox WHERE inbox_id = %s", UUID(inbox_id))
    assert isinstance(key_id, UUID)
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    store.destroy(key_id)
    store.close()
    assert code(decide(doors, inbox_id, "reprocess")) == (409, "body_forgotten")
    assert decide(doors, inbox_id, "ignore").json()["data"]["verdict"] == "ignored"


def test_the_longest_waiting_come_first_and_pages_lead_through_all_once(
    doors: Deployment,
) -> None:
    payment_id = doors.pay(doors.fan(), doors.creator())
    made = [parked_id(doors, payment_id) for _ in range(4)]
    whole = [each["id"] for each in waiting(doors)]
    assert whole[-4:] == made
    paged: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = doors.api.send(
            doors.admin, "GET", "/admin/inbox", params={"limit": 3, **cursor}
        ).json()["data"]
        paged += [each["id"] for each in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert paged == whole


def test_a_callback_that_does_not_exist_is_not_found(doors: Deployment) -> None:
    for what in ("reprocess", "ignore"):
        assert code(decide(doors, str(uuid4()), what)) == (404, "not_found")
