"""Whose is a payment or a subscription? Its first event says, and that one never changes.

Later events of a stream do not repeat it. So read models need no table of all payments: what they
have not just seen begin, they look up in the log itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import UUID

from ledger.events import (
    CreditSpent,
    InvoicePaymentInitiated,
    PaymentInitiated,
    SubscriptionStarted,
)
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.events import LedgerEvent
    from projections.read_model import Recorded, Tables

REMEMBERED_MAX: Final = 10_000

READ_BEGINNINGS: Final = """
    SELECT originator_id, topic, state FROM ledger_events
    WHERE originator_id = ANY(%s::uuid[]) AND originator_version = 1
"""

PAYMENTS_BEGIN: Final = frozenset({PaymentInitiated, InvoicePaymentInitiated, CreditSpent})
"""What a payment's stream begins with."""


class Origin(NamedTuple):
    """Who pays whom, and for what. `goodwill` of the platform is no money of the fan's."""

    fan_id: UUID
    creator_id: UUID
    source: Literal["tips", "purchases", "subscriptions"]
    goodwill: bool = False


class Beginnings:
    """Origins of streams. It remembers some: they are the same for ever."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._remembered_max = remembered_max
        self._remembered: dict[UUID, Origin] = {}

    def learn(self, batch: Iterable[Recorded]) -> None:
        """Remember what begins in a batch."""
        for each in batch:
            if (origin := origin_of(each.event)) is not None:
                self._remember(each.event.originator_id, origin)

    def of(self, tables: Tables, streams: set[UUID]) -> dict[UUID, Origin]:
        """The origins of these streams; those that are no payment's or subscription's have none."""
        found = {
            stream: self._remembered[stream] for stream in streams if stream in self._remembered
        }
        missing = list(streams - found.keys())
        if missing:
            for stream, topic, state in tables.fetch(READ_BEGINNINGS, (missing,)):
                event = decode_event(topic, state, originator_id=stream, originator_version=1)
                if (origin := origin_of(event)) is not None:
                    found[stream] = origin
                    self._remember(stream, origin)
        return found

    def _remember(self, stream: UUID, origin: Origin) -> None:
        if len(self._remembered) >= self._remembered_max:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[stream] = origin


def origin_of(event: LedgerEvent) -> Origin | None:
    """What an event says of its stream's origin, if it begins one."""
    match event:
        case PaymentInitiated():
            source: Literal["tips", "purchases"] = "tips" if event.purpose == "tip" else "purchases"
            return Origin(event.fan_id, event.creator_id, source)
        case InvoicePaymentInitiated() | SubscriptionStarted():
            return Origin(event.fan_id, event.creator_id, "subscriptions")
        case CreditSpent():
            by_goodwill = event.source == "goodwill"
            return Origin(event.fan_id, event.creator_id, "subscriptions", by_goodwill)
        case _:
            return None
