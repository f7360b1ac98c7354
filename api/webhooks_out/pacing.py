"""When a message is sent again, when it is given up, when its endpoint is left alone.

A message has a schedule: after its last pause it is dead, and waits for a person. An endpoint that
fails again and again is asked by one message at a time, after pauses that grow: nothing is lost by
it, since messages wait without a try, and when it answers again, all are due at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from api.settings import Settings

JITTER: Final = 0.2
"""A pause is longer by up to this part of it, so that many do not come back together."""
FAILURES_BEFORE_PAUSES: Final = 5
"""So many in a row, whatever the messages, and the endpoint itself is failing."""
FIRST_PAUSE: Final = timedelta(seconds=5)
RETRY_AFTER_MAX: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Pacing:
    """The pauses of a message, and how long an endpoint may fail before it is disabled."""

    pauses: tuple[timedelta, ...]
    endpoint_pause_max: timedelta
    disable_after: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Pacing:
        """As the settings say."""
        return cls(
            pauses=tuple(timedelta(seconds=each) for each in settings.webhooks_retry_seconds),
            endpoint_pause_max=timedelta(seconds=settings.webhooks_pause_seconds_max),
            disable_after=timedelta(seconds=settings.webhooks_disable_after_seconds),
        )

    def next_try(self, tries: int, retry_after: timedelta | None) -> timedelta | None:
        """How long to wait after so many tries of a message; None: it is given up."""
        if tries > len(self.pauses):
            return None
        pause = _jittered(self.pauses[tries - 1])
        return pause if retry_after is None else max(pause, retry_after)

    def endpoint_pause(self, failures: int, retry_after: timedelta | None) -> timedelta:
        """How long an endpoint is left alone after so many failures in a row; may be nothing."""
        pause = timedelta(0)
        if failures >= FAILURES_BEFORE_PAUSES:
            doublings = min(failures - FAILURES_BEFORE_PAUSES, 20)
            pause = _jittered(min(FIRST_PAUSE * (1 << doublings), self.endpoint_pause_max))
        return pause if retry_after is None else max(pause, retry_after)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for (RFC 9110, 10.2.3), at most a day; None for nonsense."""
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return timedelta(seconds=min(int(header[:10]), RETRY_AFTER_MAX.total_seconds()))
    try:
        instant = parsedate_to_datetime(header)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return min(max(instant - now, timedelta(0)), RETRY_AFTER_MAX)


def _jittered(pause: timedelta) -> timedelta:
    return pause * (1 + JITTER * random.random())  # noqa: S311 - nobody gains by guessing it
