"""A small world: creators, fans with wishes, a provider with moods, clocks that fail.

`World.run` lets time pass in steps of hours. In each, fans ask for what they like, the clock does
what is due, the dispatcher sends what waits, and the provider answers, or does not, or twice, or a
week later. Everything random comes from one seed. States are kept by folding the outcomes' events.
"""

from __future__ import annotations

import heapq
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast
from uuid import UUID

from ledger.errors import Refused
from ledger.events import (
    CreditSpent,
    InvoicePaymentInitiated,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSucceeded,
    SubscriptionEvent,
    UnusedTimeCredited,
)
from ledger.renewals import due_at
from ledger.subscription import Subscription, evolve_subscription
from tests.builders import expire_payment
from tests.ledger.subscriptions.catalog import Catalog
from tests.ledger.subscriptions.fans import Fan, Fans
from tests.ledger.subscriptions.laws import Law, Violation
from tests.ledger.subscriptions.provider import Prompt, Provider
from tests.money_builders import release_funds
from tests.subscription_builders import advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ledger.commands import AdvanceSubscription
    from ledger.decisions import LedgerCommand
    from ledger.events import LedgerEvent
    from ledger.outcome import Outcome

BEGINNING: Final = datetime(2043, 1, 29, 5, tzinfo=UTC)
OVER: Final = frozenset(
    {
        "payment.succeeded.v2",
        "payment.received_as_credit.v1",
        "payment.receipts_allocated.v1",
        "payment.receipts_credited.v1",
        "payment.mismatched.v1",
        "payment.failed.v1",
        "payment.cancelled.v1",
        "payment.voided.v1",
        "payment.expired.v1",
    }
)
"""Topics after which a prompt waits for nothing."""


class Books(Protocol):
    """A ledger, or what does as one."""

    def execute(self, commands: Sequence[LedgerCommand]) -> list[Outcome]: ...


class Clock:
    """The world's time, which all of its ledgers share."""

    def __init__(self) -> None:
        self.now = BEGINNING

    def __call__(self) -> datetime:
        return self.now


class Sample(NamedTuple):
    """What a subscription said of access, at which version and instant."""

    subscription: UUID
    version: int
    instant: datetime
    entitled: bool


@dataclass
class Outages:
    """Until when the clock and the dispatcher are away."""

    clock: datetime = BEGINNING
    dispatcher: datetime = BEGINNING


@dataclass
class World:
    """What lives here. `rival` is a second clock's ledger, where two race."""

    seed: int
    books: Books
    clock: Clock
    fans_wanted: int
    rival: Books | None = None
    outages: Outages = field(default_factory=Outages)
    commands: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    states: dict[UUID, Subscription] = field(default_factory=dict)
    due: dict[UUID, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.catalog = Catalog(self.random)
        self.fans = Fans(self.random, self.catalog, self.fans_wanted)
        self.provider = Provider(self.random)
        self._later: list[tuple[datetime, int, LedgerCommand]] = []
        self._numbers = count()

    def run(self, days: int) -> None:
        """Let time pass."""
        self._ask(self.catalog.beginning())
        self._ask(list(self.fans.beginning()))
        end = self.clock.now + timedelta(days=days)
        with ThreadPoolExecutor(1) as pool:
            while self.clock.now < end:
                self._step(pool)

    def _step(self, pool: ThreadPoolExecutor) -> None:
        self._pass(hours=self.random.choice((1, 5, 11, 17, 26)))
        self._break_down()
        now = self.clock.now
        runs = self.outages.clock <= now
        due = [each for each, at in self.due.items() if runs and at <= now]
        advances = list(self._advances([*due, *self._twice(due)], pool)) if runs else []
        asked = [*self.fans.wishes(now, self.states), *self.catalog.news(now), *self._answers(now)]
        if runs:
            asked += [expire_payment(each.id) for each in self.provider.expired(now)]
        self._ask([*asked, *advances])
        self._progress([each.subscription_id for each in advances])
        if self.outages.dispatcher <= now:
            self._dispatch(now)
            self._pass(hours=0)
            self._ask([*self._answers(self.clock.now)])
        self._sample()

    def _pass(self, *, hours: int) -> None:
        self.clock.now += timedelta(hours=hours, seconds=self.random.randint(1, 600))

    def _break_down(self) -> None:
        now, random = self.clock.now, self.random
        if self.outages.clock <= now and random.random() < 0.002:
            self.outages.clock = now + timedelta(days=random.choice((0.5, 2, 8, 21)))
        if self.outages.dispatcher <= now and random.random() < 0.002:
            self.outages.dispatcher = now + timedelta(days=random.choice((0.5, 2, 8, 21)))

    # Who does what.

    def _twice(self, due: list[UUID]) -> list[UUID]:
        return [each for each in due if self.random.random() < 0.05]

    def _advances(self, due: list[UUID], pool: ThreadPoolExecutor) -> Iterator[AdvanceSubscription]:
        """What the clock asks for; now and then there are two clocks, which ask at once."""
        racing: dict[UUID, UUID] = {}
        if self.rival is not None and self.random.random() < 0.12:
            # Of one fan's subscriptions one: which of two takes their credit is left to chance.
            racing = {self.states[each].fan_id: each for each in due}
            self._race(self.rival, [self._advance(each) for each in racing.values()], pool)
            self._progress(racing.values())
        yield from (self._advance(each) for each in due if each not in racing.values())

    def _advance(self, subscription: UUID) -> AdvanceSubscription:
        return advance(subscription, terms=self.catalog.terms)

    def _race(
        self, rival: Books, commands: Sequence[LedgerCommand], pool: ThreadPoolExecutor
    ) -> None:
        there = pool.submit(rival.execute, commands)
        here = self.books.execute(commands)
        for mine, theirs in zip(here, there.result(), strict=True):
            self._heard([mine, theirs])

    def _progress(self, due: Iterable[UUID]) -> None:
        for each in due:
            at = self.due.get(each)
            # Nobody is reminded of a period with a creator who is closed, and it is cancelled then.
            closed = self.states[each].creator_id in self.catalog.closed
            if at is not None and at <= self.clock.now and not closed:
                how = f"{self.clock.now}: still due at {at}: {self.states[each]}"
                self.violations.append(Violation(Law.PROGRESS, str(each), how))

    def _dispatch(self, now: datetime) -> None:
        sent = list(self.provider.to_send())
        asked = [command for _, commands in sent for command in commands]
        outcomes = dict(zip(map(id, asked), self._ask(asked), strict=True))
        for prompt, commands in sent:
            if outcomes[id(commands[0])].error is None:
                for at, command in self.provider.answers(prompt, self.fans.of(prompt.fan), now):
                    self._later_on(at, command)

    def _later_on(self, at: datetime, command: LedgerCommand) -> None:
        heapq.heappush(self._later, (at, next(self._numbers), command))

    def _answers(self, now: datetime) -> Iterable[LedgerCommand]:
        while self._later and self._later[0][0] <= now:
            yield heapq.heappop(self._later)[2]

    def _sample(self) -> None:
        for each in self.random.sample(list(self.states), min(2, len(self.states))):
            sub, now = self.states[each], self.clock.now
            self.samples.append(Sample(each, sub.version, now, sub.is_entitled(now)))

    # What comes of it.

    def _ask(self, commands: Sequence[LedgerCommand]) -> list[Outcome]:
        outcomes = self.books.execute(commands) if commands else []
        self._heard(outcomes)
        return outcomes

    def _heard(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.commands += 1
            if outcome.error is not None:
                self.refusals[outcome.error.code] += 1
                assert isinstance(outcome.error, Refused), f"seed {self.seed}: {outcome.error!r}"
            for event in sorted(outcome.events, key=lambda each: each.originator_version):
                self._hear(event)

    def _hear(self, event: LedgerEvent) -> None:
        stream, topic = event.originator_id, event.TOPIC
        if topic.startswith("subscription."):
            fact = cast("SubscriptionEvent", event)
            sub = evolve_subscription(self.states.get(stream), fact)
            self.states[stream] = sub
            self.fans.hear(sub)
            due = due_at(sub)
            if due is None:
                self.due.pop(stream, None)
            else:
                self.due[stream] = due
        elif isinstance(event, InvoicePaymentInitiated):
            fan: Fan = self.fans.of(event.fan_id)
            self.provider.prompts[stream] = Prompt.of(event)
            if event.method == "till":
                for at, command in self.provider.brought(event, fan, self.clock.now):
                    self._later_on(at, command)
        elif topic in OVER:
            self.provider.prompts.pop(stream, None)
        if isinstance(event, PaymentReceivedAsCredit | UnusedTimeCredited):
            self.fans.credited.append(stream)
        elif isinstance(event, PaymentMismatched):
            self._later_on(*self.provider.put_right(event, self.clock.now))
        elif isinstance(event, PaymentSucceeded | CreditSpent) and self.random.random() < 0.12:
            self._later_on(event.releases_at, release_funds(stream))
