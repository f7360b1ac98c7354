"""Airtel Money as its documentation has it: tokens of three minutes, prompts, payouts, refunds.

A reference is taken once. Prompts end by the phone's last digits (`Behaviour`), payouts by them
too: 001 and 002 fail for want of a receiver and of float, 003 is ambiguous at once and paid by an
enquiry, 005 stays in process, 006 is ambiguous and has failed. Payouts want the encrypted PIN.
Callbacks go where the dashboard says, with the hash over what `hash_form` says.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from base64 import b64decode, b64encode
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.providers.airtel import Airtel
from api.providers.airtel_configuration import AirtelConfiguration
from api.providers.airtel_secrets import callback_hash
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

CLIENT: Final = ("c02e9e46-db9d-4faf-b91a-94f88bbe688c", "ab672211-4197-4c11-ba79-b29ce2034ca2")
CALLBACK_KEY: Final = "5d0b2f3c8a9e4d17b6a1c0e2f4a6b8d0"
PIN: Final = "4094"
KEY: Final = generate_private_key(65_537, 2_048)
PUBLIC_KEY: Final = b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
LETTERS: Final = {"pending": "TIP", "succeeded": "TS", "failed": "TF"}
PAYOUT_ENDS: Final = {
    Behaviour.REFUSED: ("TF", "DP00900001012"),
    Behaviour.DECLINED: ("TF", "DP00900001007"),
    Behaviour.SILENT: ("TS", "DP00900001000"),
    Behaviour.LATE: ("TIP", "DP00900001006"),
    Behaviour.OTHER_AMOUNT: ("TF", "DP00900001000"),
}


class FakeAirtel(FakeProvider):
    """The server; `token_seconds` is how long it says that a token lives, and how long it does."""

    name = "airtel"
    currency = "KES"
    country = "KE"
    calls_back_unsigned = True
    tells_amounts = False
    token_seconds: ClassVar[float] = 180
    version: ClassVar[str] = "v1"
    signs: ClassVar[bool] = False

    def __init__(self) -> None:
        self.tokens: dict[str, float] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        """Path, headers and body of what was taken, or would have been."""
        self.payouts: dict[str, tuple[str, str]] = {}
        """By our reference: what became of them."""
        self.refunded: list[str] = []
        self.next_answers: list[tuple[int, dict[str, Any]]] = []
        """Answered instead, in this order."""
        self.next_refund = "SUCCESS"
        self.refunds_are_named = True
        self.hash_form = "transaction"
        self.enquiry_message = "Success"
        self._numbers = count(6_941)
        super().__init__()

    def phone(self, behaviour: Behaviour) -> str:
        return f"+254733000{behaviour}"

    def reference_of(self, payment_id: str | UUID) -> str:
        return str(payment_id).replace("-", "")

    def routes(self) -> list[Route]:
        payments, payouts = "/standard/v1/payments", f"/standard/{self.version}/disbursements"
        return [
            Route("/auth/oauth2/token", self._token, methods=["POST"]),
            Route("/v1/rsa/encryption-keys", self._for_us(self._keys)),
            Route(
                f"/merchant/{self.version}/payments/",
                self._for_us(self._payment),
                methods=["POST"],
            ),
            Route(
                f"/standard/{self.version}/payments/refund",
                self._for_us(self._refund),
                methods=["POST"],
            ),
            Route(f"{payments}/{{reference}}", self._for_us(self._shown)),
            Route(f"{payouts}/", self._for_us(self._payout), methods=["POST"]),
            Route(f"{payouts}/{{reference}}", self._for_us(self._payout_shown)),
        ]

    def settings(self) -> dict[str, str]:
        return {f"AIRTEL_{name.upper()}": value for name, value in self.configured_by().items()}

    def configured_by(self) -> dict[str, str]:
        """The fields of its configuration."""
        return {
            "url": self.url,
            "country": self.country,
            "client_id": CLIENT[0],
            "client_secret": CLIENT[1],
            "callback_key": CALLBACK_KEY,
            "version": self.version,
            "signs_messages": str(self.signs).lower(),
            "first_query_seconds": "1",
            "pin": PIN,
            "pin_public_key": PUBLIC_KEY,
        }

    def adapter(self) -> Airtel:
        configuration = AirtelConfiguration(**self.configured_by())  # type: ignore[arg-type] # from text
        return Airtel(configuration, timeout_seconds=2.0)

    def callback(self, charge: Charge, state: str) -> Sent:
        transaction = {"id": charge.reference, "message": "Transaction in process"}
        if state == "succeeded":
            transaction["message"] = self.message(charge)
            transaction["airtel_money_id"] = charge.provider_reference
        elif state == "failed":
            transaction["message"] = "Transaction failed"
        return self.hashed({**transaction, "status_code": LETTERS[state]})

    def message(self, charge: Charge) -> str:
        """What a payer reads."""
        paid = charge.amount if charge.paid is None else charge.paid
        return (
            f"Paid {charge.currency} {paid:,} to TECHNOLOGIES LIMITED Charge {charge.currency} 140,"
            f" Trans ID {charge.provider_reference}."
        )

    def hashed(self, transaction: dict[str, Any]) -> Sent:
        """A genuine callback about this transaction."""
        document = {"transaction": transaction}
        told = transaction if self.hash_form == "transaction" else document
        preimage = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        document["hash"] = callback_hash(preimage, CALLBACK_KEY)  # type: ignore[assignment]
        body = json.dumps(document, ensure_ascii=False).encode()
        return Sent("POST", "", {"content-type": "application/json"}, body)

    # The API.

    async def _token(self, request: Request) -> Response:
        self.calls.append(("POST", request.url.path))
        asked = await request.json()
        if (asked.get("client_id"), asked.get("client_secret")) != CLIENT:
            error = {
                "error": "invalid_client",
                "error_description": "Invalid client authentication",
            }
            return JSONResponse(error, 400)
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + self.token_seconds
        return JSONResponse(
            {
                "access_token": token,
                "expires_in": str(int(self.token_seconds)),
                "token_type": "bearer",
            }
        )

    def _for_us(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme != "Bearer" or self.tokens.get(token, 0.0) < time.monotonic():
                return JSONResponse({"error": "unauthorized"}, 401)
            if self.next_answers:
                status, document = self.next_answers.pop(0)
                return JSONResponse(document, status)
            if request.headers.get("x-country") != self.country:
                return _refused(400, "ROUTER006")
            if request.headers.get("x-currency") != self.currency:
                return _refused(400, "ROUTER112")
            return await handle(request)

        return handler

    async def _asked(self, request: Request) -> dict[str, Any] | Response:
        """A request's body, or why it is refused."""
        body = await request.body()
        asked: dict[str, Any] = json.loads(body)
        self.requests.append((request.url.path, dict(request.headers), asked))
        if self.signs and not _is_signed(request, body):
            return _refused(403, "DP00800001026")
        return asked

    async def _keys(self, request: Request) -> Response:
        key = {"key_id": 100, "key": PUBLIC_KEY, "valid_upto": "12-08-2026 21:29:26"}
        return JSONResponse({"data": key, "status": _status("DP02010001001")})

    async def _payment(self, request: Request) -> Response:
        asked = await self._asked(request)
        if not isinstance(asked, dict):
            return asked
        transaction, phone = asked["transaction"], asked["subscriber"]["msisdn"]
        if not 4 <= len(asked["reference"]) <= 64 or not transaction["id"].isalnum():
            return _refused(400, "ESB000008")
        if len(phone) != 9 or not isinstance(transaction["amount"], int):
            return _refused(400, "ESB000033")
        if transaction["id"] in self.charges:
            return _refused(400, "", result="ESB000041")
        behaviour = Behaviour(phone[-3:])
        if behaviour is Behaviour.REFUSED:
            return _refused(400, "DP00800001010")
        self.take(
            Charge(
                reference=transaction["id"],
                provider_reference=f"MP210603.1234.L{next(self._numbers):05d}",
                behaviour=behaviour,
                amount=transaction["amount"],
                currency=transaction["currency"],
            )
        )
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        told = {"id": transaction["id"], "status": "SUCCESS"}
        return _answered(told, "DP00800001006")

    async def _shown(self, request: Request) -> Response:
        charge = self.charges.get(request.path_params["reference"])
        if charge is None:
            return _refused(400, "DP00800001025", result="ESB000045")
        told = {"id": charge.reference, "status": LETTERS[charge.state]}
        if charge.state != "succeeded":
            return _answered(told, "DP00800001008" if charge.state == "failed" else "DP00800001006")
        told |= {"airtel_money_id": charge.provider_reference, "message": self.enquiry_message}
        # As documented: in process, and no success.
        return _answered(told, "DP00800001006", success=False)

    async def _refund(self, request: Request) -> Response:
        asked = await self._asked(request)
        if not isinstance(asked, dict):
            return asked
        if set(asked) != {"transaction"} or set(asked["transaction"]) != {"airtel_money_id"}:
            return _refused(400, "ESB000008")
        named = asked["transaction"]["airtel_money_id"]
        known = {each.provider_reference for each in self.charges.values()}
        if named not in known or named in self.refunded:
            return _refused(400, "DP00800001025")
        self.refunded.append(named)
        if self.next_refund == "unanswered":
            await asyncio.sleep(HANG_SECONDS)
        name = f"CI210603.1235.L{next(self._numbers):05d}" if self.refunds_are_named else named
        return _answered({"airtel_money_id": name, "status": self.next_refund}, "", success=False)

    async def _payout(self, request: Request) -> Response:
        asked = await self._asked(request)
        if not isinstance(asked, dict):
            return asked
        try:
            pin = KEY.decrypt(b64decode(asked["pin"]), PKCS1v15()).decode()
        except ValueError:
            return _refused(400, "ROUTER116")
        if pin != PIN:
            return _refused(400, "ROUTER115")
        reference = asked["transaction"]["id"]
        if self.version != "v1" and asked["transaction"]["type"] != "B2C":
            return _refused(400, "ESB000008")
        if reference in self.payouts:
            return _refused(400, "DP00900001017")
        behaviour = Behaviour(asked["payee"]["msisdn"][-3:])
        letters, code = PAYOUT_ENDS.get(behaviour, ("TS", "DP00900001001"))
        self.payouts[reference] = (letters, code)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        if code in {"DP00900001012", "DP00900001007"}:
            return _refused(400, code)
        told = {
            "reference_id": "18010333354",
            "airtel_money_id": f"product-partner-{reference}",
            "id": reference,
        }
        if code == "DP00900001001":
            told["status"] = "TS"
        return _answered(told, code)

    async def _payout_shown(self, request: Request) -> Response:
        reference = request.path_params["reference"]
        if reference not in self.payouts:
            return _refused(400, "DP00900001015")
        letters, code = self.payouts[reference]
        if self.version != "v1":
            assert request.query_params["transactionType"] == "B2C"
        if letters == "TS":
            code = "DP00900001001"
        elif code == "DP00900001000":
            code = "DP00900001005"
        if self.version != "v1":
            return JSONResponse({"status": _status(code)})
        return _answered({"id": reference, "message": "Submitted.", "status": letters}, code)


def _is_signed(request: Request, body: bytes) -> bool:
    pair = KEY.decrypt(b64decode(request.headers.get("x-key", "")), PKCS1v15()).decode()
    secret, start = (b64decode(each) for each in pair.split(":"))
    decryptor = Cipher(AES(secret), CBC(start)).decryptor()
    padded = decryptor.update(b64decode(request.headers["x-signature"])) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize() == body


def _status(
    code: str, *, http: int = 200, result: str = "ESB000010", success: bool = True
) -> dict[str, Any]:
    status = {
        "code": str(http),
        "message": "SUCCESS" if success else "Something went wrong for 733000001",
        "result_code": result,
        "success": success,
    }
    return {**status, "response_code": code} if code else status


def _answered(transaction: dict[str, Any], code: str, *, success: bool = True) -> Response:
    document = {"data": {"transaction": transaction}, "status": _status(code, success=success)}
    return JSONResponse(document)


def _refused(http: int, code: str, *, result: str = "ESB000011") -> Response:
    return JSONResponse({"status": _status(code, http=http, result=result, success=False)}, http)
