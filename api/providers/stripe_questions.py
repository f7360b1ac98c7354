"""What Stripe is asked: by us, in time, and about what its events do not say themselves."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from api.providers.amounts import UnreadableError
from api.providers.port import CannotBeAskedError, StatusUnavailableError
from api.providers.stripe_disputes import dispute_reports
from api.providers.stripe_reports import (
    CHARGE_EVENTS,
    DISPUTE_EVENTS,
    OBJECT,
    REFUND_EVENTS,
    check_ours,
    event_of,
    fee_report,
    intent_of,
    intent_report,
    our_payment,
    our_refund,
    refund_report,
    settlement_report,
)
from api.providers.words import name_of
from ledger.commands import RefundClaim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from api.providers.port import Known, PaymentInquiry, RefundOrder
    from api.providers.stripe_api import StripeApi
    from api.providers.stripe_reports import Event
    from ledger.commands import AnyReport, ProviderReport, RefundReport

INTENTS: Final = "/v1/payment_intents"
REFUNDS: Final = "/v1/refunds"
CLOCKS_DIFFER: Final = timedelta(minutes=5)
ABSENT_SECONDS_MIN: Final = 120.0
"""A request that nobody waits for any more may still be under way at Stripe, for as long as its own
time-out (80 seconds). What is not there at two looks so far apart was never taken."""

ABSENT_MAX: Final = 10_000


class Questions:
    """The port's status queries, and the confirmation of events."""

    def __init__(self, api: StripeApi, platform: str) -> None:
        self._api = api
        self._platform = platform
        self._absent: dict[UUID, float] = {}
        """What was looked for in vain, and when first."""

    async def payment(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        """As the port's `status`."""
        try:
            intent = await self._intent(inquiry)
            if intent is None:
                self._check_absent(inquiry.payment_id)
                return None
            report = intent_report(intent, self._platform)
        except UnreadableError as error:
            raise StatusUnavailableError from error
        if report.payment_id != inquiry.payment_id:
            raise StatusUnavailableError
        return report

    async def refund(self, order: RefundOrder) -> RefundReport | None:
        """As the port's `refund_status`."""
        try:
            if order.provider_reference is not None and OBJECT.fullmatch(order.provider_reference):
                refund = await self._sure(f"{REFUNDS}/{order.provider_reference}")
                return refund_report(refund, order.stream_id, order.refund_id)
            for refund in await self._api.listed(REFUNDS, paid_by(order.provider_transaction)):
                if our_refund(refund, self._platform) == (order.stream_id, order.refund_id):
                    return refund_report(refund, order.stream_id, order.refund_id)
        except UnreadableError as error:
            raise StatusUnavailableError from error
        self._check_absent(order.refund_id)
        return None

    async def confirm(self, body: bytes, known: Known) -> tuple[AnyReport, ...]:
        """As the port's: of events that are believed, and need to be completed."""
        try:
            return await self._completed(event_of(body), known)
        except UnreadableError:
            raise CannotBeAskedError from None

    async def _completed(self, event: Event, known: Known) -> tuple[AnyReport, ...]:
        told = event.object
        if event.type in DISPUTE_EVENTS:
            return dispute_reports(event, await self._payment_of(intent_of(told), known))
        if event.type in REFUND_EVENTS:
            payment_id = await self._payment_of(intent_of(told), known)
            report = refund_report(told, payment_id, None, at=event.created)
            return (report,)
        if event.type == "charge.refunded":
            return await self._refunds_of(told)
        if event.type in CHARGE_EVENTS:
            return (fee_report(told, await self._moved(told), self._platform),)
        if event.type == "payout.paid":
            fee = (await self._moved(told)).get("fee")
            if isinstance(fee, bool) or not isinstance(fee, int) or fee < 0:
                raise CannotBeAskedError
            return (settlement_report(event, fee=fee),)
        raise CannotBeAskedError

    async def _payment_of(self, intent: str, known: Known) -> UUID:
        """Whose payment intent it is. Raises `NothingOfOursError` for another product's."""
        found = await known.payment_of(intent)
        if found is not None:
            return found
        check_ours(await self._sure(f"{INTENTS}/{intent}"), self._platform)
        # It is ours, and we do not know yet that it was paid.
        raise StatusUnavailableError

    async def _refunds_of(self, charge: Mapping[str, Any]) -> tuple[AnyReport, ...]:
        payment_id = our_payment(charge, self._platform)
        reports = []
        for refund in await self._api.listed(REFUNDS, {"charge": name_of(charge.get("id"))}):
            ours = our_refund(refund, self._platform)
            stream_id = payment_id if ours is None else ours.stream_id
            refund_id = None if ours is None else ours.refund_id
            reports.append(refund_report(refund, stream_id, refund_id))
        return tuple(each for each in reports if each.claim is not RefundClaim.PENDING)

    async def _moved(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """The balance transaction of a charge or a payout."""
        name = told.get("balance_transaction")
        if isinstance(name, dict):
            return name
        return await self._sure(f"/v1/balance_transactions/{quote(name_of(name), safe='')}")

    async def _sure(self, path: str) -> Mapping[str, Any]:
        """What Stripe itself has named to us. Raises `StatusUnavailableError`."""
        found = await self._api.ask(path)
        if found is None:
            raise StatusUnavailableError
        return found

    async def _intent(self, inquiry: PaymentInquiry) -> Mapping[str, Any] | None:
        reference = inquiry.provider_reference
        if reference is not None and OBJECT.fullmatch(reference):
            return await self._sure(f"{INTENTS}/{reference}")
        since = int((inquiry.initiated_at - CLOCKS_DIFFER).timestamp())
        for intent in await self._api.listed(INTENTS, {"created[gte]": str(since)}):
            if our_payment(intent, self._platform) == inquiry.payment_id:
                return intent
        return None

    def _check_absent(self, name: UUID) -> None:
        """Raises `StatusUnavailableError` unless it was not there for long enough."""
        now = time.monotonic()
        if now - self._absent.setdefault(name, now) < ABSENT_SECONDS_MIN:
            while len(self._absent) > ABSENT_MAX:
                del self._absent[next(iter(self._absent))]
            raise StatusUnavailableError
        del self._absent[name]


def paid_by(transaction: str) -> dict[str, str]:
    """How Stripe is told which charge is meant: by its payment intent, or its own name."""
    field = "payment_intent" if transaction.startswith("pi_") else "charge"
    return {field: transaction}
