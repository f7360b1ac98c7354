"""How does a payment stand, now or as it was at a version? Its stream, folded into a view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, assert_never, cast
from uuid import UUID

from ledger.events import (
    CreditSpent,
    InvoicePaymentInitiated,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentEvent,
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
    SurplusReceived,
)
from ledger.flows import (
    FAN_CREDIT,
    GOODWILL_CREDIT,
    NO_FLOWS,
    Flows,
    InvoiceOf,
    evolve_payment_flows,
)
from ledger.money import Money, Split
from ledger.postings import FeePlan
from ledger.serialization import decode_event
from projections.coalescing import CoalescedReads
from projections.reader import POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.events import LedgerEvent
    from projections.reader import Reader

READ_PAYMENTS: Final = """
    SELECT wanted.number, head.position,
           ledger_events.originator_version, ledger_events.topic, ledger_events.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    CROSS JOIN unnest(%b::uuid[], %b::bigint[]) WITH ORDINALITY
        AS wanted (payment_id, version, number)
    JOIN ledger_events
      ON ledger_events.originator_id = wanted.payment_id
     AND ledger_events.originator_version <= wanted.version
    ORDER BY wanted.number, ledger_events.originator_version
"""

PaymentStanding = Literal[
    "initiated",
    "submitting",
    "submitted",
    "submission_unknown",
    "authorised",
    "succeeded",
    "failed",
    "cancelled",
    "expired",
    "needs_review",
]
"""The states of ledger/payment.py, by name."""


BEGINNING: Final = (PaymentInitiated, InvoicePaymentInitiated, CreditSpent)
BEGINNINGS: Final = frozenset(cls.TOPIC for cls in BEGINNING)
"""What a payment's stream begins with."""


class NotAPaymentStreamError(ValueError):
    """These events are not a payment's stream from its beginning."""


@dataclass(frozen=True, slots=True)
class ParkedMoney:
    """Money that came for a payment and waits in suspense, and why."""

    why: Literal["overpaid", "mismatched", "surplus"]
    money: Money
    provider_transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentView:
    """A payment as people see it at a version of its stream. Amounts are minor units.

    `instrument`, a phone or a card, is the id of an entry in the vault. `reason` says why it ended
    without money or waits. `updated_at` is when its last event was recorded; `occurred_at` is when
    the provider says the money was paid.
    """

    id: UUID
    version: int
    state: PaymentStanding
    fan_id: UUID
    creator_id: UUID
    purpose: Literal["tip", "purchase", "invoice"]
    reference: str | None
    money: Money
    split: Split
    provider: str
    plan: FeePlan
    method: Literal["phone", "card", "till", "credit"] = "phone"
    instrument: UUID | None
    invoice: InvoiceOf | None = None
    initiated_at: datetime
    expires_at: datetime
    updated_at: datetime
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    occurred_at: datetime | None = None
    provider_reference: str | None = None
    provider_transaction: str | None = None
    reason: str | None = None
    late: bool = False
    parked: tuple[ParkedMoney, ...] = ()
    flows: Flows = NO_FLOWS


@dataclass(frozen=True, slots=True)
class PaymentRead:
    """A payment, and the position of the log at which it stood like that."""

    position: int
    payment: PaymentView


class Payments:
    """Payments by id. One object a process, so that concurrent reads coalesce."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._reads: CoalescedReads[tuple[UUID, int], PaymentRead] = CoalescedReads(self._ask)

    async def get(self, payment_id: UUID, *, version: int | None = None) -> PaymentRead | None:
        """The payment now, or as it was at a version; None if no payment has this id.

        A version beyond the last is the last. Raises `ReadUnavailable`.
        """
        bound = POSITION_MAX if version is None else min(max(version, 0), POSITION_MAX)
        return await self._reads.get((payment_id, bound))

    async def _ask(
        self, wanted: list[tuple[UUID, int]]
    ) -> dict[tuple[UUID, int], PaymentRead | Exception]:
        rows = await self._reader.fetch(
            READ_PAYMENTS, ([key for key, _ in wanted], [version for _, version in wanted])
        )
        streams: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            streams.setdefault(row[0], []).append(row)
        return {
            wanted[number - 1]: _read(wanted[number - 1][0], stream)
            for number, stream in streams.items()
            if stream[0][3] in BEGINNINGS
        }


def _read(payment_id: UUID, rows: list[tuple[Any, ...]]) -> PaymentRead | Exception:
    try:
        payment = project_payment(
            decode_event(topic, state, originator_id=payment_id, originator_version=version)
            for _, _, version, topic, state in rows
        )
    except Exception as error:  # noqa: BLE001 - one unreadable stream must not fail its neighbours
        return error
    return PaymentRead(rows[0][1], payment)


def project_payment(events: Iterable[LedgerEvent]) -> PaymentView:
    """Fold a payment's stream from its beginning: as stored, or as a command just recorded it.

    Raises `NotAPaymentStreamError` when they do not begin like one.
    """
    view: PaymentView | None = None
    for event in events:
        if isinstance(event, BEGINNING):
            view = _initiated(event)
        elif view is None:
            break
        else:
            view = _evolve(view, cast("PaymentEvent", event))
    if view is None:
        raise NotAPaymentStreamError
    return view


def _initiated(event: PaymentInitiated | InvoicePaymentInitiated | CreditSpent) -> PaymentView:
    view = PaymentView(
        id=event.originator_id,
        version=event.originator_version,
        state="initiated",
        fan_id=event.fan_id,
        creator_id=event.creator_id,
        purpose="invoice",
        reference=None,
        money=event.money,
        split=event.split,
        provider=FAN_CREDIT,
        plan=event.plan,
        instrument=None,
        initiated_at=event.recorded_at,
        expires_at=event.recorded_at,
        updated_at=event.recorded_at,
    )
    match event:
        case PaymentInitiated():
            return replace(
                view,
                purpose=event.purpose,
                reference=event.reference,
                provider=event.provider,
                instrument=event.phone,
                expires_at=event.expires_at,
            )
        case InvoicePaymentInitiated():
            return replace(
                view,
                provider=event.provider,
                method=event.method,
                instrument=event.instrument,
                invoice=_invoice_of(event, event.attempt),
                expires_at=event.expires_at,
            )
        case CreditSpent():
            view = replace(
                view,
                state="succeeded",
                provider=GOODWILL_CREDIT if event.source == "goodwill" else FAN_CREDIT,
                method="credit",
                invoice=_invoice_of(event, 0),
                ended_at=event.recorded_at,
            )
            return replace(view, flows=evolve_payment_flows(NO_FLOWS, event, view))
        case _:
            assert_never(event)


def _invoice_of(event: InvoicePaymentInitiated | CreditSpent, attempt: int) -> InvoiceOf:
    return InvoiceOf(
        subscription_id=event.subscription_id, invoice_id=event.invoice_id, attempt=attempt
    )


def _evolve(before: PaymentView, event: PaymentEvent) -> PaymentView:
    view = replace(
        before,
        version=event.originator_version,
        updated_at=event.recorded_at,
        flows=evolve_payment_flows(before.flows, event, before),
    )
    match event:
        case PaymentInitiated() | InvoicePaymentInitiated() | CreditSpent():
            return _initiated(event)
        case PaymentSubmissionStarted():
            return replace(view, state="submitting")
        case PaymentSubmitted():
            return replace(
                view,
                state="submitted",
                provider_reference=event.provider_reference,
                submitted_at=event.recorded_at,
            )
        case PaymentSubmissionUnknown():
            return replace(view, state="submission_unknown", reason=event.reason)
        case PaymentSucceeded() | PaymentReceivedAsCredit():
            return replace(
                view,
                state="succeeded",
                reason=None,
                late=event.late,
                ended_at=event.recorded_at,
                occurred_at=event.effective_at,
                provider_transaction=event.provider_transaction,
            )
        case PaymentMismatched():
            parked = ParkedMoney("mismatched", event.received, event.provider_transaction)
            return _parked(
                replace(
                    view, state="needs_review", reason="mismatched", ended_at=event.recorded_at
                ),
                parked,
            )
        case OverpaymentParked():
            return _parked(view, ParkedMoney("overpaid", event.excess, event.provider_transaction))
        case SurplusReceived():
            return _parked(view, ParkedMoney("surplus", event.received, event.provider_transaction))
        case PaymentFailed():
            return _ended(view, "failed", event.reason)
        case PaymentCancelled() | PaymentVoided():
            return _ended(view, "cancelled", event.reason)
        case PaymentExpired():
            return _ended(view, "expired", "expired")
        case PaymentAuthorised():
            return replace(view, state="authorised", provider_reference=event.provider_reference)
        case ReceiptsCredited():
            return replace(view, state="succeeded", reason=None, ended_at=event.recorded_at)
        case ReceiptsAllocated():
            return replace(
                view, state="succeeded", reason=None, split=event.split, ended_at=event.recorded_at
            )
        case _:
            # What befell its money is in `flows`, which handles every event by name.
            return view


def _parked(view: PaymentView, parked: ParkedMoney) -> PaymentView:
    return replace(view, parked=(*view.parked, parked))


def _ended(view: PaymentView, state: PaymentStanding, reason: str) -> PaymentView:
    return replace(view, state=state, reason=reason, ended_at=view.updated_at)
