"""No question reads the whole journal or the whole log, whatever the planner knows beforehand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.database.connections import READER_SETTINGS
from ledger.events import CreatorRegistered, PaymentSucceeded
from projections.account_entries import (
    READ_EFFECTIVE_ENTRIES,
    READ_EFFECTIVE_ENTRIES_NEWEST_FIRST,
    READ_ENTRIES,
    READ_ENTRIES_NEWEST_FIRST,
)
from projections.aggregates import READ_NEWER
from projections.balances import READ_BALANCES, READ_BALANCES_AS_OF, READ_EFFECTIVE_BALANCES
from projections.effective_balances import READ_EFFECTIVE
from projections.entitlements import READ_MOMENT, READ_UP_TO
from projections.event_log import READ_LOG, READ_STREAM
from projections.following import READ_CHANGES, READ_MISSED
from projections.payments import READ_PAYMENTS
from projections.payouts import READ_PAYOUTS
from projections.reader import LOOK_UP_SETTINGS, POSITION_MAX, READ_HEAD, READ_POSITION_AT
from projections.statements import READ_LINES, READ_SINCE, READ_TOTALS
from projections.streams import READ_EVENTS
from projections.subscribers import READ_STARTED
from projections.transactions import READ_TRANSACTIONS
from projections.trial_balance import (
    READ_ACCOUNTS,
    READ_EFFECTIVE_ACCOUNTS,
    READ_EFFECTIVE_TRIAL_BALANCE,
    READ_TRIAL_BALANCE,
)
from tests.projections.long_book import CREATORS, HEAD, LINES, creator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation

MOMENT = HEAD // 2
ACCOUNT = {"account": "provider:sandbox:collection", "currency": "KES"}
CREATOR = {"creator_id": creator(1), "topic": CreatorRegistered.TOPIC}
OF_CREATOR = {"creator_id": creator(1)}
PAGE = {"position": MOMENT, "line": 0, "end": MOMENT, "limit": 201}
RANGE = {"first": MOMENT, "last": POSITION_MAX, "topic": None, "limit": 201}

EFFECTIVE = {"effective": "2026-03-01 12:00:00+00", "position": MOMENT}

Parameters = Mapping[Any, object] | Sequence[object]

QUESTIONS: dict[str, tuple[str, Parameters]] = {
    "balances": (
        READ_BALANCES,
        {"creator_ids": [creator(n) for n in range(1, 65)], "topic": CreatorRegistered.TOPIC},
    ),
    "balances as of": (READ_BALANCES_AS_OF, {**CREATOR, "position": MOMENT}),
    "transactions": (READ_TRANSACTIONS, {**CREATOR, **PAGE}),
    # The lines of its first creator's pending account stand for those of payouts.
    "payouts": (
        READ_PAYOUTS,
        {
            "creator_id": creator(1),
            "registered": CreatorRegistered.TOPIC,
            "requested": PaymentSucceeded.TOPIC,
            "account": f"creator:{creator(1)}:pending",
            "before": MOMENT,
            "limit": 201,
        },
    ),
    "events": (READ_EVENTS, (creator(5), POSITION_MAX)),
    "payments": (READ_PAYMENTS, ([creator(n) for n in range(2_000, 2_064)], [POSITION_MAX] * 64)),
    "newer": (READ_NEWER, ([creator(n) for n in range(2_000, 2_064)], [0] * 64)),
    "moment": (READ_MOMENT, ["2026-03-01 12:00:00+00"]),
    "up to": (READ_UP_TO, ([creator(n) for n in range(2_000, 2_064)], MOMENT)),
    "subscribers": (
        READ_STARTED,
        {
            "creator_id": creator(1),
            "registered": CreatorRegistered.TOPIC,
            "before": MOMENT,
            "limit": 201,
        },
    ),
    "log": (READ_LOG, RANGE),
    "stream": (READ_STREAM, {**RANGE, "stream_id": creator(5)}),
    "accounts": (READ_ACCOUNTS, {**PAGE, "prefix": "creator:", "account": "", "currency": ""}),
    "trial balance": (READ_TRIAL_BALANCE, {"position": MOMENT}),
    "entries": (READ_ENTRIES, {**PAGE, **ACCOUNT, "after": 0}),
    "entries backwards": (READ_ENTRIES_NEWEST_FIRST, {**PAGE, **ACCOUNT, "after": MOMENT}),
    "effective": (
        READ_EFFECTIVE,
        {**ACCOUNT, "effective": "2026-03-01 12:00:00+00", "position": MOMENT},
    ),
    "effective balances": (
        READ_EFFECTIVE_BALANCES,
        {**EFFECTIVE, **CREATOR},
    ),
    "effective accounts": (
        READ_EFFECTIVE_ACCOUNTS,
        {**EFFECTIVE, "prefix": "creator:", "account": "", "currency": "", "limit": 201},
    ),
    "effective trial balance": (READ_EFFECTIVE_TRIAL_BALANCE, EFFECTIVE),
    "effective entries": (
        READ_EFFECTIVE_ENTRIES,
        {**EFFECTIVE, **ACCOUNT, "after": 0, "line": 0, "limit": 201},
    ),
    "effective entries backwards": (
        READ_EFFECTIVE_ENTRIES_NEWEST_FIRST,
        {**EFFECTIVE, **ACCOUNT, "after": POSITION_MAX, "line": 0, "limit": 201},
    ),
    "changes": (READ_CHANGES, {"after": MOMENT, "batch": 100}),
    "changes at the head": (READ_CHANGES, {"after": HEAD, "batch": 100}),
    "missed": (
        READ_MISSED,
        {"creator_id": creator(1), "after": MOMENT, "until": HEAD, "limit": 201},
    ),
    "statement": (READ_TOTALS, {**OF_CREATOR, "after": MOMENT, "up_to": MOMENT + 500}),
    "statement's lines": (
        READ_LINES,
        {**OF_CREATOR, "position": MOMENT, "line": 0, "up_to": HEAD, "limit": 201},
    ),
    "months": (READ_SINCE, CREATOR),
    "head": (READ_HEAD, ()),
    "position at": (READ_POSITION_AT, ["2026-03-01 12:00:00+00"]),
}

SCANNED = {
    # It is about every account, and reads the table of accounts once.
    "trial balance": {"balances"},
    "effective trial balance": {"balances"},
    # A row for each follower of the log.
    "balances": {"ledger_tracking"},
    "changes": {"ledger_tracking"},
    "changes at the head": {"ledger_tracking"},
}
"""Tables that a question may read whole."""

SETTINGS = {
    "as the reader connects": LOOK_UP_SETTINGS,
    "with PostgreSQL's own choice": READER_SETTINGS,
}

PLAN_MODES = ("force_generic_plan", "force_custom_plan")


@pytest.fixture(params=SETTINGS)
def connection(
    long_book: BookLocation, request: pytest.FixtureRequest
) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the long book, with each of the settings."""
    conninfo = long_book.conninfo(SETTINGS[request.param])
    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield connection


def explained(
    connection: psycopg.Connection[Any], mode: str, query: str, parameters: Parameters
) -> list[dict[str, Any]]:
    """Every node of the plan with which a prepared statement runs."""
    statement, values = prepared(query, parameters)
    connection.execute(f"SET plan_cache_mode = {mode}".encode())
    connection.execute(f"PREPARE question AS {statement}".encode())
    arguments = ", ".join(["%s"] * len(values))
    execute = f"EXECUTE question ({arguments})" if values else "EXECUTE question"
    client_side = psycopg.ClientCursor(connection)
    client_side.execute(
        f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, FORMAT JSON) {execute}".encode(), values
    )
    row = client_side.fetchone()
    assert row is not None
    return list(nodes(row[0][0]["Plan"]))


def prepared(query: str, parameters: Parameters) -> tuple[str, list[Any]]:
    """The query with numbered parameters, and their values in that order."""
    values: list[Any] = []
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1] or str(len(values))
        if name not in numbers:
            values.append(
                parameters[name] if isinstance(parameters, Mapping) else parameters[int(name)]
            )
            numbers[name] = len(values)
        return f"${numbers[name]}"

    return re.sub(r"%(?:\((\w+)\))?b", number, query), values


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, outermost first."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def relation(node: dict[str, Any]) -> str | None:
    """What a node reads, whichever side of the journal it is; None: no table that grows."""
    name = node.get("Relation Name")
    if name is None or name == "read_models":
        return None
    return str(name).removesuffix("_odd").removesuffix("_even")


def read_whole(plan: list[dict[str, Any]]) -> set[str | None]:
    """The tables that a plan reads from end to end, or might."""
    return {relation(node) for node in plan if node["Node Type"] == "Seq Scan"} - {None}


def rows_read(plan: list[dict[str, Any]]) -> int:
    """How many rows a plan has looked at."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if relation(node) is not None
    )


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_goes_by_index(
    connection: psycopg.Connection[Any], name: str, mode: str
) -> None:
    query, parameters = QUESTIONS[name]
    plan = explained(connection, mode, query, parameters)
    assert read_whole(plan) <= SCANNED.get(name, set())


@pytest.mark.parametrize("mode", PLAN_MODES)
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_reads_no_more_than_it_answers(
    connection: psycopg.Connection[Any], name: str, mode: str
) -> None:
    query, parameters = QUESTIONS[name]
    plan = explained(connection, mode, query, parameters)
    if name.endswith("trial balance"):
        assert rows_read(plan) <= (2 if name == "trial balance" else 4) * (CREATORS + 1)
    else:
        assert rows_read(plan) <= 5 * 201
    assert LINES == 100_000
