"""`hesabu replay --verify`: rebuild the books from the events and compare, with a progress bar.

Starts the embedded database for the time it takes, if nothing else runs it.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.database import book_location, embedded_server
from ledger.database.roles import DatabaseRole
from ledger.replay import ReplayReport, replay

if TYPE_CHECKING:
    from api.settings import Settings


def replay_and_report(settings: Settings) -> int:
    """Replay, print what was found, and return the exit status: 0 only when everything agrees."""
    console = Console(highlight=False)
    with ExitStack() as stack:
        server = embedded_server(settings)
        if server is not None:
            stack.enter_context(server)
        progress = stack.enter_context(
            Progress(
                TextColumn("Replaying"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("events"),
                TimeRemainingColumn(),
                console=console,
            )
        )
        bar = progress.add_task("replay", total=None)
        report = replay(
            book_location(settings, DatabaseRole.AUDITOR),
            progress=lambda position, head: progress.update(bar, completed=position, total=head),
        )
        progress.update(bar, completed=report.position, total=report.position)
    _print(report, console)
    return 0 if report.ok else 1


def _print(report: ReplayReport, console: Console) -> None:
    for difference in report.differences:
        console.print(str(difference), style="red", markup=False, soft_wrap=True)
    unshown = report.differences_found - len(report.differences)
    if unshown:
        console.print(f"[red]… and {unshown} more[/red]")
    verdict = (
        "[green]The books are what the events say.[/green]"
        if report.ok
        else f"[red]{report.differences_found} differences.[/red]"
    )
    console.print(
        f"{verdict} {report.events} events, {report.lines} journal lines, "
        f"{report.accounts} accounts, up to position {report.position}, "
        f"in {report.seconds:.1f} s.",
        soft_wrap=True,
    )
