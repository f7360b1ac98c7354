"""What the tests of posting rules share: amounts of any size, and what entries do together."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st

from ledger.accounts import collection, disbursement
from ledger.journal_entry import JournalEntry
from ledger.money import AMOUNT_MAX, Money, Split
from ledger.postings import PayoutLegs
from ledger.reversals import CreatorLeg, Reversal, taken_from_creator
from tests.builders import PROVIDER

CREATOR: Final = UUID(int=7)
FAN: Final = UUID(int=8)
COLLECTION: Final = collection(PROVIDER)
FLOAT: Final = disbursement(PROVIDER)
OF_CREATOR: Final[dict[str, Any]] = {"currency": "KES", "creator_id": CREATOR}
OF_FAN: Final[dict[str, Any]] = {"currency": "KES", "fan_id": FAN}

Balances = dict[tuple[str, str], int]


def effect(*entries: JournalEntry | None) -> Balances:
    """What the entries together do to each account; what they undo is left out."""
    balances: Balances = {}
    for entry in entries:
        for posting in () if entry is None else entry.postings:
            key = (posting.account, posting.currency)
            balances[key] = balances.get(key, 0) + posting.amount
    return {key: amount for key, amount in balances.items() if amount}


amounts = st.integers(1, AMOUNT_MAX)
parts = st.integers(0, AMOUNT_MAX // 4)
moneys = st.builds(Money, amount=amounts, currency=st.just("KES"))
splits = st.builds(Split, fee=parts, vat=parts, net=parts).filter(lambda split: split.gross > 0)
legs = st.builds(PayoutLegs, net=amounts, fee=parts, vat=parts, withholding=parts)
reversals = st.builds(Reversal, splits, parts) | st.builds(
    Reversal, st.just(Split(fee=0, vat=0, net=0)), amounts
)


def taken(reversal: Reversal, share: int) -> CreatorLeg:
    """The creator's leg when the payment has `share` per cent of it in pending."""
    return taken_from_creator(reversal.legs.net, pending=reversal.legs.net * share // 100)


shares = st.integers(0, 100)


def kes(amount: int) -> Money:
    return Money(amount=amount, currency="KES")
