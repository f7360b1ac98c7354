"""The laws of money, checked on what was stored: JSON, plain dictionaries, no code of the ledger.

A `Watch` hears the events of one story in the order of the log, each as its topic, its stream and
its stored JSON, and notes every violation of a `Law`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tests.ledger.lifecycles.parked import PARKED_BY

Fields = dict[str, Any]
Parts = dict[str, int]
"""fee, vat and net, in minor units."""

PARTS: Final = ("fee", "vat", "net")
"""In the order in which equal remainders are served."""


class Law(StrEnum):
    """What must be true at every position, and what in the end."""

    BALANCED = "an entry balances in every currency"
    RIGHT_SIDE = "nothing but available is ever on its wrong side"
    OWN_PENDING = "a payment takes from pending what it has there and no more"
    PENDING_FIRST = "a payment takes from available only when it has nothing in pending"
    WAY_HOME = "what is given back goes to pending before the release, to available after it"
    OVERDRAWN = "only refunds, disputes, corrections and payouts given up overdraw available"
    CASH = "what is held for us moves by what the outside did, and by nothing else"
    ONCE = "nothing that the outside did is recorded twice"
    PARKED = "parked money is allocated or returned once, and no more of it than waits"
    SPLIT = "a payment is split by its plan, and paid as it was split"
    STATED = "an event states what its entry does"
    NO_PART_TWICE = "no part of a payment is reversed twice"
    SHARED = "a reversal is shared over what remains of each part, ties to the fee"
    CAP = "nobody asks back more than was paid and not taken yet"
    HELD = "held is what open disputes may take"
    PAYOUT = "a payout reserves its funds once and ends them once"
    END = "in the end nothing lies between accounts and nobody owes anything"


class Violation(NamedTuple):
    """A law that was broken, by which event, and how."""

    law: Law
    place: str
    how: str


MAY_OVERDRAW: Final = frozenset(
    {
        "refund.requested.v1",
        "refund.reopened_as_succeeded.v1",
        "dispute.opened.v1",
        "dispute.fee_charged.v1",
        "books.adjustment_posted.v1",
        "payout.paid.v1",
    }
)
RECEIVED: Final = {**PARKED_BY, "dispute.fee_returned.v1": "fee"}
"""Topics of money that came in, and the field that says how much."""

ONCE: Final = {
    "payment.succeeded.v2": ("provider", "provider_transaction"),
    "payment.mismatched.v1": ("provider", "provider_transaction"),
    "payment.surplus_received.v1": ("provider", "provider_transaction"),
    "receipt.unmatched_recorded.v1": ("provider", "provider_transaction"),
    "payment.overpayment_parked.v1": ("provider", "provider_transaction"),
    "payment.provider_fee_recorded.v1": ("fee_reference",),
    "dispute.fee_charged.v1": ("dispute", "fee_reference"),
    "dispute.fee_returned.v1": ("dispute", "fee_reference"),
    "payout.paid.v1": ("provider_transaction",),
    "payout.returned.v1": ("provider_transaction",),
}
"""Topics of what happens once, and the fields that name it."""

ARRIVALS: Final = frozenset(PARKED_BY) - {"payment.overpayment_parked.v1"} | {
    "payment.succeeded.v2"
}
"""Topics of money that arrives by a transaction, whichever payment it is for."""

CHARGED: Final = frozenset({"payment.provider_fee_recorded.v1", "dispute.fee_charged.v1"})
REFUND_ASKED: Final = {
    "refund.requested.v1": "refunded",
    "receipt.return_requested.v1": "returned",
}
REFUND_PAID: Final = frozenset({"refund.succeeded.v1", "refund.reopened_as_succeeded.v1"})
EARNED: Final = frozenset({"payment.succeeded.v2", "payment.receipts_allocated.v1"})
RELEASED: Final = "payment.funds_released.v1"


CREDITS: Final = frozenset({"pending", "held", "reserved", "in_transit", "refunds:in_transit"})
"""Accounts that are owed to somebody: never a debit balance; so is suspense."""


def name_of(account: str) -> str:
    """The last name of a creator's account; the whole name of any other."""
    return account.rpartition(":")[2] if account.startswith("creator:") else account


def right_side(name: str, balance: int) -> bool:
    """Whether a balance may be, at any moment."""
    if name in CREDITS or name.startswith("suspense:"):
        return balance <= 0
    return balance >= 0 or not name.endswith(":disputed")


def ends_at_zero(name: str) -> bool:
    return name in CREDITS or name.startswith("suspense:") or name.endswith(":disputed")


def nothing() -> Parts:
    return dict.fromkeys(PARTS, 0)


def plus(one: Parts, other: Parts, sign: int = 1) -> Parts:
    return {part: one[part] + sign * other[part] for part in PARTS}


def shares(amount: int, weights: Parts) -> Parts:
    """`amount` by weight, by largest remainder, ties to the fee."""
    total = sum(weights.values())
    amount = min(amount, total)
    if amount == 0:
        return nothing()
    exact = {part: divmod(amount * weights[part], total) for part in PARTS}
    found = {part: exact[part][0] for part in PARTS}
    by_remainder = sorted(PARTS, key=lambda part: -exact[part][1])
    for part in by_remainder[: amount - sum(found.values())]:
        found[part] += 1
    return found


@dataclass
class Taken:
    """What a refund or a dispute takes of a payment."""

    amount: int
    legs: Parts
    live: bool = True


@dataclass
class Disputed:
    """A dispute: what its open round may take, and what is lost for good."""

    open_amount: int = 0
    open_legs: Parts = field(default_factory=nothing)
    lost_amount: int = 0
    lost_legs: Parts = field(default_factory=nothing)


@dataclass
class Paid:
    """A payment as its events tell it; `released` at once if it leaves its creator nothing."""

    plan: Fields
    split: Parts
    pending: int = 0
    held: int = 0
    gross: int = 0
    parts: Parts = field(default_factory=nothing)
    released: bool = False
    refunds: dict[str, Taken] = field(default_factory=dict)
    disputes: dict[str, Disputed] = field(default_factory=lambda: defaultdict(Disputed))

    def taken(self) -> Parts:
        """What is reversed of each part: live refunds, open and lost disputes."""
        total = nothing()
        for refund in self.refunds.values():
            if refund.live:
                total = plus(total, refund.legs)
        for dispute in self.disputes.values():
            total = plus(plus(total, dispute.open_legs), dispute.lost_legs)
        return total

    def remaining(self) -> Parts:
        return plus(self.parts, self.taken(), -1)

    def not_taken(self) -> int:
        """The cap: what was paid, less live refunds, less open and lost disputes."""
        return (
            self.gross
            - sum(refund.amount for refund in self.refunds.values() if refund.live)
            - sum(each.open_amount + each.lost_amount for each in self.disputes.values())
        )
