"""Stripe as its documentation has it: payment intents on stored cards, refunds, disputes, payouts.

Requests are forms, answers JSON. A request with an idempotency key is answered as it was before,
other parameters under the same key are refused. What a charge does depends on the last three
characters of the card; what a refund does, on `next_refund`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse
from starlette.routing import Route

from api.providers.port import Accepted, ChargeRequest
from api.providers.stripe import Stripe, StripeConfiguration
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent
from tests.api.subscriber import PRICE, Offer, Subscriber

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from uuid import UUID

    from starlette.requests import Request
    from starlette.responses import Response

    from api.providers.port import Provider
    from ledger.money import Money
    from tests.api.deployment import Deployment, Person

SECRET_KEY: Final = "sk_test_nobodys"
WEBHOOK_SECRET: Final = "whsec_nobodys"
PLATFORM: Final = "hesabu-tests"
FEE: Final = 1_755

ERROR: Final[Mapping[str, Any]] = {
    "charge": "ch_3Nobodys",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "doc_url": "https://stripe.com/docs/error-codes/card-declined",
    "message": "Your card has insufficient funds.",
    "type": "card_error",
}
STATUS: Final = {
    "pending": "processing",
    "succeeded": "succeeded",
    "failed": "requires_payment_method",
}
EVENT: Final = {"pending": "processing", "succeeded": "succeeded", "failed": "payment_failed"}


class FakeStripe(FakeProvider):
    """The server."""

    name = "stripe"
    currency = "KES"
    pays_out = False

    def __init__(self) -> None:
        self.refunded: dict[str, dict[str, Any]] = {}
        """By Stripe's name."""
        self.fees: dict[str, dict[str, Any]] = {}
        """Balance transactions by name."""
        self.others: list[dict[str, Any]] = []
        """Payment intents of another product of the same account."""
        self.next_refund = "succeeded"
        self.page = 100
        self._answers: dict[str, tuple[object, Response]] = {}
        """What was asked and answered, by idempotency key."""
        super().__init__()

    def amount(self) -> int:
        return PRICE

    def card(self, behaviour: Behaviour) -> str:
        """A stored card that ends so."""
        return f"cus_Nobodys/pm_1Nobodys{behaviour}"

    def pay(self, doors: Deployment, fan: Person, creator: Person, behaviour: Behaviour) -> str:
        subscriber = Subscriber(doors, fan=fan, confirmed=False)
        method = {"kind": "card", "card": self.card(behaviour), "provider": self.name}
        subscription = subscriber.subscribe(Offer(doors, creator), method=method)
        [invoice] = subscriber.invoices(subscription)
        [attempt] = invoice["attempts"]
        return str(attempt["payment_id"])

    async def begin(self, adapter: Provider, payment_id: UUID, money: Money) -> str:
        answer = await adapter.charge(
            ChargeRequest(payment_id=payment_id, card=self.card(Behaviour.SILENT), money=money)
        )
        assert isinstance(answer, Accepted), answer
        return answer.provider_reference

    def routes(self) -> list[Route]:
        return [
            Route("/v1/payment_intents", self._once(self._charge), methods=["POST"]),
            Route("/v1/payment_intents", self._for_us(self._intents)),
            Route("/v1/payment_intents/{id}", self._for_us(self._intent_by_id)),
            Route("/v1/refunds", self._once(self._refund), methods=["POST"]),
            Route("/v1/refunds", self._for_us(self._refund_list)),
            Route("/v1/refunds/{id}", self._for_us(self._refund_by_id)),
            Route("/v1/balance_transactions/{id}", self._for_us(self._fee_by_id)),
        ]

    def settings(self) -> dict[str, str]:
        return {f"STRIPE_{name.upper()}": value for name, value in self.configuration().items()}

    def adapter(self) -> Stripe:
        configuration = StripeConfiguration(**self.configuration())  # type: ignore[arg-type]
        return Stripe(configuration, timeout_seconds=2.0)

    def configuration(self) -> dict[str, str]:
        """What the adapter is configured with."""
        return {
            "secret_key": SECRET_KEY,
            "webhook_secret": WEBHOOK_SECRET,
            "platform": PLATFORM,
            "url": self.url,
        }

    def callback(self, charge: Charge, state: str) -> Sent:
        told = self.intent(charge) | {
            "status": STATUS[state],
            "amount_received": charge.paid or charge.amount if state == "succeeded" else 0,
            "last_payment_error": dict(ERROR) if state == "failed" else None,
        }
        return signed_by_stripe(event(f"payment_intent.{EVENT[state]}", told))

    def intent(self, charge: Charge) -> dict[str, Any]:
        """A payment intent, as it is shown everywhere."""
        has_succeeded = charge.state == "succeeded"
        return {
            "id": charge.provider_reference,
            "object": "payment_intent",
            "amount": charge.amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": charge.paid if has_succeeded else 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": f"{charge.provider_reference}_secret_nobodys",
            "confirmation_method": "automatic",
            "created": charge.details["created"],
            "currency": charge.currency,
            "customer": charge.details["customer"],
            "description": None,
            "last_payment_error": dict(ERROR) if charge.state == "failed" else None,
            "latest_charge": charge.details["charge"],
            "livemode": False,
            "metadata": dict(charge.details["metadata"]),
            "next_action": None,
            "payment_method": charge.details["payment_method"],
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": None,
            "status": STATUS[charge.state],
        }

    def charge_object(self, charge: Charge, **changes: object) -> dict[str, Any]:
        """The charge of a payment intent, with what it cost."""
        fee = f"txn_{charge.details['charge']}"
        self.fees[fee] = {
            "id": fee,
            "object": "balance_transaction",
            "amount": charge.amount,
            "available_on": charge.details["created"] + 86_400,
            "created": charge.details["created"],
            "currency": charge.currency,
            "description": None,
            "exchange_rate": None,
            "fee": FEE,
            "fee_details": [{"amount": FEE, "currency": charge.currency, "type": "stripe_fee"}],
            "net": charge.amount - FEE,
            "reporting_category": "charge",
            "source": charge.details["charge"],
            "status": "pending",
            "type": "charge",
        }
        return {
            "id": charge.details["charge"],
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": charge.amount,
            "amount_refunded": 0,
            "balance_transaction": fee,
            "captured": True,
            "created": charge.details["created"],
            "currency": charge.currency,
            "customer": charge.details["customer"],
            "metadata": dict(charge.details["metadata"]),
            "paid": True,
            "payment_intent": charge.provider_reference,
            "refunded": False,
            "status": "succeeded",
            **changes,
        }

    def _for_us(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            self.calls.append((request.method, request.url.path))
            if request.headers.get("authorization") != f"Bearer {SECRET_KEY}":
                return refused(401, "invalid_request_error", None, "Invalid API Key provided")
            return await handle(request)

        return handler

    def _once(
        self, handle: Callable[[dict[str, str]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The same key is answered in the same way; other parameters under it are refused."""

        async def handler(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode(), strict_parsing=True))
            key = request.headers["idempotency-key"]
            if key in self._answers:
                before, answer = self._answers[key]
                if before == (request.url.path, form):
                    return answer
                return refused(400, "idempotency_error", None, "Keys for idempotent requests can")
            answer = await handle(form)
            self._answers[key] = ((request.url.path, form), answer)
            if form.get("payment_method", "").endswith(Behaviour.UNANSWERED):
                await asyncio.sleep(HANG_SECONDS)
            if self.next_refund == "unanswered" and request.url.path == "/v1/refunds":
                await asyncio.sleep(HANG_SECONDS)
            return answer

        return self._for_us(handler)

    async def _charge(self, form: dict[str, str]) -> Response:
        for name in ("amount", "currency", "customer", "payment_method"):
            if name not in form:
                return refused(400, "invalid_request_error", "parameter_missing", "Missing")
        if not form["amount"].isdecimal() or form["currency"] != form["currency"].lower():
            return refused(400, "invalid_request_error", "parameter_invalid_integer", "Invalid")
        assert form["confirm"] == form["off_session"] == "true"
        behaviour = Behaviour(form["payment_method"][-3:])
        charge = Charge(
            reference=form["metadata[payment_id]"],
            provider_reference=f"pi_3{secrets.token_hex(11)}",
            behaviour=behaviour,
            amount=int(form["amount"]),
            currency=form["currency"],
        )
        charge.details |= {
            "charge": f"ch_3{secrets.token_hex(11)}",
            "created": int(time.time()),
            "customer": form["customer"],
            "metadata": metadata_of(form),
            "payment_method": form["payment_method"],
        }
        if behaviour is Behaviour.REFUSED:
            charge.state = "failed"
            self.charges[charge.reference] = charge
            return JSONResponse({"error": {**ERROR, "payment_intent": self.intent(charge)}}, 402)
        return JSONResponse(self.intent(self.take(charge)))

    async def _intents(self, request: Request) -> Response:
        since = int(request.query_params["created[gte]"])
        listed = [self.intent(charge) for charge in self.charges.values()] + self.others
        listed = [each for each in listed if each["created"] >= since]
        listed.sort(key=lambda each: (each["created"], each["id"]), reverse=True)
        return self._page(request, listed)

    async def _intent_by_id(self, request: Request) -> Response:
        name = request.path_params["id"]
        listed = [self.intent(charge) for charge in self.charges.values()] + self.others
        return found(next((each for each in listed if each["id"] == name), None), name)

    async def _refund(self, form: dict[str, str]) -> Response:
        charge = next(
            (
                each
                for each in self.charges.values()
                if each.provider_reference == form.get("payment_intent")
                or each.details["charge"] == form.get("charge")
            ),
            None,
        )
        if charge is None:
            return refused(404, "invalid_request_error", "resource_missing", "No such charge")
        if self.next_refund == "refused":
            code = "charge_already_refunded"
            return refused(400, "invalid_request_error", code, "It has already been refunded.")
        status = "succeeded" if self.next_refund == "unanswered" else self.next_refund
        refund = refund_object(
            charge, amount=int(form["amount"]), status=status, metadata=metadata_of(form)
        )
        self.refunded[refund["id"]] = refund
        return JSONResponse(refund)

    async def _refund_list(self, request: Request) -> Response:
        query = request.query_params
        listed = [
            each
            for each in reversed(self.refunded.values())
            if query.get("payment_intent", each["payment_intent"]) == each["payment_intent"]
            and query.get("charge", each["charge"]) == each["charge"]
        ]
        return self._page(request, listed)

    async def _refund_by_id(self, request: Request) -> Response:
        name = request.path_params["id"]
        return found(self.refunded.get(name), name)

    async def _fee_by_id(self, request: Request) -> Response:
        name = request.path_params["id"]
        return found(self.fees.get(name), name)

    def _page(self, request: Request, listed: list[dict[str, Any]]) -> Response:
        names = [each["id"] for each in listed]
        after = request.query_params.get("starting_after")
        start = 0 if after is None else names.index(after) + 1
        end = start + min(int(request.query_params["limit"]), self.page)
        return JSONResponse(
            {
                "object": "list",
                "data": listed[start:end],
                "has_more": end < len(listed),
                "url": request.url.path,
            }
        )


def event(kind: str, told: dict[str, Any], **changes: object) -> dict[str, Any]:
    """An event, as an endpoint gets it."""
    return {
        "id": f"evt_3{secrets.token_hex(11)}",
        "object": "event",
        "api_version": "2024-11-20.acacia",
        "created": int(time.time()),
        "data": {"object": told},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        **changes,
    }


def refund_object(
    charge: Charge, *, amount: int, status: str, metadata: dict[str, str]
) -> dict[str, Any]:
    """A refund, as it is shown everywhere."""
    return {
        "id": f"re_3{secrets.token_hex(11)}",
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge.details["charge"],
        "created": int(time.time()),
        "currency": charge.currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": metadata,
        "payment_intent": charge.provider_reference,
        "reason": None,
        "receipt_number": None,
        "status": status,
    }


def signed_by_stripe(document: dict[str, Any] | bytes, *, at: int | None = None) -> Sent:
    """A genuine callback of this event, or of these bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document, indent=2).encode()
    seconds = int(time.time()) if at is None else at
    digest = hmac.digest(WEBHOOK_SECRET.encode(), f"{seconds}.".encode() + body, sha256).hex()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": f"t={seconds},v1={digest},v0={'0' * 64}",
    }
    return Sent("POST", "", headers, body)


def metadata_of(form: dict[str, str]) -> dict[str, str]:
    """What a form leaves with an object."""
    return {
        name.removeprefix("metadata[").removesuffix("]"): text
        for name, text in form.items()
        if name.startswith("metadata[")
    }


def found(told: dict[str, Any] | None, name: str) -> Response:
    """An object, or that there is none."""
    if told is None:
        return refused(404, "invalid_request_error", "resource_missing", f"No such object: {name}")
    return JSONResponse(told)


def refused(status: int, kind: str, code: str | None, message: str) -> Response:
    """An error, as it is documented."""
    error = {"type": kind, "message": message}
    return JSONResponse({"error": error if code is None else {**error, "code": code}}, status)
