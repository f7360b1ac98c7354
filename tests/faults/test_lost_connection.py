"""The connection is lost at the worst moment: nothing is doubled, nothing is lost, nothing lied."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from ledger import turn
from ledger.application import Ledger
from ledger.database.location import DatabaseLocation
from ledger.decisions import LedgerCommand
from ledger.errors import CreatorNotFound, NothingRecorded, OutcomeUnknown
from ledger.outcome import Outcome
from tests.builders import (
    initiate_payment,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import value
from tests.faults.proxy import Cut, CuttingProxy
from tests.invariants import assert_book_is_sound

ROUNDS = 200


@pytest.fixture
def creator(ledger: Ledger) -> UUID:
    """A creator, registered past the proxy."""
    stream = uuid4()
    ledger.execute_one(register_creator(stream))
    return stream


def recorded(database: DatabaseLocation) -> int:
    return int(value(database, "SELECT count(*) FROM ledger_events"))


def as_stored(outcome: Outcome) -> Outcome:
    """What any later repeat of the same key answers."""
    return replace(outcome, replayed=True, events=(), error=None)


def test_an_acknowledgement_that_is_lost_is_found_again(
    proxied: Ledger, proxy: CuttingProxy, ledger: Ledger, creator: UUID, database: DatabaseLocation
) -> None:
    for number in range(ROUNDS):
        proxy.cut = Cut.AFTER_COMMIT
        command = initiate_payment(creator)
        outcome = proxied.execute_one(command)
        assert (outcome.stream, outcome.version) == (command.payment_id, 1)
        assert outcome.position == 3 + number
        assert not outcome.replayed
        assert len(outcome.events) == 1
        assert ledger.execute_one(command) == as_stored(outcome)
    assert proxy.cuts == ROUNDS
    assert recorded(database) == 2 + ROUNDS
    assert_book_is_sound(database)


def test_a_whole_batch_in_doubt_gets_its_first_answers_refusals_included(
    proxied: Ledger, proxy: CuttingProxy, ledger: Ledger, creator: UUID, database: DatabaseLocation
) -> None:
    for _ in range(20):
        proxy.cut = Cut.AFTER_COMMIT
        first = initiate_payment(creator)
        batch: list[LedgerCommand] = [
            first,
            initiate_payment(uuid4()),
            first,
            start_submission(first.payment_id),
            report_success(first.payment_id),
        ]
        outcomes = proxied.execute(batch)
        assert [type(o.error) for o in outcomes] == [
            type(None),
            CreatorNotFound,
            type(None),
            type(None),
            type(None),
        ]
        assert [outcome.replayed for outcome in outcomes] == [False, False, True, False, False]
        assert outcomes[2] == as_stored(outcomes[0])
        again = [as_stored(outcome) for outcome in ledger.execute(batch)]
        assert again == [as_stored(outcome) for outcome in outcomes]
    assert proxy.cuts == 20
    assert recorded(database) == 2 + 20 * 3
    assert_book_is_sound(database)


def test_a_commit_that_never_arrived_is_recorded_by_the_second_try(
    proxied: Ledger, proxy: CuttingProxy, ledger: Ledger, creator: UUID, database: DatabaseLocation
) -> None:
    for number in range(50):
        proxy.cut = Cut.BEFORE_COMMIT
        command = initiate_payment(creator)
        outcome = proxied.execute_one(command)
        assert outcome.position == 3 + number
        assert len(outcome.events) == 1
        assert ledger.execute_one(command) == as_stored(outcome)
    assert proxy.cuts == 50
    assert_book_is_sound(database)


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "DOUBT_SECONDS_MAX", 0.3)


@pytest.mark.usefixtures("little_patience")
@pytest.mark.parametrize(
    ("cut", "happened"), [(Cut.AFTER_COMMIT, True), (Cut.BEFORE_COMMIT, False)]
)
def test_a_database_that_stays_away_after_commit_leaves_the_outcome_unknown_until_it_is_back(
    proxied: Ledger,
    proxy: CuttingProxy,
    creator: UUID,
    database: DatabaseLocation,
    cut: Cut,
    *,
    happened: bool,
) -> None:
    for _ in range(5):
        before = recorded(database)
        proxy.cut, proxy.reachable_after_cut = cut, False
        batch = [initiate_payment(creator), initiate_payment(uuid4())]
        outcomes = proxied.execute(batch)
        assert [type(outcome.error) for outcome in outcomes] == [OutcomeUnknown] * 2
        assert recorded(database) == before + happened
        while_away = proxied.execute(batch)
        assert [type(outcome.error) for outcome in while_away] == [NothingRecorded] * 2
        proxy.reachable = True
        again = proxied.execute(batch)
        assert [outcome.replayed for outcome in again] == [happened, happened]
        assert again[0].error is None
        assert isinstance(again[1].error, CreatorNotFound)
        assert recorded(database) == before + 1
    assert proxy.cuts == 5
    assert_book_is_sound(database)


def test_a_database_that_is_gone_records_nothing_and_the_same_key_succeeds_later_once(
    proxied: Ledger, proxy: CuttingProxy, creator: UUID, database: DatabaseLocation
) -> None:
    proxied.execute_one(initiate_payment(creator))
    before = recorded(database)
    proxy.reachable = False
    proxy.sever()
    command = initiate_payment(creator)
    for _ in range(3):
        with pytest.raises(NothingRecorded):
            proxied.execute_one(command)
    assert recorded(database) == before
    proxy.reachable = True
    first = proxied.execute_one(command)
    assert not first.replayed
    assert proxied.execute_one(command) == as_stored(first)
    assert recorded(database) == before + 1
    assert_book_is_sound(database)


def test_a_connection_that_was_lost_between_turns_is_not_noticed_by_anybody(
    proxied: Ledger, proxy: CuttingProxy, creator: UUID, database: DatabaseLocation
) -> None:
    for _ in range(10):
        proxied.execute_one(initiate_payment(creator))
        proxy.sever()
    assert recorded(database) == 2 + 10
    assert_book_is_sound(database)


def lose_it_anywhere(
    proxied: Ledger, proxy: CuttingProxy, creator: UUID, rounds: int, seed: int
) -> list[Outcome]:
    """Cut after a random number of bytes, with several callers in each turn."""
    choose = random.Random(seed)
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(4) as callers:
        for _ in range(rounds):
            payments = [initiate_payment(creator) for _ in range(4)]
            proxy.cut_after_bytes = choose.randrange(1, 4_000)
            outcomes += callers.map(proxied.execute_one, payments)
            batch = [report_success(payment.payment_id) for payment in payments]
            proxy.cut_after_bytes = choose.randrange(1, 6_000)
            outcomes += proxied.execute(batch)
    return outcomes


def assert_once(outcomes: list[Outcome], database: DatabaseLocation) -> None:
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    assert len({outcome.position for outcome in outcomes}) == len(outcomes)
    assert recorded(database) == 2 + len(outcomes)
    assert_book_is_sound(database)


def test_a_connection_that_is_lost_anywhere_in_a_turn_harms_nobody(
    proxied: Ledger, proxy: CuttingProxy, creator: UUID, database: DatabaseLocation
) -> None:
    outcomes = lose_it_anywhere(proxied, proxy, creator, rounds=40, seed=1)
    assert proxy.cuts > 40
    assert_once(outcomes, database)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(5))
def test_a_connection_that_is_lost_anywhere_a_thousand_times_harms_nobody(
    proxied: Ledger, proxy: CuttingProxy, creator: UUID, database: DatabaseLocation, seed: int
) -> None:
    outcomes = lose_it_anywhere(proxied, proxy, creator, rounds=500, seed=seed)
    assert proxy.cuts > 500
    assert_once(outcomes, database)
