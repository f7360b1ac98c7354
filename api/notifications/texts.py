"""The words of every message: one place, in plain English, short enough for an SMS.

A letter is what is said, as data; `words_of` says it. No letter holds a phone number or the name of
another person: whoever reads over a shoulder learns an amount and a date. Dates are those of the
reader's time zone already: the subscription's, or else the book's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, assert_never

from ledger.money import exponents

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from ledger.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Money arrived for a payment."""

    KIND: ClassVar = "receipt"
    money: Money
    payment_id: UUID
    paid_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditReceipt:
    """Money arrived for an invoice that is closed, or wants another amount."""

    KIND: ClassVar = "credit_receipt"
    money: Money
    payment_id: UUID
    paid_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalReminder:
    """A subscription renews in `days` days."""

    KIND: ClassVar = "renewal_reminder"
    money: Money
    days: int
    renews_on: date
    pay_link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalUnpaid:
    """A period could not be collected; it may be paid, and access may last, a while longer."""

    KIND: ClassVar = "payment_failed"
    money: Money
    has_access: bool
    payable_until: date
    pay_link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A subscription ended because nobody paid."""

    KIND: ClassVar = "subscription_expired"
    ended_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A subscription will end with the period that is paid."""

    KIND: ClassVar = "subscription_cancelled"
    access_until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A subscription has ended by its fan's wish, or with its creator."""

    KIND: ClassVar = "subscription_ended"
    ended_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBegun:
    """A trial has begun; what it costs to go on after it."""

    KIND: ClassVar = "trial_begun"
    money: Money
    ends_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnding:
    """A trial ends; to go on, the first period is paid."""

    KIND: ClassVar = "trial_ending"
    money: Money
    ends_on: date
    pay_link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """A subscription costs something else from a day on."""

    KIND: ClassVar = "price_change"
    old: Money
    new: Money
    starts_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSent:
    """A creator's payout was paid."""

    KIND: ClassVar = "payout_paid"
    money: Money
    payout_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCode:
    """A one-time code that confirms a phone."""

    KIND: ClassVar = "phone_code"
    code: str = field(repr=False)
    minutes: int


OfASubscription = (
    RenewalReminder
    | RenewalUnpaid
    | Expired
    | Cancelled
    | Ended
    | TrialBegun
    | TrialEnding
    | PriceChange
)
Letter = Receipt | CreditReceipt | PayoutSent | PhoneCode | OfASubscription


class Words(NamedTuple):
    """A letter as a person reads it; an SMS is the text alone."""

    subject: str
    text: str


def words_of(letter: Letter) -> Words:
    """Say it."""
    match letter:
        case Receipt(money=money, payment_id=payment_id, paid_on=paid_on):
            return Words(
                "Your receipt",
                f"We received {amount(money)} on {day(paid_on)}. Thank you. Payment {payment_id}.",
            )
        case CreditReceipt(money=money, payment_id=payment_id, paid_on=paid_on):
            return Words(
                "Your receipt",
                f"We received {amount(money)} on {day(paid_on)}. No invoice was open for it, so it "
                f"is your credit. Payment {payment_id}.",
            )
        case PayoutSent(money=money, payout_id=payout_id):
            return Words(
                "Your payout", f"We sent you {amount(money)}, net of fees. Payout {payout_id}."
            )
        case PhoneCode(code=code, minutes=minutes):
            return Words(
                "Your code",
                f"{code} is your code, for {minutes} minutes. Nobody will ever ask you for it.",
            )
        case _:
            return _of_a_subscription(letter)


def _of_a_subscription(letter: OfASubscription) -> Words:
    match letter:
        case RenewalReminder(money=money, days=days, renews_on=renews_on, pay_link=link):
            when = "today" if days == 0 else "tomorrow" if days == 1 else f"in {days} days"
            return Words(
                "Your subscription renews soon",
                f"Your subscription renews {when}, on {day(renews_on)}, for {amount(money)}. "
                f"Pay now: {link}",
            )
        case RenewalUnpaid(money=money, has_access=has_access, payable_until=until, pay_link=link):
            then = "It stays open until" if has_access else "You can go on if you pay by"
            return Words(
                "Your subscription is not paid",
                f"We could not collect {amount(money)} for your subscription. {then} "
                f"{day(until)}. Pay now: {link}",
            )
        case Expired(ended_on=ended_on):
            return Words(
                "Your subscription has ended",
                f"Your subscription ended on {day(ended_on)}, since it was not paid. "
                "You can subscribe again at any time.",
            )
        case Cancelled(access_until=until):
            return Words(
                "Your subscription is cancelled",
                f"Your subscription is cancelled. It stays open until {day(until)}; "
                "you will not be charged again.",
            )
        case Ended(ended_on=ended_on):
            return Words(
                "Your subscription has ended",
                f"Your subscription ended on {day(ended_on)}. You will not be charged again.",
            )
        case TrialBegun(money=money, ends_on=ends_on):
            return Words(
                "Your trial has begun",
                f"Your trial lasts until {day(ends_on)}. To go on after that costs "
                f"{amount(money)}.",
            )
        case TrialEnding(money=money, ends_on=ends_on, pay_link=link):
            return Words(
                "Your trial ends soon",
                f"Your trial ends on {day(ends_on)}. To go on for {amount(money)}, pay here: "
                f"{link}",
            )
        case PriceChange(old=old, new=new, starts_on=starts_on):
            return Words(
                "The price of your subscription changes",
                f"Your subscription costs {amount(new)} instead of {amount(old)} from "
                f"{day(starts_on)} on. You can cancel it before.",
            )
        case _:
            assert_never(letter)


def amount(money: Money) -> str:
    """An amount in major units: `KES 1,250.00`, `UGX 5,000`, `KWD 1.005`."""
    digits = exponents()[money.currency]
    major, minor = divmod(money.amount, 10**digits)
    return f"{money.currency} {major:,}" + (f".{minor:0{digits}d}" if digits else "")


def day(date: date) -> str:
    """A day that cannot be misread: `5 March 2026`."""
    return f"{date.day} {date:%B %Y}"
