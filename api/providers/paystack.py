"""Paystack's adapter: mobile money in Kenya and Ghana, refunds, disputes, transfers.

Sources: paystack.com/docs (payments, webhooks, refunds, disputes, transfers) and the samples that
Paystack publishes for them.

Callbacks: `x-paystack-signature` is the hex HMAC-SHA512 of the raw body under the secret key, so
all of it is believed, with one exception: a refund's callback names the charge and, of the refund,
nothing that a query names too (`refund_reference` is the processor's, and null at first). Taken as
it stands, a refund of ours would be counted twice, as ours and as one that nobody asked for. So it
is confirmed: the charge's refunds are asked for, and found by the note that we left with ours.
There is no time in the signature; the natural key is what happened and the id of what it did.

Calls: a charge's and a transfer's reference is taken once. A transfer goes to a recipient, which is
made before and is the same for the same number. Paystack documents no callback for charges that
failed, only a query; `charge.failed`, which is seen, is read as one. A charge that was `reversed`
came and went: nothing is made of it. Sources differ in how phones are written (`+254…` and `07…`):
charges have the former in Kenya and the latter in Ghana, as in the documentation's samples.
What it says is translated in api/providers/paystack_reports.py.
"""

from __future__ import annotations

import hmac
from hashlib import sha512
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from api.providers.amounts import UnreadableError, to_units
from api.providers.configuration import ProviderConfiguration
from api.providers.http_calls import HttpCalls
from api.providers.paystack_api import METHODS, PaystackApi, wallet_of
from api.providers.paystack_questions import Questions
from api.providers.paystack_reports import EXPONENT, NAME, reports_of
from api.providers.port import (
    Accepted,
    BadSignatureError,
    Declined,
    NoAnswer,
    PayoutLimits,
    Polling,
    VerifiedCallback,
)
from api.providers.words import (
    hint_key,
    is_same,
    json_object,
    name_of,
    our_id,
    part,
    payout_reference,
    refund_note,
)
from ledger.commands import PaymentTerms

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
    from ledger.commands import AnyReport, PayoutReport, ProviderReport, RefundReport

SIGNATURE: Final = "x-paystack-signature"
KEPT_HEADERS: Final = (SIGNATURE, "content-type")
HEADER_LENGTH_MAX: Final = 256
AFTER_TEN_SECONDS: Final = Polling(first_seconds=10.0)
"""Paystack asks not to be asked earlier."""


class PaystackConfiguration(ProviderConfiguration):
    """`secret_key` signs callbacks too.

    `email_domain`: a charge needs an e-mail address, which is the payment's id at this domain.
    """

    model_config = SettingsConfigDict(env_prefix="HESABU_PAYSTACK_")

    secret_key: SecretStr = SecretStr("")
    email_domain: str = ""
    recipient_name: str = "Creator"
    url: str = "https://api.paystack.co"


def configured(settings: Settings) -> Paystack | None:
    """The adapter, if its settings are there. Raises `HalfConfiguredError`."""
    configuration = PaystackConfiguration()
    if not configuration.is_complete():
        return None
    return Paystack(configuration, timeout_seconds=settings.provider_timeout_seconds)


class Paystack:
    """The adapter; `timeout_seconds` bounds each call."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = False
    polling = AFTER_TEN_SECONDS
    acknowledgement: Mapping[str, object] | None = None

    def __init__(self, configuration: PaystackConfiguration, *, timeout_seconds: float) -> None:
        self._configuration = configuration
        self._secret_key = configuration.secret_key.get_secret_value()
        self._api = PaystackApi(
            HttpCalls(
                url=configuration.url,
                timeout_seconds=timeout_seconds,
                headers={"authorization": f"Bearer {self._secret_key}"},
            )
        )
        self._questions = Questions(self._api)

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        method = METHODS.get(currency)
        if method is None:
            return None
        return PaymentTerms(
            provider=NAME,
            step=method.step,
            minimum=method.minimum,
            maximum=method.maximum,
            expires_after_seconds=expires_after_seconds,
        )

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        method = METHODS.get(currency)
        if method is None:
            return None
        return PayoutLimits(
            provider=NAME,
            step=method.step,
            minimum=method.payout_minimum,
            maximum=method.maximum,
        )

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        headers, body = delivery.headers, delivery.body
        digest = hmac.digest(self._secret_key.encode(), body, sha512).hex()
        if not is_same(headers.get(SIGNATURE, ""), digest):
            raise BadSignatureError
        kept = {name: headers[name][:HEADER_LENGTH_MAX] for name in KEPT_HEADERS if name in headers}
        return self.read(kept, body, natural_key=_natural_key(body))

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        told: dict[str, Any] = {"natural_key": natural_key, "headers": headers}
        try:
            document = json_object(body)
            data = part(document.get("data"))
            reports = reports_of(str(document.get("event")), data)
        except UnreadableError as error:
            return VerifiedCallback(**told, reason=str(error))
        if reports:
            return VerifiedCallback(**told, reports=reports)
        return VerifiedCallback(
            **told, to_confirm=True, about=our_id(data.get("transaction_reference"))
        )

    async def confirm(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        body: bytes,
        known: Known,
    ) -> tuple[AnyReport, ...]:
        return await self._questions.confirm(body, known)

    async def initiate(self, request: PromptRequest) -> Initiation:
        wallet = wallet_of(request.phone, request.money.currency)
        if wallet is None:
            return Declined("unknown_network")
        said = await self._api.push(
            "/charge",
            {
                "email": f"{request.payment_id}@{self._configuration.email_domain}",
                "amount": to_units(request.money, exponent=EXPONENT),
                "currency": request.money.currency,
                "reference": str(request.payment_id),
                "mobile_money": {
                    "phone": request.phone if request.money.currency == "KES" else wallet.national,
                    "provider": wallet.charge_provider,
                },
            },
        )
        if not isinstance(said, dict):
            return said
        if said.get("status") == "failed":
            return Declined("declined")
        return Accepted(str(request.payment_id))

    async def charge(self, request: ChargeRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def refund(self, order: RefundOrder) -> Initiation:
        said = await self._api.push(
            "/refund",
            {
                "transaction": order.provider_transaction,
                "amount": to_units(order.money, exponent=EXPONENT),
                "currency": order.money.currency,
                "customer_note": "Refund",
                "merchant_note": refund_note(order),
            },
        )
        return _accepted(said, "id")

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        wallet = wallet_of(order.phone, order.money.currency)
        if wallet is None:
            return Declined("unknown_network")
        recipient = await self._api.push(
            "/transferrecipient",
            {
                "type": "mobile_money",
                "name": self._configuration.recipient_name,
                "account_number": wallet.national,
                "bank_code": wallet.bank_code,
                "currency": order.money.currency,
            },
            repeatable=True,
        )
        if isinstance(recipient, NoAnswer):
            # Nothing was sent yet, whatever became of the recipient.
            return Declined(recipient.reason, retryable=True)
        if isinstance(recipient, Declined):
            return recipient
        code = recipient.get("recipient_code")
        if not isinstance(code, str):
            return Declined("unreadable_answer", retryable=True)
        said = await self._api.push(
            "/transfer",
            {
                "source": "balance",
                "amount": to_units(order.money, exponent=EXPONENT),
                "currency": order.money.currency,
                "recipient": code,
                "reference": payout_reference(order.payout_id, order.attempt),
                "reason": "Payout",
            },
        )
        return _accepted(said, "transfer_code")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        return await self._questions.payment(inquiry)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        return await self._questions.refund(order)

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        return await self._questions.payout(inquiry)

    async def close(self) -> None:
        await self._api.close()


def _accepted(said: dict[str, Any] | Declined | NoAnswer, name: str) -> Initiation:
    if not isinstance(said, dict):
        return said
    try:
        return Accepted(name_of(said.get(name)))
    except UnreadableError:
        return NoAnswer("unreadable_answer")


def _natural_key(body: bytes) -> str:
    """Another copy of a callback is one: the same of the same object."""
    try:
        document = json_object(body)
        data, event = part(document.get("data")), str(document.get("event"))
        if event.startswith("charge.dispute."):
            return f"{event[:64]}:{name_of(data.get('id'))}:{str(data.get('resolvedAt'))[:32]}"
        if event.startswith(("charge.", "transfer.")):
            return f"{event[:64]}:{name_of(data.get('id'))}"
    except UnreadableError:
        pass
    # Refunds have no id in here, and several of a charge may be the same but for their bytes.
    return hint_key(body)
