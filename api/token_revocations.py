"""Which tokens are refused before they expire: one by its `jti`, or a subject's older ones.

A revocation is a row that stays. Each process reads new ones every second, so that a token is
refused everywhere within two; the process that took the revocation refuses it at once. While the
database is away nothing new is heard, and nothing can be moved either.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from projections.reader import Reader

logger = structlog.get_logger()

POLL_SECONDS: Final = 1.0
CLOCK_SKEW_SECONDS_MAX: Final = 60
"""By so much may an issuer's clock be ahead of ours, at most."""
TOKEN_ID_LENGTH_MAX: Final = 128
"""Of a `jti`; a token with a longer one is refused, since it could not be revoked."""

INSERT: Final = """
    WITH one_after_the_other AS MATERIALIZED (
        -- Ids in the order of commits, so that whoever reads on from the last one skips none.
        SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ': revocations', 0))
    )
    INSERT INTO token_revocations
        (revoked_by, reason, token_id, subject, not_before, matters_until)
    SELECT %b::text, %b::text, %b::text, %b::uuid, instant.not_before,
           now() + make_interval(secs => %b::integer)
    FROM one_after_the_other, (SELECT CASE WHEN %b::uuid IS NOT NULL
        THEN least(coalesce(%b::timestamptz, now()), now()) END AS not_before) AS instant
    RETURNING revocation_id, recorded_at, not_before
"""

NEWER: Final = """
    SELECT revocation_id, token_id, subject, not_before, matters_until FROM token_revocations
    WHERE revocation_id > %b::bigint AND matters_until > now() ORDER BY revocation_id
"""

PAGE: Final = """
    SELECT revocation_id, recorded_at, revoked_by, reason, token_id, subject, not_before
    FROM token_revocations WHERE revocation_id < %b::bigint
    ORDER BY revocation_id DESC LIMIT %b::integer
"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """What is revoked, by whom and why. `not_before` is cut to now: none lies in the future."""

    revoked_by: str
    reason: str
    token_id: str | None = None
    subject: UUID | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordedRevocation:
    """A revocation as it was recorded."""

    revocation_id: int
    recorded_at: datetime
    revocation: Revocation


class TokenRevocations:
    """The revocations that matter, in memory. Used in one event loop."""

    def __init__(
        self, reader: Reader, *, lifetime_seconds_max: int, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._reader = reader
        self._matters_seconds = lifetime_seconds_max + CLOCK_SKEW_SECONDS_MAX
        self._poll_seconds = poll_seconds
        self._newest = 0
        self._tokens: dict[str, float] = {}
        self._subjects: dict[UUID, tuple[float, float]] = {}
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read what there is, then follow. Raises `ReadUnavailable` when that is not possible.

        A process that did not know what is revoked must let nobody in.
        """
        await self._read_on()
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def is_revoked(self, *, token_id: str | None, subject: UUID, issued_at: int) -> bool:
        """Whether a token is revoked. Of the second of `not_before` none is believed."""
        if token_id is not None and token_id in self._tokens:
            return True
        of_subject = self._subjects.get(subject)
        return of_subject is not None and issued_at <= of_subject[0]

    async def revoke(self, revocation: Revocation) -> RecordedRevocation:
        """Record it, and refuse what it names from now on. Raises `ReadUnavailable`."""
        [(revocation_id, recorded_at, not_before)] = await self._reader.fetch(
            INSERT,
            [
                revocation.revoked_by,
                revocation.reason,
                revocation.token_id,
                revocation.subject,
                self._matters_seconds,
                revocation.subject,
                revocation.not_before,
            ],
        )
        self._remember(
            revocation.token_id, revocation.subject, not_before, time.time() + self._matters_seconds
        )
        logger.info("tokens_revoked", revocation_id=revocation_id, by=revocation.revoked_by)
        recorded = Revocation(
            revocation.revoked_by,
            revocation.reason,
            revocation.token_id,
            revocation.subject,
            not_before,
        )
        return RecordedRevocation(revocation_id, recorded_at, recorded)

    async def page(self, *, before: int, limit: int) -> list[RecordedRevocation]:
        """Recorded revocations, the newest first, from the one before `before`."""
        found = await self._reader.fetch(PAGE, [before, limit])
        return [
            RecordedRevocation(revocation_id, recorded_at, Revocation(*rest))
            for revocation_id, recorded_at, *rest in found
        ]

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._read_on()
            except Unavailable:
                # Said once a second by everything else that needs the database.
                continue
            self._forget()

    async def _read_on(self) -> None:
        rows: list[tuple[Any, ...]] = await self._reader.fetch(NEWER, [self._newest])
        for revocation_id, token_id, subject, not_before, matters_until in rows:
            self._remember(token_id, subject, not_before, matters_until.timestamp())
            self._newest = revocation_id

    def _remember(
        self,
        token_id: str | None,
        subject: UUID | None,
        not_before: datetime | None,
        matters_until: float,
    ) -> None:
        if token_id is not None:
            self._tokens[token_id] = matters_until
        if subject is not None and not_before is not None:
            instant, until = self._subjects.get(subject, (0.0, 0.0))
            later = max(instant, not_before.timestamp())
            self._subjects[subject] = (later, max(until, matters_until))

    def _forget(self) -> None:
        now = time.time()
        for token_id in [each for each, until in self._tokens.items() if until < now]:
            del self._tokens[token_id]
        for subject in [each for each, (_, until) in self._subjects.items() if until < now]:
            del self._subjects[subject]
