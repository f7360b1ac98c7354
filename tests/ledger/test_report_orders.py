"""A provider's words in any order: the same end, with the same balances, for every permutation."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest

from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, PayoutClaim, RefundClaim
from ledger.flows import DisputeState, RefundState
from ledger.payout import Payout, PayoutState
from tests.builders import (
    GROSS,
    NOON,
    initiate_payment,
    register_creator,
    report_success,
    start_submission,
)
from tests.ledger.given import History
from tests.money_builders import (
    add_destination,
    approve_payout,
    release_funds,
    report_dispute,
    report_fee,
    report_payout,
    report_refund,
    request_payout,
    request_refund,
    start_payout,
    start_refund,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CREATOR: Final = UUID(int=1)
PAYMENT: Final = UUID(int=2)
REFUND: Final = UUID(int=3)
PAYOUT: Final = UUID(int=4)
DESTINATION: Final = UUID(int=5)
LOST: Final = GROSS // 3


def at(minutes: int) -> datetime:
    """By the provider's clock."""
    return NOON - timedelta(hours=1) + timedelta(minutes=minutes)


def paid() -> History:
    return History().given(
        register_creator(CREATOR),
        initiate_payment(CREATOR, payment_id=PAYMENT),
        start_submission(PAYMENT),
        report_success(PAYMENT),
    )


def refunding() -> History:
    return paid().given(
        request_refund(PAYMENT, 30_000, refund_id=REFUND), start_refund(PAYMENT, REFUND)
    )


def paying_out() -> History:
    history = paid().at(NOON + timedelta(days=9))
    return history.given(
        release_funds(PAYMENT),
        verify_creator(CREATOR),
        add_destination(CREATOR, DESTINATION),
        verify_destination(CREATOR, DESTINATION),
        request_payout(CREATOR, DESTINATION, 10_000, payout_id=PAYOUT),
        approve_payout(PAYOUT),
        start_payout(PAYOUT, CREATOR),
    )


def totals(history: History) -> dict[tuple[str, str], int]:
    """Every balance, with what is pending and available of a creator as one.

    A fee that is charged while a dispute holds all that is pending is taken from available, and
    given back to pending: the first rule of ledger/reversals.py. A release joins the two.
    """
    found: dict[tuple[str, str], int] = {}
    for (account, currency), amount in history.balances().items():
        key = (account.replace(":pending", ":available"), currency)
        found[key] = found.get(key, 0) + amount
    return {key: amount for key, amount in found.items() if amount}


def outcome(history: History) -> object:
    """What is compared: where everything stands, and every balance."""
    payment = history.payment(PAYMENT)
    payout = history.aggregates.get(PAYOUT)
    return (
        payment.state,
        {refund.id: (refund.state, refund.legs) for refund in payment.flows.refunds.values()},
        {
            dispute.name: (dispute.state, dispute.lost, dispute.lost_legs)
            for dispute in payment.flows.disputes.values()
        },
        payout.state if isinstance(payout, Payout) else None,
        totals(history),
    )


def refund(claim: RefundClaim, minutes: int) -> LedgerCommand:
    return report_refund(
        PAYMENT, REFUND, 30_000, claim, provider_refund="RF-1", occurred_at=at(minutes)
    )


def payout(claim: PayoutClaim, minutes: int, transaction: str = "PT-1") -> LedgerCommand:
    return report_payout(PAYOUT, 10_000, claim, transaction=transaction, occurred_at=at(minutes))


def dispute(stage: str, minutes: int, lost: int | None = None) -> LedgerCommand:
    assert stage in {"warned", "opened", "closed", "reopened"}
    return report_dispute(
        PAYMENT,
        stage,  # type: ignore[arg-type]  # one of them
        GROSS,
        lost=lost,
        occurred_at=at(minutes),
    )


STORIES: Final[dict[str, tuple[Callable[[], History], Sequence[LedgerCommand]]]] = {
    "a refund that came back": (
        refunding,
        [refund(RefundClaim.SUCCEEDED, 1), refund(RefundClaim.FAILED, 2)],
    ),
    "a refund that succeeded after all": (
        refunding,
        [refund(RefundClaim.FAILED, 1), refund(RefundClaim.SUCCEEDED, 2)],
    ),
    "a refund that nobody asked for, told three times": (
        paid,
        [
            report_refund(PAYMENT, None, 5_000, provider_refund="RF-9", occurred_at=at(minutes))
            for minutes in (1, 1, 2)
        ],
    ),
    "a dispute, warned, lost in part, with a fee that came back": (
        paid,
        [
            dispute("warned", 1),
            dispute("opened", 2),
            dispute("closed", 3, LOST),
            report_fee(PAYMENT, 700, fee_reference="F-1", dispute="D-1", borne_by="creator"),
            report_fee(
                PAYMENT,
                700,
                fee_reference="F-1",
                dispute="D-1",
                borne_by="creator",
                returned=True,
            ),
        ],
    ),
    "a dispute that was won, reopened and lost": (
        paid,
        [
            dispute("opened", 1),
            dispute("closed", 2, 0),
            dispute("reopened", 3),
            dispute("closed", 4, GROSS),
        ],
    ),
    "a payout that came back": (
        paying_out,
        [payout(PayoutClaim.PAID, 1), payout(PayoutClaim.RETURNED, 2)],
    ),
    "a payout that was paid after it had failed": (
        paying_out,
        [payout(PayoutClaim.FAILED, 1), payout(PayoutClaim.PAID, 2)],
    ),
    "a payout that was pending, and paid twice": (
        paying_out,
        [
            payout(PayoutClaim.PENDING, 1),
            payout(PayoutClaim.PAID, 2),
            payout(PayoutClaim.PAID, 3, "PT-2"),
        ],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_reports_in_any_order_lead_to_the_same_end(name: str) -> None:
    begin, reports = STORIES[name]
    expected = outcome(begin().given(*reports))
    for order in permutations(reports):
        history = begin().given(*order)
        assert outcome(history) == expected, [command.key for command in order]
        for report in reports:
            # Told once more, by other callbacks: nothing moves.
            before = history.balances()
            history.when(report)
            assert history.balances() == before


def test_the_ends_are_what_the_provider_said_last() -> None:
    ends = {name: begin().given(*reports) for name, (begin, reports) in STORIES.items()}

    def state_of(name: str) -> object:
        [found] = ends[name].payment(PAYMENT).flows.refunds.values()
        return found.state

    assert state_of("a refund that came back") is RefundState.FAILED
    assert state_of("a refund that succeeded after all") is RefundState.SUCCEEDED
    lost = ends["a dispute that was won, reopened and lost"].payment(PAYMENT)
    assert lost.flows.disputes["D-1"].state is DisputeState.CLOSED
    assert lost.flows.remaining().gross == 0
    back = ends["a payout that came back"].aggregates[PAYOUT]
    assert isinstance(back, Payout)
    assert back.state is PayoutState.RETURNED


def test_an_amount_that_is_not_what_was_asked_moves_nothing_and_waits_for_a_person() -> None:
    history = refunding()
    with pytest.raises(Exception, match="disagrees"):
        history.when(report_refund(PAYMENT, REFUND, 29_999))
    assert history.when(refund(RefundClaim.PENDING, 1)).verdict is Verdict.IGNORED
