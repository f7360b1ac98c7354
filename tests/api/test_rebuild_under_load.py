"""Read models, balances and journal among them, are built anew while payments come in over HTTP.

Nothing differs, nobody is refused, and how far it is can be seen. How long anybody waits is printed
beside how long they waited before (`-s`); what a rebuild costs is a row of `make bench`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.replay import replay
from tests.api.deployment import API, payment_body
from tests.api.processes import wait_until
from tests.builders import initiate_payment, report_success
from tests.databases import value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment, Person

CREATORS: Final = 50
WRITERS: Final = 4
READERS: Final = 2
PAYMENTS_A_TURN: Final = 500
BUILT: Final = ("journal", "payments")
BEFORE_SECONDS: Final = 2.0

FEW: Final = 6_000
A_MILLION: Final = pytest.param(
    1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(3_600)], id="a-million"
)


@dataclass
class Load:
    """Callers over HTTP: how long each waited, and what was not answered as it should."""

    running: Deployment
    creators: list[Person]
    waits: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        fan = self.running.fan()
        self._ask(
            lambda client, turn: client.post(
                f"{API}/payments",
                headers={**fan.headers, "idempotency-key": str(uuid4())},
                json=payment_body(self.creators[turn % CREATORS]),
            ),
            httpx.codes.ACCEPTED,
        )

    def read(self) -> None:
        def balance(client: httpx.Client, turn: int) -> httpx.Response:
            creator = self.creators[turn % CREATORS]
            path = f"{API}/creators/{creator.id}/balance"
            return client.get(path, headers=creator.headers)

        self._ask(balance, httpx.codes.OK)

    def _ask(self, ask: Callable[[httpx.Client, int], httpx.Response], expected: int) -> None:
        with httpx.Client(base_url=self.running.api.url, timeout=30) as client:
            turn = 0
            while not self.over.is_set():
                began = time.perf_counter()
                try:
                    answer = ask(client, turn)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.waits.append(time.perf_counter() - began)
                if answer.status_code != expected:
                    self.failed.append(answer.text)
                turn += 1

    def told(self) -> str:
        """How long callers have waited since this was asked before."""
        waits, self.waits = sorted(self.waits), []
        p99, longest = 1_000 * waits[len(waits) * 99 // 100], 1_000 * waits[-1]
        return f"{len(waits)} answers, p99 {p99:.0f} ms, longest {longest:.0f} ms"


@contextmanager
def under_load(running: Deployment, creators: list[Person]) -> Iterator[Load]:
    load = Load(running, creators)
    threads = [threading.Thread(target=load.write) for _ in range(WRITERS)]
    threads += [threading.Thread(target=load.read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.over.set()
        for thread in threads:
            thread.join()


def write_a_past(running: Deployment, creators: list[Person], events: int) -> None:
    with closing(Ledger(BookLocation(running.database, DatabaseRole.APP))) as ledger:
        for turn in range(events // (2 * PAYMENTS_A_TURN)):
            creator = creators[turn % CREATORS].id
            initiated = [initiate_payment(creator) for _ in range(PAYMENTS_A_TURN)]
            paid = [report_success(each.payment_id) for each in initiated]
            assert all(each.error is None for each in ledger.execute([*initiated, *paid]))


def shown(running: Deployment, name: str) -> dict[str, Any]:
    answer = running.api.send(running.admin, "GET", "/admin/projections")
    assert answer.status_code == httpx.codes.OK, answer.text
    [found] = [each for each in answer.json()["data"]["items"] if each["name"] == name]
    return dict(found)


def build(running: Deployment, name: str) -> tuple[str, list[dict[str, Any]]]:
    """What `hesabu projections rebuild` says, and what admins saw of it meanwhile."""
    seen: list[dict[str, Any]] = []
    with subprocess.Popen(
        [sys.executable, "-m", "api.cli", "projections", "rebuild", name],
        env={**os.environ, **running.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        while process.poll() is None:
            building = shown(running, name)["building"]
            if building is not None:
                seen.append(building)
            time.sleep(0.05)
        assert process.stdout is not None
        output = process.stdout.read()
    assert process.returncode == 0, output
    return output, seen


@pytest.mark.parametrize("events", [FEW, A_MILLION])
def test_a_rebuild_differs_in_nothing_and_fails_nobody(
    deploy: Callable[..., Deployment], events: int
) -> None:
    with deploy().add_apis(1).add_projectors(1) as running:
        creators = [running.creator() for _ in range(CREATORS)]
        write_a_past(running, creators, events)
        head = int(value(running.database, "SELECT max(position) FROM turns"))
        assert head >= events
        wait_until(
            lambda: shown(running, "payments")["live"]["position"] >= head,
            seconds_max=600,
            what="the past is projected",
        )
        with under_load(running, creators) as load:
            time.sleep(BEFORE_SECONDS)
            sys.stdout.write(f"\nbefore: {load.told()}\n")
            for name in BUILT:
                began = time.perf_counter()
                output, seen = build(running, name)
                seconds = time.perf_counter() - began
                sys.stdout.write(f"{name}: built in {seconds:.1f} s; {load.told()}\n")
                assert "The old generation said the same." in output, output
                assert f"Generation 2 of {name} is read" in output, output
                assert events == FEW or any(each["seconds_left"] for each in seen), seen
                assert [each["position"] for each in seen] == sorted(
                    each["position"] for each in seen
                )
        assert load.failed == []
        assert replay(BookLocation(running.database, DatabaseRole.AUDITOR)).ok
