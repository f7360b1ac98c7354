"""A fan sees what becomes of a payment while the prompt is on the phone: server-sent events.

event: payment_status    the payment as it is: at the beginning, and after each of its events
event: end               why the stream ends
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from api.doors import Doors, doors_of
from api.event_stream import (
    KEEP_ALIVE,
    LastEventId,
    documented_stream,
    event,
    last_position,
    streamed,
)
from api.rendering import rendered_payment
from api.responses import documented
from api.routers.fans import Involved, is_involved
from api.routers.parts import router
from ledger.errors import PaymentNotFound
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from projections.following import Watch
    from projections.payments import PaymentRead

routes = router("/payments/{payment_id}/events", "payments")

STREAM = documented_stream('event: payment_status\ndata: {"id": "…", "state": "succeeded"}\nid: 42')


@routes.get(
    "",
    status_code=200,
    response_class=Response,
    responses={**documented(PaymentNotFound, PositionNotReached, "too_many_streams"), **STREAM},
)
async def read_payment_events(
    payment_id: UUID, caller: Involved, request: Request, last_event_id: LastEventId = None
) -> Response:
    """What becomes of a payment, as server-sent events.

    It begins with the payment as it is. With `Last-Event-ID` that is never older than what was
    seen; a position that the log has not reached is 409. `data` of a `payment_status` is what
    `GET /payments/{payment_id}` answers as `data`.
    """
    doors = doors_of(request)
    after = last_position(request, last_event_id)
    with ExitStack() as opened:
        opened.callback(doors.event_streams.enter(caller))
        if after is not None:
            await doors.reader.wait_for(after)
        follower = doors.event_streams.follower
        watch = await follower.watch(payment_id, after=after or 0)
        opened.callback(follower.unwatch, watch)
        begun_at = watch.position
        read = await doors.payments.get(payment_id)
        if read is None or not is_involved(caller, read.payment):
            raise PaymentNotFound
        feed = _Feed(doors, watch, read, begun_at)
        return streamed(request, doors.event_streams, feed.events(), opened)


@dataclass(slots=True)
class _Feed:
    """What one client is told of a payment."""

    doors: Doors
    watch: Watch
    read: PaymentRead
    begun_at: int

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Each event as it is sent. Raises `ReadUnavailable`."""
        yield self._status(self.begun_at)
        while True:
            if not await self.watch.wait(self.doors.settings.event_stream_heartbeat_seconds):
                yield KEEP_ALIVE
                continue
            position = self.watch.take().position
            found = await self.doors.payments.get(self.read.payment.id)
            assert found is not None  # noqa: S101 - what is recorded stays
            before, self.read = self.read, found
            if before.payment.version != found.payment.version:
                yield self._status(position)

    def _status(self, position: int) -> bytes:
        data = rendered_payment(self.read.payment, self.read.position)
        return event("payment_status", data, position=position)
