"""`python -m tests.bench`: measure, print a table, write bench.json."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console

from ledger.garbage import tune_garbage_collection
from tests.bench.http import HTTP_ROWS
from tests.bench.journal import JOURNAL_ROWS
from tests.bench.measure import RUNS_MIN, Result, Row, measure
from tests.bench.projections import PROJECTION_ROWS
from tests.bench.report import table, write_json
from tests.bench.sealing import SEALING_ROWS
from tests.bench.server import bench_server
from tests.bench.turns import TURN_ROWS

WIDTH_IN_A_FILE: Final = 140

ROWS: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        *TURN_ROWS,
        *HTTP_ROWS,
        *PROJECTION_ROWS,
        *JOURNAL_ROWS,
        *SEALING_ROWS,
    )
}


def main() -> None:
    """Run the rows that were asked for, one after another, on one server."""
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_IN_A_FILE
    measured: list[tuple[Row, Result]] = []
    # As the processes do that are measured here; it serves both contenders alike.
    tune_garbage_collection()
    with bench_server() as server:
        for name in arguments.rows:
            with console.status(f"{name}: {ROWS[name].what}"):
                result = measure(ROWS[name], server, runs=arguments.runs)
            measured.append((ROWS[name], result))
            console.log(f"{name}: {result.ratio:.2f}")
    console.print(table(measured))
    write_json(arguments.output, (result for _, result in measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--rows",
        type=_rows,
        default=list(ROWS),
        help=f"comma-separated, of: {', '.join(ROWS)}",
    )
    parser.add_argument("--runs", type=int, default=RUNS_MIN, help="alternating runs a row")
    parser.add_argument("--output", type=Path, default=Path("bench.json"))
    return parser.parse_args()


def _rows(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in ROWS]:
        message = f"no such row: {', '.join(unknown)}"
        raise argparse.ArgumentTypeError(message)
    return names


if __name__ == "__main__":
    main()
