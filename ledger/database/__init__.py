"""How the ledger reaches its PostgreSQL: binaries, embedded server, roles, locations."""
