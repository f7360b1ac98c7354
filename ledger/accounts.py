"""The chart of accounts: names that are stable, because an auditor reads them.

In the ledger a debit is positive and a credit negative, so a liability that we owe has a negative
balance. `Side` says which sign is the account's normal one; `normal_balance` turns it for people.

    provider:{name}:collection    asset      what a provider holds for us
    creator:{id}:pending          liability  earned, in the settlement delay
    creator:{id}:available        liability  may be paid out
    creator:{id}:held             liability  for open disputes
    creator:{id}:reserved         liability  held with a reason
    creator:{id}:in_transit       liability  payouts promised, not confirmed
    suspense:{provider}           liability  received, not yet understood
    tax:vat                       liability
    platform:fees                 income
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

ACCOUNT_PATTERN: Final = (
    r"^(provider:[a-z0-9_]+:(collection|disbursement|disputed)"
    r"|creator:[0-9a-f-]{36}:(pending|available|held|reserved|in_transit)"
    r"|suspense:[a-z0-9_]+|tax:(vat|withholding)|platform:(fees|payout_fees))$"
)

PROVIDER_NAME: Final = re.compile(r"^[a-z0-9_]{1,40}$")


class Side(StrEnum):
    """The kind of an account; assets and expenses grow by debits, the others by credits."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"
    EQUITY = "equity"


class CreatorFunds(StrEnum):
    """Where a creator's money stands, from earned to paid out."""

    PENDING = "pending"
    AVAILABLE = "available"
    HELD = "held"
    RESERVED = "reserved"
    IN_TRANSIT = "in_transit"


_SIDES: Final = {
    "provider": Side.ASSET,
    "bank": Side.ASSET,
    "creator": Side.LIABILITY,
    "suspense": Side.LIABILITY,
    "tax": Side.LIABILITY,
    "platform": Side.INCOME,
}


def side_of(account: str) -> Side:
    """The side of an account, by its first name. Raises `KeyError` for a name not in the chart."""
    return _SIDES[account.partition(":")[0]]


def normal_balance(account: str, balance: int) -> int:
    """The balance as people read it: positive where the account has grown, in minor units."""
    return balance if side_of(account) in (Side.ASSET, Side.EXPENSE) else -balance


def collection(provider: str) -> str:
    """What `provider` collected and holds for us."""
    return f"provider:{provider}:collection"


def creator_funds(creator: UUID, funds: CreatorFunds) -> str:
    """One of the creator's accounts."""
    return f"creator:{creator}:{funds}"


def suspense(provider: str) -> str:
    """Received from `provider` and not yet understood."""
    return f"suspense:{provider}"


PLATFORM_FEES: Final = "platform:fees"
VAT: Final = "tax:vat"
