"""Fans: whether they pay, and what they wish for; much of it makes no sense where they stand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from ledger.accounts import GOODWILL, FanFunds, fan_funds
from ledger.events import PaymentMethod, PostAdjustment
from ledger.journal_entry import entry
from ledger.subscription import ENDED, Subscription
from tests.ledger.subscriptions.catalog import TERMS, new_id
from tests.ledger.subscriptions.changes import MICROSECOND, MINIMUM, STEP
from tests.money_builders import propose
from tests.subscription_builders import (
    by_card,
    by_phone,
    cancel_subscription,
    change_method,
    change_tier,
    confirm_phone,
    pause_subscription,
    pay_invoice,
    prepay,
    refund_credit,
    resume_subscription,
    revoke_cancellation,
    start_confirmation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from ledger.decisions import LedgerCommand
    from tests.ledger.subscriptions.catalog import Catalog

ZONES: Final = (
    "Africa/Nairobi",
    "Africa/Nairobi",
    "Africa/Cairo",
    "Europe/London",
    "America/Santiago",
    "Australia/Lord_Howe",
)
WISHES_A_STEP: Final = 0.006
SUBSCRIPTIONS_MAX: Final = 2
When = Literal["now", "period_end"]


@dataclass
class Fan:
    """Somebody with a phone. `pays` is how probably, when asked."""

    id: UUID
    phone: UUID
    zone: str
    pays: float
    subscribes_at: datetime | None = None
    subscriptions: dict[UUID, UUID] = field(default_factory=dict)


class Fans:
    """All fans, and by whose payments credit came."""

    def __init__(self, random: Random, catalog: Catalog, wanted: int) -> None:
        self._random = random
        self._catalog = catalog
        self.credited: list[UUID] = []
        self._fans = {
            fan.id: fan
            for fan in (
                Fan(
                    id=new_id(random),
                    phone=new_id(random),
                    zone=random.choice(ZONES),
                    pays=random.choice((0.98, 0.95, 0.85, 0.5)),
                )
                for _ in range(wanted)
            )
        }

    def of(self, fan: UUID) -> Fan:
        """The fan with this id."""
        return self._fans[fan]

    def hear(self, sub: Subscription) -> None:
        """A subscription has changed; who has none will want one again."""
        fan = self._fans[sub.fan_id]
        if sub.id == fan.subscriptions.get(sub.creator_id, sub.id):
            if sub.state in ENDED:
                fan.subscriptions.pop(sub.creator_id, None)
            else:
                fan.subscriptions[sub.creator_id] = sub.id

    def beginning(self) -> Iterator[LedgerCommand]:
        """Every fan confirms a phone."""
        for fan in self._fans.values():
            confirmation = new_id(self._random)
            yield start_confirmation(fan.id, fan.phone, confirmation_id=confirmation)
            yield confirm_phone(fan.id, confirmation)

    def wishes(self, now: datetime, states: Mapping[UUID, Subscription]) -> Iterator[LedgerCommand]:
        """What fans ask for now."""
        for fan in self._fans.values():
            chance = self._random.random()
            if not fan.subscriptions:
                if chance < 0.03:
                    yield self._begin(fan)
            elif chance < WISHES_A_STEP:
                subscription = self._random.choice(list(fan.subscriptions.values()))
                yield self._wish(fan, states[subscription], now)

    def _begin(self, fan: Fan) -> LedgerCommand:
        creator, tier = self._catalog.offers()
        return subscribe(
            fan.id,
            creator,
            tier,
            self._method(fan),
            subscription_id=new_id(self._random),
            interval=self._catalog.interval(),
            zone=fan.zone,
            trial=self._random.random() < 0.3,
            terms=TERMS,
        )

    def _wish(self, fan: Fan, sub: Subscription, now: datetime) -> LedgerCommand:
        wishes: list[tuple[float, Callable[[], LedgerCommand]]] = [
            (0.4, lambda: cancel_subscription(sub.id, self._when())),
            (1.5, lambda: revoke_cancellation(sub.id)),
            (1, lambda: pause_subscription(sub.id, self._when())),
            (2, lambda: resume_subscription(sub.id, terms=TERMS)),
            (2, lambda: self._change(sub, now)),
            (1, lambda: self._prepay(sub)),
            (1.5, lambda: self._pay(sub)),
            (0.5, lambda: change_method(sub.id, self._method(fan))),
            (0.7, self._refund),
            (0.4, lambda: self._goodwill(fan)),
            (0.4, lambda: self._begin(fan)),
        ]
        [(_, wish)] = self._random.choices(wishes, [weight for weight, _ in wishes])
        return wish()

    def _when(self) -> When:
        return "period_end" if self._random.random() < 0.7 else "now"

    def _method(self, fan: Fan) -> PaymentMethod:
        return by_phone(fan.phone) if self._random.random() < 0.7 else by_card(new_id(self._random))

    def _prepay(self, sub: Subscription) -> LedgerCommand:
        number = self._random.randint(1, 5)
        return prepay(sub.id, number, prepayment_id=new_id(self._random), terms=TERMS)

    def _pay(self, sub: Subscription) -> LedgerCommand:
        number = sub.next_number if self._random.random() < 0.6 else None
        till = new_id(self._random) if self._random.random() < 0.3 else None
        return pay_invoice(sub.id, number, till_payment=till, terms=TERMS)

    def _refund(self) -> LedgerCommand:
        payment = self._random.choice(self.credited) if self.credited else new_id(self._random)
        return refund_credit(payment, refund_id=new_id(self._random))

    def _goodwill(self, fan: Fan) -> LedgerCommand:
        amount = self._random.randint(1, 90_000)
        given = entry("KES", (GOODWILL, amount), (fan_funds(fan.id, FanFunds.GOODWILL), -amount))
        action = PostAdjustment(
            adjustment_id=new_id(self._random), entry=given, reason="sorry for the outage"
        )
        return propose(action, proposal_id=new_id(self._random))

    def _change(self, sub: Subscription, now: datetime) -> LedgerCommand:
        tier = self._random.choice(self._catalog.tiers[sub.creator_id])
        interval = sub.price.interval if self._random.random() < 0.7 else self._catalog.interval()
        quoted_at = now - timedelta(seconds=self._random.randint(0, 900))
        _, amount = self._catalog.prices[tier, interval]
        due = self._quote(sub, amount, quoted_at) if interval == sub.price.interval else 0
        return change_tier(
            sub.id,
            tier,
            due if tier != sub.tier_id else 0,
            quoted_at,
            interval=interval,
            change_id=new_id(self._random),
            terms=TERMS,
        )

    def _quote(self, sub: Subscription, amount: int, at: datetime) -> int:
        """The difference for the time that is left, as the simulation's own arithmetic has it."""
        current = next((each for each in sub.periods if each.start <= at < each.end), None)
        more = amount - sub.price.money.amount
        if current is None or more <= 0:
            return 0
        left, whole = current.end - at, current.end - current.start
        due = more * (left // MICROSECOND) // (whole // MICROSECOND)
        due -= due % STEP
        return due if due >= MINIMUM else 0
