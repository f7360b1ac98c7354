"""A creator sees money arrive: a stream of server-sent events, resumed where it broke off.

    event: payment    a payment that brought the creator money, once
    event: balance    all balances, at the beginning and whenever they have changed
    event: reset      more was missed than is told again; the lists have it
    event: end        why the stream ends

An id is a position: everything up to it was told. `position` in the data is where that is true,
which may be a little later.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
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
from api.responses import documented
from api.routers.creators import CreatorOrAdmin, rendered_balance
from api.routers.parts import own_creator, router
from ledger.errors import CreatorNotFound
from projections.following import Arrival, missed_arrivals
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from projections.balances import CreatorBalances
    from projections.following import Watch
    from projections.payments import PaymentView

routes = router("/creators/{creator_id}/events", "creators")

STREAM = documented_stream('event: balance\ndata: {"creator_id": "…", "balances": […]}\nid: 42')


@routes.get(
    "",
    status_code=200,
    response_class=Response,
    responses={**documented(CreatorNotFound, PositionNotReached, "too_many_streams"), **STREAM},
)
async def read_creator_events(
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    last_event_id: LastEventId = None,
) -> Response:
    """Balances and payments as they change, as server-sent events.

    It begins with the balance as it is. With `Last-Event-ID` the payments since come first, each
    once; a position that the log has not reached is 409. `data` of a `balance` is what
    `GET /creators/{creator_id}/balance` answers as `data`; of a `payment`, an item of
    `GET /creators/{creator_id}/payments` and a `position`.
    """
    own_creator(caller, creator_id)
    doors = doors_of(request)
    after = last_position(request, last_event_id)
    with ExitStack() as opened:
        opened.callback(doors.event_streams.enter(caller))
        feed = await _feed(doors, creator_id, after, opened)
        return streamed(request, doors.event_streams, feed.events(), opened)


async def _feed(
    doors: Doors, creator_id: UUID, after: int | None, opened: ExitStack
) -> CreatorFeed:
    if after is not None:
        await doors.reader.wait_for(after)
    follower = doors.event_streams.follower
    watch = await follower.watch(creator_id, after=after or 0)
    opened.callback(follower.unwatch, watch)
    begun_at = watch.position
    missed: list[Arrival] | None = []
    if after is not None:
        missed = await missed_arrivals(doors.reader, creator_id, after=after, until=begun_at)
    balances = await doors.balances.of_creator(creator_id)
    if balances is None:
        raise CreatorNotFound
    return CreatorFeed(doors, watch, creator_id, balances, missed, begun_at)


@dataclass(slots=True)
class CreatorFeed:
    """What one client is told: `missed` payments first, None if they are too many.

    They are those up to `begun_at`. The watch may have gone on since; what it was told of after
    that comes later, so nothing sent before may have a later id.
    """

    doors: Doors
    watch: Watch
    creator_id: UUID
    balances: CreatorBalances
    missed: list[Arrival] | None
    begun_at: int

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Each event as it is sent. Raises `ReadUnavailable`."""
        for sent in await self._payments(self.missed, self.begun_at):
            yield sent
        yield self._balance(self.begun_at)
        while True:
            if not await self.watch.wait(self.doors.settings.event_stream_heartbeat_seconds):
                yield KEEP_ALIVE
                continue
            news = self.watch.take()
            for sent in await self._payments(None if news.lost else news.arrivals, news.position):
                yield sent
            if await self._changed():
                yield self._balance(news.position)

    async def _changed(self) -> bool:
        """Ask for the balances; whether they are other ones than those that were sent."""
        found = await self.doors.balances.of_creator(self.creator_id)
        assert found is not None  # noqa: S101 - nothing unregisters a creator
        before, self.balances = self.balances, found
        return _shown(before) != _shown(found)

    def _balance(self, position: int) -> bytes:
        data = rendered_balance(self.creator_id, self.balances)
        return event("balance", data, position=position)

    async def _payments(self, arrivals: list[Arrival] | None, position: int) -> list[bytes]:
        if arrivals is None:
            return [event("reset", {"position": position}, position=position)]
        # Asked for together, so that they are read together.
        asked = (self.doors.payments.get(arrival.payment_id) for arrival in arrivals)
        reads = await asyncio.gather(*asked)
        return [
            event("payment", _payment(read.payment, read.position), position=arrival.position)
            for arrival, read in zip(arrivals, reads, strict=True)
            if read is not None
        ]


def _shown(balances: CreatorBalances) -> tuple[object, ...]:
    """What a client would see change, besides positions."""
    release = balances.next_release
    upcoming = None if release is None else (release["at"], release["amount"], release["currency"])
    return balances.changed_position, upcoming


def _payment(view: PaymentView, position: int) -> dict[str, Any]:
    of = view.invoice
    return {
        "id": view.id,
        "state": view.state,
        "purpose": view.purpose,
        "reference": view.reference,
        "subscription_id": None if of is None else of.subscription_id,
        "invoice_id": None if of is None else of.invoice_id,
        "method": view.method,
        "money": {"amount": view.money.amount, "currency": view.money.currency},
        "split": {"fee": view.split.fee, "vat": view.split.vat, "net": view.split.net},
        "initiated_at": view.initiated_at,
        "ended_at": view.ended_at,
        "position": position,
    }
