"""MoMo as its documentation has it: two products, tokens, requests to pay, transfers, refunds.

A request is named by its `X-Reference-Id`, which is taken once. Requests to pay end by the phone's
last digits (`Behaviour`), transfers by them too: 001 is refused, 002 fails for want of a payee, 003
is paid without a callback, 005 stays pending, 006 fails for want of float. What a refund does, says
`next_refund`. Callbacks come by PUT, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import threading
import time
from base64 import b64decode
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import httpx
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.providers.momo import Momo
from api.providers.momo_configuration import MomoConfiguration
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

ENVIRONMENT: Final = "mtnuganda"
SUBSCRIPTIONS: Final = {"collection": "0d4ed6f8collections", "disbursement": "71c2a01fpayouts"}
USERS: Final = {
    "collection": ("c72025f5-5cd1-4630-99e4-8ba4722fad56", "f1db798c98df4bcf83b538175893bbf0"),
    "disbursement": ("d8b1a6de-5c2b-4b3e-9a38-0a4c0b1f6f21", "a27ad1c3e5f14d0a8a2a7c9f4c2d5e10"),
}
WORDS: Final = {"pending": "PENDING", "succeeded": "SUCCESSFUL", "failed": "FAILED"}
AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?", re.ASCII)
TRANSFER_ENDS: Final = {
    Behaviour.DECLINED: ("FAILED", "PAYEE_NOT_FOUND"),
    Behaviour.LATE: ("PENDING", None),
    Behaviour.OTHER_AMOUNT: ("FAILED", "NOT_ENOUGH_FUNDS"),
}


class FakeMomo(FakeProvider):
    """The server; `token_seconds` is how long it says that a token lives, and how long it does."""

    name = "momo"
    currency = "UGX"
    calls_back_unsigned = True
    token_seconds: ClassVar[float] = 3600

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, float]] = {}
        self.requests: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        """Path, headers and body of what was taken, or would have been."""
        self.transfers: dict[str, dict[str, Any]] = {}
        self.refunded: dict[str, dict[str, Any]] = {}
        """By `X-Reference-Id`, as they are shown."""
        self.next_refund: tuple[str, str | None] = ("SUCCESSFUL", None)
        self.next_errors: list[tuple[int, dict[str, Any] | None]] = []
        """Answered instead, in this order."""
        self.reason: Any = "APPROVAL_REJECTED"
        self._numbers = count(1_947_913_865)
        super().__init__()

    def phone(self, behaviour: Behaviour) -> str:
        return f"+256770000{behaviour}"

    def routes(self) -> list[Route]:
        return [
            Route("/{product}/token/", self._token, methods=["POST"]),
            Route("/collection/v1_0/requesttopay", self._for_us(self._request), methods=["POST"]),
            Route("/collection/v1_0/requesttopay/{reference}", self._for_us(self._shown)),
            Route("/disbursement/v1_0/transfer", self._for_us(self._transfer), methods=["POST"]),
            Route("/disbursement/v1_0/transfer/{reference}", self._for_us(self._shown)),
            Route("/disbursement/v1_0/refund", self._for_us(self._refund), methods=["POST"]),
            Route("/disbursement/v1_0/refund/{reference}", self._for_us(self._shown)),
        ]

    def settings(self) -> dict[str, str]:
        return {f"MOMO_{name.upper()}": value for name, value in self.configured_by().items()}

    def configured_by(self) -> dict[str, str]:
        """The fields of its configuration."""
        products = {
            f"{product}_{name}": value
            for product, (user, key) in USERS.items()
            for name, value in (
                ("user", user),
                ("key", key),
                ("subscription_key", SUBSCRIPTIONS[product]),
            )
        }
        return {
            "url": self.url,
            "target_environment": ENVIRONMENT,
            "callback_secret": "a secret of the tests, and long enough",
            "first_query_seconds": "1",
            **products,
        }

    def adapter(self) -> Momo:
        return Momo(
            MomoConfiguration(**self.configured_by()),  # type: ignore[arg-type] # from text
            callbacks_begin_with=self.callbacks_begin_with or "http://127.0.0.1:9/webhooks",
            timeout_seconds=2.0,
        )

    def charge_named(self, reference: str) -> Charge | None:
        """A request to pay by its `X-Reference-Id`."""
        found = (each for each in self.charges.values() if each.provider_reference == reference)
        return next(found, None)

    def callback(self, charge: Charge, state: str) -> Sent:
        told = self.shown(charge) | {"status": WORDS[state]}
        if state == "succeeded":
            told["financialTransactionId"] = charge.details["transaction"]
            told.pop("reason", None)
        if state == "failed":
            told["reason"] = self.reason
        return self.told_at(str(charge.callback_url), told)

    def told_at(self, url: str, told: Mapping[str, Any]) -> Sent:
        """What is called back at an address."""
        return Sent(
            "PUT",
            "/" + httpx.URL(url).path.rpartition("/")[2],
            {"content-type": "application/json"},
            json.dumps(told, separators=(",", ":")).encode(),
        )

    def shown(self, charge: Charge) -> dict[str, Any]:
        """A request to pay, as it is shown."""
        shown = {
            "externalId": charge.reference,
            "amount": charge.amount if charge.paid is None else charge.paid,
            "currency": charge.currency,
            "payer": charge.details["payer"],
            "payerMessage": charge.details["payerMessage"],
            "payeeNote": charge.details["payeeNote"],
            "status": WORDS[charge.state],
        }
        if charge.state == "succeeded":
            shown = {"financialTransactionId": charge.details["transaction"], **shown}
        if charge.state == "failed":
            shown["reason"] = self.reason
        return shown

    # The API.

    async def _token(self, request: Request) -> Response:
        product = request.path_params["product"]
        self.calls.append(("POST", request.url.path))
        if request.headers.get("ocp-apim-subscription-key") != SUBSCRIPTIONS.get(product):
            return _gateway_error("Access denied due to invalid subscription key.")
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        user, _, key = b64decode(credentials).decode().partition(":")
        if scheme != "Basic" or USERS[product] != (user, key):
            return JSONResponse({"error": "login_failed"}, 401)
        token = secrets.token_urlsafe(40)
        self.tokens[token] = (product, time.monotonic() + self.token_seconds)
        return JSONResponse(
            {
                "access_token": token,
                "token_type": "access_token",
                "expires_in": int(self.token_seconds),
            }
        )

    def _for_us(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            product = request.url.path.split("/")[1]
            headers = request.headers
            if headers.get("ocp-apim-subscription-key") != SUBSCRIPTIONS[product]:
                return _gateway_error("Access denied due to invalid subscription key.")
            scheme, _, token = headers.get("authorization", "").partition(" ")
            of, until = self.tokens.get(token, ("", 0.0))
            if scheme != "Bearer" or of != product or until < time.monotonic():
                return _gateway_error("Unauthorized")
            if self.next_errors:
                status, document = self.next_errors.pop(0)
                return Response(None if document is None else json.dumps(document), status)
            if headers.get("x-target-environment") != ENVIRONMENT:
                return _error(500, "NOT_ALLOWED_TARGET_ENVIRONMENT", "Access denied.")
            return await handle(request)

        return handler

    async def _asked(self, request: Request, party: str) -> dict[str, Any] | Response:
        """A request's body, or why it is refused; each reference is taken once."""
        reference = request.headers.get("x-reference-id", "")
        asked: dict[str, Any] = await request.json()
        self.requests.append((request.url.path, dict(request.headers), asked))
        if not _is_of_version_four(reference):
            return Response(status_code=400)
        if self.charge_named(reference) or {reference} & {*self.transfers, *self.refunded}:
            message = "Duplicated reference id. Creation of resource failed."
            return _error(409, "RESOURCE_ALREADY_EXIST", message)
        wanted = {"amount", "currency", "externalId", "payerMessage", "payeeNote", party}
        if set(asked) != wanted or not AMOUNT.fullmatch(asked["amount"]):
            return Response(status_code=400)
        if asked["currency"] != self.currency:
            return _error(500, "INVALID_CURRENCY", "Currency not supported.")
        return asked

    async def _request(self, request: Request) -> Response:
        asked = await self._asked(request, "payer")
        if isinstance(asked, Response):
            return asked
        phone = asked["payer"]["partyId"]
        if asked["payer"]["partyIdType"] != "MSISDN" or not phone.isdigit():
            return Response(status_code=400)
        behaviour = Behaviour(phone[-3:])
        if behaviour is Behaviour.REFUSED:
            return _error(500, "PAYER_NOT_FOUND", "Payee does not exist")
        self.take(
            Charge(
                reference=asked["externalId"],
                provider_reference=request.headers["x-reference-id"],
                behaviour=behaviour,
                amount=asked["amount"],
                currency=asked["currency"],
                callback_url=request.headers["x-callback-url"],
                details={**asked, "transaction": str(next(self._numbers))},
            )
        )
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return Response(status_code=202)

    async def _transfer(self, request: Request) -> Response:
        asked = await self._asked(request, "payee")
        if isinstance(asked, Response):
            return asked
        behaviour = Behaviour(asked["payee"]["partyId"][-3:])
        if behaviour is Behaviour.REFUSED:
            return _error(500, "NOT_ALLOWED", "Authorization failed.")
        status, reason = TRANSFER_ENDS.get(behaviour, ("SUCCESSFUL", None))
        shown = self._ended(asked, status, reason)
        self.transfers[request.headers["x-reference-id"]] = shown
        if behaviour is not Behaviour.SILENT:
            self._call_back(request.headers["x-callback-url"], shown)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return Response(status_code=202)

    async def _refund(self, request: Request) -> Response:
        asked = await self._asked(request, "referenceIdToRefund")
        if isinstance(asked, Response):
            return asked
        charge = self.charge_named(asked.pop("referenceIdToRefund"))
        if charge is None or charge.state != "succeeded":
            return _error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        status, reason = self.next_refund
        shown = self._ended({**asked, "payee": charge.details["payer"]}, status, reason)
        self.refunded[request.headers["x-reference-id"]] = shown
        self._call_back(request.headers["x-callback-url"], shown)
        return Response(status_code=202)

    def _ended(self, asked: Mapping[str, Any], status: str, reason: str | None) -> dict[str, Any]:
        shown = {**asked, "status": status}
        if status == "SUCCESSFUL":
            shown["financialTransactionId"] = str(next(self._numbers))
        if reason is not None:
            shown["reason"] = reason
        return shown

    def _call_back(self, url: str, shown: Mapping[str, Any]) -> None:
        told = self.told_at(url, shown)
        self.sent.append(told)
        if not self.callbacks_begin_with:
            return

        def call() -> None:
            time.sleep(self.delay_seconds)
            # Whoever is not there then has missed it.
            with contextlib.suppress(httpx.TransportError):
                httpx.put(url, content=told.body, headers=dict(told.headers), trust_env=False)

        threading.Thread(target=call, daemon=True).start()

    async def _shown(self, request: Request) -> Response:
        reference = request.path_params["reference"]
        if "requesttopay" in request.url.path:
            charge = self.charge_named(reference)
            shown = None if charge is None else self.shown(charge)
        else:
            kept = self.transfers if "transfer" in request.url.path else self.refunded
            shown = kept.get(reference)
        if shown is None:
            return _error(404, "RESOURCE_NOT_FOUND", "Requested resource was not found.")
        return JSONResponse(shown)


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"message": message, "code": code}, status)


def _gateway_error(message: str) -> Response:
    return JSONResponse({"statusCode": 401, "message": message}, 401)


def _is_of_version_four(reference: str) -> bool:
    try:
        return UUID(reference).version == 4
    except ValueError:
        return False
