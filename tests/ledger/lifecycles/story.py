"""A story: one creator's money from the first payment to a write-off, a function of its seed.

A story asks for one command at a time and hears what came of it. It begins with random moves,
sensible ones and nonsense, and then it is ended (tests/ledger/lifecycles/ending.py). What it does
depends on its seed and on the answers alone, and its time is an hour a command: so it goes the same
way on a database among a thousand others and in memory by itself.

To choose its moves it folds what it hears by the ledger's own `evolve`, as a client would read the
ledger. What must be true of it is checked elsewhere (tests/ledger/lifecycles/laws.py).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar, cast
from uuid import UUID

from ledger.accounts import CreatorFunds, creator_funds
from ledger.creator import Creator
from ledger.decisions import evolve
from ledger.money import AMOUNT_MAX, Money
from ledger.payment import Payment
from ledger.payout import Payout
from ledger.postings import FeePlan
from ledger.proposals import Proposal
from ledger.receipt import Receipt
from tests.builders import register_creator
from tests.ledger.lifecycles.disputes import DISPUTE_MOVES
from tests.ledger.lifecycles.ending import Ending
from tests.ledger.lifecycles.payments import MONEY_MOVES, PAYMENT_MOVES, fan_pays, paid
from tests.ledger.lifecycles.payouts import CREATOR_MOVES, PAYOUT_MOVES
from tests.ledger.lifecycles.platform import PLATFORM_MOVES
from tests.ledger.lifecycles.refunds import REFUND_MOVES
from tests.ledger.lifecycles.sensible import go_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.decisions import Aggregate, LedgerCommand
    from ledger.outcome import Outcome

    Move = Callable[["Story"], LedgerCommand | None]

HOUR: Final = timedelta(hours=1)

AREAS: Final[tuple[tuple[Move, ...], ...]] = (
    PAYMENT_MOVES,
    MONEY_MOVES,
    REFUND_MOVES + DISPUTE_MOVES,
    REFUND_MOVES + DISPUTE_MOVES,
    REFUND_MOVES + DISPUTE_MOVES,
    PAYOUT_MOVES,
    PAYOUT_MOVES,
    CREATOR_MOVES,
    PLATFORM_MOVES,
)

ALL_MOVES: Final = tuple(move for area in AREAS for move in area)

FEES: Final = (0, 1, 500, 500, 1_000, 1_000, 1_000, 1_500, 2_500, 3_333, 7_500)
TAXES: Final = (0, 750, 1_600, 1_600)

Item = TypeVar("Item")
Kind = TypeVar("Kind", Creator, Payment, Receipt, Payout, Proposal)


class Story:
    """What a creator, their fans, providers and admins do. `next` and `hear` take turns."""

    def __init__(self, seed: int, starts_at: datetime) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = self.starts_at = starts_at
        self.creator_id, self.fan_id = self.new_id(), self.new_id()
        self.currency, self.other_currency = self.pick([("KES", "UGX"), ("UGX", "KES")])
        self.payments_max = self.random.randint(1, 3)
        self.transactions: list[str] = []
        self.destination_id, self.series_id = self.new_id(), self.new_id()
        self.holds: list[UUID] = []
        self.aggregates: dict[UUID, Aggregate] = {}
        self._kinds: dict[type, dict[UUID, Aggregate]] = defaultdict(dict)
        self.ended = False
        self._huge = self.chance(0.03)
        self._moves_left = self.random.randint(4, 23)
        self._favourites = self.pick(AREAS) + self.pick(AREAS)
        self._ending = Ending(self)
        self._available = creator_funds(self.creator_id, CreatorFunds.AVAILABLE)
        self.available = 0

    def next(self, now: datetime) -> LedgerCommand | None:
        """The next command; None lets an hour pass."""
        self.now = now
        if not self.aggregates:
            return register_creator(self.creator_id, currency=self.currency, plan=self.plan())
        while self._moves_left > 0:
            if (command := self._move()(self)) is not None:
                self._moves_left -= 1
                return command
        command = self._ending.next()
        self.ended = self._ending.over
        return command

    def _move(self) -> Move:
        """Soon something is paid; then what is sensible, a favourite, or anything."""
        if not self._kinds[Payment] and self.chance(0.8):
            return fan_pays
        way = self.random.random()
        if way < (0.4 if paid(self) else 0.75):
            return go_on
        return self.pick(self._favourites if way < 0.9 else ALL_MOVES)

    def hear(self, outcome: Outcome) -> None:
        """What came of the last command."""
        for event in outcome.events:
            stream = event.originator_id
            found = self.aggregates[stream] = evolve(self.aggregates.get(stream), event)
            self._kinds[type(found)][stream] = found
            if (entry := event.journal_entry) is not None:
                self.available -= sum(
                    posting.amount
                    for posting in entry.postings
                    if posting.account == self._available and posting.currency == self.currency
                )

    # What there is.

    def all(self, kind: type[Kind]) -> list[Kind]:
        """All aggregates of a kind, in the order of their beginning."""
        return cast("list[Kind]", list(self._kinds[kind].values()))

    @property
    def creator(self) -> Creator:
        """The creator as they stand."""
        creator = self.aggregates[self.creator_id]
        assert isinstance(creator, Creator)
        return creator

    def owners(self) -> list[Payment | Receipt]:
        """What refunds and parked money lie on."""
        return [*self.all(Payment), *self.all(Receipt)]

    # Chance.

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def seldom(self) -> bool:
        return self.random.random() < 0.04

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.random.random() * len(items))]

    def some(self, items: Sequence[Item]) -> Item | None:
        return self.pick(items) if items else None

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def amount(self) -> int:
        """Minor units: mostly ordinary, sometimes so few that rounding shows, seldom huge."""
        if self._huge:
            return AMOUNT_MAX - self.random.randint(0, 3)
        way = self.random.random()
        if way < 0.7:
            return self.random.randint(1, 1_000_000)
        if way < 0.97:
            return self.random.randint(1, 12)
        return AMOUNT_MAX - self.random.randint(0, 3)

    def part_of(self, whole: int) -> int:
        """Minor units: all of it, a part of it, or seldom more."""
        way = self.random.random()
        if way < 0.35 or whole < 2:
            part = whole
        elif way < 0.9:
            part = self.random.randint(1, whole - 1)
        else:
            part = whole + self.random.randint(1, 2 * whole)
        return min(max(part, 1), AMOUNT_MAX)

    def money(self, amount: int) -> Money:
        return Money(amount=amount, currency=self.currency)

    def plan(self) -> FeePlan:
        """Seldom one that leaves nothing, or so much tax that payments are refused."""
        return FeePlan(
            fee_basis_points=self.pick((9_999, 10_000)) if self.seldom() else self.pick(FEES),
            vat_basis_points=self.pick(TAXES),
            keep_fee=self.chance(0.25),
        )

    def occurred_at(self) -> datetime | None:
        """What a provider says about the time: nothing, or any hour of the story."""
        if self.chance(0.5):
            return None
        return self.starts_at + self.random.randint(0, 40) * HOUR
