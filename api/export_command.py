"""`hesabu export`: the whole book for an auditor, as a file that nobody has to believe."""

from __future__ import annotations

import gzip
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from api.database import book_location
from ledger.database.roles import DatabaseRole
from projections.exports.formats import ExportFormat, begin_export
from projections.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.settings import Settings


async def write_export(
    settings: Settings, output: str, which: ExportFormat, until: int | None
) -> int:
    """Write it to a file (compressed if its name ends with .gz) or `-`; the position of its end.

    Raises `PositionNotReached`, `ReadUnavailable` or `OSError`; then no file is left.
    """
    async with Reader(book_location(settings, DatabaseRole.AUDITOR)) as reader:
        export = await begin_export(
            reader, which, origin=settings.origin, book=settings.book, until=until
        )
        with opened(output) as file:
            async for piece in export.pieces:
                file.write(piece)
    return export.scope.end


@contextmanager
def opened(output: str) -> Iterator[IO[bytes]]:
    """A file to write to. One that is not finished is removed."""
    if output == "-":
        yield sys.stdout.buffer
        return
    path = Path(output)
    try:
        with (
            cast("IO[bytes]", gzip.open(path, "wb"))
            if output.endswith(".gz")
            else path.open("wb") as file
        ):
            yield file
    except BaseException:
        # A part of a book could be taken for a whole one.
        if path.is_file():
            path.unlink()
        raise
