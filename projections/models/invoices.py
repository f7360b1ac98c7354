"""Which invoices were issued to fans, and what became of each? Searched by whose, and by state.

open ──▶ paid ──▶ (partly) credited: credit notes for time that is not used
  └────▶ void ──▶ open: the invoice of a period may be issued again, under the same id
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal
from uuid import UUID

from ledger.events import (
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    Event,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    InvoiceKind,
    InvoiceVoided,
    PeriodPaid,
    PeriodsPrepaid,
    PrepaymentInvoiced,
    RenewalInvoiced,
    SubscriptionStarted,
    TierChanged,
)
from projections.beginnings import Beginnings, Origin
from projections.folding import FoldedModel
from projections.reader import PAGE_SIZE
from projections.searching import Page, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent
    from projections.live import LiveModel
    from projections.read_model import Recorded, Tables

TABLES: Final = """
    CREATE TABLE invoices_g{g} (
        invoice_id uuid PRIMARY KEY,
        opened bigint NOT NULL,
        subscription_id uuid NOT NULL,
        fan_id uuid NOT NULL,
        creator_id uuid NOT NULL,
        kind text NOT NULL,
        number integer NOT NULL,
        count integer NOT NULL,
        currency text COLLATE "C" NOT NULL,
        amount bigint NOT NULL,
        credit bigint NOT NULL,
        goodwill bigint NOT NULL,
        issued_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        state text NOT NULL,
        reason text,
        starts_at timestamptz,
        ends_at timestamptz,
        expires_at timestamptz,
        ended_at timestamptz,
        attempts integer NOT NULL,
        last_failure text,
        credited bigint NOT NULL
    ) WITH (fillfactor = 80);
    CREATE INDEX ON invoices_g{g} ((opened + 0));
    CREATE INDEX ON invoices_g{g} (subscription_id, opened);
    CREATE INDEX ON invoices_g{g} (fan_id, opened);
    CREATE INDEX ON invoices_g{g} (creator_id, opened);
    CREATE INDEX ON invoices_g{g} (creator_id, state, opened);
    CREATE INDEX ON invoices_g{g} (state, opened);
"""
READ: Final = "SELECT * FROM invoices_g{g} WHERE invoice_id = ANY(%b::uuid[])"
WRITE: Final = """
    INSERT INTO invoices_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::bigint[], %b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::integer[],
        %b::integer[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::timestamptz[],
        %b::timestamptz[], %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[],
        %b::timestamptz[], %b::timestamptz[], %b::integer[], %b::text[], %b::bigint[])
    ON CONFLICT (invoice_id) DO UPDATE SET
        (count, currency, amount, credit, goodwill, issued_at, updated_at, state, reason,
         starts_at, ends_at, expires_at, ended_at, attempts, last_failure, credited)
        = (excluded.count, excluded.currency, excluded.amount, excluded.credit,
           excluded.goodwill, excluded.issued_at, excluded.updated_at, excluded.state,
           excluded.reason, excluded.starts_at, excluded.ends_at, excluded.expires_at,
           excluded.ended_at, excluded.attempts, excluded.last_failure, excluded.credited)
"""

_Issued = FirstPeriodInvoiced | RenewalInvoiced | ChangeInvoiced | PrepaymentInvoiced
_OfInvoices = (
    CreditReserved
    | InvoiceAttempted
    | InvoiceAttemptFailed
    | PeriodPaid
    | PeriodsPrepaid
    | InvoiceVoided
    | CreditNoteIssued
)


@dataclass(frozen=True, slots=True)
class FoundInvoice:
    """An invoice in a list. Of `amount` minor units, `credit` and `goodwill` are credit's.

    It is for `count` periods from `number` on, from `starts_at` to `ends_at`; a first one has
    these once it is paid, and a change holds from when it is paid. `opened` is the position at
    which it was first issued; `issued_at` is the last time. `attempts` is the number of the last
    attempt to collect it, `credited` what of it became the fan's credit again.
    """

    invoice_id: UUID
    opened: int
    subscription_id: UUID
    fan_id: UUID
    creator_id: UUID
    kind: InvoiceKind
    number: int
    count: int
    currency: str
    amount: int
    credit: int
    goodwill: int
    issued_at: datetime
    updated_at: datetime
    state: Literal["open", "paid", "void"] = "open"
    reason: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    last_failure: str | None = None
    credited: int = 0

    @property
    def cash(self) -> int:
        """What its fan pays, or has to, besides their credit; in minor units."""
        return self.amount - self.credit - self.goodwill


class InvoicesModel(FoldedModel[FoundInvoice]):
    """Invoices of subscriptions, one row each."""

    name = "invoices"
    version = 1
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            SubscriptionStarted,
            FirstPeriodInvoiced,
            RenewalInvoiced,
            ChangeInvoiced,
            PrepaymentInvoiced,
            CreditReserved,
            InvoiceAttempted,
            InvoiceAttemptFailed,
            PeriodPaid,
            PeriodsPrepaid,
            TierChanged,
            InvoiceVoided,
            CreditNoteIssued,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("invoices_g{g}",)
    row: ClassVar[Callable[..., Any]] = FoundInvoice
    read = READ
    write = WRITE

    def __init__(self) -> None:
        self._beginnings = Beginnings()
        self._origins: Mapping[UUID, Origin] = {}

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Learn whose the subscriptions are, then read, fold and write."""
        self._beginnings.learn(batch)
        issued = {each.event.originator_id for each in batch if isinstance(each.event, _Issued)}
        self._origins = self._beginnings.of(tables, issued)
        super().apply(tables, batch)

    def key_of(self, event: LedgerEvent) -> UUID | None:
        """The invoice that an event is about."""
        match event:
            case (
                FirstPeriodInvoiced() | RenewalInvoiced() | ChangeInvoiced() | PrepaymentInvoiced()
            ):
                return event.invoice_id
            case (
                CreditReserved()
                | InvoiceAttempted()
                | InvoiceAttemptFailed()
                | PeriodPaid()
                | PeriodsPrepaid()
                | TierChanged()
                | InvoiceVoided()
                | CreditNoteIssued()
            ):
                return event.invoice_id
            case _:
                return None

    def fold(self, row: FoundInvoice | None, recorded: Recorded) -> FoundInvoice:
        """The invoice after an event."""
        event = recorded.event
        if isinstance(event, _Issued):
            return _issued(row, recorded.position, event, self._origins[event.originator_id])
        assert row is not None  # noqa: S101 - what is paid or void was issued
        return _evolve(replace(row, updated_at=event.recorded_at), event)


def _issued(
    before: FoundInvoice | None, position: int, event: _Issued, origin: Origin
) -> FoundInvoice:
    invoice = FoundInvoice(
        invoice_id=event.invoice_id,
        opened=position if before is None else before.opened,
        subscription_id=event.originator_id,
        fan_id=origin.fan_id,
        creator_id=origin.creator_id,
        kind="first",
        number=event.number,
        count=1,
        currency=event.money.currency,
        amount=event.money.amount,
        credit=event.credit,
        goodwill=event.goodwill,
        issued_at=event.recorded_at,
        updated_at=event.recorded_at,
        # The payments of a void one are not forgotten: the next attempt has the next number.
        attempts=0 if before is None else before.attempts,
        last_failure=None if before is None else before.last_failure,
    )
    match event:
        case FirstPeriodInvoiced():
            return invoice
        case RenewalInvoiced():
            return replace(invoice, kind="renewal", starts_at=event.start, ends_at=event.end)
        case ChangeInvoiced():
            return replace(invoice, kind="change", expires_at=event.expires_at)
        case PrepaymentInvoiced():
            return replace(
                invoice, kind="prepayment", count=event.count, expires_at=event.expires_at
            )


def _evolve(row: FoundInvoice, event: LedgerEvent) -> FoundInvoice:
    match event:
        case CreditReserved():
            return replace(
                row, credit=row.credit + event.credit, goodwill=row.goodwill + event.goodwill
            )
        case InvoiceAttempted():
            return replace(row, attempts=event.attempt)
        case InvoiceAttemptFailed():
            return replace(row, last_failure=event.reason)
        case PeriodPaid():
            return _paid(row, event.recorded_at, event.start, event.end)
        case PeriodsPrepaid():
            return _paid(row, event.recorded_at, event.starts[0], event.end)
        case TierChanged():
            return _paid(row, event.recorded_at, event.recorded_at, None)
        case InvoiceVoided():
            return replace(row, state="void", reason=event.reason, ended_at=event.recorded_at)
        case CreditNoteIssued():
            return replace(row, credited=row.credited + event.money.amount)
        case _:
            return row


def _paid(
    row: FoundInvoice, at: datetime, starts_at: datetime, ends_at: datetime | None
) -> FoundInvoice:
    return replace(row, state="paid", ended_at=at, starts_at=starts_at, ends_at=ends_at)


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT * FROM invoices_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "subscription_id": "AND subscription_id = %(subscription_id)b::uuid",
    "fan_id": "AND fan_id = %(fan_id)b::uuid",
    "creator_id": "AND creator_id = %(creator_id)b::uuid",
    "state": "AND state = %(state)b::text",
}
INVOICES: Final = Search("invoices", SEARCH, FoundInvoice, keys=KEYS)


async def search_invoices(
    model: LiveModel,
    *,
    subscription_id: UUID | None = None,
    fan_id: UUID | None = None,
    creator_id: UUID | None = None,
    state: Literal["open", "paid", "void"] | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundInvoice]:
    """A page of the invoices that all filters name, newest first; see `Search.page`.

    Raises `InvalidCursor`, `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "subscription_id": subscription_id,
        "fan_id": fan_id,
        "creator_id": creator_id,
        "state": state,
    }
    return await INVOICES.page(
        model, filters, cursor=cursor, limit=limit, min_position=min_position
    )
