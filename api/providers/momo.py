"""MTN MoMo: requests to pay (Collections), payouts and refunds (Disbursements).

Sources: momodeveloper.mtn.com (guides on callbacks, common errors and testing; OpenAPI descriptions
of both products), MTN's own SDKs.

MTN signs nothing, so a callback is a hint: it comes by PUT or by POST to an address that was made
for one request (api/providers/momo_callbacks.py), and what a status query says counts. A request is
named by a UUID of version 4, derived from our id, and may be sent again under it. `externalId` is
our id. Messages to payer and payee are constant: some countries refuse special characters in them.

Where sources conflict: callbacks come once and never again (the guide as most read it), or many
times until they are answered (a later edition): both are taken. `reason` is a code (examples and
sandbox) or an object with one (OpenAPI). 404 means that a request never came (common errors): right
after one this is not relied on. A refund names the request that it is of: a disbursement's (the
OpenAPI description), or a request to pay (MTN's collection of requests): MTN decides.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from api.providers.amounts import UnreadableError, to_major
from api.providers.momo_api import MomoApi
from api.providers.momo_callbacks import (
    CallbackAddresses,
    Kind,
    about_of,
    of_payment,
    of_payout,
    of_refund,
)
from api.providers.momo_configuration import MomoConfiguration
from api.providers.momo_reports import NAME, payment_report, payout_report, refund_report
from api.providers.port import (
    CannotBeAskedError,
    Declined,
    PayoutLimits,
    Polling,
    StatusUnavailableError,
    VerifiedCallback,
)
from api.providers.words import hint_key, json_object, our_id, payout_reference
from ledger.commands import Claim, PaymentTerms, PayoutClaim, RefundClaim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.momo_callbacks import About
    from api.providers.port import (
        ChargeRequest,
        Delivery,
        Initiation,
        Known,
        PaymentInquiry,
        PayoutInquiry,
        PayoutOrder,
        PromptRequest,
        RefundOrder,
    )
    from api.settings import Settings
    from ledger.commands import AnyReport, PayoutReport, ProviderReport, RefundReport
    from ledger.money import Money

Thing = TypeVar("Thing")

PAYLOAD_HEADER: Final = "hesabu-address"
NOT_FOUND_FINAL: Final = timedelta(minutes=10)
"""Twice as long as a prompt lives."""
PENDING: Final = frozenset({Claim.PENDING, PayoutClaim.PENDING, RefundClaim.PENDING})
MESSAGE: Final = "Payment"


class Momo:
    """The adapter."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = False
    acknowledgement: Mapping[str, object] | None = None

    def __init__(
        self,
        configuration: MomoConfiguration,
        *,
        callbacks_begin_with: str,
        timeout_seconds: float,
    ) -> None:
        self.polling = Polling(first_seconds=configuration.first_query_seconds)
        self._market = configuration.market
        self.addresses = CallbackAddresses(
            secret=configuration.text("callback_secret"),
            begin_with=callbacks_begin_with,
            name=NAME,
        )
        self._collections = _api(configuration, "collection", timeout_seconds)
        self._disbursements: MomoApi | None = None
        if configuration.pays_out:
            self._disbursements = _api(configuration, "disbursement", timeout_seconds)

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        limits = self._limits(currency)
        if limits is None:
            return None
        return PaymentTerms(
            provider=NAME,
            step=limits.step,
            minimum=limits.minimum,
            maximum=limits.maximum,
            expires_after_seconds=expires_after_seconds,
        )

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        return None if self._disbursements is None else self._limits(currency)

    def _limits(self, currency: str) -> PayoutLimits | None:
        market = self._market
        if currency != market.currency:
            return None
        assert market.minimum is not None  # noqa: S101 - the configuration fills them in
        assert market.maximum is not None  # noqa: S101
        return PayoutLimits(provider=NAME, step=1, minimum=market.minimum, maximum=market.maximum)

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        payload = self.addresses.read(delivery.token).payload
        # Neither the transaction nor anything else that a stranger could write first.
        key = hint_key(f"{payload}\n".encode() + delivery.body)
        return self.read({PAYLOAD_HEADER: payload}, delivery.body, natural_key=key)

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        about = about_of(headers[PAYLOAD_HEADER])
        reason = None
        try:
            json_object(body)
        except UnreadableError as error:
            reason = str(error)
        return VerifiedCallback(
            natural_key=natural_key,
            headers=dict(headers),
            reason=reason,
            to_confirm=reason is None,
            about=about.stream_id,
        )

    async def confirm(
        self,
        headers: Mapping[str, str],
        body: bytes,  # noqa: ARG002 - MTN says all of it again
        known: Known,
    ) -> tuple[AnyReport, ...]:
        report = await self._asked_about(about_of(headers[PAYLOAD_HEADER]), known)
        return () if report is None or report.claim in PENDING else (report,)

    async def _asked_about(
        self, about: About, known: Known
    ) -> ProviderReport | PayoutReport | RefundReport | None:
        match about.kind:
            case Kind.PAYMENT:
                payment = await known.payment(about.stream_id)
                return await self.status(_there(payment))
            case Kind.PAYOUT:
                payout = await known.payout(about.stream_id, about.attempt)
                return await self.payout_status(_there(payout))
            case Kind.REFUND:
                order = await known.refund(about.stream_id, about.refund_id)
                return await self.refund_status(_there(order))

    async def initiate(self, request: PromptRequest) -> Initiation:
        if not self._is_ours(request.phone):
            return Declined("phone_not_of_this_provider")
        document = _document(request.money, str(request.payment_id))
        document["payer"] = _party(request.phone)
        about = of_payment(request.payment_id)
        return await self._push(self._collections, "requesttopay", about, document)

    async def charge(self, request: ChargeRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        reference = of_payment(inquiry.payment_id).reference
        document = await self._collections.ask("requesttopay", reference)
        if document is None:
            _check_final(inquiry.initiated_at)
            return None
        try:
            return payment_report(document, inquiry)
        except UnreadableError as error:
            raise StatusUnavailableError from error

    async def refund(self, order: RefundOrder) -> Initiation:
        if self._disbursements is None:
            return Declined("not_supported")
        document = _document(order.money, str(order.refund_id))
        document["referenceIdToRefund"] = str(_request_of(order))
        about = of_refund(order.stream_id, order.refund_id)
        return await self._push(self._disbursements, "refund", about, document)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        if self._disbursements is None:
            raise CannotBeAskedError
        reference = of_refund(order.stream_id, order.refund_id).reference
        document = await self._disbursements.ask("refund", reference)
        if document is None:
            _check_final(order.requested_at)
            return None
        try:
            return refund_report(document, order)
        except UnreadableError as error:
            raise StatusUnavailableError from error

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        if self._disbursements is None:
            return Declined("not_supported")
        if not self._is_ours(order.phone):
            return Declined("phone_not_of_this_provider")
        document = _document(order.money, payout_reference(order.payout_id, order.attempt))
        document["payee"] = _party(order.phone)
        about = of_payout(order.payout_id, order.attempt)
        return await self._push(self._disbursements, "transfer", about, document)

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        if self._disbursements is None:
            raise CannotBeAskedError
        reference = of_payout(inquiry.payout_id, inquiry.attempt).reference
        document = await self._disbursements.ask("transfer", reference)
        if document is None:
            _check_final(inquiry.requested_at)
            return None
        try:
            return payout_report(document, inquiry)
        except UnreadableError as error:
            raise StatusUnavailableError from error

    async def close(self) -> None:
        await self._collections.close()
        if self._disbursements is not None:
            await self._disbursements.close()

    def _is_ours(self, phone: str) -> bool:
        return phone.startswith(self._market.phones_begin_with)

    async def _push(
        self, api: MomoApi, what: str, about: About, document: Mapping[str, Any]
    ) -> Initiation:
        return await api.push(what, about.reference, document, self.addresses.address(about))


def configured(settings: Settings) -> Momo | None:
    """The adapter, if MoMo is configured. Raises `HalfConfiguredError`."""
    configuration = MomoConfiguration()
    if not configuration.is_complete():
        return None
    return Momo(
        configuration,
        callbacks_begin_with=settings.callbacks_begin_with,
        timeout_seconds=settings.provider_timeout_seconds,
    )


def _api(configuration: MomoConfiguration, product: str, timeout_seconds: float) -> MomoApi:
    return MomoApi(
        url=configuration.url.rstrip("/"),
        product=product,
        user=configuration.text(f"{product}_user"),
        key=configuration.text(f"{product}_key"),
        subscription_key=configuration.text(f"{product}_subscription_key"),
        environment=configuration.target_environment,
        timeout_seconds=timeout_seconds,
    )


def _document(money: Money, external_id: str) -> dict[str, Any]:
    return {
        "amount": str(to_major(money)),
        "currency": money.currency,
        "externalId": external_id,
        "payerMessage": MESSAGE,
        "payeeNote": MESSAGE,
    }


def _party(phone: str) -> dict[str, str]:
    return {"partyIdType": "MSISDN", "partyId": phone.removeprefix("+")}


def _request_of(order: RefundOrder) -> UUID:
    """The request to pay whose money goes back: a stream may hold another one's."""
    named = (our_id(name) for name in order.also_known_as)
    return next((name for name in named if name), of_payment(order.stream_id).reference)


def _check_final(asked_at: datetime | None) -> None:
    """What MTN does not know may be on its way in. Raises `StatusUnavailableError`."""
    if asked_at is None or datetime.now(UTC) < asked_at + NOT_FOUND_FINAL:
        raise StatusUnavailableError


def _there(thing: Thing | None) -> Thing:
    if thing is None:
        raise CannotBeAskedError
    return thing
