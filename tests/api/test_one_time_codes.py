"""A code is six digits that only the deployment can tell from the confirmation's id."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

import pytest

from api.one_time_codes import OneTimeCodes

CODES: Final = OneTimeCodes(b"a" * 32)


def test_a_code_is_six_digits_and_always_the_same() -> None:
    ids = [uuid4() for _ in range(2_000)]
    made = [CODES.code(each) for each in ids]
    assert all(len(code) == 6 and code.isascii() and code.isdecimal() for code in made)
    assert made == [CODES.code(each) for each in ids]
    # Some begin with a zero, and hardly any two are the same.
    assert any(code.startswith("0") for code in made)
    assert len(set(made)) > 1_950


def test_another_deployment_makes_other_codes() -> None:
    other, ids = OneTimeCodes(b"b" * 32), [uuid4() for _ in range(100)]
    assert sum(CODES.code(each) == other.code(each) for each in ids) < 5


def test_only_the_code_itself_matches() -> None:
    confirmation = uuid4()
    code = CODES.code(confirmation)
    assert CODES.matches(confirmation, code)
    assert not CODES.matches(confirmation, f"{(int(code) + 1) % 1_000_000:06d}")


@pytest.mark.parametrize("disguise", ["{} ", " {}", "{}0", "+{}", "", "\ud800", "٣٤٥٦٧٨"])
def test_what_is_not_six_digits_never_matches(disguise: str) -> None:
    confirmation = uuid4()
    assert not CODES.matches(confirmation, disguise.format(CODES.code(confirmation)))
