"""The amounts of the story that the examples of posting rules tell, and what an example is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from ledger import events as on
from ledger import postings as by
from ledger.accounts import collection, disbursement
from ledger.commands import PayoutTerms
from ledger.money import Money
from ledger.payout import payout_legs
from ledger.reversals import (
    NOTHING,
    Reversal,
    allocate_reversal,
    given_to_creator,
    taken_from_creator,
)

if TYPE_CHECKING:
    from ledger.journal_entry import JournalEntry


class Example(NamedTuple):
    """An event, in which case, and the entry that it has then."""

    event: type[on.Event]
    case: str
    entry: JournalEntry | None


CURRENCY: Final = "KES"
CREATOR: Final = UUID(int=0)
FAN: Final = UUID(int=1)
PROVIDER: Final = "name"
COLLECTION: Final = collection(PROVIDER)
DISBURSEMENT: Final = disbursement(PROVIDER)
OF: Final[dict[str, Any]] = {"currency": CURRENCY, "creator_id": CREATOR}
OF_FAN: Final[dict[str, Any]] = {"currency": CURRENCY, "fan_id": FAN}
OF_DISPUTE: Final[dict[str, Any]] = {**OF, "provider": PROVIDER}

PLAN: Final = by.FeePlan(fee_basis_points=1_000, vat_basis_points=1_600)
SPLIT: Final = by.split_gross(100_000, PLAN)
TERMS: Final = PayoutTerms(
    provider=PROVIDER,
    currency=CURRENCY,
    step=100,
    minimum=1_000,
    maximum=15_000_000,
    fixed_fee=1_000,
    fee_basis_points=0,
    vat_basis_points=1_600,
    approvals_required=1,
)
PAYOUT: Final = payout_legs(50_000, TERMS, withholding_basis_points=500)


def kes(minor_units: int) -> Money:
    """Kenyan shillings, in cents."""
    return Money(amount=minor_units, currency=CURRENCY)


PART: Final = allocate_reversal(25_000, SPLIT)
WHOLE: Final = allocate_reversal(100_000, SPLIT)
BEYOND: Final = allocate_reversal(110_000, SPLIT)
NOTHING_OF_IT: Final = Reversal(NOTHING, 0)

PENDING: Final = taken_from_creator(PART.legs.net, pending=SPLIT.net)
AVAILABLE: Final = taken_from_creator(PART.legs.net, pending=0)
BOTH: Final = taken_from_creator(PART.legs.net, pending=10_000)
ALL_PENDING: Final = taken_from_creator(SPLIT.net, pending=SPLIT.net)
"""What a reversal takes of the creator: before the release, after it, and when too little of the
payment is left in pending."""

GIVEN_BACK: Final = given_to_creator(WHOLE.legs.net - PART.legs.net, released=False)
WON: Final = Reversal(WHOLE.legs.minus(PART.legs), 0)
NO_LEG: Final = given_to_creator(0, released=True)
