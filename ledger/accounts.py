"""The chart of accounts: names that are stable, because an auditor reads them.

In the ledger a debit is positive and a credit negative, so a liability that we owe has a negative
balance. `Side` says which sign is the account's normal one; `normal_balance` turns it for people.

    provider:{name}:collection    asset      what a provider collected and holds for us
    provider:{name}:disbursement  asset      the float from which a provider pays out for us
    provider:{name}:disputed      asset      withdrawn by the provider until it is decided
    bank:settlement               asset      what providers settled to our bank
    creator:{id}:pending          liability  earned, in the settlement delay
    creator:{id}:available        liability  may be paid out; below zero only by refunds, disputes
    creator:{id}:held             liability  for open disputes
    creator:{id}:reserved         liability  held with a reason and an expiry
    creator:{id}:in_transit       liability  payouts promised, not confirmed
    refunds:in_transit            liability  refunds and returns promised, not confirmed
    fan:{id}:credit               liability  the fan's own money, to be spent or refunded
    fan:{id}:goodwill             liability  given by the platform, to be spent only
    fan:{id}:credit_reserved      liability  of both, kept for an invoice that is open
    suspense:{provider}           liability  received, not yet understood
    tax:vat                       liability
    tax:withholding               liability
    platform:fees                 income     kept of payments
    platform:payout_fees          income     kept of payouts
    expense:provider_fees         expense
    expense:bank_charges          expense
    expense:disputes              expense    what nobody else bears of disputes and refunds
    expense:goodwill              expense
    expense:write_offs            expense    debts of creators that were given up
    fx:trading                    equity     between two currencies
    equity:capital                equity
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from uuid import UUID

ACCOUNT_PATTERN: Final = (
    r"^(provider:[a-z0-9_]+:(collection|disbursement|disputed)|bank:settlement"
    r"|creator:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:(pending|available|held|reserved"
    r"|in_transit)|refunds:in_transit"
    r"|fan:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:(credit|goodwill|credit_reserved)"
    r"|suspense:[a-z0-9_]+|tax:(vat|withholding)|platform:(fees|payout_fees)"
    r"|expense:(provider_fees|bank_charges|disputes|goodwill|write_offs)"
    r"|fx:trading|equity:capital)$"
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


class FanFunds(StrEnum):
    """Where a fan's credit stands."""

    CREDIT = "credit"
    GOODWILL = "goodwill"
    RESERVED = "credit_reserved"


_SIDES: Final = {
    "provider": Side.ASSET,
    "bank": Side.ASSET,
    "creator": Side.LIABILITY,
    "refunds": Side.LIABILITY,
    "fan": Side.LIABILITY,
    "suspense": Side.LIABILITY,
    "tax": Side.LIABILITY,
    "platform": Side.INCOME,
    "expense": Side.EXPENSE,
    "fx": Side.EQUITY,
    "equity": Side.EQUITY,
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


def disbursement(provider: str) -> str:
    """The float from which `provider` pays out for us."""
    return f"provider:{provider}:disbursement"


def disputed(provider: str) -> str:
    """What `provider` withdrew for disputes that are not decided yet."""
    return f"provider:{provider}:disputed"


def creator_funds(creator: UUID, funds: CreatorFunds) -> str:
    """One of the creator's accounts."""
    return f"creator:{creator}:{funds}"


def fan_funds(fan: UUID, funds: FanFunds) -> str:
    """One of the fan's accounts."""
    return f"fan:{fan}:{funds}"


def is_goodwill(account: str) -> bool:
    """Whether it is what the platform gave a fan."""
    return account.startswith("fan:") and account.endswith(f":{FanFunds.GOODWILL}")


def creator_of(account: str) -> UUID | None:
    """The creator whose account this is; None for all other accounts."""
    kind, _, rest = account.partition(":")
    return UUID(rest.partition(":")[0]) if kind == "creator" else None


def provider_of(account: str) -> str | None:
    """The provider that holds what this account counts; None for all other accounts."""
    kind, _, rest = account.partition(":")
    return rest.partition(":")[0] if kind == "provider" else None


def suspense(provider: str) -> str:
    """Received from `provider` and not yet understood."""
    return f"suspense:{provider}"


BANK: Final = "bank:settlement"
REFUNDS_IN_TRANSIT: Final = "refunds:in_transit"
PLATFORM_FEES: Final = "platform:fees"
PAYOUT_FEES: Final = "platform:payout_fees"
VAT: Final = "tax:vat"
WITHHOLDING: Final = "tax:withholding"
PROVIDER_FEES: Final = "expense:provider_fees"
BANK_CHARGES: Final = "expense:bank_charges"
DISPUTES: Final = "expense:disputes"
GOODWILL: Final = "expense:goodwill"
WRITE_OFFS: Final = "expense:write_offs"
FX_TRADING: Final = "fx:trading"
CAPITAL: Final = "equity:capital"
