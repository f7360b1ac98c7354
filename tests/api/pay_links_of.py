"""Pay-now links of a deployment, and whoever opens one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.pay_links import SECRET_NAME, PayLinks
from ledger.key_store import KeyStore

if TYPE_CHECKING:
    import httpx

    from tests.api.deployment import Deployment


class Links:
    """Links as this deployment issues them, and whoever opens one."""

    def __init__(self, doors: Deployment) -> None:
        self._client = doors.api.client
        store = KeyStore(doors.directory / "keys" / "key_store.sqlite3")
        self._links = PayLinks(store.secret(SECRET_NAME), doors.api.url)
        store.close()

    def to(self, subscription: str, number: int, *, hours: float = 1) -> str:
        """A token for a period of a subscription."""
        expires_at = datetime.now(UTC) + timedelta(hours=hours)
        return self._links.issue(UUID(subscription), number, expires_at)

    def open(self, token: str) -> httpx.Response:
        return self._client.get(f"/pay/{token}")

    def pay(self, token: str) -> httpx.Response:
        return self._client.post(f"/pay/{token}")

    def shown(self, token: str) -> dict[str, Any]:
        """What an open link shows."""
        answer = self.open(token)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data
