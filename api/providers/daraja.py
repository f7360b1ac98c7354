"""M-Pesa in Kenya by Safaricom's Daraja: prompts (STK push), tills (C2B), payouts (B2C), reversals.

Daraja signs nothing, so each callback is a hint: it comes to an address that was made for one
request (api/providers/daraja_callbacks.py), and is confirmed by asking with our credentials
(api/providers/daraja_hints.py). Prompts are asked about at once, by the CheckoutRequestID, which is
the transaction's name here: the query tells neither amount nor receipt, so a prompt has paid if the
query says so and the callback, where one came, names the amount that we pushed. Everything else is
asked about by Transaction Status, whose answer comes later to an address of its own.

Where sources conflict: Transaction Status names our own reference `OriginatorConversationID` in
Safaricom's first documentation and in the SDKs after it (mpesa-sdk-kotlin, dart_mpesa), and
`OriginalConversationID` in the newer one (pesafy): both are sent. That reversals must be of the
whole amount is said by pesafy, and not by Safaricom: Daraja decides. Times are East African by
their values, and no page says so: one that does not fit is not kept. A refused token is 404.001.03
with 401 or with 404. Limits are those of M-Pesa's tariff: KES 1 to 250,000, payouts from KES 10.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final
from uuid import UUID

from api.providers.amounts import UnreadableError, to_units
from api.providers.daraja_api import DarajaApi
from api.providers.daraja_callbacks import CallbackAddresses, Purpose, about_of
from api.providers.daraja_configuration import DarajaConfiguration
from api.providers.daraja_hints import NAME, Hints, payment_report
from api.providers.daraja_queries import StatusQueries, initiation
from api.providers.daraja_reports import (
    CURRENCY,
    RECEIPT,
    account_reference,
    conversation_of,
    document_of,
)
from api.providers.port import (
    ABOUT_HEADER,
    BadSignatureError,
    CannotBeAskedError,
    Declined,
    PayoutLimits,
    Polling,
    StatusUnavailableError,
    VerifiedCallback,
)
from ledger.commands import PaymentTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.http_calls import Answered
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

STEP: Final = 100
MINIMUM: Final = 100
PAYOUT_MINIMUM: Final = 1_000
MAXIMUM: Final = 25_000_000
"""In cents: whole shillings, KES 1 (KES 10 for a payout) to KES 250,000."""

PHONE: Final = re.compile(r"\+254[17][0-9]{8}", re.ASCII)
PAYLOAD_HEADER: Final = "hesabu-address"
QUERY_SECONDS_MAX: Final = 300.0


class Daraja:
    """The adapter."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = False
    acknowledgement: Mapping[str, object] | None = {"ResultCode": 0, "ResultDesc": "Accepted"}

    def __init__(
        self,
        configuration: DarajaConfiguration,
        *,
        callbacks_begin_with: str,
        timeout_seconds: float,
    ) -> None:
        self.polling = Polling(
            first_seconds=configuration.first_query_seconds, seconds_max=QUERY_SECONDS_MAX
        )
        self._configuration = configuration
        self.addresses = CallbackAddresses(
            secret=configuration.text("callback_secret"),
            begin_with=callbacks_begin_with,
            name=NAME,
        )
        self._passkey = configuration.text("passkey")
        self._api = _api(configuration, timeout_seconds, payouts=False)
        self._payouts = _api(configuration, timeout_seconds, payouts=True)
        self._queries = StatusQueries(
            configuration, self.addresses, collections=self._api, payouts=self._payouts
        )
        self._hints = Hints(configuration, self._queries)

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        if currency != CURRENCY:
            return None
        return PaymentTerms(
            provider=NAME,
            step=STEP,
            minimum=MINIMUM,
            maximum=MAXIMUM,
            expires_after_seconds=expires_after_seconds,
        )

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        if currency != CURRENCY or not self._configuration.pays_out:
            return None
        return PayoutLimits(provider=NAME, step=STEP, minimum=PAYOUT_MINIMUM, maximum=MAXIMUM)

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        if not self._configuration.is_allowed(delivery.address):
            raise BadSignatureError
        payload = self.addresses.read(delivery.token).payload
        # Neither the transaction nor anything else that a stranger could write first.
        digest = hashlib.sha256(f"{payload}\n".encode() + delivery.body).hexdigest()
        return self.read({PAYLOAD_HEADER: payload}, delivery.body, natural_key=f"hint:{digest}")

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        about = about_of(headers[PAYLOAD_HEADER])
        subject: UUID | None = None
        kept = dict(headers)
        if about.words and about.purpose not in {Purpose.TILL_STATUS, Purpose.STATUS_LOST}:
            subject = about.uuid(0)
            kept[ABOUT_HEADER] = str(subject)
        reason = None
        try:
            document_of(body)
        except UnreadableError as error:
            reason = str(error)
        return VerifiedCallback(
            natural_key=natural_key,
            headers=kept,
            reason=reason,
            to_confirm=reason is None,
            about=subject,
        )

    async def confirm(
        self, headers: Mapping[str, str], body: bytes, known: Known
    ) -> tuple[AnyReport, ...]:
        try:
            return await self._hints.confirm(
                about_of(headers[PAYLOAD_HEADER]), document_of(body), known
            )
        except UnreadableError:
            raise CannotBeAskedError from None

    async def initiate(self, request: PromptRequest) -> Initiation:
        if PHONE.fullmatch(request.phone) is None:
            return Declined("phone_not_of_this_provider")
        phone, till = request.phone.removeprefix("+"), self._configuration.text("till")
        document = {
            "TransactionType": "CustomerBuyGoodsOnline" if till else "CustomerPayBillOnline",
            "Amount": to_units(request.money, exponent=0),
            "PartyA": phone,
            "PartyB": till or self._api.short_code,
            "PhoneNumber": phone,
            "CallBackURL": self.addresses.address(Purpose.PUSHED, request.payment_id.hex),
            "AccountReference": account_reference(request.payment_id),
            "TransactionDesc": "Payment",
        }
        return await initiation(
            self._api.push(self._passkey, document), "CheckoutRequestID", is_prompt=True
        )

    async def charge(self, request: ChargeRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        if inquiry.provider_reference is None:
            # The push was not answered; only its callback brings what it can be asked by.
            raise CannotBeAskedError
        code = await self._queries.prompt(inquiry.provider_reference)
        return payment_report(inquiry, inquiry.provider_reference, code)

    async def refund(self, order: RefundOrder) -> Initiation:
        if not self._configuration.reverses:
            return Declined("not_supported")
        names = (order.provider_transaction, *order.also_known_as)
        receipt = next((name for name in names if RECEIPT.fullmatch(name)), None)
        if receipt is None:
            # Only a callback tells it, and the callback of this payment was lost.
            return Declined("receipt_unknown")
        words = (order.stream_id.hex, order.refund_id.hex)
        document = {
            "TransactionID": receipt,
            "Amount": str(to_units(order.money, exponent=0)),
            "ResultURL": self.addresses.address(Purpose.REVERSED, *words),
            "QueueTimeOutURL": self.addresses.address(Purpose.REVERSED_LOST, *words),
        }
        return await initiation(self._api.reverse(document), "OriginatorConversationID")

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        await self._queries.refund(
            order.stream_id, order.refund_id, conversation=order.provider_reference
        )
        # The answer comes to an address of its own.
        raise StatusUnavailableError

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        if not self._configuration.pays_out:
            return Declined("not_supported")
        if PHONE.fullmatch(order.phone) is None:
            return Declined("phone_not_of_this_provider")
        words = (order.payout_id.hex, f"{order.attempt:x}")
        document = {
            "OriginatorConversationID": conversation_of(order.payout_id, order.attempt),
            "Amount": str(to_units(order.money, exponent=0)),
            "PartyB": order.phone.removeprefix("+"),
            "ResultURL": self.addresses.address(Purpose.SENT, *words),
            "QueueTimeOutURL": self.addresses.address(Purpose.SENT_LOST, *words),
        }
        return await initiation(self._payouts.pay_out(document), "ConversationID")

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        await self._queries.payout(inquiry.payout_id, inquiry.attempt)
        raise StatusUnavailableError

    async def register_tills(self) -> Answered:
        """Say where money at the till is confirmed. Raises as `HttpCalls.call`."""
        address = self.addresses.address
        return await self._api.register_tills(address(Purpose.TILL), address(Purpose.TILL_ASKED))

    async def close(self) -> None:
        await self._api.close()
        await self._payouts.close()


def configured(settings: Settings) -> Daraja | None:
    """The adapter, if Daraja is configured. Raises `HalfConfiguredError`."""
    configuration = DarajaConfiguration()
    if not configuration.is_complete():
        return None
    return Daraja(
        configuration,
        callbacks_begin_with=settings.callbacks_begin_with,
        timeout_seconds=settings.provider_timeout_seconds,
    )


def _api(configuration: DarajaConfiguration, timeout_seconds: float, *, payouts: bool) -> DarajaApi:
    text = configuration.text
    group = "payout_" if payouts else ""
    app = group if text(f"{group}consumer_key") else ""
    return DarajaApi(
        url=configuration.url.rstrip("/"),
        key=text(f"{app}consumer_key"),
        secret=text(f"{app}consumer_secret"),
        short_code=text(f"{group}short_code"),
        initiator=text(f"{group}initiator"),
        security_credential=text(f"{group}security_credential"),
        timeout_seconds=timeout_seconds,
    )
