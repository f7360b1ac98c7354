"""From bytes to rows: whatever a spreadsheet did to a file, and in constant memory."""

from __future__ import annotations

import csv
import io
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.provider_statements.lines import ReadRow, RowReader
from api.provider_statements.reading import UnreadableStatementError, read_table
from api.provider_statements.registry import MAPPINGS
from tests.api.provider_statements.files import COLUMNS, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SANDBOX = MAPPINGS["sandbox"]
CELLS = ["T1", "payment", "succeeded", "", "12.50", "KES", "", "2026-03-05T10:15:00Z", "", ""]


def written(rows: list[list[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def read(content: bytes, size: int = 7, provider: str = "sandbox") -> list[ReadRow]:
    mapping = MAPPINGS[provider]
    header, rows = read_table(source_of(content, size), mapping)
    reader = RowReader(mapping, header)
    return [reader.read(row) for row in rows]


def amounts(content: bytes) -> list[int]:
    return [line.moved for row in read(content) for line in row.lines]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_found(encoding: str, delimiter: str) -> None:
    # A reference nobody keeps, with what Latin-1 writes otherwise.
    cells = [*CELLS[:3], "Zoé, Müller; d'Ivoire|x", *CELLS[4:]]
    content = written([list(COLUMNS), cells], delimiter).encode(encoding)
    [row] = read(content)
    [line] = row.lines
    assert (line.amount, line.names, line.own) == (1_250, ("T1",), None)


def test_lines_before_the_header_the_header_again_and_what_follows_are_passed_over() -> None:
    rows = [
        ["The operator", ""],
        [],
        [each.upper().replace("_", " ") for each in COLUMNS],
        CELLS,
        [""] * len(COLUMNS),
        [each.upper().replace("_", " ") for each in COLUMNS],
        ["T2", *CELLS[1:4], "(7.00)", *CELLS[5:]],
        ["Total", "", "", "", "5.50", "KES", "", "", "", ""],
        ["Closing balance", "", "", "", "", "", "", "", "1,000.00", ""],
    ]
    found = read(written(rows).encode())
    assert [line.moved for row in found for line in row.lines] == [1_250, -700]
    assert all(row.unreadable is None for row in found)


def test_money_without_a_time_is_not_passed_over() -> None:
    cells = [*CELLS]
    cells[7] = ""
    [row] = read(written([list(COLUMNS), cells]).encode())
    assert row.unreadable == "unreadable_time"
    [wide] = read(written([list(COLUMNS), [*CELLS, "more"]]).encode())
    assert wide.unreadable == "too_many_cells"


def test_a_line_break_within_quotes_is_part_of_the_cell() -> None:
    cells = [*CELLS[:3], 'a "quoted"\nsecond line\r\nthird', *CELLS[4:]]
    assert amounts(written([list(COLUMNS), cells, CELLS]).encode()) == [1_250, 1_250]


def test_a_column_that_stands_twice_is_refused_unless_it_is_known_to() -> None:
    twice = written([[*COLUMNS, "amount"], [*CELLS, "99.00"]]).encode()
    with pytest.raises(UnreadableStatementError) as refused:
        read(twice)
    assert refused.value.column == "amount"
    # One that nothing is read of may.
    assert amounts(written([[*COLUMNS, "note", "note"], [*CELLS, "a", "b"]]).encode()) == [1_250]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n\n", b"a,b\n1,2\n", b"\x00" * 100, b'"' * 99, b"\xff\xfe\x00"),
        ",".join(COLUMNS).encode() + b"\n" + b'x,"unfinished',
        ",".join(COLUMNS).encode() + b"\n" + b"x" * 200_000,
        ",".join(COLUMNS).encode() + b"\nx\x00y,payment\n",
    ],
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableStatementError):
        read(content)


@given(st.binary(max_size=400))
def test_no_bytes_are_a_defect(content: bytes) -> None:
    for begin in (b"", ",".join(COLUMNS).encode() + b"\n"):
        try:
            found = read(begin + content)
        except UnreadableStatementError:
            continue
        for row in found:
            assert row.unreadable is None or not row.lines


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)


@given(
    notes=st.lists(words, min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t"]),
    size=st.integers(1, 50),
)
def test_what_was_written_is_read_back(notes: list[str], delimiter: str, size: int) -> None:
    rows = [[*CELLS[:3], note, str(number + 1), *CELLS[5:]] for number, note in enumerate(notes)]
    content = written([list(COLUMNS), *rows], delimiter).encode()
    found = [line.amount for row in read(content, size) for line in row.lines]
    assert found == [100 * (number + 1) for number in range(len(notes))]


def test_a_long_file_takes_no_more_memory_than_a_short_one() -> None:
    count = 30_000
    header = (",".join(COLUMNS) + "\n").encode()
    line = (",".join(CELLS) + "\n").encode()

    def pieces() -> Iterator[bytes]:
        yield header
        for _ in range(count // 100):
            yield line * 100

    tracemalloc.start()
    found, rows = read_table(pieces, SANDBOX)
    reader = RowReader(SANDBOX, found)
    total = sum(len(reader.read(row).lines) for row in rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == count
    assert peak < 1_000_000
