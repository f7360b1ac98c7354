"""The journal as Parquet: a row a line, in the order of the log, for whoever computes over it.

Amounts are integers of minor units. A balance has no bound in the ledger, so it is a decimal of 38
digits without a fraction, where an amount is an int64.
"""

from __future__ import annotations

import asyncio
from io import RawIOBase
from typing import TYPE_CHECKING, Any, Final

from projections.reader import BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from projections.exports.scope import Scope
    from projections.reader import Reader

ROW_GROUP_LINES_MIN: Final = 20_000
"""Enough for its columns to compress, few enough to be held in memory."""
BALANCE_DIGITS: Final = 38

READ_LINES: Final = """
    SELECT lines.position, lines.line, lines.recorded_at, lines.effective_at,
           caused_by.originator_id::text, caused_by.originator_version, caused_by.topic,
           balances.account, balances.currency, lines.amount, lines.balance
    FROM (
        SELECT * FROM journal_lines
        WHERE (position, line) > (%(position)b::bigint, %(line)b::bigint)
          AND position <= %(end)b::bigint
        ORDER BY position, line LIMIT %(limit)b::bigint
    ) AS lines
    JOIN balances ON balances.account_id = lines.account_id
    JOIN ledger_events AS caused_by ON caused_by.notification_id = lines.position
    ORDER BY lines.position, lines.line
"""


class _Sink(RawIOBase):
    """Holds what was written until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever has bytes
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


async def parquet_file(reader: Reader, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the file, a row group each. Raises `ReadUnavailable`."""
    sink = _Sink()
    # In a thread, as it is slow to import: other requests go on.
    writer = await asyncio.to_thread(_begin, sink, scope)
    async for rows in _row_groups(reader, scope.end):
        await asyncio.to_thread(_write, writer, rows)
        yield sink.take()
    writer.close()
    yield sink.take()


async def _row_groups(reader: Reader, end: int) -> AsyncIterator[list[tuple[Any, ...]]]:
    rows: list[tuple[Any, ...]] = []
    position, line = 0, 0
    while True:
        found = await reader.fetch(
            READ_LINES, {"position": position, "line": line, "end": end, "limit": BATCH_SIZE}
        )
        rows += found
        if len(found) < BATCH_SIZE:
            break
        position, line = found[-1][:2]
        if len(rows) >= ROW_GROUP_LINES_MIN:
            yield rows
            rows = []
    if rows:
        yield rows


def _begin(sink: _Sink, scope: Scope) -> Any:  # noqa: ANN401 - pyarrow has no types
    # 170 MB on the disk that no other command of ours needs in its memory.
    from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]  # noqa: PLC0415

    return ParquetWriter(sink, _schema(scope), compression="zstd")


def _write(writer: Any, rows: list[tuple[Any, ...]]) -> None:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    columns = zip(zip(*rows, strict=True), writer.schema.types, strict=True)
    arrays = [pa.array(column, type=of) for column, of in columns]
    writer.write_table(pa.Table.from_arrays(arrays, schema=writer.schema))


def _schema(scope: Scope) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa  # noqa: PLC0415 - as above

    time = pa.timestamp("us", tz="UTC")
    columns = {
        "position": pa.int64(),
        "line": pa.int16(),
        "recorded_at": time,
        "effective_at": time,
        "stream": pa.string(),
        "version": pa.int64(),
        "topic": pa.string(),
        "account": pa.string(),
        "currency": pa.string(),
        "amount": pa.int64(),
        "balance": pa.decimal128(BALANCE_DIGITS, 0),
    }
    fields = [pa.field(name, of, nullable=False) for name, of in columns.items()]
    return pa.schema(
        fields, metadata={"origin": scope.origin, "book": scope.book, "position": str(scope.end)}
    )
