"""The vault: what is sealed can be read by its key alone, and by nobody once the key is gone."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.application import Ledger
from ledger.key_store import KeyDestroyedError, KeyStore
from ledger.vault import PersonalData, mask_phone, read_entry, seal, unseal
from tests.builders import assign_fee_plan, register_creator
from tests.databases import value

PHONE = "+254712345678"
PERSON = uuid4()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(PersonalData))
def test_what_is_sealed_is_read_again(key_store: KeyStore, text: str, kind: PersonalData) -> None:
    entry = seal(key_store, person_id=PERSON, kind=kind, text=text)
    assert unseal(key_store, entry) == text
    assert (entry.person_id, entry.kind) == (PERSON, kind)
    if len(text) > 3:
        assert text.encode() not in entry.ciphertext


def test_the_same_text_sealed_twice_looks_different(key_store: KeyStore) -> None:
    one, two = (
        seal(key_store, person_id=PERSON, kind=PersonalData.PHONE, text=PHONE) for _ in range(2)
    )
    assert one.entry_id != two.entry_id
    assert one.key_id != two.key_id
    assert one.ciphertext[12:] != two.ciphertext[12:]


def test_a_row_cannot_be_passed_off_as_another(key_store: KeyStore) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.PHONE, text=PHONE)
    with pytest.raises(InvalidTag):
        unseal(key_store, replace(entry, entry_id=uuid4()))
    with pytest.raises(InvalidTag):
        unseal(key_store, replace(entry, kind=PersonalData.NAME))


def test_a_changed_byte_is_noticed(key_store: KeyStore) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.PHONE, text=PHONE)
    for at in range(len(entry.ciphertext)):
        changed = bytearray(entry.ciphertext)
        changed[at] ^= 1
        with pytest.raises(InvalidTag):
            unseal(key_store, replace(entry, ciphertext=bytes(changed)))


def test_another_key_does_not_open_it(key_store: KeyStore) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.PHONE, text=PHONE)
    with pytest.raises(InvalidTag):
        unseal(key_store, replace(entry, key_id=key_store.allocate().id))


def test_an_erased_person_cannot_be_read_by_anybody(key_store: KeyStore) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.NAME, text="Wanjirũ")
    key_store.destroy(entry.key_id)
    with pytest.raises(KeyDestroyedError):
        unseal(key_store, entry)


def test_secrets_are_not_printed(key_store: KeyStore) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.PHONE, text=PHONE)
    assert "ciphertext" not in repr(entry)
    command = replace(register_creator(), vault_entries=(entry,))
    assert PHONE not in repr(command)


def test_an_entry_is_stored_with_the_command_that_carries_it(
    ledger: Ledger, key_store: KeyStore
) -> None:
    entry = seal(key_store, person_id=PERSON, kind=PersonalData.NAME, text="Otieno")
    ledger.execute_one(replace(register_creator(), name=entry.entry_id, vault_entries=(entry,)))
    with ledger.book.connect_reader() as connection:
        stored = read_entry(connection, entry.entry_id)
        assert read_entry(connection, uuid4()) is None
    assert stored == entry
    assert unseal(key_store, stored) == "Otieno"


def test_a_refused_or_repeated_command_stores_no_entry(ledger: Ledger, key_store: KeyStore) -> None:
    def sealed() -> dict[str, object]:
        entry = seal(key_store, person_id=PERSON, kind=PersonalData.NAME, text="Otieno")
        return {"vault_entries": (entry,)}

    refused = replace(assign_fee_plan(uuid4()), **sealed())  # type: ignore[arg-type]
    register = replace(register_creator(), **sealed())  # type: ignore[arg-type]
    again = replace(register, **sealed())  # type: ignore[arg-type]
    outcomes = ledger.execute([refused, register, again])
    assert [outcome.error is None for outcome in outcomes] == [False, True, True]
    assert outcomes[2].replayed
    assert value(ledger.book.database, "SELECT count(*) FROM vault_entries") == 1


def test_a_phone_number_is_shown_by_its_last_three_digits() -> None:
    assert mask_phone(PHONE) == "•••678"
