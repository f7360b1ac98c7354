"""Flutterwave, version 3, as its documentation has it: charges by phone, refunds, transfers.

A charge's `tx_ref` and a transfer's `reference` are taken once. What a transfer does depends on the
last three digits of its number; what a refund does, on `next_refund`.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.responses import JSONResponse
from starlette.routing import Route

from api.providers.flutterwave import Flutterwave, FlutterwaveConfiguration
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

SECRET_KEY: Final = "FLWSECK_TEST-nobodys-key-X"
SECRET_HASH: Final = "the hash of the dashboard's webhook settings"
CREATED_AT: Final = "2026-03-04T05:06:07.000Z"
WORDS: Final = {"pending": "pending", "succeeded": "successful", "failed": "failed"}


class Needed(NamedTuple):
    """What a kind of charge needs."""

    currency: str
    country: str
    fields: tuple[str, ...] = ()


NEEDED: Final = {
    "mpesa": Needed("KES", "254"),
    "mobile_money_uganda": Needed("UGX", "256", ("network",)),
}


class FakeFlutterwave(FakeProvider):
    """The server."""

    name = "flutterwave"
    currency = "KES"
    calls_back_unsigned = True

    def __init__(self) -> None:
        self.numbers = itertools.count(285_959_875)
        self.transfers: dict[str, dict[str, Any]] = {}
        """By our reference."""
        self.refunded: dict[str, dict[str, Any]] = {}
        """By Flutterwave's id."""
        self.chargebacks: list[dict[str, Any]] = []
        self.next_refund = "completed"
        self.keeps_comments = True
        super().__init__()

    def phone(self, behaviour: Behaviour) -> str:
        return f"+254700041{behaviour}"

    def routes(self) -> list[Route]:
        return [
            Route("/v3/charges", self._for_us(self._charge), methods=["POST"]),
            Route("/v3/transactions/verify_by_reference", self._for_us(self._by_reference)),
            Route("/v3/transactions/{id}/verify", self._for_us(self._by_id)),
            Route("/v3/transactions/{id}/refund", self._for_us(self._refund), methods=["POST"]),
            Route("/v3/refunds", self._for_us(self._refund_list)),
            Route("/v3/refunds/{id}", self._for_us(self._refund_by_id)),
            Route("/v3/transfers", self._for_us(self._transfer), methods=["POST"]),
            Route("/v3/transfers", self._for_us(self._transfer_list)),
            Route("/v3/transfers/{id}", self._for_us(self._transfer_by_id)),
            Route("/v3/chargebacks", self._for_us(self._chargeback_list)),
        ]

    def settings(self) -> dict[str, str]:
        return {
            f"FLUTTERWAVE_{name.upper()}": value for name, value in self._configuration().items()
        }

    def adapter(self) -> Flutterwave:
        configuration = FlutterwaveConfiguration(**self._configuration())  # type: ignore[arg-type]
        return Flutterwave(configuration, timeout_seconds=2.0)

    def _configuration(self) -> dict[str, str]:
        return {
            "secret_key": SECRET_KEY,
            "secret_hash": SECRET_HASH,
            "email_domain": "payments.invalid",
            "sender_name": "Platform",
            "sender_phone": "+254700000999",
            "url": f"{self.url}/v3",
        }

    def callback(self, charge: Charge, state: str) -> Sent:
        told = self.transaction(charge) | {"status": WORDS[state]}
        if state == "succeeded" and charge.paid is None:
            told["amount"] = charge.amount
        return self.unsigned({"event": "charge.completed", "data": told})

    def unsigned(self, document: dict[str, Any]) -> Sent:
        """As version 3 calls back: what proves it is not of the body."""
        body = json.dumps(document | {"event.type": "MPESA_TRANSACTION"}).encode()
        return Sent(
            "POST", "", {"content-type": "application/json", "verif-hash": SECRET_HASH}, body
        )

    def signed(self, document: dict[str, Any]) -> Sent:
        """As version 4 calls back."""
        body = json.dumps(document, separators=(",", ":")).encode()
        digest = b64encode(hmac.digest(SECRET_HASH.encode(), body, sha256)).decode()
        headers = {"content-type": "application/json", "flutterwave-signature": digest}
        return Sent("POST", "", headers, body)

    def transaction(self, charge: Charge) -> dict[str, Any]:
        """A charge, as it is shown everywhere."""
        return {
            "id": int(charge.provider_reference),
            "tx_ref": charge.reference,
            "flw_ref": f"DRT{charge.transaction}",
            "device_fingerprint": "N/A",
            "amount": charge.amount if charge.paid is None else charge.paid,
            "currency": charge.currency,
            "charged_amount": charge.amount if charge.paid is None else charge.paid,
            "app_fee": 36.25,
            "merchant_fee": 0,
            "processor_response": "The service request is processed successfully.",
            "auth_model": "LIPA_MPESA",
            "ip": "54.75.161.64",
            "narration": "FLW-PBF MPESA Transaction",
            "status": WORDS[charge.state],
            "payment_type": "mpesa",
            "created_at": CREATED_AT,
            "account_id": 3287467,
            "customer": charge.details["customer"],
        }

    def _for_us(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
                return _error(401, "Invalid authorization key")
            return await handle(request)

        return handler

    async def _charge(self, request: Request) -> Response:
        asked = await request.json()
        kind = request.query_params.get("type")
        needed = NEEDED.get(kind or "")
        if needed is None or asked.get("currency") != needed.currency:
            return _error(400, "Invalid charge type")
        for name in ("tx_ref", "amount", "email", "phone_number", *needed.fields):
            if not asked.get(name):
                return _error(400, f"{name} is required")
        if asked["tx_ref"] in self.charges:
            return _error(400, "Transaction reference already exists")
        behaviour = Behaviour(asked["phone_number"][-3:])
        if behaviour is Behaviour.REFUSED or not asked["phone_number"].startswith(needed.country):
            return _error(400, "Sorry, we could not process this phone number")
        charge = Charge(
            reference=asked["tx_ref"],
            provider_reference=str(next(self.numbers)),
            behaviour=behaviour,
            amount=asked["amount"],
            currency=asked["currency"],
        )
        charge.details["customer"] = {
            "id": 1239815700,
            "name": "Anonymous customer",
            "phone_number": asked["phone_number"],
            "email": asked["email"],
            "created_at": CREATED_AT,
        }
        charge.details["network"] = asked.get("network")
        self.take(charge)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        if kind == "mobile_money_uganda":
            page = {"redirect": f"{self.url}/captcha/verify", "mode": "redirect"}
            return _success("Charge initiated", None, meta={"authorization": page})
        return _success("Charge initiated", self.transaction(charge))

    async def _by_reference(self, request: Request) -> Response:
        return self._found(self.charges.get(request.query_params.get("tx_ref", "")))

    async def _by_id(self, request: Request) -> Response:
        return self._found(self.charge_called(request.path_params["id"]))

    def charge_called(self, number: str) -> Charge | None:
        """A charge by Flutterwave's id."""
        found = (each for each in self.charges.values() if each.provider_reference == number)
        return next(found, None)

    def _found(self, charge: Charge | None) -> Response:
        if charge is None:
            return _error(400, "No transaction was found for this id")
        return _success("Transaction fetched successfully", self.transaction(charge))

    async def _refund(self, request: Request) -> Response:
        asked, number = await request.json(), request.path_params["id"]
        charge = self.charge_called(number)
        if charge is None:
            return _error(400, "No transaction was found for this id")
        if self.next_refund == "refused":
            return _error(400, "Refund amount cannot be more than charged amount")
        refund = {
            "id": next(self.numbers),
            "account_id": 73362,
            "tx_id": int(number),
            "flw_ref": f"DRT{charge.transaction}",
            "wallet_id": 74639,
            "amount_refunded": asked["amount"],
            "status": self.next_refund,
            "destination": "payment_source",
            "comments": asked["comments"] if self.keeps_comments else None,
            "meta": {"source": "availablebalance"},
            "created_at": CREATED_AT,
        }
        self.refunded[str(refund["id"])] = refund
        if self.next_refund == "unanswered":
            refund["status"] = "completed"
            await asyncio.sleep(HANG_SECONDS)
        return _success("Transaction refund initiated", refund)

    async def _refund_list(self, request: Request) -> Response:
        return _success("Refunds fetched", list(self.refunded.values()))

    async def _refund_by_id(self, request: Request) -> Response:
        refund = self.refunded.get(request.path_params["id"])
        if refund is None:
            return _error(404, "Refund not found")
        return _success("Refund fetched", refund)

    async def _transfer(self, request: Request) -> Response:
        asked = await request.json()
        for name in ("account_bank", "account_number", "amount", "currency", "beneficiary_name"):
            if not asked.get(name):
                return _error(400, f"{name} is required")
        if {"sender", "sender_country", "mobile_number"} - set(asked["meta"]):
            return _error(400, "meta is missing sender details")
        if asked["reference"] in self.transfers:
            return _error(400, "Transfer with this reference already exists")
        ending = asked["account_number"][-3:]
        if ending == Behaviour.REFUSED:
            return _error(400, "Insufficient funds in wallet")
        transfer = {
            "id": next(self.numbers),
            "account_number": asked["account_number"],
            "bank_code": asked["account_bank"],
            "full_name": asked["beneficiary_name"],
            "created_at": CREATED_AT,
            "currency": asked["currency"],
            "debit_currency": asked["debit_currency"],
            "amount": asked["amount"],
            "fee": 20,
            "status": "NEW",
            "reference": asked["reference"],
            "meta": asked["meta"],
            "narration": asked["narration"],
            "complete_message": "",
            "requires_approval": 0,
            "is_approved": 1,
            "bank_name": "FA-BANK",
        }
        self.transfers[asked["reference"]] = transfer
        answer = dict(transfer)
        match ending:
            case Behaviour.SUCCEEDS | Behaviour.UNANSWERED:
                transfer |= {"status": "SUCCESSFUL", "complete_message": "Successful"}
            case Behaviour.DECLINED:
                transfer |= {
                    "status": "FAILED",
                    "complete_message": "DISBURSE FAILED: Unable to obtain user details",
                }
            case _:
                transfer["status"] = "PENDING"
        if ending == Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return _success("Transfer Queued Successfully", answer)

    async def _transfer_list(self, request: Request) -> Response:
        reference = request.query_params.get("reference")
        found = [each for each in self.transfers.values() if each["reference"] == reference]
        return _success("Transfers fetched", found)

    async def _transfer_by_id(self, request: Request) -> Response:
        for transfer in self.transfers.values():
            if str(transfer["id"]) == request.path_params["id"]:
                return _success("Transfer fetched", transfer)
        return _error(404, "Transfer not found")

    async def _chargeback_list(self, request: Request) -> Response:
        reference = request.query_params.get("flw_ref")
        found = [each for each in self.chargebacks if each["flw_ref"] == reference]
        return _success("Chargebacks fetched", found)


def _success(message: str, data: object, **more: object) -> Response:
    said = {"status": "success", "message": message, **more}
    return JSONResponse(said if data is None else {**said, "data": data})


def _error(status: int, message: str) -> Response:
    return JSONResponse({"status": "error", "message": message, "data": None}, status)
