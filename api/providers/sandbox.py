"""The sandbox operator's adapter: Standard Webhooks callbacks, decimal strings in major units.

Callbacks: headers webhook-id, webhook-timestamp, webhook-signature (`v1,<base64>`), five minutes
of tolerance (https://www.standardwebhooks.com). The natural key is the webhook-id, which the
signature covers. The operator can be asked by our reference; it does not deduplicate prompts, and
refuses a charge, a refund or a payout whose reference it has seen. What it says is translated in
api/providers/sandbox_reports.py.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
from standardwebhooks.webhooks import Webhook

from api.providers.port import (
    Accepted,
    BadSignatureError,
    CannotBeAskedError,
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
    StatusUnavailableError,
    VerifiedCallback,
)
from api.providers.sandbox_reports import (
    NAME,
    TRANSACTION_LENGTH_MAX,
    UnreadableError,
    major_units,
    payment_report,
    payout_report,
    refund_report,
    report_of,
)
from ledger.commands import PaymentTerms, PayoutReport, ProviderReport, RefundReport
from ledger.money import AMOUNT_MAX, exponents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ledger.commands import AnyReport

Report = TypeVar("Report", ProviderReport, RefundReport, PayoutReport)

KEPT_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type")
HEADER_LENGTH_MAX: Final = 512
WEBHOOK_ID_LENGTH_MAX: Final = 255
"""It is a key in an index, whose rows are bounded."""

UNREADABLE: Final = (ValueError, KeyError, TypeError, ArithmeticError)


EVERY_MINUTE: Final = Polling(first_seconds=2.0)


class Sandbox:
    """The adapter; `secret` is `whsec_…`, `timeout_seconds` bounds each call."""

    name = NAME
    prompts_phones = True
    charges_stored_methods = True
    acknowledgement: Mapping[str, object] | None = None

    def __init__(
        self,
        *,
        url: str,
        api_key: str,
        webhook_secret: str,
        timeout_seconds: float,
        polling: Polling = EVERY_MINUTE,
    ) -> None:
        self.polling = polling
        self._webhook = Webhook(webhook_secret)
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(timeout_seconds, connect=min(5.0, timeout_seconds)),
        )

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        if currency not in exponents():
            return None
        return PaymentTerms(
            provider=NAME,
            step=1,
            minimum=1,
            maximum=AMOUNT_MAX,
            expires_after_seconds=expires_after_seconds,
        )

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        if currency not in exponents():
            return None
        return PayoutLimits(provider=NAME, step=1, minimum=1, maximum=AMOUNT_MAX)

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        headers, body = delivery.headers, delivery.body
        sent = {name: headers.get(name, "") for name in KEPT_HEADERS}
        try:
            self._webhook.verify(body, sent, json_parse=False)
            self._check_written_as_signed(sent, body)
        except Exception as error:
            # The package raises its own error, ValueError, binascii.Error or UnicodeDecodeError
            # for what a stranger may send: whatever it is, the callback is not verified.
            raise BadSignatureError from error
        kept = {name: text[:HEADER_LENGTH_MAX] for name, text in sent.items() if text}
        return self.read(kept, body, natural_key=sent["webhook-id"])

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        try:
            document = json.loads(body, parse_float=Decimal)
            report = report_of(document["type"], document["data"])
        except UnreadableError as error:
            return VerifiedCallback(natural_key=natural_key, headers=headers, reason=str(error))
        except (*UNREADABLE, RecursionError):
            return VerifiedCallback(
                natural_key=natural_key, headers=headers, reason="unreadable_body"
            )
        return VerifiedCallback(natural_key=natural_key, headers=headers, reports=(report,))

    async def confirm(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        body: bytes,  # noqa: ARG002 - the port's
        known: Known,  # noqa: ARG002 - the port's
    ) -> tuple[AnyReport, ...]:
        # All of its callbacks are signed, so none is a hint.
        raise CannotBeAskedError

    def _check_written_as_signed(self, sent: Mapping[str, str], body: bytes) -> None:
        """Refuse what the package reads leniently: other ways to write the same base64 or time."""
        seconds = sent["webhook-timestamp"]
        signed_at = datetime.fromtimestamp(int(seconds), tz=UTC)
        signature = self._webhook.sign(sent["webhook-id"], signed_at, body.decode())
        if str(int(seconds)) != seconds or signature not in sent["webhook-signature"].split(" "):
            raise BadSignatureError
        if len(sent["webhook-id"]) > WEBHOOK_ID_LENGTH_MAX:
            raise BadSignatureError

    async def initiate(self, request: PromptRequest) -> Initiation:
        return await self._push(
            "/v1/prompts",
            {
                "reference": str(request.payment_id),
                "phone": request.phone,
                "amount": major_units(request.money),
                "currency": request.money.currency,
                "description": "Payment",
                "expires_in_seconds": request.expires_in_seconds,
            },
        )

    async def charge(self, request: ChargeRequest) -> Initiation:
        return await self._push(
            "/v1/charges",
            {
                "reference": str(request.payment_id),
                "card": request.card,
                "amount": major_units(request.money),
                "currency": request.money.currency,
            },
        )

    async def refund(self, order: RefundOrder) -> Initiation:
        return await self._push(
            "/v1/refunds",
            {
                "reference": f"{order.stream_id}:{order.refund_id}",
                "transaction": order.provider_transaction,
                "amount": major_units(order.money),
                "currency": order.money.currency,
            },
        )

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        return await self._push(
            "/v1/payouts",
            {
                "reference": f"{order.payout_id}:{order.attempt}",
                "phone": order.phone,
                "amount": major_units(order.money),
                "currency": order.money.currency,
            },
        )

    async def _push(self, path: str, document: dict[str, Any]) -> Initiation:
        try:
            answer = await self._client.post(path, json=document)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Declined("provider_unreachable", retryable=True)
        except httpx.HTTPError as error:
            return NoAnswer("timed_out" if isinstance(error, httpx.TimeoutException) else "cut")
        if answer.is_server_error:
            return NoAnswer(f"answered_{answer.status_code}")
        try:
            document = answer.json()
            if answer.is_success:
                return Accepted(str(document["operator_reference"])[:TRANSACTION_LENGTH_MAX])
            if document["error"]["code"] == "duplicate_reference":
                # It has the request, from an answer that we did not get.
                return NoAnswer("duplicate_reference")
        except (ValueError, KeyError, TypeError):
            if answer.is_success:
                return NoAnswer("unreadable_answer")
        return Declined(f"refused_{answer.status_code}")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        document = await self._ask(f"/v1/prompts/{inquiry.payment_id}")
        return None if document is None else _read(payment_report, document)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        document = await self._ask(f"/v1/refunds/{order.stream_id}:{order.refund_id}")
        return None if document is None else _read(refund_report, document)

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        document = await self._ask(f"/v1/payouts/{inquiry.payout_id}:{inquiry.attempt}")
        return None if document is None else _read(payout_report, document)

    async def _ask(self, path: str) -> dict[str, Any] | None:
        """The answer to a status query, or None for a reference that the operator never saw."""
        try:
            answer = await self._client.get(path)
            if answer.status_code == httpx.codes.NOT_FOUND:
                if answer.json()["error"]["code"] == "unknown_reference":
                    return None
                raise StatusUnavailableError
            answer.raise_for_status()
            document: dict[str, Any] = json.loads(answer.content, parse_float=Decimal)
        except (httpx.HTTPError, *UNREADABLE) as error:
            raise StatusUnavailableError from error
        return document

    async def close(self) -> None:
        await self._client.aclose()


def _read(translate: Callable[[dict[str, Any], str], Report], document: dict[str, Any]) -> Report:
    try:
        return translate(document, document["status"])
    except UNREADABLE as error:
        raise StatusUnavailableError from error
