"""Money on the sandbox operator's wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.sandbox_operator.amounts import Amount, exponent_of

amounts = st.builds(
    Amount,
    minor_units=st.integers(min_value=1, max_value=10**12 - 1),
    currency=st.sampled_from(["KES", "UGX", "BHD", "USD", "CLF"]),
)


@given(amounts)
def test_an_amount_survives_the_wire(amount: Amount) -> None:
    assert Amount.parse(amount.on_the_wire(), amount.currency) == amount


@given(amounts)
def test_half_is_less_and_double_is_more(amount: Amount) -> None:
    assert amount.half().minor_units < amount.minor_units < amount.double().minor_units
    assert amount.minor_units - amount.half().minor_units * 2 in (0, 1)


@given(amounts, st.integers(min_value=0, max_value=10_000))
def test_a_share_is_something_and_never_more_than_everything(
    amount: Amount, basis_points: int
) -> None:
    assert 1 <= amount.share(basis_points).minor_units <= amount.minor_units
    assert amount.share(10_000) == amount


@given(amounts)
def test_another_currency_has_the_same_number_and_never_more(amount: Amount) -> None:
    other = amount.in_another_currency()
    assert other.currency != amount.currency
    scale = 10 ** exponent_of(amount.currency)
    rest = amount.minor_units * 10 ** exponent_of(other.currency) - other.minor_units * scale
    assert 0 <= rest < scale
