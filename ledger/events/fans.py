"""What is known of a fan: confirmed phones, an address, whom they subscribed to."""

from __future__ import annotations

from uuid import UUID

from pydantic import AwareDatetime

from ledger.events.base import Event


class PhoneConfirmationStarted(Event):
    """A one-time code goes to a phone. `phone` is an entry of the vault; the code lies nowhere."""

    TOPIC = "fan.phone_confirmation_started.v1"

    fan_id: UUID
    confirmation_id: UUID
    phone: UUID
    expires_at: AwareDatetime


class PhoneConfirmationFailed(Event):
    """A wrong code was given."""

    TOPIC = "fan.phone_confirmation_failed.v1"

    fan_id: UUID
    confirmation_id: UUID


class PhoneConfirmed(Event):
    """The right code was given: prompts may go to this phone."""

    TOPIC = "fan.phone_confirmed.v1"

    fan_id: UUID
    confirmation_id: UUID
    phone: UUID


class EmailSet(Event):
    """Where the fan wants their notices by e-mail; None: nowhere. An entry of the vault."""

    TOPIC = "fan.email_set.v1"

    fan_id: UUID
    email: UUID | None


class FanSubscribed(Event):
    """The fan has a new subscription to a creator. `trial`: the one trial that they may have."""

    TOPIC = "fan.subscribed.v1"

    fan_id: UUID
    creator_id: UUID
    subscription_id: UUID
    trial: bool
