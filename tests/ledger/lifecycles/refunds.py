"""Moves about refunds and returns, in any state and any order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.accounts import collection, disbursement
from ledger.commands import RefundClaim
from ledger.flows import REFUND_OPEN, Refund, RefundState
from ledger.money import AMOUNT_MAX
from tests.builders import PROVIDER
from tests.ledger.lifecycles.payments import one_paid, payment_id
from tests.money_builders import (
    ask_for_refund,
    decline_fan_refund,
    refund_submitted,
    refund_unknown,
    report_refund,
    request_refund,
    start_refund,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from ledger.payment import Payment
    from ledger.receipt import Receipt
    from tests.ledger.lifecycles.story import Story

CLAIMS: Final = (
    RefundClaim.SUCCEEDED,
    RefundClaim.SUCCEEDED,
    RefundClaim.SUCCEEDED,
    RefundClaim.FAILED,
    RefundClaim.FAILED,
    RefundClaim.PENDING,
)
TAKEN: Final[tuple[Callable[[UUID, UUID], LedgerCommand], ...]] = (
    start_refund,
    refund_submitted,
    refund_unknown,
)


class Owned(NamedTuple):
    """A refund or a return, and what it lies on."""

    owner: Payment | Receipt
    refund: Refund


def all_refunds(story: Story) -> list[Owned]:
    return [Owned(owner, each) for owner in story.owners() for each in owner.flows.refunds.values()]


# Refunds.


def refund_is_asked(story: Story) -> LedgerCommand | None:
    """By the creator, by an admin, seldom by another creator; granting a fan's wish or not."""
    payment = one_paid(story)
    if payment is None:
        return None
    asker = story.new_id() if story.seldom() else story.creator_id
    return request_refund(
        payment.id,
        None if story.chance(0.2) else story.part_of(max(1, payment.flows.remaining().gross)),
        refund_id=story.new_id(),
        creator_id=asker if story.chance(0.5) else None,
        request_id=story.some(sorted(payment.flows.wishes)) if story.chance(0.7) else None,
        currency=story.other_currency if story.seldom() else story.currency,
        step=100 if story.seldom() else 1,
    )


def refund_of_nothing(story: Story) -> LedgerCommand | None:
    """Of a payment in any state; or with the id, or the wish, of another refund."""
    stream, known = payment_id(story), story.some(all_refunds(story))
    if stream is None:
        return None
    refund_id = story.new_id() if known is None else known.refund.id
    return request_refund(
        stream,
        story.amount(),
        refund_id=refund_id,
        currency=story.currency,
        request_id=refund_id if story.seldom() else None,
    )


def fan_asks(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    if stream is None:
        return None
    fan = story.new_id() if story.seldom() else story.fan_id
    return ask_for_refund(stream, fan, request_id=story.new_id())


def wish_is_declined(story: Story) -> LedgerCommand | None:
    payment = one_paid(story)
    if payment is None:
        return None
    wish = story.some(sorted(payment.flows.wishes)) or story.new_id()
    return decline_fan_refund(payment.id, wish, creator_id=story.some((None, story.creator_id)))


def refund_is_taken_to_the_provider(story: Story) -> LedgerCommand | None:
    known = story.some(all_refunds(story))
    if known is None:
        return None
    return story.pick(TAKEN)(known.owner.id, story.new_id() if story.seldom() else known.refund.id)


def provider_speaks_of_a_refund(story: Story) -> LedgerCommand | None:
    """Of any refund, in any order, whatever was said before; seldom of another amount."""
    known = story.some(all_refunds(story))
    if known is None:
        return None
    return word_on(story, known, story.pick(CLAIMS))


def word_on(story: Story, known: Owned, claim: RefundClaim) -> LedgerCommand:
    owner, refund = known
    money = refund.money
    amount = min(money.amount + 1, AMOUNT_MAX) if story.seldom() else money.amount
    by_its_name = refund.provider_refund is not None and story.chance(0.2)
    return report_refund(
        owner.id,
        None if by_its_name else refund.id,
        amount,
        claim,
        provider_refund=refund.provider_refund,
        currency=money.currency,
        paid_from=paid_from(story),
        occurred_at=story.occurred_at(),
    )


def provider_takes_it_back(story: Story) -> LedgerCommand | None:
    """What it said of a refund that has ended: the opposite is true."""
    ended = [each for each in all_refunds(story) if each.refund.state not in REFUND_OPEN]
    known = story.some(ended)
    if known is None:
        return None
    failed = known.refund.state is RefundState.FAILED
    return word_on(story, known, RefundClaim.SUCCEEDED if failed else RefundClaim.FAILED)


def provider_refunds_unasked(story: Story) -> LedgerCommand | None:
    """By a name of its own, seldom with an id that is none of ours; often the same again."""
    payment = one_paid(story)
    if payment is None:
        return None
    known = [
        each
        for each in payment.flows.refunds.values()
        if each.origin == "provider" and each.returns is None
    ]
    again = story.some(known) if story.chance(0.2) else None
    return report_refund(
        payment.id,
        story.new_id() if story.chance(0.2) else None,
        taken_amount(story, payment) if again is None else again.money.amount,
        story.pick(CLAIMS),
        provider_refund=f"RF-{story.random.randint(1, 4)}"
        if again is None
        else again.provider_refund,
        currency=story.other_currency if story.seldom() else story.currency,
        paid_from=paid_from(story),
        occurred_at=story.occurred_at(),
    )


def provider_says_little(story: Story) -> LedgerCommand | None:
    """A refund failed, but neither our id nor a name is given."""
    known = story.some(all_refunds(story))
    if known is None:
        return None
    command = report_refund(
        known.owner.id,
        None,
        known.refund.money.amount,
        RefundClaim.FAILED,
        currency=known.refund.money.currency,
    )
    return replace(command, report=replace(command.report, provider_refund=None))


def taken_amount(story: Story, payment: Payment) -> int:
    """What a provider takes of a payment, in minor units, whatever was taken before or not."""
    flows = payment.flows
    return story.part_of(flows.gross if story.chance(0.4) else max(1, flows.remaining().gross))


def paid_from(story: Story) -> str:
    return disbursement(PROVIDER) if story.chance(0.2) else collection(PROVIDER)


REFUND_MOVES: Final = (
    refund_is_asked,
    refund_is_asked,
    refund_of_nothing,
    fan_asks,
    wish_is_declined,
    refund_is_taken_to_the_provider,
    provider_speaks_of_a_refund,
    provider_takes_it_back,
    provider_refunds_unasked,
    provider_says_little,
)
