"""Alembic's entry: the connection comes from ledger/database/migrate.py, in a transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
