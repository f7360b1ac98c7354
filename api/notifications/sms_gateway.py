"""SMS by a gateway over HTTP: one POST of JSON a message, with an idempotency key.

`{"to": "+254…", "from": "Hesabu", "text": "…"}`, header `Idempotency-Key: <notification id>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

from api.notifications.port import Refused, Sent, TryLater, Unknown

if TYPE_CHECKING:
    from api.notifications.port import Message, Result

NOT_NOW: Final = frozenset({401, 403, 429, 503})
"""Too many, or not at present; or our token is wrong, which is no fault of the message."""


class SmsGateway:
    """Posts each message to `url`; `timeout_seconds` bounds each step of a call."""

    def __init__(self, *, url: str, token: str, sender: str, timeout_seconds: float) -> None:
        self._url = url
        self._sender = sender
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(timeout_seconds, connect=min(5.0, timeout_seconds)),
        )

    async def send(self, message: Message) -> Result:
        try:
            answer = await self._client.post(
                self._url,
                json={"to": message.address, "from": self._sender, "text": message.text},
                headers={"idempotency-key": str(message.notification_id)},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return TryLater("unreachable")
        except httpx.HTTPError as error:
            return Unknown("timed_out" if isinstance(error, httpx.TimeoutException) else "cut")
        reason = f"answered_{answer.status_code}"
        if answer.is_success:
            return Sent()
        if answer.status_code in NOT_NOW:
            return TryLater(reason)
        return Unknown(reason) if answer.is_server_error else Refused(reason)

    async def close(self) -> None:
        await self._client.aclose()
