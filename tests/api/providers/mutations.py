"""Callbacks that were changed on the way: whatever was changed, they say nothing new.

A changed callback is refused, or not believed, or says exactly what the genuine one says.
"""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any, Final

from api.providers.port import BadSignatureError
from tests.api.providers.fake import Sent

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from api.providers.port import Provider
    from tests.api.providers.fake import FakeProvider

ORDINARY: Final = 300
CAMPAIGN: Final = 5_000

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "1",
    "success",
    [],
    {},
    "9" * 200,
)


def check_mutations(
    fake: FakeProvider, adapter: Provider, sent: Sent, *, count: int, random: Random
) -> None:
    """Change a genuine callback `count` times; none gives a report that it did not give."""
    genuine = adapter.verify(fake.delivery(sent))
    refused = 0
    for _ in range(count):
        changed = mutated(sent, random)
        try:
            callback = adapter.verify(fake.delivery(changed))
        except BadSignatureError:
            refused += 1
            continue
        if callback.reports:
            assert callback.reports == genuine.reports, changed
            assert callback.natural_key == genuine.natural_key, changed
        elif changed.body != sent.body:
            # Not believed as it stands, so it must not stand in the genuine one's way either.
            assert callback.natural_key != genuine.natural_key, changed
    assert refused, "nothing was ever refused"


def mutated(sent: Sent, random: Random) -> Sent:
    """A callback of which something is otherwise: a byte, a value, a header."""
    while True:
        how = random.choice(MUTATORS)
        changed = how(sent, random)
        if (changed.body, dict(changed.headers)) != (sent.body, dict(sent.headers)):
            return changed


def _flip(sent: Sent, random: Random) -> Sent:
    body = bytearray(sent.body)
    body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return sent._replace(body=bytes(body))


def _cut(sent: Sent, random: Random) -> Sent:
    start = random.randrange(len(sent.body))
    end = min(len(sent.body), start + random.randint(1, 20))
    return sent._replace(body=sent.body[:start] + sent.body[end:])


def _insert(sent: Sent, random: Random) -> Sent:
    at = random.randrange(len(sent.body) + 1)
    added = random.choice([b" ", b"\n", b"0", b",", b"}", b"\x00", b"\xff", sent.body[:at]])
    return sent._replace(body=sent.body[:at] + added + sent.body[at:])


def _digit(sent: Sent, random: Random) -> Sent:
    at = [index for index, byte in enumerate(sent.body) if chr(byte).isdigit()]
    if not at:
        return sent
    body = bytearray(sent.body)
    body[random.choice(at)] = ord(random.choice(string.digits))
    return sent._replace(body=bytes(body))


def _value(sent: Sent, random: Random) -> Sent:
    """The same document with another value, or without one, or written otherwise."""
    try:
        document = json.loads(sent.body)
    except ValueError:
        return sent
    places: list[tuple[Any, Any]] = []
    _collect(document, places)
    if places and random.random() < 0.9:
        holder, key = random.choice(places)
        if isinstance(holder, dict) and random.random() < 0.3:
            del holder[key]
        else:
            holder[key] = random.choice(VALUES)
    return sent._replace(body=json.dumps(document).encode())


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:  # noqa: ANN401 - JSON
    if isinstance(node, dict):
        items: list[tuple[Any, Any]] = list(node.items())
    elif isinstance(node, list):
        items = list(enumerate(node))
    else:
        return
    for key, value in items:
        places.append((node, key))
        _collect(value, places)


def _header(sent: Sent, random: Random) -> Sent:
    headers = dict(sent.headers)
    name = random.choice(sorted(headers))
    text = headers[name]
    match random.randrange(5):
        case 0:
            del headers[name]
        case 1:
            headers[name] = ""
        case 2:
            at = random.randrange(len(text) + 1)
            headers[name] = text[:at] + random.choice(string.printable[:94]) + text[at + 1 :]
        case 3:
            headers[name] = text[: random.randrange(len(text) + 1)]
        case _:
            headers[name] = random.choice([text.upper(), text.lower(), text + text, f"{text}="])
    return sent._replace(headers=headers)


MUTATORS: Final[tuple[Callable[[Sent, Random], Sent], ...]] = (
    *(_flip, _cut, _insert, _digit),
    *(_value, _value, _header),
)
