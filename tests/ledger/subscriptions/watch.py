"""Hears the events of a book and notes which laws of subscriptions they break."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tests.ledger.subscriptions import changes, collecting, periods, purses, records
from tests.ledger.subscriptions.laws import Fields, Law, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.subscriptions.records import Payment, Purse, Subscription

    About = Callable[["Watch", Subscription, Fields], None]
    OfPayment = Callable[["Watch", Payment, Fields], None]

OF_SUBSCRIPTION: Final[dict[str, About]] = {
    **periods.HEARD,
    **changes.HEARD,
    **collecting.HEARD,
}
OF_PAYMENT: Final[dict[str, OfPayment]] = {**collecting.HEARD_OF_PAYMENTS, **purses.HEARD}


class Watch:
    """What was heard so far, and the laws that it broke."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.payments: dict[str, Payment] = {}
        self.purses: dict[str, Purse] = defaultdict(records.Purse)
        self.balances: dict[str, int] = defaultdict(int)
        self.notes: dict[str, int] = defaultdict(int)
        self.invoiced = 0
        self.given_back = 0
        self.topics: dict[str, int] = defaultdict(int)
        self.violations: list[Violation] = []

    def broken(self, law: Law, place: str, how: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(law, place, how))

    def hold(self, law: Law, place: str, *, holds: bool, how: str) -> None:
        """Note a violation unless it holds."""
        if not holds:
            self.broken(law, place, how)

    def hear(self, topic: str, stream: str, version: int, fields: Fields) -> None:
        """Take the next event of the log."""
        self.topics[topic] += 1
        if topic == "subscription.started.v1":
            self.subscriptions[stream] = records.started(stream, fields)
        elif topic in OF_SUBSCRIPTION:
            sub = self.subscriptions[stream]
            if sub.over:
                self.broken(Law.ENDED, stream, f"{topic} after it had {sub.status}")
            OF_SUBSCRIPTION[topic](self, sub, fields)
        elif topic == "payment.invoice_initiated.v1":
            self.payments[stream] = records.paid_by(stream, fields, fields["method"])
        elif topic == "payment.credit_spent.v1":
            self.payments[stream] = records.paid_by(stream, fields, fields["source"])
            purses.credit_spent(self, self.payments[stream], fields)
        elif topic in OF_PAYMENT and stream in self.payments:
            OF_PAYMENT[topic](self, self.payments[stream], fields)
        elif topic == "books.adjustment_posted.v1":
            purses.adjusted(self, fields)
        if stream in self.subscriptions:
            self.subscriptions[stream].facts.append((version, topic, fields))
        if fields.get("entry"):
            purses.posted(self, topic, stream, fields)

    def end(self) -> None:
        """Nothing more comes: what must add up does."""
        purses.add_up(self)
