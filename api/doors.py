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
from ledger.vault import PersonalData, VaultEntry, seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from api.auth import Authenticator, Caller
    from api.providers.port import Provider
    from api.settings import Settings
    from ledger.application import Ledger
    from ledger.key_store import KeyStore
    from projections.aggregates import Aggregates
    from projections.balances import Balances
    from projections.entitlements import Entitlements
    from projections.payer_keys import PayerKeys
    from projections.payments import Payments
    from projections.reader import Reader

PHONES_REMEMBERED_MAX: Final = 50_000


@dataclass(slots=True)
class Doors:
    """The ledger, the read side, and what is needed to answer a request."""

    settings: Settings
    ledger: Ledger
    reader: Reader
    balances: Balances
    payments: Payments
    payer_keys: PayerKeys
    aggregates: Aggregates
    entitlements: Entitlements
    key_store: KeyStore
    authenticator: Authenticator
    providers: Mapping[str, Provider]
    fingerprint_secret: bytes = field(repr=False)
    _phones: OrderedDict[tuple[UUID, str], UUID] = field(default_factory=OrderedDict, repr=False)

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

    def phone_entry(self, person_id: UUID, phone: str) -> tuple[UUID, tuple[VaultEntry, ...]]:
        """The vault entry of a person's phone number: a known one, or a new one to be written."""
        known = self._phones.get((person_id, phone))
        if known is not None:
            return known, ()
        entry = seal(self.key_store, person_id=person_id, kind=PersonalData.PHONE, text=phone)
        return entry.entry_id, (entry,)

    def remember_phone(self, person_id: UUID, phone: str, entry_id: UUID) -> None:
        """Use this entry again: it has been committed."""
        self._phones[person_id, phone] = entry_id
        if len(self._phones) > PHONES_REMEMBERED_MAX:
            self._phones.popitem(last=False)


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
