"""The PostgreSQL recorder: one transaction a turn, at most three round trips.

    1  BEGIN; take the book's append lock; read the head, the keys and the streams of the batch
    2  read the balances that the decided events touch
    3  insert events, journal lines, balances, keys, vault and inbox entries, the turn; COMMIT

The lock is a statement of its own: under READ COMMITTED every later statement sees all that was
committed before the lock was granted. Whoever appends must hold it. A connection that reported any
error is thrown away, so that no half-read pipeline or stale prepared statement is ever reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ledger.journal_tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ledger.inbox import InboxEntry
    from ledger.journal import AccountKey, Balance, Book
    from ledger.receipts import Leaf
    from ledger.vault import VaultEntry

BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
COMMIT: Final = "COMMIT"

LOCK: Final = """
    SELECT set_config('transaction_timeout', '2s', true)
    WHERE pg_advisory_xact_lock('ledger_events'::regclass::oid::bigint) IS NOT NULL
"""
"""One lock a book: the oid of its log is unique in the database, whatever the schema.

Once it is granted the turn has two seconds: set any earlier the wait would count, and by a
statement of its own a client that stops in between would hold the lock for ever. The time-out of
idle transactions cannot see one that stops between the statements of a pipeline, nor one whose
pipeline ended in a Flush, as psycopg's do.
"""

READ_HEAD: Final = """
    SELECT position, recorded_at, clock_timestamp() FROM turns ORDER BY position DESC LIMIT 1
"""

READ_HEAD_AND_GENERATION: Final = """
    SELECT position, recorded_at, clock_timestamp(),
           (SELECT generation FROM read_models WHERE name = 'journal' AND state = 'live')
    FROM turns ORDER BY position DESC LIMIT 1
"""

READ_KEYS: Final = """
    SELECT scope, key, fingerprint, stream_id, version, position, refusal, parameters, verdict
    FROM unnest(%b::text[], %b::text[]) AS wanted (scope, key)
    JOIN idempotency_keys USING (scope, key)
"""

READ_STREAMS: Final = """
    SELECT originator_id, originator_version, topic, state
    FROM unnest(%b::uuid[], %b::bigint[]) AS wanted (stream_id, after_version)
    JOIN ledger_events
      ON originator_id = stream_id AND originator_version > after_version
    ORDER BY originator_id, originator_version
"""

READ_GUARDS: Final = """
    SELECT account, currency, balance
    FROM unnest(%b::text[], %b::text[]) AS wanted (account, currency)
    JOIN balances USING (account, currency)
"""

INSERT_EVENTS: Final = """
    INSERT INTO ledger_events
        (originator_id, originator_version, topic, state, notification_id)
    SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[], %b::bigint[])
"""

INSERT_KEYS: Final = """
    INSERT INTO idempotency_keys
        (scope, key, fingerprint, stream_id, version, position, refusal, parameters, verdict,
         recorded_at, permanent)
    SELECT scope, key, fingerprint, stream_id, version, position, refusal, parameters, verdict,
           %s, fingerprint IS NULL
    FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::uuid[], %b::bigint[], %b::bigint[],
                %b::text[], %b::jsonb[], %b::text[])
        AS row (scope, key, fingerprint, stream_id, version, position, refusal, parameters, verdict)
"""

INSERT_SUBSCRIPTIONS: Final = """
    INSERT INTO creator_subscriptions (position, creator_id, subscription_id)
    SELECT * FROM unnest(%b::bigint[], %b::uuid[], %b::uuid[])
"""

INSERT_TURN: Final = "INSERT INTO turns (position, recorded_at) VALUES (%s, %s)"

INSERT_VAULT: Final = """
    INSERT INTO vault_entries (entry_id, person_id, kind, key_id, ciphertext)
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::uuid[], %b::bytea[])
"""

INSERT_INBOX: Final = """
    INSERT INTO inbox
        (inbox_id, provider, natural_key, headers, key_id, of_unknown_origin, body_hash,
         received_at, ciphertext, verdict, reason, position)
    SELECT inbox_id, provider, natural_key, headers, key_id, of_unknown_origin, body_hash,
           %s, ciphertext, verdict, reason, position
    FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::jsonb[], %b::uuid[], %b::boolean[],
                %b::text[], %b::bytea[], %b::text[], %b::text[], %b::bigint[])
        AS row (inbox_id, provider, natural_key, headers, key_id, of_unknown_origin, body_hash,
                ciphertext, verdict, reason, position)
    -- Only one that is not decided yet comes here again. The copy that decides it is the one that
    -- is kept, since its events name it; until then the first one is.
    ON CONFLICT (provider, natural_key) DO UPDATE
    SET verdict = excluded.verdict, reason = excluded.reason, position = excluded.position,
        -- What is decided anew is not another copy of it.
        copies = inbox.copies + (inbox.inbox_id <> excluded.inbox_id)::integer,
        (inbox_id, headers, key_id, of_unknown_origin, body_hash, ciphertext) = (
            SELECT a, b, c, d, e, f FROM (VALUES
                (true, inbox.inbox_id, inbox.headers, inbox.key_id, inbox.of_unknown_origin,
                 inbox.body_hash, inbox.ciphertext),
                (false, excluded.inbox_id, excluded.headers, excluded.key_id,
                 excluded.of_unknown_origin, excluded.body_hash, excluded.ciphertext)
            ) AS copy (waits, a, b, c, d, e, f)
            WHERE waits = (excluded.verdict IN ('parked', 'retrying'))
        )
"""


class Head(NamedTuple):
    """The last position of the log, when it was recorded, and the database's clock now."""

    position: int
    recorded_at: datetime
    now: datetime


class KeyRow(NamedTuple):
    """An idempotency key with the outcome that it got."""

    scope: str
    key: str
    fingerprint: bytes | None
    stream_id: UUID | None
    version: int | None
    position: int
    refusal: str | None
    parameters: dict[str, str | int] | None
    verdict: str | None


class StreamRow(NamedTuple):
    """A stored event of a stream."""

    stream_id: UUID
    version: int
    topic: str
    state: bytes


class SubscriptionRow(NamedTuple):
    """A subscription that was started at a position, by which its creator finds it."""

    position: int
    creator_id: UUID
    subscription_id: UUID


class InboxRow(NamedTuple):
    """A callback to be kept with its verdict."""

    entry: InboxEntry
    verdict: str
    reason: str | None
    position: int


class Loaded(NamedTuple):
    """What the first round trip brings.

    `generation` is the one of balances and journal that is live: it cannot change under the lock.
    """

    head: Head
    generation: int
    keys: list[KeyRow]
    streams: list[StreamRow]
    guards: dict[AccountKey, int]


@dataclass(slots=True)
class Writes:
    """Everything that one turn appends."""

    recorded_at: datetime
    generation: int
    book: Book
    events: list[Leaf] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    vault_entries: list[VaultEntry] = field(default_factory=list)
    inbox: dict[tuple[str, str], InboxRow] = field(default_factory=dict)
    subscriptions: list[SubscriptionRow] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.events or self.keys or self.inbox or self.vault_entries)


class CommitInDoubtError(Exception):
    """The connection was lost after COMMIT may have been sent."""


class TurnRecorder:
    """The three round trips over one connection, made anew after any error.

    `connect` opens an autocommit connection as the writer, with its time-outs set.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None

    def load(
        self,
        *,
        keys: Sequence[tuple[str, str]],
        streams: Mapping[UUID, int],
        guards: Sequence[AccountKey] = (),
    ) -> Loaded:
        """Begin, lock, and read. `streams` maps ids to the version already known (0: nothing).

        `guards` are the balances that decisions need to see; one that does not exist is 0.
        """
        connection = self._open()
        with connection.pipeline():
            connection.execute(BEGIN)
            connection.execute(LOCK)
            head = connection.execute(READ_HEAD_AND_GENERATION)
            found = connection.execute(READ_KEYS, _columns(keys, 2))
            stored = (
                connection.execute(READ_STREAMS, (list(streams), list(streams.values())))
                if streams
                else None
            )
            guarding = connection.execute(READ_GUARDS, _columns(guards, 2)) if guards else None
        last = head.fetchone()
        assert last is not None  # noqa: S101 - the migration inserts turn 0
        return Loaded(
            Head(*last[:3]),
            last[3],
            [KeyRow(*row) for row in found.fetchall()],
            [] if stored is None else [StreamRow(*row) for row in stored.fetchall()],
            dict.fromkeys(guards, 0)
            | {
                (account, currency): int(balance)
                for account, currency, balance in (guarding.fetchall() if guarding else ())
            },
        )

    def load_more(
        self, *, streams: Mapping[UUID, int], guards: Sequence[AccountKey]
    ) -> tuple[list[StreamRow], dict[AccountKey, int]]:
        """Read more, under the lock that `load` took: streams and guards as there."""
        connection = self._open()
        with connection.pipeline():
            stored = connection.execute(READ_STREAMS, (list(streams), list(streams.values())))
            guarding = connection.execute(READ_GUARDS, _columns(guards, 2))
        return (
            [StreamRow(*row) for row in stored.fetchall()],
            dict.fromkeys(guards, 0)
            | {(account, currency): int(balance) for account, currency, balance in guarding},
        )

    def balances(
        self, accounts: set[AccountKey], generation: int
    ) -> tuple[dict[AccountKey, Balance], int]:
        """The balances of `accounts` that exist, and the number of the next new account."""
        return tables_of(generation).balances(self._open(), accounts)

    def commit(self, writes: Writes) -> None:
        """Write everything and commit. Raises `CommitInDoubtError` when the answer is lost."""
        connection = self._open()
        try:
            with connection.pipeline():
                _write(connection, writes)
                connection.execute(COMMIT)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # Any answer of the server names an SQLSTATE; then the transaction is known to be dead.
            if error.sqlstate is None or connection.closed or connection.broken:
                raise CommitInDoubtError from error
            raise

    def rollback(self) -> None:
        """Give the lock back, having written nothing."""
        self._open().execute("ROLLBACK")

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection

    def discard(self) -> None:
        """Throw the connection away; the server rolls back what was not committed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _write(connection: psycopg.Connection[Any], writes: Writes) -> None:
    if writes.events:
        connection.execute(INSERT_EVENTS, _columns(writes.events, 5))
        connection.execute(INSERT_TURN, (writes.events[-1].position, writes.recorded_at))
    if writes.subscriptions:
        connection.execute(INSERT_SUBSCRIPTIONS, _columns(writes.subscriptions, 3))
    tables_of(writes.generation).write(connection, writes.book)
    if writes.keys:
        rows = [
            (*row[:7], Jsonb(row.parameters) if row.parameters else None, row.verdict)
            for row in writes.keys
        ]
        connection.execute(INSERT_KEYS, [writes.recorded_at, *_columns(rows, 9)])
    if writes.vault_entries:
        _write_vault(connection, writes.vault_entries)
    if writes.inbox:
        _write_inbox(connection, writes)


def _write_vault(connection: psycopg.Connection[Any], entries: list[VaultEntry]) -> None:
    rows = [
        (entry.entry_id, entry.person_id, entry.kind.value, entry.key_id, entry.ciphertext)
        for entry in entries
    ]
    connection.execute(INSERT_VAULT, _columns(rows, 5))


def _write_inbox(connection: psycopg.Connection[Any], writes: Writes) -> None:
    rows = [
        (
            row.entry.inbox_id,
            row.entry.provider,
            row.entry.natural_key,
            Jsonb(dict(row.entry.headers)),
            row.entry.key_id,
            row.entry.of_unknown_origin,
            row.entry.body_hash,
            row.entry.ciphertext,
            row.verdict,
            row.reason,
            row.position,
        )
        for row in writes.inbox.values()
    ]
    connection.execute(INSERT_INBOX, [writes.recorded_at, *_columns(rows, 11)])
