"""`hesabu dev`: the whole of Hesabu in one terminal, stopped by one Ctrl-C.

The embedded database (unless DATABASE_URL names another), the sandbox operator, one API process,
one dispatcher, one clock, one projector, one sealer and one sender of webhooks, each a process of
its own that talks to the others over HTTP and the database.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import httpx
from rich.console import Console

from api.database import EMBEDDED_DATABASE, database_location, embedded_server
from api.projection_commands import set_up
from api.settings import Environment
from api.story import Story, where_to_look
from api.storyteller import StoryFailedError
from ledger.database.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.settings import Settings

READY_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 15.0
SECRET_BYTES: Final = 32
SEALER: Final = "sealer"
FAST: Final = 200_000
"""A month in thirteen seconds, for the story."""

HURRIED: Final = {
    "HESABU_SETTLEMENT_DELAY_SECONDS": "3",
    "HESABU_DESTINATION_COOLING_SECONDS": "0",
    "HESABU_PAYOUT_APPROVALS_REQUIRED": "1",
}
"""What would take days or a second admin, so that a payout can be tried at once."""

console = Console(highlight=False)


class DidNotStartError(RuntimeError):
    """A process did not come up; the message says which, and where its log is."""


def run_everything(settings: Settings, *, story: bool, once: bool) -> int:
    """Start everything, play the story if asked, serve until stopped. Returns the exit status."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with ExitStack() as stack:
            base_url, processes = _start(settings, stack, stopped)
            if story and not stopped.is_set():
                Story(
                    settings,
                    base_url,
                    console,
                    stopped,
                    log_directory=settings.data_directory / "logs",
                    fast_clock=processes.fast_clock,
                ).play()
            if once:
                return 0
            where_to_look(settings, base_url, console)
            return _serve(processes, stopped)
    except (DidNotStartError, StoryFailedError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    finally:
        console.print("Stopped.")


def _start(settings: Settings, stack: ExitStack, stopped: threading.Event) -> tuple[str, Processes]:
    _check_port(settings)
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    server = embedded_server(settings)
    if server is not None:
        console.print("Starting PostgreSQL …")
        stack.enter_context(server)
        server.ensure_database(EMBEDDED_DATABASE)
    migrate(database_location(settings), schema=settings.book)
    set_up(settings)
    base_url = f"http://{settings.host}:{settings.port}"
    environment = {**os.environ, **_sandbox_secrets(settings.data_directory)}
    for name, text in HURRIED.items():
        environment.setdefault(name, text)
    if settings.environment is Environment.DEVELOPMENT:
        environment.setdefault("HESABU_TIME_MAY_RUN_AHEAD", "true")
        environment.setdefault("HESABU_WEBHOOKS_ALLOW_LOOPBACK", "true")
    environment["HESABU_DATA_DIRECTORY"] = str(settings.data_directory)
    environment["SANDBOX_OPERATOR_CALLBACK_URL"] = f"{base_url}/api/v1/webhooks/sandbox"
    processes = stack.enter_context(_processes(settings, environment))
    operator_port = processes.start_operator()
    environment["HESABU_SANDBOX_URL"] = f"http://127.0.0.1:{operator_port}"
    processes.start("serve")
    processes.start("dispatcher")
    processes.start("clock")
    processes.start("projector")
    processes.start("webhooks")
    processes.start(SEALER)
    _wait_until_ready(base_url, processes, stopped)
    return base_url, processes


def _check_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            message = (
                f"Port {settings.port} is in use. Choose another: make run PORT={settings.port + 1}"
            )
            raise DidNotStartError(message) from None


def _sandbox_secrets(data_directory: Path) -> dict[str, str]:
    """The operator's secrets, made at the first run and kept, for both sides."""
    path = data_directory / "keys" / "sandbox_operator.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = {
            "api_key": secrets.token_urlsafe(SECRET_BYTES),
            "webhook_secret": "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode(),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(made))
    kept = json.loads(path.read_text())
    return {
        "SANDBOX_OPERATOR_API_KEY": kept["api_key"],
        "SANDBOX_OPERATOR_WEBHOOK_SECRET": kept["webhook_secret"],
        "HESABU_SANDBOX_API_KEY": kept["api_key"],
        "HESABU_SANDBOX_WEBHOOK_SECRET": kept["webhook_secret"],
    }


class Processes:
    """The child processes, each in a session of its own so that Ctrl-C reaches only us."""

    def __init__(self, log_directory: Path, environment: dict[str, str]) -> None:
        self._log_directory = log_directory
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        log_directory.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str) -> None:
        """Start `hesabu NAME …`, its log in a file."""
        self._spawn(name, [sys.executable, "-m", "api.cli", name, *arguments], stdout=None)

    def start_operator(self) -> int:
        """Start the sandbox operator on a free port; the port."""
        command = [sys.executable, "-m", "api.sandbox_operator", "--port", "0"]
        process = self._spawn("sandbox-operator", command, stdout=subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - asked for
        line = process.stdout.readline()
        if not line:
            raise DidNotStartError(self.died() or "The sandbox operator did not start.")
        return int(json.loads(line)["port"])

    def _spawn(self, name: str, command: list[str], stdout: int | None) -> subprocess.Popen[bytes]:
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        self._running[name] = process
        return process

    @contextlib.contextmanager
    def fast_clock(self) -> Iterator[None]:
        """A second clock, which runs fast while this is held."""
        name = "fast-clock"
        self._spawn(
            name,
            [sys.executable, "-m", "api.cli", "clock", "--speed", str(FAST)],
            stdout=None,
        )
        try:
            yield
        finally:
            _stop(self._running.pop(name))

    def log_of(self, name: str) -> Path:
        """Where a process logs."""
        return self._log_directory / f"{name}.log"

    def died(self) -> str | None:
        """Which process has ended by itself, in words; None while all run."""
        for name, process in self._running.items():
            if process.poll() is not None and name != SEALER:
                return (
                    f"{name} ended with status {process.returncode}. Its log: {self.log_of(name)}"
                )
        return None

    def refuses_to_seal(self) -> str | None:
        """What to say once the sealer has ended by itself: everything else may go on."""
        process = self._running.get(SEALER)
        if process is None or process.poll() is None:
            return None
        del self._running[SEALER]
        return f"The log is not sealed any more. Why is in {self.log_of(SEALER)}"

    def stop(self) -> None:
        """Ask each to stop, last started first, and wait for it."""
        for process in reversed(self._running.values()):
            _stop(process)
        self._running.clear()


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextlib.contextmanager
def _processes(settings: Settings, environment: dict[str, str]) -> Iterator[Processes]:
    processes = Processes(settings.data_directory / "logs", environment)
    try:
        yield processes
    finally:
        processes.stop()


def _wait_until_ready(base_url: str, processes: Processes, stopped: threading.Event) -> None:
    give_up_at = time.monotonic() + READY_SECONDS_MAX
    while not stopped.is_set():
        if (died := processes.died()) is not None:
            raise DidNotStartError(died)
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{base_url}/readyz", timeout=2.0).is_success:
                return
        if time.monotonic() > give_up_at:
            message = f"The API was not ready in {READY_SECONDS_MAX:.0f} seconds."
            raise DidNotStartError(message)
        time.sleep(0.1)


def _serve(processes: Processes, stopped: threading.Event) -> int:
    while not stopped.wait(0.5):
        if (died := processes.died()) is not None:
            console.print(f"[red]{died}[/red]")
            return 1
        if (refused := processes.refuses_to_seal()) is not None:
            console.print(f"[red]{refused}[/red]")
    return 0
