"""What Prometheus is told: by each process of itself, and of the book by those that may read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.book_metrics import OF_API, OF_DISPATCHER, BookCollector
from api.metrics import Metrics
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from ledger.errors import Overloaded
from ledger.outcome import Outcome
from ledger.writer import RunTurn
from tests.api.processes import free_port
from tests.builders import initiate_payment, register_creator, report_success
from tests.databases import superuser
from tests.projections.projecting import head_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.book_metrics import Part
    from tests.api.deployment import Deployment

DASHBOARD = Path(__file__).parents[2] / "docs" / "observability" / "grafana.json"

WAITING_TASK = """
    INSERT INTO dispatcher_tasks (stream_id, task_id, kind, provider, due_at)
    SELECT id, id, 'submit', 'sandbox', now() - n * interval '10 seconds'
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, 3) AS n) AS made
"""
WAITING_CALLBACK = """
    INSERT INTO inbox (inbox_id, provider, natural_key, received_at, headers, key_id,
                       of_unknown_origin, body_hash, ciphertext, verdict, reason, position)
    VALUES (gen_random_uuid(), 'sandbox', 'key', now(), '{}', gen_random_uuid(), true, '', '',
            'parked', 'unread', 1)
"""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def told(metrics: Metrics) -> Samples:
    return samples(generate_latest(metrics.registry).decode())


def of_book(book: BookLocation, parts: tuple[Part, ...]) -> Samples:
    registry = CollectorRegistry()
    registry.register(BookCollector(book, parts))
    return samples(generate_latest(registry).decode())


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_a_turn_tells_its_size_its_time_and_what_came_of_it() -> None:
    metrics = Metrics()
    outcomes = [Outcome(), Outcome(), Outcome(replayed=True), Outcome(error=Overloaded())]
    metrics.turn(RunTurn(0.03, outcomes, 7))
    found = told(metrics)
    assert found[key("hesabu_turn_commands_sum")] == 4
    assert found[key("hesabu_turn_seconds_sum")] == 0.03
    assert found[key("hesabu_queued_commands")] == 7
    assert found[key("hesabu_outcomes_total", code="recorded")] == 2
    assert found[key("hesabu_outcomes_total", code="replayed")] == 1
    assert found[key("hesabu_outcomes_total", code=Overloaded.code)] == 1


def test_a_ledger_tells_of_every_turn_and_lives_with_one_who_cannot_hear(
    book: BookLocation,
) -> None:
    metrics = Metrics()

    def observe(turn: RunTurn) -> None:
        metrics.turn(turn)
        raise ValueError

    ledger = Ledger(book, observe=observe)
    try:
        ledger.execute_one(register_creator())
        ledger.execute_one(register_creator())
    finally:
        ledger.close()
    assert told(metrics)[key("hesabu_turn_commands_count")] == 2


def test_the_book_is_asked_where_it_stands(book: BookLocation, ledger: Ledger) -> None:
    creator = ledger.execute_one(register_creator()).stream
    assert creator is not None
    payment = ledger.execute_one(initiate_payment(creator))
    ledger.execute_one(report_success(payment.stream))
    parked = ledger.execute_one(report_success(None, amount=70_000))
    found = of_book(book, OF_API)
    assert found[key("hesabu_book_up")] == 1
    assert found[key("hesabu_head_position")] == parked.position
    assert found[key("hesabu_read_model_lag_events", model="journal")] == 0
    suspense = key("hesabu_suspense_minor_units", account="suspense:sandbox", currency="KES")
    assert found[suspense] == 70_000


def test_a_dispatcher_tells_what_waits_for_providers(book: BookLocation) -> None:
    with superuser(book.database) as connection:
        connection.execute(WAITING_TASK)
    as_dispatcher = BookLocation(book.database, DatabaseRole.DISPATCHER)
    found = of_book(as_dispatcher, OF_DISPATCHER)
    assert found[key("hesabu_provider_tasks", provider="sandbox")] == 3
    assert found[key("hesabu_provider_tasks_overdue_seconds", provider="sandbox")] >= 30


def test_a_database_that_cannot_be_asked_is_a_number_and_no_error(
    book: BookLocation,
) -> None:
    nowhere = BookLocation(
        DatabaseLocation.from_url("postgresql://nobody@127.0.0.1:1/nothing"), DatabaseRole.APP
    )
    assert of_book(nowhere, OF_API) == {key("hesabu_book_up"): 0.0}


def test_a_process_serves_its_numbers_at_a_port_of_their_own(
    deploy: Callable[..., Deployment],
) -> None:
    port = free_port()
    with deploy(METRICS_PORT=str(port)).add_apis(1) as running:
        fan, creator = running.fan(), running.creator()
        payment = running.pay(fan, creator)
        running.api.deliver(running.callback(payment))
        running.payment(fan, payment)
        running.api.send(fan, "GET", f"/payments/{creator.id}")
        running.api.client.get("/zqcanary")
        running.api.client.request("ZQCANARY", "/api/v1/payments")
        assert running.api.client.get("/metrics").status_code == httpx.codes.NOT_FOUND
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = samples(text)

    def requests(method: str, status: int) -> float:
        return sum(
            count
            for (name, labels), count in found.items()
            if name == "hesabu_http_request_seconds_count"
            and {("method", method), ("status", str(status))} <= labels
        )

    assert requests("POST", 202) == 1
    assert requests("POST", 201) == 1
    assert requests("GET", 200) == requests("GET", 404) == 1
    assert requests("unknown", 404) == 2
    assert found[key("hesabu_callbacks_total", provider="sandbox", verdict="applied")] == 1
    assert found[key("hesabu_outcomes_total", code="recorded")] == 3
    assert found[key("hesabu_head_position")] == head_of(running.database)
    lowered = text.lower()
    assert "zqcanary" not in lowered
    assert str(creator.id) not in lowered
    assert payment not in lowered


def test_every_metric_of_the_dashboard_is_told(book: BookLocation, ledger: Ledger) -> None:
    """A dashboard that asks for a name which nobody tells shows an empty panel for ever."""
    metrics = Metrics()
    metrics.request("GET", "/", 200, 0.1)
    metrics.turn(RunTurn(0.1, [Outcome()], 0))
    metrics.callback("sandbox", "applied")
    ledger.execute_one(report_success(None))
    with superuser(book.database) as connection:
        connection.execute(WAITING_TASK)
        connection.execute(WAITING_CALLBACK)
    as_dispatcher = BookLocation(book.database, DatabaseRole.DISPATCHER)
    found = told(metrics) | of_book(book, OF_API) | of_book(as_dispatcher, OF_DISPATCHER)
    names = {name for name, _ in found if name.startswith("hesabu_")}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"hesabu_\w+", target["expr"])
    }
    assert asked <= names
    # And what is told is looked at; of a histogram one of its parts.
    assert {_base(name) for name in names} == {_base(name) for name in asked} | {
        "hesabu_book_up",
        "hesabu_read_model_lag_events",
    }


def _base(name: str) -> str:
    return re.sub(r"_(bucket|sum|count|created|total)$", "", name)
