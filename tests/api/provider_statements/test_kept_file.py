"""What is kept of a file: sealed, provable for some days, and never in clear text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from api.housekeeping import destroy_keys_of_unknown_origin
from api.provider_statements import sealed_file
from api.provider_statements.sealed_file import FileSealer, SealedPart, unsealed
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.key_store import Key, KeyDestroyedError
from tests.api.provider_statements.files import bring
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from api.provider_statements.reconciler import Reconciler
    from ledger.application import Ledger
    from ledger.database.location import DatabaseLocation
    from ledger.key_store import KeyStore

SECRET = b"0722 000 000 of somebody"
FILE = (
    b"transaction,type,status,reference,amount,currency,fee,occurred_at,balance,related\n"
    b"T1,payment,succeeded," + SECRET + b",7.00,KES,,2026-03-05T10:15:00Z,,\n"
)


def kept(database: DatabaseLocation, statement: UUID) -> tuple[UUID, str, list[SealedPart]]:
    [(key_id, file_hash)] = rows(
        database,
        "SELECT key_id, file_hash FROM provider_statements WHERE statement_id = %s",
        statement,
    )
    parts = rows(
        database,
        "SELECT part, ciphertext FROM provider_statement_parts WHERE statement_id = %s "
        "ORDER BY part",
        statement,
    )
    return key_id, file_hash, [SealedPart(*part) for part in parts]


def test_the_file_is_sealed_and_its_hash_is_of_a_salt_and_the_file(
    ledger: Ledger, reconciler: Reconciler, key_store: KeyStore, database: DatabaseLocation
) -> None:
    statement = bring(reconciler, FILE).statement_id
    key_id, file_hash, parts = kept(database, statement)
    assert not any(SECRET in part.ciphertext for part in parts)
    digest = hashlib.sha256()
    found = b"".join(unsealed(key_store.get(key_id), statement, parts, hashed=digest.update))
    assert found == FILE
    assert digest.hexdigest() == file_hash
    assert hashlib.sha256(FILE).hexdigest() != file_hash


def test_after_a_week_nobody_can_read_the_file(
    ledger: Ledger, reconciler: Reconciler, key_store: KeyStore, database: DatabaseLocation
) -> None:
    old, new = (bring(reconciler, FILE + line).statement_id for line in (b"", b"\n"))
    with superuser(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE provider_statements SET received_at = now() - interval '8 days' "
            "WHERE statement_id = %s",
            (old,),
        )
    with BookLocation(database, DatabaseRole.DISPATCHER).connect_reader() as connection:
        assert destroy_keys_of_unknown_origin(connection, key_store) == 1
    with pytest.raises(KeyDestroyedError):
        key_store.get(kept(database, old)[0])
    assert key_store.get(kept(database, new)[0]).secret


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=12),
    change=st.sampled_from(["nothing", "bit", "order", "end", "statement"]),
)
def test_only_the_parts_that_were_sealed_are_the_file(pieces: list[bytes], change: str) -> None:
    key, statement = Key(uuid4(), bytes(32)), uuid4()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealed_file, "PART_BYTES", 50)
        parts = list(FileSealer(key, statement).seal(pieces))
    if change == "bit":
        number, ciphertext = parts[-1]
        parts[-1] = SealedPart(number, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    elif change == "order" and len(parts) > 1:
        parts.reverse()
    elif change == "end" and len(parts) > 1:
        parts.pop()
    elif change == "statement":
        statement = uuid4()
    else:
        assert b"".join(unsealed(key, statement, parts)) == b"".join(pieces)
        return
    with pytest.raises(InvalidTag):
        list(unsealed(key, statement, parts))
