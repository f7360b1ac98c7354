"""Airtel Money: prompts (USSD push), payouts (disbursements), refunds of whole payments.

Sources: developers.airtel.africa (Collection, Disbursement, Authorization, error codes) as
integrators have copied it; Airtel's national portals (airtel.co.zm, airtel.mg) after it.

A callback has a hash, and no amount: whatever it says, the transaction is asked about
(`GET /standard/v1/payments/{id}`), by our own reference, which it is called by from the beginning.
The enquiry names no amount either: a payment has paid if it says so and no message, of those that
are written as documented, names another amount; one that does waits for a person.

Where sources conflict: what a callback's hash is over (api/providers/airtel_secrets.py); what codes
stand beside a success (api/providers/airtel_reports.py); whether a refund's answer names the refund
or what was paid: where it names what was paid, the refund is called after that. Payments and
payouts have a version 2 (`HESABU_AIRTEL_VERSION`), whose requests are signed; some countries want
the first version's signed too. A refund has neither a reference nor an amount: Airtel pays all of
it back, so that less is declined here, and one without an answer cannot be asked about. A payout is
called by our reference: what Airtel calls it is not in every answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.providers.airtel_api import AirtelApi
from api.providers.airtel_configuration import AirtelConfiguration
from api.providers.airtel_reports import (
    NAME,
    Said,
    attempt_of,
    check_amount,
    named_as_told,
    payment_of,
    payment_reference,
    payment_report,
    payout_reference,
    payout_report,
)
from api.providers.airtel_secrets import check_callback, encrypted, public_key_of
from api.providers.amounts import UnreadableError, to_units
from api.providers.port import (
    ABOUT_HEADER,
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    PayoutLimits,
    Polling,
    StatusUnavailableError,
    VerifiedCallback,
)
from api.providers.words import hint_key, json_object, name_of, part
from ledger.accounts import collection
from ledger.commands import (
    Claim,
    PaymentTerms,
    PayoutClaim,
    ProviderReport,
    RefundClaim,
    RefundReport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from ledger.commands import AnyReport, PayoutReport

NOT_FOUND_FINAL: Final = timedelta(minutes=10)
QUERY_SECONDS_MAX: Final = 180.0
REFERENCE: Final = "Payment"
REFUNDED: Final = frozenset({"SUCCESS", "TS"})


class Airtel:
    """The adapter."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = False
    acknowledgement: Mapping[str, object] | None = None

    def __init__(self, configuration: AirtelConfiguration, *, timeout_seconds: float) -> None:
        self.polling = Polling(
            first_seconds=configuration.first_query_seconds, seconds_max=QUERY_SECONDS_MAX
        )
        self._configuration = configuration
        self._version = configuration.version
        self._market = configuration.market
        self._limits = configuration.limits
        self._callback_key = configuration.text("callback_key")
        self._api = AirtelApi(configuration, timeout_seconds=timeout_seconds)

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        if currency != self._market.currency:
            return None
        return PaymentTerms(
            provider=NAME,
            step=self._limits.step,
            minimum=self._limits.minimum,
            maximum=self._limits.maximum,
            expires_after_seconds=expires_after_seconds,
        )

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        if currency != self._market.currency or not self._configuration.pays_out:
            return None
        return PayoutLimits(provider=NAME, **self._limits._asdict())

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        check_callback(delivery.body, self._callback_key)
        return self.read({}, delivery.body, natural_key=hint_key(delivery.body))

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        told: dict[str, Any] = {"natural_key": natural_key, "headers": dict(headers)}
        try:
            reference = part(json_object(body).get("transaction")).get("id")
        except UnreadableError as error:
            return VerifiedCallback(**told, reason=str(error))
        payment_id = payment_of(reference)
        about = payment_id or attempt_of(reference).payout_id
        if about is None:
            return VerifiedCallback(**told, reason="unknown_reference")
        if payment_id is not None:
            told["headers"][ABOUT_HEADER] = str(payment_id)
        return VerifiedCallback(**told, to_confirm=True, about=about)

    async def confirm(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        body: bytes,
        known: Known,
    ) -> tuple[AnyReport, ...]:
        try:
            told = part(json_object(body).get("transaction"))
            if payment_of(told.get("id")) is None:
                return await self._confirm_payout(told, known)
            return await self._confirm_payment(told, known)
        except UnreadableError:
            raise CannotBeAskedError from None

    async def _confirm_payment(
        self, told: Mapping[str, Any], known: Known
    ) -> tuple[AnyReport, ...]:
        payment_id = payment_of(told.get("id"))
        inquiry = None if payment_id is None else await known.payment(payment_id)
        if inquiry is None:
            raise CannotBeAskedError
        report = await self.status(inquiry)
        if report is None or report.claim is Claim.PENDING:
            return ()
        if report.claim is Claim.SUCCEEDED:
            check_amount(told, inquiry)
        return (named_as_told(report, told),)

    async def _confirm_payout(self, told: Mapping[str, Any], known: Known) -> tuple[AnyReport, ...]:
        attempt = attempt_of(told.get("id"))
        inquiry = None
        if attempt.payout_id is not None:
            inquiry = await known.payout(attempt.payout_id, attempt.number)
        if inquiry is None:
            raise CannotBeAskedError
        report = await self.payout_status(inquiry)
        return () if report is None or report.claim is PayoutClaim.PENDING else (report,)

    async def initiate(self, request: PromptRequest) -> Initiation:
        if not self._is_ours(request.phone):
            return Declined("phone_not_of_this_provider")
        reference = payment_reference(request.payment_id)
        where = {"country": self._configuration.country, "currency": self._market.currency}
        answer = await self._api.push(
            f"/merchant/{self._version}/payments/",
            {
                "reference": REFERENCE,
                "subscriber": {**where, "msisdn": self._national(request.phone)},
                "transaction": {
                    **where,
                    "amount": to_units(request.money, exponent=0),
                    "id": reference,
                },
            },
        )
        return Accepted(reference) if isinstance(answer, Said) else answer

    async def charge(self, request: ChargeRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        reference = payment_reference(inquiry.payment_id)
        answer = await self._api.ask(f"/standard/v1/payments/{reference}")
        if answer is None:
            _check_final(inquiry.initiated_at)
            return None
        try:
            return payment_report(answer, inquiry)
        except UnreadableError as error:
            raise StatusUnavailableError from error

    async def refund(self, order: RefundOrder) -> Initiation:
        if not order.is_whole:
            return Declined("only_whole_refunds")
        answer = await self._api.push(
            f"/standard/{self._version}/payments/refund",
            {"transaction": {"airtel_money_id": order.provider_transaction}},
        )
        if not isinstance(answer, Said):
            return answer
        if answer.letters not in REFUNDED:
            return NoAnswer("ambiguous")
        try:
            name = name_of(answer.transaction.get("airtel_money_id"))
        except UnreadableError:
            return NoAnswer("unreadable_answer")
        is_payment = name in {order.provider_transaction, *order.also_known_as}
        return Accepted(f"{name}:refund" if is_payment else name)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        if order.provider_reference is None:
            raise CannotBeAskedError
        # It is answered only when it is done.
        return RefundReport(
            provider=NAME,
            stream_id=order.stream_id,
            refund_id=order.refund_id,
            claim=RefundClaim.SUCCEEDED,
            provider_refund=order.provider_reference,
            refunded=order.money,
            paid_from=collection(NAME),
        )

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        if not self._configuration.pays_out:
            return Declined("not_supported")
        if not self._is_ours(order.phone):
            return Declined("phone_not_of_this_provider")
        reference = payout_reference(order.payout_id, order.attempt)
        key = public_key_of(self._configuration.text("pin_public_key"))
        transaction: dict[str, Any] = {
            "amount": to_units(order.money, exponent=0),
            "id": reference,
        }
        payee = {"msisdn": self._national(order.phone)}
        if self._version != "v1":
            transaction["type"], payee["currency"] = "B2C", self._market.currency
        answer = await self._api.push(
            f"/standard/{self._version}/disbursements/",
            {
                "payee": payee,
                "reference": reference,
                "pin": encrypted(self._configuration.text("pin"), key),
                "transaction": transaction,
            },
        )
        return Accepted(reference) if isinstance(answer, Said) else answer

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        if not self._configuration.pays_out:
            raise CannotBeAskedError
        reference = payout_reference(inquiry.payout_id, inquiry.attempt)
        query = None if self._version == "v1" else {"transactionType": "B2C"}
        answer = await self._api.ask(f"/standard/{self._version}/disbursements/{reference}", query)
        if answer is None:
            _check_final(inquiry.requested_at)
            return None
        try:
            return payout_report(answer, inquiry)
        except UnreadableError as error:
            raise StatusUnavailableError from error

    async def close(self) -> None:
        await self._api.close()

    def _is_ours(self, phone: str) -> bool:
        return phone.startswith(self._market.phones_begin_with)

    def _national(self, phone: str) -> str:
        return phone.removeprefix(self._market.phones_begin_with)


def _check_final(asked_at: datetime) -> None:
    """What Airtel does not know may be on its way in. Raises `StatusUnavailableError`."""
    if datetime.now(UTC) < asked_at + NOT_FOUND_FINAL:
        raise StatusUnavailableError


def configured(settings: Settings) -> Airtel | None:
    """The adapter, if Airtel is configured. Raises `HalfConfiguredError`."""
    configuration = AirtelConfiguration()
    if not configuration.is_complete():
        return None
    return Airtel(configuration, timeout_seconds=settings.provider_timeout_seconds)
