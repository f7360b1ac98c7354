"""References that people type: no slip of one character, and no swap, names another payment."""

from __future__ import annotations

from itertools import permutations
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.manual_references import (
    ALPHABET,
    LENGTH,
    new_reference,
    normalised,
    payment_of,
    reference_from,
)

ISSUED: Final = "7GM3W2QH"
PLACES: Final = range(LENGTH)
drawn = st.text(alphabet=ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1)


def checked(drawn: str) -> str:
    """The one reference that begins so."""
    [reference] = [each for each in map(drawn.__add__, ALPHABET) if normalised(each) is not None]
    return reference


def test_a_reference_is_eight_plain_letters_and_digits() -> None:
    issued = [new_reference() for _ in range(1_000)]
    assert all(len(each) == LENGTH and set(each) <= set(ALPHABET) for each in issued)
    assert not set("ILOU") & set(ALPHABET)
    assert all(normalised(each) == each for each in issued)
    assert len(set(issued)) == len(issued)
    assert {each[-1] for each in issued} == set(ALPHABET)


@given(st.binary(min_size=5, max_size=32))
def test_the_same_bytes_draw_the_same_reference(drawn: bytes) -> None:
    assert normalised(reference_from(drawn)) == reference_from(drawn)


def test_every_character_is_drawn_by_bits_of_its_own() -> None:
    drawn_ = {reference_from((1 << bit).to_bytes(5)) for bit in range(35)}
    assert len(drawn_) == 35
    assert reference_from(bytes(5)) not in drawn_


@given(drawn)
def test_what_is_drawn_has_exactly_one_check_character(drawn: str) -> None:
    assert normalised(checked(drawn)) == checked(drawn)


@given(drawn)
def test_every_single_wrong_character_is_caught(drawn: str) -> None:
    reference = checked(drawn)
    wrong = {
        reference[:place] + other + reference[place + 1 :] for place in PLACES for other in ALPHABET
    } - {reference}
    assert len(wrong) == LENGTH * (len(ALPHABET) - 1)
    assert not [each for each in wrong if normalised(each) is not None]


@given(drawn)
def test_every_swap_of_neighbours_is_caught(drawn: str) -> None:
    reference = checked(drawn)
    for place in PLACES[1:]:
        left, right = reference[place - 1], reference[place]
        swapped = reference[: place - 1] + right + left + reference[place + 1 :]
        assert normalised(swapped) == (reference if left == right else None)


@pytest.mark.parametrize("place", PLACES[1:-1])
def test_no_two_characters_are_an_exception_wherever_they_are_swapped(place: int) -> None:
    for left, right in permutations(ALPHABET, 2):
        before, after = ISSUED[: place - 1], ISSUED[place + 1 : -1]
        reference = checked(f"{before}{left}{right}{after}")
        assert normalised(f"{before}{right}{left}{reference[place + 1 :]}") is None


@pytest.mark.parametrize(
    "typed",
    ["7gm3w2qh", "7GM3-W2QH", " 7gm3 w2qh ", "7 G M 3 W 2 Q H", "7GM3\u2013W2QH", "7GM3\u00a0W2QH"],
)
def test_a_reference_is_read_however_it_is_written(typed: str) -> None:
    assert normalised(typed) == ISSUED
    assert payment_of(typed) == payment_of(ISSUED)


@given(drawn)
def test_letters_that_are_taken_for_digits_are_read_as_those(drawn: str) -> None:
    reference = checked("10" + drawn[2:])
    for one in "IiLl1":
        for zero in "Oo0":
            assert normalised(reference.replace("1", one).replace("0", zero)) == reference


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "-", "7GM3W2Q", "7GM3W2QHC", "77GM3W2QH", "7GM3W2QU", "UUUUUUUU", "7GM3W2Q\u0421",
        "\u0667GM3W2QH", "7GM3W2Q\uff23", "7GM3W2QH\n", "7GM3W2QH\0", "7GM3_W2QH", "\ud800GM3W2QH",
        "\u0131GM3W2QH", "Wanjiku", "254709481000", "None", "7GM3W2QH" * 100_000,
    ],
)  # fmt: skip
def test_what_cannot_be_one_of_ours_is_none(typed: str) -> None:
    assert normalised(typed) is None
    with pytest.raises(ValueError, match="not a reference"):
        payment_of(typed)


@given(st.text())
def test_whatever_is_typed_is_read_or_not_and_never_fails(typed: str) -> None:
    read = normalised(typed)
    assert read is None or normalised(read) == read


@given(drawn, drawn)
def test_a_reference_names_one_payment_and_another_names_another(one: str, other: str) -> None:
    assert (payment_of(checked(one)) == payment_of(checked(other))) == (one == other)


def test_a_reference_names_the_same_payment_for_ever() -> None:
    """References are on paper, and in text messages: neither may change."""
    assert payment_of(ISSUED) == UUID("74354a6a-37db-56da-ae15-9922fc1a228a")
