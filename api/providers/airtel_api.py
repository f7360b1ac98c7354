"""Airtel's HTTP API: its token, what it takes, and what its answers tell of what was taken.

Nothing but enquiries is sent twice: a reference that comes again is refused, and refunds have none.
A 5xx, also one that has a code, may have been taken.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import httpx

from api.providers.access_tokens import AccessToken
from api.providers.airtel_reports import (
    AMBIGUOUS,
    DUPLICATE,
    NOT_FOUND,
    REASONS,
    RETRYABLE,
    SIGNATURE_REFUSED,
    TAKEN,
    Said,
    said,
)
from api.providers.airtel_secrets import public_key_of, signature_headers
from api.providers.http_calls import HttpCalls, UnansweredError, UnreachedError
from api.providers.port import Declined, NoAnswer, StatusUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from api.providers.airtel_configuration import AirtelConfiguration
    from api.providers.http_calls import Answered

KEYS_PATH: Final = "/v1/rsa/encryption-keys"
KEY_SECONDS_MAX: Final = 3600.0


class AirtelApi:
    """The calls."""

    def __init__(self, configuration: AirtelConfiguration, *, timeout_seconds: float) -> None:
        self._url = configuration.url.rstrip("/")
        self._credentials = {
            "client_id": configuration.text("client_id"),
            "client_secret": configuration.text("client_secret"),
            "grant_type": "client_credentials",
        }
        self._signs = configuration.signs_messages
        self._key: RSAPublicKey | None = None
        self._key_good_until = 0.0
        self._calls = HttpCalls(
            url=self._url,
            timeout_seconds=timeout_seconds,
            auth=AccessToken(self._ask_for_token),
            headers={
                "accept": "*/*",
                "x-country": configuration.country,
                "x-currency": configuration.market.currency,
            },
        )

    def _ask_for_token(self) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self._url}/auth/oauth2/token",
            content=json.dumps(self._credentials),
            headers={"content-type": "application/json", "accept": "*/*"},
        )

    async def push(self, path: str, document: Mapping[str, Any]) -> Said | Declined | NoAnswer:
        """What it answers to a request that it took; or why it did not."""
        try:
            answer = await self._send(path, document)
            if self._signs and said(answer.document).codes & SIGNATURE_REFUSED:
                # Its key is another one since.
                self._key = None
                answer = await self._send(path, document)
        except UnreachedError as error:
            return Declined(str(error), retryable=True)
        except UnansweredError as error:
            return NoAnswer(str(error))
        return _taken(answer)

    async def _send(self, path: str, document: Mapping[str, Any]) -> Answered:
        headers = {}
        if self._signs:
            headers = signature_headers(document, await self._public_key())
        return await self._calls.call("POST", path, document=document, headers=headers)

    async def _public_key(self) -> RSAPublicKey:
        if self._key is None or time.monotonic() >= self._key_good_until:
            try:
                answer = await self._calls.call("GET", KEYS_PATH, repeatable=True)
                self._key = public_key_of(str(answer.document["data"]["key"]))
            except (UnansweredError, ValueError, KeyError, TypeError):
                # Nothing that is to be signed has been sent.
                raise UnreachedError("no_encryption_key") from None
            self._key_good_until = time.monotonic() + KEY_SECONDS_MAX
        return self._key

    async def ask(self, path: str, query: Mapping[str, str] | None = None) -> Said | None:
        """What it knows, or None for what it does not know. Raises `StatusUnavailableError`."""
        try:
            answer = await self._calls.call("GET", path, query=query, repeatable=True)
        except (UnreachedError, UnansweredError) as error:
            raise StatusUnavailableError from error
        found = said(answer.document)
        if found.codes & NOT_FOUND and found.letters is None:
            return None
        if answer.is_success:
            return found
        raise StatusUnavailableError

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()


def _taken(answer: Answered) -> Said | Declined | NoAnswer:
    found = said(answer.document)
    if found.codes & DUPLICATE:
        # It has the request, from an answer that we did not get.
        return NoAnswer("duplicate_reference")
    if found.codes & AMBIGUOUS or found.letters == "TA":
        return NoAnswer("ambiguous")
    if answer.status == httpx.codes.REQUEST_TIMEOUT:
        return NoAnswer("answered_408")
    if answer.is_success and found.letters not in {"TF", "TE"}:
        if found.codes & TAKEN or found.letters in {"SUCCESS", "TS", "TIP"}:
            return found
        if not found.codes & REASONS.keys():
            return NoAnswer("unreadable_answer")
    if found.codes & REASONS.keys() or found.letters == "TE":
        return Declined(found.reason, retryable=found.reason in RETRYABLE)
    too_many = answer.status == httpx.codes.TOO_MANY_REQUESTS
    return Declined(f"refused_{found.code or answer.status}", retryable=too_many)
