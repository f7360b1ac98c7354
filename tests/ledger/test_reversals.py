"""The two rules about the creator's leg: whatever is reversed, in any order, ends at the split."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import AMOUNT_MAX, Split
from ledger.reversals import (
    NOTHING,
    CreatorLeg,
    Reversal,
    allocate_reversal,
    given_to_creator,
    reversible_parts,
    taken_from_creator,
)

parts = st.integers(0, AMOUNT_MAX)
splits = st.builds(Split, fee=parts, vat=parts, net=parts)
few = st.integers(0, 5)
small_splits = st.builds(Split, fee=few, vat=few, net=few)
amounts = st.integers(0, 4 * AMOUNT_MAX)


@given(amounts, splits | small_splits)
def test_what_is_reversed_and_what_lies_beyond_is_the_amount(amount: int, remaining: Split) -> None:
    legs, excess = allocate_reversal(amount, remaining)
    assert legs.gross + excess == amount
    assert excess == max(0, amount - remaining.gross)


@given(amounts, splits | small_splits)
def test_no_part_is_reversed_beyond_what_remains_of_it(amount: int, remaining: Split) -> None:
    legs, _ = allocate_reversal(amount, remaining)
    left = remaining.minus(legs)
    assert min(left.fee, left.vat, left.net) >= 0
    assert left.gross == max(0, remaining.gross - amount)


@given(amounts, splits | small_splits)
def test_every_part_bears_its_exact_share_rounded_down_or_up(amount: int, remaining: Split) -> None:
    legs, excess = allocate_reversal(amount, remaining)
    if remaining.gross == 0:
        assert legs == NOTHING
        return
    share = Fraction(amount - excess, remaining.gross)
    for name in ("fee", "vat", "net"):
        exact = share * getattr(remaining, name)
        assert floor(exact) <= getattr(legs, name) <= ceil(exact)


@pytest.mark.parametrize(
    ("remaining", "first"),
    [
        (Split(fee=1, vat=1, net=1), Split(fee=1, vat=0, net=0)),
        (Split(fee=7, vat=7, net=7), Split(fee=1, vat=0, net=0)),
        (Split(fee=0, vat=1, net=1), Split(fee=0, vat=1, net=0)),
        (Split(fee=1, vat=0, net=1), Split(fee=1, vat=0, net=0)),
        (Split(fee=1, vat=1, net=2), Split(fee=0, vat=0, net=1)),
    ],
)
def test_a_tie_goes_to_the_fee_then_to_the_tax(remaining: Split, first: Split) -> None:
    assert allocate_reversal(1, remaining) == Reversal(first, 0)


@given(splits | small_splits, st.lists(amounts | few, max_size=12))
def test_any_sequence_of_reversals_ends_exactly_at_the_split(
    split: Split, sequence: list[int]
) -> None:
    taken, beyond = NOTHING, 0
    for amount in [*sequence, split.gross]:
        legs, excess = allocate_reversal(amount, split.minus(taken))
        taken, beyond = taken.plus(legs), beyond + excess
    assert taken == split
    assert beyond == sum(sequence)


@given(
    splits | small_splits,
    st.lists(st.tuples(amounts | few, st.booleans()), max_size=12),
)
def test_what_is_given_back_in_between_changes_nothing_of_that(
    split: Split, sequence: list[tuple[int, bool]]
) -> None:
    taken = NOTHING
    for amount, comes_back in sequence:
        legs, _ = allocate_reversal(amount, split.minus(taken))
        taken = taken.plus(legs)
        if comes_back:
            taken = taken.minus(legs)
    rest, _ = allocate_reversal(split.gross, split.minus(taken))
    assert taken.plus(rest) == split


@given(splits)
def test_a_platform_that_keeps_its_fee_gives_back_the_creators_part_alone(split: Split) -> None:
    assert reversible_parts(split, keep_fee=False) == split
    kept = reversible_parts(split, keep_fee=True)
    assert kept == Split(fee=0, vat=0, net=split.net)
    assert allocate_reversal(split.gross, kept) == Reversal(kept, split.fee + split.vat)


@given(parts, parts)
def test_money_is_taken_from_pending_first_and_never_more_than_is_there(
    amount: int, pending: int
) -> None:
    leg = taken_from_creator(amount, pending=pending)
    assert leg.pending + leg.available == amount
    assert leg.pending == min(amount, pending)


@given(parts)
def test_money_goes_back_to_pending_only_before_the_release(amount: int) -> None:
    assert given_to_creator(amount, released=False) == CreatorLeg(amount, 0)
    assert given_to_creator(amount, released=True) == CreatorLeg(0, amount)
