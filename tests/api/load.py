"""People who keep paying, whatever happens to the processes that serve them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import ApiProcess, Deployment, Person

PAUSE_SECONDS: Final = 0.05


@dataclass
class Attempt:
    """One payment that somebody wants: its key, and every answer it got, in order."""

    fan: Person
    key: str
    digits: str
    """Of its phone."""
    answers: list[httpx.Response] = field(default_factory=list)
    cut: int = 0
    """How often the connection was refused or lost instead of an answer."""

    @property
    def payment_id(self) -> str | None:
        """The payment, once it was acknowledged."""
        for answer in self.answers:
            if answer.status_code == httpx.codes.ACCEPTED:
                return str(answer.json()["data"]["id"])
        return None


class Load:
    """Threads that pay one creator, each payment with a key of its own, until told to stop.

    A payment is asked for again with the same key until it is answered: `patient`, or once.
    """

    def __init__(
        self,
        deployment: Deployment,
        creator: Person,
        *,
        threads: int = 6,
        patient: bool = True,
        digits: Callable[[], str] = lambda: "000",
        also: Callable[[Attempt], None] = lambda _: None,
    ) -> None:
        self._deployment = deployment
        self._creator = creator
        self._threads = threads
        self._patient = patient
        self._digits = digits
        self._also = also
        # Another line each time, or each would wait for the prompt before it.
        self._lines = cycle(f"{line:02d}" for line in range(100))
        self._stop = threading.Event()
        self.attempts: list[Attempt] = []

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Pay all along; an error of a thread is raised at the end."""
        with ThreadPoolExecutor(self._threads) as pool:
            workers = [pool.submit(self._keep_paying) for _ in range(self._threads)]
            try:
                yield self
            finally:
                self._stop.set()
        for worker in workers:
            worker.result()

    def _keep_paying(self) -> None:
        fan = self._deployment.fan()
        while not self._stop.is_set():
            digits = f"{next(self._lines)}{self._digits()}"
            attempt = Attempt(fan, str(uuid4()), digits)
            self.attempts.append(attempt)
            self.ask(attempt)
            while attempt.payment_id is None:
                self._stop.wait(PAUSE_SECONDS)
                if not self._patient:
                    break
                self.ask(attempt)
            self._also(attempt)

    def ask(self, attempt: Attempt, *, api: ApiProcess | None = None) -> None:
        """Ask once, with the attempt's key."""
        try:
            answer = self._deployment.initiate(
                attempt.fan, self._creator, digits=attempt.digits, key=attempt.key, api=api
            )
        except httpx.TransportError:
            attempt.cut += 1
        else:
            attempt.answers.append(answer)
