"""The table for people and bench.json for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.bench.measure import Result, Row


def table(measured: Iterable[tuple[Row, Result]]) -> Table:
    """A table of all rows; a ratio is green where it keeps its target and red where it does not."""
    shown = Table(title="Hesabu, medians of alternating runs")
    shown.add_column("row")
    shown.add_column("what", overflow="fold")
    shown.add_column("Hesabu", justify="right")
    shown.add_column("against", overflow="fold")
    shown.add_column("it", justify="right")
    shown.add_column("ratio", justify="right")
    shown.add_column("target", justify="right")
    for row, result in measured:
        shown.add_row(
            row.name,
            row.what,
            f"{result.value:,.0f} {result.unit}",
            row.against,
            f"{result.against_value:,.0f}",
            f"[{_colour(row, result)}]{result.ratio:.2f}[/]",
            result.target or "",
        )
    return shown


def _colour(row: Row, result: Result) -> str:
    if row.target is None:
        return "default"
    return "green" if row.target.is_met_by(result.ratio) else "red"


def write_json(path: Path, results: Iterable[Result]) -> None:
    """Write the results as a JSON list, replacing the file."""
    text = json.dumps([result.as_json() for result in results], indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
