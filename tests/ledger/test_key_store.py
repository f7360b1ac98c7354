"""Keys of personal data: on disk before they are used, gone for good when destroyed."""

from __future__ import annotations

import multiprocessing
import stat
import threading
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ledger.key_store import BATCH, KEY_BYTES, Key, KeyDestroyedError, KeyStore


def files_of(path: Path) -> bytes:
    """Every byte that lies on disk for a store, its write-ahead log included."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite3"


def allocate_in_another_process(path: Path, answers: multiprocessing.Queue[bytes]) -> None:
    store = KeyStore(path)
    store.allocate()
    answers.put(store.secret("fingerprints"))
    store.close()


def test_a_key_is_on_disk_before_it_is_used(key_store: KeyStore, tmp_path: Path) -> None:
    key = key_store.allocate()
    other = KeyStore(tmp_path / "keys.sqlite3")
    assert other.get(key.id) == key
    assert len(key.secret) == KEY_BYTES
    other.close()


def test_no_key_is_given_out_twice(key_store: KeyStore) -> None:
    keys = [key_store.allocate() for _ in range(2 * BATCH + 1)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == len(keys)


def test_no_key_is_given_out_twice_between_threads(key_store: KeyStore) -> None:
    keys: list[Key] = []

    def take() -> None:
        keys.extend([key_store.allocate() for _ in range(BATCH)])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.id for key in keys}) == 8 * BATCH


def test_a_destroyed_key_is_gone_also_after_reopening(path: Path) -> None:
    store = KeyStore(path)
    destroyed, kept = store.allocate(), store.allocate()
    store.destroy(destroyed.id)
    store.close()
    store = KeyStore(path)
    with pytest.raises(KeyDestroyedError):
        store.get(destroyed.id)
    assert store.get(kept.id) == kept
    store.close()


def test_a_destroyed_key_leaves_no_byte_on_disk(path: Path) -> None:
    store = KeyStore(path)
    key = store.allocate()
    assert key.secret in files_of(path)
    store.destroy(key.id)
    assert key.secret not in files_of(path)
    assert key.id.bytes in files_of(path), "that it was destroyed is remembered"
    store.close()


def test_a_destroyed_key_leaves_no_byte_on_disk_while_others_have_the_store_open(
    path: Path,
) -> None:
    store, other = KeyStore(path), KeyStore(path)
    key = store.allocate()
    assert other.get(key.id) == key
    store.destroy(key.id)
    assert key.secret not in files_of(path)
    with pytest.raises(KeyDestroyedError):
        other.get(key.id)
    store.close()
    other.close()


def test_destroying_twice_or_what_never_was_is_no_error(key_store: KeyStore) -> None:
    key = key_store.allocate()
    key_store.destroy(key.id, uuid4())
    key_store.destroy(key.id)


def test_many_keys_are_destroyed_at_once(key_store: KeyStore) -> None:
    keys = [key_store.allocate() for _ in range(10)]
    key_store.destroy(*(key.id for key in keys))
    for key in keys:
        with pytest.raises(KeyDestroyedError):
            key_store.get(key.id)


def test_destroying_is_done_for_all_or_for_none(key_store: KeyStore) -> None:
    key = key_store.allocate()
    with pytest.raises(AttributeError):
        key_store.destroy(key.id, "no id")  # type: ignore[arg-type]
    assert key_store.get(key.id) == key
    key_store.destroy(key.id)
    with pytest.raises(KeyDestroyedError):
        key_store.get(key.id)


def test_a_key_that_never_was_cannot_be_got(key_store: KeyStore) -> None:
    with pytest.raises(KeyDestroyedError):
        key_store.get(UUID(int=1))


def test_a_named_secret_is_made_once_and_stays(path: Path) -> None:
    store = KeyStore(path)
    secret = store.secret("fingerprints")
    assert len(secret) == KEY_BYTES
    assert store.secret("fingerprints") == secret
    assert store.secret("blind index") != secret
    store.close()
    store = KeyStore(path)
    assert store.secret("fingerprints") == secret
    store.close()


def test_only_its_owner_may_read_the_store(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on" / "demand" / "keys.sqlite3"
    store = KeyStore(path)
    store.allocate()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    store.close()


def test_processes_that_start_together_share_one_store(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[bytes] = context.Queue()
    processes = [
        context.Process(target=allocate_in_another_process, args=(path, answers)) for _ in range(6)
    ]
    for process in processes:
        process.start()
    secrets = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(secrets) == 1
