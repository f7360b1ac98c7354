"""Numbers about the book, read from the database when Prometheus asks for them.

Where the log ends, how far read models are behind, what is in suspense, what waits for a person or
for a provider. A database that cannot be asked within seconds is `hesabu_book_up 0`, not an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog
from prometheus_client.core import GaugeMetricFamily

from projections.model_statuses import READ_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.database.connections import BookLocation

logger = structlog.get_logger()

# Prometheus knows nothing but floats: this is a picture, and no amount is ever taken from it.
SUSPENSE: Final = """
    SELECT account, currency, -balance::float8 FROM balances
    WHERE account > 'suspense:' AND account < 'suspense;'
"""
INBOX: Final = """
    SELECT provider, verdict, count(*) FROM inbox
    WHERE verdict IN ('parked', 'retrying') GROUP BY provider, verdict
"""
TASKS: Final = """
    SELECT provider, count(*), coalesce(greatest(extract(epoch FROM
        clock_timestamp() - min(due_at)), 0), 0)::float8
    FROM dispatcher_tasks GROUP BY provider
"""
WEBHOOK_MESSAGES: Final = """
    SELECT state, count(*) FROM webhook_messages WHERE state IN ('waiting', 'dead') GROUP BY state
"""
WEBHOOK_OLDEST: Final = """
    SELECT coalesce(extract(epoch FROM now() - min(webhook_messages.created_at)), 0)::float8
    FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE webhook_messages.state = 'waiting' AND webhook_endpoints.state = 'enabled'
"""
WEBHOOK_ENDPOINTS: Final = """
    SELECT state, coalesce(reason, ''), count(*) FROM webhook_endpoints
    WHERE state <> 'deleted' GROUP BY 1, 2
"""
ASK_SHORTLY: Final = "SET statement_timeout = '3s'"

Part = Callable[[psycopg.Connection[Any]], list[GaugeMetricFamily]]


class BookCollector:
    """Asks the book at each scrape, over a connection of its own: what its role may read."""

    def __init__(self, book: BookLocation, parts: Sequence[Part]) -> None:
        self._book = book
        self._parts = parts

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families of metrics about the book."""
        try:
            with self._book.connect_reader() as connection:
                connection.execute(ASK_SHORTLY)
                found = [family for part in self._parts for family in part(connection)]
        except psycopg.Error:
            logger.warning("book_cannot_be_asked", exc_info=True)
            return [_up(0.0)]
        return [_up(1.0), *found]


def _up(answers: float) -> GaugeMetricFamily:
    up = GaugeMetricFamily("hesabu_book_up", "Whether the book's database can be asked.")
    up.add_metric([], answers)
    return up


def of_log(connection: psycopg.Connection[Any]) -> list[GaugeMetricFamily]:
    """Where the log ends, and how read models follow it."""
    head = GaugeMetricFamily("hesabu_head_position", "The position of the last event.")
    events = GaugeMetricFamily(
        "hesabu_read_model_lag_events",
        "Events of the log that a read model has not applied.",
        labels=("model",),
    )
    seconds = GaugeMetricFamily(
        "hesabu_read_model_lag_seconds",
        "How long ago the first event was recorded that a read model has not applied.",
        labels=("model",),
    )
    parked = GaugeMetricFamily(
        "hesabu_read_model_parked",
        "Whether a read model is parked before an event that it cannot apply.",
        labels=("model",),
    )
    rows = connection.execute(READ_STATUSES).fetchall()
    head.add_metric([], rows[0][0])
    for at, name, _, _, state, position, lag, parked_at, *_ in rows:
        if state == "live":
            events.add_metric([name], max(at - position, 0))
            seconds.add_metric([name], lag)
            parked.add_metric([name], 0.0 if parked_at is None else 1.0)
    return [head, events, seconds, parked]


def of_suspense(connection: psycopg.Connection[Any]) -> list[GaugeMetricFamily]:
    """Money that nobody has been found for."""
    held = GaugeMetricFamily(
        "hesabu_suspense_minor_units",
        "Money received that nobody has been found for yet, in minor units.",
        labels=("account", "currency"),
    )
    for account, currency, amount in connection.execute(SUSPENSE).fetchall():
        held.add_metric([account, currency], amount)
    return [held]


def of_inbox(connection: psycopg.Connection[Any]) -> list[GaugeMetricFamily]:
    """Callbacks that nobody could read."""
    callbacks = GaugeMetricFamily(
        "hesabu_inbox_waiting",
        "Callbacks that wait for a person, or to be read again.",
        labels=("provider", "verdict"),
    )
    for provider, verdict, count in connection.execute(INBOX).fetchall():
        callbacks.add_metric([provider, verdict], count)
    return [callbacks]


def of_tasks(connection: psycopg.Connection[Any]) -> list[GaugeMetricFamily]:
    """What is to be done at providers, and since when."""
    waiting = GaugeMetricFamily(
        "hesabu_provider_tasks",
        "Prompts, refunds, payouts and questions that are to be taken to a provider.",
        labels=("provider",),
    )
    oldest = GaugeMetricFamily(
        "hesabu_provider_tasks_overdue_seconds",
        "How long the task has been due that is due longest.",
        labels=("provider",),
    )
    for provider, count, seconds in connection.execute(TASKS).fetchall():
        waiting.add_metric([provider], count)
        oldest.add_metric([provider], seconds)
    return [waiting, oldest]


def of_webhooks(connection: psycopg.Connection[Any]) -> list[GaugeMetricFamily]:
    """What is to be sent to endpoints, since when, and to whom nothing is sent."""
    messages = GaugeMetricFamily(
        "hesabu_webhook_messages",
        "Webhooks that wait to be sent, or that were given up and wait for a person.",
        labels=("state",),
    )
    oldest = GaugeMetricFamily(
        "hesabu_webhook_oldest_waiting_seconds",
        "How long the webhook has waited that waits longest for an endpoint that is enabled.",
    )
    endpoints = GaugeMetricFamily(
        "hesabu_webhook_endpoints",
        "Endpoints of webhooks, by state and by why they are disabled.",
        labels=("state", "reason"),
    )
    for state, count in connection.execute(WEBHOOK_MESSAGES).fetchall():
        messages.add_metric([state], count)
    row = connection.execute(WEBHOOK_OLDEST).fetchone()
    oldest.add_metric([], 0.0 if row is None else row[0])
    for state, reason, count in connection.execute(WEBHOOK_ENDPOINTS).fetchall():
        endpoints.add_metric([state, reason], count)
    return [messages, oldest, endpoints]


OF_API: Final = (of_log, of_suspense, of_inbox)
OF_DISPATCHER: Final = (of_tasks,)
OF_WEBHOOKS: Final = (of_webhooks,)
