"""`hesabu projector`: keeps read models at the head of the log, and builds what is asked for.

Two roles in one process: the projector fills what is read, and in a thread beside it the rebuilder
makes new tables (projections/rebuilder.py).
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from api.database import book_location
from api.metrics import Metrics, served
from ledger.application import Ledger
from ledger.database.roles import DatabaseRole
from ledger.garbage import tune_garbage_collection
from projections.models import EVERY_MODEL, READ_MODELS
from projections.projector import Projector
from projections.rebuilder import Rebuilder

if TYPE_CHECKING:
    from api.settings import Settings


def project(settings: Settings) -> None:
    """Project until SIGTERM or SIGINT."""
    ledger = Ledger(book_location(settings, DatabaseRole.PROJECTOR))
    rebuilding = Ledger(book_location(settings, DatabaseRole.REBUILDER))
    projector = Projector(ledger, READ_MODELS, settings.time_zone)
    rebuilder = Rebuilder(rebuilding, EVERY_MODEL, settings.time_zone)
    tune_garbage_collection()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: projector.stop())
    rebuilder.start()
    try:
        with served(Metrics(), settings):
            projector.run()
    finally:
        rebuilder.close()
        rebuilding.close()
        ledger.close()
