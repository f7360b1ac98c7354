"""What the outbox needs of whoever carries a message to a person, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uuid import UUID


class Channel(StrEnum):
    """How a person is reached."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one person. An SMS has no subject; `notification_id` is the same each try."""

    notification_id: UUID
    kind: str
    channel: Channel
    address: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It was certainly not taken, and never will be. Reasons are codes: no server's own words."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """It was certainly not taken; another time it may be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether it was taken, so it is not sent again."""

    reason: str


Result = Sent | Refused | TryLater | Unknown


class Notifier(Protocol):
    """Carries messages of one channel."""

    async def send(self, message: Message) -> Result:
        """Send a message once. Never raises; may be cancelled."""

    async def close(self) -> None:
        """Close the connections."""
