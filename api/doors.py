"""What the routes share: made once by api/app.py, closed with it."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

import phonenumbers

from api.errors import invalid
from ledger.commands import IdempotencyKey
from ledger.recorder import READ_HEAD, Head
from ledger.vault import PersonalData, VaultEntry, refuse_the_erased, seal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request

    from api.access_records import AccessRecords
    from api.auth import Authenticator, Caller
    from api.event_streams import EventStreams
    from api.metrics import Metrics
    from api.one_time_codes import OneTimeCodes
    from api.pay_links import PayLinks
    from api.providers.port import Provider
    from api.rate_limits import RateLimits
    from api.receipts import Receipts
    from api.settings import Settings
    from api.token_revocations import TokenRevocations
    from api.webhooks_out.deliveries import WebhookDeliveries
    from api.webhooks_out.endpoints import WebhookEndpoints
    from api.webhooks_out.guard import Guard
    from ledger.application import Ledger
    from ledger.erasures import Erasures
    from ledger.key_store import KeyStore
    from projections.aggregates import Aggregates
    from projections.balances import Balances
    from projections.entitlements import Entitlements
    from projections.live import LiveModel
    from projections.payer_keys import PayerKeys
    from projections.payments import Payments
    from projections.read_model import ReadModel
    from projections.reader import Reader
    from projections.subscriptions import Subscriptions

PHONES_REMEMBERED_MAX: Final = 50_000


RememberedPhones = OrderedDict[tuple[UUID, str], UUID]
"""Entries of the vault by whose number it is."""


@dataclass(slots=True)
class Doors:
    """The ledger, the read side, and what is needed to answer a request."""

    settings: Settings
    metrics: Metrics
    ledger: Ledger
    reader: Reader
    balances: Balances
    payments: Payments
    payer_keys: PayerKeys
    aggregates: Aggregates
    entitlements: Entitlements
    subscriptions: Subscriptions
    models: Mapping[type[ReadModel], LiveModel]
    """Those that a projector feeds, as this process asks them."""
    event_streams: EventStreams
    codes: OneTimeCodes
    pay_links: PayLinks
    receipts: Receipts
    key_store: KeyStore
    erasures: Erasures
    authenticator: Authenticator
    revocations: TokenRevocations
    rate_limits: RateLimits
    access_records: AccessRecords
    door_tables: Reader
    """Connections of their own for what the doors keep: these three, and lists of it."""
    webhook_guard: Guard
    webhook_endpoints: WebhookEndpoints
    webhook_deliveries: WebhookDeliveries
    providers: Mapping[str, Provider]
    fingerprint_secret: bytes = field(repr=False)
    reference_secret: bytes = field(repr=False)
    _phones: RememberedPhones = field(default_factory=OrderedDict, repr=False)
    _confirmed_phones: RememberedPhones = field(default_factory=OrderedDict, repr=False)

    def idempotency_key(
        self, caller: Caller, key: str, request: Request, body: bytes
    ) -> IdempotencyKey:
        """The caller's key, scoped to them, with an HMAC of what they ask."""
        message = b"%s %s\n%s" % (
            request.method.encode(),
            request.scope["path"].encode(),
            body,
        )
        digest = hmac.digest(self.fingerprint_secret, message, hashlib.sha256)
        return IdempotencyKey(caller.name, key, digest)

    async def now(self) -> datetime:
        """The book's time. Raises `ReadUnavailable`."""
        [row] = await self.reader.fetch(READ_HEAD)
        head = Head(*row)
        return max(self.ledger.book_time.now(head), head.recorded_at)

    def phone_entry(self, person_id: UUID, phone: str) -> tuple[UUID, tuple[VaultEntry, ...]]:
        """The vault entry of a person's phone number: a known one, or a new one to be written.

        Raises `PersonErased`.
        """
        refuse_the_erased(self.key_store, person_id)
        known = self._phones.get((person_id, phone))
        if known is not None:
            return known, ()
        entry = seal(self.key_store, person_id=person_id, kind=PersonalData.PHONE, text=phone)
        return entry.entry_id, (entry,)

    def remember_phone(self, person_id: UUID, phone: str, entry_id: UUID) -> None:
        """Use this entry again: it has been committed."""
        _remember(self._phones, person_id, phone, entry_id)

    def confirmed_phone(self, fan_id: UUID, phone: str) -> UUID | None:
        """The entry of a number that this fan has confirmed, if it is remembered."""
        return self._confirmed_phones.get((fan_id, phone))

    def forget(self, person_id: UUID) -> None:
        """Remember no number of this person any more."""
        for phones in (self._phones, self._confirmed_phones):
            for key in [key for key in phones if key[0] == person_id]:
                del phones[key]

    def remember_confirmed_phone(self, fan_id: UUID, phone: str, entry_id: UUID) -> None:
        """Use this entry again: what is confirmed stays so."""
        _remember(self._confirmed_phones, fan_id, phone, entry_id)


def _remember(phones: RememberedPhones, person_id: UUID, phone: str, entry_id: UUID) -> None:
    phones[person_id, phone] = entry_id
    if len(phones) > PHONES_REMEMBERED_MAX:
        phones.popitem(last=False)


def doors_of(request: Request) -> Doors:
    """The doors of the application that serves this request."""
    doors: Doors = request.app.state.doors
    return doors


def e164(phone: str, field_name: str) -> str:
    """A phone number in E.164. Raises 400 for one that cannot exist."""
    if not _possible(phone):
        raise invalid(field_name, "must be a phone number in E.164, such as +254700000000")
    return phone


@lru_cache(maxsize=50_000)
def _possible(phone: str) -> bool:
    if not phone.startswith("+") or not phone[1:].isdecimal() or not phone.isascii():
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return False
