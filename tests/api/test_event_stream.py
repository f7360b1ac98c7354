"""How a stream ends: by its token, its process, its source, or a client that does not read."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from api.auth import Caller, Role
from api.errors import ApiError
from api.event_stream import EventStream, event
from api.event_streams import EventStreams
from api.metrics import Metrics
from projections.reader import ReadUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from projections.following import Follower


class Client:
    """The other end of an answer."""

    def __init__(self, *, reads: int = 1_000, leaves: bool = False) -> None:
        self.sent: list[dict[str, Any]] = []
        self._reads = reads
        self._leaves = leaves

    async def receive(self) -> dict[str, Any]:
        if not self._leaves:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        if len(self.sent) >= self._reads:
            await asyncio.Event().wait()
        self.sent.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    @property
    def is_ended(self) -> bool:
        return self.sent[-1].get("more_body") is False


async def forever() -> AsyncGenerator[bytes, None]:
    while True:
        yield event("balance", {"n": 1}, position=7)
        await asyncio.sleep(0.01)


async def failing() -> AsyncGenerator[bytes, None]:
    yield event("balance", {"n": 1}, position=7)
    raise ReadUnavailable


async def broken() -> AsyncGenerator[bytes, None]:
    yield event("balance", {"n": 1}, position=7)
    raise KeyError("defect")


def streamed(
    client: Client,
    events: AsyncGenerator[bytes, None],
    *,
    seconds: float = 60.0,
    stops: bool = False,
    revoked_after: int | None = None,
) -> None:
    """Serve a stream to its end, whatever that is; then what it held was let go, once."""
    closed: list[None] = []

    async def serve() -> None:
        stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if stops:
            stopping.set_result(None)
        stream = EventStream(
            events,
            expires_at=time.time() + seconds,
            stopping=stopping,
            is_revoked=lambda: revoked_after is not None and len(client.sent) > revoked_after,
            close=lambda: closed.append(None),
            send_seconds_max=0.2,
        )
        async with asyncio.timeout(5):
            await stream({"type": "http"}, client.receive, client.send)

    try:
        asyncio.run(serve())
    finally:
        assert len(closed) == 1


def test_an_event_is_written_as_the_standard_has_it() -> None:
    sent = event("balance", {"text": "a\nb"}, position=42)
    assert sent == b'event: balance\ndata: {"text":"a\\nb"}\nid: 42\n\n'


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seconds": 0.1}, "token_expired"),
        ({"seconds": -5.0}, "token_expired"),
        ({"stops": True}, "server_stopping"),
        ({"revoked_after": 3}, "token_revoked"),
    ],
)
def test_a_stream_says_why_it_ends(options: dict[str, Any], reason: str) -> None:
    client = Client()
    streamed(client, forever(), **options)
    assert client.sent[0]["status"] == 200
    assert client.text.endswith(f'event: end\ndata: {{"reason":"{reason}"}}\n\n')
    assert client.is_ended


def test_a_stream_that_cannot_be_read_further_says_so() -> None:
    client = Client()
    streamed(client, failing())
    assert client.text.endswith('event: end\ndata: {"reason":"unavailable"}\n\n')
    assert client.is_ended


def test_a_defect_is_not_hidden_and_holds_no_place() -> None:
    with pytest.raises(KeyError):
        streamed(Client(), broken())


@pytest.mark.parametrize("reads", [2, 5])
def test_a_client_that_does_not_read_is_cut_off(reads: int) -> None:
    client = Client(reads=reads)
    streamed(client, forever())
    assert len(client.sent) == reads
    assert not client.is_ended


def test_of_a_client_that_is_gone_nothing_is_kept() -> None:
    client = Client(leaves=True)
    streamed(client, forever())
    assert "event: end" not in client.text


def test_places_are_counted_and_given_back() -> None:
    async def count() -> None:
        follower: Follower = None  # type: ignore[assignment]  # nobody watches here
        metrics = Metrics()
        streams = EventStreams(follower, metrics, streams_max=3, streams_of_subject_max=2)
        first, second = (
            Caller(Role.CREATOR, each, f"creator:{each}") for each in (uuid4(), uuid4())
        )

        def is_open() -> float | None:
            return metrics.registry.get_sample_value("hesabu_event_streams")

        leave = [streams.enter(first), streams.enter(first)]
        with pytest.raises(ApiError) as refused:
            streams.enter(first)
        assert refused.value.status_code == 429
        leave.append(streams.enter(second))
        assert is_open() == 3
        with pytest.raises(ApiError):
            streams.enter(second)
        for each in leave:
            each()
        assert is_open() == 0
        streams.enter(first)()

    asyncio.run(count())
