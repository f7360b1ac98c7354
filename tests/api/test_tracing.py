"""Spans are made only where somebody asks for them, and hold nothing that was sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr

from api.app import create_app
from api.settings import Settings
from tests.api.leaks import CANARY_NAME, PERSONAL, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.database.location import DatabaseLocation


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """Where the spans of this process go; the provider is the process's only one."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.mark.parametrize("tracing", [True, False])
def test_a_request_is_a_span_only_if_that_is_wanted(
    database: DatabaseLocation, spans: InMemorySpanExporter, tmp_path: Path, *, tracing: bool
) -> None:
    spans.clear()
    settings = Settings(
        data_directory=tmp_path, DATABASE_URL=SecretStr(database.owner_conninfo()), tracing=tracing
    )
    asyncio.run(_ask(settings))
    made = spans.get_finished_spans()
    assert len(made) == (2 if tracing else 0)
    for span in made:
        text = span.to_json()
        assert "/payments" in text
        assert not PERSONAL.search(text), text
        assert not TOKEN.search(text), text


async def _ask(settings: Settings) -> None:
    app = create_app(settings)
    headers = {"authorization": "Bearer eyJzcXpxenF6cXpx.e.e", "idempotency-key": CANARY_NAME}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://here", headers=headers
        ) as client,
    ):
        body = {"phone": "+254709481000", "name": CANARY_NAME}
        assert (await client.post("/api/v1/payments", json=body)).status_code == 401
        assert (await client.get(f"/api/v1/payments/{uuid4()}")).status_code == 401
