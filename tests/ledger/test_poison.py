"""One poisonous command in a full batch: only it fails, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import pytest

from ledger import creator as creators
from ledger.application import Ledger
from ledger.commands import AssignFeePlan, IdempotencyKey, RecordReport
from ledger.creator import Creator
from ledger.database.location import DatabaseLocation
from ledger.decisions import LedgerCommand
from ledger.errors import DecisionFailed, InvalidValue
from ledger.events import CreatorEvent, FeePlanAssigned, Occasion
from ledger.money import Money
from ledger.vault import PersonalData, VaultEntry
from tests.builders import (
    TERMS,
    assign_fee_plan,
    caller_key,
    expire_payment,
    initiate_payment,
    natural_key,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import superuser, value
from tests.invariants import assert_book_is_sound

BATCH: Final = 256
POISONED: Final = 77

POISONED_CREATOR: Final = UUID(int=666)
VAULT_ENTRY: Final = VaultEntry(
    entry_id=UUID(int=1),
    person_id=UUID(int=2),
    kind=PersonalData.PHONE,
    key_id=UUID(int=3),
    ciphertext=b"sealed",
)
ZERO: Final = "\0"
LONE_SURROGATE: Final = "\ud800"


def money(amount: int) -> Money:
    """An amount that no door would let through."""
    return Money.model_construct(amount=amount, currency="KES")


def report_of(received: Money, transaction: str | None = None) -> RecordReport:
    """A success with values that the builders, as the doors, cannot make."""
    command = report_success(None)
    report = replace(
        command.report,
        received=received,
        provider_transaction=transaction or command.report.provider_transaction,
    )
    return replace(command, report=report)


def mistyped(command: LedgerCommand, **fields: object) -> LedgerCommand:
    return replace(command, **fields)  # type: ignore[arg-type]


INVALID: Final[dict[str, LedgerCommand]] = {
    "zero byte in a key": register_creator(key=caller_key(f"a{ZERO}b")),
    "zero byte in a scope": register_creator(key=IdempotencyKey(ZERO, "K", b"")),
    "zero byte in a provider's transaction": report_success(None, transaction=f"T{ZERO}"),
    "lone surrogate in a key": register_creator(key=caller_key(LONE_SURROGATE)),
    "lone surrogate in a provider's transaction": report_of(
        money(1), transaction=f"T{LONE_SURROGATE}"
    ),
    "an amount out of the journal's range": report_of(money(2**63)),
    "an amount out of any range": report_of(money(10**200)),
    "a parameter of a refusal that cannot be stored": initiate_payment(
        POISONED_CREATOR, terms=replace(TERMS, provider=ZERO, step=7)
    ),
    "an id that is no id": mistyped(register_creator(), creator_id="not-a-uuid"),
    "a vault entry whose id is taken": replace(register_creator(), vault_entries=(VAULT_ENTRY,)),
}

FAILING: Final[dict[str, LedgerCommand]] = {
    "a zero amount": report_of(money(0)),
    "a currency of no country": report_of(Money.model_construct(amount=1, currency="lira")),
    "no money in a success": mistyped(report_of(money(1)), receipt_id=None),
    "a time beyond the calendar": initiate_payment(
        POISONED_CREATOR, terms=replace(TERMS, expires_after_seconds=10**15)
    ),
    "no key": mistyped(register_creator(), key=None),
    "a lone surrogate in the actor": mistyped(register_creator(), actor=LONE_SURROGATE),
    "an actor that is too long": mistyped(register_creator(), actor="a" * 256),
}


def full_batch(ledger: Ledger) -> list[LedgerCommand]:
    """256 commands of several kinds that are all accepted, each about something of its own."""
    creator, payments = uuid4(), [uuid4() for _ in range(40)]
    ledger.execute([register_creator(creator), register_creator(POISONED_CREATOR)])
    ledger.execute([initiate_payment(creator, payment_id=payment) for payment in payments])
    batch: list[LedgerCommand] = [start_submission(payment) for payment in payments[:20]]
    batch += [report_success(payment) for payment in payments[20:]]
    batch += [register_creator() for _ in range(20)]
    batch += [initiate_payment(creator) for _ in range(BATCH - len(batch))]
    return batch


def execute_with(ledger: Ledger, poison: LedgerCommand) -> list[type | None]:
    """Execute a full batch with one poisonous command; the kinds of error, None where accepted."""
    batch = full_batch(ledger)
    batch[POISONED] = poison
    outcomes = ledger.execute(batch)
    return [None if outcome.error is None else type(outcome.error) for outcome in outcomes]


def assert_only_the_poisoned_failed(found: list[type | None], error: type) -> None:
    assert {at: kind for at, kind in enumerate(found) if kind is not None} == {POISONED: error}


@pytest.mark.parametrize("poison", INVALID.values(), ids=INVALID.keys())
def test_a_value_that_cannot_be_stored_fails_alone(
    ledger: Ledger, database: DatabaseLocation, poison: LedgerCommand
) -> None:
    ledger.execute_one(replace(register_creator(), vault_entries=(VAULT_ENTRY,)))
    assert_only_the_poisoned_failed(execute_with(ledger, poison), InvalidValue)
    assert_book_is_sound(database)


@pytest.mark.parametrize("poison", FAILING.values(), ids=FAILING.keys())
def test_a_command_that_cannot_be_decided_fails_alone(
    ledger: Ledger, database: DatabaseLocation, poison: LedgerCommand
) -> None:
    assert_only_the_poisoned_failed(execute_with(ledger, poison), DecisionFailed)
    assert_book_is_sound(database)


Decide = Callable[[Creator | None, AssignFeePlan, Occasion], list[CreatorEvent]]


def with_version(version: int) -> Decide:
    """A decision with a defect: its event has this version."""

    def decide(_: Creator | None, command: AssignFeePlan, at: Occasion) -> list[CreatorEvent]:
        event = FeePlanAssigned(
            originator_id=command.creator_id,
            originator_version=version,
            plan=command.plan,
            **at.stamp(),
        )
        return [event]

    return decide


def raising(error: type[BaseException]) -> Decide:
    def decide(*_: object) -> list[CreatorEvent]:
        raise error

    return decide


@pytest.mark.parametrize(
    ("decide", "error"),
    [
        (raising(ZeroDivisionError), DecisionFailed),
        (raising(RecursionError), DecisionFailed),
        (raising(MemoryError), DecisionFailed),
        (raising(KeyError), DecisionFailed),
        (lambda *_: None, DecisionFailed),
        (with_version(1), InvalidValue),
        (with_version(2**63), InvalidValue),
        (with_version(0), DecisionFailed),
    ],
    ids=[
        "division by zero",
        "recursion",
        "memory",
        "key",
        "no list",
        "a version that is taken",
        "a version out of range",
        "a version that is none",
    ],
)
def test_a_decision_with_a_defect_fails_its_command_alone(
    ledger: Ledger,
    database: DatabaseLocation,
    monkeypatch: pytest.MonkeyPatch,
    decide: Decide,
    error: type,
) -> None:
    monkeypatch.setattr(creators, "assign_fee_plan", decide)
    poison = assign_fee_plan(POISONED_CREATOR)
    assert_only_the_poisoned_failed(execute_with(ledger, poison), error)
    assert_book_is_sound(database)


def test_a_half_made_decision_leaves_nothing_behind(
    ledger: Ledger, database: DatabaseLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first event was applied before its second one proved to be impossible."""
    fine, broken = with_version(3), with_version(2**70)

    def decide(*arguments: object) -> list[CreatorEvent]:
        return [*fine(*arguments), object()]  # type: ignore[arg-type, list-item]

    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    with monkeypatch.context() as patch:
        patch.setattr(creators, "assign_fee_plan", decide)
        outcomes = ledger.execute([assign_fee_plan(creator), initiate_payment(creator)])
        assert isinstance(outcomes[0].error, DecisionFailed)
        assert outcomes[1].error is None
        patch.setattr(creators, "assign_fee_plan", broken)
        assert isinstance(ledger.execute([assign_fee_plan(creator)])[0].error, InvalidValue)
    outcome = ledger.execute_one(assign_fee_plan(creator))
    assert outcome.version == 3
    assert len(outcome.events) == 1
    assert_book_is_sound(database)


def tamper(database: DatabaseLocation, statement: str, *parameters: object) -> None:
    """Change a table as a superuser can who turns the triggers off."""
    with superuser(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement.encode(), parameters or None)


@pytest.mark.parametrize(
    ("column", "stored"),
    [("state", b"{"), ("state", b"{}"), ("state", b""), ("topic", "creator.vanished.v1")],
)
def test_a_stored_stream_that_cannot_be_read_fails_its_commands_alone(
    ledger: Ledger, database: DatabaseLocation, column: str, stored: object
) -> None:
    batch = full_batch(ledger)
    tamper(
        database,
        f"UPDATE ledger_events SET {column} = %s WHERE originator_id = %s",
        stored,
        POISONED_CREATOR,
    )
    batch[POISONED] = initiate_payment(POISONED_CREATOR)
    fresh = Ledger(ledger.book)
    errors = [outcome.error for outcome in fresh.execute(batch)]
    fresh.close()
    assert_only_the_poisoned_failed(
        [None if error is None else type(error) for error in errors], DecisionFailed
    )
    assert value(database, "SELECT count(*) FROM ledger_events") == 4 + 40 + BATCH - 1 + 20


@pytest.mark.parametrize(
    "change", ["refusal = 'forgotten_code'", "refusal = NULL, verdict = 'undecided'"]
)
def test_a_stored_outcome_that_cannot_be_read_fails_its_repeat_alone(
    ledger: Ledger, database: DatabaseLocation, change: str
) -> None:
    refused = initiate_payment(uuid4())
    assert ledger.execute([refused])[0].error is not None
    tamper(database, f"UPDATE idempotency_keys SET {change}")
    assert_only_the_poisoned_failed(execute_with(ledger, refused), DecisionFailed)
    assert_book_is_sound(database)


def test_several_poisonous_commands_fail_and_all_others_go_on(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    batch = full_batch(ledger)
    poisons: dict[int, LedgerCommand] = {
        0: register_creator(key=caller_key(ZERO)),
        100: report_of(money(2**63)),
        101: report_of(money(1), transaction=LONE_SURROGATE),
        255: mistyped(register_creator(), key=None),
    }
    for at, poison in poisons.items():
        batch[at] = poison
    outcomes = ledger.execute(batch)
    assert {at for at, outcome in enumerate(outcomes) if outcome.error} == set(poisons)
    assert_book_is_sound(database)


def test_a_batch_of_nothing_but_poison_leaves_the_book_as_it_was(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    batch = [register_creator(key=caller_key(f"{ZERO}{number}")) for number in range(32)]
    outcomes = ledger.execute(batch)
    assert all(isinstance(outcome.error, InvalidValue) for outcome in outcomes)
    assert value(database, "SELECT count(*) FROM ledger_events") == 0
    assert ledger.execute_one(register_creator()).position == 2


def test_what_could_not_be_stored_may_be_corrected_under_the_same_key(ledger: Ledger) -> None:
    key = natural_key("callback")
    bad = report_success(None, transaction=f"T{ZERO}", key=key)
    assert isinstance(ledger.execute([bad])[0].error, InvalidValue)
    outcome = ledger.execute_one(report_success(None, transaction="T", key=key))
    assert not outcome.replayed
    assert outcome.position == 1


def test_the_log_names_the_command_and_not_its_values(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.execute([register_creator(key=caller_key(f"+254700000000{ZERO}"))])
    ledger.execute([expire_payment(uuid4()), report_of(money(2**63))])
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("command_not_storable") == 2
    assert "+254700000000" not in caplog.text
    assert str(2**63) not in caplog.text
