"""Which formats there are, what their files are called, and who writes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from projections.exports.beancount import beancount_file
from projections.exports.cloud_events import cloud_events
from projections.exports.hledger import hledger_journal
from projections.exports.parquet import parquet_file
from projections.exports.scope import Scope
from projections.log_export import export_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from projections.reader import Reader

NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain; charset=utf-8"
PARQUET: Final = "application/vnd.apache.parquet"


class ExportFormat(StrEnum):
    """What an export is to be read by; `bundle` is for hesabu-verify."""

    BUNDLE = "bundle"
    CLOUD_EVENTS = "cloudevents"
    HLEDGER = "hledger"
    BEANCOUNT = "beancount"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class FileKind:
    """A format as a file. `compressed`: in itself, so that nobody else needs to."""

    media_type: str
    suffix: str
    write: Callable[[Reader, Scope], AsyncIterator[bytes]]
    compressed: bool = False


KINDS: Final = {
    ExportFormat.BUNDLE: FileKind(NDJSON, "ndjson", export_lines),
    ExportFormat.CLOUD_EVENTS: FileKind(NDJSON, "cloudevents.ndjson", cloud_events),
    ExportFormat.HLEDGER: FileKind(TEXT, "journal", hledger_journal),
    ExportFormat.BEANCOUNT: FileKind(TEXT, "beancount", beancount_file),
    ExportFormat.PARQUET: FileKind(PARQUET, "parquet", parquet_file, compressed=True),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What is about to be written; `pieces` raises `ReadUnavailable` on the way."""

    scope: Scope
    kind: FileKind
    pieces: AsyncIterator[bytes]

    @property
    def file_name(self) -> str:
        """Book, position and format: hesabu-52.journal."""
        return f"{self.scope.book}-{self.scope.end}.{self.kind.suffix}"


async def begin_export(
    reader: Reader, which: ExportFormat, *, origin: str, book: str, until: int | None = None
) -> Export:
    """The export as of a position, of the head if none is given. Nothing is read yet.

    Raises `PositionNotReached` or `ReadUnavailable`.
    """
    kind = KINDS[which]
    end = await reader.position_at(as_of_position=until)
    scope = Scope(origin, book, end)
    return Export(scope, kind, kind.write(reader, scope))
