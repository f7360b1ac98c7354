"""Who gets webhooks: endpoints as their owners make, change and delete them, and what was done.

Each change is one statement: a row that stays says who did what, and what it does is done with it
or not at all. The row has the request's idempotency key, so a repetition finds it and changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from api.webhooks_out import endpoint_statements as sql
from api.webhooks_out.secrets import SealedSecret, new_secret, unseal_secret
from ledger.errors import IdempotencyKeyReused
from ledger.key_store import KeyDestroyedError
from projections.reader import PositionNotReached

if TYPE_CHECKING:
    from typing import LiteralString

    from ledger.commands import IdempotencyKey
    from ledger.key_store import KeyStore
    from projections.reader import Reader

SHOWN_AGAIN_FOR: Final = timedelta(minutes=10)
"""Whoever lost the answer with a secret may ask for it again, with the same key, for so long."""


class Endpoint(NamedTuple):
    """An endpoint as it stands. Messages were made up to `position`."""

    id: UUID
    creator_id: UUID | None
    url: str
    types: list[str]
    state: str
    reason: str | None
    created_at: datetime
    after_position: int
    position: int
    failing_since: datetime | None
    succeeded_at: datetime | None
    disabled_at: datetime | None
    waiting: int
    dead: int


class RecordedChange(NamedTuple):
    """What somebody did to an endpoint."""

    id: int
    recorded_at: datetime
    endpoint_id: UUID
    creator_id: UUID | None
    actor: str
    change: str
    url: str | None
    types: list[str] | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a change of whose endpoint, under which key."""

    key: IdempotencyKey
    request_id: UUID
    endpoint_id: UUID
    creator_id: UUID | None

    def parameters(self, change: str) -> dict[str, Any]:
        """What every statement that changes something needs."""
        return {
            "endpoint_id": self.endpoint_id,
            "creator_id": self.creator_id,
            "actor": self.key.scope,
            "change": change,
            "url": None,
            "types": None,
            "subject_id": None,
            "request_id": self.request_id,
            "key": self.key.key,
            "fingerprint": self.key.fingerprint,
        }


class Wanted(NamedTuple):
    """What an endpoint is to be."""

    url: str
    types: list[str]
    enabled: bool = True


class Done(NamedTuple):
    """An endpoint after what was asked, or after the first time that it was."""

    endpoint: Endpoint
    replayed: bool
    secret: str | None = None


class EndpointNotFound(Exception):
    """There is no such endpoint, or it is somebody else's."""


class TooManyEndpoints(Exception):
    """Its owner has as many as they may."""


class WebhookEndpoints:
    """The endpoints of everybody, for the doors. Methods raise `ReadUnavailable`.

    What changes something raises `EndpointNotFound`, and `IdempotencyKeyReused` for a key that was
    another request's.
    """

    def __init__(
        self, tables: Reader, key_store: KeyStore, *, endpoints_max: int, overlap_seconds: int
    ) -> None:
        self._tables = tables
        self._key_store = key_store
        self._endpoints_max = endpoints_max
        self._overlap_seconds = overlap_seconds

    async def read(self, endpoint_id: UUID, creator_id: UUID | None) -> Endpoint:
        """One of an owner. Raises `EndpointNotFound`."""
        found = await self._tables.fetch(
            sql.READ, {"endpoint_id": endpoint_id, "creator_id": creator_id}
        )
        if not found:
            raise EndpointNotFound
        return Endpoint(*found[0])

    async def of_owner(self, creator_id: UUID | None) -> list[Endpoint]:
        """All of an owner, the oldest first: never so many that they need another page."""
        return [Endpoint(*row) for row in await self._tables.fetch(sql.LIST, [creator_id])]

    async def changes(self, *, before: int, limit: int) -> list[RecordedChange]:
        """What was done to endpoints, the newest first."""
        return [
            RecordedChange(*row) for row in await self._tables.fetch(sql.CHANGES, [before, limit])
        ]

    async def create(self, asked: Asked, wanted: Wanted, after_position: int | None) -> Done:
        """Make an endpoint. Raises `TooManyEndpoints`, or `PositionNotReached`."""
        secret = new_secret(self._key_store, asked.endpoint_id)
        [(done, is_room, head)] = await self._tables.fetch(
            sql.CREATE,
            {
                **asked.parameters("created"),
                **_sealed(secret.sealed),
                "url": wanted.url,
                "types": wanted.types,
                "after_position": after_position,
                "endpoints_max": self._endpoints_max,
            },
        )
        if done:
            return Done(await self._now(asked.endpoint_id), replayed=False, secret=secret.text)
        self._key_store.destroy(secret.sealed.key_id)
        replayed = await self.replayed(asked)
        if replayed is not None:
            return replayed
        if not is_room:
            raise TooManyEndpoints
        raise PositionNotReached(wanted=after_position or 0, head=head)

    async def update(self, asked: Asked, wanted: Wanted) -> Done:
        """Change where to, what, and whether at all. What failed before is forgotten."""
        change = {
            **asked.parameters("changed" if wanted.enabled else "disabled"),
            **wanted._asdict(),
        }
        return await self.change(asked, sql.UPDATE, change)

    async def delete(self, asked: Asked) -> Done:
        """Send it nothing more, and forget its secrets."""
        rows = await self._tables.fetch(sql.DELETE, asked.parameters("deleted"))
        if not rows:
            return await self._was_done(asked)
        self._key_store.destroy(*rows[0][0])
        return Done(await self._now(asked.endpoint_id), replayed=False)

    async def rotate(self, asked: Asked) -> Done:
        """Make another secret. The old one signs beside it for a while."""
        secret = new_secret(self._key_store, asked.endpoint_id)
        rows = await self._tables.fetch(
            sql.ROTATE,
            {
                **asked.parameters("secret_rotated"),
                **_sealed(secret.sealed),
                "overlap": float(self._overlap_seconds),
            },
        )
        if not rows:
            self._key_store.destroy(secret.sealed.key_id)
            return await self._was_done(asked)
        return Done(await self._now(asked.endpoint_id), replayed=False, secret=secret.text)

    async def change(
        self, asked: Asked, statement: LiteralString, parameters: dict[str, Any]
    ) -> Done:
        """Run a statement that answers with a row if it did something."""
        if not await self._tables.fetch(statement, parameters):
            return await self._was_done(asked)
        return Done(await self._now(asked.endpoint_id), replayed=False)

    async def replayed(self, asked: Asked) -> Done | None:
        """What the same request led to before; None if it is new."""
        found = await self._tables.fetch(
            sql.READ_KEY,
            {"actor": asked.key.scope, "key": asked.key.key, "shown": SHOWN_AGAIN_FOR},
        )
        if not found:
            return None
        endpoint_id, subject_id, fingerprint, is_recent = found[0]
        if fingerprint != asked.key.fingerprint:
            raise IdempotencyKeyReused
        secret = await self._shown_again(endpoint_id, subject_id) if is_recent else None
        return Done(await self._now(endpoint_id), replayed=True, secret=secret)

    async def _was_done(self, asked: Asked) -> Done:
        replayed = await self.replayed(asked)
        if replayed is None:
            raise EndpointNotFound
        return replayed

    async def _now(self, endpoint_id: UUID) -> Endpoint:
        [row] = await self._tables.fetch(sql.READ_ANY, [endpoint_id])
        return Endpoint(*row)

    async def _shown_again(self, endpoint_id: UUID, secret_id: UUID | None) -> str | None:
        found = await self._tables.fetch(sql.READ_SEALED, [secret_id])
        try:
            return unseal_secret(self._key_store, endpoint_id, SealedSecret(*found[0]))
        except (IndexError, KeyDestroyedError):
            return None


def _sealed(secret: SealedSecret) -> dict[str, Any]:
    return {
        "subject_id": secret.secret_id,
        "key_id": secret.key_id,
        "ciphertext": secret.ciphertext,
    }
