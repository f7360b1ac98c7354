"""A decision about several streams, step by step: each step sees what those before it recorded.

Nothing outside is changed; the events are the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from ledger.events import CreditSpent, FanEvent, InvoicePaymentInitiated, SubscriptionEvent
from ledger.fan import Fan, evolve_fan
from ledger.payment import Payment, evolve_payment
from ledger.subscription import Subscription, evolve_subscription

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.creator import Creator
    from ledger.events import Event, LedgerEvent, Occasion, PaymentEvent
    from ledger.flows import Flows
    from ledger.states import States

E = TypeVar("E", bound="Event")


class Draft:
    """Events of one decision, and the state that they leave."""

    def __init__(self, states: States, at: Occasion) -> None:
        self.at = at
        self.now = at.recorded_at
        self.events: list[LedgerEvent] = []
        self._states = states
        self._changed: dict[UUID, Subscription | Payment | Fan] = {}
        self._moved: dict[tuple[str, str], int] = {}

    def record(self, cls: type[E], stream: UUID, **fields: Any) -> E:  # noqa: ANN401
        """Append an event to a stream and apply it."""
        before = self._find(stream)
        version = 1 if before is None else before.version + 1
        event = cls(
            originator_id=stream,
            originator_version=version,
            **{**self.at.stamp(), **fields},
        )
        self.take(cast("LedgerEvent", event))
        return event

    def take(self, event: LedgerEvent) -> None:
        """Append an event that another decision made, and apply it."""
        stream = event.originator_id
        before = self._find(stream)
        match event:
            case InvoicePaymentInitiated() | CreditSpent():
                self._changed[stream] = evolve_payment(None, event)
            case _ if isinstance(before, Payment):
                self._changed[stream] = evolve_payment(before, cast("PaymentEvent", event))
            case _ if isinstance(event, SubscriptionEvent):
                assert before is None or isinstance(before, Subscription)  # noqa: S101
                self._changed[stream] = evolve_subscription(before, event)
            case _ if isinstance(event, FanEvent):
                assert before is None or isinstance(before, Fan)  # noqa: S101
                self._changed[stream] = evolve_fan(before, event)
            case _:
                # What lies on other streams is not looked at again in the same decision.
                pass
        self.events.append(event)
        if (entry := event.journal_entry) is not None:
            for posting in entry.postings:
                key = (posting.account, posting.currency)
                self._moved[key] = self._moved.get(key, 0) + posting.amount

    def subscription(self, stream: UUID) -> Subscription:
        """The subscription as it stands by now."""
        found = self._find(stream)
        assert isinstance(found, Subscription)  # noqa: S101 - the caller knows it
        return found

    def payment(self, stream: UUID) -> Payment | None:
        """The payment as it stands by now."""
        found = self._find(stream)
        return found if isinstance(found, Payment) else None

    def is_taken(self, stream: UUID) -> bool:
        """Whether anything has this id by now."""
        return stream in self._changed or self._states.anything(stream) is not None

    def flows_of(self, payment: Payment) -> Flows:
        """What a payment's money has done by now."""
        now = self.payment(payment.id)
        return (payment if now is None else now).flows

    def creator(self, stream: UUID) -> Creator | None:
        """The creator."""
        return self._states.creator(stream)

    def fan(self, stream: UUID) -> Fan | None:
        """What is known of a fan by now."""
        found = self._find(stream)
        return found if isinstance(found, Fan) else None

    def balance(self, account: str, currency: str) -> int:
        """An account's balance by now, in minor units, debit positive."""
        return self._states.balance(account, currency) + self._moved.get((account, currency), 0)

    def _find(self, stream: UUID) -> Subscription | Payment | Fan | None:
        changed = self._changed.get(stream)
        if changed is not None:
            return changed
        found = self._states.anything(stream)
        return found if isinstance(found, Subscription | Payment | Fan) else None
