"""Requests out of an .http file, as the REST Client of VS Code reads it, as far as ours goes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE = re.compile(r"\{\{(.+?)\}\}")
RESPONSE = re.compile(r"(\w+)\.response\.body\.\$\.([\w.]+)")


@dataclass(frozen=True)
class Written:
    """A request with its places still open, and the status that is written beside it."""

    name: str
    status: int
    method: str
    url: str
    headers: dict[str, str]
    body: str


@dataclass
class Answers:
    """What fills the places: variables, and the bodies of what was answered before."""

    variables: Mapping[str, str]
    bodies: dict[str, Any] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """The text with every place filled. Raises `LookupError` for one that nothing fills."""
        return PLACE.sub(lambda place: self._value(place[1]), text)

    def _value(self, place: str) -> str:
        if place == "$guid":
            return str(uuid4())
        if (found := RESPONSE.fullmatch(place)) is None:
            return self.variables[place]
        value = self.bodies[found[1]]
        for key in found[2].split("."):
            value = value[key]
        return str(value)


def variables_of(text: str) -> dict[str, str]:
    """The file's own variables."""
    return dict(re.findall(r"^@(\w+) = (.+)$", text, re.MULTILINE))


def requests_of(text: str) -> list[Written]:
    """Every request, in order."""
    return [_request(block) for block in re.split(r"^###", text, flags=re.MULTILINE)[1:]]


def _request(block: str) -> Written:
    [name] = re.findall(r"^# @name (\w+)$", block, re.MULTILINE)
    [status] = re.findall(r"^# → (\d{3})$", block, re.MULTILINE)
    # The first line is the rest of the title.
    lines = [line for line in block.split("\n")[1:] if not line.startswith("#")]
    head, _, body = "\n".join(lines).strip().partition("\n\n")
    first, *headers = head.split("\n")
    method, url = first.split(" ")
    named = dict(line.split(": ", 1) for line in headers)
    return Written(name, int(status), method, url, named, body)
