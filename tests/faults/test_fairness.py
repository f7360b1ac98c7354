"""Bulk does not push singles aside: their median wait at most doubles."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from ledger.application import Ledger
from tests.builders import initiate_payment, register_creator
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand

SINGLE_CLIENTS = 32
SINGLES = 25
BULK_CLIENTS = 4
BULK_COMMANDS = 1_000
BULK_REQUESTS = 12
MEASUREMENTS_MAX = 3


async def wait_of_singles(ledger: Ledger, creator: UUID) -> float:
    """The median seconds that one of 32 concurrent callers waits for one command."""
    waits: list[float] = []

    async def client() -> None:
        for _ in range(SINGLES):
            began = time.perf_counter()
            [outcome] = await ledger.execute_from_loop([initiate_payment(creator)])
            waits.append(time.perf_counter() - began)
            assert outcome.error is None

    await asyncio.gather(*(client() for _ in range(SINGLE_CLIENTS)))
    return statistics.median(waits)


async def wait_beside_bulk(
    ledger: Ledger, creator: UUID, requests: Sequence[Sequence[LedgerCommand]]
) -> float:
    """The same while four others send a thousand commands a request, without a pause."""

    async def bulk(mine: Sequence[Sequence[LedgerCommand]]) -> None:
        for commands in mine:
            outcomes = await ledger.execute_from_loop(commands)
            assert all(outcome.error is None for outcome in outcomes)
        if not measured.is_set():
            raise AssertionError("bulk ran out before the singles were measured")

    measured = asyncio.Event()
    writers = [
        asyncio.create_task(bulk(requests[number::BULK_CLIENTS])) for number in range(BULK_CLIENTS)
    ]
    await asyncio.sleep(0.1)
    wait = await wait_of_singles(ledger, creator)
    measured.set()
    for writer in writers:
        writer.cancel()
    for writer in writers:
        with contextlib.suppress(asyncio.CancelledError):
            await writer
    return wait


def test_four_bulk_writers_do_not_more_than_double_the_wait_of_singles(ledger: Ledger) -> None:
    creator = uuid4()
    ledger.execute_one(register_creator(creator))
    asyncio.run(wait_of_singles(ledger, creator))
    measured = []
    for _ in range(MEASUREMENTS_MAX):
        alone = asyncio.run(wait_of_singles(ledger, creator))
        # Made beforehand: making them is the door's work, off the loop.
        requests = [
            [initiate_payment(creator) for _ in range(BULK_COMMANDS)] for _ in range(BULK_REQUESTS)
        ]
        beside = asyncio.run(wait_beside_bulk(ledger, creator, requests))
        measured.append((alone, beside))
        if beside <= 2 * alone:
            break
    else:
        raise AssertionError([f"{a * 1e3:.1f} → {b * 1e3:.1f} ms" for a, b in measured])
    assert_book_is_sound(ledger.book.database)
