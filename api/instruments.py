"""Which entry of the vault does a fan mean? By the phone, the card or the address that they name.

A number is known again by what the fan has confirmed: their confirmed entries are opened and
compared. So it is found after a restart and by every process, and nothing of it lies anywhere but
sealed: not even a fingerprint, by which an erased person could be known again. What is not found
is sealed anew, under an id of its own, and stored only if the command is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastapi.concurrency import run_in_threadpool

from ledger.commands import fan_stream
from ledger.fan import Fan
from ledger.key_store import KeyDestroyedError
from ledger.vault import PersonalData, VaultEntry, refuse_the_erased, seal, unseal
from projections.sealed import sealed_entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from api.doors import Doors
    from ledger.key_store import KeyStore


class Instrument(NamedTuple):
    """An entry's id, and the entry itself if it is to be written."""

    entry_id: UUID
    to_write: tuple[VaultEntry, ...]


async def fan_now(doors: Doors, fan_id: UUID) -> Fan | None:
    """What is known of a fan; None before they did anything. Raises `ReadUnavailable`."""
    stream = fan_stream(fan_id)
    standing = await doors.aggregates.read([stream])
    if (error := standing.unreadable.get(stream)) is not None:
        raise error
    found = standing.found.get(stream)
    return found if isinstance(found, Fan) else None


async def phone_of(doors: Doors, fan_id: UUID, phone: str) -> Instrument:
    """The entry of this number that the fan has confirmed, or a new one."""
    fan = await fan_now(doors, fan_id)
    confirmed = () if fan is None else fan.confirmed
    return await _known_or_new(doors, fan_id, confirmed, PersonalData.PHONE, phone)


async def email_of(doors: Doors, fan_id: UUID, email: str) -> Instrument:
    """The entry of this address if it is the one that is set, or a new one."""
    fan = await fan_now(doors, fan_id)
    there = [] if fan is None or fan.email is None else [fan.email]
    return await _known_or_new(doors, fan_id, there, PersonalData.EMAIL, email)


async def payer_phone(doors: Doors, fan_id: UUID, phone: str) -> Instrument:
    """The phone that is prompted for a payment: confirmed, where this deployment asks for that.

    Raises `PersonErased`.
    """
    refuse_the_erased(doors.key_store, fan_id)
    if doors.settings.phone_confirmation_required:
        known = doors.confirmed_phone(fan_id, phone)
        return await phone_of(doors, fan_id, phone) if known is None else Instrument(known, ())
    return Instrument(*doors.phone_entry(fan_id, phone))


def remember_payer_phone(doors: Doors, fan_id: UUID, phone: str, entry_id: UUID) -> None:
    """A payment from this phone was recorded: its entry is there, and confirmed if it has to be."""
    if doors.settings.phone_confirmation_required:
        doors.remember_confirmed_phone(fan_id, phone, entry_id)
    else:
        doors.remember_phone(fan_id, phone, entry_id)


def card_of(doors: Doors, fan_id: UUID, token: str) -> Instrument:
    """A new entry of a provider's token."""
    entry = seal(doors.key_store, person_id=fan_id, kind=PersonalData.CARD, text=token)
    return Instrument(entry.entry_id, (entry,))


async def _known_or_new(
    doors: Doors, fan_id: UUID, known: Collection[UUID], kind: PersonalData, text: str
) -> Instrument:
    entries = await sealed_entries(doors.reader, known)
    found = await run_in_threadpool(_find, doors.key_store, entries, text)
    if found is not None:
        return Instrument(found, ())
    entry = seal(doors.key_store, person_id=fan_id, kind=kind, text=text)
    return Instrument(entry.entry_id, (entry,))


def _find(key_store: KeyStore, entries: Iterable[VaultEntry], text: str) -> UUID | None:
    for entry in entries:
        try:
            if unseal(key_store, entry) == text:
                return entry.entry_id
        except KeyDestroyedError:
            continue
    return None
