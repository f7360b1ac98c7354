"""What Daraja calls back, confirmed.

    a prompt's callback      the prompt is asked about, and the amounts are compared
    a payout's, a reversal's asked about; what they said is kept in the address for the answer
    money at a till          asked about until the answer has put it into the books
    the answer to a query    it came to an address that only Daraja was told, in one authenticated
                             request: it is what our credentials can get, and counts, if it
                             fits what was told before

A payout or a reversal that its result calls failed, and of which a status query knows nothing, has
failed. One of which only the query knows nothing may be on its way still.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from api.providers.daraja_callbacks import Purpose
from api.providers.daraja_codes import (
    ALREADY_REVERSED,
    COMPLETED,
    NOT_MOVED,
    RESULT_REASONS,
    RETRYABLE,
    SUCCESS,
    UNKNOWN_TRANSACTION,
    prompt_end,
    result_reason,
)
from api.providers.daraja_reports import conversation_of, moment, plausible, pushed, result, till
from api.providers.port import CannotBeAskedError
from api.providers.transaction_names import paired
from ledger.accounts import collection, disbursement
from ledger.commands import (
    Claim,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
)
from ledger.manual_references import payment_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from api.providers.daraja_callbacks import About
    from api.providers.daraja_configuration import DarajaConfiguration
    from api.providers.daraja_queries import StatusQueries
    from api.providers.daraja_reports import Result
    from api.providers.port import Known, PaymentInquiry
    from ledger.commands import AnyReport
    from ledger.money import Money

    Reports = tuple[AnyReport, ...]
    Confirm = Callable[[About, Mapping[str, Any], Known], Awaitable[Reports]]

logger = structlog.get_logger()

NAME: Final = "daraja"
HEARD: Final = ProviderReport(provider=NAME, payment_id=None, claim=Claim.PENDING)
"""Nothing to decide: what there is to know was asked for, and comes by itself."""


class Hints:
    """Confirms callbacks."""

    def __init__(self, configuration: DarajaConfiguration, queries: StatusQueries) -> None:
        self._queries = queries
        self._accounts = configuration.accounts
        self._payout_accounts = frozenset({configuration.text("payout_short_code")} - {""})
        self._by_purpose: dict[Purpose, Confirm] = {
            Purpose.PUSHED: self._pushed,
            Purpose.SENT: self._sent,
            Purpose.SENT_LOST: self._sent,
            Purpose.REVERSED: self._reversed,
            Purpose.REVERSED_LOST: self._reversed,
            Purpose.TILL: self._till,
            Purpose.SENT_STATUS: self._sent_status,
            Purpose.REVERSED_STATUS: self._reversed_status,
            Purpose.TILL_STATUS: self._till_status,
        }

    async def confirm(self, about: About, document: Mapping[str, Any], known: Known) -> Reports:
        """What is proved of it. Raises as the port's, and `UnreadableError`."""
        confirm = self._by_purpose.get(about.purpose)
        if confirm is None:
            # A question before a till takes money, which is never refused; a query without answer.
            return (HEARD,)
        return await confirm(about, document, known)

    async def _pushed(self, about: About, document: Mapping[str, Any], known: Known) -> Reports:
        inquiry, told = await known.payment(about.uuid(0)), pushed(document)
        if inquiry is None or inquiry.provider_reference not in {None, told.checkout}:
            raise CannotBeAskedError
        report = payment_report(inquiry, told.checkout, await self._queries.prompt(told.checkout))
        if report.claim is Claim.PENDING:
            return ()
        if report.claim is not Claim.SUCCEEDED or told.receipt is None:
            return (report,)
        if told.amount != inquiry.money:
            # The query does not say how much came: a person looks.
            raise CannotBeAskedError
        names = (told.receipt, paired(told.checkout, told.receipt))
        at = plausible(told.at, since=inquiry.initiated_at)
        return (replace(report, also_known_as=names, occurred_at=at),)

    async def _sent(self, about: About, document: Mapping[str, Any], known: Known) -> Reports:
        payout_id, attempt = about.uuid(0), about.number(1)
        if await known.payout(payout_id, attempt) is None:
            raise CannotBeAskedError
        told = result(document) if about.purpose is Purpose.SENT else None
        await self._queries.payout(payout_id, attempt, told)
        return (HEARD,)

    async def _sent_status(
        self, about: About, document: Mapping[str, Any], known: Known
    ) -> Reports:
        payout_id, attempt, code = about.uuid(0), about.number(1), about.text(2)
        inquiry, answer = await known.payout(payout_id, attempt), result(document)
        if inquiry is None:
            raise CannotBeAskedError
        report = PayoutReport(
            provider=NAME,
            payout_id=payout_id,
            attempt=attempt,
            claim=PayoutClaim.FAILED,
            paid=inquiry.money,
            paid_from=disbursement(NAME),
            reason=result_reason(code),
            retryable=code in RETRYABLE,
        )
        if _has_not_moved(answer, code):
            return (report,)
        if not _is_completed(answer):
            return (HEARD,)
        if not answer.is_of(conversation_of(payout_id, attempt), about.text(3)):
            raise CannotBeAskedError
        if not answer.is_party("Debit", self._payout_accounts) or answer.amount() != inquiry.money:
            raise CannotBeAskedError
        paid = replace(
            report,
            claim=PayoutClaim.PAID,
            provider_transaction=answer.receipt(),
            reason=None,
            retryable=False,
            occurred_at=moment(answer.parameters.get("FinalisedTime")),
        )
        return (paid,)

    async def _reversed(self, about: About, document: Mapping[str, Any], known: Known) -> Reports:
        stream_id, refund_id = about.uuid(0), about.uuid(1)
        order = await known.refund(stream_id, refund_id)
        if order is None:
            raise CannotBeAskedError
        told = result(document) if about.purpose is Purpose.REVERSED else None
        if told is not None and told.code == ALREADY_REVERSED:
            # Somebody has done it by hand: the money went back, and not by this request.
            raise CannotBeAskedError
        await self._queries.refund(
            stream_id, refund_id, conversation=order.provider_reference, told=told
        )
        return (HEARD,)

    async def _reversed_status(
        self, about: About, document: Mapping[str, Any], known: Known
    ) -> Reports:
        stream_id, refund_id, code = about.uuid(0), about.uuid(1), about.text(2)
        order, answer = await known.refund(stream_id, refund_id), result(document)
        if order is None:
            raise CannotBeAskedError
        report = RefundReport(
            provider=NAME,
            stream_id=stream_id,
            refund_id=refund_id,
            claim=RefundClaim.FAILED,
            provider_refund=None,
            refunded=order.money,
            paid_from=collection(NAME),
            reason=result_reason(code),
        )
        if _has_not_moved(answer, code):
            return (report,)
        if not _is_completed(answer):
            return (HEARD,)
        if not answer.is_party("Debit", self._accounts) or answer.amount() != order.money:
            raise CannotBeAskedError
        if not answer.is_of(order.provider_reference, about.text(3)):
            raise CannotBeAskedError
        if answer.receipt() in {order.provider_transaction, *order.also_known_as}:
            # That is what was paid, and not what went back.
            raise CannotBeAskedError
        back = replace(
            report,
            claim=RefundClaim.SUCCEEDED,
            provider_refund=answer.receipt(),
            reason=None,
            occurred_at=moment(answer.parameters.get("FinalisedTime")),
        )
        return (back,)

    async def _till(
        self,
        about: About,  # noqa: ARG002 - all that comes there is about whatever its body says
        document: Mapping[str, Any],
        known: Known,
    ) -> Reports:
        told = till(document)
        if await known.payment_of(told.receipt) is not None:
            return (_till_report(told.receipt, None, received=told.amount),)
        if told.is_prompt:
            # What a prompt's payer pays is confirmed at the till too: its callback names this
            # receipt. If that was lost, a person must tell it from money that was paid by hand.
            return ()
        await self._queries.till(told)
        return ()

    async def _till_status(
        self,
        about: About,
        document: Mapping[str, Any],
        known: Known,  # noqa: ARG002 - everything is in the address and the answer
    ) -> Reports:
        answer = result(document)
        if not _is_completed(answer):
            return (HEARD,)
        # Only what came in: a payout of ours has a receipt too.
        if not answer.is_of(None, about.text(0)) or not answer.is_party("Credit", self._accounts):
            raise CannotBeAskedError
        if answer.amount().amount != about.number(2):
            raise CannotBeAskedError
        report = _till_report(answer.receipt(), about.text(1), received=answer.amount())
        at = moment(answer.parameters.get("FinalisedTime"))
        return (replace(report, occurred_at=at),)


def payment_report(inquiry: PaymentInquiry, checkout: str, code: str | None) -> ProviderReport:
    """What a prompt's query says; `code` is None while the prompt has not ended."""
    report = ProviderReport(provider=NAME, payment_id=inquiry.payment_id, claim=Claim.PENDING)
    if code is None:
        return report
    if code != SUCCESS:
        claim, reason = prompt_end(code)
        return replace(report, claim=claim, reason=reason)
    return replace(
        report,
        claim=Claim.SUCCEEDED,
        provider_transaction=checkout,
        # The query does not repeat what we pushed, and M-Pesa takes all of it or nothing.
        received=inquiry.money,
    )


def _till_report(receipt: str, reference: str | None, *, received: Money) -> ProviderReport:
    return ProviderReport(
        provider=NAME,
        payment_id=None if reference is None else payment_of(reference),
        claim=Claim.SUCCEEDED,
        provider_transaction=receipt,
        received=received,
    )


def _is_completed(answer: Result) -> bool:
    if answer.code not in {SUCCESS, UNKNOWN_TRANSACTION}:
        # A wrong initiator, or one that may not ask: somebody must set that right.
        logger.warning("status_query_failed", provider=NAME, code=answer.code)
    return answer.code == SUCCESS and answer.status == COMPLETED


def _has_not_moved(answer: Result, code: str | None) -> bool:
    if answer.code == SUCCESS:
        return answer.status in NOT_MOVED
    return answer.code == UNKNOWN_TRANSACTION and code in RESULT_REASONS
