"""The adapter of a deployment that has no other: a line in the log, without address or text.

In development the text can be read in `logs/notifications.ndjson` of the data directory, so that a
code or a link can be used. In production the text is nowhere, and it is said that nothing was sent.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from api.notifications.port import Refused, Sent

if TYPE_CHECKING:
    from pathlib import Path

    from api.notifications.port import Message, Result

logger = structlog.get_logger()

FILE_NAME: Final = "notifications.ndjson"


class LogNotifier:
    """Writes a line for each message; its text goes to `directory`, if there is one."""

    def __init__(self, directory: Path | None) -> None:
        self._file = None if directory is None else directory / FILE_NAME

    async def send(self, message: Message) -> Result:
        logger.info(
            "notification_not_carried",
            kind=message.kind,
            channel=message.channel,
            notification=str(message.notification_id),
        )
        if self._file is None:
            return Refused("no_adapter")
        try:
            _append(self._file, message)
        except OSError:
            return Refused("not_written")
        return Sent()

    async def close(self) -> None:
        """There is nothing to close."""


def _append(file: Path, message: Message) -> None:
    """Add the text, without its address, to a file that only its owner may read."""
    line = {
        "notification_id": str(message.notification_id),
        "kind": message.kind,
        "channel": message.channel,
        "subject": message.subject,
        "text": message.text,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, orjson.dumps(line) + b"\n")
    finally:
        os.close(descriptor)
