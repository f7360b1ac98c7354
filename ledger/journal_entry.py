"""A journal entry: postings that balance in every currency, or nothing at all.

Debits are positive, credits negative, in minor units. The check runs when an entry is built and
when it is read back, so an entry that does not balance cannot exist in memory.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ledger.accounts import ACCOUNT_PATTERN
from ledger.money import CurrencyCode

AccountName = Annotated[str, Field(pattern=ACCOUNT_PATTERN)]


class Posting(BaseModel):
    """One line: an account is debited (amount > 0) or credited (amount < 0), in minor units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: AccountName
    amount: int = Field(strict=True)
    currency: CurrencyCode


class JournalEntry(BaseModel):
    """Postings whose amounts sum to zero in each currency.

    Raises pydantic's `ValidationError` when they do not, when one is zero, or when there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    postings: tuple[Posting, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _balances(self) -> Self:
        sums: dict[str, int] = {}
        for posting in self.postings:
            if posting.amount == 0:
                message = f"the posting to {posting.account} is zero"
                raise ValueError(message)
            sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
        for currency, total in sums.items():
            if total != 0:
                message = f"debits and credits differ by {total} {currency}"
                raise ValueError(message)
        return self


def entry(currency: str, *legs: tuple[str, int]) -> JournalEntry:
    """Build an entry in one currency from (account, signed minor units); zero legs are left out."""
    return JournalEntry.model_validate(
        {
            "postings": tuple(
                {"account": account, "amount": amount, "currency": currency}
                for account, amount in legs
                if amount
            )
        }
    )
