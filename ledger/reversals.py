"""The two rules about the creator's leg, where ledgers go wrong.

1  Money taken from a creator for a payment comes from what *that payment* still has in pending,
   then from available. Money given back goes to pending only while the payment is not released,
   else to available. So pending is never overdrawn, and ends at zero.
2  Refunds and disputes share one allocation: over what *remains* of each part of the payment (net,
   fee, VAT), by largest remainder, ties to the fee. So in any order and number they end exactly at
   the split, and no part is reversed twice.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.money import Part, Split, allocate

NOTHING: Final = Split(fee=0, vat=0, net=0)


class CreatorLeg(NamedTuple):
    """The creator's part of a movement, by account; minor units, none negative."""

    pending: int
    available: int


class Reversal(NamedTuple):
    """What is reversed of each part, and what a provider took beyond all parts; minor units."""

    legs: Split
    excess: int


def reversible_parts(split: Split, *, keep_fee: bool) -> Split:
    """What of a payment can be reversed at all: everything, or the creator's part alone."""
    return Split(fee=0, vat=0, net=split.net) if keep_fee else split


def allocate_reversal(amount: int, remaining: Split) -> Reversal:
    """Rule 2: divide `amount` minor units over what remains; the excess is left over."""
    covered = min(amount, remaining.gross)
    if covered == 0:
        return Reversal(NOTHING, amount)
    fee, vat, net = allocate(
        covered, [Part(remaining.fee, 0), Part(remaining.vat, 1), Part(remaining.net, 2)]
    )
    return Reversal(Split(fee=fee, vat=vat, net=net), amount - covered)


def taken_from_creator(amount: int, *, pending: int) -> CreatorLeg:
    """Rule 1: from the `pending` minor units that the payment still has there, then available."""
    from_pending = min(amount, pending)
    return CreatorLeg(from_pending, amount - from_pending)


def given_to_creator(amount: int, *, released: bool) -> CreatorLeg:
    """Rule 1: to pending only while the payment is not released."""
    return CreatorLeg(0, amount) if released else CreatorLeg(amount, 0)
