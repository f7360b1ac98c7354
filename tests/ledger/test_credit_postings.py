"""Laws of the rules about a fan's credit: money that came is theirs or pays, and is never lost."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from ledger import postings
from ledger.accounts import FanFunds, fan_funds
from ledger.money import Money, Split
from ledger.reversals import CreatorLeg, Reversal, taken_from_creator
from tests.builders import PROVIDER
from tests.ledger.posting_amounts import (
    COLLECTION,
    FAN,
    OF_CREATOR,
    OF_FAN,
    effect,
    kes,
    moneys,
    shares,
    splits,
)

CREDIT: Final = (fan_funds(FAN, FanFunds.CREDIT), "KES")
GOODWILL: Final = (fan_funds(FAN, FanFunds.GOODWILL), "KES")


@given(splits)
def test_parked_money_that_is_credited_is_as_if_it_had_come_as_credit(split: Split) -> None:
    assert effect(
        postings.receipt_parked(kes(split.gross), provider=PROVIDER),
        postings.receipts_credited([(PROVIDER, split.gross)], **OF_FAN),
    ) == effect(postings.received_as_credit(kes(split.gross), provider=PROVIDER, fan_id=FAN))


@given(splits, st.data())
def test_credit_that_pays_an_invoice_pays_like_a_payment(split: Split, data: st.DataObject) -> None:
    credit = data.draw(st.integers(0, split.gross))
    kept = OF_FAN | {"credit": credit, "goodwill": split.gross - credit}
    reserved = postings.credit_reserved(**kept)
    paid = effect(postings.payment_received(split, provider=PROVIDER, **OF_CREATOR))
    del paid[COLLECTION, "KES"]
    used = {CREDIT: credit, GOODWILL: split.gross - credit}
    assert effect(reserved, postings.credit_spent(split, fan_id=FAN, **OF_CREATOR)) == paid | {
        account: amount for account, amount in used.items() if amount
    }
    assert not effect(reserved, postings.credit_set_free(**kept))


def test_no_credit_is_no_entry() -> None:
    assert postings.credit_reserved(credit=0, goodwill=0, **OF_FAN) is None
    assert postings.credit_set_free(credit=0, goodwill=0, **OF_FAN) is None


@given(splits, shares, st.sampled_from([FanFunds.CREDIT, FanFunds.GOODWILL]))
def test_a_payment_for_time_that_is_not_used_at_all_is_credit_and_nothing_else(
    split: Split, share: int, funds: FanFunds
) -> None:
    reversal = Reversal(split, 0)
    received = postings.payment_received(split, provider=PROVIDER, **OF_CREATOR)
    pending = split.net * share // 100
    released = [
        postings.funds_released(amount, **OF_CREATOR) for amount in [split.net - pending] if amount
    ]
    unused = postings.unused_time_credited(
        reversal,
        taken_from_creator(split.net, pending=pending),
        fan_id=FAN,
        funds=funds,
        **OF_CREATOR,
    )
    assert effect(received, *released, unused) == {
        (COLLECTION, "KES"): split.gross,
        (fan_funds(FAN, funds), "KES"): -split.gross,
    }


@given(moneys, st.data())
def test_a_refund_of_credit_goes_and_comes_as_a_refund_does(
    money: Money, data: st.DataObject
) -> None:
    excess = data.draw(st.integers(0, money.amount))
    asked = postings.credit_refund_requested(money, fan_id=FAN)
    paid = postings.refund_paid(money, paid_from=COLLECTION)
    failed = postings.credit_refund_failed(money, fan_id=FAN)
    within: dict[str, Any] = {"excess": 0, "paid_from": COLLECTION, "fan_id": FAN}
    came_back = postings.credit_refund_came_back(money, **within)
    after_all = postings.credit_refunded_after_all(money, **within)
    assert not effect(asked, failed)
    assert not effect(asked, paid, came_back)
    assert effect(after_all) == effect(asked, paid)
    # What the fan had spent meanwhile is nobody's but the platform's, and theirs again if it fails.
    beyond = within | {"excess": excess}
    spent = postings.credit_refunded_after_all(money, **beyond)
    assert effect(spent).get(CREDIT, 0) == money.amount - excess
    assert effect(spent)[COLLECTION, "KES"] == -money.amount
    assert not effect(spent, postings.credit_refund_came_back(money, **beyond))


@given(moneys)
def test_credit_that_is_restored_was_never_taken_back(money: Money) -> None:
    taken_back = postings.credit_taken_back(money, fan_id=FAN)
    assert effect(taken_back)[CREDIT] == money.amount
    assert not effect(taken_back, postings.credit_restored(money, fan_id=FAN))


@given(moneys)
def test_credit_that_the_provider_took_back_leaves_nothing(money: Money) -> None:
    beyond = Reversal(Split(fee=0, vat=0, net=0), money.amount)
    assert not effect(
        postings.received_as_credit(money, provider=PROVIDER, fan_id=FAN),
        postings.refund_requested(beyond, CreatorLeg(0, 0), **OF_CREATOR),
        postings.refund_paid(money, paid_from=COLLECTION),
        postings.credit_taken_back(money, fan_id=FAN),
    )
