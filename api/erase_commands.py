"""`hesabu erase` and `hesabu erasures`: a person is erased, and who was; repeated after a restore.

Starts the embedded database for the time it takes, if nothing else runs it.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError

from api.database import book_location, embedded_server
from api.erasures import erasures_of
from api.routers.parts import Reason
from ledger.database.roles import DatabaseRole
from ledger.erasure_list import UnreadableErasureListError
from ledger.erasures import all_erasures
from ledger.errors import LedgerError
from ledger.key_store import KeyStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.settings import Settings
    from ledger.erasure_list import Erasure
    from ledger.erasures import Erasures

OPERATOR = "operator"
"""Who erases by the command line."""


def add_erase_commands(app: typer.Typer, settings: Callable[[], Settings]) -> None:
    """Add the commands; each asks for the settings when it runs."""

    @app.command()
    def erase(
        person: Annotated[UUID, typer.Argument(help="The id in their tokens.")],
        reason: Annotated[str, typer.Option(help="Why, in words that name no person.")],
    ) -> None:
        """Erase everything personal of a fan or a creator, for ever."""
        try:
            reason = TypeAdapter(Reason).validate_python(reason)
        except ValidationError as error:
            raise typer.BadParameter(error.errors(include_input=False)[0]["msg"]) from None
        with _erasures(settings()) as erasures:
            try:
                erasure, before = erasures.erase(person, by=OPERATOR, reason=reason)
            except LedgerError as error:
                typer.echo(error.message, err=True)
                raise typer.Exit(1) from None
        typer.echo(f"{person} was erased {_when(erasure)}" + (" already." if before else "."))

    @app.command()
    def erasures(
        *,
        repeat: Annotated[
            bool,
            typer.Option("--repeat", help="Do again what a restored database has forgotten."),
        ] = False,
    ) -> None:
        """List who was erased, by whom and why; or erase again whom a restore brought back."""
        chosen = settings()
        if repeat:
            with _erasures(chosen) as again:
                for erasure in again.repeat():
                    typer.echo(f"{erasure.person_id} was erased again.")
            return
        with _database(chosen):
            book = book_location(chosen, DatabaseRole.APP)
            with book.connect_reader() as connection:
                for erasure in all_erasures(connection):
                    typer.echo(_line(erasure))


def _when(erasure: Erasure) -> str:
    return erasure.recorded_at.isoformat(timespec="seconds")


def _line(erasure: Erasure) -> str:
    return f"{_when(erasure)}  {erasure.person_id}  {erasure.erased_by}  {erasure.reason}"


@contextmanager
def _database(settings: Settings) -> Iterator[None]:
    with ExitStack() as stack:
        server = embedded_server(settings)
        if server is not None:
            stack.enter_context(server)
        yield


@contextmanager
def _erasures(settings: Settings) -> Iterator[Erasures]:
    with _database(settings), closing(KeyStore(settings.key_store_file)) as key_store:
        try:
            yield erasures_of(settings, key_store)
        except UnreadableErasureListError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
