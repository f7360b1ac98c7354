"""What Paystack is asked: by us, in time, and about what its callbacks have told of refunds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError
from api.providers.paystack_reports import payment_reports, payout_report, refund_report
from api.providers.port import CannotBeAskedError, StatusUnavailableError
from api.providers.words import (
    json_object,
    name_of,
    our_id,
    part,
    payout_reference,
    refund_of_note,
)
from ledger.commands import ProviderReport, RefundClaim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from api.providers.paystack_api import PaystackApi
    from api.providers.port import Known, PaymentInquiry, PayoutInquiry, RefundOrder
    from ledger.commands import AnyReport, PayoutReport, RefundReport

NOT_FOUND_FINAL: Final = timedelta(minutes=5)
REFERENCE: Final = re.compile(r"[A-Za-z0-9.=_-]{1,100}", re.ASCII)
SAYS: Final[Mapping[str, RefundClaim]] = {
    "refund.processed": RefundClaim.SUCCEEDED,
    "refund.failed": RefundClaim.FAILED,
}


class Questions:
    """The port's status queries, and the confirmation of refunds."""

    def __init__(self, api: PaystackApi) -> None:
        self._api = api

    async def payment(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        """As the port's `status`."""
        said = await self._api.ask(f"/transaction/verify/{inquiry.payment_id}")
        if said is None:
            if inquiry.provider_reference or datetime.now(UTC) < (
                inquiry.initiated_at + NOT_FOUND_FINAL
            ):
                raise StatusUnavailableError
            return None
        try:
            charge = part(said)
            if charge.get("status") == "reversed":
                # Money that came and went: whether it was ours before, a person must find out.
                raise CannotBeAskedError
            report = payment_reports(charge)[0]
        except UnreadableError as error:
            raise StatusUnavailableError from error
        if not isinstance(report, ProviderReport) or report.payment_id != inquiry.payment_id:
            raise StatusUnavailableError
        return report

    async def payout(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        """As the port's `payout_status`."""
        reference = payout_reference(inquiry.payout_id, inquiry.attempt)
        said = await self._api.ask(f"/transfer/verify/{reference}")
        if said is None:
            return None
        try:
            report = payout_report(part(said))
        except UnreadableError as error:
            raise StatusUnavailableError from error
        if (report.payout_id, report.attempt) != (inquiry.payout_id, inquiry.attempt):
            raise StatusUnavailableError
        return report

    async def refund(self, order: RefundOrder) -> RefundReport | None:
        """As the port's `refund_status`."""
        try:
            if order.provider_reference is not None:
                said = part(await self._api.ask(f"/refund/{order.provider_reference}"))
                return refund_report(said, stream_id=order.stream_id, refund_id=order.refund_id)
            for each in await self._refunds_of(order.provider_transaction):
                if refund_of_note(each.get("merchant_note")) == (order.stream_id, order.refund_id):
                    return refund_report(each, stream_id=order.stream_id, refund_id=order.refund_id)
        except UnreadableError as error:
            raise StatusUnavailableError from error
        # Not in the list, which has many pages, is not nowhere.
        raise StatusUnavailableError

    async def confirm(self, body: bytes, known: Known) -> tuple[AnyReport, ...]:
        """As the port's: of a refund that has ended, whose callback does not name it."""
        try:
            document = json_object(body)
            claim = SAYS.get(str(document.get("event")))
            reference = part(document.get("data")).get("transaction_reference")
        except UnreadableError:
            raise CannotBeAskedError from None
        if claim is None or not isinstance(reference, str) or not REFERENCE.fullmatch(reference):
            raise CannotBeAskedError
        try:
            charge = part(await self._api.ask(f"/transaction/verify/{reference}"))
            listed = await self._refunds_of(name_of(charge.get("id")))
            reports = [await _confirmed(each, our_id(reference), known) for each in listed]
        except UnreadableError as error:
            raise StatusUnavailableError from error
        return tuple(report for report in reports if report.claim is claim)

    async def _refunds_of(self, transaction: str) -> list[Mapping[str, Any]]:
        """The refunds of a charge, the newest first, but for those that a dispute has made."""
        listed = await self._api.ask("/refund", {"transaction": transaction, "perPage": "100"})
        found = [
            each
            for each in (listed if isinstance(listed, list) else [])
            if isinstance(each, dict)
            and _charge_of(each) == transaction
            and each.get("dispute") is None
        ]
        return sorted(found, key=lambda each: str(each.get("createdAt")), reverse=True)


def _charge_of(refund: Mapping[str, Any]) -> str:
    """Its id alone, or the whole of it."""
    charge = refund.get("transaction")
    return str(charge.get("id") if isinstance(charge, dict) else charge)


async def _confirmed(
    refund: Mapping[str, Any], payment_id: UUID | None, known: Known
) -> RefundReport:
    """A refund of ours by its note, or by Paystack's name for it; or one that nobody asked for.

    Raises `StatusUnavailableError` where that cannot be told.
    """
    ours = refund_of_note(refund.get("merchant_note"))
    if ours is not None:
        return refund_report(refund, stream_id=ours.stream_id, refund_id=ours.refund_id)
    report = refund_report(refund, stream_id=payment_id, refund_id=None)
    for order in () if payment_id is None else await known.refunds(payment_id):
        if order.provider_reference == report.provider_refund:
            return refund_report(refund, stream_id=order.stream_id, refund_id=order.refund_id)
        if order.provider_reference is None and order.money == report.refunded:
            raise StatusUnavailableError
    return report
