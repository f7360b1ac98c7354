"""The platform's own facts, a stream each: settlements, floats, charges, taxes, capital."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ledger.events.base import Event, Reason, Text
from ledger.events.refunds import MinorUnits
from ledger.journal_entry import JournalEntry
from ledger.money import Money

RatePart = Annotated[int, Field(strict=True, ge=1, le=10**12)]


class ProviderSettled(Event):
    """The provider moved what it had collected to our bank, less `fees` minor units."""

    TOPIC = "books.provider_settled.v1"

    provider: Text
    reference: Text
    settled: Money
    fees: MinorUnits
    entry: JournalEntry


class WalletFunded(Event):
    """The float from which a provider pays out was filled."""

    TOPIC = "books.wallet_funded.v1"

    provider: Text
    funded_from: Literal["bank", "collection"]
    funded: Money
    reference: Text
    entry: JournalEntry


class BankCharged(Event):
    """The bank took its charges."""

    TOPIC = "books.bank_charged.v1"

    charge: Money
    reference: Text
    entry: JournalEntry


class TaxRemitted(Event):
    """Tax that we had collected was paid to the authority."""

    TOPIC = "books.tax_remitted.v1"

    tax: Literal["vat", "withholding"]
    remitted: Money
    reference: Text
    entry: JournalEntry


class PlatformWithdrawn(Event):
    """The platform's owner took earnings out."""

    TOPIC = "books.platform_withdrawn.v1"

    withdrawn: Money
    reference: Text
    entry: JournalEntry


class CapitalAdded(Event):
    """The platform's owner put money in."""

    TOPIC = "books.capital_added.v1"

    added: Money
    reference: Text
    entry: JournalEntry


class CurrencyExchanged(Event):
    """One currency was given for another, at `rate_numerator` / `rate_denominator` minor units."""

    TOPIC = "books.currency_exchanged.v1"

    paid_from: Text
    paid: Money
    received_in: Text
    received: Money
    rate_numerator: RatePart
    rate_denominator: RatePart
    reference: Text
    entry: JournalEntry


class AdjustmentPosted(Event):
    """An admin's correction: a journal entry like any other, with its reason."""

    TOPIC = "books.adjustment_posted.v1"

    reason: Reason
    entry: JournalEntry
