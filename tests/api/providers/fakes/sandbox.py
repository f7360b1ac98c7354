"""The sandbox's operator as every other provider: what it says is signed, and can be asked for."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from standardwebhooks.webhooks import Webhook
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.providers.sandbox import Sandbox
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

API_KEY: Final = "the operator's key of the contract's tests"
SECRET: Final = f"whsec_{b64encode(b'a secret of the contract, long enough').decode()}"


class FakeSandbox(FakeProvider):
    """The server."""

    name = "sandbox"
    currency = "KES"

    def phone(self, behaviour: Behaviour) -> str:
        # Of nobody else here: a phone shows one prompt at a time, whoever asks.
        return f"+254700043{behaviour}"

    def routes(self) -> list[Route]:
        return [
            Route("/v1/prompts", self._push, methods=["POST"]),
            Route("/v1/prompts/{reference}", self._status),
        ]

    def settings(self) -> dict[str, str]:
        return {
            "SANDBOX_URL": self.url,
            "SANDBOX_API_KEY": API_KEY,
            "SANDBOX_WEBHOOK_SECRET": SECRET,
        }

    def adapter(self) -> Sandbox:
        return Sandbox(url=self.url, api_key=API_KEY, webhook_secret=SECRET, timeout_seconds=2.0)

    def callback(self, charge: Charge, state: str) -> Sent:
        body = json.dumps({"type": f"payment.{state}", "data": self._told(charge, state)})
        name, now = f"msg_{uuid4().hex}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(name, now, body),
        }
        return Sent("POST", "", headers, body.encode())

    def half(self, amount: str) -> str:
        whole, _, cents = amount.partition(".")
        return f"{int(whole) // 2}.{cents}"

    def _told(self, charge: Charge, state: str) -> dict[str, Any]:
        told = {
            "reference": charge.reference,
            "status": state,
            "amount": charge.paid or charge.amount,
            "currency": charge.currency,
        }
        if state == "succeeded":
            told["transaction"] = charge.transaction
        if state == "failed":
            told["reason"] = "declined_by_payer"
        return told

    async def _push(self, request: Request) -> Response:
        self.calls.append((request.method, request.url.path))
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _error(401, "unauthenticated")
        asked = await request.json()
        if asked["reference"] in self.charges:
            return _error(409, "duplicate_reference")
        behaviour = Behaviour(asked["phone"][-3:])
        if behaviour is Behaviour.REFUSED:
            return _error(422, "phone_refused")
        charge = Charge(
            reference=asked["reference"],
            provider_reference=f"op_{uuid4().hex}",
            behaviour=behaviour,
            amount=asked["amount"],
            currency=asked["currency"],
        )
        self.take(charge)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return JSONResponse({"operator_reference": charge.provider_reference}, 202)

    async def _status(self, request: Request) -> Response:
        self.calls.append((request.method, request.url.path))
        charge = self.charges.get(request.path_params["reference"])
        if charge is None:
            return _error(404, "unknown_reference")
        return JSONResponse(self._told(charge, charge.state))


def _error(status: int, code: str) -> Response:
    return JSONResponse({"error": {"code": code}}, status)
