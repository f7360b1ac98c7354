"""Laws of what is paid out: fee, taxes and steps, to the unit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.commands import PayoutTerms
from ledger.errors import AmountNotPayable, PayoutTooSmall
from ledger.money import AMOUNT_MAX
from ledger.payout import payout_legs
from ledger.postings import PayoutLegs
from tests.money_builders import PAYOUT_TERMS

amounts = st.integers(1, AMOUNT_MAX) | st.integers(1, 20_000)
basis_points = st.integers(0, 10_000)
terms = st.builds(
    PayoutTerms,
    provider=st.just("sandbox"),
    currency=st.just("KES"),
    step=st.sampled_from([1, 5, 100, 1_000]),
    minimum=st.integers(0, 2_000),
    maximum=st.integers(2_000, AMOUNT_MAX),
    fixed_fee=st.integers(0, 500),
    fee_basis_points=st.integers(0, 500),
    vat_basis_points=basis_points,
    approvals_required=st.just(0),
)


def net_before_the_step(amount: int, terms: PayoutTerms, withholding: int) -> PayoutLegs | None:
    """The legs by exact fractions and without a step; None where nothing would be left."""
    fee = terms.fixed_fee + ceil(Fraction(amount * terms.fee_basis_points, 10_000))
    vat = floor(Fraction(fee * terms.vat_basis_points, 10_000) + Fraction(1, 2))
    withheld = floor(Fraction(amount * withholding, 10_000) + Fraction(1, 2))
    net = amount - fee - vat - withheld
    return PayoutLegs(net=net, fee=fee, vat=vat, withholding=withheld) if net > 0 else None


@given(amounts, terms, basis_points)
@example(1, PAYOUT_TERMS, 0)
def test_a_payout_is_divided_exactly_or_refused(
    amount: int, terms: PayoutTerms, withholding: int
) -> None:
    exact = net_before_the_step(amount, terms, withholding)
    payable = 0 if exact is None else exact.net - exact.net % terms.step
    try:
        legs = payout_legs(amount, terms, withholding_basis_points=withholding)
    except PayoutTooSmall:
        assert payable < max(1, terms.minimum)
        return
    except AmountNotPayable:
        assert payable > terms.maximum
        return
    assert exact is not None
    assert legs == exact.model_copy(update={"net": payable})


@given(amounts, terms, basis_points)
def test_the_step_leaves_less_than_one_step_available(
    amount: int, terms: PayoutTerms, withholding: int
) -> None:
    try:
        legs = payout_legs(amount, terms, withholding_basis_points=withholding)
    except (PayoutTooSmall, AmountNotPayable):
        return
    assert legs.net % terms.step == 0
    assert terms.minimum <= legs.net <= terms.maximum
    assert 0 <= amount - legs.gross < terms.step
    assert legs.gross == legs.net + legs.fee + legs.vat + legs.withholding


@pytest.mark.parametrize(("minimum", "payable"), [(9_000, True), (9_001, False)])
def test_the_minimum_is_of_the_net(minimum: int, *, payable: bool) -> None:
    terms = replace(PAYOUT_TERMS, fixed_fee=1_000, minimum=minimum)
    if payable:
        assert payout_legs(10_000, terms, withholding_basis_points=0).net == 9_000
    else:
        with pytest.raises(PayoutTooSmall, match="from 9001 minor units on"):
            payout_legs(10_000, terms, withholding_basis_points=0)


@pytest.mark.parametrize(("maximum", "payable"), [(9_000, True), (8_999, False)])
def test_the_maximum_is_of_the_net(maximum: int, *, payable: bool) -> None:
    terms = replace(PAYOUT_TERMS, fixed_fee=1_000, maximum=maximum)
    if payable:
        assert payout_legs(10_000, terms, withholding_basis_points=0).net == 9_000
    else:
        with pytest.raises(AmountNotPayable, match="to 8999"):
            payout_legs(10_000, terms, withholding_basis_points=0)
