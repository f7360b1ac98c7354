"""`hesabu explain`, `diff` and `what-if`: what an auditor asks, however much it is.

They exit with 1 when something does not add up, and with 2 when it cannot be asked. The book is
only read. Starts the embedded database for the time it takes, if nothing else runs it. `explain`
needs the key store, to hash what is kept of callbacks.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.database import book_location, embedded_server
from api.explain_reports import change_lines, end_of, explanation_lines, what_if_lines
from ledger.database.roles import DatabaseRole
from ledger.errors import LedgerError
from ledger.key_store import KeyStore
from ledger.money import BASIS_POINTS
from projections.account_changes import all_changes
from projections.explanations import explanation_page
from projections.reader import PAGE_SIZE_MAX, Reader
from projections.what_if import OtherRules
from projections.what_if_log import what_if_at_leisure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from api.settings import Settings
    from ledger.database.connections import BookLocation
    from projections.account_changes import Changes

MICROSECOND = timedelta(microseconds=1)

Account = Annotated[str, typer.Argument(help="As the audit calls it.")]
Currency = Annotated[str, typer.Option(help="Such as KES.")]
AsOf = Annotated[int | None, typer.Option(min=0, help="As of this position; of the head.")]
Lines = Annotated[int, typer.Option(min=1, help="So many lines, the newest.")]
Whole = Annotated[bool, typer.Option("--all", help="Every line, to the first.")]
LogPosition = Annotated[int, typer.Argument(min=0, help="A position of the log.")]
Fee = Annotated[int, typer.Option(min=0, max=BASIS_POINTS, help="The other fee; 500 is 5 %.")]
Creator = Annotated[UUID | None, typer.Option(help="Only of this creator's payments.")]
FromPosition = Annotated[int, typer.Option(min=1, help="Of payments begun there or later.")]
FromTime = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="Or then or later.")
]


def add_explain_commands(app: typer.Typer, settings: Callable[[], Settings]) -> None:
    """Add the commands; each asks for the settings when it runs."""

    @app.command()
    def explain(
        account: Account,
        currency: Currency,
        *,
        position: AsOf = None,
        limit: Lines = 20,
        whole: Whole = False,
    ) -> None:
        """Explain a balance: its lines, events, callbacks and payments; exit 1 if it is wrong."""
        with ExitStack() as opened:
            ours = settings()
            book = opened.enter_context(_book(ours, DatabaseRole.APP))
            key_store = opened.enter_context(closing(KeyStore(ours.key_store_file)))
            wanted = None if whole else limit
            explained = _explain(book, key_store, (account, currency), position, wanted)
            raise typer.Exit(_asked(explained))

    @app.command()
    def diff(first: LogPosition, second: LogPosition) -> None:
        """Say what changed between two positions, an account a line; exit 1 if it is wrong."""
        with _book(settings(), DatabaseRole.AUDITOR) as book, _progress("positions") as progress:
            changes = _asked(_compare(book, first, second, progress))
        _print(change_lines(changes))
        raise typer.Exit(0 if changes.sums_match else 1)

    @app.command("what-if")
    def what_if(
        platform_fee_basis_points: Fee,
        creator: Creator = None,
        from_position: FromPosition = 1,
        from_time: FromTime = None,
    ) -> None:
        """Tell payments anew under another fee: what creators would have. Nothing is written."""
        with _book(settings(), DatabaseRole.AUDITOR) as book, _progress("events") as progress:
            rules = OtherRules(
                fee_basis_points=platform_fee_basis_points,
                creator_id=creator,
                from_position=max(from_position, _asked(_begins_at(book, from_time))),
            )
            report = what_if_at_leisure(book, rules, progress=progress)
        _print(what_if_lines(report, rules))


async def _explain(
    book: BookLocation,
    key_store: KeyStore,
    key: tuple[str, str],
    position: int | None,
    wanted: int | None,
) -> int:
    """Print it page by page; the exit status."""
    cursor, shown, wrong, opening = None, 0, False, None
    async with Reader(book) as reader:
        while True:
            limit = PAGE_SIZE_MAX if wanted is None else min(PAGE_SIZE_MAX, wanted - shown)
            page = await explanation_page(
                reader, key_store, *key, position=position, cursor=cursor, limit=limit
            )
            if page is None:
                typer.echo(f"{key[0]} has no line in {key[1]} by then.", err=True)
                return 2
            wrong |= not (page.sums_match and page.evidence_matches)
            wrong |= opening not in {None, page.closing_balance}
            _print(explanation_lines(page, first=cursor is None))
            opening, cursor, shown = page.opening_balance, page.next_cursor, shown + len(page.items)
            if cursor is None or shown == wanted:
                _print(end_of(page, shown, wrong=wrong))
                return int(wrong)


async def _compare(
    book: BookLocation, first: int, second: int, progress: Callable[[int, int], None]
) -> Changes:
    async with Reader(book) as reader:
        return await all_changes(
            reader, first, second, progress=lambda at: progress(at - first, second - first)
        )


async def _begins_at(book: BookLocation, time: datetime | None) -> int:
    if time is None:
        return 1
    async with Reader(book) as reader:
        return await reader.position_at(as_of=time.astimezone(UTC) - MICROSECOND) + 1


def _asked(question: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - what it answers
    try:
        return asyncio.run(question)
    except LedgerError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(line)


@contextmanager
def _book(settings: Settings, role: DatabaseRole) -> Iterator[BookLocation]:
    with ExitStack() as opened:
        if (server := embedded_server(settings)) is not None:
            opened.enter_context(server)
        yield book_location(settings, role)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, so that the answer alone is on standard output."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
