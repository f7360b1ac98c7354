"""Where the book's database is, and how each role reaches it.

A location is made once, where the process is wired together, and handed down. It can be pickled
for worker processes.
"""

from dataclasses import dataclass, field
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database.embedded import EmbeddedPostgres
from ledger.database.roles import DatabaseRole


class InvalidDatabaseUrl(ValueError):
    """The database URL is not one that PostgreSQL's client understands."""

    def __init__(self) -> None:
        """Say what the class's docstring says; never the URL, it holds a password."""
        super().__init__(type(self).__doc__)


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseLocation:
    """How each role reaches one database. Passwords appear in connection strings only."""

    _owner_conninfo: str
    _conninfo_of_role: dict[DatabaseRole, str] = field(hash=False)

    @classmethod
    def from_embedded(cls, server: EmbeddedPostgres, database: str) -> Self:
        """Locate a database of a started server, after `server.ensure_database(database)`.

        Raises:
            ServerNotRunning: the server is not running.

        """
        return cls(
            _owner_conninfo=server.owner_conninfo(database),
            _conninfo_of_role={role: server.conninfo(role, database) for role in DatabaseRole},
        )

    @classmethod
    def from_url(cls, url: str, *, owner_url: str | None = None) -> Self:
        """Locate a database by URL (or any libpq connection string).

        Every role logs in as `url` says and starts as that role, so it has that role's rights
        alone; the login must be a member of the roles, as `ensure_roles` makes it. The schema's
        owner logs in by `owner_url` where one is given, so that `url` need not be able to become
        it. A login can leave its role (SET ROLE NONE): give `url` a login without rights of its
        own.

        Raises:
            InvalidDatabaseUrl: a URL cannot be parsed.

        """
        owner = _parse(owner_url or url)
        login = _parse(url)
        return cls(
            _owner_conninfo=owner,
            _conninfo_of_role={
                role: _acting_as(role, owner if role is DatabaseRole.OWNER else login)
                for role in DatabaseRole
            },
        )

    def conninfo(self, role: DatabaseRole) -> str:
        """Return the connection string with which `role` reaches the database."""
        return self._conninfo_of_role[role]

    def owner_conninfo(self) -> str:
        """Return the connection string of the administrative login.

        It creates roles and databases. It is not `hesabu_owner`, who owns the schema:
        that is `conninfo(DatabaseRole.OWNER)`.
        """
        return self._owner_conninfo

    def __repr__(self) -> str:
        """Show where the database is, and no secret."""
        parameters = conninfo_to_dict(self._owner_conninfo)
        shown = [f"{name}={parameters.get(name)!r}" for name in ("host", "port", "dbname")]
        return f"{type(self).__name__}({', '.join(shown)})"


def _parse(url: str) -> str:
    try:
        return make_conninfo(url)
    except psycopg.ProgrammingError:
        # Not chained: libpq's message repeats parts of the URL, perhaps the password.
        raise InvalidDatabaseUrl from None


def _acting_as(role: DatabaseRole, conninfo: str) -> str:
    options = conninfo_to_dict(conninfo).get("options") or ""
    # The last of several settings wins, so the role stands behind what the URL brought along.
    return make_conninfo(conninfo, options=f"{options} -c role={role}".strip())
