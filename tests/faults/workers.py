"""What other processes do in the fault tests. Started with `spawn`, so all of it is importable."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ledger.application import Ledger
from tests.builders import assign_fee_plan, initiate_payment

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from uuid import UUID

    from ledger.database.connections import BookLocation


def write_in_bulk(book: BookLocation, creator: UUID, parent: Connection) -> None:
    """Execute large requests one after another until told to stop; then say what came of them."""
    told = threading.Event()

    def wait_for_word() -> None:
        parent.recv()
        told.set()

    threading.Thread(target=wait_for_word, daemon=True).start()
    ledger = Ledger(book)
    failures: dict[str, int] = {}
    recorded = 0
    parent.send("writing")
    while not told.is_set():
        for outcome in ledger.execute([initiate_payment(creator) for _ in range(1_000)]):
            if outcome.error is None:
                recorded += 1
            else:
                failures[outcome.error.code] = failures.get(outcome.error.code, 0) + 1
    ledger.close()
    parent.send((recorded, failures))


def assign_from_threads(
    book: BookLocation, creator: UUID, threads: int, commands: int, offset: int
) -> list[tuple[int, int, str | None]]:
    """Change one creator's plan from many threads at once: (version, position, error's code)."""
    ledger = Ledger(book)

    def assign(thread: int) -> list[tuple[int, int, str | None]]:
        found = []
        for number in range(commands):
            # Never the plan that is there already, unless another thread set just that one.
            rate = (offset + thread * commands + number) % 9_999
            outcome = ledger.execute([assign_fee_plan(creator, rate)])[0]
            code = None if outcome.error is None else outcome.error.code
            found.append((outcome.version or 0, outcome.position, code))
        return found

    with ThreadPoolExecutor(threads) as pool:
        answers = [answer for part in pool.map(assign, range(threads)) for answer in part]
    ledger.close()
    return answers
