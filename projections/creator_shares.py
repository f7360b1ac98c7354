"""What of an event is a creator's? Earnings are derived from the journal entry that it carries.

A creator has earned what is in their accounts, pending, available, held, reserved and in transit
together, and what was paid out to them. So an event changes their earnings by what its entry
credits to all their accounts less what it debits; releases, holds, an open dispute, and payouts
until they are paid move money between these accounts and change nothing. Payouts that are paid or
come back (`PayoutPaid`, `PayoutReturned`) are not earnings, and no read model of earnings reads
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.accounts import PLATFORM_FEES, VAT, creator_of
from ledger.events import (
    CreditSpent,
    DisputeClosed,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    PaymentSucceeded,
    ReceiptsAllocated,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    UnusedTimeCredited,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.events import Event
    from ledger.journal_entry import JournalEntry

RECEIVED: Final[frozenset[type[Event]]] = frozenset(
    {PaymentSucceeded, ReceiptsAllocated, CreditSpent}
)
"""What brings a payment's money: once a payment."""

GIVEN_BACK: Final[frozenset[type[Event]]] = frozenset(
    {
        RefundRequested,
        RefundFailed,
        RefundReopenedAsFailed,
        RefundReopenedAsSucceeded,
        DisputeOpened,
        DisputeClosed,
        UnusedTimeCredited,
    }
)
"""What takes a payment's money back from those who had shared it, or gives it again."""

DISPUTE_FEES: Final[frozenset[type[Event]]] = frozenset({DisputeFeeCharged, DisputeFeeReturned})


class Shares(NamedTuple):
    """What an event brings to a creator, the platform and the tax, in minor units, or takes."""

    currency: str
    fee: int
    vat: int
    net: int

    @property
    def gross(self) -> int:
        """All three."""
        return self.fee + self.vat + self.net


def shares_of_payment(entry: JournalEntry | None) -> Shares | None:
    """What an event on a payment's stream brings or takes; None for nothing.

    Such an entry has one creator and one currency.
    """
    if entry is None:
        return None
    fee = vat = net = 0
    for posting in entry.postings:
        account = posting.account
        if account.startswith("creator:"):
            net -= posting.amount
        elif account == PLATFORM_FEES:
            fee -= posting.amount
        elif account == VAT:
            vat -= posting.amount
    if not (fee or vat or net):
        return None
    return Shares(entry.postings[0].currency, fee, vat, net)


def nets_of(entry: JournalEntry) -> dict[tuple[UUID, str], int]:
    """What an entry brings to each creator, by currency; without those to whom it is nothing."""
    nets: dict[tuple[UUID, str], int] = {}
    for posting in entry.postings:
        creator_id = creator_of(posting.account)
        if creator_id is not None:
            key = (creator_id, posting.currency)
            nets[key] = nets.get(key, 0) - posting.amount
    return {key: net for key, net in nets.items() if net}
