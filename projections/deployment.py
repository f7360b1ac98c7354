"""What a deployment does about read models: begins new ones, and builds anew what is older.

Part of `hesabu migrate`, the one job that every process of a deployment waits for: no process ever
meets tables that are older than its code.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ledger.application import Ledger
from projections.feeder import connect_to_fill
from projections.generations import ensure
from projections.journal_rebuild import rebuild_of
from projections.rebuild import BeingRebuiltError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from zoneinfo import ZoneInfo

    from ledger.database.connections import BookLocation
    from projections.read_model import ReadModel
    from projections.rebuild import Progress, Rebuilt

LOOK_AGAIN_SECONDS: Final = 0.5


def set_up_read_models(
    book: BookLocation,
    models: Sequence[type[ReadModel]],
    zone: ZoneInfo,
    *,
    tell: Callable[[str, Progress], None] = lambda *_: None,
) -> dict[str, Rebuilt]:
    """Begin what is not there, build what is there in an older version; what was built.

    `book` is as the rebuilder's role. Safe to run any number of times, and at once. Raises
    `PoisonedError` when the log cannot be applied: then the older version is read on.
    """
    built: dict[str, Rebuilt] = {}
    ledger = Ledger(book)
    try:
        for model in models:
            while model.name in outdated(book, [model]):
                rebuild = rebuild_of(ledger, model, zone, tell=_about(model.name, tell))
                try:
                    built[model.name] = rebuild.run()
                except BeingRebuiltError:
                    time.sleep(LOOK_AGAIN_SECONDS)
    finally:
        ledger.close()
    return built


def outdated(book: BookLocation, models: Sequence[type[ReadModel]]) -> list[str]:
    """Models that are read in an older version; those that are not there are begun."""
    with connect_to_fill(book) as connection:
        return ensure(connection, models)


def _about(name: str, tell: Callable[[str, Progress], None]) -> Callable[[Progress], None]:
    return lambda progress: tell(name, progress)
