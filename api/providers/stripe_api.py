"""Stripe's API: what it takes, and what its answers tell of what was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

from api.providers.http_calls import HttpCalls, UnansweredError, UnreachedError
from api.providers.port import Declined, NoAnswer, StatusUnavailableError
from api.providers.stripe_reports import error_code
from api.providers.words import part

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "2024-11-20.acacia"
"""Of the API: it decides what answers look like, whatever the account's own is."""

BEFORE_IT_IS_LOOKED_AT: Final = frozenset({401, 403, 429})
"""What is refused so is refused whatever became of the same request before."""

PAGE: Final = 100
PAGES_MAX: Final = 50


class StripeApi:
    """The calls."""

    def __init__(self, *, url: str, secret_key: str, timeout_seconds: float) -> None:
        self._calls = HttpCalls(
            url=url,
            timeout_seconds=timeout_seconds,
            headers={"authorization": f"Bearer {secret_key}", "stripe-version": VERSION},
        )

    async def push(
        self, path: str, form: Mapping[str, str], *, key: str
    ) -> Mapping[str, Any] | Declined | NoAnswer:
        """What it answers to a request that it took; or why it did not. `key`: it takes it once."""
        try:
            answer = await self._calls.call(
                "POST", path, form=form, headers={"idempotency-key": key}, repeatable=True
            )
        except UnreachedError as error:
            return Declined(str(error), retryable=True)
        except UnansweredError as error:
            return NoAnswer(str(error))
        if answer.is_success:
            return answer.document
        said = answer.document.get("error")
        kind = said.get("type") if isinstance(said, dict) else None
        if answer.status == httpx.codes.CONFLICT or kind == "idempotency_error":
            # It has the request, or is about to, from an answer that we did not get.
            return NoAnswer("duplicate_reference")
        if answer.is_repeated and answer.status in BEFORE_IT_IS_LOOKED_AT:
            return NoAnswer(f"answered_{answer.status}")
        return Declined(
            error_code(said, f"refused_{answer.status}"),
            retryable=answer.status == httpx.codes.TOO_MANY_REQUESTS,
        )

    async def ask(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any] | None:
        """What it knows, or None for what it does not know. Raises `StatusUnavailableError`."""
        try:
            answer = await self._calls.call("GET", path, query=query, repeatable=True)
        except (UnreachedError, UnansweredError) as error:
            raise StatusUnavailableError from error
        if answer.is_success and answer.document:
            return answer.document
        if answer.status == httpx.codes.NOT_FOUND and isinstance(
            answer.document.get("error"), dict
        ):
            return None
        raise StatusUnavailableError

    async def listed(self, path: str, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """All that is listed, the newest first. Raises `StatusUnavailableError`.

        Lists hold what was made a moment ago; the search, which does not, is not used.
        """
        found: list[Mapping[str, Any]] = []
        after: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            page = await self.ask(path, {**query, **after, "limit": str(PAGE)})
            data = None if page is None else page.get("data")
            if page is None or not isinstance(data, list):
                raise StatusUnavailableError
            found += [part(each) for each in data]
            if page.get("has_more") is not True:
                return found
            after = {"starting_after": str(found[-1].get("id"))} if data else {}
        raise StatusUnavailableError

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()
