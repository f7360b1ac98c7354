"""A fan: phones that they confirmed, an address for notices, and whom they subscribed to.

    a phone   (nothing) ── StartPhoneConfirmation ──▶ a code is out ── ConfirmPhone ──▶ confirmed
                                                       │  ▲ wrong: 5 tries
                                                       ▼  │
                                                    over: by time, by tries, by a newer code

Numbers and addresses are entries of the vault; codes lie nowhere. A fan has at most one live
subscription to each creator, and one trial with each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, assert_never

from ledger.commands import fan_stream
from ledger.errors import ConfirmationNotFound, ConfirmationOver, TooManyConfirmations
from ledger.events import (
    EmailSet,
    FanEvent,
    FanSubscribed,
    Occasion,
    PhoneConfirmationFailed,
    PhoneConfirmationStarted,
    PhoneConfirmed,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import ConfirmPhone, SetEmail, StartPhoneConfirmation

TRIES_MAX: Final = 5
CODES_MAX: Final = 5
CODES_WITHIN: Final = timedelta(hours=1)
"""At most so many codes in that time: each is a message to somebody who may not want it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A code that is out."""

    id: UUID
    phone: UUID
    expires_at: datetime
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan's state. `subscriptions` is the latest to each creator; `subscribed` are all."""

    id: UUID
    version: int
    fan_id: UUID
    confirmed: frozenset[UUID] = frozenset()
    confirmation: Confirmation | None = None
    codes_sent_at: tuple[datetime, ...] = ()
    email: UUID | None = None
    subscriptions: Mapping[UUID, UUID] = field(default_factory=dict)
    subscribed: tuple[UUID, ...] = ()
    trials: frozenset[UUID] = frozenset()


def evolve_fan(fan: Fan | None, event: FanEvent) -> Fan:
    """Apply a fact. Never checks: replay must always succeed."""
    if fan is None:
        fan = Fan(id=event.originator_id, version=0, fan_id=event.fan_id)
    fan = replace(fan, version=event.originator_version)
    match event:
        case PhoneConfirmationStarted():
            confirmation = Confirmation(
                id=event.confirmation_id, phone=event.phone, expires_at=event.expires_at
            )
            sent_at = (*fan.codes_sent_at, event.recorded_at)[-CODES_MAX:]
            return replace(fan, confirmation=confirmation, codes_sent_at=sent_at)
        case PhoneConfirmationFailed():
            assert fan.confirmation is not None  # noqa: S101 - one is out when a code is given
            failed = replace(fan.confirmation, failures=fan.confirmation.failures + 1)
            return replace(fan, confirmation=failed)
        case PhoneConfirmed():
            return replace(fan, confirmation=None, confirmed=fan.confirmed | {event.phone})
        case EmailSet():
            return replace(fan, email=event.email)
        case FanSubscribed():
            return replace(
                fan,
                subscriptions={**fan.subscriptions, event.creator_id: event.subscription_id},
                subscribed=(*fan.subscribed, event.subscription_id),
                trials=fan.trials | {event.creator_id} if event.trial else fan.trials,
            )
        case _:
            assert_never(event)


def start_confirmation(
    fan: Fan | None, command: StartPhoneConfirmation, at: Occasion
) -> list[FanEvent]:
    """Send a code; an older one is over. Raises `TooManyConfirmations`."""
    if fan is not None and len(fan.codes_sent_at) == CODES_MAX:
        free_at = fan.codes_sent_at[0] + CODES_WITHIN
        if at.recorded_at < free_at:
            seconds = int((free_at - at.recorded_at).total_seconds()) + 1
            raise TooManyConfirmations(seconds=seconds)
    return [
        PhoneConfirmationStarted(
            confirmation_id=command.confirmation_id,
            phone=command.phone,
            expires_at=at.recorded_at + timedelta(seconds=command.valid_seconds),
            **_place(fan, command.fan_id, at),
        )
    ]


def confirm(fan: Fan | None, command: ConfirmPhone, at: Occasion) -> list[FanEvent]:
    """A code was given; a wrong one is a fact too, since tries are counted.

    Raises `ConfirmationNotFound` or `ConfirmationOver`.
    """
    confirmation = None if fan is None else fan.confirmation
    if confirmation is None or confirmation.id != command.confirmation_id:
        raise ConfirmationNotFound
    if confirmation.failures >= TRIES_MAX or at.recorded_at >= confirmation.expires_at:
        raise ConfirmationOver
    place = _place(fan, command.fan_id, at)
    if not command.code_is_right:
        return [PhoneConfirmationFailed(confirmation_id=confirmation.id, **place)]
    return [PhoneConfirmed(confirmation_id=confirmation.id, phone=confirmation.phone, **place)]


def set_email(fan: Fan | None, command: SetEmail, at: Occasion) -> list[FanEvent]:
    """Say where notices go by e-mail, or nowhere."""
    if (None if fan is None else fan.email) == command.email:
        return []
    return [EmailSet(email=command.email, **_place(fan, command.fan_id, at))]


def _place(fan: Fan | None, fan_id: UUID, at: Occasion) -> dict[str, Any]:
    return {
        "originator_id": fan_stream(fan_id),
        "originator_version": 1 if fan is None else fan.version + 1,
        "fan_id": fan_id,
        **at.stamp(),
    }
