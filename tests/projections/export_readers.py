"""Exports as their own programs read them, and their accounts by the names that we gave them."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet  # type: ignore[import-untyped]
from beancount import loader
from beancount.core.realization import iter_children, realize
from beancount.ops.validation import HARDCORE_VALIDATIONS
from cloudevents.core.formats.json import JSONFormat

from ledger.money import exponents

if TYPE_CHECKING:
    from pathlib import Path

    from cloudevents.core.base import BaseCloudEvent

    from tests.invariants import Balances
    from tests.projections.hledger_program import Hledger

STREAMS = ("creator", "fan")


class Judgement(NamedTuple):
    """What a program says is wrong, nothing if it accepts the book; and what it adds up."""

    complaints: list[str]
    balances: Balances


def by_hledger(hledger: Hledger, journal: Path, *, time_zone: str = "UTC") -> Judgement:
    """Strict, and days never go back."""
    told = hledger.run("-f", str(journal), "check", "-s", "ordereddates", time_zone=time_zone)
    if told.returncode:
        return Judgement([told.stderr], {})
    options = ["balance", "--flat", "--no-total", "-E", "--layout=bare", "-O", "csv"]
    table = hledger.run("-f", str(journal), *options, time_zone=time_zone)
    return Judgement([], _summed(csv.DictReader(io.StringIO(table.stdout))))


def _summed(rows: csv.DictReader[str]) -> Balances:
    return {
        (named_in_hledger(row["account"]), row["commodity"]): amount
        for row in rows
        if (amount := minor_units(Decimal(row["balance"]), row["commodity"] or "KES"))
    }


def by_beancount(file: Path) -> Judgement:
    """As bean-check does, with every check that it has."""
    entries, errors, _ = loader.load_file(str(file), extra_validations=HARDCORE_VALIDATIONS)
    balances: Balances = {}
    for account in iter_children(realize(entries)):  # type: ignore[no-untyped-call]
        for position in account.balance:
            currency = position.units.currency
            key = (named_in_beancount(account.account), currency)
            balances[key] = minor_units(position.units.number, currency)
    return Judgement([str(error.message) for error in errors], balances)


def minor_units(amount: Decimal, currency: str) -> int:
    """Exactly, or not at all."""
    units = amount.scaleb(exponents()[currency])
    assert units == units.to_integral_value()
    return int(units)


def named_in_hledger(name: str) -> str:
    """Our name of an account of hledger: without the root."""
    return name.partition(":")[2]


def named_in_beancount(name: str) -> str:
    """Our name of an account of beancount."""
    _, *parts = name.split(":")
    lowered = [
        part.removeprefix("XX") if part.startswith("XX") else part[:1].lower() + part[1:]
        for part in parts
    ]
    return ":".join(
        part if number == 1 and lowered[0] in STREAMS else part.replace("-", "_")
        for number, part in enumerate(lowered)
    )


def read_cloud_events(lines: bytes) -> list[BaseCloudEvent]:
    """Each is validated as it is read."""
    return [JSONFormat().read(None, line) for line in lines.splitlines()]


def added_up(states: list[dict[str, Any]]) -> Balances:
    """The entries in the states of events, as balances; accounts at zero are left out."""
    balances: Balances = {}
    for state in states:
        for posting in (state.get("entry") or {"postings": []})["postings"]:
            key = (posting["account"], posting["currency"])
            balances[key] = balances.get(key, 0) + posting["amount"]
    return {key: amount for key, amount in balances.items() if amount}


def read_parquet(file: bytes) -> list[dict[str, Any]]:
    """All rows."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(file)).to_pylist()
    return rows


def states_in(bundle: bytes) -> list[dict[str, Any]]:
    """The states of all events in the verifier's bundle."""
    records = [json.loads(line) for line in bundle.splitlines()]
    return [json.loads(record["state"]) for record in records if "state" in record]
