"""Numbers about this process, for Prometheus: requests, turns, outcomes, callbacks.

They are served on a port of their own (`HESABU_METRICS_PORT`), since they are for nobody outside.
No label ever holds what a caller sent: routes are their patterns, codes are ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    start_http_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.registry import Collector

    from api.settings import Settings
    from ledger.writer import RunTurn

REQUEST_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TURN_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
TURN_COMMANDS: Final = (1, 2, 5, 10, 25, 50, 100, 256, 1_000)


class Metrics:
    """What one process counts. Safe to use from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Histogram(
            "hesabu_http_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("method", "route", "status"),
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self._event_streams = Gauge(
            "hesabu_event_streams",
            "Streams of server-sent events that are open.",
            registry=self.registry,
        )
        self._turn_seconds = Histogram(
            "hesabu_turn_seconds",
            "Time that a turn took: lock, read, decide, write, commit.",
            buckets=TURN_SECONDS,
            registry=self.registry,
        )
        self._turn_commands = Histogram(
            "hesabu_turn_commands",
            "Commands in a turn.",
            buckets=TURN_COMMANDS,
            registry=self.registry,
        )
        self._queued = Gauge(
            "hesabu_queued_commands",
            "Commands that waited for the next turn when the last one ended.",
            registry=self.registry,
        )
        self._outcomes = Counter(
            "hesabu_outcomes",
            "What came of commands: recorded, replayed, or the code of a refusal or failure.",
            ("code",),
            registry=self.registry,
        )
        self._callbacks = Counter(
            "hesabu_callbacks",
            "What came of callbacks that were let in, by provider and verdict.",
            ("provider", "verdict"),
            registry=self.registry,
        )

        self._webhook_attempts = Counter(
            "hesabu_webhook_attempts",
            "How attempts to send a webhook ended: delivered, or why not.",
            ("outcome",),
            registry=self.registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is its pattern."""
        self._requests.labels(method, route, status).observe(seconds)

    def event_streams(self, count: int) -> None:
        """So many event streams are open now."""
        self._event_streams.set(count)

    def turn(self, turn: RunTurn) -> None:
        """A turn was run: the ledger's observer."""
        self._turn_seconds.observe(turn.seconds)
        self._turn_commands.observe(len(turn.outcomes))
        self._queued.set(turn.queued)
        counts: dict[str, int] = {}
        for outcome in turn.outcomes:
            recorded = "replayed" if outcome.replayed else "recorded"
            code = recorded if outcome.error is None else outcome.error.code
            counts[code] = counts.get(code, 0) + 1
        for code, count in counts.items():
            self._outcomes.labels(code).inc(count)

    def callback(self, provider: str, verdict: str) -> None:
        """A callback was let in; `provider` is one that is configured."""
        self._callbacks.labels(provider, verdict).inc()

    def webhook_attempt(self, outcome: str) -> None:
        """An attempt to send a webhook ended."""
        self._webhook_attempts.labels(outcome).inc()


@contextmanager
def served(metrics: Metrics, settings: Settings, *about: Collector) -> Iterator[None]:
    """Serve a process's metrics while it runs, if a port is set for them; and those `about` more.

    Raises `OSError` when the port is taken.
    """
    if settings.metrics_port is None:
        yield
        return
    for collector in about:
        metrics.registry.register(collector)
    server, thread = start_http_server(
        settings.metrics_port, addr=settings.metrics_host, registry=metrics.registry
    )
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
