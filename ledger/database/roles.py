"""Who may do what in the database? Every process has a role with its own rights.

Only the roles are made here. What each may touch is granted by the migrations, beside the tables.
"""

from collections.abc import Mapping
from enum import StrEnum

import psycopg
from psycopg import sql

ENSURE_ATTEMPTS_MAX = 5

LOCK_ROLES = "SELECT pg_advisory_xact_lock(hashtextextended('hesabu: ensure_roles', 0))"
EXISTING_ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
ROLES_OUT_OF_REACH = """
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%s) AND NOT pg_has_role(current_user, oid, 'SET')
ORDER BY rolname
"""
CREATE_ROLE = sql.SQL("CREATE ROLE {role} NOLOGIN")
ALLOW_LOGIN = sql.SQL("ALTER ROLE {role} LOGIN PASSWORD {verifier}")
# SET without INHERIT: a login has a role's rights only while it acts as that role.
GRANT_TO_CURRENT_USER = sql.SQL("GRANT {role} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")


class DatabaseRole(StrEnum):
    """The database roles, one for each kind of process."""

    OWNER = "hesabu_owner"
    """Owns the schema; migrations run as it."""
    APP = "hesabu_app"
    """The API processes: the writer of the log."""
    DISPATCHER = "hesabu_dispatcher"
    PROJECTOR = "hesabu_projector"
    CLOCK = "hesabu_clock"
    SEALER = "hesabu_sealer"
    WEBHOOKS = "hesabu_webhooks"
    """Sends what happened to those who asked for it: reads the log, and adds nothing to it."""
    AUDITOR = "hesabu_auditor"
    """Reads, and nothing else."""
    REBUILDER = "hesabu_rebuilder"
    """May create new generations of read models."""


class RolesUnavailable(Exception):
    """The database login can neither create Hesabu's roles nor act as them: it needs CREATEROLE."""

    def __init__(self) -> None:
        """Say what the class's docstring says."""
        super().__init__(type(self).__doc__)


def ensure_roles(
    connection: psycopg.Connection, passwords: Mapping[DatabaseRole, str] | None = None
) -> None:
    """Create the roles that are missing, and let the current user act as each of them.

    With passwords the roles named there may log in with them (SCRAM); without, new roles cannot
    log in and existing ones keep what they have. May run repeatedly and from many processes at
    once. Passwords reach the server as SCRAM verifiers only, so no log of it can show them.

    Raises:
        RolesUnavailable: the connection's user may neither create nor become a role.

    """
    for attempt in range(1, ENSURE_ATTEMPTS_MAX + 1):
        try:
            with connection.transaction():
                _ensure_roles(connection, passwords or {})
        except psycopg.errors.InsufficientPrivilege as error:
            raise RolesUnavailable from error
        # Roles belong to the whole server, but an advisory lock to one database: processes in
        # two databases can still meet, and PostgreSQL then reports one of these three.
        except (
            psycopg.errors.DuplicateObject,
            psycopg.errors.UniqueViolation,
            psycopg.errors.InternalError_,
        ):
            if attempt == ENSURE_ATTEMPTS_MAX:
                raise
        else:
            return


def _ensure_roles(connection: psycopg.Connection, passwords: Mapping[DatabaseRole, str]) -> None:
    names = [role.value for role in DatabaseRole]
    connection.execute(LOCK_ROLES)
    existing = {name for (name,) in connection.execute(EXISTING_ROLES, [names])}
    for name in names:
        if name not in existing:
            connection.execute(CREATE_ROLE.format(role=sql.Identifier(name)))
    for role, password in passwords.items():
        verifier = connection.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        )
        connection.execute(
            ALLOW_LOGIN.format(role=sql.Identifier(role), verifier=verifier.decode())
        )
    for (name,) in connection.execute(ROLES_OUT_OF_REACH, [names]).fetchall():
        connection.execute(GRANT_TO_CURRENT_USER.format(role=sql.Identifier(name)))
