"""POSTING RULES: who is debited and credited, and where the fan's money is split.

Every rule is a function from what happened to a balanced `JournalEntry`; the entry is stored in
the event, so a later change here never rewrites history.

    what happened                    debit                  credit
    money received for a payment     collection g           pending n, fees f, vat v
    paid x too much                  collection x           suspense x
    too little, wrong currency,
    a second success, no payment     collection u           suspense u
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ledger.accounts import PLATFORM_FEES, VAT, CreatorFunds, collection, creator_funds, suspense
from ledger.errors import FeePlanExceedsPayment
from ledger.journal_entry import JournalEntry, entry
from ledger.money import BASIS_POINTS, Money, Split, ceil_basis_points, half_up_basis_points

if TYPE_CHECKING:
    from uuid import UUID


class FeePlan(BaseModel):
    """What the platform keeps: a fee in basis points of the gross, VAT in basis points of the fee.

    `keep_fee` says whether the platform keeps its fee when a payment is reversed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fee_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS)
    vat_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS)
    keep_fee: bool = Field(strict=True, default=False)


def split_gross(gross: int, plan: FeePlan) -> Split:
    """Split `gross` minor units: fee rounded up, VAT on the fee half up, the creator gets the rest.

    Raises `FeePlanExceedsPayment` when nothing but a negative net would be left.
    """
    fee = ceil_basis_points(gross, plan.fee_basis_points)
    vat = half_up_basis_points(fee, plan.vat_basis_points)
    if fee + vat > gross:
        raise FeePlanExceedsPayment
    return Split(fee=fee, vat=vat, net=gross - fee - vat)


def payment_received(
    split: Split, *, currency: str, provider: str, creator_id: UUID
) -> JournalEntry:
    """The fan's money arrived at the provider: the creator's part is pending."""
    return entry(
        currency,
        (collection(provider), split.gross),
        (creator_funds(creator_id, CreatorFunds.PENDING), -split.net),
        (PLATFORM_FEES, -split.fee),
        (VAT, -split.vat),
    )


def receipt_parked(received: Money, *, provider: str) -> JournalEntry:
    """Money arrived that is not understood yet: owed to whoever it turns out to belong to."""
    return entry(
        received.currency,
        (collection(provider), received.amount),
        (suspense(provider), -received.amount),
    )
