"""Asking Daraja, and what its answers to requests mean.

A prompt's query answers at once. A transaction's status does not: it is asked for here, and comes
to an address that was made for it (api/providers/daraja_hints.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import structlog

from api.providers.daraja_callbacks import NOTHING, Purpose, word_of
from api.providers.daraja_codes import (
    DUPLICATE_ERROR,
    NOT_TAKEN_ERRORS,
    PROCESSING_ERROR,
    STILL_PROCESSING,
    SUCCESS,
    says,
)
from api.providers.daraja_reports import CODE, UNREADABLE, code_of, conversation_of
from api.providers.http_calls import UnansweredError, UnreachedError
from api.providers.port import (
    Accepted,
    CannotBeAskedError,
    Declined,
    NoAnswer,
    StatusUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from uuid import UUID

    from api.providers.daraja_api import DarajaApi
    from api.providers.daraja_callbacks import CallbackAddresses
    from api.providers.daraja_configuration import DarajaConfiguration
    from api.providers.daraja_reports import Result, Till
    from api.providers.http_calls import Answered
    from api.providers.port import Initiation

logger = structlog.get_logger()

REFERENCE: Final = re.compile(r"[A-Za-z0-9_.-]{1,96}", re.ASCII)


async def initiation(
    call: Awaitable[Answered], reference: str, *, is_prompt: bool = False
) -> Initiation:
    """What became of a request, whose answer names it by `reference`."""
    try:
        answer = await call
    except UnreachedError as error:
        return Declined(str(error), retryable=True)
    except UnansweredError as error:
        return NoAnswer(str(error))
    document = answer.document
    if answer.is_success:
        named, code = document.get(reference), document.get("ResponseCode")
        if code == SUCCESS and isinstance(named, str) and REFERENCE.fullmatch(named):
            return Accepted(named)
        if _is_code(code) and code != SUCCESS:
            return Declined(f"refused_{_word(code)}")
        return NoAnswer("unreadable_answer")
    return _refusal(answer, is_prompt=is_prompt)


def _refusal(answer: Answered, *, is_prompt: bool) -> Initiation:
    """Whether a request that was answered with an error was certainly not taken."""
    document, code = answer.document, answer.document.get("errorCode")
    if code in NOT_TAKEN_ERRORS:
        return Declined("busy", retryable=True)
    if code == DUPLICATE_ERROR and says(document, "duplicate"):
        # It has the request, from an answer that we did not get.
        return NoAnswer("duplicate_reference")
    if is_prompt and code == PROCESSING_ERROR:
        # Before anything is shown: another prompt, or a merchant or a password that is wrong.
        return Declined("another_prompt" if says(document, "lock", "process") else "refused_500")
    if answer.status >= 500:  # noqa: PLR2004 - HTTP's
        return NoAnswer(f"answered_{answer.status}")
    reason = _word(code) if _is_code(code) else str(answer.status)
    return Declined(f"refused_{reason}")


class StatusQueries:
    """Asks about prompts, payouts, refunds and money at tills."""

    def __init__(
        self,
        configuration: DarajaConfiguration,
        addresses: CallbackAddresses,
        *,
        collections: DarajaApi,
        payouts: DarajaApi,
    ) -> None:
        self._configuration = configuration
        self._addresses = addresses
        self._collections = collections
        self._payouts = payouts
        self._passkey = configuration.text("passkey")

    async def prompt(self, checkout: str) -> str | None:
        """The code that a prompt ended with, or None while it has not.

        Raises `StatusUnavailableError`.
        """
        answer = await _answered(self._collections.ask_push(self._passkey, checkout))
        document = answer.document
        if document.get("errorCode") == PROCESSING_ERROR and says(document, "process"):
            return None
        if not answer.is_success or document.get("ResponseCode") != SUCCESS:
            raise StatusUnavailableError
        if document.get("CheckoutRequestID", checkout) != checkout:
            raise StatusUnavailableError
        try:
            code = code_of(document.get("ResultCode"))
        except UNREADABLE as error:
            raise StatusUnavailableError from error
        return None if code == STILL_PROCESSING else code

    async def payout(self, payout_id: UUID, attempt: int, told: Result | None = None) -> None:
        """Ask about an attempt, by our name of it; `told` is its result, which the answer must fit.

        Raises `StatusUnavailableError` or `CannotBeAskedError`.
        """
        if not self._configuration.pays_out:
            raise CannotBeAskedError
        words = (payout_id.hex, f"{attempt:x}", *_told(told))
        asked = _by_conversation(conversation_of(payout_id, attempt))
        await self._ask(self._payouts, Purpose.SENT_STATUS, words, asked)

    async def refund(
        self,
        stream_id: UUID,
        refund_id: UUID,
        *,
        conversation: str | None,
        told: Result | None = None,
    ) -> None:
        """Ask about a reversal, by Daraja's name of it or by its receipt. Raises as `payout`."""
        words = (stream_id.hex, refund_id.hex, *_told(told))
        receipt = None if told is None else told.transaction
        if conversation is not None:
            asked = _by_conversation(conversation)
        elif receipt is not None:
            asked = {"TransactionID": receipt}
        else:
            raise CannotBeAskedError
        await self._ask(self._collections, Purpose.REVERSED_STATUS, words, asked)

    async def till(self, told: Till) -> None:
        """Ask about money at a till. Raises as `payout`."""
        words = (word_of(told.receipt), word_of(told.reference), f"{told.amount.amount:x}")
        asked = {"TransactionID": told.receipt}
        await self._ask(self._collections, Purpose.TILL_STATUS, words, asked)

    async def _ask(
        self, api: DarajaApi, purpose: Purpose, words: tuple[str, ...], asked: dict[str, Any]
    ) -> None:
        if api is self._collections and not self._configuration.reverses:
            raise CannotBeAskedError
        document = {
            **asked,
            "ResultURL": self._addresses.address(purpose, *words),
            "QueueTimeOutURL": self._addresses.address(Purpose.STATUS_LOST, words[0]),
        }
        answer = await _answered(api.ask(document))
        if not answer.is_success or answer.document.get("ResponseCode") != SUCCESS:
            logger.warning("status_query_refused", provider="daraja", status=answer.status)
            raise StatusUnavailableError


async def _answered(call: Awaitable[Answered]) -> Answered:
    try:
        return await call
    except (UnreachedError, UnansweredError) as error:
        raise StatusUnavailableError from error


def _told(told: Result | None) -> tuple[str, str]:
    if told is None:
        return NOTHING, NOTHING
    return word_of(told.code), word_of(told.transaction)


def _by_conversation(conversation: str) -> dict[str, Any]:
    # Sources differ in the field's name: see api/providers/daraja.py.
    return {"OriginatorConversationID": conversation, "OriginalConversationID": conversation}


def _is_code(code: object) -> bool:
    return isinstance(code, str) and CODE.fullmatch(code) is not None


def _word(code: object) -> str:
    return str(code).lower().replace(".", "_")
