"""POSTING RULES: who is debited and credited, and where the fan's money is split.

Every rule is a function from what happened to a balanced `JournalEntry`; the entry is stored in
the event, so a later change here never rewrites history. docs/posting-rules.md is this module as a
table for accountants, made from it by `make docs`. *Creator* means pending or available, by the
first rule of ledger/reversals.py.

    what happened                    debit                        credit
    money received for a payment     collection                   pending, fees, VAT
    too much, too little, unknown    collection                   suspense
    receipts allocated               suspense                     pending, fees, VAT
    settlement delay over            pending                      available
    received for a closed invoice    collection                   fan's credit
    credit reserved / set free       credit, goodwill / reserved  reserved / credit, goodwill
    credit pays an invoice           credit reserved              pending, fees, VAT
    time paid for is not used        creator, fees, VAT           fan's credit, or goodwill
    credit refunded                  fan's credit                 refunds in transit
    credit taken back / restored     fan's credit / disputes      disputes / fan's credit
    hold / its end                   available / reserved         reserved / available
    refund requested                 creator, fees, VAT           refunds in transit
    refund paid                      refunds in transit           who paid it
    refund failed                    refunds in transit           creator, fees, VAT
    receipt returned                 suspense, then in transit    in transit, then who paid it
    dispute opened                   disputed, creator            collection, held
    dispute closed, lost             held, fees, VAT              disputed, or collection
    dispute closed, won              collection, held             disputed, creator
    payout requested                 available                    in transit
    payout paid                      in transit                   who paid it, taxes, payout fees
    settled, funded, charged …       see the functions below

What a provider takes beyond a payment's parts is `expense:disputes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from ledger.accounts import (
    BANK,
    BANK_CHARGES,
    CAPITAL,
    DISPUTES,
    FX_TRADING,
    PAYOUT_FEES,
    PLATFORM_FEES,
    PROVIDER_FEES,
    REFUNDS_IN_TRANSIT,
    VAT,
    WITHHOLDING,
    WRITE_OFFS,
    CreatorFunds,
    FanFunds,
    collection,
    creator_funds,
    disbursement,
    disputed,
    fan_funds,
    suspense,
)
from ledger.errors import FeePlanExceedsPayment
from ledger.journal_entry import JournalEntry, Posting, entry
from ledger.money import BASIS_POINTS, Money, Split, ceil_basis_points, half_up_basis_points

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from ledger.reversals import CreatorLeg, Reversal

Leg = tuple[str, int]
"""An account and signed minor units: debit positive."""


class FeePlan(BaseModel):
    """What the platform keeps: a fee in basis points of the gross, VAT in basis points of the fee.

    `keep_fee` says whether the platform keeps its fee when a payment is reversed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fee_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS)
    vat_basis_points: int = Field(strict=True, ge=0, le=BASIS_POINTS)
    keep_fee: bool = Field(strict=True, default=False)


class PayoutLegs(BaseModel):
    """How a payout's gross is divided, in minor units: gross = net + fee + vat + withholding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    net: int = Field(strict=True, ge=1)
    fee: int = Field(strict=True, ge=0)
    vat: int = Field(strict=True, ge=0)
    withholding: int = Field(strict=True, ge=0)

    @property
    def gross(self) -> int:
        """What leaves the creator's available balance, in minor units."""
        return self.net + self.fee + self.vat + self.withholding


def split_gross(gross: int, plan: FeePlan) -> Split:
    """Split `gross` minor units: fee rounded up, VAT on the fee half up, the creator gets the rest.

    Raises `FeePlanExceedsPayment` when nothing but a negative net would be left.
    """
    fee = ceil_basis_points(gross, plan.fee_basis_points)
    vat = half_up_basis_points(fee, plan.vat_basis_points)
    if fee + vat > gross:
        raise FeePlanExceedsPayment
    return Split(fee=fee, vat=vat, net=gross - fee - vat)


# Receiving.


def payment_received(
    split: Split, *, currency: str, provider: str, creator_id: UUID
) -> JournalEntry:
    """The fan's money arrived at the provider: the creator's part is pending."""
    return entry(currency, (collection(provider), split.gross), *_earned(split, creator_id))


def receipt_parked(received: Money, *, provider: str) -> JournalEntry:
    """Money arrived that is not understood yet: owed to whoever it turns out to belong to."""
    return entry(
        received.currency,
        (collection(provider), received.amount),
        (suspense(provider), -received.amount),
    )


def receipts_allocated(
    receipts: Iterable[tuple[str, int]], split: Split, *, currency: str, creator_id: UUID
) -> JournalEntry:
    """Parked receipts, as (provider, minor units), turn out to be a payment."""
    return entry(
        currency,
        *((suspense(provider), amount) for provider, amount in receipts),
        *_earned(split, creator_id),
    )


def _earned(split: Split, creator_id: UUID) -> tuple[Leg, ...]:
    return (
        (creator_funds(creator_id, CreatorFunds.PENDING), -split.net),
        (PLATFORM_FEES, -split.fee),
        (VAT, -split.vat),
    )


def provider_fee_charged(fee: Money, *, provider: str) -> JournalEntry:
    """The provider kept its fee out of what it had collected."""
    return entry(fee.currency, (PROVIDER_FEES, fee.amount), (collection(provider), -fee.amount))


# The creator's money.


def funds_released(amount: int, *, currency: str, creator_id: UUID) -> JournalEntry:
    """The settlement delay is over for what a payment still has in pending."""
    return _moved(amount, currency, creator_id, CreatorFunds.PENDING, CreatorFunds.AVAILABLE)


def funds_held(held: Money, *, creator_id: UUID) -> JournalEntry:
    """Available money is reserved, with a reason and an expiry."""
    return _moved(
        held.amount, held.currency, creator_id, CreatorFunds.AVAILABLE, CreatorFunds.RESERVED
    )


def hold_released(held: Money, *, creator_id: UUID) -> JournalEntry:
    """And is available again."""
    return _moved(
        held.amount, held.currency, creator_id, CreatorFunds.RESERVED, CreatorFunds.AVAILABLE
    )


def debt_written_off(debt: Money, *, creator_id: UUID) -> JournalEntry:
    """A creator's negative available balance is given up."""
    available = creator_funds(creator_id, CreatorFunds.AVAILABLE)
    return entry(debt.currency, (WRITE_OFFS, debt.amount), (available, -debt.amount))


def _moved(
    amount: int, currency: str, creator_id: UUID, source: CreatorFunds, target: CreatorFunds
) -> JournalEntry:
    return entry(
        currency,
        (creator_funds(creator_id, source), amount),
        (creator_funds(creator_id, target), -amount),
    )


# A fan's credit.


def received_as_credit(received: Money, *, provider: str, fan_id: UUID) -> JournalEntry:
    """Money came for an invoice that is closed: it is the fan's."""
    return entry(
        received.currency,
        (collection(provider), received.amount),
        (fan_funds(fan_id, FanFunds.CREDIT), -received.amount),
    )


def receipts_credited(
    receipts: Iterable[tuple[str, int]], *, currency: str, fan_id: UUID
) -> JournalEntry:
    """Parked receipts, as (provider, minor units), turn out to be a fan's credit."""
    legs = [(suspense(provider), amount) for provider, amount in receipts]
    total = sum(amount for _, amount in legs)
    return entry(currency, *legs, (fan_funds(fan_id, FanFunds.CREDIT), -total))


def credit_reserved(
    *, credit: int, goodwill: int, currency: str, fan_id: UUID
) -> JournalEntry | None:
    """Minor units of the fan's credit and goodwill are kept for an invoice; None for nothing."""
    if not credit + goodwill:
        return None
    return entry(
        currency,
        (fan_funds(fan_id, FanFunds.CREDIT), credit),
        (fan_funds(fan_id, FanFunds.GOODWILL), goodwill),
        (fan_funds(fan_id, FanFunds.RESERVED), -credit - goodwill),
    )


def credit_set_free(
    *, credit: int, goodwill: int, currency: str, fan_id: UUID
) -> JournalEntry | None:
    """The invoice is void: what was kept for it is the fan's again; None for nothing."""
    if not credit + goodwill:
        return None
    return entry(
        currency,
        (fan_funds(fan_id, FanFunds.RESERVED), credit + goodwill),
        (fan_funds(fan_id, FanFunds.CREDIT), -credit),
        (fan_funds(fan_id, FanFunds.GOODWILL), -goodwill),
    )


def credit_spent(split: Split, *, currency: str, fan_id: UUID, creator_id: UUID) -> JournalEntry:
    """What was kept for an invoice pays it: shared like any payment."""
    return entry(
        currency,
        (fan_funds(fan_id, FanFunds.RESERVED), split.gross),
        *_earned(split, creator_id),
    )


def unused_time_credited(
    reversal: Reversal,
    creator: CreatorLeg,
    *,
    currency: str,
    fan_id: UUID,
    creator_id: UUID,
    funds: FanFunds,
) -> JournalEntry:
    """What was paid for time that is not used goes back to the fan's credit, or to goodwill."""
    return entry(
        currency,
        *_shared(reversal, creator, creator_id, sign=1),
        (fan_funds(fan_id, funds), -_amount(reversal)),
    )


def credit_taken_back(taken: Money, *, fan_id: UUID) -> JournalEntry:
    """A provider took money back that had become credit: what was an expense is not any more."""
    return entry(
        taken.currency,
        (fan_funds(fan_id, FanFunds.CREDIT), taken.amount),
        (DISPUTES, -taken.amount),
    )


def credit_restored(restored: Money, *, fan_id: UUID) -> JournalEntry:
    """The provider's refund failed after all: the credit is the fan's again."""
    return entry(
        restored.currency,
        (DISPUTES, restored.amount),
        (fan_funds(fan_id, FanFunds.CREDIT), -restored.amount),
    )


def credit_refund_requested(refunded: Money, *, fan_id: UUID) -> JournalEntry:
    """A fan's credit is to go back the way it came."""
    return entry(
        refunded.currency,
        (fan_funds(fan_id, FanFunds.CREDIT), refunded.amount),
        (REFUNDS_IN_TRANSIT, -refunded.amount),
    )


def credit_refund_failed(refunded: Money, *, fan_id: UUID) -> JournalEntry:
    """It did not reach the fan and is credit again."""
    return entry(
        refunded.currency,
        (REFUNDS_IN_TRANSIT, refunded.amount),
        (fan_funds(fan_id, FanFunds.CREDIT), -refunded.amount),
    )


def credit_refund_came_back(
    refunded: Money, *, excess: int, paid_from: str, fan_id: UUID
) -> JournalEntry:
    """A refund of credit that had succeeded came back; `excess` of it had been an expense."""
    return entry(
        refunded.currency,
        (paid_from, refunded.amount),
        (DISPUTES, -excess),
        (fan_funds(fan_id, FanFunds.CREDIT), excess - refunded.amount),
    )


def credit_refunded_after_all(
    refunded: Money, *, excess: int, paid_from: str, fan_id: UUID
) -> JournalEntry:
    """A refund of credit that had failed was paid; `excess` of it had been spent meanwhile."""
    return entry(
        refunded.currency,
        (fan_funds(fan_id, FanFunds.CREDIT), refunded.amount - excess),
        (DISPUTES, excess),
        (paid_from, -refunded.amount),
    )


# Refunds.


def refund_requested(
    reversal: Reversal, creator: CreatorLeg, *, currency: str, creator_id: UUID
) -> JournalEntry:
    """A refund is promised: taken from those who had shared the payment."""
    return entry(
        currency,
        *_shared(reversal, creator, creator_id, sign=1),
        (REFUNDS_IN_TRANSIT, -_amount(reversal)),
    )


def refund_failed(
    reversal: Reversal, creator: CreatorLeg, *, currency: str, creator_id: UUID
) -> JournalEntry:
    """A promised refund did not reach the fan: given back to whom it was taken from."""
    return entry(
        currency,
        (REFUNDS_IN_TRANSIT, _amount(reversal)),
        *_shared(reversal, creator, creator_id, sign=-1),
    )


def refund_paid(refunded: Money, *, paid_from: str) -> JournalEntry:
    """A refund, or a receipt's return, reached the fan from one of the provider's accounts."""
    return entry(
        refunded.currency, (REFUNDS_IN_TRANSIT, refunded.amount), (paid_from, -refunded.amount)
    )


def refund_reopened_as_failed(
    reversal: Reversal, creator: CreatorLeg, *, currency: str, paid_from: str, creator_id: UUID
) -> JournalEntry:
    """A refund that had succeeded came back."""
    return entry(
        currency,
        (paid_from, _amount(reversal)),
        *_shared(reversal, creator, creator_id, sign=-1),
    )


def refund_reopened_as_succeeded(
    reversal: Reversal, creator: CreatorLeg, *, currency: str, paid_from: str, creator_id: UUID
) -> JournalEntry:
    """A refund that had failed was paid after all."""
    return entry(
        currency,
        *_shared(reversal, creator, creator_id, sign=1),
        (paid_from, -_amount(reversal)),
    )


def return_requested(parked: Money, *, provider: str) -> JournalEntry:
    """A parked receipt is to go back to the number that paid it."""
    return entry(
        parked.currency, (suspense(provider), parked.amount), (REFUNDS_IN_TRANSIT, -parked.amount)
    )


def return_failed(parked: Money, *, provider: str) -> JournalEntry:
    """It could not be returned and is parked again."""
    return entry(
        parked.currency, (REFUNDS_IN_TRANSIT, parked.amount), (suspense(provider), -parked.amount)
    )


def return_reopened_as_failed(parked: Money, *, provider: str, paid_from: str) -> JournalEntry:
    """A return that had succeeded came back and is parked again."""
    return entry(parked.currency, (paid_from, parked.amount), (suspense(provider), -parked.amount))


def return_reopened_as_succeeded(parked: Money, *, provider: str, paid_from: str) -> JournalEntry:
    """A return that had failed was paid after all."""
    return entry(parked.currency, (suspense(provider), parked.amount), (paid_from, -parked.amount))


def spent_receipt_returned(parked: Money, *, paid_from: str) -> JournalEntry:
    """A return that had failed was paid after its money had gone another way: an expense."""
    return entry(parked.currency, (DISPUTES, parked.amount), (paid_from, -parked.amount))


def spent_receipt_came_back(parked: Money, *, paid_from: str) -> JournalEntry:
    """And that came back."""
    return entry(parked.currency, (paid_from, parked.amount), (DISPUTES, -parked.amount))


def _shared(
    reversal: Reversal, creator: CreatorLeg, creator_id: UUID, *, sign: int
) -> tuple[Leg, ...]:
    """Who bears a reversal: debits with sign 1, credits with -1."""
    legs, excess = reversal
    return (
        *_creator(creator, creator_id, sign=sign),
        (PLATFORM_FEES, sign * legs.fee),
        (VAT, sign * legs.vat),
        (DISPUTES, sign * excess),
    )


def _creator(leg: CreatorLeg, creator_id: UUID, *, sign: int) -> tuple[Leg, ...]:
    return (
        (creator_funds(creator_id, CreatorFunds.PENDING), sign * leg.pending),
        (creator_funds(creator_id, CreatorFunds.AVAILABLE), sign * leg.available),
    )


def _amount(reversal: Reversal) -> int:
    return reversal.legs.gross + reversal.excess


# Disputes.


def dispute_opened(
    reversal: Reversal,
    creator: CreatorLeg,
    *,
    currency: str,
    provider: str,
    creator_id: UUID,
    funds_withdrawn: bool,
) -> JournalEntry | None:
    """The creator's part is held; what the provider withdrew is disputed. None: nothing moves."""
    withdrawn = _amount(reversal) if funds_withdrawn else 0
    return _entry_or_none(
        currency,
        (disputed(provider), withdrawn),
        (collection(provider), -withdrawn),
        *_creator(creator, creator_id, sign=1),
        (creator_funds(creator_id, CreatorFunds.HELD), -reversal.legs.net),
    )


def dispute_closed(
    lost: Reversal,
    won: Reversal,
    creator: CreatorLeg,
    *,
    currency: str,
    provider: str,
    creator_id: UUID,
    funds_withdrawn: bool,
) -> JournalEntry | None:
    """What was lost is gone, what was won goes back; `creator` is the won net's way home."""
    lost_amount, won_amount = _amount(lost), _amount(won)
    legs: list[Leg] = [
        (creator_funds(creator_id, CreatorFunds.HELD), lost.legs.net + won.legs.net),
        (PLATFORM_FEES, lost.legs.fee),
        (VAT, lost.legs.vat),
        (DISPUTES, lost.excess),
    ]
    if funds_withdrawn:
        legs += [
            (disputed(provider), -lost_amount - won_amount),
            (collection(provider), won_amount),
        ]
    else:
        legs.append((collection(provider), -lost_amount))
    return _entry_or_none(currency, *legs, *_creator(creator, creator_id, sign=-1))


def dispute_fee_charged(
    fee: Money, creator: CreatorLeg | None, *, provider: str, creator_id: UUID
) -> JournalEntry:
    """The provider's fee for a dispute; without a creator's leg the platform bears it."""
    return entry(
        fee.currency,
        *_fee_bearer(fee, creator, creator_id, sign=1),
        (collection(provider), -fee.amount),
    )


def dispute_fee_returned(
    fee: Money, creator: CreatorLeg | None, *, provider: str, creator_id: UUID
) -> JournalEntry:
    """The provider gave a dispute's fee back."""
    return entry(
        fee.currency,
        (collection(provider), fee.amount),
        *_fee_bearer(fee, creator, creator_id, sign=-1),
    )


def _fee_bearer(
    fee: Money, creator: CreatorLeg | None, creator_id: UUID, *, sign: int
) -> tuple[Leg, ...]:
    if creator is None:
        return ((DISPUTES, sign * fee.amount),)
    return _creator(creator, creator_id, sign=sign)


# Payouts.


def payout_requested(legs: PayoutLegs, *, currency: str, creator_id: UUID) -> JournalEntry:
    """The funds are reserved at the request."""
    return _moved(legs.gross, currency, creator_id, CreatorFunds.AVAILABLE, CreatorFunds.IN_TRANSIT)


def payout_given_back(legs: PayoutLegs, *, currency: str, creator_id: UUID) -> JournalEntry:
    """A payout failed, was rejected or cancelled: the funds are available again."""
    return _moved(legs.gross, currency, creator_id, CreatorFunds.IN_TRANSIT, CreatorFunds.AVAILABLE)


def payout_paid(
    legs: PayoutLegs, *, currency: str, creator_id: UUID, paid_from: str, funds: CreatorFunds
) -> JournalEntry:
    """The net left `paid_from`. `funds` is in transit, or available if we had given it up."""
    return entry(
        currency,
        (creator_funds(creator_id, funds), legs.gross),
        *((account, -amount) for account, amount in _payout_shares(legs, paid_from)),
    )


def payout_returned(
    legs: PayoutLegs, *, currency: str, creator_id: UUID, paid_from: str
) -> JournalEntry:
    """A paid payout came back: the exact reverse, to available."""
    return entry(
        currency,
        *_payout_shares(legs, paid_from),
        (creator_funds(creator_id, CreatorFunds.AVAILABLE), -legs.gross),
    )


def _payout_shares(legs: PayoutLegs, paid_from: str) -> tuple[Leg, ...]:
    return (
        (paid_from, legs.net),
        (WITHHOLDING, legs.withholding),
        (PAYOUT_FEES, legs.fee),
        (VAT, legs.vat),
    )


# The platform's books.


def provider_settled(settled: Money, fees: int, *, provider: str) -> JournalEntry:
    """The provider moved what it had collected to our bank, less `fees` minor units."""
    return entry(
        settled.currency,
        (BANK, settled.amount - fees),
        (PROVIDER_FEES, fees),
        (collection(provider), -settled.amount),
    )


def wallet_funded(funded: Money, *, provider: str, funded_from: str) -> JournalEntry:
    """The float from which a provider pays out was filled, from our bank or its collection."""
    return entry(
        funded.currency, (disbursement(provider), funded.amount), (funded_from, -funded.amount)
    )


def bank_charged(charge: Money) -> JournalEntry:
    """The bank took its charges."""
    return entry(charge.currency, (BANK_CHARGES, charge.amount), (BANK, -charge.amount))


def tax_remitted(remitted: Money, *, tax: str) -> JournalEntry:
    """Tax that we had collected was paid to the authority."""
    return entry(remitted.currency, (tax, remitted.amount), (BANK, -remitted.amount))


def platform_withdrew(withdrawn: Money) -> JournalEntry:
    """The platform's owner took earnings out."""
    return entry(withdrawn.currency, (CAPITAL, withdrawn.amount), (BANK, -withdrawn.amount))


def capital_added(added: Money) -> JournalEntry:
    """The platform's owner put money in."""
    return entry(added.currency, (BANK, added.amount), (CAPITAL, -added.amount))


def currency_exchanged(
    paid: Money, received: Money, *, paid_from: str, received_in: str
) -> JournalEntry:
    """One currency was given for another; `fx:trading` joins the two."""
    legs = (
        (FX_TRADING, paid.amount, paid.currency),
        (paid_from, -paid.amount, paid.currency),
        (received_in, received.amount, received.currency),
        (FX_TRADING, -received.amount, received.currency),
    )
    return JournalEntry(
        postings=tuple(
            Posting(account=account, amount=amount, currency=currency)
            for account, amount, currency in legs
        )
    )


def _entry_or_none(currency: str, *legs: Leg) -> JournalEntry | None:
    return entry(currency, *legs) if any(amount for _, amount in legs) else None
