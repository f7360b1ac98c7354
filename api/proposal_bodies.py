"""What an admin may propose, as it is sent, and the action that it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, assert_never
from uuid import UUID, uuid5

import fastapi
from pydantic import AfterValidator, Field

from api.routers.parts import Body, ProviderName, Reason, check_provider
from ledger.accounts import provider_of
from ledger.events import (
    AllocateReceipts,
    AnyAction,
    PostAdjustment,
    ReceiptReference,
    ReturnReceipt,
    WriteOffDebt,
)
from ledger.journal_entry import AccountName, JournalEntry
from ledger.money import AMOUNT_MAX, CurrencyCode, Money

if TYPE_CHECKING:
    from api.doors import Doors

POSTINGS_MAX: Final = 100


def _not_zero(amount: int) -> int:
    if amount == 0:
        raise ValueError("must not be zero")
    return amount


class PostingBody(Body):
    """An account is debited (`amount` > 0) or credited (< 0), in minor units."""

    account: AccountName = Field(examples=["platform:fees"])
    amount: Annotated[
        int, Field(strict=True, ge=-AMOUNT_MAX, le=AMOUNT_MAX), AfterValidator(_not_zero)
    ]
    currency: CurrencyCode


def _balanced(postings: tuple[PostingBody, ...]) -> tuple[PostingBody, ...]:
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    if any(sums.values()):
        raise ValueError("debits and credits must be equal in every currency")
    return postings


class AdjustmentBody(Body):
    """A correcting journal entry. Accounts that follow from payments and payouts are refused."""

    kind: Literal["post_adjustment"]
    reason: Reason
    postings: Annotated[
        tuple[PostingBody, ...],
        Field(min_length=2, max_length=POSTINGS_MAX),
        AfterValidator(_balanced),
    ]


class ReceiptBody(Body):
    """Parked money, as `GET /admin/suspense` names it."""

    stream_id: UUID
    provider: ProviderName
    provider_transaction: Annotated[str, Field(min_length=1, max_length=255)]


class AllocationBody(Body):
    """Parked receipts pay a payment; its split is of what they add up to."""

    kind: Literal["allocate_receipts"]
    reason: Reason
    payment_id: UUID
    receipts: Annotated[tuple[ReceiptBody, ...], Field(min_length=1, max_length=50)]


class ReturnBody(Body):
    """A parked receipt goes back to the number that paid it, and to no other."""

    kind: Literal["return_receipt"]
    reason: Reason
    receipt: ReceiptBody


class WriteOffBody(Body):
    """A creator's negative available balance is given up, wholly or in part."""

    kind: Literal["write_off_debt"]
    reason: Reason
    creator_id: UUID
    debt: Money


AnyBody = AdjustmentBody | AllocationBody | ReturnBody | WriteOffBody
ProposalBody = Annotated[AnyBody, fastapi.Body(discriminator="kind")]


def action_of(body: AnyBody, proposal_id: UUID, doors: Doors) -> AnyAction:
    """What a body asks for; what it makes has an id that follows from the proposal's.

    Raises 400 for an account of a provider that is not one of ours.
    """
    match body:
        case AdjustmentBody():
            for posting in body.postings:
                check_provider(doors, provider_of(posting.account), "postings")
            return PostAdjustment(
                adjustment_id=uuid5(proposal_id, "adjustment"),
                entry=JournalEntry.model_validate(
                    {"postings": [posting.model_dump() for posting in body.postings]}
                ),
                reason=body.reason,
            )
        case AllocationBody():
            return AllocateReceipts(
                payment_id=body.payment_id,
                receipts=tuple(_reference(receipt) for receipt in body.receipts),
                settlement_delay_seconds=doors.settings.settlement_delay_seconds,
                reason=body.reason,
            )
        case ReturnBody():
            return ReturnReceipt(
                refund_id=uuid5(proposal_id, "refund"),
                receipt=_reference(body.receipt),
                reason=body.reason,
            )
        case WriteOffBody():
            return WriteOffDebt(creator_id=body.creator_id, debt=body.debt, reason=body.reason)
        case _:
            assert_never(body)


def _reference(receipt: ReceiptBody) -> ReceiptReference:
    return ReceiptReference(**receipt.model_dump())
