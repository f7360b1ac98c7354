"""Stripe's words, translated: of events and of answers to queries, whose objects look the same.

A charge is called by its payment intent (`pi_…`), a refund `re_…`, a dispute `du_…` or `dp_…` and a
payout `po_…` on every way that we learn of them. What we asked for says so in its `metadata`, under
the name of this platform; what says nothing of the kind is another product's of the same account,
and nothing of ours. Reasons are Stripe's codes; its messages are not kept.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.providers.amounts import UnreadableError, from_units
from api.providers.port import NothingOfOursError
from api.providers.stripe_currencies import stripe_exponent
from api.providers.words import json_object, name_of, our_id, part, reason_of, refund_of_note
from ledger.accounts import collection
from ledger.commands import (
    Claim,
    DisputeReport,
    FeeReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
    SettlementReport,
)
from ledger.money import Money

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from api.providers.words import RefundName
    from ledger.commands import AnyReport, DisputeStage

NAME: Final = "stripe"
PAYMENT_KEY: Final = "payment_id"
REFUND_KEY: Final = "refund"
PLATFORM_KEY: Final = "platform"
OBJECT: Final = re.compile(r"[a-z]{2,5}_[A-Za-z0-9_]{1,100}", re.ASCII)

INTENT_EVENTS: Final = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    }
)
ENDED: Final[Mapping[str, str]] = {"succeeded": "succeeded", "canceled": "canceled"}
"""What an intent is that has ended, and what the event is called that tells of it."""

INTENTS: Final[Mapping[str, Claim]] = {
    "succeeded": Claim.SUCCEEDED,
    "canceled": Claim.CANCELLED,
    "requires_capture": Claim.AUTHORISED,
    "processing": Claim.PENDING,
    "requires_action": Claim.PENDING,
    "requires_confirmation": Claim.PENDING,
    # Failed, if there is an error; else it was never tried.
    "requires_payment_method": Claim.PENDING,
}
REFUND_EVENTS: Final = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)
REFUNDS: Final[Mapping[str, RefundClaim]] = {
    "succeeded": RefundClaim.SUCCEEDED,
    "failed": RefundClaim.FAILED,
    "canceled": RefundClaim.FAILED,
    "pending": RefundClaim.PENDING,
    "requires_action": RefundClaim.PENDING,
}
CHARGE_EVENTS: Final = frozenset({"charge.succeeded", "charge.captured", "charge.updated"})
DISPUTE_EVENTS: Final = frozenset(
    {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
    }
)
NOT_LOST: Final = frozenset({"won", "warning_closed", "prevented"})


class Event(NamedTuple):
    """An event: what happened to which object, as that was then."""

    id: str
    type: str
    object: Mapping[str, Any]
    created: datetime | None


def event_of(body: bytes) -> Event:
    """A callback's event. Raises `UnreadableError`."""
    document = json_object(body)
    if document.get("object") != "event":
        raise UnreadableError("unknown_event")
    if document.get("account"):
        # It happened in a connected account.
        raise NothingOfOursError
    return Event(
        id=name_of(document.get("id")),
        type=str(document.get("type")),
        object=part(part(document.get("data")).get("object")),
        created=moment(document.get("created")),
    )


def reports_of(event: Event, platform: str) -> tuple[AnyReport, ...]:
    """An event's reports; none where Stripe or the ledger must be asked first.

    Raises `UnreadableError` or `NothingOfOursError`.
    """
    told = event.object
    if event.type in INTENT_EVENTS:
        if our_payment(told, platform) is None:
            raise NothingOfOursError
        return (_intent_event(event, platform),)
    if event.type in REFUND_EVENTS:
        ours = our_refund(told, platform)
        if ours is not None:
            return (refund_report(told, ours.stream_id, ours.refund_id, at=event.created),)
        intent_of(told)
        return ()
    if event.type in CHARGE_EVENTS and not told.get("balance_transaction"):
        # What it costs is told by a later `charge.updated`.
        raise NothingOfOursError
    if event.type in CHARGE_EVENTS or event.type == "charge.refunded":
        if our_payment(told, platform) is None:
            raise NothingOfOursError
        return ()
    if event.type in DISPUTE_EVENTS:
        intent_of(told)
        return ()
    if event.type == "payout.paid":
        return () if told.get("balance_transaction") else (settlement_report(event, fee=0),)
    if event.type == "payout.failed":
        # It may have been told as paid before: a person must look where the money is.
        raise UnreadableError("payout_failed")
    raise NothingOfOursError


def _intent_event(event: Event, platform: str) -> ProviderReport:
    intent, word = event.object, event.type.removeprefix("payment_intent.")
    status = str(intent.get("status"))
    if (word in ENDED.values() or status in ENDED) and ENDED.get(status) != word:
        raise UnreadableError("contradictory_status")
    if word == "payment_failed":
        return _without_money(intent, Claim.FAILED, platform, at=event.created)
    return intent_report(intent, platform, at=event.created)


def intent_report(
    intent: Mapping[str, Any], platform: str, *, at: datetime | None = None
) -> ProviderReport:
    """What is said of a payment intent. Raises `UnreadableError`."""
    claim = INTENTS.get(str(intent.get("status")))
    if claim is None:
        raise UnreadableError("unknown_status")
    if intent.get("status") == "requires_payment_method" and intent.get("last_payment_error"):
        claim = Claim.FAILED
    if claim is not Claim.SUCCEEDED:
        return _without_money(intent, claim, platform, at=at)
    charge = _id(intent.get("latest_charge"))
    return ProviderReport(
        provider=NAME,
        payment_id=our_payment(intent, platform),
        claim=claim,
        provider_transaction=name_of(intent.get("id")),
        received=money_of(intent.get("amount_received"), intent),
        occurred_at=at,
        also_known_as=() if charge is None else (charge,),
    )


def _without_money(
    intent: Mapping[str, Any], claim: Claim, platform: str, *, at: datetime | None
) -> ProviderReport:
    reason = None
    if claim is Claim.FAILED:
        reason = error_code(intent.get("last_payment_error"), "payment_failed")
    elif claim is Claim.CANCELLED:
        reason = reason_of(intent.get("cancellation_reason"), "canceled")
    return ProviderReport(
        provider=NAME,
        payment_id=our_payment(intent, platform),
        claim=claim,
        reason=reason,
        occurred_at=at,
    )


def refund_report(
    refund: Mapping[str, Any],
    stream_id: UUID | None,
    refund_id: UUID | None,
    *,
    at: datetime | None = None,
) -> RefundReport:
    """What is said of a refund. Raises `UnreadableError`."""
    claim = REFUNDS.get(str(refund.get("status")))
    if claim is None:
        raise UnreadableError("unknown_status")
    reason = None
    if claim is RefundClaim.FAILED:
        reason = reason_of(refund.get("failure_reason"), f"refund_{refund.get('status')}")
    return RefundReport(
        provider=NAME,
        stream_id=stream_id,
        refund_id=refund_id,
        claim=claim,
        provider_refund=name_of(refund.get("id")),
        refunded=money_of(refund.get("amount"), refund),
        paid_from=collection(NAME),
        reason=reason,
        occurred_at=at,
    )


def dispute_reports(event: Event, payment_id: UUID) -> tuple[AnyReport, ...]:
    """What an event says of a dispute and of its fee. Raises `UnreadableError`."""
    dispute, word = event.object, event.type.removeprefix("charge.dispute.")
    status = str(dispute.get("status"))
    # An inquiry asks; only a dispute takes the money.
    is_inquiry = status.startswith("warning_") or status == "prevented"
    disputed = money_of(dispute.get("amount"), dispute)
    stage, lost = _stage(word, status, is_inquiry=is_inquiry), None
    if stage == "closed":
        lost = 0 if status in NOT_LOST else _lost(dispute, disputed)
    report = DisputeReport(
        provider=NAME,
        payment_id=payment_id,
        dispute=name_of(dispute.get("id")),
        stage=stage,
        disputed=disputed,
        lost_amount=lost,
        funds_withdrawn=not is_inquiry,
        occurred_at=event.created,
    )
    return report, *_dispute_fees(dispute, payment_id)


def _stage(word: str, status: str, *, is_inquiry: bool) -> DisputeStage:
    if word == "created":
        return "warned" if is_inquiry else "opened"
    if word == "funds_withdrawn":
        return "opened"
    if status not in NOT_LOST and status != "lost":
        # Some of it came back while it is open: what that means a person must find out.
        raise UnreadableError("dispute_still_open")
    return "closed"


def _lost(dispute: Mapping[str, Any], disputed: Money) -> int:
    """All of it, less what came back, where the balance has its currency."""
    moved = _balance_transactions(dispute)
    if any(each.get("currency") != dispute.get("currency") for each in moved):
        return disputed.amount
    back = sum(_integer(each.get("amount")) for each in moved if _integer(each.get("amount")) > 0)
    if not back:
        return disputed.amount
    return max(0, disputed.amount - money_of(back, dispute).amount)


def _dispute_fees(dispute: Mapping[str, Any], payment_id: UUID) -> list[FeeReport]:
    name = name_of(dispute.get("id"))
    return [
        FeeReport(
            provider=NAME,
            payment_id=payment_id,
            fee_reference=f"fee:{name}",
            fee=money_of(abs(_integer(each["fee"])), each),
            dispute=name,
            returned=_integer(each["fee"]) < 0,
            occurred_at=moment(each.get("created")),
        )
        for each in _balance_transactions(dispute)
        if each.get("fee")
    ]


def fee_report(charge: Mapping[str, Any], moved: Mapping[str, Any], platform: str) -> FeeReport:
    """What Stripe took for a charge. Raises `UnreadableError` or `NothingOfOursError`."""
    if _integer(moved.get("fee")) == 0:
        raise NothingOfOursError
    intent = _id(charge.get("payment_intent")) or name_of(charge.get("id"))
    return FeeReport(
        provider=NAME,
        payment_id=our_payment(charge, platform),
        fee_reference=f"fee:{intent}",
        fee=money_of(moved.get("fee"), moved),
        occurred_at=moment(moved.get("created")),
    )


def settlement_report(event: Event, *, fee: int) -> SettlementReport:
    """What came to our bank, and what Stripe took for that. Raises `UnreadableError`."""
    payout = event.object
    amount = _integer(payout.get("amount"))
    if payout.get("status") != "paid":
        raise UnreadableError("contradictory_status")
    return SettlementReport(
        provider=NAME,
        reference=name_of(payout.get("id")),
        settled=money_of(amount + fee, payout),
        fees=money_of(fee, payout).amount if fee else 0,
        occurred_at=moment(payout.get("arrival_date")) or event.created,
    )


def our_payment(told: Mapping[str, Any], platform: str) -> UUID | None:
    """The payment of ours that something is of, by what we left with it."""
    metadata = told.get("metadata")
    if not isinstance(metadata, dict) or metadata.get(PLATFORM_KEY) != platform:
        return None
    return our_id(metadata.get(PAYMENT_KEY))


def our_refund(told: Mapping[str, Any], platform: str) -> RefundName | None:
    """The refund of ours that something is, by what we left with it."""
    metadata = told.get("metadata")
    if not isinstance(metadata, dict) or metadata.get(PLATFORM_KEY) != platform:
        return None
    return refund_of_note(metadata.get(REFUND_KEY))


def intent_of(told: Mapping[str, Any]) -> str:
    """The payment intent of a refund or dispute. Raises `NothingOfOursError`: ours have one."""
    intent = _id(told.get("payment_intent"))
    if intent is None:
        raise NothingOfOursError
    return intent


def error_code(error: object, otherwise: str) -> str:
    """Why a card was not charged: the issuer's reason, or else Stripe's."""
    if not isinstance(error, dict):
        return otherwise
    return reason_of(error.get("decline_code"), reason_of(error.get("code"), otherwise))


def money_of(units: object, told: Mapping[str, Any]) -> Money:
    """An amount in Stripe's smallest units. Raises `UnreadableError`."""
    currency = str(told.get("currency")).upper()
    exponent = stripe_exponent(currency)
    if exponent is None:
        raise UnreadableError("unknown_currency")
    return from_units(_integer(units), currency, exponent=exponent)


def moment(value: object) -> datetime | None:
    """Seconds since 1970; None where there are none that can be read."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _balance_transactions(dispute: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = dispute.get("balance_transactions")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableError("unreadable_amount")
    return value


def _id(value: object) -> str | None:
    """An object's name, whether the object itself stands there or its name alone."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and OBJECT.fullmatch(value) else None
