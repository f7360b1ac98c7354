"""What each event says, as the parts of api/webhooks_out/message_shapes.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast
from uuid import uuid5

from api.webhooks_out import message_shapes as shapes
from api.webhooks_out.message_types import CREATORS, INVOICES, PAYMENTS, PAYOUTS, SUBSCRIPTIONS
from ledger import events as facts
from ledger.creator import Creator
from ledger.payment import Payment
from ledger.receipt import Receipt
from ledger.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from ledger.decisions import Aggregate
    from ledger.events import LedgerEvent, Price
    from ledger.flows import Dispute, Flows
    from ledger.money import Split
    from ledger.payout import Payout


class Part(NamedTuple):
    """The shape of a message's data, and its fields beside the event's place."""

    shape: type[shapes.Place]
    fields: dict[str, Any]


def shape_of(
    event: LedgerEvent,
    history: Sequence[LedgerEvent],
    state: Aggregate | None,
    *,
    for_platform: bool,
) -> Part | None:
    """What is told of an event; None where a creator has no part in it."""
    kind = type(event)
    if isinstance(event, facts.DocumentIssued):
        return _of_document(event)
    if kind in CREATORS:
        return _of_creator(event, cast("Creator", state))
    if kind in PAYOUTS:
        return Part(shapes.PayoutEvent, {"payout": _payout(cast("Payout", state))})
    if kind in SUBSCRIPTIONS or kind in INVOICES:
        told = {"subscription": _subscription(cast("Subscription", state), for_platform)}
        if kind in SUBSCRIPTIONS:
            return Part(shapes.SubscriptionEvent, told)
        return Part(shapes.InvoiceEvent, {**told, "invoice": _invoice(event, history)})
    if kind in PAYMENTS:
        return _of_payment(event, cast("Payment", state), for_platform=for_platform)
    payment = _payment(state, for_platform) if isinstance(state, Payment) else None
    if isinstance(event, facts.UnmatchedReceiptRecorded):
        return Part(shapes.ParkedEvent, {"payment": None, "parked": _parked(event)})
    assert isinstance(state, Payment | Receipt)  # noqa: S101 - refunds and disputes lie on these
    return _of_flows(event, state.flows, payment, for_platform=for_platform)


def _of_payment(event: LedgerEvent, payment: Payment, *, for_platform: bool) -> Part:
    told: dict[str, Any] = {"payment": _payment(payment, for_platform)}
    match event:
        case facts.PaymentMismatched() | facts.SurplusReceived() | facts.OverpaymentParked():
            return Part(shapes.ParkedEvent, {**told, "parked": _parked(event)})
        case facts.FanRefundRequested():
            wish = {"id": event.request_id, "wish": event.wish}
            return Part(shapes.RefundWishEvent, {**told, "refund_request": wish})
        case facts.FanRefundDeclined():
            declined = {"id": event.request_id, "wish": None}
            return Part(shapes.RefundWishEvent, {**told, "refund_request": declined})
        case facts.UnusedTimeCredited():
            credited = {
                "credit_note_id": event.credit_note_id,
                "money": event.money.model_dump(),
                "legs": _split(event.legs),
            }
            return Part(shapes.CreditedTimeEvent, {**told, "time_credited": credited})
        case _:
            return Part(shapes.PaymentEvent, told)


def _of_flows(
    event: LedgerEvent, flows: Flows, payment: dict[str, Any] | None, *, for_platform: bool
) -> Part | None:
    match event:
        case (
            facts.DisputeWarned()
            | facts.DisputeOpened()
            | facts.DisputeClosed()
            | facts.DisputeFeeCharged()
            | facts.DisputeFeeReturned()
        ):
            dispute = flows.disputes.get(event.dispute)
            told = {"payment": payment, "dispute": _dispute(event, dispute)}
            return Part(shapes.DisputeEvent, told) if payment is not None else None
        case (
            facts.RefundRequested()
            | facts.RefundSucceeded()
            | facts.RefundFailed()
            | facts.RefundReopenedAsFailed()
            | facts.RefundReopenedAsSucceeded()
            | facts.CreditRefundRequested()
            | facts.ReceiptReturnRequested()
        ):
            refund = flows.refunds[event.refund_id]
            # Credit is the fan's, and parked money was never the creator's.
            if not for_platform and (refund.from_credit or refund.returns is not None):
                return None
            shown = {
                "id": refund.id,
                "state": refund.state,
                "origin": refund.origin,
                "money": refund.money.model_dump(),
                "legs": _split(refund.legs),
            }
            return Part(shapes.RefundEvent, {"payment": payment, "refund": shown})
        case _:
            message = f"{type(event).__name__} is told, and nobody says how"
            raise NotImplementedError(message)


def _of_document(event: facts.DocumentIssued) -> Part:
    shown = {
        "kind": event.kind,
        "number": event.originator_version,
        "month": event.month,
        "currency": event.currency,
    }
    return Part(shapes.DocumentEvent, {"document": shown})


def _of_creator(event: LedgerEvent, creator: Creator) -> Part:
    told: dict[str, Any] = {"creator": _creator(creator)}
    match event:
        case facts.DestinationAdded() | facts.DestinationVerified() | facts.DestinationRemoved():
            return Part(
                shapes.DestinationEvent, {**told, "destination": _destination(event, creator)}
            )
        case facts.FundsHeld():
            hold = {"id": event.hold_id, "money": event.held, "expires_at": event.expires_at}
            return Part(shapes.HoldEvent, {**told, "hold": hold})
        case facts.HoldReleased():
            line = event.entry.postings[0]
            money = {"amount": abs(line.amount), "currency": line.currency}
            hold = {"id": event.hold_id, "money": money, "expires_at": None}
            return Part(shapes.HoldEvent, {**told, "hold": hold})
        case facts.DebtWrittenOff():
            return Part(shapes.DebtEvent, {**told, "written_off": {"money": event.debt}})
        case facts.PayoutScheduleSet():
            schedule = {
                "interval": event.interval,
                "day": event.day,
                "destination_id": event.destination_id,
                "minimum": event.minimum,
            }
            return Part(shapes.ScheduleEvent, {**told, "payout_schedule": schedule})
        case (
            facts.TierCreated()
            | facts.PricePublished()
            | facts.TierPublished()
            | facts.TierArchived()
        ):
            tier = creator.tiers[event.tier_id]
            shown = {
                "id": tier.id,
                "name": tier.name,
                "state": tier.state,
                "trial_days": tier.trial_days,
                "prices": [_price(each) for each in tier.current_prices()],
            }
            return Part(shapes.TierEvent, {**told, "tier": shown})
        case _:
            return Part(shapes.CreatorEvent, told)


def _payment(payment: Payment, for_platform: bool) -> dict[str, Any]:  # noqa: FBT001 - of this module
    of = payment.invoice
    return {
        "id": payment.id,
        "state": payment.state,
        "creator_id": payment.creator_id,
        "supporter_id": uuid5(payment.creator_id, str(payment.fan_id)),
        "fan_id": payment.fan_id if for_platform else None,
        "purpose": payment.purpose,
        "reference": payment.reference,
        "subscription_id": None if of is None else of.subscription_id,
        "invoice_id": None if of is None else of.invoice_id,
        "method": payment.method,
        "money": payment.money.model_dump(),
        "split": _split(payment.split),
        "late": payment.late,
        "failure_reason": payment.reason,
        "releases_at": payment.flows.releases_at,
    }


def _split(split: Split) -> dict[str, Any]:
    return {"fee": split.fee, "vat": split.vat, "net": split.net}


def _parked(
    event: facts.PaymentMismatched
    | facts.SurplusReceived
    | facts.OverpaymentParked
    | facts.UnmatchedReceiptRecorded,
) -> dict[str, Any]:
    money = event.excess if isinstance(event, facts.OverpaymentParked) else event.received
    return {
        "provider": event.provider,
        "provider_transaction": event.provider_transaction,
        "money": money.model_dump(),
    }


def _dispute(
    event: facts.DisputeWarned
    | facts.DisputeOpened
    | facts.DisputeClosed
    | facts.DisputeFeeCharged
    | facts.DisputeFeeReturned,
    dispute: Dispute | None,
) -> dict[str, Any]:
    fee = None
    if isinstance(event, facts.DisputeFeeCharged | facts.DisputeFeeReturned):
        fee = event.fee
    if dispute is None:
        # The fee came before the dispute did.
        assert fee is not None  # noqa: S101 - nothing else comes before it
        return {
            "dispute": event.dispute, "state": "unknown", "round": 0, "money": None,
            "held": 0, "lost": 0, "fee": fee.model_dump(),
        }  # fmt: skip
    return {
        "dispute": dispute.name,
        "state": dispute.state,
        "round": dispute.round,
        "money": dispute.money.model_dump(),
        "held": dispute.legs.net,
        "lost": dispute.lost,
        "fee": None if fee is None else fee.model_dump(),
    }


def _payout(payout: Payout) -> dict[str, Any]:
    # Of what a person wrote nothing is told; a code says why it failed.
    by_code = payout.state in {"failed", "returned"}
    return {
        "id": payout.id,
        "state": payout.state,
        "creator_id": payout.creator_id,
        "destination_id": payout.destination.destination_id,
        "money": payout.gross.model_dump(),
        "legs": payout.legs.model_dump(),
        "scheduled": payout.scheduled,
        "failure_reason": payout.reason if by_code else None,
    }


def _subscription(subscription: Subscription, for_platform: bool) -> dict[str, Any]:  # noqa: FBT001 - of this module
    return {
        "id": subscription.id,
        "state": subscription.state,
        "creator_id": subscription.creator_id,
        "supporter_id": uuid5(subscription.creator_id, str(subscription.fan_id)),
        "fan_id": subscription.fan_id if for_platform else None,
        "tier_id": subscription.tier_id,
        "price": _price(subscription.price),
        "trial_ends_at": subscription.trial_ends_at,
        "paid_until": subscription.paid_until,
        "grace_until": subscription.grace_until,
        "cancel_at": subscription.cancel_at,
        "pause_at": subscription.pause_at,
    }


def _price(price: Price) -> dict[str, Any]:
    return price.model_dump()


KINDS: dict[type[facts.Invoiced], Literal["first", "renewal", "change", "prepayment"]] = {
    facts.FirstPeriodInvoiced: "first",
    facts.RenewalInvoiced: "renewal",
    facts.ChangeInvoiced: "change",
    facts.PrepaymentInvoiced: "prepayment",
}


ISSUED: Final = (
    facts.FirstPeriodInvoiced,
    facts.RenewalInvoiced,
    facts.ChangeInvoiced,
    facts.PrepaymentInvoiced,
)


def _invoice(event: LedgerEvent, history: Sequence[LedgerEvent]) -> dict[str, Any]:
    """The invoice that an event is about: a void one may have been issued again."""
    invoice_id = cast("facts.PeriodPaid", event).invoice_id
    issued = next(
        each
        for each in reversed(history)
        if isinstance(each, ISSUED) and each.invoice_id == invoice_id
    )
    return {
        "id": issued.invoice_id,
        "kind": KINDS[type(issued)],
        "state": _invoice_state(event, history, invoice_id),
        "number": issued.number,
        "count": issued.count if isinstance(issued, facts.PrepaymentInvoiced) else 1,
        "money": issued.money.model_dump(),
        "failure_reason": event.reason
        if isinstance(event, facts.InvoiceAttemptFailed | facts.InvoiceVoided)
        else None,
        "credited": event.money.model_dump() if isinstance(event, facts.CreditNoteIssued) else None,
    }


def _invoice_state(event: LedgerEvent, history: Sequence[LedgerEvent], invoice_id: UUID) -> str:
    if isinstance(event, facts.InvoiceVoided):
        return "void"
    paid = any(
        isinstance(each, facts.PeriodPaid | facts.PeriodsPrepaid | facts.TierChanged)
        and each.invoice_id == invoice_id
        for each in history
    )
    return "paid" if paid else "open"


def _creator(creator: Creator) -> dict[str, Any]:
    plan = creator.plan
    return {
        "id": creator.id,
        "standing": creator.standing,
        "verification": creator.verification,
        "settlement_currency": creator.settlement_currency,
        "fee_basis_points": None if plan is None else plan.fee_basis_points,
        "vat_basis_points": None if plan is None else plan.vat_basis_points,
    }


def _destination(
    event: facts.DestinationAdded | facts.DestinationVerified | facts.DestinationRemoved,
    creator: Creator,
) -> dict[str, Any]:
    known = creator.destinations.get(event.destination_id)
    return {
        "id": event.destination_id,
        "provider": None if known is None else known.provider,
        "verified": known is not None and known.verified,
        "removed": known is None,
    }
