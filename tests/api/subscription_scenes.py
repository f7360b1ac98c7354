"""A scene of the clock with fans who subscribe, are asked, and pay or do not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from ledger.commands import Claim
from tests.api.clock_scenes import GROSS, Scene
from tests.builders import (
    expire_payment,
    record_submitted,
    report_success,
    report_without_money,
    start_submission,
)
from tests.subscription_builders import (
    MONTH,
    ZONE,
    by_card,
    by_phone,
    confirm_phone,
    create_tier,
    publish_price,
    publish_tier,
    start_confirmation,
    subscribe,
)

if TYPE_CHECKING:
    from ledger.billing_periods import Interval
    from ledger.database.connections import BookLocation
    from ledger.payment import Payment
    from ledger.subscription import Subscription

LOCAL: Final = ZoneInfo(ZONE)
DUE_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Offer:
    """A tier of a creator, at GROSS for each interval."""

    creator_id: UUID
    tier_id: UUID
    interval: Interval


class Subscribers(Scene):
    """A book at noon of the first of March of next year, in Nairobi."""

    def __init__(self, book: BookLocation) -> None:
        super().__init__(book)
        self.at(datetime(self.time.now.year + 1, 3, 1, 12, tzinfo=LOCAL))

    def at(self, moment: datetime) -> None:
        super().at(moment.astimezone(UTC))

    def offer(self, interval: Interval = MONTH, *, trial_days: int = 0) -> Offer:
        """A tier that fans may subscribe to, of a new creator."""
        creator, tier = self.creator(), uuid4()
        self.do(
            create_tier(creator, tier, trial_days=trial_days),
            publish_price(creator, tier, GROSS, interval),
            publish_tier(creator, tier),
        )
        return Offer(creator, tier, interval)

    def new_phone(self, _: UUID) -> UUID:
        """The vault's entry of a fan's phone, which nobody opens here."""
        return uuid4()

    def new_card(self, _: UUID) -> UUID:
        """The vault's entry of a fan's card, which nobody opens here."""
        return uuid4()

    def begin(
        self, offer: Offer, *, trial: bool = False, card: bool = False, zone: str = ZONE
    ) -> UUID:
        """A new fan subscribes: incomplete, with a prompt under way, or trialing."""
        fan, subscription = uuid4(), uuid4()
        if card:
            method = by_card(self.new_card(fan))
        else:
            phone, confirmation = self.new_phone(fan), uuid4()
            self.do(
                start_confirmation(fan, phone, confirmation_id=confirmation),
                confirm_phone(fan, confirmation),
            )
            method = by_phone(phone)
        self.do(
            subscribe(
                fan,
                offer.creator_id,
                offer.tier_id,
                method,
                subscription_id=subscription,
                interval=offer.interval,
                trial=trial,
                zone=zone,
            )
        )
        return subscription

    def member(self, offer: Offer, *, card: bool = False, zone: str = ZONE) -> UUID:
        """A new fan who has paid the first period."""
        subscription = self.begin(offer, card=card, zone=zone)
        self.pay(subscription)
        return subscription

    def state_of(self, subscription: UUID) -> Subscription:
        found: Subscription = self.ledger.repository.get(subscription)
        return found

    def asked(self, subscription: UUID) -> Payment | None:
        """The payment that is under way for it."""
        lives = [each.live for each in self.state_of(subscription).open_invoices() if each.live]
        return self.ledger.repository.get(lives[0].payment_id) if lives else None

    def live_payment(self, subscription: UUID) -> Payment:
        payment = self.asked(subscription)
        assert payment is not None
        return payment

    def pay(self, subscription: UUID) -> None:
        """The fan pays what they are asked for."""
        payment = self.live_payment(subscription)
        self.do(report_success(payment.id, payment.money.amount))

    def decline(self, subscription: UUID) -> None:
        """The prompt reaches the phone, and its owner declines."""
        payment = self.live_payment(subscription)
        self.do(
            start_submission(payment.id),
            record_submitted(payment.id),
            report_without_money(payment.id, Claim.FAILED, reason="insufficient_funds"),
        )

    def not_pushed(self, subscription: UUID) -> None:
        """Nobody takes the prompt to the phone before it expires."""
        payment = self.live_payment(subscription)
        self.at(payment.expires_at)
        self.do(expire_payment(payment.id))

    def due_at(self, subscription: UUID) -> datetime:
        """When the clock's table has it; `DUE_NEVER` where it has not."""
        row: tuple[Any, ...] | None = self.due("subscription").get(subscription)
        return DUE_NEVER if row is None else row[3]

    def come(self, subscription: UUID) -> datetime:
        """Let it be due by the clock's table, and the clock act; when that was, in Nairobi."""
        moment = self.due_at(subscription)
        self.at(moment)
        self.tick()
        return moment.astimezone(LOCAL)

    def until(self, moment: datetime, *subscriptions: UUID) -> None:
        """Let time pass to that moment, and the clock act whenever one of these is due."""
        while (due_at := min(map(self.due_at, subscriptions))) <= moment:
            self.at(max(due_at, self.time.now))
            assert self.tick() > 0
        self.at(moment)

    def new_topics(self, subscription: UUID, before: int) -> list[str]:
        """Topics of its stream after so many, without what they have in common."""
        return [
            topic.removeprefix("subscription.").removesuffix(".v1")
            for topic in self.topics(subscription)[before:]
        ]


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def days(number: float) -> timedelta:
    return timedelta(days=number)
