"""The cache of aggregates: bounded, the least recently used go first."""

from __future__ import annotations

from uuid import UUID

from ledger.aggregate_cache import AggregateCache
from ledger.creator import Creator


def creator(number: int, version: int = 1) -> Creator:
    return Creator(id=UUID(int=number), version=version, name=None, settlement_currency="KES")


def test_what_was_put_is_found_and_a_newer_state_replaces_it() -> None:
    cache = AggregateCache()
    cache.put_all({UUID(int=1): creator(1)})
    cache.put_all({UUID(int=1): creator(1, version=2)})
    assert cache.get(UUID(int=1)) == creator(1, version=2)
    assert cache.get(UUID(int=2)) is None


def test_the_least_recently_used_goes_first() -> None:
    cache = AggregateCache(size_max=2)
    cache.put_all({UUID(int=1): creator(1), UUID(int=2): creator(2)})
    cache.get(UUID(int=1))
    cache.put_all({UUID(int=3): creator(3)})
    assert cache.get(UUID(int=2)) is None
    assert cache.get(UUID(int=1)) == creator(1)
    assert cache.get(UUID(int=3)) == creator(3)


def test_putting_counts_as_use() -> None:
    cache = AggregateCache(size_max=2)
    cache.put_all({UUID(int=1): creator(1), UUID(int=2): creator(2)})
    cache.put_all({UUID(int=1): creator(1, version=2)})
    cache.put_all({UUID(int=3): creator(3)})
    assert cache.get(UUID(int=2)) is None
    assert cache.get(UUID(int=1)) == creator(1, version=2)


def test_more_than_fits_at_once_keeps_the_last() -> None:
    cache = AggregateCache(size_max=3)
    cache.put_all({UUID(int=number): creator(number) for number in range(10)})
    found = [number for number in range(10) if cache.get(UUID(int=number)) is not None]
    assert found == [7, 8, 9]
