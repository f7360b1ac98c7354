"""What accountants read is made from the code, and leaves no event and no rule out."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from api import credit_posting_examples, posting_examples
from api.cli import app
from api.posting_examples import GROUPS
from api.posting_rules import posting_rules
from ledger import postings
from ledger.events import EVENT_CLASSES, Event

EXAMPLES: Final = [example for examples in GROUPS.values() for example in examples]
WITH_MONEY: Final = [cls for cls in EVENT_CLASSES if "entry" in cls.model_fields]


@pytest.mark.parametrize("event", WITH_MONEY)
def test_every_event_that_moves_money_is_in_it(event: type[Event]) -> None:
    assert f"| `{event.__name__}` |" in posting_rules()


def test_only_events_that_move_money_are_in_it_each_with_debits_and_credits() -> None:
    assert {example.event for example in EXAMPLES} == set(WITH_MONEY)
    assert all(example.entry is not None for example in EXAMPLES)


def test_an_event_that_stands_twice_in_a_group_says_in_which_case() -> None:
    for examples in GROUPS.values():
        said = [(example.event, example.case) for example in examples]
        assert len(set(said)) == len(said)


def test_every_posting_rule_has_an_example() -> None:
    source = "".join(map(inspect.getsource, (posting_examples, credit_posting_examples)))
    rules = {
        name
        for name, rule in inspect.getmembers(postings, inspect.isfunction)
        if str(inspect.signature(rule).return_annotation).startswith("JournalEntry")
        and rule.__module__ == postings.__name__
        and not name.startswith("_")
    }
    assert {name for name in rules if f"by.{name}(" not in source} == set()


@pytest.mark.parametrize(
    "line",
    [
        (
            "| The gross amount arrived. | `PaymentSucceeded`"
            " | `provider:{name}:collection` 1,000.00"
            " | `creator:{id}:pending` 884.00<br>`platform:fees` 100.00<br>`tax:vat` 16.00 |"
        ),
        (
            "| A hold ended, by a person or by its expiry. | `HoldReleased`"
            " | `creator:{id}:reserved` 200.00 | `creator:{id}:available` 200.00 |"
        ),
        (
            "| Money for an invoice that is closed: it is the fan's credit, and can be refunded."
            " | `PaymentReceivedAsCredit`"
            " | `provider:{name}:collection` 1,000.00 | `fan:{id}:credit` 1,000.00 |"
        ),
        "| `fan:{id}:credit_reserved` | liability |",
        "| `suspense:{name}` | liability |",
    ],
)
def test_a_line_says_what_happened_and_who_is_debited_and_credited(line: str) -> None:
    assert line in posting_rules().splitlines()


def test_make_docs_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HESABU_DATA_DIRECTORY", str(tmp_path))
    result = CliRunner().invoke(app, ["docs", "--directory", str(tmp_path / "docs")])
    assert result.exit_code == 0, result.output
    written = (tmp_path / "docs" / "posting-rules.md").read_text(encoding="utf-8")
    assert written == posting_rules()
    assert (tmp_path / "docs" / "openapi.json").exists()
