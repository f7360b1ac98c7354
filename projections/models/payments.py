"""Which payments are there? Searched by who, what, when and by reference, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from ledger.events import (
    CreditSpent,
    Event,
    InvoicePaymentInitiated,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentSucceeded,
    PaymentVoided,
    ReceiptsAllocated,
    ReceiptsCredited,
)
from ledger.flows import FAN_CREDIT, GOODWILL_CREDIT
from projections.read_model import ReadModel, Recorded, Tables
from projections.reader import PAGE_SIZE
from projections.searching import OPENED_SINCE, OPENED_UNTIL, Page, Search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import LiteralString

    from ledger.events import LedgerEvent
    from ledger.money import Split
    from projections.live import LiveModel
    from projections.payments import PaymentStanding

TABLES: Final = """
    CREATE TABLE payments_g{g} (
        payment_id uuid PRIMARY KEY,
        opened bigint NOT NULL,
        fan_id uuid NOT NULL,
        creator_id uuid NOT NULL,
        purpose text NOT NULL,
        reference text,
        subscription_id uuid,
        invoice_id uuid,
        state text NOT NULL,
        method text NOT NULL,
        provider text NOT NULL,
        provider_transaction text,
        currency text COLLATE "C" NOT NULL,
        amount numeric NOT NULL,
        fee numeric NOT NULL,
        vat numeric NOT NULL,
        net numeric NOT NULL,
        initiated_at timestamptz NOT NULL,
        ended_at timestamptz,
        updated_at timestamptz NOT NULL
    ) WITH (fillfactor = 80);
    CREATE INDEX ON payments_g{g} ((opened + 0));
    CREATE INDEX ON payments_g{g} (creator_id, opened);
    CREATE INDEX ON payments_g{g} (creator_id, state, opened);
    CREATE INDEX ON payments_g{g} (fan_id, opened);
    CREATE INDEX ON payments_g{g} (state, opened);
    CREATE INDEX ON payments_g{g} (reference) WHERE reference IS NOT NULL;
    CREATE INDEX ON payments_g{g} (provider_transaction) WHERE provider_transaction IS NOT NULL;
"""
INSERT: Final = """
    INSERT INTO payments_g{g}
    SELECT * FROM unnest(
        %b::uuid[], %b::bigint[], %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::uuid[],
        %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[], %b::timestamptz[], %b::timestamptz[],
        %b::timestamptz[])
"""
UPDATE: Final = """
    UPDATE payments_g{g} AS payment
    SET state = change.state, updated_at = change.updated_at,
        ended_at = coalesce(change.ended_at, payment.ended_at),
        provider_transaction = coalesce(change.provider_transaction, payment.provider_transaction),
        fee = coalesce(change.fee, payment.fee), vat = coalesce(change.vat, payment.vat),
        net = coalesce(change.net, payment.net)
    FROM unnest(%b::uuid[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::text[],
                %s::numeric[], %s::numeric[], %s::numeric[])
        AS change (payment_id, state, updated_at, ended_at, provider_transaction, fee, vat, net)
    WHERE payment.payment_id = change.payment_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a batch changes of a payment that was there before it."""

    state: str
    updated_at: datetime
    ended_at: datetime | None = None
    provider_transaction: str | None = None
    split: Split | None = None


class PaymentsModel(ReadModel):
    """Payments, one row each."""

    name = "payments"
    version = 2
    reads: ClassVar[frozenset[type[Event]]] = frozenset(
        {
            PaymentInitiated,
            InvoicePaymentInitiated,
            CreditSpent,
            PaymentSubmissionStarted,
            PaymentSubmitted,
            PaymentSubmissionUnknown,
            PaymentAuthorised,
            PaymentSucceeded,
            PaymentReceivedAsCredit,
            ReceiptsAllocated,
            ReceiptsCredited,
            PaymentMismatched,
            PaymentFailed,
            PaymentCancelled,
            PaymentVoided,
            PaymentExpired,
        }
    )
    tables = TABLES
    names: ClassVar[Sequence[LiteralString]] = ("payments_g{g}",)

    def apply(self, tables: Tables, batch: Sequence[Recorded]) -> None:
        """Insert those that begin, change the others, each once."""
        begun: dict[UUID, Recorded] = {}
        changes: dict[UUID, _Change] = {}
        for recorded in batch:
            event = recorded.event
            payment_id = event.originator_id
            if isinstance(event, PaymentInitiated | InvoicePaymentInitiated | CreditSpent):
                begun[payment_id] = recorded
            else:
                changes[payment_id] = _changed(changes.get(payment_id), event)
        tables.write(INSERT, [_row(each, changes.get(key)) for key, each in begun.items()])
        tables.write(
            UPDATE, [_update(key, each) for key, each in changes.items() if key not in begun]
        )


_STATES: Final[Mapping[type[Event], str]] = {
    PaymentSubmissionStarted: "submitting",
    PaymentSubmitted: "submitted",
    PaymentSubmissionUnknown: "submission_unknown",
    PaymentAuthorised: "authorised",
    PaymentSucceeded: "succeeded",
    PaymentReceivedAsCredit: "succeeded",
    ReceiptsAllocated: "succeeded",
    ReceiptsCredited: "succeeded",
    PaymentMismatched: "needs_review",
    PaymentFailed: "failed",
    PaymentCancelled: "cancelled",
    PaymentVoided: "cancelled",
    PaymentExpired: "expired",
}
_OPEN: Final = frozenset({"submitting", "submitted", "submission_unknown", "authorised"})


def _changed(before: _Change | None, event: LedgerEvent) -> _Change:
    state = _STATES[type(event)]
    ended_at = None if before is None else before.ended_at
    provider_transaction = None if before is None else before.provider_transaction
    split = None if before is None else before.split
    if state not in _OPEN:
        ended_at = event.recorded_at
    if isinstance(event, PaymentSucceeded | PaymentReceivedAsCredit | PaymentMismatched):
        provider_transaction = event.provider_transaction
    elif isinstance(event, ReceiptsAllocated):
        split = event.split
    return _Change(
        state=state,
        updated_at=event.recorded_at,
        ended_at=ended_at,
        provider_transaction=provider_transaction,
        split=split,
    )


def _update(payment_id: UUID, change: _Change) -> tuple[object, ...]:
    split = change.split
    return (
        payment_id,
        change.state,
        change.updated_at,
        change.ended_at,
        change.provider_transaction,
        None if split is None else split.fee,
        None if split is None else split.vat,
        None if split is None else split.net,
    )


def _row(recorded: Recorded, change: _Change | None) -> tuple[object, ...]:
    event = recorded.event
    assert isinstance(event, PaymentInitiated | InvoicePaymentInitiated | CreditSpent)  # noqa: S101
    by_credit = isinstance(event, CreditSpent)
    first = _Change(
        state="succeeded" if by_credit else "initiated",
        updated_at=event.recorded_at,
        ended_at=event.recorded_at if by_credit else None,
    )
    change = change or first
    split = change.split or event.split
    return (
        event.originator_id,
        recorded.position,
        event.fan_id,
        event.creator_id,
        *_what_for(event),
        change.state,
        *_how(event),
        change.provider_transaction,
        event.money.currency,
        event.money.amount,
        split.fee,
        split.vat,
        split.net,
        event.recorded_at,
        change.ended_at,
        change.updated_at,
    )


def _what_for(
    event: PaymentInitiated | InvoicePaymentInitiated | CreditSpent,
) -> tuple[str, str | None, UUID | None, UUID | None]:
    if isinstance(event, PaymentInitiated):
        return event.purpose, event.reference, None, None
    return "invoice", None, event.subscription_id, event.invoice_id


def _how(event: PaymentInitiated | InvoicePaymentInitiated | CreditSpent) -> tuple[str, str]:
    match event:
        case PaymentInitiated():
            return "phone", event.provider
        case InvoicePaymentInitiated():
            return event.method, event.provider
        case _:
            return "credit", GOODWILL_CREDIT if event.source == "goodwill" else FAN_CREDIT


# Asking.

SEARCH: Final = """
    SELECT model.generation, model.position, model.parked_at, found.*
    FROM model LEFT JOIN LATERAL (
        SELECT payment_id, opened, fan_id, creator_id, purpose, reference, subscription_id,
               invoice_id, state, method, provider, provider_transaction, currency, amount::text,
               fee::text, vat::text, net::text, initiated_at, ended_at, updated_at
        FROM payments_g{g}
        WHERE {opened} < %(before)b::bigint {where}
        ORDER BY {opened} DESC LIMIT %(limit)b::bigint
    ) AS found ON true
    ORDER BY found.opened DESC
"""
KEYS: Final[Mapping[str, LiteralString]] = {
    "fan_id": "AND fan_id = %(fan_id)b::uuid",
    "creator_id": "AND creator_id = %(creator_id)b::uuid",
    "state": "AND state = %(state)b::text",
    "reference": "AND reference = %(reference)b::text",
    "provider_transaction": "AND provider_transaction = %(provider_transaction)b::text",
}
OTHERS: Final[Mapping[str, LiteralString]] = {"since": OPENED_SINCE, "until": OPENED_UNTIL}


@dataclass(frozen=True, slots=True)
class FoundPayment:
    """A payment in a list; amounts in minor units. `opened` is the position of its first event."""

    payment_id: UUID
    opened: int
    fan_id: UUID
    creator_id: UUID
    purpose: str
    reference: str | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    state: str
    method: str
    provider: str
    provider_transaction: str | None
    currency: str
    amount: int
    fee: int
    vat: int
    net: int
    initiated_at: datetime
    ended_at: datetime | None
    updated_at: datetime


def _found(*row: Any) -> FoundPayment:  # noqa: ANN401 - a row's columns
    return FoundPayment(*row[:13], *map(int, row[13:17]), *row[17:])


PAYMENTS: Final = Search("payments", SEARCH, _found, keys=KEYS, others=OTHERS)


async def search_payments(
    model: LiveModel,
    *,
    fan_id: UUID | None = None,
    creator_id: UUID | None = None,
    state: PaymentStanding | None = None,
    reference: str | None = None,
    provider_transaction: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
    min_position: int | None = None,
) -> Page[FoundPayment]:
    """A page of the payments that all filters name, newest first; see `Search.page`.

    They were initiated at `since` or later, and before `until`. Raises `InvalidCursor`,
    `ReadModelBehind`, `PositionNotReached` or `ReadUnavailable`.
    """
    filters = {
        "fan_id": fan_id,
        "creator_id": creator_id,
        "state": state,
        "reference": reference,
        "provider_transaction": provider_transaction,
        "since": since,
        "until": until,
    }
    return await PAYMENTS.page(
        model, filters, cursor=cursor, limit=limit, min_position=min_position
    )
