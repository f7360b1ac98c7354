"""How does a callback reach its receiver? Signed by Standard Webhooks, and again until a 2xx.

Each attempt has a timestamp and a signature of its own; the webhook-id and the bytes of the body
stay the same, so the receiver can tell a repeated delivery from a new callback.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
from standardwebhooks import Webhook

from api.sandbox_operator.wire import DeliveryAttempt

if TYPE_CHECKING:
    from api.sandbox_operator.callbacks import Callback
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.wire import CallbackType

LOST = "lost"

# Receivers close idle connections after a few seconds (uvicorn: 5). Letting go of them sooner
# avoids attempts that fail only because both sides moved at the same moment.
_IDLE_CONNECTION_SECONDS_MAX = 2.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """A callback with its webhook-id, ready to be signed."""

    webhook_id: str
    type: CallbackType
    reference: str | None
    body: str

    @classmethod
    def of(cls, callback: Callback) -> Message:
        """``callback`` under a new webhook-id."""
        return cls(
            webhook_id=f"msg_{uuid4().hex}",
            type=callback.type,
            reference=callback.reference,
            body=callback.model_dump_json(),
        )


class Courier:
    """Signs and delivers callbacks over shared connections, and records every attempt."""

    def __init__(self, settings: OperatorSettings) -> None:
        self._settings = settings
        self._url = str(settings.callback_url)
        self._webhook = Webhook(settings.webhook_secret.get_secret_value())
        self._attempts: deque[DeliveryAttempt] = deque(maxlen=settings.deliveries_kept_max)
        # The queue is here rather than in the client's pool, whose cost grows with its length.
        self._turns = asyncio.Semaphore(settings.callbacks_at_once_max)
        self._client = httpx.AsyncClient(
            timeout=settings.callback_timeout_seconds,
            limits=httpx.Limits(
                max_connections=settings.callbacks_at_once_max,
                max_keepalive_connections=settings.callbacks_at_once_max,
                keepalive_expiry=_IDLE_CONNECTION_SECONDS_MAX,
            ),
            trust_env=False,
        )

    async def deliver(self, message: Message, *, lost_attempts: int = 0) -> bool:
        """Deliver ``message`` until it is acknowledged or the retries are used up.

        The first ``lost_attempts`` never leave the operator and do not count as retries.
        Returns whether the receiver acknowledged with a 2xx.
        """
        attempts_max = lost_attempts + 1 + self._settings.callback_retries
        for attempt in range(1, attempts_max + 1):
            if attempt > 1:
                await asyncio.sleep(self._backoff_seconds(attempt - 1))
            if attempt <= lost_attempts:
                self._record(message, attempt, error=LOST)
            elif await self._attempt(message, attempt):
                return True
        _logger.warning("gave up callback %s after %d attempts", message.webhook_id, attempts_max)
        return False

    def attempts(self, reference: str | None = None) -> list[DeliveryAttempt]:
        """All recorded attempts, oldest first, or only those for ``reference``."""
        return [each for each in self._attempts if reference in (None, each.reference)]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _backoff_seconds(self, retry: int) -> float:
        settings = self._settings
        wait_seconds = settings.retry_backoff_seconds * 2.0 ** (retry - 1)
        return min(wait_seconds, settings.retry_backoff_seconds_max)

    async def _attempt(self, message: Message, attempt: int) -> bool:
        async with self._turns:
            try:
                response = await self._client.post(
                    self._url, content=message.body, headers=self._headers(message)
                )
            except httpx.HTTPError as error:
                self._record(message, attempt, error=type(error).__name__)
                return False
        self._record(message, attempt, status_code=response.status_code)
        return response.is_success

    def _headers(self, message: Message) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "webhook-id": message.webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(message.webhook_id, now, message.body),
        }

    def _record(
        self,
        message: Message,
        attempt: int,
        *,
        status_code: int | None = None,
        error: str | None = None,
    ) -> None:
        self._attempts.append(
            DeliveryAttempt(
                webhook_id=message.webhook_id,
                type=message.type,
                reference=message.reference,
                attempt=attempt,
                status_code=status_code,
                error=error,
                attempted_at=datetime.now(UTC),
            )
        )
