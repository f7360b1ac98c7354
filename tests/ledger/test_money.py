"""Laws of money: nothing is created, nothing is lost, rounding goes the promised way."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ledger.errors import FeePlanExceedsPayment
from ledger.money import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    Money,
    Part,
    Split,
    allocate,
    ceil_basis_points,
    exponents,
    half_up_basis_points,
)
from ledger.postings import FeePlan, split_gross

amounts = st.integers(AMOUNT_MIN, AMOUNT_MAX)
basis_points = st.integers(0, 10_000)
parts = st.lists(
    st.builds(Part, weight=st.integers(0, AMOUNT_MAX), rank=st.integers(0, 3)), min_size=1
).filter(lambda found: any(part.weight for part in found))


@given(st.integers(0, AMOUNT_MAX), parts)
def test_allocation_never_creates_or_loses_money(amount: int, claims: list[Part]) -> None:
    assert sum(allocate(amount, claims)) == amount


@given(st.integers(0, AMOUNT_MAX), parts)
def test_allocation_gives_every_part_its_exact_share_rounded_down_or_up(
    amount: int, claims: list[Part]
) -> None:
    total = sum(part.weight for part in claims)
    for part, share in zip(claims, allocate(amount, claims), strict=True):
        exact = Fraction(amount * part.weight, total)
        assert floor(exact) <= share <= ceil(exact)


@given(st.integers(0, AMOUNT_MAX), parts)
def test_allocation_gives_the_spare_units_to_the_largest_remainders(
    amount: int, claims: list[Part]
) -> None:
    total = sum(part.weight for part in claims)
    remainders = [amount * part.weight % total for part in claims]
    rounded_up = [
        share > amount * part.weight // total
        for part, share in zip(claims, allocate(amount, claims), strict=True)
    ]
    least_up = min((r for r, up in zip(remainders, rounded_up, strict=True) if up), default=total)
    most_down = max((r for r, up in zip(remainders, rounded_up, strict=True) if not up), default=0)
    assert least_up >= most_down


def test_allocation_gives_a_tie_to_the_lower_rank() -> None:
    assert allocate(1, [Part(1, rank=1), Part(1, rank=0)]) == [0, 1]
    assert allocate(1, [Part(1, rank=0), Part(1, rank=0)]) == [1, 0]


@pytest.mark.parametrize("claims", [[], [Part(0, 0)], [Part(0, 0), Part(0, 1)]])
def test_allocation_over_no_weight_is_refused(claims: list[Part]) -> None:
    with pytest.raises(ValueError, match="positive weight"):
        allocate(1, claims)


@given(amounts, basis_points)
def test_rates_round_as_exact_fractions_do(amount: int, rate: int) -> None:
    exact = Fraction(amount * rate, 10_000)
    assert ceil_basis_points(amount, rate) == ceil(exact)
    assert half_up_basis_points(amount, rate) == floor(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("amount", "rate", "up", "half_up"),
    [(1, 1, 1, 0), (1, 4_999, 1, 0), (1, 5_000, 1, 1), (3, 5_000, 2, 2), (10_000, 1, 1, 1)],
)
def test_rates_round_at_the_edges(amount: int, rate: int, up: int, half_up: int) -> None:
    assert ceil_basis_points(amount, rate) == up
    assert half_up_basis_points(amount, rate) == half_up


@given(amounts, basis_points, basis_points)
def test_a_split_is_the_gross_exactly_and_never_negative(gross: int, fee: int, vat: int) -> None:
    plan = FeePlan(fee_basis_points=fee, vat_basis_points=vat)
    exact_fee = ceil(Fraction(gross * fee, 10_000))
    exact_vat = floor(Fraction(exact_fee * vat, 10_000) + Fraction(1, 2))
    try:
        split = split_gross(gross, plan)
    except FeePlanExceedsPayment:
        assert exact_fee + exact_vat > gross
        return
    assert (split.fee, split.vat) == (exact_fee, exact_vat)
    assert split.fee + split.vat + split.net == split.gross == gross
    assert min(split.fee, split.vat, split.net) >= 0


def test_a_plan_that_leaves_the_creator_nothing_is_allowed_and_one_unit_more_is_not() -> None:
    everything = FeePlan(fee_basis_points=10_000, vat_basis_points=0)
    assert split_gross(100, everything) == Split(fee=100, vat=0, net=0)
    with pytest.raises(FeePlanExceedsPayment):
        split_gross(100, FeePlan(fee_basis_points=10_000, vat_basis_points=100))


@pytest.mark.parametrize("rate", [-1, 10_001, 0.5, "100", True, None])
def test_a_rate_is_an_integer_from_none_to_all(rate: object) -> None:
    with pytest.raises(ValidationError):
        FeePlan.model_validate({"fee_basis_points": rate, "vat_basis_points": 0})


@pytest.mark.parametrize(
    "amount", [0, -1, AMOUNT_MAX + 1, 1.0, 1.5, "1", True, None, float("nan"), 10**400]
)
def test_an_amount_is_an_integer_within_bounds(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": amount, "currency": "KES"})


@pytest.mark.parametrize("text", ["1.0", "1e3", '"1"', "true", "null", "NaN", "0"])
def test_an_amount_in_json_is_an_integer_within_bounds(text: str) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate_json(f'{{"amount": {text}, "currency": "KES"}}')


@pytest.mark.parametrize("currency", ["", "kes", "KSH", "XXX", "XAU", "KE", "KESS", None, 404])
def test_a_currency_is_a_known_code_with_a_minor_unit(currency: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 1, "currency": currency})


def test_money_takes_nothing_else_and_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": 1, "currency": "KES", "exponent": 2})
    money = Money(amount=AMOUNT_MAX, currency="KES")
    with pytest.raises(ValidationError):
        money.amount = 1  # type: ignore[misc]


def test_exponents_are_those_of_iso_4217() -> None:
    known = exponents()
    two = ("KES", "NGN", "GHS", "ZMW", "TZS", "USD")
    none = ("UGX", "RWF", "XAF", "XOF", "JPY")
    three = ("BHD", "KWD")
    assert [known[code] for code in two] == [2] * len(two)
    assert [known[code] for code in none] == [0] * len(none)
    assert [known[code] for code in three] == [3] * len(three)
