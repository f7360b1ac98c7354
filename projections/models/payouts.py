"""Which payouts are there? Searched by creator, state, provider and time, newest first.

What each event means is the ledger's to say (ledger/payout.py); here it is folded into a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from ledger.events import (
    ApprovalGiven,
    Event,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutFailed,
    PayoutHeld,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    PayoutReturned,
    PayoutSubmissionStarted,
    PayoutSubmissionUnknown,
    PayoutSubmitted,
)
from projections.folding import FoldedModel
from projections.reader import PAGE_SIZE
from projections.searching import OPENED_SINCE, OPENED_UNTIL, Page, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent
    from ledger.payout import PayoutState
    from projections.live import LiveModel
    from projections.read_model import Recorded

TABLES: Final = """
    CREATE TABLE payouts_g{g} (
        payout_id uuid PRIMARY KEY,
        opened bigint NOT NULL,
        creator_id uuid NOT NULL,
        currency text COLLATE "C" NOT NULL,
        gross bigint NOT NULL,
        net bigint NOT NULL,
        fee bigint NOT NULL,
        vat bigint NOT NULL,
        withholding bigint NOT NULL,
        provider text NOT NULL,
        destination_id uuid NOT NULL,
        requested_by text NOT NULL,
        scheduled boolean NOT NULL,
        approvals_required integer NOT NULL,
        requested_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        state text NOT NULL,
        approvals integer NOT NULL,
        attempt integer NOT NULL,
        reason text,
        provider_transaction text,
        times_paid integer NOT NULL,
        times_returned integer NOT NULL,
        ended_at timestamptz
    ) WITH (fillfactor = 80);
    CREATE INDEX ON payouts_g{g} ((opened + 0));
    CREATE INDEX ON payouts_g{g} (creator_id, opened);
    CREATE INDEX ON payouts_g{g} (creator_id, state, opened);
    CREATE INDEX ON payouts_g{g} (state, opened);
    CREATE INDEX ON payouts_g{g} (provider, opened);
    CREATE INDEX ON payouts_g{g} (provider, state, opened);
"""
READ: Final = "SELECT * FROM payouts_g{g} WHERE payout_id = ANY(%b::uuid[])"
WRITE: Final = """
    INSERT INTO payouts_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::bigint[], %b::uuid[], %b::text[], %b::bigint[], %b::bigint[],
        %b::bigint[], %b::bigint[], %b::bigint[], %b::text[], %b::uuid[], %b::text[],
        %b::boolean[], %b::integer[], %b::timestamptz[], %b::timestamptz[], %b::text[],
        %b::integer[], %b::integer[], %b::text[], %b::text[], %b::integer[], %b::integer[],
        %b::timestamptz[])
    ON CONFLICT (payout_id) DO UPDATE SET
        (updated_at, state, approvals, attempt, reason, provider_transaction, times_paid,
         times_returned, ended_at)
        = (excluded.updated_at, excluded.state, excluded.approvals, excluded.attempt,
           excluded.reason, excluded.provider_transaction, excluded.times_paid,
           excluded.times_returned, excluded.ended_at)
"""


@dataclass(frozen=True, slots=True)
class FoundPayout:
    """A payout in a list: gross = net + fee + vat + withholding, in minor units.

    `opened` is the position of its request, `provider_transaction` the last by which its net left,
    `attempt` the last that was begun. The destination's account lies in the vault.
    """

    payout_id: UUID
    opened: int
    creator_id: UUID
    currency: str
    gross: int
    net: int
    fee: int
    vat: int
    withholding: int
    provider: str
    destination_id: UUID
    requested_by: str
    scheduled: bool
    approvals_required: int
    requested_at: datetime
    updated_at: datetime
    state: str = "requested"
    approvals: int = 0
    attempt: int = 0
    reason: str | None = None
    provider_transaction: str | None = None
    times_paid: int = 0
    times_returned: int = 0
    ended_at: datetime | None = None


class PayoutsModel(FoldedModel[FoundPayout]):
    """Payouts, one row each."""

    name = "payouts"
    version = 2
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            PayoutRequested,
            ApprovalGiven,
            PayoutHeld,
            PayoutReleased,
            PayoutRejected,
            PayoutCancelled,
            PayoutSubmissionStarted,
            PayoutSubmitted,
            PayoutSubmissionUnknown,
            PayoutAttemptFailed,
            PayoutPaid,
            PayoutFailed,
            PayoutReturned,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("payouts_g{g}",)
    row: ClassVar[Callable[..., Any]] = FoundPayout
    read = READ
    write = WRITE

    def fold(self, row: FoundPayout | None, recorded: Recorded) -> FoundPayout:
        """The payout after an event."""
        event = recorded.event
        if isinstance(event, PayoutRequested):
            return _requested(event, recorded.position)
        assert row is not None  # noqa: S101 - a payout's stream begins with its request
        return _evolve(replace(row, updated_at=event.recorded_at), event)


def _requested(event: PayoutRequested, position: int) -> FoundPayout:
    row = FoundPayout(
        payout_id=event.originator_id,
        opened=position,
        creator_id=event.creator_id,
        currency=event.gross.currency,
        gross=event.gross.amount,
        net=event.legs.net,
        fee=event.legs.fee,
        vat=event.legs.vat,
        withholding=event.legs.withholding,
        provider=event.destination.provider,
        destination_id=event.destination.destination_id,
        requested_by=event.actor,
        scheduled=event.scheduled,
        approvals_required=event.approvals_required,
        requested_at=event.recorded_at,
        updated_at=event.recorded_at,
    )
    return replace(row, state=_approved_or_requested(row))


def _approved_or_requested(row: FoundPayout) -> str:
    return "approved" if row.approvals >= row.approvals_required else "requested"


def _evolve(row: FoundPayout, event: LedgerEvent) -> FoundPayout:
    match event:
        case ApprovalGiven():
            row = replace(row, approvals=row.approvals + 1)
            return row if row.state == "held" else replace(row, state=_approved_or_requested(row))
        case PayoutHeld():
            return replace(row, state="held", reason=event.reason)
        case PayoutReleased():
            return replace(row, state=_approved_or_requested(row), reason=None)
        case PayoutSubmissionStarted():
            return replace(row, state="submitting", attempt=event.attempt)
        case PayoutSubmitted():
            return replace(row, state="submitted")
        case PayoutSubmissionUnknown():
            return replace(row, state="submission_unknown", reason=event.reason)
        case PayoutAttemptFailed():
            return replace(row, state="approved", reason=event.reason)
        case _:
            return _end(replace(row, ended_at=event.recorded_at), event)


def _end(row: FoundPayout, event: LedgerEvent) -> FoundPayout:
    match event:
        case PayoutRejected():
            return replace(row, state="rejected", reason=event.reason)
        case PayoutCancelled():
            return replace(row, state="cancelled", reason=None)
        case PayoutFailed():
            return replace(row, state="failed", reason=event.reason)
        case PayoutPaid():
            return replace(
                row,
                state="paid",
                reason=None,
                provider_transaction=event.provider_transaction,
                times_paid=row.times_paid + 1,
            )
        case PayoutReturned():
            # What left twice is with the creator until both have come back.
            row = replace(row, reason=event.reason, times_returned=row.times_returned + 1)
            returned = row.times_returned == row.times_paid
            return replace(row, state="returned" if returned else "paid")
        case _:
            return row


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT * FROM payouts_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "creator_id": "AND creator_id = %(creator_id)b::uuid",
    "state": "AND state = %(state)b::text",
    "provider": "AND provider = %(provider)b::text",
}
OTHERS: Final[Mapping[str, LiteralString]] = {"since": OPENED_SINCE, "until": OPENED_UNTIL}
PAYOUTS: Final = Search("payouts", SEARCH, FoundPayout, keys=KEYS, others=OTHERS)


async def search_payouts(
    model: LiveModel,
    *,
    creator_id: UUID | None = None,
    state: PayoutState | None = None,
    provider: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundPayout]:
    """A page of the payouts that all filters name, newest first; see `Search.page`.

    They were requested at `since` or later, and before `until`. Raises `InvalidCursor`,
    `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "creator_id": creator_id,
        "state": None if state is None else state.value,
        "provider": provider,
        "since": since,
        "until": until,
    }
    return await PAYOUTS.page(model, filters, cursor=cursor, limit=limit, min_position=min_position)
