"""Which proposals wait for a second person, and how were the others decided? Newest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from uuid import UUID

from ledger.events import (
    AllocateReceipts,
    Event,
    OverpaymentParked,
    PaymentMismatched,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalMade,
    ProposalRejected,
    ReturnReceipt,
    SurplusReceived,
    UnmatchedReceiptRecorded,
    WriteOffDebt,
)
from ledger.serialization import decode_event
from projections.folding import FoldedModel
from projections.reader import PAGE_SIZE
from projections.searching import Page, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from ledger.events import AnyAction, ReceiptReference
    from ledger.journal_entry import JournalEntry
    from ledger.money import Money
    from ledger.proposals import ProposalState
    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

TABLES: Final = """
    CREATE TABLE proposals_g{g} (
        proposal_id uuid PRIMARY KEY,
        opened bigint NOT NULL,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        amount numeric NOT NULL,
        reason text NOT NULL,
        second_person boolean NOT NULL,
        proposed_by text NOT NULL,
        proposed_at timestamptz NOT NULL,
        state text NOT NULL,
        decided_by text,
        decided_at timestamptz,
        rejected_because text
    ) WITH (fillfactor = 80);
    CREATE INDEX ON proposals_g{g} ((opened + 0));
    CREATE INDEX ON proposals_g{g} (state, opened);
    CREATE INDEX ON proposals_g{g} (proposed_by, opened);
"""
READ: Final = "SELECT * FROM proposals_g{g} WHERE proposal_id = ANY(%b::uuid[])"
WRITE: Final = """
    INSERT INTO proposals_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::bigint[], %b::text[], %b::uuid[], %b::text[], %s::numeric[], %b::text[],
        %b::boolean[], %b::text[], %b::timestamptz[], %b::text[], %b::text[], %b::timestamptz[],
        %b::text[])
    ON CONFLICT (proposal_id) DO UPDATE SET
        (state, decided_by, decided_at, rejected_because)
        = (excluded.state, excluded.decided_by, excluded.decided_at, excluded.rejected_because)
"""
# What is proposed was parked before: an event of a stream is never another one later.
READ_PARKED: Final = """
    SELECT originator_id, originator_version, topic, state FROM ledger_events
    WHERE originator_id = ANY(%b::uuid[]) AND topic = ANY(%b::text[])
"""
_Parking = OverpaymentParked | PaymentMismatched | SurplusReceived | UnmatchedReceiptRecorded
_PARKING: Final = [
    OverpaymentParked.TOPIC,
    PaymentMismatched.TOPIC,
    SurplusReceived.TOPIC,
    UnmatchedReceiptRecorded.TOPIC,
]


@dataclass(frozen=True, slots=True)
class FoundProposal:
    """A proposal in a list: what it moves, in minor units, the largest of its currencies.

    `opened` is the position at which it was made. `subject_id` is the adjustment, the payment that
    is allocated to, the return, or the creator whose debt is written off. With `second_person` it
    waited, or waits, for another than `proposed_by`.
    """

    proposal_id: UUID
    opened: int
    kind: Literal["post_adjustment", "allocate_receipts", "return_receipt", "write_off_debt"]
    subject_id: UUID
    currency: str
    amount: int
    reason: str
    second_person: bool
    proposed_by: str
    proposed_at: datetime
    state: Literal["open", "carried_out", "rejected"] = "open"
    decided_by: str | None = None
    decided_at: datetime | None = None
    rejected_because: str | None = None


def _found(*row: Any) -> FoundProposal:  # noqa: ANN401 - a row's columns
    """From a row: an adjustment may move more than any integer of the database's."""
    proposal = FoundProposal(*row)
    return replace(proposal, amount=int(proposal.amount))


class ProposalsModel(FoldedModel[FoundProposal]):
    """Proposals, one row each."""

    name = "proposals"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {ProposalMade, ProposalCarriedOut, ProposalRejected}
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("proposals_g{g}",)
    row: ClassVar[Callable[..., Any]] = staticmethod(_found)
    read = READ
    write = WRITE

    def __init__(self) -> None:
        self._parked: Mapping[tuple[UUID, str], Money] = {}

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Look up what the receipts that are proposed about are, then read, fold and write."""
        actions = [each.event.action for each in batch if isinstance(each.event, ProposalMade)]
        receipts = {receipt for action in actions for receipt in _receipts(action)}
        self._parked = _parked(tables, receipts) if receipts else {}
        super().apply(tables, batch)

    def fold(self, row: FoundProposal | None, recorded: Recorded) -> FoundProposal:
        """The proposal after an event."""
        event = recorded.event
        if isinstance(event, ProposalMade):
            subject_id, currency, amount = self._about(event.action)
            return FoundProposal(
                proposal_id=event.originator_id,
                opened=recorded.position,
                kind=event.action.kind,
                subject_id=subject_id,
                currency=currency,
                amount=amount,
                reason=event.action.reason,
                second_person=event.second_person,
                proposed_by=event.actor,
                proposed_at=event.recorded_at,
            )
        assert row is not None  # noqa: S101 - a proposal's stream begins with its making
        row = replace(row, decided_by=event.actor, decided_at=event.recorded_at)
        if isinstance(event, ProposalRejected):
            return replace(row, state="rejected", rejected_because=event.reason)
        return replace(row, state="carried_out")

    def _about(self, action: AnyAction) -> tuple[UUID, str, int]:
        match action:
            case PostAdjustment():
                return (action.adjustment_id, *_largest(action.entry))
            case WriteOffDebt():
                return action.creator_id, action.debt.currency, action.debt.amount
            case AllocateReceipts():
                return (action.payment_id, *self._together(_receipts(action)))
            case ReturnReceipt():
                return (action.refund_id, *self._together([action.receipt]))

    def _together(self, receipts: list[ReceiptReference]) -> tuple[str, int]:
        parked = [self._parked[each.stream_id, each.provider_transaction] for each in receipts]
        return parked[0].currency, sum(money.amount for money in parked)


def _largest(entry: JournalEntry) -> tuple[str, int]:
    """What an entry debits, in the currency in which that is most."""
    sums: dict[str, int] = {}
    for posting in entry.postings:
        if posting.amount > 0:
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    return max(sums.items(), key=lambda item: item[1])


def _receipts(action: AnyAction) -> list[ReceiptReference]:
    match action:
        case AllocateReceipts():
            return list(dict.fromkeys(action.receipts))
        case ReturnReceipt():
            return [action.receipt]
        case _:
            return []


def _parked(tables: Tables, receipts: set[ReceiptReference]) -> dict[tuple[UUID, str], Money]:
    """The money of parked receipts, by stream and transaction."""
    streams = list({receipt.stream_id for receipt in receipts})
    found: dict[tuple[UUID, str], Money] = {}
    for stream, version, topic, state in tables.fetch(READ_PARKED, (streams, _PARKING)):
        event = decode_event(topic, state, originator_id=stream, originator_version=version)
        assert isinstance(event, _Parking)  # noqa: S101 - by its topic
        money = event.excess if isinstance(event, OverpaymentParked) else event.received
        found[stream, event.provider_transaction] = money
    return found


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT proposal_id, opened, kind, subject_id, currency, amount::text, reason,
               second_person, proposed_by, proposed_at, state, decided_by, decided_at,
               rejected_because
        FROM proposals_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "state": "AND state = %(state)b::text",
    "proposed_by": "AND proposed_by = %(proposed_by)b::text",
}
OTHERS: Final[Mapping[str, LiteralString]] = {"kind": "AND kind = %(kind)b::text"}
PROPOSALS: Final = Search("proposals", SEARCH, _found, keys=KEYS, others=OTHERS)


async def search_proposals(
    model: LiveModel,
    *,
    state: ProposalState | None = None,
    kind: str | None = None,
    proposed_by: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundProposal]:
    """A page of the proposals that all filters name, newest first; see `Search.page`.

    Raises `InvalidCursor`, `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "state": None if state is None else state.value,
        "kind": kind,
        "proposed_by": proposed_by,
    }
    return await PROPOSALS.page(
        model, filters, cursor=cursor, limit=limit, min_position=min_position
    )
