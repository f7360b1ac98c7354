"""Who builds read models while everything works: what was asked for, and what was left half done.

    every second ─▶ a request (projections/rebuild_requests.py)? ─▶ build, note what came of it
                 ─▶ a generation that nobody goes on building?   ─▶ go on
                 ─▶ generations that nobody reads any more       ─▶ drop

It runs beside the projector, in a thread and with a database role of its own. Any number may run:
whoever builds a model holds its lock, and the others pass by.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import structlog

from projections.feeder import PoisonedError, connect_to_fill
from projections.generations import drop_retired, generations
from projections.journal_rebuild import rebuild_of
from projections.projector import told
from projections.rebuild import BeingRebuiltError, DifferentError, RebuildError, StoppedError
from projections.rebuild_requests import OpenRequest, done, failed, open_requests

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from ledger.application import Ledger
    from projections.read_model import ReadModel
    from projections.rebuild import Rebuilt

logger = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 30.0


class Rebuilder:
    """Builds and drops generations, one after another. `book` of the ledger is as the rebuilder."""

    def __init__(self, ledger: Ledger, models: Iterable[type[ReadModel]], zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._models = {model.name: model for model in models}
        self._zone = zone
        self._rests_until: dict[str, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rebuilder", daemon=True)

    def start(self) -> None:
        """Look for work in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Leave what is under way to the next one, and end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except Exception:
                # Generations and requests stand; try again.
                logger.exception("rebuilding_interrupted")
            self._stopping.wait(LOOK_SECONDS)

    def round(self) -> None:
        """Do all that is to be done now."""
        with connect_to_fill(self._ledger.book) as connection:
            for request in open_requests(connection):
                self._answer(connection, request)
            for name in self._half_done(connection):
                self._go_on(name)
            for name, number in drop_retired(connection):
                logger.info("generation_dropped", model=name, generation=number)

    def _answer(self, connection: psycopg.Connection[Any], request: OpenRequest) -> None:
        if request.name not in self._models:
            failed(connection, request, "There is no read model of this name.")
            return
        try:
            rebuilt = self._build(request.name)
        except (BeingRebuiltError, StoppedError):
            return
        except PoisonedError as poison:
            position, error, _ = told(poison)
            failed(connection, request, f"The event at {position} cannot be applied. {error}")
            self._rests_until[request.name] = time.monotonic() + RETRY_SECONDS
        except DifferentError as error:
            counted = sum(each.only_old + each.only_new for each in error.differences)
            failed(connection, request, f"{error.__doc__} Rows that differ: {counted}.")
        except RebuildError as error:
            failed(connection, request, str(type(error).__doc__))
        else:
            done(connection, request, rebuilt)

    def _half_done(self, connection: psycopg.Connection[Any]) -> list[str]:
        """Models of which a generation of this version is being built, by whomever."""
        return [
            each.name
            for each in generations(connection)
            if each.state == "building"
            and each.name in self._models
            and each.version == self._models[each.name].version
        ]

    def _go_on(self, name: str) -> None:
        if time.monotonic() < self._rests_until.get(name, 0.0):
            return
        try:
            self._build(name)
        except RebuildError:
            return
        except PoisonedError as poison:
            # The generation says so; after a fix it is gone on with.
            logger.warning("rebuild_parked", model=name, position=poison.position)
            self._rests_until[name] = time.monotonic() + RETRY_SECONDS

    def _build(self, name: str) -> Rebuilt:
        rebuild = rebuild_of(
            self._ledger, self._models[name], self._zone, stopping=self._stopping.is_set
        )
        rebuilt = rebuild.run()
        logger.info(
            "read_model_rebuilt",
            model=name,
            generation=rebuilt.generation,
            position=rebuilt.position,
            differences=rebuilt.differences,
        )
        return rebuilt
