"""Which database a process uses: DATABASE_URL, or the embedded one. And what time its book has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.book_time import BookTime, DatabaseTime, RatchetingTime
from ledger.database.connections import BookLocation
from ledger.database.embedded import EmbeddedPostgres
from ledger.database.location import DatabaseLocation

if TYPE_CHECKING:
    from api.settings import Settings
    from ledger.database.roles import DatabaseRole

EMBEDDED_DATABASE = "hesabu"


def embedded_server(settings: Settings) -> EmbeddedPostgres | None:
    """The embedded server of the data directory, or None where DATABASE_URL names another."""
    if settings.database_url is not None:
        return None
    return EmbeddedPostgres(settings.data_directory / "postgres")


def database_location(settings: Settings) -> DatabaseLocation:
    """Where the database is. The embedded server must be running (`hesabu dev` runs it)."""
    if settings.database_url is not None:
        owner = settings.database_owner_url
        return DatabaseLocation.from_url(
            settings.database_url.get_secret_value(),
            owner_url=None if owner is None else owner.get_secret_value(),
        )
    return DatabaseLocation.from_embedded(
        EmbeddedPostgres(settings.data_directory / "postgres"), EMBEDDED_DATABASE
    )


def book_location(settings: Settings, role: DatabaseRole) -> BookLocation:
    """The book, as one of the database's roles."""
    return BookLocation(database_location(settings), role, settings.book)


def book_time(settings: Settings) -> BookTime:
    """The book's time, for every process but the clock."""
    return RatchetingTime() if settings.time_may_run_ahead else DatabaseTime()
