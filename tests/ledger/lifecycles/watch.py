"""Watching one story: every event is posted and weighed against the laws.

Nothing of the ledger is used: only topics, streams, stored JSON, and arithmetic on plain
dictionaries (tests/ledger/lifecycles/laws.py).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from tests.ledger.lifecycles.laws import (
    ARRIVALS,
    CHARGED,
    EARNED,
    MAY_OVERDRAW,
    ONCE,
    PARTS,
    RECEIVED,
    REFUND_ASKED,
    REFUND_PAID,
    RELEASED,
    Fields,
    Law,
    Paid,
    Parts,
    Taken,
    Violation,
    ends_at_zero,
    name_of,
    nothing,
    plus,
    right_side,
    shares,
)
from tests.ledger.lifecycles.parked import ParkedMoney

Moved = dict[str, int]
"""What an event's entry moves by account, debit positive; the creator's by their last name."""

HELD_FOR_US: Final = ("provider:", "bank:")

COMMANDED: Final = frozenset({"admin", "creator"})
"""Origins of refunds that a command asked for."""


class Watch:
    """The story's balances and payments as its events tell them, and the laws they broke."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.balances: dict[tuple[str, str], int] = defaultdict(int)
        self.payments: dict[str, Paid] = {}
        self.payouts: dict[str, int] = defaultdict(int)
        self.promised: dict[tuple[str, object], int] = {}
        self.parked = ParkedMoney()
        self.reversed_to_the_end = 0
        self._happened: set[tuple[str, ...]] = set()
        self._place = ""

    def require(self, law: Law, met: object, how: str = "") -> None:
        if not met:
            self.violations.append(Violation(law, self._place, how))

    def hear(self, topic: str, stream: str, fields: Fields) -> None:
        """The next event of the story, in the order of the log."""
        self._place = f"{topic} of {stream}"
        if topic == "payment.initiated.v1":
            self._initiated(stream, fields)
        moved = self._post(fields)
        self._available(topic, fields, moved)
        if not topic.startswith("books."):
            cash = sum(amount for name, amount in moved.items() if name.startswith(HELD_FOR_US))
            came = self._came(topic, stream, fields)
            self.require(Law.CASH, cash == came, f"{cash}, not {came}")
        if topic in ONCE:
            self._once(topic, stream, fields)
        debited = sum(amount for name, amount in moved.items() if name.startswith("suspense:"))
        wrong = self.parked.hear(topic, stream, fields, debited=debited)
        self.require(Law.PARKED, not wrong, wrong)
        if stream in self.payments:
            self._payment(self.payments[stream], topic, fields, moved)
        elif topic.startswith("payout."):
            self._payout(stream, topic, fields, moved)

    def end(self) -> None:
        """The story is over."""
        self._place = "the end"
        for (name, currency), balance in self.balances.items():
            if ends_at_zero(name):
                self.require(Law.END, balance == 0, f"{name} has {balance} {currency}")
            elif name == "available":
                self.require(Law.END, balance <= 0, f"{name} owes {balance} {currency}")
        for stream, payment in self.payments.items():
            self.require(Law.END, payment.pending == 0, f"pending of {stream}")
            self.require(Law.END, payment.held == 0, f"held of {stream}")
            taken = payment.taken()
            if payment.gross and sum(taken.values()) == sum(payment.parts.values()):
                self.require(Law.NO_PART_TWICE, taken == payment.parts, f"{taken}")
                self.reversed_to_the_end += 1
        for stream, in_transit in self.payouts.items():
            self.require(Law.END, in_transit == 0, f"in transit of {stream}")

    # Every event.

    def _post(self, fields: Fields) -> Moved:
        sums: dict[str, int] = defaultdict(int)
        moved: Moved = defaultdict(int)
        for posting in (fields.get("entry") or {"postings": ()})["postings"]:
            name = name_of(posting["account"])
            sums[posting["currency"]] += posting["amount"]
            moved[name] += posting["amount"]
            self.balances[name, posting["currency"]] += posting["amount"]
        self.require(Law.BALANCED, not any(sums.values()), f"{dict(sums)}")
        for name in moved:
            for currency in sums:
                balance = self.balances.get((name, currency), 0)
                self.require(Law.RIGHT_SIDE, right_side(name, balance), f"{name}: {balance}")
        return moved

    def _available(self, topic: str, fields: Fields, moved: Moved) -> None:
        debited = moved.get("available", 0)
        owed = max(
            (balance for (name, _), balance in self.balances.items() if name == "available"),
            default=0,
        )
        if topic == "creator.debt_written_off.v1":
            self.require(Law.OVERDRAWN, owed >= 0, f"more than the debt was given up: {owed}")
        elif debited > 0 and owed > 0:
            allowed = topic in MAY_OVERDRAW and fields.get("given_up", True)
            self.require(Law.OVERDRAWN, allowed, f"{owed}")

    def _once(self, topic: str, stream: str, fields: Fields) -> None:
        """A transaction brings money once, for whatever; the rest happens once on its stream."""
        place = ("arrived", "") if topic in ARRIVALS else (topic, stream)
        happened = (*place, *(fields[name] for name in ONCE[topic]))
        self.require(Law.ONCE, happened not in self._happened, f"{happened}")
        self._happened.add(happened)

    def _came(self, topic: str, stream: str, fields: Fields) -> int:
        """What came in by this event, less what went out, as the outside sees it."""
        promise = (stream, fields.get("refund_id"))
        if topic in REFUND_ASKED:
            self.promised[promise] = fields[REFUND_ASKED[topic]]["amount"]
        elif topic == "payout.requested.v1":
            self.promised[promise] = fields["legs"]["net"]
        elif topic in RECEIVED:
            return int(fields[RECEIVED[topic]]["amount"])
        elif topic in CHARGED:
            return -int(fields["fee"]["amount"])
        match topic:
            case "payment.succeeded.v2":
                return int(fields["money"]["amount"])
            case "dispute.closed.v1":
                return -int(fields["lost_amount"])
            case "payout.paid.v1":
                return -self.promised[promise]
            case "payout.returned.v1":
                return self.promised[promise]
            case "refund.reopened_as_failed.v1":
                return self.promised[promise]
            case _:
                return -self.promised[promise] if topic in REFUND_PAID else 0

    # Payments.

    def _initiated(self, stream: str, fields: Fields) -> None:
        split = {part: fields["split"][part] for part in PARTS}
        self.payments[stream] = Paid(plan=fields["plan"], split=split)
        self._split_by_plan(fields["money"]["amount"], fields["plan"], split)

    def _split_by_plan(self, gross: int, plan: Fields, split: Parts) -> None:
        fee = (gross * plan["fee_basis_points"] + 9_999) // 10_000
        vat = (fee * plan["vat_basis_points"] + 5_000) // 10_000
        self.require(Law.SPLIT, split == {"fee": fee, "vat": vat, "net": gross - fee - vat})

    def _payment(self, payment: Paid, topic: str, fields: Fields, moved: Moved) -> None:
        payment.pending -= moved.get("pending", 0)
        payment.held -= moved.get("held", 0)
        self.require(Law.OWN_PENDING, payment.pending >= 0, f"{payment.pending}")
        if topic in EARNED:
            self._earned(payment, topic, fields, moved)
        elif topic == RELEASED:
            payment.released = True
            self.require(Law.OWN_PENDING, payment.pending == 0, f"{payment.pending} is left")
        else:
            self._creator_leg(payment, moved)
        kind, _, what = topic.partition(".")
        if kind == "refund" and (what == "requested.v1" or fields["refund_id"] in payment.refunds):
            self._refund(payment, what, fields, moved)
        elif kind == "dispute":
            self._dispute(payment, what, fields, moved)
        taken = payment.taken()
        self.require(
            Law.NO_PART_TWICE,
            all(0 <= taken[part] <= payment.parts[part] for part in PARTS),
            f"{taken} of {payment.parts}",
        )
        held = sum(each.open_legs["net"] for each in payment.disputes.values())
        self.require(Law.HELD, payment.held == held, f"{payment.held}, not {held}")

    def _earned(self, payment: Paid, topic: str, fields: Fields, moved: Moved) -> None:
        if topic != "payment.succeeded.v2":
            payment.split = {part: fields["split"][part] for part in PARTS}
            self._split_by_plan(fields["money"]["amount"], payment.plan, payment.split)
        self.require(Law.SPLIT, payment.gross == 0, "paid twice")
        payment.gross = sum(payment.split.values())
        payment.parts = dict(payment.split)
        # What leaves its creator nothing has nothing to wait for.
        payment.released = payment.split["net"] == 0
        if payment.plan["keep_fee"]:
            payment.parts = {**nothing(), "net": payment.split["net"]}
        self.require(Law.SPLIT, borne(moved) == plus(nothing(), payment.split, -1), f"{moved}")

    def _creator_leg(self, payment: Paid, moved: Moved) -> None:
        pending, available = moved.get("pending", 0), moved.get("available", 0)
        if available > 0:
            self.require(Law.PENDING_FIRST, payment.pending == 0, f"{payment.pending} pending")
        self.require(Law.WAY_HOME, pending >= 0 or not payment.released, "to pending")
        self.require(Law.WAY_HOME, available >= 0 or payment.released, "to available")

    # Refunds.

    def _refund(self, payment: Paid, what: str, fields: Fields, moved: Moved) -> None:
        refund_id = fields["refund_id"]
        match what:
            case "requested.v1":
                self.require(Law.STATED, refund_id not in payment.refunds, "asked for twice")
                amount = fields["refunded"]["amount"]
                if fields["origin"] in COMMANDED:
                    self.require(Law.CAP, amount <= payment.not_taken(), f"{amount}")
                self._takes(payment, amount, fields, moved)
            case "reopened_as_succeeded.v1":
                self.require(Law.STATED, not payment.refunds[refund_id].live, "live already")
                self._takes(payment, payment.refunds[refund_id].amount, fields, moved)
            case "failed.v1" | "reopened_as_failed.v1":
                refund = payment.refunds[refund_id]
                self.require(Law.STATED, refund.live, "had failed already")
                self.require(Law.STATED, borne(moved) == plus(nothing(), refund.legs, -1))
                refund.live = False
            case _:
                self.require(Law.STATED, borne(moved) == nothing(), f"{what} takes again")

    def _takes(self, payment: Paid, amount: int, fields: Fields, moved: Moved) -> None:
        legs = {part: fields["legs"][part] for part in PARTS}
        fair = shares(amount, payment.remaining())
        self.require(Law.SHARED, legs == fair, f"{legs}, not {fair}")
        self.require(Law.STATED, borne(moved) == legs, f"{legs}, but moves {moved}")
        excess = amount - sum(legs.values())
        self.require(Law.STATED, fields["excess"] == excess == moved.get("expense:disputes", 0))
        payment.refunds[fields["refund_id"]] = Taken(amount, legs)

    # Disputes.

    def _dispute(self, payment: Paid, what: str, fields: Fields, moved: Moved) -> None:
        dispute = payment.disputes[fields["dispute"]]
        match what:
            case "opened.v1":
                amount = fields["disputed"]["amount"]
                legs = {part: fields["legs"][part] for part in PARTS}
                fair = shares(amount, payment.remaining())
                self.require(Law.SHARED, legs == fair, f"{legs}, not {fair}")
                self.require(Law.STATED, dispute.open_amount == 0, "open already")
                dispute.open_amount, dispute.open_legs = amount, legs
            case "closed.v1":
                lost = fields["lost_amount"]
                legs = {part: fields["legs"][part] for part in PARTS}
                fair = shares(lost, dispute.open_legs)
                self.require(Law.SHARED, legs == fair, f"{legs}, not {fair}")
                gone = {**borne(moved), "net": moved.get("held", 0) + borne(moved)["net"]}
                self.require(Law.STATED, gone == legs, f"{legs}, but moves {moved}")
                self.require(Law.STATED, lost - sum(legs.values()) == fields["excess"])
                dispute.lost_amount += lost
                dispute.lost_legs = plus(dispute.lost_legs, legs)
                dispute.open_amount, dispute.open_legs = 0, nothing()
            case _:
                pass

    # Payouts.

    def _payout(self, stream: str, topic: str, fields: Fields, moved: Moved) -> None:
        if topic == "payout.requested.v1":
            legs, gross = fields["legs"], fields["gross"]["amount"]
            self.require(Law.PAYOUT, sum(legs.values()) == gross, f"{legs} of {gross}")
            self.require(Law.PAYOUT, moved["in_transit"] == -gross, f"{moved}")
        self.payouts[stream] -= moved.get("in_transit", 0)
        self.require(Law.PAYOUT, self.payouts[stream] >= 0, f"{self.payouts[stream]}")


def borne(moved: Moved) -> Parts:
    """What an entry takes of each part: the creator's out of pending and available."""
    return {
        "fee": moved.get("platform:fees", 0),
        "vat": moved.get("tax:vat", 0),
        "net": moved.get("pending", 0) + moved.get("available", 0),
    }
