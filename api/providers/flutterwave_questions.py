"""What Flutterwave is asked: by us, in time, and about what its callbacks have hinted at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError
from api.providers.flutterwave_api import FlutterwaveApi, transaction_of
from api.providers.flutterwave_reports import (
    dispute_report,
    payment_reports,
    payout_report,
    refund_report,
)
from api.providers.port import (
    CannotBeAskedError,
    Known,
    PaymentInquiry,
    PayoutInquiry,
    RefundOrder,
    StatusUnavailableError,
)
from api.providers.words import (
    attempt_of,
    json_object,
    name_of,
    our_id,
    part,
    payout_reference,
    refund_note,
    refund_of_note,
)
from ledger.commands import (
    Claim,
    PayoutClaim,
    PayoutReport,
    ProviderReport,
    RefundClaim,
    RefundReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ledger.commands import AnyReport

NOT_FOUND_FINAL: Final = timedelta(minutes=5)


class Questions:
    """The port's status queries, and the confirmation of hints."""

    def __init__(self, api: FlutterwaveApi) -> None:
        self._api = api

    async def payment(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        """As the port's `status`."""
        transaction = transaction_of(inquiry.provider_reference)
        if transaction is None:
            said = await self._api.ask_by_reference(str(inquiry.payment_id))
        else:
            said = await self._api.ask(f"/transactions/{transaction}/verify")
        if said is None:
            if inquiry.provider_reference or datetime.now(UTC) < (
                inquiry.initiated_at + NOT_FOUND_FINAL
            ):
                raise StatusUnavailableError
            return None
        try:
            report = payment_reports(part(said))[0]
        except UnreadableError as error:
            raise StatusUnavailableError from error
        if not isinstance(report, ProviderReport) or report.payment_id != inquiry.payment_id:
            raise StatusUnavailableError
        return report

    async def refund(self, order: RefundOrder) -> RefundReport | None:
        """As the port's `refund_status`."""
        if order.provider_reference is not None:
            said = await self._api.ask(f"/refunds/{order.provider_reference}")
        else:
            said = _noted(await self._api.ask("/refunds"), refund_note(order))
        try:
            return _of_order(part(said), order)
        except UnreadableError as error:
            # Not in the list, which has many pages, is not nowhere.
            raise StatusUnavailableError from error

    async def payout(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        """As the port's `payout_status`."""
        reference = payout_reference(inquiry.payout_id, inquiry.attempt)
        if transaction_of(inquiry.provider_reference) is not None:
            found = [await self._api.ask(f"/transfers/{inquiry.provider_reference}")]
        else:
            listed = await self._api.ask("/transfers", {"reference": reference})
            found = listed if isinstance(listed, list) else []
        for each in found:
            if isinstance(each, dict) and each.get("reference") == reference:
                try:
                    return payout_report(each)
                except UnreadableError as error:
                    raise StatusUnavailableError from error
        raise StatusUnavailableError

    async def confirm(self, body: bytes, known: Known) -> tuple[AnyReport, ...]:
        """As the port's."""
        try:
            event, data = event_of(body)
        except UnreadableError:
            raise CannotBeAskedError from None
        try:
            match event.partition(".")[0]:
                case "charge":
                    return await self._confirm_charge(data)
                case "transfer":
                    return await self._confirm_transfer(data, known)
                case "refund":
                    return await self._confirm_refund(data, known)
                case "chargeback":
                    return await self._confirm_chargeback(data, known)
                case _:
                    raise CannotBeAskedError
        except (UnreadableError, KeyError, ValueError) as error:
            raise StatusUnavailableError from error

    async def _confirm_charge(self, hint: Mapping[str, Any]) -> tuple[AnyReport, ...]:
        transaction, reference = transaction_of(hint.get("id")), our_id(hint.get("tx_ref"))
        if transaction is not None:
            said = await self._api.ask(f"/transactions/{transaction}/verify")
        elif reference is not None:
            said = await self._api.ask_by_reference(str(reference))
        else:
            raise CannotBeAskedError
        if said is None:
            raise StatusUnavailableError
        reports = payment_reports(part(said))
        first = reports[0]
        return () if isinstance(first, ProviderReport) and first.claim is Claim.PENDING else reports

    async def _confirm_transfer(
        self, hint: Mapping[str, Any], known: Known
    ) -> tuple[AnyReport, ...]:
        attempt = attempt_of(hint.get("reference"))
        inquiry = None
        if attempt.payout_id is not None:
            inquiry = await known.payout(attempt.payout_id, attempt.number)
        if inquiry is None:
            raise CannotBeAskedError
        report = await self.payout(inquiry)
        return () if report is None or report.claim is PayoutClaim.PENDING else (report,)

    async def _confirm_refund(self, hint: Mapping[str, Any], known: Known) -> tuple[AnyReport, ...]:
        name = transaction_of(hint.get("id"))
        if name is None:
            raise CannotBeAskedError
        said = part(await self._api.ask(f"/refunds/{name}"))
        charge = await self._charge_of(said)
        ours = refund_of_note(said.get("comments", said.get("comment")))
        report = refund_report(
            said,
            stream_id=our_id(charge.get("tx_ref")) if ours is None else ours.stream_id,
            refund_id=None if ours is None else ours.refund_id,
            currency=str(charge.get("currency")),
        )
        if report.stream_id is None:
            raise CannotBeAskedError
        if ours is None:
            report = _named_by_us(said, report, await known.refunds(report.stream_id))
        return () if report.claim is RefundClaim.PENDING else (report,)

    async def _confirm_chargeback(
        self, hint: Mapping[str, Any], known: Known
    ) -> tuple[AnyReport, ...]:
        payment_id = our_id(hint.get("tx_ref"))
        payment = None if payment_id is None else await known.payment(payment_id)
        if payment is None:
            raise CannotBeAskedError
        charge = part(await self._api.ask_by_reference(str(payment.payment_id)))
        all_of_it = await self._api.ask("/chargebacks", {"flw_ref": name_of(charge.get("flw_ref"))})
        its_own = [
            each
            for each in (all_of_it if isinstance(all_of_it, list) else [])
            if isinstance(each, dict) and str(each.get("transaction_id")) == str(charge["id"])
        ]
        return (dispute_report(its_own, payment),) if its_own else ()

    async def _charge_of(self, refund: Mapping[str, Any]) -> dict[str, Any]:
        """The charge that a refund is of: it has the currency, and a reference of ours."""
        number = transaction_of(refund.get("tx_id", refund.get("transaction_id")))
        if number is None:
            raise CannotBeAskedError
        return part(await self._api.ask(f"/transactions/{number}/verify"))


def event_of(body: bytes) -> tuple[str, dict[str, Any]]:
    """What happened, and to what. Raises `UnreadableError`."""
    document = json_object(body)
    return str(document.get("event", document.get("type"))), part(document.get("data"))


def _noted(listed: object, note: str) -> object:
    """The refund that has this note, or None."""
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and note in {each.get("comments"), each.get("comment")}:
            return each
    return None


def _of_order(said: Mapping[str, Any], order: RefundOrder) -> RefundReport:
    return refund_report(
        said,
        stream_id=order.stream_id,
        refund_id=order.refund_id,
        currency=order.money.currency,
    )


def _named_by_us(
    said: Mapping[str, Any], report: RefundReport, orders: Iterable[RefundOrder]
) -> RefundReport:
    """A refund without our note may be ours all the same, if the note got lost.

    Raises `StatusUnavailableError` where it cannot be told from one that nobody asked for.
    """
    for order in orders:
        if order.provider_reference == report.provider_refund:
            return _of_order(said, order)
        if order.provider_reference is None and order.money == report.refunded:
            raise StatusUnavailableError
    return report
