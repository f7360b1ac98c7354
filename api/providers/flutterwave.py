"""Flutterwave's adapter: mobile money in Kenya and Uganda, refunds, chargebacks, transfers.

Sources: developer.flutterwave.com (v3 and v4 guides and references), the official SDKs' pages.

Callbacks: a header `verif-hash` that is the secret hash itself (v3) binds no byte of the body: such
a callback is a hint, confirmed by `GET /transactions/{id}/verify`. `flutterwave-signature` is the
base64 of HMAC-SHA256 over the raw body: believed. Sources conflict about it (an earlier page of
v4's guide compares it with the secret hash): where it is the secret itself, it is a hint too, and
the header is not kept. Whatever their signature, refunds and chargebacks are confirmed: their
callbacks have neither a currency nor a reference of ours.

Calls are v3's: a secret key, no idempotency keys. A charge is never repeated; asked about, by
Flutterwave's id or by our `tx_ref`, always. Where a charge is not found it may still be on its way
in, so it never came only after a while. Transfers have a reference of ours, refunds only
a comment. Uganda's charges may answer with a page for the payer to open, which no prompt can show:
those payments expire.
What it says is translated in api/providers/flutterwave_reports.py.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from api.providers.amounts import UnreadableError
from api.providers.configuration import ProviderConfiguration
from api.providers.flutterwave_api import (
    METHODS,
    UGANDAN_NETWORKS,
    FlutterwaveApi,
    number_of,
    transaction_of,
)
from api.providers.flutterwave_questions import Questions, event_of
from api.providers.flutterwave_reports import (
    NAME,
    payment_reports,
    payout_report,
    reference_of,
)
from api.providers.http_calls import HttpCalls
from api.providers.port import (
    Accepted,
    BadSignatureError,
    ChargeRequest,
    Declined,
    Delivery,
    Initiation,
    Known,
    NoAnswer,
    PaymentInquiry,
    PayoutInquiry,
    PayoutLimits,
    PayoutOrder,
    Polling,
    PromptRequest,
    RefundOrder,
    VerifiedCallback,
)
from api.providers.words import (
    attempt_of,
    hint_key,
    is_same,
    name_of,
    our_id,
    payout_reference,
    refund_note,
)
from ledger.commands import (
    PaymentTerms,
    PayoutReport,
    ProviderReport,
    RefundReport,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.settings import Settings
    from ledger.commands import AnyReport

SIGNATURE: Final = "flutterwave-signature"
FAMILIES: Final = frozenset({"charge", "transfer", "refund", "chargeback"})
EVERY_MINUTE: Final = Polling(first_seconds=5.0)


class FlutterwaveConfiguration(ProviderConfiguration):
    """`secret_hash` is the one of the dashboard's webhook settings; the sender is the platform.

    `email_domain`: a charge needs an e-mail address, which is the payment's id at this domain.
    """

    model_config = SettingsConfigDict(env_prefix="HESABU_FLUTTERWAVE_")

    secret_key: SecretStr = SecretStr("")
    secret_hash: SecretStr = SecretStr("")
    email_domain: str = ""
    sender_name: str = ""
    sender_phone: str = ""
    sender_country: str = "KE"
    beneficiary_name: str = "Creator"
    url: str = "https://api.flutterwave.com/v3"


def configured(settings: Settings) -> Flutterwave | None:
    """The adapter, if its settings are there. Raises `HalfConfiguredError`."""
    configuration = FlutterwaveConfiguration()
    if not configuration.is_complete():
        return None
    return Flutterwave(configuration, timeout_seconds=settings.provider_timeout_seconds)


class Flutterwave:
    """The adapter; `timeout_seconds` bounds each call."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = False
    polling = EVERY_MINUTE
    acknowledgement: Mapping[str, object] | None = None

    def __init__(self, configuration: FlutterwaveConfiguration, *, timeout_seconds: float) -> None:
        self._configuration = configuration
        self._secret_hash = configuration.secret_hash.get_secret_value()
        key = configuration.secret_key.get_secret_value()
        self._api = FlutterwaveApi(
            HttpCalls(
                url=configuration.url,
                timeout_seconds=timeout_seconds,
                headers={"authorization": f"Bearer {key}"},
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
        kept = {name: headers[name][:256] for name in ("content-type",) if name in headers}
        signature = headers.get(SIGNATURE)
        if signature is None:
            if not is_same(headers.get("verif-hash", ""), self._secret_hash):
                raise BadSignatureError
            return self.read(kept, body, natural_key=hint_key(body))
        digest = hmac.digest(self._secret_hash.encode(), body, sha256)
        if is_same(signature, b64encode(digest).decode()):
            kept[SIGNATURE] = signature
        elif not is_same(signature, self._secret_hash):
            raise BadSignatureError
        callback = self.read(kept, body, natural_key=hint_key(body))
        return _named(callback, body) if callback.reports else callback

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        told: dict[str, Any] = {"natural_key": natural_key, "headers": headers}
        try:
            event, data = event_of(body)
            reports = _believed(event, data) if SIGNATURE in headers else ()
        except UnreadableError as error:
            return VerifiedCallback(**told, reason=str(error))
        if reports:
            return VerifiedCallback(**told, reports=reports)
        if event.partition(".")[0] not in FAMILIES:
            return VerifiedCallback(**told, reason="unknown_event")
        reference = reference_of(data)
        return VerifiedCallback(
            **told,
            to_confirm=True,
            about=our_id(reference) or attempt_of(reference).payout_id,
        )

    async def confirm(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        body: bytes,
        known: Known,
    ) -> tuple[AnyReport, ...]:
        return await self._questions.confirm(body, known)

    async def initiate(self, request: PromptRequest) -> Initiation:
        method = METHODS.get(request.money.currency)
        if method is None or not request.phone.startswith(method.country):
            return Declined("unknown_network")
        document = {
            "tx_ref": str(request.payment_id),
            "amount": number_of(request.money),
            "currency": request.money.currency,
            "email": f"{request.payment_id}@{self._configuration.email_domain}",
            "phone_number": request.phone.removeprefix("+"),
        }
        if request.money.currency == "UGX":
            network = UGANDAN_NETWORKS.get(request.phone.removeprefix(method.country)[:2])
            if network is None:
                return Declined("unknown_network")
            document["network"] = network
        said = await self._api.push("/charges", document, {"type": method.charge_type})
        if not isinstance(said, dict):
            return said
        if said.get("status") == "failed":
            return Declined("declined")
        # Some answer without an id: then it is asked about by our reference.
        return Accepted(transaction_of(said.get("id")) or str(request.payment_id))

    async def charge(self, request: ChargeRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def refund(self, order: RefundOrder) -> Initiation:
        transaction = transaction_of(order.provider_transaction)
        if transaction is None:
            return Declined("not_supported")
        document = {"amount": number_of(order.money), "comments": refund_note(order)}
        said = await self._api.push(f"/transactions/{transaction}/refund", document)
        if not isinstance(said, dict):
            return said
        name = transaction_of(said.get("id"))
        return NoAnswer("unreadable_answer") if name is None else Accepted(name)

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        method = METHODS.get(order.money.currency)
        if method is None or not order.phone.startswith(method.country):
            return Declined("unknown_network")
        sender = self._configuration
        said = await self._api.push(
            "/transfers",
            {
                "account_bank": "MPS",
                "account_number": order.phone.removeprefix("+"),
                "amount": number_of(order.money),
                "currency": order.money.currency,
                "debit_currency": order.money.currency,
                "beneficiary_name": sender.beneficiary_name,
                "reference": payout_reference(order.payout_id, order.attempt),
                "narration": "Payout",
                "meta": {
                    "sender": sender.sender_name,
                    "sender_country": sender.sender_country,
                    "mobile_number": sender.sender_phone,
                },
            },
        )
        if not isinstance(said, dict):
            return said
        name = transaction_of(said.get("id"))
        return NoAnswer("unreadable_answer") if name is None else Accepted(name)

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        return await self._questions.payment(inquiry)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        return await self._questions.refund(order)

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        return await self._questions.payout(inquiry)

    async def close(self) -> None:
        await self._api.close()


def _believed(event: str, data: Mapping[str, Any]) -> tuple[AnyReport, ...]:
    """What a signed callback says, if that is all that there is to know."""
    if event.startswith("charge."):
        return payment_reports(data)
    if event.startswith("transfer."):
        return (payout_report(data, is_reversal=event == "transfer.reversal"),)
    return ()


def _named(callback: VerifiedCallback, body: bytes) -> VerifiedCallback:
    """Another copy of a signed callback, v3's or v4's, is one: the same of the same object."""
    event, data = event_of(body)
    return VerifiedCallback(
        natural_key=f"{event[:64]}:{name_of(data.get('id'))}:{str(data.get('status'))[:32]}",
        headers=callback.headers,
        reports=callback.reports,
    )
