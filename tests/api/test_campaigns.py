"""Many at once, and processes that end in the middle: nothing is lost and nothing is done twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from ledger.key_store import KeyStore
from ledger.vault import READ_ENTRY, unseal, vault_entry
from tests.api.deployment import NET, Deployment, Person
from tests.api.leaks import PHONE_RANGE
from tests.api.load import PAUSE_SECONDS, Attempt, Load
from tests.api.processes import REPOSITORY, clean_environment, wait_until
from tests.databases import superuser, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAYMENTS: Final = 40
COPIES: Final = 64
THREADS: Final = 16
ROUNDS: Final = 5
ROUNDS_SLOW: Final = 50
SETTLING_SECONDS_MAX: Final = 20
SLOW: Final = pytest.param(ROUNDS_SLOW, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])


def test_every_callback_sixty_four_times_at_once_pays_every_creator_once(
    doors: Deployment,
) -> None:
    fans = [doors.fan() for _ in range(PAYMENTS)]
    creators = [doors.creator() for _ in range(PAYMENTS)]
    signed = [
        doors.callback(doors.pay(fan, creator)) for fan, creator in zip(fans, creators, strict=True)
    ]
    deliveries = [callback for callback in signed for _ in range(COPIES)]
    random.Random(64).shuffle(deliveries)
    before = doors.recorded()

    def deliver(number: int) -> httpx.Response:
        return doors.apis[number % 2].deliver(deliveries[number])

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(deliver, range(len(deliveries))))
    assert Counter(answer.status_code for answer in answers) == {200: PAYMENTS * COPIES}
    assert {answer.json()["data"]["verdict"] for answer in answers} == {"applied"}
    assert [doors.pending(creator) for creator in creators] == [NET] * PAYMENTS
    after = doors.recorded()
    assert after["ledger_events"] == before["ledger_events"] + PAYMENTS
    assert after["inbox"] == before["inbox"] + PAYMENTS
    assert_book_is_sound(doors.database)


@pytest.fixture(scope="module")
def mortal(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes, of which the first is killed and the second helps to look."""
    with deploy(LOG_LEVEL="WARNING").add_apis(2) as running:
        yield running


def _deliver_patiently(deployment: Deployment, attempt: Attempt) -> None:
    """Deliver the callback for a payment until it is acknowledged, as an operator does."""
    assert attempt.payment_id is not None
    signed = deployment.callback(attempt.payment_id)
    while True:
        try:
            answer = deployment.api.deliver(signed)
        except httpx.TransportError:
            time.sleep(PAUSE_SECONDS)
            continue
        assert answer.status_code == 200
        assert answer.json()["data"]["verdict"] == "applied"
        return


def test_a_process_that_is_told_to_stop_finishes_what_it_has_begun(mortal: Deployment) -> None:
    creator = mortal.creator()
    load = Load(mortal, creator, patient=False)
    with load.running():
        wait_until(lambda: len(load.attempts) > 50)
        mortal.api.terminate()
    answered = [attempt for attempt in load.attempts if attempt.answers]
    assert len(answered) > 40
    assert {answer.status_code for each in answered for answer in each.answers} == {202}
    mortal.api.start()
    mortal.api.wait_until_ready()
    # Whatever was cut off is either recorded or not, and the key tells, at any process.
    for attempt in load.attempts:
        known = attempt.payment_id
        load.ask(attempt, api=mortal.apis[1])
        last = attempt.answers[-1]
        assert last.status_code == 202
        if known is not None:
            assert last.headers["idempotency-replayed"] == "true"
            assert last.json()["data"]["id"] == known
    assert _initiated(mortal, creator) == len(load.attempts)
    assert_book_is_sound(mortal.database)


@pytest.mark.parametrize("rounds", [ROUNDS, SLOW])
def test_a_killed_api_process_loses_nothing_and_does_nothing_twice(
    mortal: Deployment, rounds: int
) -> None:
    chance = random.Random(rounds)
    creator = mortal.creator()
    load = Load(mortal, creator, also=lambda attempt: _deliver_patiently(mortal, attempt))
    with load.running():
        for _ in range(rounds):
            before = len(load.attempts)
            wait_until(lambda least=before + 20: len(load.attempts) > least)  # type: ignore[misc]
            time.sleep(chance.uniform(0.0, 0.1))
            mortal.api.kill()
            mortal.api.start()
            mortal.api.wait_until_ready()
    assert sum(attempt.cut for attempt in load.attempts) >= rounds
    for attempt in load.attempts:
        first = attempt.answers[-1]
        load.ask(attempt, api=mortal.apis[1])
        assert attempt.answers[-1].headers["idempotency-replayed"] == "true"
        assert attempt.answers[-1].json() == first.json()
        assert attempt.payment_id is not None
    assert len({attempt.payment_id for attempt in load.attempts}) == len(load.attempts)
    assert _initiated(mortal, creator) == len(load.attempts)
    assert mortal.pending(creator) == NET * len(load.attempts)
    assert_book_is_sound(mortal.database)
    _assert_replay_agrees(mortal)
    _assert_every_phone_can_be_read(mortal)


def _initiated(deployment: Deployment, creator: Person) -> int:
    found = value(
        deployment.database,
        "SELECT count(*) FROM ledger_events WHERE topic = 'payment.initiated.v1' "
        "AND convert_from(state, 'UTF8')::jsonb ->> 'creator_id' = %s",
        str(creator.id),
    )
    return int(found)


def _assert_replay_agrees(deployment: Deployment) -> None:
    """What `hesabu replay --verify` rebuilds from the log alone is what the tables say."""
    finished = subprocess.run(
        [sys.executable, "-m", "api.cli", "replay", "--verify"],
        cwd=REPOSITORY,
        env=clean_environment(deployment.environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def _assert_every_phone_can_be_read(deployment: Deployment) -> None:
    """A key is on disk before it is used: a kill leaves no entry that nobody can open."""
    store = KeyStore(deployment.directory / "keys" / "key_store.sqlite3")
    with superuser(deployment.database) as connection:
        entries = connection.execute("SELECT entry_id FROM vault_entries").fetchall()
        for (entry_id,) in entries:
            row = connection.execute(READ_ENTRY, (entry_id,)).fetchone()
            assert row is not None
            assert unseal(store, vault_entry(row)).startswith(f"+254{PHONE_RANGE}")
    store.close()


DISPATCHED: Final = ("000", "000", "001", "004", "010", "011", "012", "013", "014", "018")


@pytest.fixture(scope="module")
def prompting(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """An operator and two dispatchers, each of which dies now and then."""
    settings = {
        "PAYMENT_EXPIRY_SECONDS": "30",
        "PROVIDER_TIMEOUT_SECONDS": "1.5",
        "SUBMISSION_MARGIN_SECONDS": "1",
        "STATUS_QUERY_SECONDS": "0.3",
        "LOG_LEVEL": "WARNING",
    }
    # Slow enough that a dispatcher is often killed between its request and the answer.
    deployment = deploy(**settings).add_operator(HANG_SECONDS="2.5", DELAY_SECONDS="0.2")
    with deployment.add_apis(1).add_dispatchers(2) as running:
        yield running


@pytest.mark.parametrize("rounds", [ROUNDS, SLOW])
def test_a_killed_dispatcher_prompts_nobody_twice_and_every_payment_ends(
    prompting: Deployment, rounds: int
) -> None:
    chance = random.Random(rounds)
    creator = prompting.creator()
    load = Load(
        prompting,
        creator,
        threads=2,
        digits=lambda: chance.choice(DISPATCHED),
        also=lambda _: time.sleep(0.05),
    )
    with load.running():
        for number in range(rounds):
            victim = prompting.dispatchers[number % 2]
            before = len(prompting.operator.prompts())
            wait_until(lambda least=before + 5: len(prompting.operator.prompts()) > least)  # type: ignore[misc]
            # It takes seconds to start, so that this one may be at work again, or not yet.
            time.sleep(chance.uniform(0.5, 3.0))
            victim.kill()
            victim.start()
    payments = {attempt.payment_id: attempt.fan for attempt in load.attempts if attempt.payment_id}
    for payment_id, fan in payments.items():
        prompting.wait_for_end(fan, payment_id, seconds_max=60)
    prompts = prompting.operator.prompts()
    assert len(prompts) > 10 * min(rounds, 3)
    assert {payment_id: count for payment_id, count in prompts.items() if count > 1} == {}
    disagreeing = _disagreeing(prompting, payments)
    give_up_at = time.monotonic() + SETTLING_SECONDS_MAX
    while disagreeing and time.monotonic() < give_up_at:
        time.sleep(0.2)
        disagreeing = _disagreeing(prompting, payments)
    assert disagreeing == []
    tasks = "SELECT count(*) FROM dispatcher_tasks WHERE kind <> 'late'"
    wait_until(lambda: value(prompting.database, tasks) == 0, what="no task is left")
    assert_book_is_sound(prompting.database)


GIVE_BACK: Final = """
    UPDATE dispatcher_tasks SET due_at = now() - interval '1 s'
    FROM (SELECT kind, task_id FROM dispatcher_tasks FOR UPDATE SKIP LOCKED) AS free
    WHERE dispatcher_tasks.kind = free.kind AND dispatcher_tasks.task_id = free.task_id
"""
"""It waits for nobody, or two that lock many rows could wait for each other."""


def test_dispatchers_that_are_given_the_same_tasks_again_and_again_prompt_once(
    prompting: Deployment,
) -> None:
    """Every task comes back at once, as if its holder were stopped for longer than its lease."""
    creator, done = prompting.creator(), threading.Event()
    load = Load(prompting, creator, threads=4)

    def give_back() -> None:
        with superuser(prompting.database) as connection:
            while not done.wait(0.002):
                connection.execute(GIVE_BACK)

    with ThreadPoolExecutor(1) as pool:
        giving_back = pool.submit(give_back)
        try:
            with load.running():
                wait_until(lambda: len(load.attempts) > 100)
            for attempt in load.attempts:
                prompting.wait_for_end(attempt.fan, str(attempt.payment_id))
        finally:
            done.set()
        giving_back.result()
    prompts = prompting.operator.prompts()
    assert {prompts[str(attempt.payment_id)] for attempt in load.attempts} == {1}
    assert prompting.pending(creator) == NET * len(load.attempts)


def _disagreeing(prompting: Deployment, payments: dict[str, Person]) -> list[tuple[object, ...]]:
    """Payments that have not ended as the operator says, and their stories.

    What the operator never got has failed, or has expired.
    """
    found: list[tuple[object, ...]] = []
    for payment_id, fan in payments.items():
        payment = prompting.payment(fan, payment_id)
        said = prompting.operator.status(payment_id)
        if payment["state"] not in ({"failed", "expired"} if said is None else {said}):
            topics = prompting.topics(payment_id)
            found.append((payment_id, said, payment["state"], payment["reason"], topics))
    return found
