"""What every request carries, and what a provider's callback carries besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.inbox import InboxEntry
    from ledger.journal import AccountKey
    from ledger.vault import VaultEntry

IDEMPOTENCY_KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Who asks (`scope`), their key, and an HMAC of the request so that a reuse is noticed.

    Natural keys (a callback's, the dispatcher's) have no fingerprint and hold for ever; a
    caller's key is kept 30 days.
    """

    scope: str
    key: str
    fingerprint: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every request carries.

    `vault_entries` are written in the same transaction if the command succeeds.
    """

    key: IdempotencyKey
    actor: str
    correlation_id: UUID
    causation_id: str
    vault_entries: tuple[VaultEntry, ...] = ()

    def streams(self) -> tuple[UUID, ...]:
        """Ids of the streams that the decision needs to see."""
        raise NotImplementedError

    def natural_keys(self) -> tuple[IdempotencyKey, ...]:
        """Keys of the outside's things that one stream may claim, for ever (a transaction)."""
        return ()

    def accounts(self) -> tuple[AccountKey, ...]:
        """The balances that the decision needs to see: (account, currency)."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCommand(Command):
    """With an `inbox_entry` it is a callback: entry and verdict commit with the events."""

    inbox_entry: InboxEntry | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreCallback(CallbackCommand):
    """A person decided that a callback which waits is about nothing of ours."""

    reason: str

    def streams(self) -> tuple[UUID, ...]:
        """None: nothing is decided."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitConfirmation(CallbackCommand):
    """Keep a callback that proves nothing by itself, until its provider was asked about it."""

    reason: str

    def streams(self) -> tuple[UUID, ...]:
        """None: nothing is decided."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkCallback(CallbackCommand):
    """Keep a verified callback that could not be understood, for a person to look at."""

    reason: str

    def streams(self) -> tuple[UUID, ...]:
        """None: nothing is decided."""
        return ()
