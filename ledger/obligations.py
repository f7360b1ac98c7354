"""What is open between the platform and a person, for which their data is needed.

Found in the log itself, not in a read model: what is decided by it cannot be taken back. The scan
reads the first event of every stream, which takes time and no lock; `has_moved_on` says, under the
append lock, whether anything of theirs was recorded meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ledger.accounts import is_goodwill
from ledger.commands import fan_stream
from ledger.creator import Creator
from ledger.decisions import evolve
from ledger.events import (
    CreditSpent,
    InvoicePaymentInitiated,
    PaymentInitiated,
    PayoutRequested,
    SubscriptionStarted,
)
from ledger.flows import REFUND_OPEN, DisputeState, ParkedState
from ledger.payment import OPEN, Payment, PaymentState
from ledger.payout import SENT, UNSENT, Payout
from ledger.serialization import decode_event
from ledger.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    import psycopg

    from ledger.states import Aggregate

FANS_OWN: Final = (
    PaymentInitiated.TOPIC,
    InvoicePaymentInitiated.TOPIC,
    CreditSpent.TOPIC,
    SubscriptionStarted.TOPIC,
)
STREAMS_AT_ONCE: Final = 200

READ_HEAD: Final = "SELECT max(position) FROM turns"
READ_STREAMS_OF: Final = """
    SELECT originator_id FROM ledger_events
    WHERE originator_version = 1
      AND (topic = ANY(%(fans)s) AND position(%(as_fan)s::bytea IN state) > 0
           OR topic = %(payout)s AND position(%(as_creator)s::bytea IN state) > 0)
    UNION SELECT originator_id FROM ledger_events
    WHERE originator_id = ANY(%(own)s) AND originator_version = 1
    UNION SELECT subscription_id FROM creator_subscriptions WHERE creator_id = %(person)s
"""
READ_EVENTS: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""
READ_MONEY: Final = """
    SELECT account, currency, balance FROM balances
    WHERE (account > %(fan)s || ':' AND account < %(fan)s || ';'
           OR account > %(creator)s || ':' AND account < %(creator)s || ';')
      AND balance <> 0
"""
READ_LAST: Final = """
    SELECT turns.recorded_at FROM turns WHERE turns.position >= (
        SELECT max(notification_id) FROM ledger_events WHERE originator_id = ANY(%s))
    ORDER BY turns.position LIMIT 1
"""
READ_MOVED: Final = """
    SELECT EXISTS (SELECT FROM ledger_events
        WHERE notification_id > %(position)s
          AND (originator_id = ANY(%(streams)s) OR position(%(person)s::bytea IN state) > 0))
"""


@dataclass(frozen=True, slots=True)
class Obligations:
    """What is `open` with a person at a position, in words; `streams` are all that are theirs.

    `last_at` is when the last event on one of them was recorded.
    """

    person_id: UUID
    position: int
    streams: tuple[UUID, ...]
    open: tuple[str, ...] = field(default=())
    last_at: datetime | None = None


def obligations_of(connection: psycopg.Connection[Any], person_id: UUID) -> Obligations:
    """What is open with a person, as a fan and as a creator."""
    [(position,)] = connection.execute(READ_HEAD).fetchall()
    wanted = {
        "fans": list(FANS_OWN),
        "payout": PayoutRequested.TOPIC,
        "as_fan": f'"fan_id":"{person_id}"'.encode(),
        "as_creator": f'"creator_id":"{person_id}"'.encode(),
        "own": [person_id, fan_stream(person_id)],
        "person": person_id,
    }
    streams = tuple(stream for (stream,) in connection.execute(READ_STREAMS_OF, wanted))
    found = set(_money(connection, person_id))
    for aggregate in _folded(connection, streams):
        found.update(_open_of(aggregate))
    [(last_at,)] = connection.execute(READ_LAST, (list(streams),)).fetchall() or [(None,)]
    return Obligations(person_id, position, streams, tuple(sorted(found)), last_at)


def has_moved_on(connection: psycopg.Connection[Any], seen: Obligations) -> bool:
    """Whether anything of theirs was recorded since. Asked under the append lock."""
    moved = {
        "position": seen.position,
        "streams": list(seen.streams),
        "person": str(seen.person_id).encode(),
    }
    [(has,)] = connection.execute(READ_MOVED, moved).fetchall()
    return bool(has)


def _money(connection: psycopg.Connection[Any], person_id: UUID) -> Iterator[str]:
    whose = {"fan": f"fan:{person_id}", "creator": f"creator:{person_id}"}
    for account, _, balance in connection.execute(READ_MONEY, whose):
        # What the platform gave is not the fan's own, and cannot be paid out.
        if not is_goodwill(account):
            yield "money owed to them" if balance < 0 else "money that they owe"


def _folded(connection: psycopg.Connection[Any], streams: Sequence[UUID]) -> Iterator[Aggregate]:
    for first in range(0, len(streams), STREAMS_AT_ONCE):
        asked = list(streams[first : first + STREAMS_AT_ONCE])
        found: dict[UUID, Aggregate] = {}
        for stream, version, topic, state in connection.execute(READ_EVENTS, (asked,)):
            event = decode_event(topic, state, originator_id=stream, originator_version=version)
            found[stream] = evolve(found.get(stream), event)
        yield from found.values()


def _open_of(aggregate: Aggregate) -> Iterable[str]:
    match aggregate:
        case Payment():
            yield from _of_payment(aggregate)
        case Subscription() if not aggregate.ended:
            yield "a subscription"
        case Payout() if aggregate.state in UNSENT | SENT:
            yield "a payout"
        case Creator() if not aggregate.closed:
            yield "a creator's account that is not closed"
        case _:
            pass


def _of_payment(payment: Payment) -> Iterator[str]:
    flows = payment.flows
    if payment.state in OPEN or payment.state is PaymentState.NEEDS_REVIEW:
        yield "a payment"
    if flows.wishes or any(each.state in REFUND_OPEN for each in flows.refunds.values()):
        yield "a refund"
    if any(each.state is not DisputeState.CLOSED for each in flows.disputes.values()):
        yield "a dispute"
    parked = {each.state for each in flows.parked.values()}
    if not parked.isdisjoint({ParkedState.WAITING, ParkedState.RETURNING}):
        yield "money in suspense"
