"""What proves an event? The callbacks that it rests on, and whether what is kept is still that.

A body is personal data: it is unsealed only to be hashed, and its bytes leave this module nowhere.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag

from ledger.inbox import hash_of_kept
from ledger.key_store import KeyDestroyedError

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.key_store import KeyStore
    from projections.reader import Reader

EVENTS_MAX: Final = 50
"""So many events of a stream, up to the one in question, are looked through for evidence."""

CAUSED_BY: Final = re.compile(r"^(?:callback|reprocess|ignore):([0-9a-f-]{36})$")
"""How an event names the entry of the inbox that led to it."""

READ_EARLIER: Final = """
    SELECT wanted.number, earlier.notification_id, earlier.topic, earlier.state
    FROM unnest(%(streams)b::uuid[], %(versions)b::bigint[])
        WITH ORDINALITY AS wanted (stream_id, version, number)
    CROSS JOIN LATERAL (
        SELECT notification_id, topic, state FROM ledger_events
        WHERE originator_id = wanted.stream_id AND originator_version <= wanted.version
        ORDER BY originator_version DESC LIMIT %(limit)b::bigint
    ) AS earlier
    ORDER BY wanted.number, earlier.notification_id
"""

READ_KEPT: Final = """
    SELECT inbox_id, provider, received_at, verdict, copies, key_id, body_hash, ciphertext
    FROM unnest(%b::uuid[]) AS wanted (inbox_id) JOIN inbox USING (inbox_id)
"""


class BodyState(StrEnum):
    """Whether the kept bytes of a callback are what its event says."""

    MATCHES = "matches"
    DIFFERS = "differs"
    FORGOTTEN = "forgotten"
    """Its key was destroyed: nobody can read it, and the hash in the event stays."""
    NOT_KEPT = "not_kept"
    """The inbox has no such entry: it keeps the first copy of a callback, and this was another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A callback that led to the event at `position`, by the hash of its salted body.

    `inbox_id`, provider, time, verdict and number of copies are None where it was not kept.
    """

    position: int
    topic: str
    sha256: str
    body: BodyState
    inbox_id: UUID | None = None
    provider: str | None = None
    received_at: datetime | None = None
    verdict: str | None = None
    copies: int | None = None


class _Claim(NamedTuple):
    position: int
    topic: str
    sha256: str
    inbox_id: UUID | None


async def evidence_of(
    reader: Reader, key_store: KeyStore, places: list[tuple[UUID, int]]
) -> list[list[Evidence]]:
    """For each stream and version: the evidence of its events up to there, oldest first.

    Raises `ReadUnavailable`.
    """
    wanted = list(dict.fromkeys(places))
    parameters = {
        "streams": [stream for stream, _ in wanted],
        "versions": [version for _, version in wanted],
        "limit": EVENTS_MAX,
    }
    claims: dict[tuple[UUID, int], list[_Claim]] = {}
    for number, *event in await reader.fetch(READ_EARLIER, parameters):
        if (claim := _claim(*event)) is not None:
            claims.setdefault(wanted[number - 1], []).append(claim)
    kept = await _kept(reader, claims.values())
    checked = await asyncio.to_thread(_check, key_store, claims, kept)
    return [checked.get(place, []) for place in places]


def _claim(position: int, topic: str, state: bytes) -> _Claim | None:
    try:
        fields = orjson.loads(state)
    except orjson.JSONDecodeError:
        return None
    if (sha256 := fields.get("evidence")) is None:
        return None
    cause = CAUSED_BY.match(fields.get("causation_id", ""))
    return _Claim(position, topic, sha256, None if cause is None else UUID(cause[1]))


async def _kept(reader: Reader, claims: Any) -> dict[UUID, tuple[Any, ...]]:  # noqa: ANN401 - a view of a dictionary
    ids = {each.inbox_id for some in claims for each in some if each.inbox_id is not None}
    if not ids:
        return {}
    return {row[0]: row for row in await reader.fetch(READ_KEPT, [sorted(ids)])}


def _check(
    key_store: KeyStore,
    claims: dict[tuple[UUID, int], list[_Claim]],
    kept: dict[UUID, tuple[Any, ...]],
) -> dict[tuple[UUID, int], list[Evidence]]:
    known: dict[_Claim, Evidence] = {}
    for some in claims.values():
        for claim in some:
            if claim not in known:
                row = None if claim.inbox_id is None else kept.get(claim.inbox_id)
                known[claim] = _evidence(key_store, claim, row)
    return {place: [known[claim] for claim in some] for place, some in claims.items()}


def _evidence(key_store: KeyStore, claim: _Claim, row: tuple[Any, ...] | None) -> Evidence:
    told = Evidence(
        position=claim.position,
        topic=claim.topic,
        sha256=claim.sha256,
        body=BodyState.NOT_KEPT,
    )
    if row is None:
        return told
    inbox_id, provider, received_at, verdict, copies, key_id, body_hash, ciphertext = row
    same = body_hash == claim.sha256
    return replace(
        told,
        body=_body(key_store, claim.sha256, inbox_id, key_id, ciphertext)
        if same
        else BodyState.DIFFERS,
        inbox_id=inbox_id,
        provider=provider,
        received_at=received_at,
        verdict=verdict,
        copies=copies,
    )


def _body(
    key_store: KeyStore, sha256: str, inbox_id: UUID, key_id: UUID, ciphertext: bytes
) -> BodyState:
    try:
        found = hash_of_kept(key_store, inbox_id=inbox_id, key_id=key_id, ciphertext=ciphertext)
    except KeyDestroyedError:
        return BodyState.FORGOTTEN
    except InvalidTag:
        return BodyState.DIFFERS
    return BodyState.MATCHES if found == sha256 else BodyState.DIFFERS
