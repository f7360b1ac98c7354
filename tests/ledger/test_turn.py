"""The turn on a real database: many commands, one transaction, dense positions, one clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger, WriteOutsideTurnError
from ledger.creator import Creator
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.decisions import LedgerCommand
from ledger.errors import (
    CreatorAlreadyRegistered,
    CreatorNotFound,
    InvalidValue,
    PaymentNotFound,
    SubmissionAlreadyStarted,
)
from ledger.events import PaymentExpired
from ledger.payment import Payment, PaymentState
from tests.builders import (
    GROSS,
    NOON,
    assign_fee_plan,
    caller_key,
    cancel_payment,
    expire_payment,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import rows, superuser, value
from tests.invariants import assert_book_is_sound, balances


def positions(database: DatabaseLocation) -> list[int]:
    found = rows(database, "SELECT notification_id FROM ledger_events ORDER BY 1")
    return [position for (position,) in found]


def test_a_fan_pays_a_creator(ledger: Ledger, database: DatabaseLocation) -> None:
    creator, payment = uuid4(), uuid4()
    for command in (
        register_creator(creator),
        initiate_payment(creator, payment_id=payment),
        start_submission(payment),
        record_submitted(payment),
        report_success(payment),
    ):
        ledger.execute_one(command)
    assert balances(database) == {
        ("provider:sandbox:collection", "KES"): GROSS,
        (f"creator:{creator}:pending", "KES"): -88_400,
        ("platform:fees", "KES"): -10_000,
        ("tax:vat", "KES"): -1_600,
    }
    assert_book_is_sound(database)


def test_a_command_sees_the_effects_of_those_before_it_in_the_same_turn(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator, payment = uuid4(), uuid4()
    outcomes = ledger.execute(
        [
            initiate_payment(creator),
            register_creator(creator),
            register_creator(creator),
            initiate_payment(creator, payment_id=payment),
            start_submission(payment),
            start_submission(payment),
            report_success(payment),
        ]
    )
    assert [type(outcome.error) for outcome in outcomes] == [
        CreatorNotFound,
        type(None),
        CreatorAlreadyRegistered,
        type(None),
        type(None),
        SubmissionAlreadyStarted,
        type(None),
    ]
    assert [outcome.position for outcome in outcomes] == [0, 2, 2, 3, 4, 4, 5]
    assert value(database, "SELECT count(*) FROM turns") == 2
    assert_book_is_sound(database)


def test_an_outcome_names_the_stream_as_it_was_right_after_the_command(ledger: Ledger) -> None:
    creator = uuid4()
    outcomes = ledger.execute(
        [register_creator(creator), assign_fee_plan(creator, 1), assign_fee_plan(creator, 2)]
    )
    assert [(o.stream, o.version, o.position) for o in outcomes] == [
        (creator, 2, 2),
        (creator, 3, 3),
        (creator, 4, 4),
    ]
    assert [len(outcome.events) for outcome in outcomes] == [2, 1, 1]


def test_positions_are_dense_after_refusals_failures_and_bisections(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    for _ in range(3):
        ledger.execute([cancel_payment(uuid4(), uuid4()), register_creator(creator)])
        unstorable = assign_fee_plan(creator, key=caller_key("\0"))
        outcomes = ledger.execute(
            [initiate_payment(creator), unstorable, initiate_payment(creator)]
        )
        assert [type(outcome.error) for outcome in outcomes] == [
            type(None),
            InvalidValue,
            type(None),
        ]
    assert positions(database) == list(range(1, 9))
    assert_book_is_sound(database)


def test_nothing_is_written_for_commands_that_leave_nothing_behind(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    outcome = ledger.execute([expire_payment(uuid4())])[0]
    assert isinstance(outcome.error, PaymentNotFound)
    assert value(database, "SELECT count(*) FROM turns") == 1
    assert value(database, "SELECT count(*) FROM idempotency_keys") == 0


def test_no_commands_are_no_turn(ledger: Ledger) -> None:
    assert ledger.execute([]) == []
    assert ledger.execute_one(register_creator()).position == 2


def test_execute_one_raises_what_was_refused(ledger: Ledger) -> None:
    with pytest.raises(CreatorNotFound):
        ledger.execute_one(initiate_payment(uuid4()))


def test_a_large_request_is_answered_in_its_order(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    commands = [initiate_payment(creator, 1_000 + number) for number in range(2_500)]
    outcomes = ledger.execute(commands)
    assert [outcome.stream for outcome in outcomes] == [c.payment_id for c in commands]
    assert [outcome.position for outcome in outcomes] == list(range(3, 2_503))
    assert_book_is_sound(database)


def test_running_balances_are_those_of_a_recomputation(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creators = {currency: uuid4() for currency in ("KES", "UGX", "KWD")}
    ledger.execute([register_creator(c, currency=currency) for currency, c in creators.items()])
    commands: list[LedgerCommand] = []
    for number in range(60):
        currency = ("KES", "UGX", "KWD")[number % 3]
        payment = uuid4()
        commands += [
            initiate_payment(creators[currency], payment_id=payment, currency=currency),
            report_success(payment, GROSS + (number % 5) - 1, currency=currency),
            report_success(payment, 1 + number, currency="KES"),
        ]
    for at in range(0, len(commands), 7):
        outcomes = ledger.execute(commands[at : at + 7])
        assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    assert_book_is_sound(database)
    sums = rows(database, "SELECT currency, sum(balance) FROM balances GROUP BY currency")
    assert dict(sums) == {"KES": 0, "UGX": 0, "KWD": 0}


def test_balances_larger_than_any_integer_column_are_kept(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    commands = [report_success(None, 10**15) for _ in range(10_000)]
    assert all(outcome.error is None for outcome in ledger.execute(commands))
    assert balances(database)["suspense:sandbox", "KES"] == -(10**19)
    assert_book_is_sound(database)


def test_two_ledgers_of_a_book_see_each_others_events(book: BookLocation, ledger: Ledger) -> None:
    other = Ledger(book)
    creator, payment = uuid4(), uuid4()
    ledger.execute_one(register_creator(creator))
    other.execute_one(assign_fee_plan(creator, 100))
    other.execute_one(initiate_payment(creator, payment_id=payment))
    # This ledger has the creator in its cache as it was before the other's change.
    outcome = ledger.execute_one(assign_fee_plan(creator, 200))
    assert (outcome.version, outcome.position) == (4, 5)
    ledger.execute_one(start_submission(payment))
    with pytest.raises(SubmissionAlreadyStarted):
        other.execute_one(start_submission(payment))
    other.close()
    assert_book_is_sound(book.database)


def test_a_turn_that_is_rolled_back_leaves_no_trace_in_memory(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    with superuser(database) as connection:
        connection.execute(
            "ALTER TABLE ledger_events ADD CONSTRAINT no_more CHECK (false) NOT VALID"
        )
        assert isinstance(ledger.execute([assign_fee_plan(creator)])[0].error, InvalidValue)
        connection.execute("ALTER TABLE ledger_events DROP CONSTRAINT no_more")
    outcome = ledger.execute_one(assign_fee_plan(creator))
    assert (outcome.version, outcome.position) == (3, 3)
    assert_book_is_sound(database)


def test_time_comes_from_the_database_and_agrees_with_the_position(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    before = value(database, "SELECT clock_timestamp()")
    outcomes = [ledger.execute_one(register_creator()) for _ in range(5)]
    after = value(database, "SELECT clock_timestamp()")
    times = [event.recorded_at for outcome in outcomes for event in outcome.events]
    assert times == sorted(times)
    assert before < times[0]
    assert times[-1] < after


@pytest.fixture
def clocked(book: BookLocation) -> Iterator[Callable[[datetime], Ledger]]:
    opened: list[Ledger] = []

    def open_at(now: datetime) -> Ledger:
        ledger = Ledger(book, clock=lambda: now)
        opened.append(ledger)
        return ledger

    yield open_at
    for ledger in opened:
        ledger.close()


def test_a_clock_that_jumps_back_does_not_turn_the_log_back(
    clocked: Callable[[datetime], Ledger], database: DatabaseLocation
) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    jumps = [later, later - timedelta(hours=1), later + timedelta(hours=1), NOON]
    recorded = [clocked(now).execute_one(register_creator()).events[0].recorded_at for now in jumps]
    assert recorded == [jumps[0], jumps[0], jumps[2], jumps[2]]
    assert_book_is_sound(database)


def test_a_payment_expires_by_the_ledgers_clock(
    ledger: Ledger, clocked: Callable[[datetime], Ledger], database: DatabaseLocation
) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute([register_creator(creator), initiate_payment(creator, payment_id=payment)])
    tomorrow = clocked(datetime.now(UTC) + timedelta(days=1))
    [event] = tomorrow.execute_one(expire_payment(payment)).events
    assert isinstance(event, PaymentExpired)
    paid = ledger.execute_one(report_success(payment))
    # Recorded after the expiry, although this process's clock says yesterday.
    assert paid.events[0].recorded_at == event.recorded_at
    stored: object = ledger.repository.get(payment)
    assert isinstance(stored, Payment)
    assert (stored.state, stored.late) == (PaymentState.SUCCEEDED, True)
    assert_book_is_sound(database)


def test_what_the_outside_says_happened_in_the_future_takes_effect_when_it_is_learned(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    past, future = NOON - timedelta(days=30), datetime.now(UTC) + timedelta(days=30)
    ledger.execute_one(report_success(None, 5, occurred_at=past))
    ledger.execute_one(report_success(None, 5, occurred_at=future))
    found = rows(
        database, "SELECT effective_at = %s, effective_at = recorded_at FROM journal_lines", past
    )
    assert found == [(True, False)] * 2 + [(False, True)] * 2
    assert_book_is_sound(database)


def test_events_cannot_be_saved_past_the_turn(ledger: Ledger) -> None:
    creator = Creator(id=UUID(int=1), version=1, name=None, settlement_currency="KES")
    with pytest.raises(WriteOutsideTurnError, match="alone, or they would lack journal"):
        ledger.save(creator)
    with pytest.raises(WriteOutsideTurnError):
        ledger.recorder.insert_events([])


def test_a_payment_id_that_is_taken_fails_only_the_second_payment(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute_one(register_creator(creator))
    first = initiate_payment(creator, payment_id=payment)
    for commands in ([first, replace(first, key=caller_key())], [replace(first, key=caller_key())]):
        outcome = ledger.execute(commands)[-1]
        assert isinstance(outcome.error, InvalidValue)
    assert_book_is_sound(database)


def test_a_closed_ledger_finishes_what_it_has_and_can_be_closed_twice(book: BookLocation) -> None:
    ledger = Ledger(book)
    future = ledger._writer.submit([register_creator() for _ in range(100)])
    ledger.close()
    ledger.close()
    assert all(outcome.error is None for outcome in future.result(timeout=0))
