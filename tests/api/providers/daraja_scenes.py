"""What tests of Daraja share: its server, callbacks to addresses of ours, and what is confirmed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from api.providers.daraja import Daraja
from api.providers.daraja_callbacks import CallbackAddresses, Purpose, about_of
from api.providers.daraja_configuration import DarajaConfiguration
from api.providers.daraja_reports import account_reference
from ledger.money import Money
from tests.api.providers.asking import KnownThings, ask
from tests.api.providers.fake import Behaviour, Charge, Sent
from tests.api.providers.fakes.daraja import FakeDaraja

if TYPE_CHECKING:
    from api.providers.port import PaymentInquiry

NEEDED: Final = ("consumer_key", "consumer_secret", "short_code", "passkey", "callback_secret")
GOLDEN: Final = Path(__file__).parent / "golden" / "daraja"


class SilentDaraja(FakeDaraja):
    """It calls nobody back; what it would say lies in `sent`."""

    def __init__(self) -> None:
        super().__init__()
        self.quiet = True

    def forget(self) -> SilentDaraja:
        """As it was at first."""
        for each in (self.charges, self.transfers, self.requests, self.calls, self.sent):
            each.clear()
        self.next_errors = []
        return self

    def take(self, charge: Charge) -> Charge:
        self.charges[charge.reference] = charge
        return charge


def published(name: str) -> bytes:
    """A body as it is published, byte for byte."""
    return (GOLDEN / f"{name}.json").read_bytes()


def kes(shillings: int, cents: int = 0) -> Money:
    """Kenyan shillings."""
    return Money(amount=shillings * 100 + cents, currency="KES")


@dataclass
class Known(KnownThings):
    """What the ledger knows, with transactions that it has already."""

    transactions: dict[str, UUID] = field(default_factory=dict)

    async def payment_of(self, provider_transaction: str) -> UUID | None:
        return self.transactions.get(provider_transaction)


def addresses(fake: FakeDaraja) -> CallbackAddresses:
    """What makes its adapter's addresses, without one."""
    secret = fake.configured_by()["callback_secret"]
    return CallbackAddresses(secret=secret, begin_with="http://127.0.0.1:9", name=fake.name)


def adapter_of(**fields: str) -> Daraja:
    """An adapter with these settings only, and those that are needed."""
    needed = {name: value for name, value in FakeDaraja().configured_by().items() if name in NEEDED}
    configuration = DarajaConfiguration(**{**needed, **fields})  # type: ignore[arg-type] # from text
    return Daraja(configuration, callbacks_begin_with="http://127.0.0.1:9", timeout_seconds=2.0)


def sent_to(fake: FakeDaraja, purpose: Purpose, *words: str, body: bytes | dict[str, Any]) -> Sent:
    """A callback to an address that we made."""
    url = addresses(fake).address(purpose, *words)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    return Sent("POST", "/" + url.rpartition("/")[2], headers, raw)


def confirmed(fake: FakeDaraja, sent: Sent, known: KnownThings) -> tuple[Any, ...]:
    """What the adapter makes of a callback, once it has asked."""

    async def confirm(adapter: Daraja) -> tuple[Any, ...]:
        callback = adapter.verify(fake.delivery(sent))
        assert callback.to_confirm
        assert not callback.reports
        return await adapter.confirm(callback.headers, sent.body, known)

    return ask(fake, confirm)


def charge_of(
    fake: FakeDaraja,
    inquiry: PaymentInquiry,
    *,
    state: str = "succeeded",
    checkout: str | None = None,
) -> Charge:
    """A prompt that Daraja has, and how it ended."""
    sent = addresses(fake).address(Purpose.PUSHED, inquiry.payment_id.hex)
    charge = Charge(
        reference=account_reference(inquiry.payment_id),
        provider_reference=checkout or inquiry.provider_reference or f"ws_CO_{uuid4().hex}",
        behaviour=Behaviour.SILENT,
        amount=inquiry.money.amount // 100,
        currency="KES",
        callback_url=sent,
        state=state,
        details={"merchant": "29115-34620561-1", "phone": "254700000003"},
    )
    fake.charges[charge.reference] = charge
    return charge


def told(daraja: SilentDaraja) -> Sent:
    """The one thing that it would call back now."""
    [sent] = daraja.sent
    daraja.sent.clear()
    return sent


def purpose_of(sent: Sent) -> Purpose:
    """What a callback is about, by its address."""
    return about_of(sent.path.removeprefix("/").rpartition("-")[0]).purpose


def parameters(**values: object) -> dict[str, Any]:
    """A status answer, as published, with these values otherwise."""
    document: dict[str, Any] = json.loads(published("status.completed"))
    given = {
        "DebitPartyName": "600997 - Payouts",
        "Amount": 10,
        "Originator Conversation ID": None,
        **values,
    }
    listed = document["Result"]["ResultParameters"]["ResultParameter"]
    kept = [each for each in listed if each["Key"] not in given]
    kept += [{"Key": key, "Value": value} for key, value in given.items() if value is not None]
    document["Result"]["ResultParameters"]["ResultParameter"] = kept
    return document
