"""Money in suspense: allocated to a payment, or returned to the number that paid it.

Parked money lies on the stream that it came for. Several receipts may add up to one payment; the
split is of what they add up to. A return is a refund without legs (ledger/refunds.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ledger.errors import (
    AlreadyExists,
    AmountOutOfBounds,
    CurrencyDiffers,
    PaymentNotAllocatable,
    PaymentNotFound,
    ReceiptNotFound,
    ReceiptNotWaiting,
)
from ledger.events import (
    LedgerEvent,
    Occasion,
    ReceiptReturnRequested,
    ReceiptsAllocated,
    ReceiptsCredited,
    ReceiptSpent,
)
from ledger.flows import Parked, ParkedState
from ledger.money import AMOUNT_MAX, AMOUNT_MIN, Money
from ledger.payment import GIVEN_UP, Payment, PaymentState
from ledger.postings import (
    receipts_allocated,
    receipts_credited,
    return_requested,
    split_gross,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.events import AllocateReceipts, ReceiptReference, ReturnReceipt
    from ledger.receipt import Receipt

    Owner = Payment | Receipt
    FindOwner = Callable[[UUID], Owner | None]
    Found = list[tuple[ReceiptReference, Owner, Parked]]

ALLOCATABLE = GIVEN_UP | {PaymentState.NEEDS_REVIEW}
"""States of a payment that parked money may pay."""


def parked_money(find: FindOwner, receipt: ReceiptReference) -> tuple[Owner, Parked]:
    """The parked money that a reference names. Raises `ReceiptNotFound`."""
    owner = find(receipt.stream_id)
    parked = None if owner is None else owner.flows.parked.get(receipt.provider_transaction)
    if owner is None or parked is None or parked.provider != receipt.provider:
        raise ReceiptNotFound
    return owner, parked


def allocate(
    payment: Payment | None,
    find: FindOwner,
    action: AllocateReceipts,
    at: Occasion,
    *,
    wanted: bool = True,
) -> list[LedgerEvent]:
    """Let parked receipts pay a payment.

    `wanted` says of a payment of an invoice whether that is still open for it: if not, or if they
    add up to another amount, they are the fan's credit.

    Raises `PaymentNotFound`, `PaymentNotAllocatable`, `ReceiptNotFound`, `ReceiptNotWaiting`,
    `CurrencyDiffers`, `AmountOutOfBounds` or `FeePlanExceedsPayment`.
    """
    if payment is None:
        raise PaymentNotFound
    if payment.state not in ALLOCATABLE:
        raise PaymentNotAllocatable(state=payment.state)
    found = [(receipt, *parked_money(find, receipt)) for receipt in dict.fromkeys(action.receipts)]
    currency = payment.money.currency
    for _, _, parked in found:
        if parked.state is not ParkedState.WAITING:
            raise ReceiptNotWaiting(state=parked.state)
        if parked.money.currency != currency:
            raise CurrencyDiffers(expected=currency, currency=parked.money.currency)
    total = sum(parked.money.amount for _, _, parked in found)
    if total > AMOUNT_MAX:
        raise AmountOutOfBounds(minimum=AMOUNT_MIN, maximum=AMOUNT_MAX)
    as_credit = payment.invoice is not None and not (wanted and total == payment.money.amount)
    allocated = (_credit if as_credit else _allocate)(
        payment, found, Money(amount=total, currency=currency), action, at
    )
    events: list[LedgerEvent] = [allocated]
    versions: dict[UUID, int] = {}
    for receipt, owner, _ in found:
        if owner.id == payment.id:
            continue
        versions[owner.id] = versions.get(owner.id, owner.version) + 1
        events.append(
            ReceiptSpent(
                originator_id=owner.id,
                originator_version=versions[owner.id],
                provider_transaction=receipt.provider_transaction,
                payment_id=payment.id,
                reason=action.reason,
                **at.stamp(),
            )
        )
    return events


def _allocate(
    payment: Payment, found: Found, money: Money, action: AllocateReceipts, at: Occasion
) -> LedgerEvent:
    split = split_gross(money.amount, payment.plan)
    return ReceiptsAllocated(
        split=split,
        releases_at=at.recorded_at + timedelta(seconds=action.settlement_delay_seconds),
        entry=receipts_allocated(
            [(parked.provider, parked.money.amount) for _, _, parked in found],
            split,
            currency=money.currency,
            creator_id=payment.creator_id,
        ),
        **_place(payment, found, money, action, at),
    )


def _credit(
    payment: Payment, found: Found, money: Money, action: AllocateReceipts, at: Occasion
) -> LedgerEvent:
    return ReceiptsCredited(
        entry=receipts_credited(
            [(parked.provider, parked.money.amount) for _, _, parked in found],
            currency=money.currency,
            fan_id=payment.fan_id,
        ),
        **_place(payment, found, money, action, at),
    )


def _place(
    payment: Payment, found: Found, money: Money, action: AllocateReceipts, at: Occasion
) -> dict[str, Any]:
    return {
        "originator_id": payment.id,
        "originator_version": payment.version + 1,
        "receipts": tuple(receipt for receipt, _, _ in found),
        "money": money,
        "reason": action.reason,
        **at.stamp(),
    }


def return_receipt(find: FindOwner, action: ReturnReceipt, at: Occasion) -> list[LedgerEvent]:
    """Send parked money back to the number that paid it.

    Raises `ReceiptNotFound`, `ReceiptNotWaiting` or `AlreadyExists`.
    """
    owner, parked = parked_money(find, action.receipt)
    if action.refund_id in owner.flows.refunds:
        raise AlreadyExists
    if parked.state is not ParkedState.WAITING:
        raise ReceiptNotWaiting(state=parked.state)
    return [
        ReceiptReturnRequested(
            originator_id=owner.id,
            originator_version=owner.version + 1,
            refund_id=action.refund_id,
            provider=parked.provider,
            provider_transaction=parked.transaction,
            returned=parked.money,
            reason=action.reason,
            entry=return_requested(parked.money, provider=parked.provider),
            **at.stamp(),
        )
    ]
