"""What admins note and decide about creators, and what follows from it for payments and payouts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest

from ledger.key_store import KeyStore
from ledger.vault import READ_ENTRY, unseal, vault_entry
from tests.api.payout_steps import AVAILABLE, REASON, Payee, kes, told, tomorrow
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from tests.api.deployment import Deployment

WHY: Final = {"reason": REASON}


def test_everything_about_a_creator_is_told_at_one_position(doors: Deployment) -> None:
    payee = Payee(doors)
    admin = doors.admin
    schedule = {
        "interval": "weekly",
        "day": 5,
        "destination_id": payee.destination,
        "minimum": 100,
    }
    payee.done(payee.creator, "PUT", "/payout-schedule", schedule)
    tax = {"country": "KE", "withholding_basis_points": 500}
    payee.done(admin, "PUT", f"/admin{payee.path}/tax-profile", tax)
    hold = {"money": kes(10_000), "reason": REASON, "expires_at": tomorrow()}
    held = payee.done(admin, "POST", f"/admin{payee.path}/holds", hold)
    found = payee.done(admin, "GET", f"/admin{payee.path}")
    assert found["standing"] == "active"
    assert found["verification"] == "verified"
    assert found["settlement_currency"] == "KES"
    assert found["plan"] == {
        "fee_basis_points": 1_000,
        "vat_basis_points": 1_600,
        "keep_fee": False,
    }
    assert found["tax"] == {**tax, "has_tax_number": False}
    assert found["schedule"] == schedule
    [destination] = found["destinations"]
    assert (destination["id"], destination["phone"]) == (payee.destination, "•••000")
    assert found["position"] >= held.pop("position")
    assert found["holds"] == [held]


def test_a_creator_is_suspended_and_reinstated(doors: Deployment) -> None:
    payee = Payee(doors)
    path = f"/admin{payee.path}"
    payout = payee.payout(1_000)
    assert payee.done(doors.admin, "POST", f"{path}/suspend", WHY)["standing"] == "suspended"
    again = payee.ask(doors.admin, "POST", f"{path}/suspend", WHY)
    assert told(again) == (409, "creator_standing_unchanged")
    assert again.json()["error"]["message"] == "The creator is suspended already."
    assert told(payee.request(1_000)) == (409, "creator_suspended")
    # What was asked for before can still be taken back; fans can still pay.
    payee.done(payee.creator, "POST", f"/payouts/{payout}/cancel")
    assert doors.initiate(doors.fan(), payee.creator).status_code == 202
    assert payee.done(doors.admin, "POST", f"{path}/reinstate", WHY)["standing"] == "active"
    assert payee.request(1_000).status_code == 202
    assert told(payee.ask(doors.admin, "POST", f"{path}/reinstate", WHY)) == (
        409,
        "creator_standing_unchanged",
    )


def test_a_closed_creator_takes_no_payments_and_is_still_paid_out(doors: Deployment) -> None:
    payee = Payee(doors)
    path = f"/admin{payee.path}"
    assert payee.done(doors.admin, "POST", f"{path}/close", WHY)["standing"] == "closed"
    assert told(doors.initiate(doors.fan(), payee.creator)) == (409, "creator_closed")
    for action in ("close", "suspend"):
        answer = payee.ask(doors.admin, "POST", f"{path}/{action}", WHY)
        assert told(answer) == (409, "creator_closed")
    assert payee.request().status_code == 202


def test_a_change_that_is_repeated_is_answered_as_it_was(doors: Deployment) -> None:
    payee, key = Payee(doors, available=0), str(uuid4())
    path = f"/admin{payee.path}/suspend"
    first = payee.ask(doors.admin, "POST", path, WHY, key=key)
    payee.done(doors.admin, "POST", f"/admin{payee.path}/reinstate", WHY)
    before = doors.recorded()
    for api in doors.apis:
        again = payee.ask(doors.admin, "POST", path, WHY, key=key, api=api)
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["idempotency-replayed"] == "true"
    assert doors.recorded() == before


@pytest.mark.parametrize("verification", ["unverified", "submitted", "rejected"])
def test_only_the_verified_are_paid(doors: Deployment, verification: str) -> None:
    payee = Payee(doors)
    body = {"verification": verification, "reason": REASON}
    path = f"/admin{payee.path}/verification"
    assert payee.done(doors.admin, "PUT", path, body)["verification"] == verification
    assert told(payee.request(1_000)) == (409, "verification_missing")
    payee.verify()
    assert payee.request(1_000).status_code == 202


def test_a_tax_number_lies_in_the_vault_and_nowhere_else(doors: Deployment) -> None:
    payee = Payee(doors)
    number = "A00ZQ709481X"
    body = {"country": "KE", "withholding_basis_points": 500, "tax_number": number}
    answer = payee.ask(doors.admin, "PUT", f"/admin{payee.path}/tax-profile", body)
    assert answer.json()["data"]["tax"] == {
        "country": "KE",
        "withholding_basis_points": 500,
        "has_tax_number": True,
    }
    topic, event = doors.events(payee.creator.id)[-1]
    assert topic == "creator.tax_profile_set.v1"
    for text in (answer.text, json.dumps(event), doors.api.log_text()):
        assert number not in text
    store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
    with superuser(doors.database) as connection:
        row = connection.execute(READ_ENTRY, (event["tax_number"],)).fetchone()
    assert row is not None
    entry = vault_entry(row)
    assert (entry.person_id, entry.kind) == (payee.creator.id, "tax_number")
    assert unseal(store, entry) == number
    store.close()


def test_withholding_is_taken_of_payouts_from_then_on(doors: Deployment) -> None:
    payee = Payee(doors)
    body = {"country": "KE", "withholding_basis_points": 500}
    payee.done(doors.admin, "PUT", f"/admin{payee.path}/tax-profile", body)
    legs = payee.request(60_000).json()["data"]["legs"]
    assert legs == {"net": 57_000, "fee": 0, "vat": 0, "withholding": 3_000}


def test_held_money_is_not_paid_out_until_it_is_released(doors: Deployment) -> None:
    payee, key = Payee(doors), str(uuid4())
    path = f"/admin{payee.path}/holds"
    body = {"money": kes(80_000), "reason": REASON, "expires_at": tomorrow()}
    first = payee.ask(doors.admin, "POST", path, body, key=key)
    assert first.status_code == 201
    assert first.headers["location"] == f"/api/v1/admin{payee.path}"
    again = payee.ask(doors.admin, "POST", path, body, key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    funds = payee.funds()
    assert (funds["available"], funds["reserved"]) == (AVAILABLE - 80_000, 80_000)
    assert told(payee.request(60_000)) == (409, "insufficient_funds")
    hold = first.json()["data"]["id"]
    assert payee.done(doors.admin, "POST", f"{path}/{hold}/release")["holds"] == []
    assert payee.funds()["available"] == AVAILABLE
    released = payee.ask(doors.admin, "POST", f"{path}/{hold}/release")
    assert told(released) == (404, "hold_not_found")
    again = payee.ask(doors.admin, "POST", path, body, key=key)
    assert (again.status_code, again.json()) == (201, first.json())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"money": kes(AVAILABLE + 1)}, (409, "insufficient_funds")),
        ({"money": {"amount": 1, "currency": "UGX"}}, (400, "currency_differs")),
        ({"expires_at": "2020-01-01T00:00:00Z"}, (400, "expiry_passed")),
        ({"expires_at": "2126-01-01T00:00:00"}, (400, "validation_error")),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, (400, "validation_error")),
        ({"expires_at": None}, (400, "validation_error")),
        ({"reason": "no"}, (400, "validation_error")),
        ({"money": kes(0)}, (400, "validation_error")),
    ],
)
def test_a_hold_that_cannot_be_is_refused(
    doors: Deployment, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    payee = Payee(doors)
    body = {"money": kes(1), "reason": REASON, "expires_at": tomorrow(), **change}
    events = doors.recorded()["ledger_events"]
    assert told(payee.ask(doors.admin, "POST", f"/admin{payee.path}/holds", body)) == expected
    assert doors.recorded()["ledger_events"] == events


def test_nobody_who_is_no_creator_has_a_standing(doors: Deployment) -> None:
    path = f"/admin/creators/{uuid4()}"
    hold = {"money": kes(1), "reason": REASON, "expires_at": tomorrow()}
    tax = {"country": "KE", "withholding_basis_points": 0, "tax_number": "A00X"}
    before = rows(doors.database, "SELECT count(*) FROM vault_entries")
    for method, below, body in (
        ("GET", "", None),
        ("PUT", "/verification", {"verification": "verified"}),
        ("POST", "/suspend", WHY),
        ("POST", "/reinstate", WHY),
        ("POST", "/close", WHY),
        ("PUT", "/tax-profile", tax),
        ("POST", "/holds", hold),
        ("POST", f"/holds/{uuid4()}/release", None),
    ):
        key = None if method == "GET" else str(uuid4())
        answer = doors.api.send(doors.admin, method, f"{path}{below}", key=key, json=body)
        assert told(answer) == (404, "creator_not_found"), below
    assert rows(doors.database, "SELECT count(*) FROM vault_entries") == before
