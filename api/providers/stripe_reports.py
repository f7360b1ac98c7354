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
    from ledger.commands import AnyReport

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
ENDED: Final = frozenset({"succeeded", "canceled"})
"""What an intent is that has ended; the event that tells of it is called so too."""

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
CHARGE_EVENTS: Final = frozenset(
    {"charge.succeeded", "charge.captured", "charge.updated", "charge.refunded"}
)
DISPUTE_EVENTS: Final = frozenset(
    {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
    }
)


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
        check_ours(told, platform)
        return (_intent_event(event, platform),)
    if event.type in REFUND_EVENTS | DISPUTE_EVENTS:
        ours = our_refund(told, platform) if event.type in REFUND_EVENTS else None
        if ours is not None:
            return (refund_report(told, ours.stream_id, ours.refund_id, at=event.created),)
        intent_of(told)
        return ()
    if event.type in CHARGE_EVENTS:
        check_ours(told, platform)
        if event.type != "charge.refunded" and not told.get("balance_transaction"):
            # What it costs is told by a later `charge.updated`.
            raise NothingOfOursError
        return ()
    return _payout_event(event)


def _payout_event(event: Event) -> tuple[AnyReport, ...]:
    if event.type == "payout.failed":
        # It may have been told as paid before: a person must look where the money is.
        raise UnreadableError("payout_failed")
    if event.type != "payout.paid":
        raise NothingOfOursError
    return () if event.object.get("balance_transaction") else (settlement_report(event, fee=0),)


def _intent_event(event: Event, platform: str) -> ProviderReport:
    intent, word = event.object, event.type.removeprefix("payment_intent.")
    status = str(intent.get("status"))
    if (word in ENDED or status in ENDED) and word != status:
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


def fee_report(charge: Mapping[str, Any], moved: Mapping[str, Any], platform: str) -> FeeReport:
    """What Stripe took for a charge. Raises `UnreadableError` or `NothingOfOursError`."""
    if integer(moved.get("fee")) == 0:
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
    amount = integer(payout.get("amount"))
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


def check_ours(told: Mapping[str, Any], platform: str) -> None:
    """Raises `NothingOfOursError` for what is of no payment of ours."""
    if our_payment(told, platform) is None:
        raise NothingOfOursError


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
    return from_units(integer(units), currency, exponent=exponent)


def moment(value: object) -> datetime | None:
    """Seconds since 1970; None where there are none that can be read."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def integer(value: object) -> int:
    """A number as Stripe writes amounts. Raises `UnreadableError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableError("unreadable_amount")
    return value


def _id(value: object) -> str | None:
    """An object's name, whether the object itself stands there or its name alone."""
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and OBJECT.fullmatch(value) else None
