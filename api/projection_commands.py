"""`hesabu projections …`: how read models stand, building one anew, comparing it with the log.

Starts the embedded database for the time it takes, if nothing else runs it.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from api.database import book_location, embedded_server
from ledger.application import Ledger
from ledger.database.roles import DatabaseRole
from projections.deployment import set_up_read_models
from projections.feeder import PoisonedError
from projections.journal_rebuild import rebuild_of
from projections.model_statuses import GenerationStatus, ModelStatus, ModelStatuses, model_statuses
from projections.models import EVERY_MODEL
from projections.reader import Reader
from projections.rebuild import DifferentError, RebuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.settings import Settings
    from projections.differences import Difference
    from projections.read_model import ReadModel
    from projections.rebuild import Progress as BuildProgress
    from projections.rebuild import Rebuild

Name = Annotated[str, typer.Argument(help="As `hesabu projections list` calls it.")]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-differences",
        help="Of the journal: read what the log says, although what was read says otherwise.",
    ),
]

console = Console(highlight=False)


def projection_commands(settings: Callable[[], Settings]) -> typer.Typer:
    """The commands; each asks for the settings when it runs."""
    commands = typer.Typer(help="Read models: how they stand, and building them anew.")

    @commands.command("list")
    def list_() -> None:
        """List the read models and their generations."""
        console.print(_generations(_statuses(settings())))

    @commands.command()
    def status() -> None:
        """Show how far each read model is, and what went wrong; exit 1 if one is parked."""
        statuses = _statuses(settings())
        console.print(_lags(statuses))
        raise typer.Exit(int(_print_parked(statuses)))

    @commands.command()
    def rebuild(name: Name, *, accept_differences: Accept = False) -> None:
        """Build a read model anew from the log, beside the one that is read until it is done."""
        with _rebuild(settings(), name, accept_differences=accept_differences) as building:
            rebuilt = building.run()
        if rebuilt.differences:
            _print_differences(rebuilt.differences)
        elif rebuilt.differences is not None:
            console.print("[green]The old generation said the same.[/green]")
        console.print(
            f"Generation {rebuilt.generation} of {name} is read, from position {rebuilt.position}."
        )

    @commands.command()
    def diff(name: Name) -> None:
        """Build a read model beside the one that is read, and compare; exit 1 on a difference."""
        with _rebuild(settings(), name) as building:
            differences = building.compare()
        if differences is None:
            console.print("[yellow]It is of another version: there is nothing to compare.[/yellow]")
        elif not differences:
            console.print(f"[green]{name} is what the log says.[/green]")
        else:
            _print_differences(differences)
        raise typer.Exit(int(differences != []))

    return commands


def set_up(settings: Settings) -> None:
    """Begin read models that are new, and build anew what is read in an older version."""
    book = book_location(settings, DatabaseRole.REBUILDER)
    about: list[str] = []
    with _building_bars() as tell:

        def note(name: str, found: BuildProgress) -> None:
            about[:] = [name]
            tell(name, found)

        try:
            built = set_up_read_models(book, EVERY_MODEL, settings.time_zone, tell=note)
        except PoisonedError as poison:
            _print_poison("".join(about), poison)
            raise typer.Exit(1) from None
    for name, rebuilt in built.items():
        console.print(f"Generation {rebuilt.generation} of {name} is read: it is of a new version.")


@contextmanager
def _building_bars() -> Iterator[Callable[[str, BuildProgress], None]]:
    """A bar for each read model that is being built: events, rate, and time left."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events"),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        bars: dict[str, int] = {}

        def tell(name: str, found: BuildProgress) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name)
            bar = progress.tasks[bars[name]].id
            progress.update(bar, completed=found.position, total=found.head, rate=found.rate)

        yield tell


class _RateColumn(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields.get('rate', 0.0):,.0f}/s")


@contextmanager
def _running_database(settings: Settings) -> Iterator[None]:
    with ExitStack() as stack:
        server = embedded_server(settings)
        if server is not None:
            stack.enter_context(server)
        yield


def _statuses(settings: Settings) -> ModelStatuses:
    async def ask() -> ModelStatuses:
        async with Reader(book_location(settings, DatabaseRole.APP)) as reader:
            return await model_statuses(reader)

    with _running_database(settings):
        return asyncio.run(ask())


@contextmanager
def _rebuild(
    settings: Settings, name: str, *, accept_differences: bool = False
) -> Iterator[Rebuild]:
    model = _model(name)
    with _running_database(settings), _building_bars() as tell:
        ledger = Ledger(book_location(settings, DatabaseRole.REBUILDER))
        try:
            yield rebuild_of(
                ledger,
                model,
                settings.time_zone,
                tell=lambda progress: tell(name, progress),
                accept_differences=accept_differences,
            )
        except PoisonedError as poison:
            _print_poison(name, poison)
            raise typer.Exit(1) from None
        except DifferentError as error:
            _print_differences(error.differences)
            console.print(
                "It is read on. `--accept-differences` puts in its place what the log says."
            )
            raise typer.Exit(1) from None
        except RebuildError as error:
            console.print(f"[red]{type(error).__doc__}[/red]")
            raise typer.Exit(1) from None
        except psycopg.OperationalError:
            console.print("[red]The database went away. Repeat it: it is gone on with.[/red]")
            raise typer.Exit(1) from None
        finally:
            ledger.close()


def _model(name: str) -> type[ReadModel]:
    for model in EVERY_MODEL:
        if model.name == name:
            return model
    known = ", ".join(sorted(model.name for model in EVERY_MODEL))
    console.print(f"There is no read model '{name}'. There are: {known}", markup=False)
    raise typer.Exit(2)


def _generations(statuses: ModelStatuses) -> Table:
    table = Table("read model", "code", "is read", "is built", "retired")
    for model in statuses.models:
        table.add_row(
            model.name,
            "none" if model.code_version is None else f"version {model.code_version}",
            _generation(model.live),
            _generation(model.building),
            ", ".join(map(str, model.retired)),
        )
    return table


def _generation(found: GenerationStatus | None) -> str:
    return "" if found is None else f"generation {found.number}, version {found.version}"


def _lags(statuses: ModelStatuses) -> Table:
    table = Table(title=f"The log is at {statuses.position}")
    table.add_column("read model")
    table.add_column("state")
    for column in ("position", "events behind", "seconds behind", "events/s", "time left"):
        table.add_column(column, justify="right")
    for model in statuses.models:
        for found in filter(None, (model.live, model.building)):
            table.add_row(*_lag(model, found))
    return table


def _lag(model: ModelStatus, found: GenerationStatus) -> tuple[str, ...]:
    left = found.seconds_left if found.state == "building" else None
    return (
        model.name,
        f"[red]parked at {found.parked.position}[/red]" if found.parked else found.state,
        f"{found.position}",
        f"{found.lag_events}",
        f"{found.lag_seconds:.1f}",
        f"{found.rate:,.0f}" if found.state == "building" else "",
        "" if left is None else f"{left:,.0f} s",
    )


def _print_parked(statuses: ModelStatuses) -> bool:
    """Print every error; whether there is one."""
    any_parked = False
    for model in statuses.models:
        for found in filter(None, (model.live, model.building)):
            if found.parked is not None:
                any_parked = True
                console.print(
                    f"\n[red]{model.name} is parked before the event at {found.parked.position}.[/]"
                )
                console.print(found.parked.trace, markup=False, soft_wrap=True)
    return any_parked


def _print_poison(name: str, poison: PoisonedError) -> None:
    console.print(f"[red]The event at {poison.position} cannot be applied to {name}:[/red]")
    console.print(f"{type(poison.error).__name__}: {poison.error}", markup=False)


def _print_differences(differences: list[Difference]) -> None:
    table = Table("table", "rows only in the old one", "rows only in the new one")
    for each in differences:
        table.add_row(each.table, str(each.only_old), str(each.only_new))
    console.print("[red]The generation that was read is not what the log says.[/red]")
    console.print(table)
