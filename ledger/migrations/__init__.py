"""Migrations of a book's tables, run by ledger/database/migrate.py."""
