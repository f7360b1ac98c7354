"""Which events are told to whom? A maker for each kind of notice, by the event it is about.

The dispatcher's follower makes a task for each kind of each such event, without reading the event.
When the task is worked on, the maker reads the stream up to the event and says who is told what;
None: nobody. To tell of another event, write its maker here and enter it in `MAKERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from uuid import UUID, uuid5

from api.notifications.port import Channel
from api.notifications.texts import Letter, PayoutSent, Receipt
from ledger.application import project
from ledger.events import Event, LedgerEvent, PaymentInitiated, PaymentSucceeded, PayoutPaid
from ledger.money import Money
from ledger.payout import Payout

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from api.one_time_codes import OneTimeCodes
    from api.pay_links import PayLinks

NAMESPACE: Final = UUID("5b1d3d0e-6d55-4c3c-9a52-2f7a9f1d8c11")

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


def _receipt(history: History, sources: Sources) -> Notice | None:
    initiated, succeeded = history[0], history[-1]
    if not isinstance(initiated, PaymentInitiated) or not isinstance(succeeded, PaymentSucceeded):
        return None
    return Notice(
        person_id=initiated.fan_id,
        phone=initiated.phone,
        letter=Receipt(
            money=succeeded.money,
            payment_id=succeeded.originator_id,
            paid_on=succeeded.effective_at.astimezone(sources.zone).date(),
        ),
    )


def _payout_sent(history: History, _: Sources) -> Notice:
    # Not by SMS: a destination's phone may be anybody's, and its operator tells it anyway.
    payout = cast("Payout", project(None, history))
    return Notice(
        person_id=payout.creator_id,
        channels=(Channel.EMAIL,),
        letter=PayoutSent(
            money=Money(amount=payout.legs.net, currency=payout.gross.currency),
            payout_id=payout.id,
        ),
    )


MAKERS: Final[Mapping[type[Event], Mapping[str, Maker]]] = {
    PaymentSucceeded: {Receipt.KIND: _receipt},
    PayoutPaid: {PayoutSent.KIND: _payout_sent},
}

KINDS_BY_TOPIC: Final[Mapping[str, tuple[str, ...]]] = {
    event.TOPIC: tuple(makers) for event, makers in MAKERS.items()
}


def notification_id(stream_id: UUID, version: int, kind: str) -> UUID:
    """The id of a notice of this kind about this event, the same however often the log is read."""
    return uuid5(NAMESPACE, f"{stream_id}:{version}:{kind}")


def notices_of(history: History, sources: Sources) -> dict[UUID, Notice]:
    """What is told of the last event of a stream, by notification id."""
    event = history[-1]
    made = {
        notification_id(event.originator_id, event.originator_version, kind): maker(
            history, sources
        )
        for kind, maker in MAKERS.get(type(event), {}).items()
    }
    return {each: notice for each, notice in made.items() if notice is not None}
