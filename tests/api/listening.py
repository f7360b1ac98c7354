"""A client of server-sent events, as a frontend has one: it reads, breaks off, and resumes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from tests.api.deployment import API

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.deployment import ApiProcess, Person

SILENCE_SECONDS_MAX = 20.0


class Told(NamedTuple):
    """One event; comments are events named ':'."""

    name: str
    data: Any
    id: int | None


class Listener:
    """An open stream. Raises `httpx.ReadTimeout` when nothing comes for long."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Told]:
        """Every event until the stream ends."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                yield Told(":", line[1:].strip(), None)
            elif line:
                name, _, text = line.partition(": ")
                fields[name] = text
            elif "data" in fields:
                position = int(fields["id"]) if "id" in fields else None
                told = Told(fields["event"], json.loads(fields["data"]), position)
                fields = {}
                yield told
            else:
                fields = {}

    def next(self, name: str) -> Told:
        """The next event of a name; others before it are passed over."""
        for told in self:
            if told.name == name:
                return told
        message = f"the stream ended without {name}"
        raise AssertionError(message)


@contextmanager
def listening(
    api: ApiProcess, caller: Person, path: str, *, after: int | str | None = None
) -> Iterator[Listener]:
    """A stream while the block runs, on a connection of its own that is then closed."""
    headers = dict(caller.headers)
    if after is not None:
        headers["last-event-id"] = str(after)
    with (
        httpx.Client(base_url=api.url, timeout=SILENCE_SECONDS_MAX, trust_env=False) as client,
        client.stream("GET", f"{API}{path}", headers=headers) as response,
    ):
        if response.status_code != httpx.codes.OK:
            response.read()
        # Kept until the block ends: httpx closes what nobody reads any more.
        listener = Listener(response)
        yield listener
