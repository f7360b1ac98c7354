"""What is recorded stays: refused by the role's rights, and by the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.location import DatabaseLocation
from ledger.database.roles import DatabaseRole
from projections.models import READ_MODELS
from projections.read_model import of
from tests.builders import register_creator, report_success
from tests.databases import Databases, rows, superuser
from tests.invariants import assert_book_is_sound
from tests.subscription_builders import (
    by_card,
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

APPEND_ONLY = (
    "ledger_events",
    "turns",
    # Of the journal's two sides the one that is live in a new book.
    "journal_lines_odd",
    "creator_subscriptions",
    "access_records",
    "token_revocations",
    "merkle_tiles",
    "checkpoints",
    "erasures",
    "vault_looks",
    "provider_statements",
    "provider_statement_parts",
    "provider_statement_uploads",
    "provider_statement_balances",
    "provider_statement_lines",
    "provider_statement_rows",
    "provider_statement_words",
    "provider_statement_amounts",
    "provider_entries",
    "reconciled_entries",
    "reconciliation_items",
    "reconciliation_decisions",
    "webhook_endpoint_changes",
)
CHANGES = {
    "update": "UPDATE {table} SET {column} = {column}",
    "delete": "DELETE FROM {table}",
    "delete nothing": "DELETE FROM {table} WHERE false",
    "truncate": "TRUNCATE {table}",
    "truncate cascade": "TRUNCATE {table} CASCADE",
    "overwrite": "INSERT INTO {table} SELECT * FROM {table} LIMIT 1 "
    "ON CONFLICT ({key}) DO UPDATE SET {column} = {table}.{column}",
}
COLUMNS = {
    "ledger_events": "notification_id",
    "turns": "position",
    "journal_lines_odd": "position",
    "creator_subscriptions": "position",
    "access_records": "status",
    "token_revocations": "reason",
    "merkle_tiles": "root",
    "checkpoints": "note",
    "erasures": "reason",
    "vault_looks": "reason",
    "provider_statements": "rows",
    "provider_statement_parts": "ciphertext",
    "provider_statement_uploads": "statement_id",
    "provider_statement_balances": "closing",
    "provider_statement_lines": "outcome",
    "provider_statement_rows": "line_key",
    "provider_statement_words": "word",
    "provider_statement_amounts": "amount",
    "provider_entries": "amount",
    "reconciled_entries": "line_key",
    "reconciliation_items": "why",
    "reconciliation_decisions": "reason",
    "webhook_endpoint_changes": "reason",
}
KEYS = {
    **COLUMNS,
    "journal_lines_odd": "position, line",
    "access_records": "record_id",
    "token_revocations": "revocation_id",
    "merkle_tiles": "level, index",
    "checkpoints": "size",
    "erasures": "erasure_id",
    "vault_looks": "look_id",
    "provider_statements": "statement_id",
    "provider_statement_parts": "statement_id, part",
    "provider_statement_uploads": "scope, key",
    "provider_statement_balances": "statement_id, currency",
    "provider_statement_lines": "provider, line_key",
    "provider_statement_rows": "statement_id, number, part",
    "provider_statement_words": "number",
    "provider_statement_amounts": "number",
    "provider_entries": "position, line",
    "reconciled_entries": "position, line",
    "reconciliation_items": "item_id",
    "reconciliation_decisions": "decision_id",
    "webhook_endpoint_changes": "change_id",
}
REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation)
"""By a role's rights; or because a side of the journal is live, which a rebuilder may not touch."""
EVERYBODY = [role for role in DatabaseRole if role is not DatabaseRole.OWNER]
WRITERS = (DatabaseRole.APP, DatabaseRole.DISPATCHER, DatabaseRole.CLOCK)

every_table = pytest.mark.parametrize("table", APPEND_ONLY)


@pytest.fixture(scope="module")
def recorded(databases: Databases) -> Iterator[DatabaseLocation]:
    """A database with something in each table; nothing here may change it."""
    database = databases.create()
    ledger = Ledger(BookLocation(database, DatabaseRole.APP))
    creator, tier = uuid4(), uuid4()
    for command in (
        register_creator(creator),
        report_success(None),
        create_tier(creator, tier),
        publish_price(creator, tier, 50_000),
        publish_tier(creator, tier),
        subscribe(uuid4(), creator, tier, by_card(uuid4())),
    ):
        ledger.execute_one(command)
    ledger.close()
    yield database
    databases.drop(database)


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_process_may_change_what_is_recorded(
    recorded: DatabaseLocation, role: DatabaseRole
) -> None:
    with BookLocation(recorded, role).connect_reader() as connection:
        for table in APPEND_ONLY:
            for change in CHANGES.values():
                statement = change.format(table=table, column=COLUMNS[table], key=KEYS[table])
                with pytest.raises(REFUSED):
                    connection.execute(statement.encode())
    assert_book_is_sound(recorded)


@every_table
@pytest.mark.parametrize("change", [name for name in CHANGES if name != "overwrite"])
def test_not_even_the_owner_changes_what_is_recorded_by_accident(
    recorded: DatabaseLocation, table: str, change: str
) -> None:
    statement = CHANGES[change].format(table=table, column=COLUMNS[table]).encode()
    for connection in (
        BookLocation(recorded, DatabaseRole.OWNER).connect_reader(),
        superuser(recorded),
    ):
        with connection, pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            connection.execute(statement)
    assert_book_is_sound(recorded)


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_process_may_turn_the_guard_off(recorded: DatabaseLocation, role: DatabaseRole) -> None:
    with BookLocation(recorded, role).connect_reader() as connection:
        for statement in (
            "ALTER TABLE ledger_events DISABLE TRIGGER ALL",
            "DROP TRIGGER append_only ON ledger_events",
            "SET session_replication_role = replica",
            "DROP TABLE ledger_events",
            "ALTER TABLE ledger_events ADD COLUMN more text",
            "SET ROLE hesabu_owner",
            "DROP FUNCTION refuse_change() CASCADE",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize("role", [role for role in EVERYBODY if role != DatabaseRole.REBUILDER])
def test_no_process_but_the_rebuilder_may_make_tables(
    recorded: DatabaseLocation, role: DatabaseRole
) -> None:
    with (
        BookLocation(recorded, role).connect_reader() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE mine (id int)")


@pytest.mark.parametrize("role", [role for role in EVERYBODY if role not in WRITERS])
def test_only_those_who_run_turns_may_append(
    recorded: DatabaseLocation, role: DatabaseRole
) -> None:
    with BookLocation(recorded, role).connect_reader() as connection:
        for table in (*APPEND_ONLY, "balances_odd", "idempotency_keys", "vault_entries", "inbox"):
            if role is DatabaseRole.SEALER and table in {"merkle_tiles", "checkpoints"}:
                continue
            if role is DatabaseRole.WEBHOOKS and table == "webhook_endpoint_changes":
                continue
            # A rebuilder may fill a side of the journal, and not the live one.
            refused = REFUSED if table.endswith("_odd") else psycopg.errors.InsufficientPrivilege
            with pytest.raises(refused):
                connection.execute(f"INSERT INTO {table} DEFAULT VALUES".encode())


def test_a_rebuilder_changes_no_balance_that_is_read(recorded: DatabaseLocation) -> None:
    with BookLocation(recorded, DatabaseRole.REBUILDER).connect_reader() as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            connection.execute("UPDATE balances_odd SET balance = balance + 1")
        connection.execute("UPDATE balances_even SET balance = balance + 1")
    assert_book_is_sound(recorded)


def test_an_auditor_reads_the_log_and_neither_the_vault_nor_the_inbox(
    recorded: DatabaseLocation,
) -> None:
    with BookLocation(recorded, DatabaseRole.AUDITOR).connect_reader() as connection:
        for table in (
            "ledger_events",
            "turns",
            "creator_subscriptions",
            "journal_lines",
            "balances",
        ):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() != (0,)
        for table in ("vault_entries", "inbox", "idempotency_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT count(*) FROM {table}".encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balances_odd SET account = 'platform:fees'",
        "UPDATE balances_odd SET currency = 'UGX'",
        "DELETE FROM balances_odd",
        "UPDATE balances SET balance = 0",
        "UPDATE idempotency_keys SET refusal = NULL",
        "DELETE FROM idempotency_keys",
        "UPDATE vault_entries SET ciphertext = ''",
        "DELETE FROM vault_entries",
        "UPDATE inbox SET natural_key = ''",
        "DELETE FROM inbox",
        "UPDATE ledger_tracking SET notification_id = 0",
    ],
)
def test_the_app_changes_only_what_a_turn_changes(
    recorded: DatabaseLocation, statement: str
) -> None:
    with (
        BookLocation(recorded, DatabaseRole.APP).connect_writer() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    "values",
    [
        "(gen_random_uuid(), 0, 't', '', 4)",
        "(gen_random_uuid(), 1, 't', '', 0)",
        "(gen_random_uuid(), 1, 't', '', 1)",
        "(gen_random_uuid(), 1, 't', '', NULL)",
    ],
)
def test_the_log_refuses_a_position_that_is_taken_or_none(
    recorded: DatabaseLocation, values: str
) -> None:
    with (
        BookLocation(recorded, DatabaseRole.APP).connect_writer() as connection,
        pytest.raises(psycopg.errors.IntegrityError),
    ):
        connection.execute(f"INSERT INTO ledger_events VALUES {values}".encode())


def test_no_table_of_the_book_is_left_without_a_decision(recorded: DatabaseLocation) -> None:
    """A new table must be thought about here: is it append-only, and who may change it?"""
    found = rows(recorded, "SELECT tablename FROM pg_tables WHERE schemaname = 'hesabu'")
    guarded = rows(
        recorded,
        "SELECT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE tgname = 'append_only'",
    )
    other_side = {"journal_lines_even", "journal_lines_of_both_sides"}
    assert {name for (name,) in guarded} == set(APPEND_ONLY) | other_side
    balances = {"balances_odd", "balances_even", "balances_of_both_sides"}
    changing = {"idempotency_keys", "vault_entries", "inbox", "notifications"}
    changing |= {"webhook_endpoints", "webhook_secrets", "webhook_messages", "webhook_attempts"}
    changing |= {"webhook_replays", "webhook_follower"}
    passing = {"dispatcher_tasks", "clock_due", "live_prompts", "rate_limit_windows"}
    library = {"ledger_tracking", "alembic_version"}
    # Made anew from the log at any time: they belong to the rebuilder, who has nothing else.
    listed = {"read_models", "rebuild_requests"}
    rebuilt = {of(table, 1) for model in READ_MODELS for table in model.names}
    assert {name for (name,) in found} == (
        set(APPEND_ONLY) | other_side | balances | changing | passing | library | listed | rebuilt
    )
    owned = rows(
        recorded,
        "SELECT tablename FROM pg_tables "
        "WHERE schemaname = 'hesabu' AND tableowner = 'hesabu_rebuilder'",
    )
    assert {name for (name,) in owned} == rebuilt
