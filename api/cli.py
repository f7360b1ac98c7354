"""`hesabu`: the command line. One command a process, and what an operator needs beside them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import psycopg
import typer
from pydantic import ValidationError

from api.app import create_app
from api.auth import Role
from api.book_metrics import OF_DISPATCHER, BookCollector
from api.clock import Clock
from api.clock_board import ClockBoard
from api.clock_pace import SPEED_MAX, Pace
from api.clock_renewals import Renewals
from api.clock_schedules import Schedules
from api.database import book_location, book_time, database_location
from api.development import run_everything
from api.dispatcher import Dispatcher
from api.dispatcher_tasks import TaskBoard
from api.erase_commands import add_erase_commands
from api.error_page import error_page
from api.explain_commands import add_explain_commands
from api.export_command import write_export
from api.key_sets import KeySetError, load_key_set
from api.log_follower import LogFollower
from api.metrics import Metrics, served
from api.notifications.registry import notifiers_of
from api.observability import configure_logging
from api.posting_rules import posting_rules
from api.projection_commands import projection_commands, set_up
from api.projector_process import project
from api.providers.registry import providers_of
from api.reconcile_command import add_reconcile_command
from api.replay_command import replay_and_report
from api.sandbox_operator.__main__ import main as operate
from api.seal_memory import UnreadableMemoryError
from api.sealer import seal
from api.serving import serve as serve_http
from api.settings import Settings
from api.signing_keys import SigningKeysError, checkpoint_signers, receipt_signers
from api.tokens import NotInProductionError, issue_token
from api.webhooks_out.serving import send_webhooks
from ledger.application import Ledger
from ledger.database.binaries import PostgresUnavailable
from ledger.database.location import InvalidDatabaseUrl
from ledger.database.migrate import migrate as run_migrations
from ledger.database.migrate import newest_revision
from ledger.database.preflight import UnsafeDatabaseError, check_database
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from ledger.key_store import KeyStore
from projections.exports.formats import KINDS, ExportFormat
from projections.reader import PositionNotReached, ReadUnavailable
from projections.sealed_log import InconsistentLogError

app = typer.Typer(
    name="hesabu",
    help="The event-sourced ledger under a creator platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def migrate() -> None:
    """Create or upgrade the tables of the book, read models too. Safe to run again and again."""
    settings = _settings()
    run_migrations(database_location(settings), schema=settings.book)
    typer.echo(f"The book '{settings.book}' is at migration {newest_revision()}.")
    set_up(settings)


@app.command()
def serve() -> None:
    """Serve the HTTP API."""
    settings = _settings()
    configure_logging(settings.log_level)
    _refuse_unusable_keys(settings)
    _refuse_unsafe(settings, DatabaseRole.APP)
    try:
        status = serve_http(settings)
    except KeyboardInterrupt:
        return
    raise typer.Exit(status)


@app.command()
def dispatcher() -> None:
    """Take initiated payments to their providers, and ask for what stays unknown."""
    settings = _settings()
    configure_logging(settings.log_level)
    _refuse_unsafe(settings, DatabaseRole.DISPATCHER)
    asyncio.run(_dispatch(settings))


@app.command()
def projector() -> None:
    """Keep the read models at the head of the log, and build those anew that are asked for."""
    settings = _settings()
    configure_logging(settings.log_level)
    _refuse_unsafe(settings, DatabaseRole.PROJECTOR)
    project(settings)


@app.command()
def webhooks() -> None:
    """Send what happened to the endpoints that creators and the platform have registered."""
    settings = _settings()
    configure_logging(settings.log_level)
    _refuse_unsafe(settings, DatabaseRole.WEBHOOKS)
    asyncio.run(send_webhooks(settings))


@app.command()
def clock(
    speed: Annotated[
        int, typer.Option(min=1, max=SPEED_MAX, help="How many times as fast as the real time.")
    ] = 1,
) -> None:
    """Do what is due: release funds, end holds, pay out by schedule, renew subscriptions."""
    settings = _settings()
    if speed > 1 and not settings.time_may_run_ahead:
        typer.echo("Not starting: --speed needs HESABU_TIME_MAY_RUN_AHEAD", err=True)
        raise typer.Exit(2)
    configure_logging(settings.log_level)
    _refuse_unsafe(settings, DatabaseRole.CLOCK)
    asyncio.run(_keep_time(settings, speed))


@app.command()
def sealer(
    *,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="Look at every event again before anything is signed."),
    ] = False,
) -> None:
    """Sign what the log holds, once a second at most, so that nobody can change it unseen."""
    settings = _settings()
    configure_logging(settings.log_level)
    _refuse_unsafe(settings, DatabaseRole.SEALER)
    try:
        seal(settings, recheck=recheck)
    except (InconsistentLogError, UnreadableMemoryError, SigningKeysError) as error:
        typer.echo(f"Not sealing: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def verifier_keys() -> None:
    """Print the public keys of the sealer and of receipts, for auditors, fans and creators to pin.

    Give them by a way of their own.
    """
    settings = _settings()
    origin = settings.origin
    try:
        for signer in (
            *checkpoint_signers(settings.seal_keys_directory, origin),
            *receipt_signers(settings.receipt_keys_directory, origin),
        ):
            typer.echo(str(signer.verifier_key))
    except SigningKeysError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@app.command()
def export(
    output: Annotated[str, typer.Option(help="A file, or - for standard output.")] = "-",
    which: Annotated[
        ExportFormat, typer.Option("--format", help="Who is to read it.")
    ] = ExportFormat.BUNDLE,
    until: Annotated[
        int | None, typer.Option(min=0, help="The last position; the head if left out.")
    ] = None,
) -> None:
    """Write the whole book: for hesabu-verify, or in a format that other programs read."""
    if KINDS[which].compressed and output.endswith(".gz"):
        raise typer.BadParameter(f"{which} is compressed in itself; leave .gz out")
    settings = _settings()
    _refuse_unsafe(settings, DatabaseRole.AUDITOR)
    try:
        written = asyncio.run(write_export(settings, output, which, until))
    except (PositionNotReached, ReadUnavailable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{written} events.", err=True)


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="What the caller is.")],
    subject: Annotated[UUID | None, typer.Option(help="The caller's id; new if left out.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=24)] = 12,
) -> None:
    """Issue a development token. Refuses to run in production."""
    try:
        issued = issue_token(
            _settings(), role=role, subject=subject or uuid4(), lifetime_seconds=hours * 3600
        )
    except NotInProductionError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(issued)


@app.command()
def replay(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with the live tables; the default.")
    ] = True,
) -> None:
    """Rebuild balances and journal from the events alone and compare; exit 1 on any difference."""
    if not verify:
        raise typer.BadParameter("there is nothing else to do than to verify")
    raise typer.Exit(replay_and_report(_settings()))


@app.command()
def dev(
    *,
    story: Annotated[bool, typer.Option("--story", help="Play the demo story first.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop after the story.")] = False,
) -> None:
    """Run everything in one terminal: database, operator, every process. Ctrl-C stops it all."""
    raise typer.Exit(run_everything(_settings(), story=story or once, once=once))


@app.command()
def sandbox_operator(
    port: Annotated[int, typer.Option(min=0, max=65_535)] = 8090,
) -> None:
    """Run the sandbox mobile-money operator."""
    sys.argv = ["sandbox-operator", "--port", str(port)]
    operate()


@app.command()
def docs(
    directory: Annotated[Path, typer.Option(help="Where the generated files go.")] = Path("docs"),
) -> None:
    """Write the generated documentation: openapi.json, errors.md and posting-rules.md."""
    directory.mkdir(parents=True, exist_ok=True)
    document = create_app(_settings()).openapi()
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    (directory / "openapi.json").write_text(text + "\n", encoding="utf-8")
    (directory / "errors.md").write_text(error_page(document), encoding="utf-8")
    (directory / "posting-rules.md").write_text(posting_rules(), encoding="utf-8")


def _settings() -> Settings:
    """The settings from the environment; a wrong one is named, and its value is not shown."""
    try:
        return Settings()
    except ValidationError as error:
        for wrong in error.errors(include_input=False):
            name = "_".join(str(part) for part in wrong["loc"]) or "settings"
            typer.echo(f"Not starting: {name}: {wrong['msg']}", err=True)
        raise typer.Exit(2) from None


def _refuse_unusable_keys(settings: Settings) -> None:
    """Say in one line what is wrong with the key set, instead of a traceback."""
    try:
        if settings.key_set_file is not None:
            load_key_set(settings.key_set_file)
    except KeySetError as error:
        typer.echo(f"Not starting: {error}", err=True)
        raise typer.Exit(1) from None


def _refuse_unsafe(settings: Settings, role: DatabaseRole) -> None:
    """Say in one line why the database is not safe, instead of a traceback."""
    try:
        check_database(book_location(settings, role))
    except (UnsafeDatabaseError, InvalidDatabaseUrl, PostgresUnavailable) as error:
        reason = str(error)
    except psycopg.OperationalError:
        # Its own text names host and user; the settings say the same to whoever may read them.
        reason = "The database cannot be reached. Start it, or correct DATABASE_URL."
    else:
        return
    typer.echo(f"Not starting: {reason}", err=True)
    raise typer.Exit(1)


app.add_typer(projection_commands(_settings), name="projections")
add_explain_commands(app, _settings)
add_erase_commands(app, _settings)
add_reconcile_command(app, _settings)


async def _dispatch(settings: Settings) -> None:

    book = book_location(settings, DatabaseRole.DISPATCHER)
    key_store = KeyStore(settings.key_store_file)
    providers = providers_of(settings)
    metrics = Metrics()
    ledger = Ledger(book, book_time=book_time(settings), observe=metrics.turn)
    board = TaskBoard(ledger)
    follower = LogFollower(ledger, board)
    notifiers = notifiers_of(settings)
    worker = Dispatcher(
        ledger,
        board,
        key_store,
        providers=providers,
        notifiers=notifiers,
        settings=settings,
    )
    tune_garbage_collection()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    try:
        with served(metrics, settings, BookCollector(book, OF_DISPATCHER)):
            await worker.run()
    finally:
        follower.close()
        for provider in providers.values():
            await provider.close()
        for notifier in notifiers.values():
            await notifier.close()
        board.close()
        ledger.close()
        key_store.close()


async def _keep_time(settings: Settings, speed: int) -> None:
    providers = providers_of(settings)
    pace = Pace(speed) if settings.time_may_run_ahead else None
    metrics = Metrics()
    ledger = Ledger(
        book_location(settings, DatabaseRole.CLOCK), book_time=pace, observe=metrics.turn
    )
    board = ClockBoard(ledger, settings.time_zone)
    follower = LogFollower(ledger, board)
    worker = Clock(
        ledger, board, Schedules(providers, settings), Renewals(providers, settings), pace=pace
    )
    tune_garbage_collection()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    try:
        with served(metrics, settings):
            await worker.run()
    finally:
        follower.close()
        for provider in providers.values():
            await provider.close()
        board.close()
        ledger.close()


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
