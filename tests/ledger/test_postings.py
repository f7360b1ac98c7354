"""Laws of the posting rules: what is done and undone leaves every account as it was."""

from __future__ import annotations

import inspect
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import postings
from ledger.accounts import (
    BANK,
    FX_TRADING,
    VAT,
    CreatorFunds,
    FanFunds,
)
from ledger.journal_entry import JournalEntry
from ledger.money import Money, Split
from ledger.postings import PayoutLegs
from ledger.reversals import CreatorLeg, Reversal, given_to_creator
from tests.builders import PROVIDER
from tests.ledger.posting_amounts import (
    COLLECTION,
    CREATOR,
    FAN,
    FLOAT,
    OF_CREATOR,
    amounts,
    effect,
    kes,
    legs,
    moneys,
    parts,
    reversals,
    shares,
    splits,
    taken,
)

# Each rule.


@st.composite
def any_rule(draw: st.DrawFn, name: str) -> JournalEntry | None:
    """An entry by the rule of this name, its arguments drawn by what they are called."""
    reversal, won = draw(reversals), draw(reversals)
    money = draw(moneys)
    fees = draw(st.integers(0, money.amount))
    arguments = {
        "split": draw(splits),
        "legs": draw(legs),
        "reversal": reversal,
        "lost": reversal,
        "won": won,
        "amount": draw(amounts),
        "fees": fees,
        "receipts": [("sandbox", 1), ("mtn_momo", 2)],
        "currency": "KES",
        "provider": PROVIDER,
        "creator_id": CREATOR,
        "fan_id": FAN,
        "credit": draw(parts),
        "goodwill": draw(parts),
        "excess": draw(st.integers(0, money.amount)),
        "funds_withdrawn": draw(st.booleans()),
        "paid_from": draw(st.sampled_from([COLLECTION, FLOAT, BANK])),
        "received_in": FLOAT,
        "funded_from": draw(st.sampled_from([BANK, COLLECTION])),
        "funds": draw(st.sampled_from([CreatorFunds.AVAILABLE, CreatorFunds.IN_TRANSIT])),
        "tax": VAT,
    }
    if name == "receipts_allocated":
        arguments["split"] = Split(fee=1, vat=1, net=1)
    if name == "dispute_closed":
        arguments["creator"] = given_to_creator(won.legs.net, released=draw(st.booleans()))
    elif name.startswith("dispute_fee"):
        borne_by = given_to_creator(money.amount, released=draw(st.booleans()))
        arguments["creator"] = draw(st.sampled_from([None, borne_by]))
    else:
        arguments["creator"] = taken(reversal, draw(shares))
    if name == "unused_time_credited":
        arguments["funds"] = draw(st.sampled_from([FanFunds.CREDIT, FanFunds.GOODWILL]))
    if name == "currency_exchanged":
        arguments |= {"paid": money, "received": Money(amount=draw(amounts), currency="USD")}
    rule = getattr(postings, name)
    given_to = inspect.signature(rule).parameters
    entry: JournalEntry | None = rule(**{each: arguments.get(each, money) for each in given_to})
    return entry


RULES: Final = [
    name
    for name, rule in inspect.getmembers(postings, inspect.isfunction)
    if rule.__module__ == postings.__name__
    and not name.startswith("_")
    and str(inspect.signature(rule).return_annotation).startswith("JournalEntry")
]


def test_there_are_rules() -> None:
    assert {"payment_received", "refund_requested", "payout_paid", "dispute_closed"} < set(RULES)


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
def test_every_rule_makes_an_entry_that_balances_of_any_amounts(
    name: str, data: st.DataObject
) -> None:
    # An entry that does not balance cannot be built: see tests/ledger/test_journal_entry.py.
    entry = data.draw(any_rule(name))
    if entry is None:
        assert name in {"dispute_opened", "credit_reserved", "credit_set_free"}
        return
    # One line an account and currency: an auditor reads no sums.
    lines = [(posting.account, posting.currency) for posting in entry.postings]
    assert name == "receipts_allocated" or len(set(lines)) == len(lines)
    assert entry == JournalEntry.model_validate_json(entry.model_dump_json())


# Done and undone.


def amount_of(reversal: Reversal) -> int:
    return reversal.legs.gross + reversal.excess


@given(splits)
def test_a_payment_that_is_refunded_in_whole_leaves_nothing(split: Split) -> None:
    assert not effect(
        postings.payment_received(split, provider=PROVIDER, **OF_CREATOR),
        postings.refund_requested(Reversal(split, 0), CreatorLeg(split.net, 0), **OF_CREATOR),
        postings.refund_paid(kes(split.gross), paid_from=COLLECTION),
    )


@given(splits)
def test_parked_money_that_is_allocated_is_as_if_it_had_paid(split: Split) -> None:
    assert effect(
        postings.receipt_parked(kes(split.gross), provider=PROVIDER),
        postings.receipts_allocated([(PROVIDER, split.gross)], split, **OF_CREATOR),
    ) == effect(postings.payment_received(split, provider=PROVIDER, **OF_CREATOR))


@given(reversals, shares)
def test_a_refund_that_fails_leaves_nothing(reversal: Reversal, share: int) -> None:
    creator = taken(reversal, share)
    asked = postings.refund_requested(reversal, creator, **OF_CREATOR)
    paid = postings.refund_paid(kes(amount_of(reversal)), paid_from=COLLECTION)
    assert not effect(asked, postings.refund_failed(reversal, creator, **OF_CREATOR))
    came_back = postings.refund_reopened_as_failed(
        reversal, creator, paid_from=COLLECTION, **OF_CREATOR
    )
    assert not effect(asked, paid, came_back)


@given(reversals, shares)
def test_a_refund_that_succeeds_after_all_is_as_if_it_had_at_once(
    reversal: Reversal, share: int
) -> None:
    creator = taken(reversal, share)
    assert effect(
        postings.refund_reopened_as_succeeded(reversal, creator, paid_from=COLLECTION, **OF_CREATOR)
    ) == effect(
        postings.refund_requested(reversal, creator, **OF_CREATOR),
        postings.refund_paid(kes(amount_of(reversal)), paid_from=COLLECTION),
    )


@given(moneys)
def test_a_return_goes_and_comes_as_a_refund_does(money: Money) -> None:
    asked = postings.return_requested(money, provider=PROVIDER)
    paid = postings.refund_paid(money, paid_from=COLLECTION)
    failed = postings.return_failed(money, provider=PROVIDER)
    came_back = postings.return_reopened_as_failed(money, provider=PROVIDER, paid_from=COLLECTION)
    after_all = postings.return_reopened_as_succeeded(
        money, provider=PROVIDER, paid_from=COLLECTION
    )
    assert not effect(asked, failed)
    assert not effect(asked, paid, came_back)
    assert effect(after_all) == effect(asked, paid)
    assert not effect(postings.receipt_parked(money, provider=PROVIDER), after_all)


@given(reversal=reversals, share=shares, funds_withdrawn=st.booleans())
def test_a_dispute_that_is_won_leaves_nothing(
    reversal: Reversal, share: int, *, funds_withdrawn: bool
) -> None:
    creator = taken(reversal, share)
    assert not effect(
        _opened(reversal, creator, funds_withdrawn=funds_withdrawn),
        _closed(NOTHING_REVERSED, reversal, creator, funds_withdrawn=funds_withdrawn),
    )


@given(reversal=reversals, share=shares, funds_withdrawn=st.booleans())
def test_a_dispute_that_is_lost_is_as_if_it_had_been_refunded(
    reversal: Reversal, share: int, *, funds_withdrawn: bool
) -> None:
    creator = taken(reversal, share)
    assert effect(
        _opened(reversal, creator, funds_withdrawn=funds_withdrawn),
        _closed(reversal, NOTHING_REVERSED, CreatorLeg(0, 0), funds_withdrawn=funds_withdrawn),
    ) == effect(
        postings.refund_requested(reversal, creator, **OF_CREATOR),
        postings.refund_paid(kes(amount_of(reversal)), paid_from=COLLECTION),
    )


NOTHING_REVERSED: Final = Reversal(Split(fee=0, vat=0, net=0), 0)


def _opened(
    reversal: Reversal, creator: CreatorLeg, *, funds_withdrawn: bool
) -> JournalEntry | None:
    return postings.dispute_opened(
        reversal, creator, provider=PROVIDER, funds_withdrawn=funds_withdrawn, **OF_CREATOR
    )


def _closed(
    lost: Reversal, won: Reversal, creator: CreatorLeg, *, funds_withdrawn: bool
) -> JournalEntry | None:
    return postings.dispute_closed(
        lost, won, creator, provider=PROVIDER, funds_withdrawn=funds_withdrawn, **OF_CREATOR
    )


@given(fee=moneys, share=shares, platform_pays=st.booleans())
def test_a_fee_that_comes_back_leaves_nothing(
    fee: Money, share: int, *, platform_pays: bool
) -> None:
    share_of_pending = fee.amount * share // 100
    leg = None if platform_pays else CreatorLeg(share_of_pending, fee.amount - share_of_pending)
    charged = postings.dispute_fee_charged(fee, leg, provider=PROVIDER, creator_id=CREATOR)
    returned = postings.dispute_fee_returned(fee, leg, provider=PROVIDER, creator_id=CREATOR)
    assert not effect(charged, returned)


@given(moneys)
def test_a_hold_that_ends_leaves_nothing(held: Money) -> None:
    assert not effect(
        postings.funds_held(held, creator_id=CREATOR),
        postings.hold_released(held, creator_id=CREATOR),
    )


@given(legs, st.sampled_from([CreatorFunds.AVAILABLE, CreatorFunds.IN_TRANSIT]))
def test_a_payout_that_is_not_paid_or_comes_back_leaves_nothing(
    legs: PayoutLegs, funds: CreatorFunds
) -> None:
    requested = postings.payout_requested(legs, **OF_CREATOR)
    given_up = postings.payout_given_back(legs, **OF_CREATOR)
    paid = postings.payout_paid(legs, paid_from=FLOAT, funds=funds, **OF_CREATOR)
    returned = postings.payout_returned(legs, paid_from=FLOAT, **OF_CREATOR)
    assert not effect(requested, given_up)
    before = [requested] if funds is CreatorFunds.IN_TRANSIT else [requested, given_up]
    assert not effect(*before, paid, returned)
    assert effect(*before, paid)[FLOAT, "KES"] == -legs.net


@given(moneys, amounts)
def test_an_exchange_moves_both_currencies_through_the_same_account(
    paid: Money, received: int
) -> None:
    dollars = Money(amount=received, currency="USD")
    entry = postings.currency_exchanged(paid, dollars, paid_from=BANK, received_in=FLOAT)
    assert effect(entry) == {
        (BANK, "KES"): -paid.amount,
        (FX_TRADING, "KES"): paid.amount,
        (FX_TRADING, "USD"): -received,
        (FLOAT, "USD"): received,
    }
