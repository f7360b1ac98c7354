"""Where and when a creator is paid: verified by an admin, masked for everybody, theirs alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from ledger.creator import DESTINATIONS_MAX
from ledger.key_store import KeyStore
from tests.api.deployment import PHONE_PREFIX
from tests.api.leaks import PERSONAL
from tests.api.payout_steps import Payee, told
from tests.databases import rows, value

if TYPE_CHECKING:
    from tests.api.deployment import Deployment


def test_a_new_destination_is_masked_unverified_and_where_it_says(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    answer = payee.ask(payee.creator, "POST", "/destinations", {"phone": f"{PHONE_PREFIX}123"})
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert (data["phone"], data["provider"], data["verified"]) == ("•••123", "sandbox", False)
    listed = doors.api.client.get(answer.headers["location"], headers=payee.creator.headers)
    del data["position"]
    assert data in listed.json()["data"]["items"]
    events = doors.events(payee.creator.id)
    assert events[-1][0] == "creator.destination_added.v1"
    assert not PERSONAL.search(json.dumps(events))


def test_adding_again_is_the_same_destination(doors: Deployment) -> None:
    payee, key = Payee(doors, available=0), str(uuid4())
    body = {"phone": f"{PHONE_PREFIX}004"}
    first = payee.ask(payee.creator, "POST", "/destinations", body, key=key)
    before = doors.recorded()
    payee_again = [
        payee.ask(payee.creator, "POST", "/destinations", body, key=key, api=api)
        for api in doors.apis
    ]
    assert doors.recorded() == before
    payee.verify_destination(first.json()["data"]["id"])
    payee_again.append(payee.ask(payee.creator, "POST", "/destinations", body, key=key))
    for again in payee_again:
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
    other = {"phone": f"{PHONE_PREFIX}005"}
    refused = payee.ask(payee.creator, "POST", "/destinations", other, key=key)
    assert told(refused) == (422, "idempotency_key_reused")


def test_verifying_and_removing_can_be_repeated(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    path = f"/destinations/{payee.destination}"
    assert payee.done(doors.admin, "POST", f"{path}/verify")["verified"] is True
    key = str(uuid4())
    removed = payee.ask(payee.creator, "DELETE", path, key=key)
    assert (removed.status_code, removed.json()["data"]["items"]) == (200, [])
    again = payee.ask(payee.creator, "DELETE", path, key=key)
    assert (again.status_code, again.json()) == (200, removed.json())
    assert told(payee.ask(payee.creator, "DELETE", path)) == (404, "destination_not_found")
    assert told(payee.ask(doors.admin, "POST", f"{path}/verify")) == (404, "destination_not_found")


def test_anothers_destination_is_not_found(doors: Deployment) -> None:
    payee, other = Payee(doors, available=0), Payee(doors, available=0)
    path = f"{other.path}/destinations/{payee.destination}"
    assert told(payee.ask(other.creator, "DELETE", path)) == (404, "destination_not_found")
    assert told(payee.ask(doors.admin, "POST", f"{path}/verify")) == (404, "destination_not_found")
    schedule = {"interval": "weekly", "destination_id": payee.destination}
    answer = payee.ask(other.creator, "PUT", f"{other.path}/payout-schedule", schedule)
    assert told(answer) == (404, "destination_not_found")


def test_there_are_never_too_many_destinations(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    for number in range(1, DESTINATIONS_MAX):
        payee.add_destination(digits=f"{number:03}")
    answer = payee.ask(payee.creator, "POST", "/destinations", {"phone": f"{PHONE_PREFIX}099"})
    assert told(answer) == (409, "too_many_destinations")
    assert f"{DESTINATIONS_MAX} destinations. Remove one" in answer.json()["error"]["message"]
    listed = payee.done(payee.creator, "GET", "/destinations")
    assert len(listed["items"]) == DESTINATIONS_MAX
    payee.done(payee.creator, "DELETE", f"/destinations/{payee.destination}")
    payee.add_destination(digits="099")


def test_the_vault_has_one_entry_for_a_phone_that_is_added_again(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    counted = "SELECT count(*) FROM vault_entries WHERE person_id = %s"
    before = value(doors.database, counted, payee.creator.id)
    payee.add_destination(digits="000")
    payee.add_destination(digits="001")
    assert value(doors.database, counted, payee.creator.id) == before + 1


def test_a_schedule_is_set_changed_and_ended(doors: Deployment) -> None:
    payee = Payee(doors, available=0)
    assert payee.done(payee.creator, "GET", "/payout-schedule")["schedule"] is None
    for interval, day in (("weekly", 7), ("monthly", 28)):
        body = {
            "interval": interval,
            "day": day,
            "destination_id": payee.destination,
            "minimum": 5_000,
        }
        assert payee.done(payee.creator, "PUT", "/payout-schedule", body)["schedule"] == body
        assert payee.done(payee.creator, "GET", "/payout-schedule")["schedule"] == body
    ended = payee.done(doors.admin, "PUT", "/payout-schedule", {"interval": None})
    assert ended["schedule"] is None
    assert payee.done(payee.creator, "GET", "/payout-schedule")["schedule"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"interval": "weekly", "day": 8},
        {"interval": "monthly", "day": 29},
        {"interval": "monthly", "day": 0},
        {"interval": "daily"},
        {"interval": "weekly", "minimum": 0},
        {"interval": "weekly", "destination_id": None},
        {"interval": None},
        {},
    ],
)
def test_a_schedule_that_is_none_is_refused(doors: Deployment, body: dict[str, Any]) -> None:
    payee = Payee(doors, available=0)
    before = doors.recorded()
    answer = payee.ask(
        payee.creator, "PUT", "/payout-schedule", {"destination_id": payee.destination, **body}
    )
    assert told(answer) == (400, "validation_error")
    assert doors.recorded() == before


def test_the_phone_of_somebody_who_was_erased_is_not_shown_and_nothing_fails(
    doors: Deployment,
) -> None:
    payee = Payee(doors, available=0)
    keys = rows(
        doors.database,
        "SELECT key_id FROM vault_entries WHERE person_id = %s AND kind = 'phone'",
        payee.creator.id,
    )
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    store.destroy(*(key_id for (key_id,) in keys))
    store.close()
    for caller, path in ((payee.creator, "/destinations"), (doors.admin, f"/admin{payee.path}")):
        data = payee.done(caller, "GET", path)
        [destination] = data.get("items") or data["destinations"]
        assert (destination["id"], destination["phone"]) == (payee.destination, None)
