"""What the aggregates say of money must be what the accounts say: each account, to the unit."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ledger.accounts import (
    REFUNDS_IN_TRANSIT,
    CreatorFunds,
    FanFunds,
    creator_funds,
    disputed,
    fan_funds,
    suspense,
)
from ledger.creator import Creator
from ledger.events import AdjustmentPosted
from ledger.flows import GOODWILL_CREDIT, REFUND_OPEN, DisputeState, Flows, ParkedState, RefundState
from ledger.payment import Payment
from ledger.payout import SENT, UNSENT, Payout
from ledger.receipt import Receipt
from ledger.subscription import Subscription

if TYPE_CHECKING:
    from uuid import UUID

    from tests.ledger.given import History

FOLLOWING = (":pending", ":held", ":reserved", ":in_transit", ":disputed")

Balances = dict[tuple[str, str], int]


def assert_aggregates_and_balances_agree(history: History) -> None:
    """Of the accounts that nothing but payments, payouts, holds and subscriptions moves."""
    balances = {
        (account, currency): amount
        for (account, currency), amount in history.balances().items()
        if account.endswith(FOLLOWING) or account.startswith(("suspense:", "fan:"))
    }
    # What the platform gives is an adjustment, which no aggregate counts.
    for (account, currency), amount in _given(history).items():
        balances[account, currency] = balances.get((account, currency), 0) - amount
    balances = {account: amount for account, amount in balances.items() if amount}
    assert balances == _balances_by_aggregates(history)
    fans = [n for (account, _), n in history.balances().items() if account.startswith("fan:")]
    assert all(amount < 0 for amount in fans), "credit is never overdrawn"


def _given(history: History) -> Balances:
    given: Balances = defaultdict(int)
    for event in history.events:
        if isinstance(event, AdjustmentPosted):
            for posting in event.entry.postings:
                if posting.account.startswith("fan:"):
                    given[posting.account, posting.currency] += posting.amount
    return given


def _balances_by_aggregates(history: History) -> Balances:
    balances: Balances = defaultdict(int)
    for aggregate in history.aggregates.values():
        match aggregate:
            case Payment():
                _of_payment(aggregate, balances)
                _of_flows(aggregate.flows, balances)
                _of_credit(aggregate, balances)
            case Receipt():
                _of_flows(aggregate.flows, balances)
            case Subscription():
                _of_invoices(aggregate, balances)
            case Payout() if aggregate.state in UNSENT | SENT:
                account = creator_funds(aggregate.creator_id, CreatorFunds.IN_TRANSIT)
                balances[account, aggregate.gross.currency] -= aggregate.gross.amount
            case Creator():
                account = creator_funds(aggregate.id, CreatorFunds.RESERVED)
                for hold in aggregate.holds.values():
                    balances[account, hold.money.currency] -= hold.money.amount
            case _:
                pass
    return {account: amount for account, amount in balances.items() if amount}


def _of_payment(payment: Payment, balances: Balances) -> None:
    flows, currency = payment.flows, payment.money.currency
    assert flows.pending >= 0
    assert flows.pending == 0 or not flows.released
    left = flows.remaining()
    assert 0 <= left.gross <= flows.parts.gross
    balances[_account(payment.creator_id, CreatorFunds.PENDING), currency] -= flows.pending
    for dispute in flows.disputes.values():
        if dispute.state is not DisputeState.OPEN:
            continue
        balances[_account(payment.creator_id, CreatorFunds.HELD), currency] -= dispute.legs.net
        if dispute.funds_withdrawn:
            withdrawn = dispute.legs.gross + dispute.excess
            balances[disputed(payment.provider), currency] += withdrawn


def _of_flows(flows: Flows, balances: Balances) -> None:
    for refund in flows.refunds.values():
        if refund.state in REFUND_OPEN:
            balances[REFUNDS_IN_TRANSIT, refund.money.currency] -= refund.money.amount
    for parked in flows.parked.values():
        if parked.state is ParkedState.WAITING:
            balances[suspense(parked.provider), parked.money.currency] -= parked.money.amount


def _of_credit(payment: Payment, balances: Balances) -> None:
    """What a payment brought is credit; what credit paid is spent."""
    flows, currency = payment.flows, payment.money.currency
    goodwill = payment.provider == GOODWILL_CREDIT
    account = fan_funds(payment.fan_id, FanFunds.GOODWILL if goodwill else FanFunds.CREDIT)
    balances[account, currency] -= flows.to_credit - sum(flows.taken_back.values())
    if payment.method == "credit":
        balances[account, currency] += payment.money.amount
    for refund in flows.refunds.values():
        if refund.from_credit and refund.state is not RefundState.FAILED:
            balances[account, currency] += refund.money.amount - refund.excess


def _of_invoices(sub: Subscription, balances: Balances) -> None:
    account = fan_funds(sub.fan_id, FanFunds.RESERVED)
    for invoice in sub.open_invoices():
        balances[account, sub.currency] -= invoice.credit + invoice.goodwill
        # What is reserved is neither credit nor goodwill meanwhile.
        balances[fan_funds(sub.fan_id, FanFunds.CREDIT), sub.currency] += invoice.credit
        balances[fan_funds(sub.fan_id, FanFunds.GOODWILL), sub.currency] += invoice.goodwill


def _account(creator_id: UUID, funds: CreatorFunds) -> str:
    return creator_funds(creator_id, funds)
