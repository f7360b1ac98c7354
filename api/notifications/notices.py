"""Which events are told to whom? A maker for each kind of notice, by the event it is about.

The dispatcher's follower makes a task for each kind of each such event, without reading the event.
When the task is worked on, the maker reads the stream up to the event and says who is told what;
None: nobody. To tell of another event, write its maker and enter it in `MAKERS`; those about
subscriptions are in api/notifications/subscription_notices.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast
from uuid import UUID, uuid5

from api.notifications.notice import Notice
from api.notifications.port import Channel
from api.notifications.subscription_notices import SUBSCRIPTION_MAKERS
from api.notifications.texts import CreditReceipt, PayoutSent, PhoneCode, Receipt
from ledger.application import project
from ledger.events import (
    InvoicePaymentInitiated,
    PaymentInitiated,
    PaymentReceivedAsCredit,
    PaymentSucceeded,
    PayoutPaid,
    PhoneConfirmationStarted,
)
from ledger.money import Money
from ledger.payout import Payout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.notifications.notice import History, Maker, Sources
    from api.notifications.texts import Letter
    from ledger.events import Event

NAMESPACE: Final = UUID("5b1d3d0e-6d55-4c3c-9a52-2f7a9f1d8c11")


def _receipt(history: History, sources: Sources) -> Notice | None:
    succeeded = history[-1]
    assert isinstance(succeeded, PaymentSucceeded)  # noqa: S101 - it is entered for that
    letter = Receipt(
        money=succeeded.money,
        payment_id=succeeded.originator_id,
        paid_on=succeeded.effective_at.astimezone(sources.zone).date(),
    )
    return _to_the_payer(history, letter)


def _credit_receipt(history: History, sources: Sources) -> Notice | None:
    received = history[-1]
    assert isinstance(received, PaymentReceivedAsCredit)  # noqa: S101 - it is entered for that
    letter = CreditReceipt(
        money=received.money,
        payment_id=received.originator_id,
        paid_on=received.effective_at.astimezone(sources.zone).date(),
    )
    return _to_the_payer(history, letter)


def _to_the_payer(history: History, letter: Letter) -> Notice | None:
    match history[0]:
        case PaymentInitiated() as initiated:
            return Notice(person_id=initiated.fan_id, phone=initiated.phone, letter=letter)
        case InvoicePaymentInitiated() as initiated:
            phone = initiated.instrument if initiated.method == "phone" else None
            return Notice(person_id=initiated.fan_id, phone=phone, letter=letter)
        case _:
            return None


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


def _phone_code(history: History, sources: Sources) -> Notice:
    # By SMS alone, and to no other phone: that it arrives there is what is to be shown.
    started = cast("PhoneConfirmationStarted", history[-1])
    valid_for = started.expires_at - started.recorded_at
    return Notice(
        person_id=started.fan_id,
        channels=(Channel.SMS,),
        phone=started.phone,
        letter=PhoneCode(
            code=sources.codes.code(started.confirmation_id),
            minutes=int(valid_for.total_seconds()) // 60,
        ),
        useful_until=started.expires_at,
    )


MAKERS: Final[Mapping[type[Event], Mapping[str, Maker]]] = {
    PaymentSucceeded: {Receipt.KIND: _receipt},
    PaymentReceivedAsCredit: {CreditReceipt.KIND: _credit_receipt},
    PayoutPaid: {PayoutSent.KIND: _payout_sent},
    PhoneConfirmationStarted: {PhoneCode.KIND: _phone_code},
    **SUBSCRIPTION_MAKERS,
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
