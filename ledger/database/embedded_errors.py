"""Why can an embedded PostgreSQL not be had? Each error's docstring is its message."""

from ledger.database.binaries import PostgresUnavailable


class InvalidSetting(PostgresUnavailable):
    """This PostgreSQL setting cannot be set here."""


class ServerNotRunning(PostgresUnavailable):
    """The embedded PostgreSQL is not running."""


class ServerStartFailed(PostgresUnavailable):
    """The embedded PostgreSQL did not start."""


class ServerStopFailed(PostgresUnavailable):
    """The embedded PostgreSQL did not stop."""


class ServerVersionMismatch(PostgresUnavailable):
    """The data directory belongs to another major version; HESABU_POSTGRES_BIN may name that."""


class DataDirectoryUnusable(PostgresUnavailable):
    """The embedded PostgreSQL's data directory cannot be used."""


class SocketDirectoryUnusable(PostgresUnavailable):
    """No safe directory was found for the embedded PostgreSQL's socket."""
