"""Whatever is changed below a checkpoint is found, and the first broken event is named.

The attacker recomputes all that can be recomputed (leaves, roots, balances, numbers), and puts the
checkpoints that were signed before beside it. Where the changed history is sound in itself, only
the roots tell: then the event is one of those since the last checkpoint that is right.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import pytest

from ledger.checkpoints import sign_checkpoint
from tests.verify.conftest import SEALED_EVERY
from tests.verify.exports import LOG, STRANGER, Export, ExportedEvent, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.verify.conftest import Verify

SEEDS: Final = range(3)
"""A hundred of each are done to a real database: test_stolen_database.py."""


class Named(NamedTuple):
    """Where the first difference to what was signed is, and whether it can be seen by itself."""

    position: int
    exactly: bool


Tamper = Callable[[Export, Random], Named]


def somewhere(export: Export, random: Random) -> ExportedEvent:
    return random.choice(export.events)


def with_entry(export: Export, random: Random) -> ExportedEvent:
    return random.choice([event for event in export.events if event.entry])


def replaced(event: ExportedEvent, change: Callable[[list[dict[str, Any]]], None]) -> None:
    event.rewrite(lambda state: change(state["entry"]["postings"]))


# Sound in itself: only what was signed tells.


def more_money_moves(export: Export, random: Random) -> Named:
    event = with_entry(export, random)
    replaced(event, lambda postings: postings.extend(balanced(postings)))
    export.recompute()
    return Named(event.position, exactly=False)


def balanced(postings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two more postings: one unit from the first account to the second."""
    return [{**postings[0], "amount": 1}, {**postings[1], "amount": -1}]


def the_money_goes_elsewhere(export: Export, random: Random) -> Named:
    event = with_entry(export, random)
    account = f"creator:{UUID(int=random.getrandbits(128))}:available"
    replaced(event, lambda postings: postings[-1].update(account=account))
    export.recompute()
    return Named(event.position, exactly=False)


def a_word_is_another(export: Export, random: Random) -> Named:
    event = somewhere(export, random)
    event.rewrite(lambda state: state.update(actor="admin:nobody"))
    export.recompute()
    return Named(event.position, exactly=False)


def a_byte_that_means_nothing_is_added(export: Export, random: Random) -> Named:
    event = somewhere(export, random)
    event.state += " "
    export.recompute()
    return Named(event.position, exactly=False)


def an_event_is_put_in(export: Export, random: Random) -> Named:
    index = random.randrange(export.size)
    stream = str(UUID(int=random.getrandbits(128)))
    put_in = ExportedEvent(0, stream, 1, "creator.suspended.v1", export.events[index].state)
    put_in.rewrite(lambda state: state.pop("entry", None))
    export.events.insert(index, put_in)
    export.recompute()
    return Named(index + 1, exactly=False)


def an_event_is_taken_out(export: Export, random: Random) -> Named:
    index = random.randrange(export.size)
    del export.events[index]
    export.recompute()
    return Named(index + 1, exactly=False)


def two_events_change_places(export: Export, random: Random) -> Named:
    index = random.randrange(export.size - 1)
    events = export.events
    events[index], events[index + 1] = events[index + 1], events[index]
    export.recompute()
    return Named(index + 1, exactly=False)


def an_event_moves_to_another_stream(export: Export, random: Random) -> Named:
    event = somewhere(export, random)
    event.stream = str(UUID(int=random.getrandbits(128)))
    export.recompute()
    return Named(event.position, exactly=False)


def the_topic_is_an_older_one(export: Export, random: Random) -> Named:
    event = random.choice([each for each in export.events if each.topic == "payment.succeeded.v2"])
    event.topic = "payment.succeeded.v1"
    export.recompute()
    return Named(event.position, exactly=False)


def the_end_is_cut_off(export: Export, random: Random) -> Named:
    size = random.randrange(export.size)
    del export.events[size:]
    export.recompute()
    return Named(size + 1, exactly=True)


# Broken by itself.


def an_entry_does_not_balance(export: Export, random: Random) -> Named:
    event = with_entry(export, random)
    replaced(event, lambda postings: postings[0].update(amount=postings[0]["amount"] * 2 + 1))
    export.recompute()
    return Named(event.position, exactly=True)


def an_entry_is_taken_out(export: Export, random: Random) -> Named:
    event = with_entry(export, random)
    event.rewrite(lambda state: state.pop("entry"))
    export.recompute()
    return Named(event.position, exactly=True)


def a_version_is_another(export: Export, random: Random) -> Named:
    event = somewhere(export, random)
    event.version += random.choice((1, 2, 100))
    export.recompute_sums()
    return Named(event.position, exactly=True)


def the_row_alone_is_changed(export: Export, random: Random) -> Named:
    event = somewhere(export, random)
    event.rewrite(lambda state: state.update(actor="admin:nobody"))
    return Named(event.position, exactly=True)


def the_row_alone_is_deleted(export: Export, random: Random) -> Named:
    index = random.randrange(export.size - 1)
    del export.events[index], export.sealed[index]
    return Named(export.events[index].position, exactly=True)


def a_position_is_there_twice(export: Export, random: Random) -> Named:
    index = random.randrange(export.size)
    export.events.insert(index, export.events[index])
    export.sealed.insert(index, export.sealed[index])
    return Named(export.events[index].position, exactly=True)


TAMPERS: Final[tuple[Tamper, ...]] = (
    more_money_moves,
    the_money_goes_elsewhere,
    a_word_is_another,
    a_byte_that_means_nothing_is_added,
    an_event_is_put_in,
    an_event_is_taken_out,
    two_events_change_places,
    an_event_moves_to_another_stream,
    the_topic_is_an_older_one,
    the_end_is_cut_off,
    an_entry_does_not_balance,
    an_entry_is_taken_out,
    a_version_is_another,
    the_row_alone_is_changed,
    the_row_alone_is_deleted,
    a_position_is_there_twice,
)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
def test_it_is_found_and_the_first_broken_event_is_named(
    tamper: Tamper, seed: int, export: Export, verify: Verify
) -> None:
    assert verify(export)[0] == 0, "untouched, it is good"
    named = tamper(export, Random(f"{tamper.__name__} {seed}"))
    status, report = verify(export)
    first = report["findings"][0]
    assert (status, report["verdict"]) == (1, "broken")
    if named.exactly:
        assert first["position"] == named.position
    else:
        between = range(first["position"], first["position"] + SEALED_EVERY)
        assert named.position in between
        assert first["position"] % SEALED_EVERY == 1, "the first event after a checkpoint"
    there = [event for event in export.events if event.position == first["position"]]
    if there:
        assert (first["stream"], first["topic"]) == (there[0].stream, there[0].topic)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tamper", TAMPERS, ids=lambda tamper: tamper.__name__)
def test_one_checkpoint_that_the_auditor_kept_is_enough(
    tamper: Tamper, seed: int, export: Export, verify: Verify, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(export.note(), encoding="utf-8")
    export.checkpoints.clear()
    option = f"--checkpoint={kept}"
    assert verify(export, option)[0] == 0, "untouched, it is good"
    tamper(export, Random(f"{tamper.__name__} {seed}"))
    export.sealed.clear()
    status, report = verify(export, option)
    assert (status, report["covered"]) == (1, None)


@pytest.mark.parametrize("tamper", TAMPERS[:9], ids=lambda tamper: tamper.__name__)
def test_a_platform_that_signs_another_history_is_found_by_what_was_kept(
    tamper: Tamper, export: Export, verify: Verify, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(export.note(), encoding="utf-8")
    tamper(export, Random(1))
    export.seal(SEALED_EVERY)
    assert verify(export)[0] == 0, "nobody who kept nothing can know"
    assert verify(export, f"--checkpoint={kept}")[0] == 1


def test_balances_that_are_not_the_sum_of_postings_are_named(
    export: Export, verify: Verify
) -> None:
    for line in export.balances:
        line["balance"] += 1
        status, report = verify(export)
        [finding] = report["findings"]
        assert (status, finding["position"]) == (1, export.size)
        assert (
            f"{line['account']} {line['currency']} is shown as {line['balance']},"
            in finding["what"]
        )
        line["balance"] -= 1


def test_a_balance_that_is_left_out_is_named(export: Export, verify: Verify) -> None:
    left_out = next(line for line in export.balances if line["balance"])
    export.balances.remove(left_out)
    status, report = verify(export)
    assert status == 1
    assert f"{left_out['account']} KES is shown as 0," in report["findings"][0]["what"]


def test_a_balance_of_an_account_that_nobody_posted_to_is_named(
    export: Export, verify: Verify
) -> None:
    export.balances.append({"account": "bank:settlement", "currency": "EUR", "balance": 5})
    status, report = verify(export)
    assert status == 1
    assert "bank:settlement EUR is shown as 5, but" in report["findings"][0]["what"]


def test_a_strangers_signature_is_no_checkpoint(export: Export, verify: Verify) -> None:
    export.checkpoints[SEALED_EVERY] = export.note(SEALED_EVERY, STRANGER)
    status, report = verify(export)
    assert status == 1
    assert report["findings"][0]["position"] == SEALED_EVERY + 1


def test_a_checkpoint_cannot_be_given_another_size(export: Export, verify: Verify) -> None:
    note = export.note(SEALED_EVERY).replace(f"\n{SEALED_EVERY}\n", f"\n{SEALED_EVERY + 1}\n")
    export.checkpoints[SEALED_EVERY] = note
    status, report = verify(export)
    assert status == 1
    assert "forged" in report["findings"][0]["what"]


def test_a_checkpoint_that_stands_too_late_is_not_passed_over(
    export: Export, verify: Verify, tmp_path: Path
) -> None:
    other = sign_checkpoint(export.checkpoint(3), LOG)
    path = tmp_path / "export.ndjson"
    *lines, end = export.records()
    path.write_text(text_of([*lines, {"checkpoint": str(other)}, end]), encoding="utf-8")
    status, report = verify(path)
    assert status == 1
    assert "too late, its size is 3" in report["findings"][0]["what"]


def test_all_findings_are_counted_and_the_first_are_listed(export: Export, verify: Verify) -> None:
    for event in export.events:
        event.version += 1_000
    status, report = verify(export)
    assert status == 1
    assert len(report["findings"]) == 20 < export.size <= report["findings_count"]
