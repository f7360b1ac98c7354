"""From a file's bytes to its rows, in constant memory, whatever a spreadsheet did to them.

A byte order mark, UTF-16, Latin-1; commas, semicolons, tabs or bars; quoted line breaks; lines
before the header; the header again in the middle; empty lines. What cannot be a table of the
provider's is refused as a whole, with what to do about it.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.provider_statements.mapping import StatementMapping

    Source = Callable[[], Iterator[bytes]]

ROWS_BEFORE_HEADER_MAX: Final = 30
LINE_LENGTH_MAX: Final = 128 * 1024
DELIMITERS: Final = (",", ";", "\t", "|")
NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]")
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableStatementError(ValueError):
    """The file is no statement of this provider's; the message says why, and quotes nothing."""

    def __init__(self, message: str, *, column: str = "file") -> None:
        super().__init__(message)
        self.column = column


class BrokenTableError(UnreadableStatementError):
    """The file is no table by this delimiter, or no table at all."""


class Row(NamedTuple):
    """A row by its number in the file, the header being before the first."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Header:
    """Where each column stands, by its plain name."""

    places: dict[str, int]
    cells: tuple[str, ...]

    def place(self, *names: str) -> int | None:
        """Of the first of these that there is."""
        return next(
            (self.places[each] for name in names if (each := plain(name)) in self.places), None
        )


def plain(name: str) -> str:
    """A column's name by its letters and digits alone."""
    return NOT_IN_NAMES.sub("", name.casefold())


def read_table(source: Source, mapping: StatementMapping) -> tuple[Header, Iterator[Row]]:
    """The header and the rows under it. Raises `UnreadableStatementError`, also while iterating."""
    encoding = _encoding(source)
    broken: UnreadableStatementError | None = None
    for delimiter in DELIMITERS:
        rows = _rows(source, encoding, delimiter)
        try:
            header = _first_header(rows, mapping)
        except BrokenTableError as error:
            # By another delimiter its quotes may stand where quotes stand.
            broken = error
            continue
        if header is not None:
            return header, _below(rows, header)
    raise broken or UnreadableStatementError(
        "has no header with the columns of this provider's statement: "
        f"{', '.join(names[0] for names in _ways_to_tell(mapping)[0])}"
    )


def _first_header(rows: Iterator[list[str]], mapping: StatementMapping) -> Header | None:
    for cells in islice(rows, ROWS_BEFORE_HEADER_MAX):
        if (header := _header(cells, mapping)) is not None:
            return header
    return None


def _ways_to_tell(mapping: StatementMapping) -> list[tuple[tuple[str, ...], ...]]:
    """The columns that are needed: with one amount, or one for each way."""
    ways: list[tuple[tuple[str, ...], ...]] = []
    if mapping.amount:
        ways.append((mapping.time, mapping.amount))
    if mapping.paid_in and mapping.withdrawn:
        ways.append((mapping.time, mapping.paid_in, mapping.withdrawn))
    return ways


def _header(cells: list[str], mapping: StatementMapping) -> Header | None:
    names = [plain(cell) for cell in cells]
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name:
            places.setdefault(name, place)
    header = Header(places, tuple(cell.strip() for cell in cells))
    if not any(
        all(header.place(*columns) is not None for columns in way) for way in _ways_to_tell(mapping)
    ):
        return None
    _refuse_repeated(names, header, mapping)
    return header


def _refuse_repeated(names: list[str], header: Header, mapping: StatementMapping) -> None:
    """Of two columns of one name nobody knows which is meant, unless the mapping says so."""
    for columns in (
        *(mapping.id, mapping.names, mapping.own, mapping.time, mapping.kind, mapping.status),
        *(mapping.amount, mapping.paid_in, mapping.withdrawn, mapping.fee, mapping.currency),
        *(mapping.balance, mapping.related),
    ):
        place = header.place(*columns)
        if place is None or names[place] in {plain(name) for name in mapping.repeated}:
            continue
        if names.count(names[place]) > 1:
            column = next(each for each in columns if plain(each) == names[place])
            raise UnreadableStatementError("stands in the header twice", column=column)


def _below(rows: Iterator[list[str]], header: Header) -> Iterator[Row]:
    for number, cells in enumerate(rows, 1):
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and tuple(stripped) != header.cells:
            yield Row(number, stripped)


def _encoding(source: Source) -> str:
    """UTF-8 if all of it is, else what Windows writes in Western Europe and Africa."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    first = True
    try:
        for piece in source():
            if first and piece:
                for mark, encoding in MARKS:
                    if piece.startswith(mark):
                        return encoding
                first = False
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what is given
        view = memoryview(buffer)
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _rows(source: Source, encoding: str, delimiter: str) -> Iterator[list[str]]:
    text = io.TextIOWrapper(io.BufferedReader(_Pieces(source())), encoding=encoding, newline="")
    try:
        yield from csv.reader(_physical_lines(text), delimiter=delimiter, strict=True)
    except csv.Error:
        raise BrokenTableError("has a quote that is not closed, or a cell too long") from None
    except UnicodeError:
        raise UnreadableStatementError("is not text in one encoding") from None


def _physical_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LINE_LENGTH_MAX):
        if len(line) == LINE_LENGTH_MAX and not line.endswith("\n"):
            raise UnreadableStatementError("has a line that is too long")
        if "\0" in line:
            raise UnreadableStatementError("holds bytes that are not text")
        yield line
