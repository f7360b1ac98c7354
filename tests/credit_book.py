"""A life of a fan's credit in a book: it is given, earned back, kept, spent, refunded, taken back.

A month for 31,000 from noon on 1 March 2100, so that a day is 1,000. Ten per cent are the
platform's, and 16 per cent VAT on them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from ledger.accounts import GOODWILL, FanFunds, fan_funds
from ledger.application import Ledger
from ledger.events import PostAdjustment
from ledger.invoices import invoice_id
from ledger.journal_entry import entry
from tests.builders import register_creator, report_success
from tests.money_builders import REASON, propose, report_refund
from tests.subscription_builders import (
    advance,
    by_phone,
    cancel_subscription,
    confirm_phone,
    create_tier,
    pause_subscription,
    pay_invoice,
    publish_price,
    publish_tier,
    refund_credit,
    resume_subscription,
    start_confirmation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome

BEGINNING: Final = datetime(2100, 3, 1, 12, tzinfo=UTC)
MONTHLY: Final = 31_000
DAYS_LEFT: Final = 21_000
"""What is paid for the days that are left when it is paused, on the 11th."""

GIVEN: Final = 5_000
REFUNDED: Final = 1_000
CASH: Final = MONTHLY - GIVEN - (DAYS_LEFT - REFUNDED)
"""What is left to be paid of the next period: 6,000."""


class CreditBook:
    """One fan with one subscription; each step leaves the fan's credit as it says."""

    def __init__(self, book: BookLocation) -> None:
        self.creator = UUID(int=1)
        self.fan = UUID(int=2)
        self.subscription = UUID(int=3)
        self.refund = UUID(int=4)
        self.now = BEGINNING
        self._ledger = Ledger(book, clock=lambda: self.now)

    def close(self) -> None:
        """Nothing more happens."""
        self._ledger.close()

    def attempt(self, number: int, attempt: int = 1) -> UUID:
        """The payment of an attempt to collect a period."""
        return uuid5(invoice_id(self.subscription, number), str(attempt))

    def live(self) -> Iterator[str]:
        """All of it, to its end: what has just happened."""
        for step in (
            self.subscribes,
            self.is_given_goodwill,
            self.pauses,
            self.is_refunded,
            self.resumes,
            self.pays,
            self.pays_too_late,
            self.is_reversed,
        ):
            step()
            yield step.__name__

    def subscribes(self) -> None:
        """And pays the first month. All of it is one turn."""
        tier, confirmation, phone = UUID(int=5), UUID(int=6), UUID(int=7)
        self.do(
            register_creator(self.creator),
            create_tier(self.creator, tier),
            publish_price(self.creator, tier, MONTHLY),
            publish_tier(self.creator, tier),
            start_confirmation(self.fan, phone, confirmation_id=confirmation),
            confirm_phone(self.fan, confirmation),
            subscribe(
                self.fan, self.creator, tier, by_phone(phone), subscription_id=self.subscription
            ),
            report_success(self.attempt(1), MONTHLY),
        )

    def is_given_goodwill(self) -> None:
        """Goodwill 5,000."""
        goodwill = fan_funds(self.fan, FanFunds.GOODWILL)
        given = entry("KES", (GOODWILL, GIVEN), (goodwill, -GIVEN))
        self.do(propose(PostAdjustment(adjustment_id=UUID(int=8), entry=given, reason=REASON)))

    def pauses(self) -> None:
        """After ten days. Credit 21,000, goodwill 5,000."""
        self.now += timedelta(days=10)
        self.do(pause_subscription(self.subscription))

    def is_refunded(self) -> None:
        """A part of it. Credit 20,000, goodwill 5,000."""
        self.do(refund_credit(self.attempt(1), REFUNDED, refund_id=self.refund))
        self.do(report_refund(self.attempt(1), self.refund, REFUNDED))

    def resumes(self) -> None:
        """All that there is is kept for the second month: 25,000 reserved, 6,000 to be paid."""
        self.do(resume_subscription(self.subscription))

    def pays(self) -> None:
        """Nothing is left."""
        self.do(report_success(self.attempt(2), CASH))

    def pays_too_late(self) -> None:
        """For a third month, that was cancelled meanwhile. Credit 31,000."""
        self.now += timedelta(days=31)
        self.do(advance(self.subscription))
        self.do(pay_invoice(self.subscription, till_payment=UUID(int=9)))
        self.do(cancel_subscription(self.subscription))
        self.do(report_success(UUID(int=9), MONTHLY))

    def is_reversed(self) -> None:
        """The provider takes 30,000 of it back. Credit 1,000."""
        self.do(report_refund(UUID(int=9), None, MONTHLY - 1_000, provider_refund="R-1"))

    def do(self, *commands: LedgerCommand) -> list[Outcome]:
        """Have the ledger do all of these, in one turn."""
        outcomes = self._ledger.execute(commands)
        assert [outcome.error for outcome in outcomes] == [None] * len(commands)
        return outcomes
