"""A line of a statement is recorded once, and what is owed is held against what there is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.api.operator_callbacks import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.api.deployment import Deployment


@pytest.fixture(scope="module")
def books(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A book of its own, so that its coverage can be told to the last unit."""
    with deploy().add_apis(1) as running:
        yield running


def kes(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "KES"}


def posted(answer: httpx.Response) -> dict[tuple[str, str], int]:
    """Who was debited and credited, by account and currency."""
    entry = answer.json()["data"]["entry"]
    return {(each["account"], each["currency"]): each["amount"] for each in entry["postings"]}


def reference() -> str:
    return f"FT{uuid4().hex[:10]}"


FACTS: dict[str, tuple[dict[str, Any], str, dict[tuple[str, str], int]]] = {
    "settlements": (
        {"provider": "sandbox", "settled": kes(10_000), "fees": 150},
        "settlement",
        {
            ("bank:settlement", "KES"): 9_850,
            ("expense:provider_fees", "KES"): 150,
            ("provider:sandbox:collection", "KES"): -10_000,
        },
    ),
    "wallet-fundings": (
        {"provider": "sandbox", "funded_from": "bank", "money": kes(5_000)},
        "wallet_funding",
        {("provider:sandbox:disbursement", "KES"): 5_000, ("bank:settlement", "KES"): -5_000},
    ),
    "bank-charges": (
        {"money": kes(30)},
        "bank_charge",
        {("expense:bank_charges", "KES"): 30, ("bank:settlement", "KES"): -30},
    ),
    "tax-remittances": (
        {"tax": "vat", "money": kes(2_000)},
        "tax_remittance",
        {("tax:vat", "KES"): 2_000, ("bank:settlement", "KES"): -2_000},
    ),
    "withdrawals": (
        {"money": kes(700)},
        "withdrawal",
        {("equity:capital", "KES"): 700, ("bank:settlement", "KES"): -700},
    ),
    "capital": (
        {"money": kes(90_000)},
        "capital",
        {("bank:settlement", "KES"): 90_000, ("equity:capital", "KES"): -90_000},
    ),
    "exchanges": (
        {
            "paid_from": "bank:settlement",
            "paid": kes(13_000),
            "received_in": "bank:settlement",
            "received": {"amount": 100, "currency": "USD"},
            "rate_numerator": 1,
            "rate_denominator": 130,
        },
        "exchange",
        {
            ("fx:trading", "KES"): 13_000,
            ("bank:settlement", "KES"): -13_000,
            ("bank:settlement", "USD"): 100,
            ("fx:trading", "USD"): -100,
        },
    ),
}

every_fact = pytest.mark.parametrize("path", FACTS)


def record(
    books: Deployment, path: str, body: dict[str, Any], *, key: str | None = None
) -> httpx.Response:
    sent = {"reference": reference(), **body}
    key = key or str(uuid4())
    return books.api.send(books.admin, "POST", f"/admin/books/{path}", key=key, json=sent)


def coverage(books: Deployment, position: int | None = None) -> dict[str, Any]:
    params = {} if position is None else {"as_of_position": position}
    answer = books.api.send(books.admin, "GET", "/admin/coverage", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


def code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


@every_fact
def test_what_a_statement_says_is_recorded_with_its_entry(books: Deployment, path: str) -> None:
    body, kind, entry = FACTS[path]
    happened = "2026-11-05T09:00:00+03:00"
    answer = record(books, path, {**body, "reference": "FT 1/A:9", "occurred_at": happened})
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert (data["kind"], data["reference"]) == (kind, "FT 1/A:9")
    assert posted(answer) == entry
    assert datetime.fromisoformat(data["occurred_at"]) == datetime(2026, 11, 5, 6, tzinfo=UTC)
    assert len(books.topics(data["id"])) == 1
    stream = books.api.client.get(answer.headers["location"], headers=books.admin.headers)
    assert [each["position"] for each in stream.json()["data"]["items"]] == [data["position"]]


@every_fact
def test_a_line_that_is_stated_again_is_refused(books: Deployment, path: str) -> None:
    body, *_ = FACTS[path]
    line = {**body, "reference": reference()}
    key = str(uuid4())
    first = record(books, path, line, key=key)
    again = record(books, path, line, key=key)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert code(record(books, path, line), 409) == "already_exists"
    changed = {**line, "occurred_at": "2026-11-05T09:00:00Z"}
    assert code(record(books, path, changed), 409) == "already_exists"
    assert code(record(books, path, changed, key=key), 422) == "idempotency_key_reused"


def test_a_line_that_many_state_at_once_is_recorded_once(doors: Deployment) -> None:
    line = {"reference": reference(), "money": kes(777)}

    def state(number: int) -> int:
        api = doors.apis[number % len(doors.apis)]
        path, key = "/admin/books/capital", str(uuid4())
        return api.send(doors.admin, "POST", path, key=key, json=line).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(state, range(16))) == [201, *[409] * 15]


def test_one_reference_may_stand_for_a_charge_and_a_withdrawal(books: Deployment) -> None:
    shared = {"reference": reference(), "money": kes(10)}
    for path in ("bank-charges", "withdrawals", "capital"):
        assert record(books, path, shared).status_code == 201


def test_a_settlement_that_the_provider_reported_is_not_recorded_again(books: Deployment) -> None:
    now = datetime.now(UTC).isoformat()
    told = {
        "settlement": "ST-77",
        "amount": "100.00",
        "fees": "1.50",
        "currency": "KES",
        "occurred_at": now,
    }
    body = json.dumps({"type": "settlement.paid", "timestamp": now, "data": told})
    answer = books.api.deliver(sign(books.webhook_secret, body))
    assert answer.json()["data"]["verdict"] == "applied"
    line = {**FACTS["settlements"][0], "reference": "ST-77"}
    assert code(record(books, "settlements", line), 409) == "already_exists"


@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        ("capital", {"money": kes(0)}, "money.amount"),
        ("capital", {"reference": ""}, "reference"),
        ("capital", {"reference": " FT1"}, "reference"),
        ("capital", {"reference": "fan@example.org"}, "reference"),
        ("capital", {"reference": "FT\u00e9"}, "reference"),
        ("capital", {"reference": "F" * 129}, "reference"),
        ("capital", {"occurred_at": 5}, "occurred_at"),
        ("capital", {"occurred_at": "5"}, "occurred_at"),
        ("capital", {"occurred_at": "2026-11-05"}, "occurred_at"),
        ("capital", {"occurred_at": "2026-11-05T09:00:00"}, "occurred_at"),
        ("capital", {"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ("capital", {"zqzq": 1}, "zqzq"),
        ("settlements", {"provider": "elsewhere"}, "provider"),
        ("settlements", {"fees": -1}, "fees"),
        ("settlements", {"fees": True}, "fees"),
        ("wallet-fundings", {"provider": "elsewhere"}, "provider"),
        ("wallet-fundings", {"funded_from": "pocket"}, "funded_from"),
        ("tax-remittances", {"tax": "income"}, "tax"),
        ("exchanges", {"paid_from": "bank:elsewhere"}, "paid_from"),
        ("exchanges", {"received_in": "provider:elsewhere:collection"}, "received_in"),
        ("exchanges", {"rate_denominator": 0}, "rate_denominator"),
    ],
)
def test_a_wrong_value_is_named(
    books: Deployment, path: str, change: dict[str, Any], field: str
) -> None:
    before = books.recorded()
    answer = record(books, path, {**FACTS[path][0], **change})
    assert code(answer, 400) == "validation_error"
    assert field in [each["field"] for each in answer.json()["error"]["details"]]
    assert books.recorded() == before


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("settlements", {"fees": 10_001}, "amount_out_of_bounds"),
        ("exchanges", {"received": kes(100)}, "currency_differs"),
        ("exchanges", {"received": {"amount": 102, "currency": "USD"}}, "rate_differs"),
        ("exchanges", {"paid_from": "platform:fees"}, "account_not_adjustable"),
        ("exchanges", {"received_in": "provider:sandbox:disputed"}, "account_not_adjustable"),
    ],
)
def test_what_cannot_be_is_refused(
    books: Deployment, path: str, change: dict[str, Any], expected: str
) -> None:
    assert code(record(books, path, {**FACTS[path][0], **change}), 400) == expected


def test_a_time_in_the_future_takes_effect_when_it_is_recorded(books: Deployment) -> None:
    answer = record(books, "capital", {"money": kes(5), "occurred_at": "2999-01-01T00:00:00Z"})
    path = "/audit/accounts/equity:capital/entries?currency=KES&newest_first=true&limit=1"
    [line] = books.api.send(books.auditor, "GET", path).json()["data"]["items"]
    assert line["position"] == answer.json()["data"]["position"]
    assert line["effective_at"] == line["recorded_at"]


def test_what_creators_are_owed_is_covered_until_somebody_takes_it(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy().add_apis(1) as doors:
        assert coverage(doors) == {"covered": True, "currencies": [], "position": 0}
        creator = doors.creator()
        for amount in ("1250.00", "1500.00"):
            doors.api.deliver(doors.callback(doors.pay(doors.fan(), creator), amount=amount))
        [found] = coverage(doors)["currencies"]
        assert found == {
            "currency": "KES",
            "assets": {
                "collection": 275_000,
                "disbursement": 0,
                "disputed": 0,
                "bank": 0,
                "total": 275_000,
            },
            "owed": {
                "creators": 221_000,
                "fans": 0,
                "refunds_in_transit": 0,
                "suspense": 25_000,
                "taxes": 4_000,
                "total": 250_000,
            },
            "creator_debts": 0,
            "difference": 25_000,
            "covered": True,
            "payout_float": {"disbursement": 0, "in_transit": 0, "missing": 0},
        }
        settled = {"provider": "sandbox", "settled": kes(275_000)}
        record(doors, "settlements", settled)
        just = record(doors, "withdrawals", {"money": kes(25_000)}).json()["data"]["position"]
        assert coverage(doors)["currencies"][0]["difference"] == 0
        record(doors, "bank-charges", {"money": kes(1)})
        late = coverage(doors)
        assert (late["covered"], late["currencies"][0]["difference"]) == (False, -1)
        then = coverage(doors, just)
        assert (then["covered"], then["position"]) == (True, just)
        beyond = {"as_of_position": late["position"] + 1}
        answer = doors.api.send(doors.admin, "GET", "/admin/coverage", params=beyond)
        assert code(answer, 409) == "position_not_reached"
