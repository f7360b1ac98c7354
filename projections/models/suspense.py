"""Which money is parked in suspense, why, and what became of it? Searched by state, newest first.

    waiting ──▶ spent        allocated to a payment, or the fan's credit
       ▲  └──▶ returning ──▶ returned
       └──────────┘

What each event means is the ledger's to say (ledger/flows.py). A return's later events name the
return alone, so it has a row of its own, by which the money that it returns is found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, Literal
from uuid import UUID

from ledger.events import (
    Event,
    OverpaymentParked,
    PaymentMismatched,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptsCredited,
    ReceiptSpent,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundSucceeded,
    SurplusReceived,
    UnmatchedReceiptRecorded,
)
from projections.folding import columns
from projections.read_model import ReadModel
from projections.reader import PAGE_SIZE
from projections.searching import Page, Search

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent
    from ledger.flows import ParkedState
    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

TABLES: Final = """
    CREATE TABLE suspense_g{g} (
        stream_id uuid NOT NULL,
        provider_transaction text COLLATE "C" NOT NULL,
        opened bigint NOT NULL,
        payment_id uuid,
        provider text NOT NULL,
        currency text COLLATE "C" NOT NULL,
        amount bigint NOT NULL,
        why text NOT NULL,
        state text NOT NULL,
        received_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (stream_id, provider_transaction)
    ) WITH (fillfactor = 80);
    CREATE INDEX ON suspense_g{g} ((opened + 0));
    CREATE INDEX ON suspense_g{g} (state, opened);
    CREATE INDEX ON suspense_g{g} (provider_transaction);
    CREATE TABLE suspense_returns_g{g} (
        refund_id uuid PRIMARY KEY,
        stream_id uuid NOT NULL,
        provider_transaction text COLLATE "C" NOT NULL,
        excess bigint NOT NULL
    );
"""
READ: Final = "SELECT * FROM suspense_g{g} WHERE stream_id = ANY(%b::uuid[])"
READ_RETURNS: Final = "SELECT * FROM suspense_returns_g{g} WHERE refund_id = ANY(%b::uuid[])"
WRITE: Final = """
    INSERT INTO suspense_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::text[], %b::bigint[], %b::uuid[], %b::text[], %b::text[], %b::bigint[],
        %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[])
    ON CONFLICT (stream_id, provider_transaction)
    DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
"""
WRITE_RETURNS: Final = """
    INSERT INTO suspense_returns_g{g}
    SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::bigint[])
    ON CONFLICT (refund_id) DO UPDATE SET excess = excluded.excess
"""

_Parking = OverpaymentParked | PaymentMismatched | SurplusReceived | UnmatchedReceiptRecorded
_OfReturns = RefundSucceeded | RefundFailed | RefundReopenedAsFailed | RefundReopenedAsSucceeded
_Key = tuple[UUID, str]
Why = Literal["mismatched", "overpaid", "surplus", "unmatched"]
Standing = Literal["waiting", "spent", "returning", "returned"]


@dataclass(frozen=True, slots=True)
class FoundParked:
    """Money of one transaction that came into suspense at `opened`, in minor units.

    It lies on the stream `stream_id`, which is the payment's that it came for, if it names one.
    `received_at` is when the provider says it came, never after we learned of it.
    """

    stream_id: UUID
    provider_transaction: str
    opened: int
    payment_id: UUID | None
    provider: str
    currency: str
    amount: int
    why: Why
    state: Standing
    received_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class _Return:
    """A parked receipt's way back; `excess` was paid though its money had gone another way."""

    refund_id: UUID
    stream_id: UUID
    provider_transaction: str
    excess: int = 0


class SuspenseModel(ReadModel):
    """Money in suspense, one row a transaction."""

    name = "suspense"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            OverpaymentParked,
            PaymentMismatched,
            SurplusReceived,
            UnmatchedReceiptRecorded,
            ReceiptsAllocated,
            ReceiptsCredited,
            ReceiptSpent,
            ReceiptReturnRequested,
            RefundSucceeded,
            RefundFailed,
            RefundReopenedAsFailed,
            RefundReopenedAsSucceeded,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("suspense_g{g}", "suspense_returns_g{g}")

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Read what lies on these streams, fold, write it."""
        suspense = _Suspense(tables, [each.event for each in batch])
        for each in batch:
            suspense.fold(each.position, each.event)
        tables.write(WRITE, [columns(row) for row in suspense.parked.values()])
        tables.write(WRITE_RETURNS, [columns(row) for row in suspense.returns.values()])


class _Suspense:
    """The rows that a batch touches."""

    def __init__(self, tables: Tables, events: Iterable[LedgerEvent]) -> None:
        streams: set[UUID] = set()
        returns: set[UUID] = set()
        for event in events:
            streams.add(event.originator_id)
            if isinstance(event, _OfReturns):
                returns.add(event.refund_id)
        self.parked: dict[_Key, FoundParked] = {
            (row[0], row[1]): FoundParked(*row) for row in tables.fetch(READ, (list(streams),))
        }
        self.returns = {
            row[0]: _Return(*row) for row in tables.fetch(READ_RETURNS, (list(returns),))
        }

    def fold(self, position: int, event: LedgerEvent) -> None:
        """Apply an event."""
        stream = event.originator_id
        match event:
            case (
                OverpaymentParked()
                | PaymentMismatched()
                | SurplusReceived()
                | UnmatchedReceiptRecorded()
            ):
                self.parked[stream, event.provider_transaction] = _parked(position, event)
            case ReceiptSpent():
                self._becomes("spent", (stream, event.provider_transaction), event)
            case ReceiptsAllocated() | ReceiptsCredited():
                # Those of other streams are told there, by `ReceiptSpent`.
                for receipt in event.receipts:
                    if receipt.stream_id == stream:
                        self._becomes("spent", (stream, receipt.provider_transaction), event)
            case ReceiptReturnRequested():
                key = (stream, event.provider_transaction)
                self.returns[event.refund_id] = _Return(event.refund_id, *key)
                self._becomes("returning", key, event)
            case (
                RefundSucceeded()
                | RefundFailed()
                | RefundReopenedAsFailed()
                | RefundReopenedAsSucceeded()
            ):
                # Other refunds return nothing that was parked.
                if (returned := self.returns.get(event.refund_id)) is not None:
                    self._fold_return(returned, event)
            case _:
                pass

    def _fold_return(self, returned: _Return, event: _OfReturns) -> None:
        key = (returned.stream_id, returned.provider_transaction)
        match event:
            case RefundSucceeded():
                self._becomes("returned", key, event)
            case RefundFailed() | RefundReopenedAsFailed():
                # Where an expense had paid for it, the parked money went another way.
                if not returned.excess:
                    self._becomes("waiting", key, event)
            case RefundReopenedAsSucceeded():
                self.returns[returned.refund_id] = replace(returned, excess=event.excess)
                if self.parked[key].state == "waiting":
                    self._becomes("returned", key, event)

    def _becomes(
        self,
        state: Standing,
        key: _Key,
        event: LedgerEvent,
    ) -> None:
        self.parked[key] = replace(self.parked[key], state=state, updated_at=event.recorded_at)


_WHY: Final[Mapping[type[_Parking], Why]] = {
    OverpaymentParked: "overpaid",
    PaymentMismatched: "mismatched",
    SurplusReceived: "surplus",
    UnmatchedReceiptRecorded: "unmatched",
}


def _parked(position: int, event: _Parking) -> FoundParked:
    money = event.excess if isinstance(event, OverpaymentParked) else event.received
    why = _WHY[type(event)]
    return FoundParked(
        stream_id=event.originator_id,
        provider_transaction=event.provider_transaction,
        opened=position,
        payment_id=None if why == "unmatched" else event.originator_id,
        provider=event.provider,
        currency=money.currency,
        amount=money.amount,
        why=why,
        state="waiting",
        received_at=event.effective_at,
        updated_at=event.recorded_at,
    )


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT * FROM suspense_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "state": "AND state = %(state)b::text",
    "stream_id": "AND stream_id = %(stream_id)b::uuid",
    "provider_transaction": "AND provider_transaction = %(provider_transaction)b::text",
}
SUSPENSE: Final = Search("parked", SEARCH, FoundParked, keys=KEYS)


async def search_suspense(
    model: LiveModel,
    *,
    state: ParkedState | None = None,
    stream_id: UUID | None = None,
    provider_transaction: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundParked]:
    """A page of the parked money that all filters name, newest first; see `Search.page`.

    Raises `InvalidCursor`, `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "state": None if state is None else state.value,
        "stream_id": stream_id,
        "provider_transaction": provider_transaction,
    }
    return await SUSPENSE.page(
        model, filters, cursor=cursor, limit=limit, min_position=min_position
    )
