"""What a decision sees: the aggregates, the claims and the balances as they are in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.books import DocumentSeries, Fact
from ledger.creator import Creator
from ledger.fan import Fan
from ledger.payment import Payment
from ledger.payout import Payout
from ledger.proposals import Proposal
from ledger.receipt import Receipt
from ledger.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.commands import Command
    from ledger.journal import AccountKey

Aggregate = (
    Creator | Fan | Payment | Subscription | Receipt | Payout | Proposal | Fact | DocumentSeries
)


class States:
    """The aggregates by stream; absent ones do not exist. A stream is of one kind for ever."""

    def __init__(
        self,
        aggregates: Mapping[UUID, Aggregate],
        claims: Mapping[tuple[str, str], UUID],
        balances: Mapping[AccountKey, int],
    ) -> None:
        self._aggregates = aggregates
        self._claims = claims
        self._balances = balances

    def creator(self, stream: UUID) -> Creator | None:
        """The creator with this id, if the stream is a creator's."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, Creator) else None

    def fan(self, stream: UUID) -> Fan | None:
        """What is known of a fan, if the stream is a fan's."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, Fan) else None

    def subscription(self, stream: UUID | None) -> Subscription | None:
        """The subscription with this id, if the stream is a subscription's."""
        found = None if stream is None else self._aggregates.get(stream)
        return found if isinstance(found, Subscription) else None

    def payment(self, stream: UUID | None) -> Payment | None:
        """The payment with this id, if the stream is a payment's."""
        found = None if stream is None else self._aggregates.get(stream)
        return found if isinstance(found, Payment) else None

    def owner(self, stream: UUID | None) -> Payment | Receipt | None:
        """The payment or receipt with this id: what refunds and parked money lie on."""
        found = None if stream is None else self._aggregates.get(stream)
        return found if isinstance(found, Payment | Receipt) else None

    def payout(self, stream: UUID | None) -> Payout | None:
        """The payout with this id, if the stream is a payout's."""
        found = None if stream is None else self._aggregates.get(stream)
        return found if isinstance(found, Payout) else None

    def proposal(self, stream: UUID) -> Proposal | None:
        """The proposal with this id, if the stream is a proposal's."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, Proposal) else None

    def fact(self, stream: UUID) -> Fact | None:
        """The fact of the platform's books with this id."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, Fact) else None

    def series(self, stream: UUID) -> DocumentSeries | None:
        """The series of documents with this id."""
        found = self._aggregates.get(stream)
        return found if isinstance(found, DocumentSeries) else None

    def anything(self, stream: UUID) -> Aggregate | None:
        """Whatever has this id."""
        return self._aggregates.get(stream)

    def balance(self, account: str, currency: str) -> int:
        """An account's balance before this decision, in minor units, debit positive.

        Raises `KeyError` for an account that the command did not ask for by `accounts()`, and that
        is not related to what it is about (ledger/relations.py).
        """
        return self._balances[account, currency]

    def claimed_by(self, command: Command) -> UUID | None:
        """The stream that has one of the command's natural keys already."""
        for key in command.natural_keys():
            if (stream := self._claims.get((key.scope, key.key))) is not None:
                return stream
        return None
