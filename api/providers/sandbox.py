"""The sandbox operator's adapter: Standard Webhooks callbacks, decimal strings in major units.

Callbacks: headers webhook-id, webhook-timestamp, webhook-signature (`v1,<base64>`), five minutes
of tolerance (https://www.standardwebhooks.com). The natural key is the webhook-id, which the
signature covers. Amounts are decimal strings in major units and must be exact in the currency's
ISO 4217 exponent. The operator can be asked by our reference, and does not deduplicate pushes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import httpx
from standardwebhooks.webhooks import Webhook

from api.providers.port import (
    Accepted,
    BadSignatureError,
    Declined,
    Initiation,
    NoAnswer,
    PromptRequest,
    StatusUnavailableError,
    VerifiedCallback,
)
from ledger.commands import Claim, PaymentTerms, ProviderReport
from ledger.money import AMOUNT_MAX, Money, exponents

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "sandbox"
KEPT_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type")
HEADER_LENGTH_MAX: Final = 512
WEBHOOK_ID_LENGTH_MAX: Final = 255
"""It is a key in an index, whose rows are bounded."""
TRANSACTION_LENGTH_MAX: Final = 128

CLAIMS: Final = {
    "pending": Claim.PENDING,
    "succeeded": Claim.SUCCEEDED,
    "failed": Claim.FAILED,
    "cancelled": Claim.CANCELLED,
}

REASONS: Final = frozenset({"insufficient_funds", "timeout", "cancelled_by_payer"})


class UnreadableError(ValueError):
    """A verified body that is not what the operator documents; the message is a short code."""


class Sandbox:
    """The adapter; `secret` is `whsec_…`, `timeout_seconds` bounds each call."""

    name = NAME

    def __init__(
        self, *, url: str, api_key: str, webhook_secret: str, timeout_seconds: float
    ) -> None:
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

    def verify(self, headers: Mapping[str, str], body: bytes) -> VerifiedCallback:
        sent = {name: headers.get(name, "") for name in KEPT_HEADERS}
        try:
            self._webhook.verify(body, sent, json_parse=False)
            self._check_written_as_signed(sent, body)
        except Exception as error:
            # The package raises its own error, ValueError, binascii.Error or UnicodeDecodeError
            # for what a stranger may send: whatever it is, the callback is not verified.
            raise BadSignatureError from error
        kept = {name: text[:HEADER_LENGTH_MAX] for name, text in sent.items() if text}
        natural_key = sent["webhook-id"]
        try:
            document = json.loads(body, parse_float=Decimal)
            report = _report(document["data"], _status_in(document["type"]))
        except UnreadableError as error:
            return VerifiedCallback(
                natural_key=natural_key, headers=kept, report=None, reason=str(error)
            )
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return VerifiedCallback(
                natural_key=natural_key, headers=kept, report=None, reason="unreadable_body"
            )
        return VerifiedCallback(natural_key=natural_key, headers=kept, report=report)

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
        document = {
            "reference": str(request.payment_id),
            "phone": request.phone,
            "amount": major_units(request.money),
            "currency": request.money.currency,
            "description": "Payment",
            "expires_in_seconds": request.expires_in_seconds,
        }
        try:
            answer = await self._client.post("/v1/prompts", json=document)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return Declined("provider_unreachable")
        except httpx.HTTPError as error:
            return NoAnswer("timed_out" if isinstance(error, httpx.TimeoutException) else "cut")
        if answer.is_server_error:
            return NoAnswer(f"answered_{answer.status_code}")
        if not answer.is_success:
            return Declined(f"refused_{answer.status_code}")
        try:
            return Accepted(str(answer.json()["operator_reference"])[:TRANSACTION_LENGTH_MAX])
        except (ValueError, KeyError, TypeError):
            return NoAnswer("unreadable_answer")

    async def status(self, payment_id: UUID) -> ProviderReport | None:
        try:
            answer = await self._client.get(f"/v1/prompts/{payment_id}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                if answer.json()["error"]["code"] == "unknown_reference":
                    return None
                raise StatusUnavailableError
            answer.raise_for_status()
            document = json.loads(answer.content, parse_float=Decimal)
            return _report(document, document["status"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise StatusUnavailableError from error

    async def close(self) -> None:
        await self._client.aclose()


def major_units(money: Money) -> str:
    """Minor units as the operator's decimal string, exact: 125000 KES is `1250.00`."""
    exponent = exponents()[money.currency]
    return str(Decimal(money.amount).scaleb(-exponent))


def minor_units(text: object, currency: object) -> Money:
    """The operator's decimal string in minor units, exact. Raises `UnreadableError`."""
    if not isinstance(text, str) or not isinstance(currency, str) or currency not in exponents():
        raise UnreadableError("unreadable_amount")
    try:
        amount = Decimal(text).scaleb(exponents()[currency])
        within_bounds = 0 < amount <= AMOUNT_MAX
    except ArithmeticError:
        raise UnreadableError("unreadable_amount") from None
    # The bounds first: an integer of a million digits takes most of a minute to make.
    if not within_bounds or int(amount) != amount:
        raise UnreadableError("inexact_amount")
    return Money(amount=int(amount), currency=currency)


def _status_in(kind: object) -> str:
    if not isinstance(kind, str) or not kind.startswith("payment."):
        raise UnreadableError("unknown_type")
    return kind.removeprefix("payment.")


def _report(data: dict[str, Any], status: str) -> ProviderReport:
    claim = CLAIMS.get(status)
    if claim is None:
        raise UnreadableError("unknown_status")
    try:
        payment_id = UUID(data["reference"])
    except (ValueError, AttributeError):
        payment_id = None
    if claim is not Claim.SUCCEEDED:
        reason = str(data.get("reason"))
        return ProviderReport(
            provider=NAME,
            payment_id=payment_id,
            claim=claim,
            # Only the operator's own words: free text could hold a phone number.
            reason=reason if reason in REASONS else "unspecified",
            occurred_at=_instant(data.get("occurred_at")),
        )
    return ProviderReport(
        provider=NAME,
        payment_id=payment_id,
        claim=claim,
        provider_transaction=_transaction(data.get("transaction")),
        received=minor_units(data["amount"], data["currency"]),
        occurred_at=_instant(data.get("occurred_at")),
    )


def _transaction(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= TRANSACTION_LENGTH_MAX:
        raise UnreadableError("unreadable_transaction")
    if not value.isprintable() or not value.isascii():
        raise UnreadableError("unreadable_transaction")
    return value


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(str(value))
    if instant.tzinfo is None:
        raise UnreadableError("time_without_zone")
    try:
        # Near the ends of the calendar an offset leads out of it, where no reader can follow.
        return instant.astimezone(UTC)
    except OverflowError:
        raise UnreadableError("time_beyond_calendar") from None
