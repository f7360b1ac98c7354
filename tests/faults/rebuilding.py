"""A process that builds read models anew, without end. Started with `spawn`, so importable."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.application import Ledger
from projections.feeder import connect_to_fill
from projections.generations import drop_retired
from projections.models import READ_MODELS
from projections.rebuild import BeingRebuiltError, Rebuild

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ledger.database.connections import BookLocation


def rebuild_without_end(book: BookLocation, zone: ZoneInfo, parent: Connection) -> None:
    """Build one model after another, and drop what is retired, until killed."""
    ledger = Ledger(book)
    parent.send("building")
    while True:
        for model in READ_MODELS:
            try:
                Rebuild(ledger, model, zone).run()
            except BeingRebuiltError:
                # Whoever was killed has not been missed by the server yet.
                time.sleep(0.01)
            with connect_to_fill(book) as connection:
                drop_retired(connection, after_seconds=1)
