"""What a maker of notices gets, and what it makes: see api/notifications/notices.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.notifications.port import Channel
from ledger.events import LedgerEvent

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from api.notifications.texts import Letter
    from api.one_time_codes import OneTimeCodes
    from api.pay_links import PayLinks

EMAIL_OR_SMS: Final = (Channel.EMAIL, Channel.SMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A letter to a person, by the first of `channels` at which an address is known.

    `phone` is the vault's entry that an SMS goes to. After `useful_until` it is not sent.
    """

    person_id: UUID
    letter: Letter
    channels: tuple[Channel, ...] = EMAIL_OR_SMS
    phone: UUID | None = None
    useful_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What makers need beside the events."""

    zone: ZoneInfo
    codes: OneTimeCodes
    pay_links: PayLinks


History = Sequence[LedgerEvent]
"""A stream up to the event that a notice is about, which is the last."""

Maker = Callable[[History, Sources], Notice | None]
