"""Hesabu's processes as an operator of it runs them, and their ends: polite, or not at all."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REPOSITORY: Final = Path(__file__).parents[2]
READY_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 20.0
PORTS: Final = range(20_000, 30_000)
"""Below the range from which systems number outgoing connections: a port stays free meanwhile."""

OURS: Final = ("HESABU_", "SANDBOX_OPERATOR_", "POSTGRES_", "DATABASE_URL", "PORT")


class DidNotStartError(RuntimeError):
    """A process ended by itself; the message ends with its log."""


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of ours, and `settings`."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, **settings}


def wait_until(
    condition: Callable[[], bool], *, seconds_max: float = READY_SECONDS_MAX, what: str = ""
) -> None:
    """Return when the condition holds; fail the test when it does not in time."""
    give_up_at = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < give_up_at, f"not in {seconds_max:.0f} seconds: {what}"
        time.sleep(0.02)


class Process:
    """`python -m …` with a log file of its own; may be started again after it has ended."""

    def __init__(
        self, name: str, arguments: list[str], environment: Mapping[str, str], directory: Path
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._arguments = arguments
        self.environment = clean_environment(environment)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def terminate(self) -> int:
        """SIGTERM; the exit status. A process that does not end in time fails the test."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it notices nothing."""
        self._end(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP, and at the end SIGCONT: meanwhile it is there and does nothing."""
        assert self._running is not None
        self._running.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._running.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> int:
        if self._running is None:
            return 0
        self._running.send_signal(number)
        try:
            return self._running.wait(STOP_SECONDS_MAX)
        finally:
            if self._running.poll() is None:
                self._running.kill()
                self._running.wait()
            self._running = None

    def wait_for_end(self) -> int:
        """The exit status of a process that is about to end by itself."""
        assert self._running is not None
        status = self._running.wait(READY_SECONDS_MAX)
        self._running = None
        return status

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check(self) -> None:
        """Raise `DidNotStartError` if it has ended."""
        if self._running is None or self._running.poll() is not None:
            message = f"{self.name} has ended:\n{self.log_text()[-2_000:]}"
            raise DidNotStartError(message)


class HttpProcess(Process):
    """A process that serves HTTP on a port of its own, the same after a restart."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        port: int,
        ready_path: str,
    ) -> None:
        super().__init__(name, arguments, environment, directory)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._ready_path = ready_path

    def is_ready(self) -> bool:
        with suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=5) as client:
            return client.get(f"{self.url}{self._ready_path}").is_success
        return False

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            self.check()
            return self.is_ready()

        wait_until(ready, what=f"{self.name} is ready")
