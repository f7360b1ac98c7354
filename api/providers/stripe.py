"""Stripe's adapter: stored cards, charged while the fan is not there; refunds, disputes, payouts.

Sources: docs.stripe.com (webhooks and their signatures, payment intents, refunds, disputes, balance
transactions, payouts, idempotent requests, errors, currencies), and the official Python package,
whose signature code the tests are held against.

Callbacks: `Stripe-Signature: t=…,v1=…[,v1=…]` is the hex HMAC-SHA256 of `t.body` under the
endpoint's secret, at most 300 seconds old; while a secret is replaced there are two `v1`, and any
may match. All of the body is signed, so it is believed. What it lacks is asked for before it is
recorded (`to_confirm`): whose payment a dispute, or a refund made at the dashboard, is of; what a
charge or a payout has cost, which only its balance transaction says. The natural key is the
event's id; of what can happen only once it is the object's id with what happened, since Stripe may
make two events of one transition. Of all others the second one is a duplicate in the ledger, which
knows transactions, refunds, disputes and fees by their own names.

Sources conflict on `charge.dispute.funds_reinstated`: "after a dispute is closed", and "including
partially refunded payments", for which it may come while the dispute is open; the latter waits for
a person. Balance transactions come later than the success (`automatic_async`, in `charge.updated`)
or with it (`charge.succeeded`): both are read. Dispute fees are in the dispute's own balance
transactions, where they are charged at all.

Calls: `Idempotency-Key` lets a request be repeated, and be refused if it was another one. A card
that needs its owner (`authentication_required`) is declined: nobody is there to be asked. Stripe
cannot be asked by our reference: when an answer was lost, the intents since then are listed and
found by their metadata. The card in the vault is `cus_…/pm_…`.
What it says is translated in api/providers/stripe_reports.py.
"""

from __future__ import annotations

import hmac
import re
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from api.providers.amounts import UnreadableError, to_units
from api.providers.configuration import ProviderConfiguration
from api.providers.port import (
    Accepted,
    BadSignatureError,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    NothingOfOursError,
    Polling,
    VerifiedCallback,
)
from api.providers.stripe_api import StripeApi
from api.providers.stripe_currencies import stripe_exponent, terms_of
from api.providers.stripe_questions import INTENTS, REFUNDS, Questions, paid_by
from api.providers.stripe_reports import (
    NAME,
    PAYMENT_KEY,
    PLATFORM_KEY,
    REFUND_KEY,
    event_of,
    our_payment,
    reports_of,
)
from api.providers.words import hint_key, is_same, name_of, refund_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.port import (
        ChargeRequest,
        Delivery,
        Initiation,
        Known,
        PaymentInquiry,
        PayoutInquiry,
        PayoutLimits,
        PayoutOrder,
        PromptRequest,
        RefundOrder,
    )
    from api.settings import Settings
    from ledger.commands import (
        AnyReport,
        PaymentTerms,
        PayoutReport,
        ProviderReport,
        RefundReport,
    )
    from ledger.money import Money

SIGNATURE: Final = "stripe-signature"
KEPT_HEADERS: Final = (SIGNATURE, "content-type")
HEADER_LENGTH_MAX: Final = 512
TOLERANCE_SECONDS: Final = 300
SIGNED_AT: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
STORED_CARD: Final = re.compile(
    r"(cus_[A-Za-z0-9]{1,64})/((?:pm|card|src)_[A-Za-z0-9]{1,64})", re.ASCII
)
ONCE: Final = frozenset({"payment_intent.succeeded", "payment_intent.canceled", "payout.paid"})
AFTER_THREE_SECONDS: Final = Polling(first_seconds=3.0)
"""A card is charged while we wait: what was not told by then, its callback may not tell."""


class StripeConfiguration(ProviderConfiguration):
    """`webhook_secret` is the endpoint's, `whsec_…`; `secret_key` may be a restricted one.

    `platform` tells our charges from those of other products of the account.
    """

    model_config = SettingsConfigDict(env_prefix="HESABU_STRIPE_")

    secret_key: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    platform: str = "hesabu"
    url: str = "https://api.stripe.com"


def configured(settings: Settings) -> Stripe | None:
    """The adapter, if its settings are there. Raises `HalfConfiguredError`."""
    configuration = StripeConfiguration()
    if not configuration.is_complete():
        return None
    return Stripe(configuration, timeout_seconds=settings.provider_timeout_seconds)


class Stripe:
    """The adapter; `timeout_seconds` bounds each call."""

    name = NAME
    prompts_phones = False
    charges_stored_methods = True
    polling = AFTER_THREE_SECONDS
    acknowledgement: Mapping[str, object] | None = None

    def __init__(self, configuration: StripeConfiguration, *, timeout_seconds: float) -> None:
        self._platform = configuration.platform
        self._webhook_secret = configuration.webhook_secret.get_secret_value()
        self._api = StripeApi(
            url=configuration.url,
            secret_key=configuration.secret_key.get_secret_value(),
            timeout_seconds=timeout_seconds,
        )
        self._questions = Questions(self._api, self._platform)

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        return terms_of(NAME, currency, expires_after_seconds=expires_after_seconds)

    def payout_terms(self, currency: str) -> PayoutLimits | None:  # noqa: ARG002 - the port's
        return None

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        headers, body = delivery.headers, delivery.body
        if not is_signed(headers.get(SIGNATURE, ""), body, self._webhook_secret):
            raise BadSignatureError
        kept = {name: headers[name][:HEADER_LENGTH_MAX] for name in KEPT_HEADERS if name in headers}
        return self.read(kept, body, natural_key=_natural_key(body))

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        told: dict[str, Any] = {"natural_key": natural_key, "headers": headers}
        try:
            event = event_of(body)
            reports = reports_of(event, self._platform)
        except NothingOfOursError:
            return VerifiedCallback(**told, nothing_of_ours=True)
        except UnreadableError as error:
            return VerifiedCallback(**told, reason=str(error))
        if reports:
            return VerifiedCallback(**told, reports=reports)
        about = our_payment(event.object, self._platform)
        return VerifiedCallback(**told, to_confirm=True, about=about)

    async def confirm(
        self,
        headers: Mapping[str, str],  # noqa: ARG002 - the port's
        body: bytes,
        known: Known,
    ) -> tuple[AnyReport, ...]:
        return await self._questions.confirm(body, known)

    async def initiate(self, request: PromptRequest) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def charge(self, request: ChargeRequest) -> Initiation:
        card = STORED_CARD.fullmatch(request.card)
        if card is None:
            return Declined("unknown_card")
        form = self._form(request.money, {PAYMENT_KEY: str(request.payment_id)})
        if form is None:
            return Declined("amount_not_payable")
        customer, method = card.groups()
        form |= {
            "customer": customer,
            "payment_method": method,
            "payment_method_types[]": "card",
            "confirm": "true",
            "off_session": "true",
            "error_on_requires_action": "true",
            "currency": request.money.currency.lower(),
        }
        return await self._push(INTENTS, form, key=f"payment:{request.payment_id}")

    async def refund(self, order: RefundOrder) -> Initiation:
        form = self._form(order.money, {REFUND_KEY: refund_note(order)})
        if form is None:
            return Declined("amount_not_payable")
        form |= paid_by(order.provider_transaction)
        return await self._push(REFUNDS, form, key=f"refund:{order.refund_id}")

    def _form(self, money: Money, metadata: dict[str, str]) -> dict[str, str] | None:
        """What both say; None of an amount that Stripe cannot write."""
        exponent = stripe_exponent(money.currency)
        try:
            units = None if exponent is None else to_units(money, exponent=exponent)
        except UnreadableError:
            return None
        noted = {PLATFORM_KEY: self._platform, **metadata}
        left = {f"metadata[{name}]": text for name, text in noted.items()}
        return None if units is None else {"amount": str(units), **left}

    async def _push(self, path: str, form: dict[str, str], *, key: str) -> Initiation:
        said = await self._api.push(path, form, key=key)
        if isinstance(said, Declined | NoAnswer):
            return said
        try:
            return Accepted(name_of(said.get("id")))
        except UnreadableError:
            return NoAnswer("unreadable_answer")

    async def pay_out(self, order: PayoutOrder) -> Initiation:  # noqa: ARG002 - the port's
        return Declined("not_supported")

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        return await self._questions.payment(inquiry)

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        return await self._questions.refund(order)

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:  # noqa: ARG002
        raise CannotBeAskedError

    async def close(self) -> None:
        await self._api.close()


def is_signed(header: str, body: bytes, secret: str) -> bool:
    """Whether a callback is Stripe's, as it was sent, and no older than it may be."""
    fields = [tuple(each.partition("=")[::2]) for each in header.split(",")]
    times = [text for name, text in fields if name == "t"]
    if len(times) != 1 or not SIGNED_AT.fullmatch(times[0]):
        return False
    digest = hmac.digest(secret.encode(), f"{times[0]}.".encode() + body, sha256).hex()
    same = [is_same(text, digest) for name, text in fields if name == "v1"]
    return any(same) and int(times[0]) >= time.time() - TOLERANCE_SECONDS


def _natural_key(body: bytes) -> str:
    """The event's id; of what happens once only, what happened to which object."""
    try:
        event = event_of(body)
        return f"{event.type}:{name_of(event.object.get('id'))}" if event.type in ONCE else event.id
    except (UnreadableError, NothingOfOursError):
        return hint_key(body)
