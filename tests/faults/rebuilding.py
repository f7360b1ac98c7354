"""A process that builds read models anew, without end. Started with `spawn`, so importable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from projections.feeder import connect_to_fill
from projections.generations import drop_retired
from projections.journal_rebuild import rebuild_of
from projections.models import EVERY_MODEL
from projections.rebuild import BeingRebuiltError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ledger.database.connections import BookLocation


def rebuild_without_end(book: BookLocation, zone: ZoneInfo, parent: Connection) -> None:
    """Build one model after another, and drop what is retired, until killed."""
    ledger = Ledger(book)
    parent.send("building")
    while True:
        for model in EVERY_MODEL:
            try:
                rebuild_of(ledger, model, zone).run()
            except BeingRebuiltError:
                # Whoever was killed has not been missed by the server yet.
                time.sleep(0.01)
            with connect_to_fill(book) as connection:
                drop_retired(connection, after_seconds=1)
