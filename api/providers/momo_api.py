"""MoMo's HTTP API: one product's calls, with its own user, key and subscription.

`X-Reference-Id` is the key of a request: sent again it is answered with 409 RESOURCE_ALREADY_EXIST,
so that everything may be sent again. An error's `code` stands in a JSON object, with 500 too; the
gateway in front of MTN's wallet answers `{"statusCode": …, "message": …}` without one.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import httpx

from api.providers.access_tokens import AccessToken
from api.providers.http_calls import HttpCalls, UnansweredError, UnreachedError
from api.providers.momo_reports import reason_of
from api.providers.port import Accepted, Declined, Initiation, NoAnswer, StatusUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

NOT_TAKEN: Final = frozenset(
    {
        "INVALID_CALLBACK_URL_HOST",
        "INVALID_CURRENCY",
        "NOT_ALLOWED",
        "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "NOT_ENOUGH_FUNDS",
        "PAYEE_NOT_ALLOWED_TO_RECEIVE",
        "PAYEE_NOT_FOUND",
        "PAYER_LIMIT_REACHED",
        "PAYER_NOT_FOUND",
    }
)
"""With 500, but of a request that was refused. INTERNAL_PROCESSING_ERROR, SERVICE_UNAVAILABLE and
COULD_NOT_PERFORM_TRANSACTION do not say so."""
NOT_FOUND: Final = "RESOURCE_NOT_FOUND"


class MomoApi:
    """A product: `collection` or `disbursement`. `environment` is the target, as `mtnuganda`."""

    def __init__(
        self,
        *,
        url: str,
        product: str,
        user: str,
        key: str,
        subscription_key: str,
        environment: str,
        timeout_seconds: float,
    ) -> None:
        self._token_url = f"{url}/{product}/token/"
        self._basic = b64encode(f"{user}:{key}".encode()).decode()
        self._subscription = {"ocp-apim-subscription-key": subscription_key}
        self._product = product
        self._calls = HttpCalls(
            url=url,
            timeout_seconds=timeout_seconds,
            auth=AccessToken(self._ask_for_token),
            headers={**self._subscription, "x-target-environment": environment},
            is_own=_is_refusal,
        )

    def _ask_for_token(self) -> httpx.Request:
        headers = {**self._subscription, "authorization": f"Basic {self._basic}"}
        return httpx.Request("POST", self._token_url, headers=headers)

    async def push(
        self, what: str, reference: UUID, document: Mapping[str, Any], callback: str
    ) -> Initiation:
        """Ask for something under a reference of ours."""
        try:
            answer = await self._calls.call(
                "POST",
                f"/{self._product}/v1_0/{what}",
                document=document,
                headers={"x-reference-id": str(reference), "x-callback-url": callback},
                repeatable=True,
            )
        except UnreachedError as error:
            return Declined(str(error), retryable=True)
        except UnansweredError as error:
            return NoAnswer(str(error))
        if answer.is_success or answer.status == httpx.codes.CONFLICT:
            # The reference is of nothing but this: with 409 it had come before.
            return Accepted(str(reference))
        if answer.is_repeated:
            # It may have been taken before, and be refused for what that has done.
            return NoAnswer(f"refused_{answer.status}")
        if answer.status == httpx.codes.TOO_MANY_REQUESTS:
            return Declined("busy", retryable=True)
        reason = reason_of(answer.document)
        if reason == "unspecified":
            return Declined(f"refused_{answer.status}")
        return Declined(reason, retryable=reason == "not_enough_funds")

    async def ask(self, what: str, reference: UUID) -> Mapping[str, Any] | None:
        """What it knows of a request, or None for none. Raises `StatusUnavailableError`."""
        path = f"/{self._product}/v1_0/{what}/{reference}"
        try:
            answer = await self._calls.call("GET", path, repeatable=True)
        except (UnreachedError, UnansweredError) as error:
            raise StatusUnavailableError from error
        if answer.is_success:
            return answer.document
        if answer.status == httpx.codes.NOT_FOUND and answer.document.get("code") == NOT_FOUND:
            return None
        raise StatusUnavailableError

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def _is_refusal(document: Mapping[str, Any]) -> bool:
    return document.get("code") in NOT_TAKEN
