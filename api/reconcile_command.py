"""`hesabu reconcile PROVIDER FILE`: a provider's statement of any length, from a file.

Starts the embedded database for the time it takes, if nothing else runs it. Exit status 1 while
something is unexplained. Its operator is one person: above the threshold an admin has to bring the
same file over HTTP.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import psycopg
import typer

from api.database import book_location, book_time, embedded_server
from api.provider_statements.csv_output import write_items
from api.provider_statements.reading import UnreadableStatementError
from api.provider_statements.reconciler import Reconciler, StatementInProgressError
from api.provider_statements.registry import MAPPINGS, mapping_of
from api.provider_statements.uploads import Upload
from ledger.application import Ledger
from ledger.database.roles import DatabaseRole
from ledger.errors import LedgerError
from ledger.key_store import KeyStore
from projections.reader import Reader
from projections.reconciliation import items_page, statement_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from api.settings import Settings
    from projections.reconciliation import Item, StatementReport

OPERATOR: Final = "operator"
"""Who brings a statement by the command line."""
PIECE_BYTES: Final = 256 * 1024


def add_reconcile_command(app: typer.Typer, settings: Callable[[], Settings]) -> None:
    """Add the command; it asks for the settings when it runs."""

    @app.command()
    def reconcile(
        provider: Annotated[str, typer.Argument(help=", ".join(sorted(MAPPINGS)))],
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")],
        *,
        account: Annotated[
            Literal["collection", "disbursement"] | None,
            typer.Option(help="Of which account, where the provider has one for each."),
        ] = None,
        first_day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
        last_day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
        items: Annotated[
            Path | None, typer.Option(help="Write what does not agree there, as CSV.")
        ] = None,
    ) -> None:
        """Reconcile a provider's statement with the ledger; exit 1 while something is open."""
        chosen = settings()
        mapping = mapping_of(provider, chosen.statement_columns)
        if mapping is None:
            raise typer.BadParameter(f"{provider} is none of {', '.join(sorted(MAPPINGS))}")
        upload = Upload(
            mapping=mapping,
            source=lambda: _pieces(file),
            covers=mapping.covers if account is None else (account,),
            first_day=None if first_day is None else first_day.date(),
            last_day=None if last_day is None else last_day.date(),
            actor=OPERATOR,
        )
        try:
            report, open_items = _reconciled(chosen, upload)
        except (UnreadableStatementError, StatementInProgressError) as error:
            typer.echo(f"Not reconciled: {_said(error)}", err=True)
            raise typer.Exit(2) from None
        except (LedgerError, psycopg.OperationalError) as error:
            reason = error.message if isinstance(error, LedgerError) else "the database is away"
            typer.echo(f"Not reconciled: {reason}", err=True)
            raise typer.Exit(2) from None
        for line in lines_of(report):
            typer.echo(line)
        if items is not None:
            with items.open("w", encoding="utf-8", newline="") as output:
                write_items(output, open_items)
        raise typer.Exit(1 if report.unexplained else 0)


def lines_of(report: StatementReport) -> Iterator[str]:
    """The report as a person reads it in a terminal."""
    statement = report.statement
    yield f"Statement {statement.statement_id} of {statement.provider}"
    yield f"  days     {statement.first_day} to {statement.last_day}"
    yield (
        f"  rows     {statement.rows}, of them {statement.skipped} moved nothing and "
        f"{statement.unreadable} could not be read"
    )
    yield f"  lines    {report.lines}, and {report.repeated} repeated"
    for title, totals in (("statement", report.totals), ("ledger only", report.ledger_only)):
        for each in totals:
            yield (
                f"  {title}, {each.currency} {each.direction}: {each.total} = "
                f"{each.matched} matched ({each.recorded} recorded) + {each.explained} explained "
                f"+ {each.open} open"
            )
    for balance in report.balances:
        yield (
            f"  balance, {balance.currency}: {balance.opening} + {balance.moved} = "
            f"{balance.closing}, difference {balance.difference}"
        )
    if report.waits_for_second_person:
        yield (
            f"  {report.waiting_amount} in minor units wait for a second person: an admin has to "
            "bring the same file over HTTP"
        )
    yield f"  {report.unexplained} unexplained"


def _said(error: Exception) -> str:
    if isinstance(error, UnreadableStatementError):
        return f"{error.column} {error}"
    return "another statement of this provider is being read"


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            yield piece


def _reconciled(settings: Settings, upload: Upload) -> tuple[StatementReport, list[Item]]:
    with ExitStack() as stack:
        server = embedded_server(settings)
        if server is not None:
            stack.enter_context(server)
        book = book_location(settings, DatabaseRole.APP)
        key_store = stack.enter_context(closing(KeyStore(settings.key_store_file)))
        ledger = stack.enter_context(closing(Ledger(book, book_time=book_time(settings))))
        done = Reconciler(ledger, key_store, settings).reconcile(upload)
        return asyncio.run(_read(Reader(book), done.statement_id))


async def _read(unopened: Reader, statement_id: UUID) -> tuple[StatementReport, list[Item]]:
    async with unopened as reader:
        report = await statement_report(reader, statement_id)
        assert report is not None  # noqa: S101 - it was just written
        found: list[Item] = []
        cursor = None
        while True:
            some, cursor = await items_page(
                reader, report.statement, state="open", cursor=cursor, limit=200
            )
            found += some
            if cursor is None:
                return report, found
