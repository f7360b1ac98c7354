"""What became of messages, for their owners and for admins: seen, sent again, ignored, replayed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID, uuid4

from api.webhooks_out.endpoint_statements import CHANGE, ONCE, OWNED
from api.webhooks_out.endpoints import EndpointNotFound
from api.webhooks_out.message_types import TEST_TYPE
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from api.webhooks_out.endpoints import Asked, Done, WebhookEndpoints
    from projections.reader import Reader

ATTEMPTS_SHOWN_MAX: Final = 20

TEST: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE {OWNED} {ONCE}),
    woken AS (
        UPDATE webhook_endpoints SET due_at = now()
        FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    )
    INSERT INTO webhook_messages (endpoint_id, run, webhook_id, type, stream_id)
    SELECT endpoint_id, %(subject_id)b::uuid, %(webhook_id)b::text, %(type)b::text,
           %(subject_id)b::uuid
    FROM change RETURNING number
"""  # noqa: S608 - of constants
REDELIVER: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE {OWNED}
                    AND EXISTS (SELECT FROM webhook_messages WHERE number = %(number)b::bigint
                                AND webhook_messages.endpoint_id = %(endpoint_id)b::uuid) {ONCE}),
    woken AS (
        UPDATE webhook_endpoints SET due_at = now()
        FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    )
    UPDATE webhook_messages
    SET due_at = now(), tries = 0,
        -- One that waits keeps its place in its stream; what was ended goes by itself.
        run = CASE WHEN state = 'waiting' THEN run ELSE %(subject_id)b::uuid END,
        state = 'waiting', ended_at = NULL
    FROM change WHERE number = %(number)b::bigint
    RETURNING number
"""  # noqa: S608 - of constants
IGNORE: Final = f"""
    WITH change AS ({CHANGE} FROM webhook_endpoints WHERE endpoint_id = %(endpoint_id)b::uuid
                    AND EXISTS (SELECT FROM webhook_messages WHERE number = %(number)b::bigint
                                AND webhook_messages.endpoint_id = %(endpoint_id)b::uuid) {ONCE}),
    woken AS (
        UPDATE webhook_endpoints SET due_at = now()
        FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    )
    UPDATE webhook_messages
    SET state = CASE WHEN state IN ('waiting', 'dead') THEN 'ignored' ELSE state END,
        ended_at = coalesce(ended_at, now())
    FROM change WHERE number = %(number)b::bigint
    RETURNING number
"""  # noqa: S608 - of constants
REPLAY: Final = f"""
    WITH head AS (SELECT max(position) AS position FROM turns),
    is_open AS (SELECT FROM webhook_replays
                WHERE webhook_replays.endpoint_id = %(endpoint_id)b::uuid AND ended_at IS NULL),
    change AS ({CHANGE} FROM webhook_endpoints, head
               WHERE {OWNED} AND NOT EXISTS (SELECT FROM is_open)
                 AND %(after_position)b::bigint <= head.position {ONCE}),
    woken AS (
        UPDATE webhook_endpoints SET due_at = now()
        FROM change WHERE webhook_endpoints.endpoint_id = change.endpoint_id
    ),
    begun AS (
        INSERT INTO webhook_replays
            (replay_id, endpoint_id, after_position, until_position, cursor)
        SELECT %(subject_id)b::uuid, endpoint_id, %(after_position)b::bigint, head.position,
               %(after_position)b::bigint
        FROM change, head
    )
    SELECT EXISTS (SELECT FROM change), EXISTS (SELECT FROM is_open), (SELECT position FROM head)
"""  # noqa: S608 - of constants
READ_REPLAY: Final = """
    SELECT replay_id, after_position, until_position, created_at, ended_at
    FROM webhook_replays WHERE replay_id =
        (SELECT subject_id FROM webhook_endpoint_changes
         WHERE actor = %b::text AND idempotency_key = %b::text)
"""

DELIVERY: Final = """
    number, webhook_messages.endpoint_id, creator_id, webhook_id, type, position, stream_id, run,
    webhook_messages.state, CASE WHEN webhook_messages.state = 'waiting'
        THEN greatest(webhook_messages.due_at, paused_until) END,
    webhook_messages.created_at, ended_at
"""
PAGE: Final = f"""
    SELECT {DELIVERY} FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE webhook_messages.endpoint_id = %(endpoint_id)b::uuid
      AND number < %(before)b::bigint
      AND (%(state)b::text IS NULL OR webhook_messages.state = %(state)b::text)
    ORDER BY number DESC LIMIT %(limit)b::integer
"""  # noqa: S608 - of constants
QUEUE_OF_DEAD: Final = f"""
    SELECT {DELIVERY} FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE webhook_messages.state = 'dead' AND number < %(before)b::bigint
    ORDER BY number DESC LIMIT %(limit)b::integer
"""  # noqa: S608 - of constants
QUEUE_OF_WAITING: Final = f"""
    SELECT {DELIVERY} FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE webhook_messages.state = 'waiting' AND number < %(before)b::bigint
    ORDER BY number DESC LIMIT %(limit)b::integer
"""  # noqa: S608 - of constants
READ_ONE: Final = f"""
    SELECT {DELIVERY} FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE number = %b::bigint
"""  # noqa: S608 - of constants
READ_ONE_BY_KEY: Final = f"""
    SELECT {DELIVERY} FROM webhook_messages JOIN webhook_endpoints USING (endpoint_id)
    WHERE stream_id = (SELECT subject_id FROM webhook_endpoint_changes
                       WHERE actor = %b::text AND idempotency_key = %b::text)
      AND webhook_messages.endpoint_id = %b::uuid
    ORDER BY number DESC LIMIT 1
"""  # noqa: S608 - of constants
ATTEMPTS: Final = """
    SELECT wanted.number, attempted_at, milliseconds, status, error
    FROM unnest(%b::bigint[]) AS wanted (number)
    CROSS JOIN LATERAL (
        SELECT attempt_id, attempted_at, milliseconds, status, error FROM webhook_attempts
        WHERE webhook_attempts.number = wanted.number
        ORDER BY attempt_id DESC LIMIT %b::integer
    ) AS attempts
    ORDER BY attempt_id
"""


class Attempt(NamedTuple):
    """One try."""

    attempted_at: datetime
    milliseconds: int
    status: int | None
    error: str | None


class Delivery(NamedTuple):
    """A message to an endpoint, and how it stands. A test has no position."""

    number: int
    endpoint_id: UUID
    creator_id: UUID | None
    webhook_id: str
    type: str
    position: int | None
    stream_id: UUID
    run: UUID
    state: str
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class Shown(NamedTuple):
    """A delivery with its latest tries, in their order."""

    delivery: Delivery
    attempts: list[Attempt]


class Replay(NamedTuple):
    """A second reading of the log for an endpoint, up to where it ended when it was asked for."""

    id: UUID
    after_position: int
    until_position: int
    created_at: datetime
    ended_at: datetime | None


class DeliveryNotFound(Exception):
    """There is no such message, or it is another endpoint's."""


class ReplayUnderWay(Exception):
    """An endpoint has one replay at a time."""


class WebhookDeliveries:
    """Messages and what became of them, for the doors. Methods raise `ReadUnavailable`."""

    def __init__(self, tables: Reader, endpoints: WebhookEndpoints) -> None:
        self._tables = tables
        self._endpoints = endpoints

    async def page(
        self, endpoint_id: UUID, *, state: str | None, before: int, limit: int
    ) -> list[Shown]:
        """Messages of an endpoint, the newest first."""
        return await self._shown(
            await self._tables.fetch(
                PAGE,
                {"endpoint_id": endpoint_id, "state": state, "before": before, "limit": limit},
            )
        )

    async def queue(self, *, dead: bool, before: int, limit: int) -> list[Shown]:
        """Messages of everybody that are given up, or that wait; the newest first."""
        statement = QUEUE_OF_DEAD if dead else QUEUE_OF_WAITING
        return await self._shown(
            await self._tables.fetch(statement, {"before": before, "limit": limit})
        )

    async def one(self, number: int) -> Shown:
        """One message, whose ever it is. Raises `DeliveryNotFound`."""
        found = await self._shown(await self._tables.fetch(READ_ONE, [number]))
        if not found:
            raise DeliveryNotFound
        return found[0]

    async def test(self, asked: Asked) -> tuple[Shown, bool]:
        """Send a test message; it, and whether it had been asked for before.

        Raises `EndpointNotFound`, or `DeliveryNotFound` where it was long ago.
        """
        subject_id = uuid4()
        done = await self._endpoints.change(
            asked,
            TEST,
            {
                **asked.parameters("tested"),
                "subject_id": subject_id,
                "webhook_id": f"msg_{subject_id.hex}",
                "type": TEST_TYPE,
            },
        )
        found = await self._shown(
            await self._tables.fetch(
                READ_ONE_BY_KEY, [asked.key.scope, asked.key.key, asked.endpoint_id]
            )
        )
        if not found:
            raise DeliveryNotFound
        return found[0], done.replayed

    async def redeliver(self, asked: Asked, number: int) -> tuple[Shown, bool]:
        """Send a message again, now. Raises `DeliveryNotFound`, or `EndpointNotFound`."""
        return await self._on_one(asked, number, "redelivered")

    async def ignore(self, asked: Asked, number: int) -> tuple[Shown, bool]:
        """Give a message up for good: those behind it in its stream go on."""
        return await self._on_one(asked, number, "ignored")

    async def replay(self, asked: Asked, after_position: int) -> tuple[Replay, bool]:
        """Read the log again for an endpoint.

        Raises `EndpointNotFound`, `ReplayUnderWay` or `PositionNotReached`.
        """
        [(done, is_open, head)] = await self._tables.fetch(
            REPLAY,
            {
                **asked.parameters("replayed"),
                "subject_id": uuid4(),
                "after_position": after_position,
            },
        )
        before: Done | None = None
        if not done:
            before = await self._endpoints.replayed(asked)
            if before is None:
                await self._endpoints.read(asked.endpoint_id, asked.creator_id)
                if is_open:
                    raise ReplayUnderWay
                raise PositionNotReached(wanted=after_position, head=head)
        [row] = await self._tables.fetch(READ_REPLAY, [asked.key.scope, asked.key.key])
        return Replay(*row), before is not None

    async def _on_one(self, asked: Asked, number: int, change: str) -> tuple[Shown, bool]:
        statement = REDELIVER if change == "redelivered" else IGNORE
        parameters: dict[str, Any] = {
            **asked.parameters(change),
            "subject_id": uuid4(),
            "number": number,
        }
        try:
            done = await self._endpoints.change(asked, statement, parameters)
        except EndpointNotFound:
            await self._endpoints.read(asked.endpoint_id, asked.creator_id)
            raise DeliveryNotFound from None
        return await self.one(number), done.replayed

    async def _shown(self, rows: list[tuple[Any, ...]]) -> list[Shown]:
        deliveries = [Delivery(*row) for row in rows]
        attempts: dict[int, list[Attempt]] = {each.number: [] for each in deliveries}
        found = await self._tables.fetch(ATTEMPTS, [list(attempts), ATTEMPTS_SHOWN_MAX])
        for number, *attempt in found:
            attempts[number].append(Attempt(*attempt))
        return [Shown(each, attempts[each.number]) for each in deliveries]
