"""Fans who subscribe, pay or not, cancel, rest and come back; and who had access, told naively."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from ledger.application import Ledger
from ledger.commands import Claim
from ledger.errors import Refused
from ledger.events import InvoicePaymentInitiated
from tests.builders import (
    expire_payment,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.databases import rows
from tests.projections.histories import Clock
from tests.subscription_builders import (
    DAY,
    MONTH,
    WEEK,
    advance,
    by_card,
    cancel_subscription,
    create_tier,
    pause_subscription,
    pay_invoice,
    publish_price,
    publish_tier,
    resume_subscription,
    revoke_cancellation,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation
    from ledger.decisions import LedgerCommand
    from ledger.outcome import Outcome
    from ledger.subscription import Subscription

PRICE: Final = 50_000
START: Final = datetime.now(UTC).replace(microsecond=0) + timedelta(days=366)
"""After a book's turn 0, which has the real time."""

STEPS: Final = (
    timedelta(0), timedelta(0), timedelta(seconds=1), timedelta(minutes=20), timedelta(hours=5),
    timedelta(days=1), timedelta(days=3), timedelta(days=9),
)  # fmt: skip
INTERVALS: Final = (DAY, WEEK, MONTH)


class Offer(NamedTuple):
    """A tier that fans may subscribe to."""

    creator_id: UUID
    tier_id: UUID


class FansLife:
    """A book with a few creators and fans whose time is moved by hand."""

    def __init__(self, book: BookLocation, seed: int = 0) -> None:
        self.random = Random(seed)
        self.clock = Clock(START)
        self.ledger = Ledger(book, clock=self.clock)
        self.fans = [self.new_id() for _ in range(3)]
        self.subscriptions: list[UUID] = []
        self.payments: list[UUID] = []

    def close(self) -> None:
        self.ledger.close()

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    @property
    def now(self) -> datetime:
        return self.clock.now

    def pass_by(self, time: timedelta) -> None:
        """Let time pass."""
        self.clock.now += time

    def do(self, *commands: LedgerCommand) -> list[Outcome]:
        """Let these happen; a payment that begins is noted. Raises a refusal."""
        outcomes = [self.ledger.execute_one(command) for command in commands]
        for outcome in outcomes:
            for event in outcome.events:
                if isinstance(event, InvoicePaymentInitiated):
                    self.payments.append(event.originator_id)
        return outcomes

    def offer(self, creator_id: UUID | None = None, *, trial_days: int = 0) -> Offer:
        """A tier at PRICE for each of the intervals, of a new creator unless one is given."""
        tier = self.new_id()
        if creator_id is None:
            creator_id = self.new_id()
            self.do(register_creator(creator_id))
        self.do(
            create_tier(creator_id, tier, trial_days=trial_days),
            *(publish_price(creator_id, tier, PRICE, interval) for interval in INTERVALS),
            publish_tier(creator_id, tier),
        )
        return Offer(creator_id, tier)

    def subscription(self, subscription_id: UUID) -> Subscription:
        """How it stands."""
        found: Subscription = self.ledger.repository.get(subscription_id)
        return found

    def paid_until(self, subscription_id: UUID) -> datetime:
        """When the next period begins."""
        found = self.subscription(subscription_id).paid_until
        assert found is not None
        return found

    def begin(self, fan: UUID, offer: Offer, *, trial: bool = False) -> UUID:
        """Subscribe for a month at a time, by a card: incomplete, or trialing."""
        subscription = self.new_id()
        self.do(subscribe(fan, *offer, by_card(fan), subscription_id=subscription, trial=trial))
        self.subscriptions.append(subscription)
        return subscription

    def pay(self) -> None:
        """The money that was asked for last arrives."""
        self.do(report_success(self.payments[-1], PRICE))

    def decline(self) -> None:
        """The card that was to be charged last is refused."""
        payment = self.payments[-1]
        self.do(
            start_submission(payment),
            report_without_money(payment, Claim.FAILED, reason="insufficient_funds"),
        )

    def join(self, fan: UUID, offer: Offer) -> UUID:
        """Subscribe and pay the first month."""
        subscription = self.begin(fan, offer)
        self.pay()
        return subscription

    def live(self, offers: list[Offer], steps: int) -> None:
        """Let chance do: refusals are a part of it."""
        for _ in range(steps):
            self.pass_by(self.random.choice(STEPS))
            try:
                self.do(self.random.choice(self._ways(offers))())
            except Refused:
                continue

    def _ways(self, offers: list[Offer]) -> list[Callable[[], LedgerCommand]]:
        ways: list[Callable[[], LedgerCommand]] = [lambda: self._subscribe(offers)]
        if self.subscriptions:
            one = self.random.choice(self.subscriptions[-4:])
            ways += [
                *([lambda: advance(one)] * 4),
                lambda: pay_invoice(one),
                lambda: cancel_subscription(one, self.random.choice(("period_end", "now"))),
                lambda: cancel_subscription(one, "period_end"),
                lambda: revoke_cancellation(one),
                lambda: pause_subscription(one, self.random.choice(("period_end", "now"))),
                *([lambda: resume_subscription(one)] * 2),
            ]
        if self.payments:
            payment = self.random.choice([*self.payments[-3:], self.payments[-1]])
            ways += [
                *([lambda: report_success(payment, PRICE)] * 8),
                *([lambda: start_submission(payment)] * 2),
                *([lambda: report_without_money(payment, Claim.FAILED, reason="refused")] * 2),
                lambda: expire_payment(payment),
            ]
        return ways

    def _subscribe(self, offers: list[Offer]) -> LedgerCommand:
        self.subscriptions.append(self.new_id())
        fan = self.random.choice(self.fans)
        return subscribe(
            fan,
            *self.random.choice(offers),
            by_card(fan),
            subscription_id=self.subscriptions[-1],
            interval=self.random.choice(INTERVALS),
            trial=self.random.random() < 0.3,
        )


NEVER: Final = datetime.min.replace(tzinfo=UTC)
ALWAYS: Final = datetime.max.replace(tzinfo=UTC)

ENDS: Final = frozenset(
    {"subscription.cancelled.v1", "subscription.expired.v1", "subscription.paused.v1"}
)
OPENS: Final = frozenset(
    {
        "subscription.trial_converted.v1",
        "subscription.activated.v1",
        "subscription.resumed.v1",
        "subscription.recovered.v1",
    }
)


class Access(NamedTuple):
    """Access to a creator by a fan's latest subscription."""

    subscription_id: UUID
    tier_id: UUID
    entitled: bool


class NaiveAccess:
    """The log read at once; for every instant all of it is gone through up to there."""

    def __init__(self, database: DatabaseLocation) -> None:
        self._streams: dict[UUID, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for stream, topic, state in rows(
            database,
            "SELECT originator_id, topic, state FROM ledger_events "
            "WHERE topic LIKE 'subscription.%%' ORDER BY notification_id",
        ):
            self._streams[stream].append((topic, json.loads(state)))

    def instants(self) -> set[datetime]:
        """Every moment at which a fact or time alone may change access, and those beside it."""
        found = {
            datetime.fromisoformat(state[name])
            for events in self._streams.values()
            for _, state in events
            for name in ("recorded_at", "ends_at", "grace_until", "at", "end")
            if isinstance(state.get(name), str)
        }
        beside = timedelta(microseconds=1)
        return {instant + by for instant in found for by in (-beside, timedelta(0), beside)}

    def of_fan(self, fan_id: UUID, at: datetime) -> dict[UUID, Access]:
        """Access by creator at an instant, as it was known then."""
        found: dict[UUID, Access] = {}
        for stream, events in self._streams.items():
            known = [each for each in events if _recorded_at(each) <= at]
            if not known or known[0][1]["fan_id"] != str(fan_id):
                continue
            creator = UUID(known[0][1]["creator_id"])
            # Streams come in the order in which they began: the latest is left.
            found[creator] = Access(stream, _tier(known), entitled=at < min(_bounds(known)))
        return found


def _recorded_at(event: tuple[str, dict[str, Any]]) -> datetime:
    return datetime.fromisoformat(event[1]["recorded_at"])


def _tier(known: list[tuple[str, dict[str, Any]]]) -> UUID:
    tiers = [
        state["tier_id"]
        for topic, state in known
        if topic in {"subscription.started.v1", "subscription.tier_changed.v1"}
    ]
    return UUID(tiers[-1])


def _bounds(known: list[tuple[str, dict[str, Any]]]) -> Iterator[datetime]:
    """Each is a moment at which access is over."""
    until = cancel = pause = NEVER
    cancel = pause = ALWAYS
    for topic, state in known:
        match topic:
            case "subscription.trial_started.v1":
                until = datetime.fromisoformat(state["ends_at"])
            case "subscription.past_due.v1":
                grace = state["grace_until"] if state["entitled"] else None
                until = NEVER if grace is None else datetime.fromisoformat(grace)
            case "subscription.cancellation_scheduled.v1":
                cancel = datetime.fromisoformat(state["at"])
            case "subscription.pause_scheduled.v1":
                pause = datetime.fromisoformat(state["at"])
            case "subscription.cancellation_revoked.v1":
                cancel = pause = ALWAYS
            case _ if topic in ENDS:
                until, pause = NEVER, ALWAYS
            case _ if topic in OPENS:
                until = ALWAYS
            case _:
                pass
    yield from (until, cancel, pause)
