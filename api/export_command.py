"""`hesabu export`: the whole log for an auditor, as a file that nobody has to believe."""

from __future__ import annotations

import gzip
import json
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from api.database import book_location
from ledger.database.roles import DatabaseRole
from projections.log_export import export_lines
from projections.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.settings import Settings


async def write_export(settings: Settings, output: str) -> int:
    """Write it to a file (compressed if its name ends with .gz) or `-`; how many events it has.

    Raises `ReadUnavailable` or `OSError`.
    """
    end = b"{}"
    async with Reader(book_location(settings, DatabaseRole.AUDITOR)) as reader:
        with _opened(output) as file:
            async for lines in export_lines(reader, origin=settings.origin, book=settings.book):
                file.write(lines)
                end = lines
    return int(json.loads(end)["end"]["events"])


@contextmanager
def _opened(output: str) -> Iterator[IO[bytes]]:
    if output == "-":
        yield sys.stdout.buffer
    elif output.endswith(".gz"):
        with gzip.open(output, "wb") as file:
            yield cast("IO[bytes]", file)
    else:
        with open(output, "wb") as plain:  # noqa: PTH123 - a name, as it was given
            yield plain
