"""Requests of a fan about themself: confirmed phones, an address for notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from ledger.commands.base import Command

FANS: Final = UUID("5b1f8a52-6a0e-5d6c-8f0a-3a8b7d9c2e41")
"""The namespace of fans' streams: somebody may be a fan and a creator under one id."""


def fan_stream(fan_id: UUID) -> UUID:
    """The stream of what is known of a fan."""
    return uuid5(FANS, str(fan_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class FanCommand(Command):
    """A request of one fan."""

    fan_id: UUID

    def streams(self) -> tuple[UUID, ...]:
        """The fan's own stream."""
        return (fan_stream(self.fan_id),)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPhoneConfirmation(FanCommand):
    """Send a one-time code to a phone, an entry of the vault."""

    confirmation_id: UUID
    phone: UUID
    valid_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPhone(FanCommand):
    """A code was given for a confirmation; the door has compared it: it lies nowhere."""

    confirmation_id: UUID
    code_is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetEmail(FanCommand):
    """Where notices go by e-mail: an entry of the vault, or nowhere."""

    email: UUID | None
