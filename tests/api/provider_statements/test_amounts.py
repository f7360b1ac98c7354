"""Amounts and times of statements: read exactly, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.provider_statements.amounts import (
    UnreadableCellError,
    exact_decimal,
    instant,
    minor_units,
)
from ledger.money import AMOUNT_MAX, exponents

NAIROBI = ZoneInfo("Africa/Nairobi")
CURRENCIES = ("KES", "NGN", "USD", "UGX", "XAF", "KWD")


def grouped(digits: str, separator: str) -> str:
    head = len(digits) % 3 or 3
    parts = [digits[:head], *(digits[at : at + 3] for at in range(head, len(digits), 3))]
    return separator.join(parts)


@given(
    amount=st.integers(-AMOUNT_MAX, AMOUNT_MAX),
    currency=st.sampled_from(CURRENCIES),
    style=st.sampled_from(["plain", "grouped", "brackets", "behind", "words", "spaces", "comma"]),
)
@example(amount=-1, currency="KES", style="brackets")
@example(amount=-100_000, currency="KES", style="behind")
def test_every_amount_is_read_as_it_was_written(amount: int, currency: str, style: str) -> None:
    exponent = exponents()[currency]
    whole, _, part = f"{abs(Decimal(amount).scaleb(-exponent)):f}".partition(".")
    sign = "-" if amount < 0 else ""
    point = f".{part}" if part else ""
    written = {
        "plain": f"{sign}{whole}{point}",
        "grouped": f"{sign}{grouped(whole, ',')}{point}",
        "brackets": f"({grouped(whole, ',')}{point})" if sign else whole + point,
        "behind": f"{grouped(whole, ',')}{point}{sign}",
        "words": f"{currency} {sign}{grouped(whole, ',')}{point}",
        "spaces": f" {sign}{grouped(whole, chr(0xA0))}{point} ",
        "comma": f"{sign}{grouped(whole, '.')}{point.replace('.', ',')}",
    }[style]
    decimal = "," if style == "comma" else "."
    assert minor_units(written, currency, decimal=decimal) == amount  # type: ignore[arg-type]


@given(st.text(max_size=20))
def test_no_text_is_read_as_another_number_than_a_person_reads(text: str) -> None:
    try:
        read = exact_decimal(text, ".")
    except UnreadableCellError:
        return
    digits = "".join(each for each in text if each.isascii() and each.isdigit())
    assert "".join(str(abs(read)).split(".")).lstrip("0") == digits.lstrip("0")


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "x", "1.2E+05", "1e9", "NaN", "Infinity", "1,23", "12,34.50", "1.234,50"),
        *(
            "1.2.3",
            "--5",
            "-(5)",
            "(5",
            "5)",
            "\u0663\u0664",
            "\uff11\uff12",
            "1_000",
            "0x10",
            "=1+1",
            "9" * 40,
        ),
        "1,234,56",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCellError):
        minor_units(text, "KES")


@pytest.mark.parametrize(("text", "currency"), [("1.005", "KES"), ("0.5", "UGX"), ("1", "XQX")])
def test_what_is_no_whole_number_of_minor_units_is_refused(text: str, currency: str) -> None:
    with pytest.raises(UnreadableCellError):
        minor_units(text, currency)


def test_zeros_behind_the_point_are_no_minor_units() -> None:
    assert minor_units("500.00", "UGX") == 500
    assert minor_units("-", "KES") == 0


def test_stripes_ugandan_shillings_are_hundredths_in_its_own_units_and_whole_in_major_ones() -> (
    None
):
    own = minor_units("50000", "UGX", units="minor", unit_exponents={"UGX": 2})
    assert own == minor_units("500.00", "UGX") == 500
    with pytest.raises(UnreadableCellError):
        minor_units("50001", "UGX", units="minor", unit_exponents={"UGX": 2})
    assert minor_units("50000", "USD", units="minor", unit_exponents={"UGX": 2}) == 50_000


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("05-03-2026 10:15:00", ("%d-%m-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")),
        ("2026-03-05 10:15:00", ("%d-%m-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")),
        ("2026-03-05T10:15:00", ("iso",)),
        ("2026-03-05T07:15:00Z", ("iso",)),
        ("  05/03/2026   10:15 ", ("%d/%m/%Y %H:%M",)),
    ],
)
def test_a_time_without_an_offset_is_the_providers(text: str, formats: tuple[str, ...]) -> None:
    assert instant(text, formats, NAIROBI) == datetime(2026, 3, 5, 7, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "31-02-2026 10:00:00", "0001-01-01T00:00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCellError):
        instant(text, ("iso", "%d-%m-%Y %H:%M:%S"), NAIROBI)
