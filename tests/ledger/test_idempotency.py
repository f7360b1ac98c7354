"""The same key again gets the first answer: later, in the same turn, and from anywhere at once."""

from __future__ import annotations

import multiprocessing
import random
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.application import Ledger
from ledger.callbacks import Verdict
from ledger.commands import Claim, IdempotencyKey
from ledger.errors import (
    AmountNotPayable,
    CreatorNotFound,
    CurrencyNotAccepted,
    IdempotencyKeyReused,
    PaymentNotFound,
    SubmissionAlreadyStarted,
)
from tests.builders import (
    TERMS,
    assign_fee_plan,
    caller_key,
    cancel_payment,
    expire_payment,
    initiate_payment,
    natural_key,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation
    from ledger.outcome import Outcome


def test_a_repeat_gets_the_first_outcome_and_does_nothing(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    command = initiate_payment(creator)
    first = ledger.execute_one(command)
    ledger.execute_one(start_submission(command.payment_id))
    again = ledger.execute_one(command)
    assert again == replace(first, replayed=True, events=())
    assert value(database, "SELECT count(*) FROM ledger_events") == 4


def test_a_repeat_is_known_to_another_process_too(ledger: Ledger, book: BookLocation) -> None:
    command = register_creator()
    first = ledger.execute_one(command)
    other = Ledger(book)
    assert other.execute_one(command) == replace(first, replayed=True, events=())
    other.close()


def test_a_refusal_is_repeated_even_when_it_would_be_granted_by_now(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    command = initiate_payment(creator)
    with pytest.raises(CreatorNotFound):
        ledger.execute_one(command)
    ledger.execute_one(register_creator(creator))
    outcome = ledger.execute([command])[0]
    assert isinstance(outcome.error, CreatorNotFound)
    assert outcome.replayed
    ledger.execute_one(replace(command, key=caller_key()))
    assert_book_is_sound(database)


def test_a_repeated_refusal_has_the_first_ones_words(ledger: Ledger) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    odd = initiate_payment(creator, 150, terms=replace(TERMS, step=100, minimum=100))
    foreign = initiate_payment(creator, currency="UGX")
    first = [outcome.error for outcome in ledger.execute([odd, foreign])]
    again = [outcome.error for outcome in ledger.execute([odd, foreign])]
    assert [type(error) for error in first] == [AmountNotPayable, CurrencyNotAccepted]
    for one, other in zip(first, again, strict=True):
        assert one is not None
        assert other is not None
        assert type(other) is type(one)
        assert other.message == one.message
        assert other.parameters == one.parameters


def test_the_key_of_another_request_is_refused_and_stays_the_first_ones(ledger: Ledger) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    first = assign_fee_plan(creator, 100, key=caller_key("K", fingerprint=b"one"))
    other = assign_fee_plan(creator, 200, key=caller_key("K", fingerprint=b"other"))
    accepted = ledger.execute_one(first)
    with pytest.raises(IdempotencyKeyReused):
        ledger.execute_one(other)
    assert ledger.execute_one(first).position == accepted.position


def test_the_same_key_of_two_callers_is_two_keys(ledger: Ledger) -> None:
    keys = [IdempotencyKey(scope, "K", b"the same") for scope in ("fan:1", "fan:2")]
    outcomes = ledger.execute([register_creator(key=key) for key in keys])
    assert [outcome.replayed for outcome in outcomes] == [False, False]


def test_a_key_repeated_within_a_batch_gets_the_first_outcome(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator = uuid4()
    register = register_creator(creator)
    refused = cancel_payment(uuid4(), uuid4())
    reused = replace(refused, key=replace(register.key, fingerprint=b"another"))
    outcomes = ledger.execute([register, refused, register, refused, reused, register])
    assert [outcome.replayed for outcome in outcomes] == [False, False, True, True, False, True]
    assert outcomes[2] == outcomes[5] == replace(outcomes[0], replayed=True, events=())
    assert isinstance(outcomes[3].error, PaymentNotFound)
    assert isinstance(outcomes[4].error, IdempotencyKeyReused)
    assert value(database, "SELECT count(*) FROM idempotency_keys") == 2
    assert_book_is_sound(database)


def test_a_natural_key_keeps_what_happened_and_forgets_a_refusal(ledger: Ledger) -> None:
    """What the outside names may become true later; what a caller asked was answered."""
    creator, payment = uuid4(), uuid4()
    expire, start = expire_payment(payment), start_submission(payment)
    for command in (expire, start):
        with pytest.raises(PaymentNotFound):
            ledger.execute_one(command)
    ledger.execute([register_creator(creator), initiate_payment(creator, payment_id=payment)])
    first = ledger.execute_one(start)
    assert ledger.execute_one(start) == replace(first, replayed=True, events=())


def test_a_verdict_is_repeated(ledger: Ledger) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute([register_creator(creator), initiate_payment(creator, payment_id=payment)])
    reports = [
        report_without_money(payment, Claim.PENDING, key=natural_key("pending")),
        report_success(payment, transaction="T1", key=natural_key("paid")),
        report_success(payment, transaction="T1", key=natural_key("paid again")),
        report_without_money(payment, Claim.FAILED, key=natural_key("failed")),
    ]
    first = ledger.execute(reports)
    assert [outcome.verdict for outcome in first] == [
        Verdict.IGNORED,
        Verdict.APPLIED,
        Verdict.DUPLICATE,
        Verdict.APPLIED,
    ]
    again = ledger.execute(reports)
    assert again == [replace(outcome, replayed=True, events=()) for outcome in first]


def test_keys_of_callers_may_be_forgotten_one_day_and_those_of_the_outside_never(
    ledger: Ledger, database: DatabaseLocation
) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute(
        [
            register_creator(creator, key=caller_key("R")),
            initiate_payment(creator, payment_id=payment, key=caller_key("I")),
            start_submission(payment, key=natural_key("S", scope="dispatcher")),
            report_success(payment, transaction="T1", key=natural_key("C")),
        ]
    )
    found = rows(database, "SELECT scope, key, permanent, stream_id FROM idempotency_keys")
    assert sorted(found) == [
        ("callback:sandbox", "C", True, payment),
        ("dispatcher", "S", True, payment),
        ("fan:test", "I", False, payment),
        ("fan:test", "R", False, creator),
        ("transaction:sandbox", "T1", True, payment),
    ]


def test_a_transaction_pays_one_payment_whatever_is_said_and_wherever(
    ledger: Ledger, book: BookLocation
) -> None:
    creator = uuid4()
    payments = [uuid4() for _ in range(3)]
    ledger.execute_one(register_creator(creator))
    ledger.execute([initiate_payment(creator, payment_id=payment) for payment in payments])
    other = Ledger(book)
    ledger.execute([report_success(payment, transaction="T1") for payment in payments[:2]])
    other.execute_one(report_success(payments[2], transaction="T1"))
    other.close()
    states: list[str] = [ledger.repository.get(payment).state for payment in payments]
    assert states == ["succeeded", "initiated", "initiated"]
    assert_book_is_sound(book.database)


KEYS = 150
THREADS = 8
Answer = tuple[str, bool, int, UUID | None, int | None, str | None]


def answers(outcomes: list[Outcome], keys: list[str]) -> list[Answer]:
    return [
        (
            key,
            outcome.replayed,
            outcome.position,
            outcome.stream,
            outcome.version,
            None if outcome.error is None else outcome.error.code,
        )
        for key, outcome in zip(keys, outcomes, strict=True)
    ]


def repeat_from_many_threads(book: BookLocation, creator: UUID, seed: int) -> list[Answer]:
    """Send the same keyed commands from eight threads, each in an order of its own."""
    ledger = Ledger(book)

    def send(thread: int) -> list[Answer]:
        order = [f"K{number}" for number in range(KEYS)]
        random.Random(seed + thread).shuffle(order)
        given: list[Answer] = []
        while order:
            keys, order = order[:3], order[3:]
            # Every third is refused: its creator does not exist.
            commands = [
                initiate_payment(uuid4() if int(key[1:]) % 3 == 0 else creator, key=caller_key(key))
                for key in keys
            ]
            given += answers(ledger.execute(commands), keys)
        return given

    with ThreadPoolExecutor(THREADS) as threads:
        found = [answer for part in threads.map(send, range(THREADS)) for answer in part]
    ledger.close()
    return found


def test_concurrent_repeats_from_two_processes_get_one_answer(book: BookLocation) -> None:
    creator = uuid4()
    opened = Ledger(book)
    opened.execute_one(register_creator(creator))
    opened.close()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        parts = [
            processes.submit(repeat_from_many_threads, book, creator, seed) for seed in (0, 100)
        ]
        found = [answer for part in parts for answer in part.result(timeout=100)]
    by_key: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        by_key[answer[0]].append(answer)
    assert len(by_key) == KEYS
    for same_key in by_key.values():
        assert len(same_key) == 2 * THREADS
        assert sum(not replayed for _, replayed, *_ in same_key) == 1
        assert len({tuple(answer[2:]) for answer in same_key}) == 1
    refused = sum(bool(same_key[0][5]) for same_key in by_key.values())
    assert refused == KEYS // 3
    paid = value(book.database, "SELECT count(*) FROM ledger_events WHERE topic LIKE 'payment.%'")
    assert paid == KEYS - refused
    assert_book_is_sound(book.database)


def test_only_one_of_many_dispatchers_may_call_the_provider(ledger: Ledger) -> None:
    creator, payment = uuid4(), uuid4()
    ledger.execute([register_creator(creator), initiate_payment(creator, payment_id=payment)])
    with ThreadPoolExecutor(16) as threads:
        outcomes = list(
            threads.map(lambda _: ledger.execute([start_submission(payment)])[0], range(64))
        )
    refused = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert len(refused) == 63
    assert all(isinstance(error, SubmissionAlreadyStarted) for error in refused)
