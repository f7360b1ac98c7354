"""What the aggregates say of money must be what the accounts say: each account, to the unit."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from ledger.accounts import REFUNDS_IN_TRANSIT, CreatorFunds, creator_funds, disputed, suspense
from ledger.creator import Creator
from ledger.flows import REFUND_OPEN, DisputeState, Flows, ParkedState
from ledger.payment import Payment
from ledger.payout import SENT, UNSENT, Payout
from ledger.receipt import Receipt

if TYPE_CHECKING:
    from uuid import UUID

    from tests.ledger.given import History

FOLLOWING = (":pending", ":held", ":reserved", ":in_transit", ":disputed")

Balances = dict[tuple[str, str], int]


def assert_aggregates_and_balances_agree(history: History) -> None:
    """Of the accounts that nothing but payments, payouts and holds moves."""
    balances = {
        (account, currency): amount
        for (account, currency), amount in history.balances().items()
        if account.endswith(FOLLOWING) or account.startswith("suspense:")
    }
    assert balances == _balances_by_aggregates(history)


def _balances_by_aggregates(history: History) -> Balances:
    balances: Balances = defaultdict(int)
    for aggregate in history.aggregates.values():
        match aggregate:
            case Payment():
                _of_payment(aggregate, balances)
                _of_flows(aggregate.flows, balances)
            case Receipt():
                _of_flows(aggregate.flows, balances)
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


def _account(creator_id: UUID, funds: CreatorFunds) -> str:
    return creator_funds(creator_id, funds)
