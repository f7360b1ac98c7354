"""How invoices of subscriptions are paid, and what becomes a fan's credit: on payments' streams.

A fan's credit came from their own money and can be refunded; goodwill came from the platform and
cannot.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ledger.events.base import Event, Reason, Text
from ledger.events.receipts import ReceiptReference
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split
from ledger.postings import FeePlan

CreditSource = Literal["credit", "goodwill"]


class InvoicePaymentInitiated(Event):
    """A subscription's invoice is to be paid: by a prompt, a stored card, or by hand at a till.

    `instrument` is an entry of the vault: the phone's number or the card's token; none at a till.
    """

    TOPIC = "payment.invoice_initiated.v1"

    fan_id: UUID
    creator_id: UUID
    subscription_id: UUID
    invoice_id: UUID
    attempt: int = Field(ge=1)
    money: Money
    plan: FeePlan
    split: Split
    provider: Text
    method: Literal["phone", "card", "till"]
    instrument: UUID | None
    expires_at: AwareDatetime


class PaymentReceivedAsCredit(Event):
    """Money for an invoice that is closed: it is the fan's credit, and can be refunded."""

    TOPIC = "payment.received_as_credit.v1"

    provider: Text
    provider_transaction: Text
    money: Money
    late: bool
    entry: JournalEntry


class ReceiptsCredited(Event):
    """Parked receipts that do not pay an open invoice exactly are the fan's credit."""

    TOPIC = "payment.receipts_credited.v1"

    receipts: Annotated[tuple[ReceiptReference, ...], Field(min_length=1)]
    money: Money
    reason: Reason
    entry: JournalEntry


class CreditSpent(Event):
    """A fan's credit pays an invoice, or a part of it: a payment without a provider."""

    TOPIC = "payment.credit_spent.v1"

    fan_id: UUID
    creator_id: UUID
    subscription_id: UUID
    invoice_id: UUID
    source: CreditSource
    money: Money
    plan: FeePlan
    split: Split
    releases_at: AwareDatetime
    entry: JournalEntry


class UnusedTimeCredited(Event):
    """What was paid for time that is not used is the fan's credit; `legs` by rule 2.

    Where goodwill had paid, it is goodwill again.
    """

    TOPIC = "payment.unused_time_credited.v1"

    credit_note_id: UUID
    money: Money
    legs: Split
    source: CreditSource
    entry: JournalEntry


class CreditRefundRequested(Event):
    """Credit that this payment had brought is to go back to the fan, the way it came.

    What follows is as with any refund: the events of ledger/events/refunds.py.
    """

    TOPIC = "payment.credit_refund_requested.v1"

    refund_id: UUID
    provider: Text
    provider_transaction: Text
    refunded: Money
    reason: Reason
    entry: JournalEntry


class CreditTakenBack(Event):
    """A provider took back money that had become the fan's credit: so is the credit.

    `cause` is the refund or dispute: "refund:{id}" or "dispute:{name}". What the fan had spent of
    it stays an expense.
    """

    TOPIC = "payment.credit_taken_back.v1"

    cause: Text
    money: Money
    entry: JournalEntry


class CreditRestored(Event):
    """The refund by which credit had been taken back did not reach the fan: it is theirs again."""

    TOPIC = "payment.credit_restored.v1"

    cause: Text
    money: Money
    entry: JournalEntry
