"""Who plays the demo story, and how each step is sent and shown."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx
from rich.markup import escape

from api.auth import Role
from api.tokens import issue_token

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from rich.console import Console

    from api.settings import Settings

WAIT_SECONDS_MAX: Final = 90.0

Answer = dict[str, Any]


class StoryFailedError(RuntimeError):
    """A step of the story did not come out as it should."""


class Cast:
    """Who plays: ids that are made at the first run and kept, so that a second run goes on."""

    def __init__(self, settings: Settings) -> None:
        path = settings.data_directory / "keys" / "story.json"
        if not path.exists():
            names = ("creator", "fan", "admin", "auditor")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({name: str(uuid4()) for name in names}))
        self.ids = {name: UUID(value) for name, value in json.loads(path.read_text()).items()}
        self.tokens = {
            role: issue_token(settings, role=role, subject=self.ids[role.value])
            for role in (Role.FAN, Role.CREATOR, Role.ADMIN, Role.AUDITOR)
        }


class Teller:
    """Sends requests as one of the cast, and prints each with its answer."""

    def __init__(
        self, cast: Cast, base_url: str, console: Console, stopped: threading.Event
    ) -> None:
        self._cast = cast
        self._console = console
        self._stopped = stopped
        self._client = httpx.Client(base_url=base_url, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def say(self, text: str) -> None:
        """Print what happens now."""
        self._console.print(f"[green]{text}[/green]", soft_wrap=True)

    def quote(self, text: str) -> None:
        """Print a message that somebody was sent."""
        shown = escape(text.replace("\n", "\n   │ "))
        self._console.print(f"   [cyan]│ {shown}[/cyan]\n", soft_wrap=True)

    def call(
        self,
        role: Role | None,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Answer | None = None,
    ) -> Answer:
        """Send a request and print it with its answer. Raises `StoryFailedError` for an error."""
        self._console.print(
            f"   [bold]{method} {escape(_full(role, path))}[/bold]   ({role or 'without a login'})",
            soft_wrap=True,
        )
        if body is not None:
            self._console.print(f"   [dim]{escape(json.dumps(body))}[/dim]", soft_wrap=True)
        answer = self._send(role, method, path, key=key, body=body)
        shown = json.dumps(answer.json(), indent=2).replace("\n", "\n   ")
        self._console.print(f"   {answer.status_code} {escape(shown)}\n", soft_wrap=True)
        if not answer.is_success:
            message = f"{method} {path} answered {answer.status_code}"
            raise StoryFailedError(message)
        document: Answer = answer.json()
        return document

    def look(self, role: Role, path: str) -> Answer:
        """Read without printing; the data."""
        data: Answer = self._send(role, "GET", path).json()["data"]
        return data

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Return when it holds, or when the story is stopped. Raises `StoryFailedError`."""
        give_up_at = time.monotonic() + WAIT_SECONDS_MAX
        while not self._stopped.is_set() and not holds():
            if time.monotonic() > give_up_at:
                message = f"not in {WAIT_SECONDS_MAX:.0f} seconds: {what}"
                raise StoryFailedError(message)
            time.sleep(0.2)

    def _send(
        self,
        role: Role | None,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: Answer | None = None,
    ) -> httpx.Response:
        headers = {} if role is None else {"Authorization": f"Bearer {self._cast.tokens[role]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._client.request(method, _full(role, path), headers=headers, json=body)


def _full(role: Role | None, path: str) -> str:
    """Links that people are sent are short; all else is the API's."""
    return path if role is None else f"/api/v1{path}"
