"""The database is away: every answer says so truthfully, and afterwards the same keys go on."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import httpx
import pytest

from ledger.database.embedded import EmbeddedPostgres
from tests.api.deployment import NET, Deployment
from tests.api.load import Load
from tests.api.processes import Process, wait_until
from tests.databases import Databases, value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.documentation import Documentation

NOT_RECORDED: Final = frozenset({"nothing_recorded", "unavailable", "overloaded"})
"""Codes that promise that nothing was recorded; `outcome_unknown` does not."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of our own, to be stopped and started."""
    with tempfile.TemporaryDirectory(prefix="hesabu-outage-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "server") as running:
            yield running


@pytest.fixture(scope="module")
def deployment(
    server: EmbeddedPostgres,
    documentation: Documentation,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("outage")
    database = Databases(server).create()
    with Deployment(database, directory, documentation).add_apis(1) as running:
        yield running


def _ready(deployment: Deployment) -> bool:
    return deployment.api.client.get("/readyz").status_code == 200


def test_while_the_database_is_away_nothing_is_recorded_and_the_key_works_afterwards(
    server: EmbeddedPostgres, deployment: Deployment
) -> None:
    fan, creator = deployment.fan(), deployment.creator()
    before = deployment.initiate(fan, creator, key="before")
    waiting = deployment.callback(before.json()["data"]["id"])
    recorded = deployment.recorded()
    server.stop()

    send, plan_path = deployment.api.send, f"/admin/creators/{creator.id}/fee-plan"
    asks: list[Callable[[], httpx.Response]] = [
        lambda: deployment.initiate(fan, creator, key="meanwhile"),
        lambda: deployment.initiate(fan, creator, key="meanwhile"),
        lambda: deployment.initiate(fan, creator, key="before"),
        lambda: deployment.api.deliver(waiting),
        lambda: send(deployment.admin, "PUT", plan_path, key="plan", json={"fee_basis_points": 1}),
        lambda: send(fan, "GET", f"/payments/{uuid4()}"),
        lambda: send(creator, "GET", f"/creators/{creator.id}/balance"),
        lambda: send(deployment.auditor, "GET", "/audit/trial-balance"),
        lambda: deployment.api.client.get("/readyz"),
    ]
    with ThreadPoolExecutor(len(asks)) as pool:
        meanwhile = list(pool.map(lambda ask: ask(), asks))
    for answer in meanwhile:
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] in {"nothing_recorded", "unavailable"}
    assert deployment.api.client.get("/healthz").status_code == 200
    # What needs no database is answered as ever.
    refused = deployment.api.send(fan, "POST", "/payments", key="k", json={})
    assert refused.status_code == 400
    assert deployment.api.send(None, "POST", "/payments", json={}).status_code == 401

    server.start()
    wait_until(lambda: _ready(deployment))
    assert deployment.recorded() == recorded
    again = deployment.initiate(fan, creator, key="before")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == before.json()
    first = deployment.initiate(fan, creator, key="meanwhile")
    assert first.status_code == 202
    assert "idempotency-replayed" not in first.headers
    second = deployment.initiate(fan, creator, key="meanwhile")
    assert second.headers["idempotency-replayed"] == "true"
    assert second.json() == first.json()
    assert deployment.api.deliver(waiting).json()["data"]["verdict"] == "applied"
    assert deployment.pending(creator) == NET
    assert_book_is_sound(deployment.database)


def test_a_database_that_stops_under_load_makes_no_answer_untrue(
    server: EmbeddedPostgres, deployment: Deployment
) -> None:
    creator = deployment.creator()
    load = Load(deployment, creator, patient=False)
    with load.running():
        wait_until(lambda: len(load.attempts) > 60)
        server.stop()
        wait_until(lambda: any(a.answers[-1:] and a.answers[-1].is_error for a in load.attempts))
        server.start()
        wait_until(lambda: _ready(deployment))
        resumed_at = len(load.attempts)
        wait_until(lambda: len(load.attempts) > resumed_at + 30)
    for attempt in load.attempts:
        [told] = attempt.answers
        load.ask(attempt)
        final = attempt.answers[-1]
        assert final.status_code == 202, final.text
        replayed = "idempotency-replayed" in final.headers
        if told.status_code == 202:
            assert replayed
            assert final.json() == told.json()
        else:
            assert told.status_code == 503, told.text
            code = told.json()["error"]["code"]
            assert code in NOT_RECORDED | {"outcome_unknown"}
            # Said to be recorded nowhere, it must not be there.
            assert code not in NOT_RECORDED or not replayed
    assert any(attempt.answers[0].is_error for attempt in load.attempts)
    initiated = "SELECT count(*) FROM ledger_events WHERE topic = 'payment.initiated.v1'"
    payments = {attempt.payment_id for attempt in load.attempts}
    assert value(deployment.database, initiated) == len(payments) + 2
    assert_book_is_sound(deployment.database)


def test_a_start_that_fails_half_way_ends_the_process(
    deployment: Deployment, tmp_path: Path
) -> None:
    """A process that hangs is neither restarted by anybody nor does it serve."""
    environment = {
        **deployment.environment(),
        "PORT": "0",
        "HESABU_SANDBOX_URL": "http://127.0.0.1:no",
    }
    process = Process("serve", ["api.cli", "serve"], environment, tmp_path)
    process.start()
    assert process.wait_for_end() != 0
    assert "Application startup failed" in process.log_text()


def test_a_process_does_not_start_without_its_database_and_says_so_in_a_line(
    tmp_path: Path,
) -> None:
    nowhere = "postgresql://nobody:zqzq-password@127.0.0.1:1/hesabu"
    no_url = "postgresql://nobody:zqzq-password@[/hesabu"
    processes = [
        Process(
            name,
            ["api.cli", name],
            {"PORT": "0", "DATABASE_URL": url, "HESABU_DATA_DIRECTORY": str(tmp_path)},
            tmp_path,
        )
        for name, url in (("serve", nowhere), ("dispatcher", no_url))
    ]
    for process in processes:
        process.start()
    for process in processes:
        assert process.wait_for_end() == 1
        [line] = process.log_text().splitlines()
        assert line.startswith("Not starting: The database")
        assert "zqzq-password" not in line
