"""Paystack as its documentation has it: charges by phone, refunds, disputes, transfers.

The reference of a charge and of a transfer is taken once; a recipient is the same for the same
number. What a transfer does depends on the last three digits of its number; what a refund does, on
`next_refund`.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import secrets
from hashlib import sha512
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from api.providers.paystack import Paystack, PaystackConfiguration
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

SECRET_KEY: Final = "sk_test_nobodys"
PAID_AT: Final = "2026-03-04T05:06:07.000Z"
WORDS: Final = {"pending": "ongoing", "succeeded": "success", "failed": "failed"}


class FakePaystack(FakeProvider):
    """The server."""

    name = "paystack"
    currency = "KES"

    def __init__(self) -> None:
        self.numbers = itertools.count(2_009_945_086)
        self.recipients: dict[str, str] = {}
        """Numbers by recipient code."""
        self.transfers: dict[str, dict[str, Any]] = {}
        """By our reference."""
        self.refunded: dict[str, dict[str, Any]] = {}
        """By Paystack's id."""
        self.next_refund = "processed"
        self.keeps_notes = True
        self.gateway_failures = 0
        """So many next requests are answered by a gateway, and come to nothing."""
        super().__init__()

    def phone(self, behaviour: Behaviour) -> str:
        return f"+254700042{behaviour}"

    def routes(self) -> list[Route]:
        return [
            Route("/charge", self._for_us(self._charge), methods=["POST"]),
            Route("/transaction/verify/{reference}", self._for_us(self._verify)),
            Route("/refund", self._for_us(self._refund), methods=["POST"]),
            Route("/refund", self._for_us(self._refund_list)),
            Route("/refund/{id}", self._for_us(self._refund_by_id)),
            Route("/transferrecipient", self._for_us(self._recipient), methods=["POST"]),
            Route("/transfer", self._for_us(self._transfer), methods=["POST"]),
            Route("/transfer/verify/{reference}", self._for_us(self._transfer_by_reference)),
        ]

    def settings(self) -> dict[str, str]:
        return {f"PAYSTACK_{name.upper()}": value for name, value in self._configuration().items()}

    def adapter(self) -> Paystack:
        configuration = PaystackConfiguration(**self._configuration())  # type: ignore[arg-type]
        return Paystack(configuration, timeout_seconds=2.0)

    def _configuration(self) -> dict[str, str]:
        return {
            "secret_key": SECRET_KEY,
            "email_domain": "payments.invalid",
            "url": self.url,
        }

    def callback(self, charge: Charge, state: str) -> Sent:
        told = self.transaction(charge) | {"status": WORDS[state]}
        return self.signed({"event": f"charge.{WORDS[state]}", "data": told})

    def signed(self, document: dict[str, Any]) -> Sent:
        """A genuine callback with this body."""
        return signed_by_paystack(json.dumps(document, separators=(",", ":")).encode())

    def transaction(self, charge: Charge) -> dict[str, Any]:
        """A charge, as it is shown everywhere."""
        has_ended = charge.state == "succeeded"
        return {
            "id": int(charge.details["id"]),
            "domain": "test",
            "status": WORDS[charge.state],
            "reference": charge.reference,
            "amount": charge.amount if charge.paid is None else charge.paid,
            "message": None,
            "gateway_response": "Approved" if has_ended else "Charge pending",
            "paid_at": PAID_AT if has_ended else None,
            "created_at": PAID_AT,
            "channel": "mobile_money",
            "currency": charge.currency,
            "ip_address": None,
            "metadata": "",
            "log": None,
            "fees": 1_875 if has_ended else None,
            "fees_split": None,
            "authorization": {"channel": "mobile_money", "bank": "M-PESA", "country_code": "KE"},
            "customer": charge.details["customer"],
            "plan": None,
            "split": {},
            "order_id": None,
            "requested_amount": charge.amount,
        }

    def _for_us(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
                return _error(401, "Invalid key", "invalid_Key")
            if self.gateway_failures:
                self.gateway_failures -= 1
                return PlainTextResponse("Bad Gateway", 502)
            return await handle(request)

        return handler

    async def _charge(self, request: Request) -> Response:
        asked = await request.json()
        for name in ("email", "amount", "currency", "reference", "mobile_money"):
            if not asked.get(name):
                return _error(400, f"{name} is required", "invalid_params")
        if type(asked["amount"]) is not int:
            return _error(400, "Amount should be an integer", "invalid_amount")
        if asked["reference"] in self.charges:
            return _error(400, "Duplicate Transaction Reference", "duplicate_reference")
        phone = asked["mobile_money"]["phone"]
        behaviour = Behaviour(phone[-3:])
        if behaviour is Behaviour.REFUSED or asked["mobile_money"]["provider"] != "mpesa":
            return _error(400, "Charge attempted", "unprocessed_transaction")
        charge = Charge(
            reference=asked["reference"],
            provider_reference=asked["reference"],
            behaviour=behaviour,
            amount=asked["amount"],
            currency=asked["currency"],
        )
        charge.details["id"] = next(self.numbers)
        charge.details["customer"] = {
            "id": 68324,
            "first_name": None,
            "last_name": None,
            "email": asked["email"],
            "customer_code": "CUS_qo38as2hpsgk2r0",
            "phone": phone,
            "metadata": None,
            "risk_action": "default",
        }
        self.take(charge)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return _success(
            "Charge attempted",
            {
                "reference": charge.reference,
                "status": "pay_offline",
                "display_text": "Please complete authorization process on your mobile phone",
            },
        )

    async def _verify(self, request: Request) -> Response:
        charge = self.charges.get(request.path_params["reference"])
        if charge is None:
            return _error(404, "Transaction reference not found.", "transaction_not_found")
        return _success("Verification successful", self.transaction(charge))

    async def _refund(self, request: Request) -> Response:
        asked = await request.json()
        charge = next(
            (each for each in self.charges.values() if self._is(each, asked["transaction"])), None
        )
        if charge is None:
            return _error(404, "Transaction not found", "transaction_not_found")
        if self.next_refund == "refused":
            return _error(
                400, "Refund amount cannot be more than the transaction", "invalid_amount"
            )
        refund = {
            "id": next(self.numbers),
            "integration": 412829,
            "transaction": charge.details["id"],
            "dispute": None,
            "settlement": None,
            "domain": "test",
            "amount": asked["amount"],
            "deducted_amount": 0,
            "fully_deducted": False,
            "currency": asked["currency"],
            "channel": None,
            "status": self.next_refund,
            "customer_note": asked["customer_note"],
            "merchant_note": asked["merchant_note"] if self.keeps_notes else "Refund by a merchant",
            "createdAt": f"2026-03-05T00:00:{len(self.refunded):02}.000Z",
            "updatedAt": f"2026-03-05T00:00:{len(self.refunded):02}.000Z",
        }
        self.refunded[str(refund["id"])] = refund
        if self.next_refund == "unanswered":
            refund["status"] = "processed"
            await asyncio.sleep(HANG_SECONDS)
        answer = refund | {"transaction": self.transaction(charge), "status": "pending"}
        return _success("Refund has been queued for processing", answer)

    @staticmethod
    def _is(charge: Charge, name: object) -> bool:
        return str(name) in {str(charge.details["id"]), charge.reference}

    async def _refund_list(self, request: Request) -> Response:
        wanted = request.query_params.get("transaction")
        listed = [r for r in self.refunded.values() if str(r["transaction"]) == wanted]
        return _success("Refunds retrieved", listed)

    async def _refund_by_id(self, request: Request) -> Response:
        refund = self.refunded.get(request.path_params["id"])
        if refund is None:
            return _error(404, "Refund not found", "not_found")
        return _success("Refund retrieved", refund)

    async def _recipient(self, request: Request) -> Response:
        asked = await request.json()
        for name in ("type", "name", "account_number", "bank_code", "currency"):
            if not asked.get(name):
                return _error(400, f"{name} is required", "invalid_params")
        number = asked["account_number"]
        for code, known in self.recipients.items():
            if known == number:
                return _success("Transfer recipient created successfully", {"recipient_code": code})
        code = f"RCP_{secrets.token_hex(8)}"
        self.recipients[code] = number
        return _success("Transfer recipient created successfully", {"recipient_code": code})

    async def _transfer(self, request: Request) -> Response:
        asked = await request.json()
        if asked["recipient"] not in self.recipients:
            return _error(404, "Recipient specified is invalid", "invalid_params")
        if asked["reference"] in self.transfers:
            return _error(400, "Please provide a unique reference", "duplicate_transfer_reference")
        ending = self.recipients[asked["recipient"]][-3:]
        if ending == Behaviour.REFUSED:
            message = "Your balance is not enough to fulfil this request"
            return _error(400, message, "insufficient_balance")
        statuses = {
            Behaviour.SUCCEEDS: "success",
            Behaviour.UNANSWERED: "success",
            Behaviour.DECLINED: "failed",
            Behaviour.LATE: "otp",
        }
        transfer = {
            "id": next(self.numbers),
            "integration": 100073,
            "domain": "test",
            "amount": asked["amount"],
            "currency": asked["currency"],
            "source": "balance",
            "reason": asked["reason"],
            "recipient": 28,
            "status": next((word for key, word in statuses.items() if key == ending), "pending"),
            "reference": asked["reference"],
            "transfer_code": f"TRF_{secrets.token_hex(8)}",
            "createdAt": PAID_AT,
            "updatedAt": PAID_AT,
        }
        self.transfers[asked["reference"]] = transfer
        if ending == Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return _success("Transfer has been queued", transfer | {"status": "pending"})

    async def _transfer_by_reference(self, request: Request) -> Response:
        transfer = self.transfers.get(request.path_params["reference"])
        if transfer is None:
            return _error(404, "Transfer not found", "transfer_not_found")
        return _success("Transfer retrieved", transfer)


def signed_by_paystack(body: bytes) -> Sent:
    """A genuine callback, of these bytes."""
    signature = hmac.digest(SECRET_KEY.encode(), body, sha512).hex()
    headers = {"content-type": "application/json", "x-paystack-signature": signature}
    return Sent("POST", "", headers, body)


def _success(message: str, data: object) -> Response:
    return JSONResponse({"status": True, "message": message, "data": data})


def _error(status: int, message: str, code: str) -> Response:
    return JSONResponse(
        {
            "status": False,
            "message": message,
            "meta": {"nextStep": "Ensure that the value(s) you're passing are valid."},
            "type": "validation_error",
            "code": code,
        },
        status,
    )
