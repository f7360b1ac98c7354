"""Moves about payments and the money that arrives for them, or for nothing of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ledger.commands import Claim, PaymentTerms
from ledger.money import AMOUNT_MAX
from ledger.payment import Payment, PaymentState
from tests.builders import (
    PROVIDER,
    cancel_payment,
    expire_payment,
    initiate_payment,
    record_submission_unknown,
    record_submitted,
    report_success,
    report_without_money,
    start_submission,
)
from tests.money_builders import release_funds, report_fee

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.commands import RecordReport
    from ledger.decisions import LedgerCommand
    from tests.ledger.lifecycles.story import Story

OTHER_PROVIDER: Final = "second_sandbox"
SETTLEMENT_DELAYS: Final = (0, 3_600, 4 * 3_600, 12 * 3_600)
TERMS: Final = PaymentTerms(
    provider=PROVIDER, step=1, minimum=1, maximum=10**15, expires_after_seconds=2 * 3_600
)
WITHOUT_MONEY: Final = (
    Claim.FAILED,
    Claim.FAILED,
    Claim.CANCELLED,
    Claim.VOIDED,
    Claim.AUTHORISED,
    Claim.AUTHORISED,
    Claim.PENDING,
)


def fan_pays(story: Story) -> LedgerCommand | None:
    if len(story.all(Payment)) >= story.payments_max and not story.seldom():
        return None
    terms = TERMS if story.chance(0.5) else replace(TERMS, expires_after_seconds=48 * 3_600)
    return initiate_payment(
        story.creator_id,
        story.amount(),
        payment_id=story.new_id(),
        fan_id=story.creator_id if story.seldom() else story.fan_id,
        currency=story.other_currency if story.seldom() else story.currency,
        terms=replace(terms, step=100) if story.seldom() else terms,
    )


def payment_id(story: Story) -> UUID | None:
    """Any payment's, in whatever state, or seldom that of nothing at all."""
    if story.seldom():
        return story.new_id()
    payment = story.some(story.all(Payment))
    return None if payment is None else payment.id


def fan_cancels(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    fan = story.new_id() if story.seldom() else story.fan_id
    return None if stream is None else cancel_payment(stream, fan)


def submission_starts(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else start_submission(stream)


def provider_takes_it(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else record_submitted(stream)


def call_times_out(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else record_submission_unknown(stream)


def time_is_over(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else expire_payment(stream)


def no_money_comes(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    if stream is None:
        return None
    return report_without_money(stream, story.pick(WITHOUT_MONEY), transaction=story.pick("AB"))


def money_comes(story: Story) -> LedgerCommand | None:
    """For any payment: the right amount, too much, too little, another currency, once more."""
    payment = story.some(story.all(Payment))
    return None if payment is None else money_for(story, payment)


def money_for(story: Story, payment: Payment, *, right: float = 0.6) -> RecordReport:
    """A report of money for this payment, of the right amount with this probability."""
    gross = payment.money.amount
    way = story.random.random()
    if way < right:
        amount = gross
    elif way < right + (1 - right) / 2:
        amount = min(gross + story.amount(), AMOUNT_MAX)
    else:
        amount = max(1, story.random.randint(0, gross - 1))
    currency = story.other_currency if story.seldom() else payment.money.currency
    return _arrives(story, payment.id, amount, currency)


def money_comes_for_nothing_of_ours(story: Story) -> LedgerCommand | None:
    stranger = story.new_id() if story.chance(0.3) else None
    currency = story.other_currency if story.seldom() else story.currency
    return _arrives(story, stranger, story.amount(), currency)


def _arrives(story: Story, stream: UUID | None, amount: int, currency: str) -> RecordReport:
    if story.transactions and story.seldom():
        transaction = story.pick(story.transactions)
    else:
        transaction = f"T{story.random.getrandbits(80):020x}"
        story.transactions.append(transaction)
    command = report_success(
        stream,
        amount,
        transaction=transaction,
        currency=currency,
        provider=OTHER_PROVIDER if story.seldom() else PROVIDER,
        occurred_at=story.occurred_at(),
    )
    return replace(command, settlement_delay_seconds=story.pick(SETTLEMENT_DELAYS))


def provider_charges(story: Story) -> LedgerCommand | None:
    """A fee for a payment, known late; the same one twice, or one that comes back."""
    stream = payment_id(story)
    if stream is None:
        return None
    return report_fee(
        stream,
        story.random.randint(1, 5_000),
        fee_reference=f"F-{story.random.randint(1, 3)}",
        returned=story.seldom(),
        currency=story.currency,
    )


def settlement_delay_is_over(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else release_funds(stream)


def paid(story: Story) -> list[Payment]:
    return [each for each in story.all(Payment) if each.state is PaymentState.SUCCEEDED]


def one_paid(story: Story) -> Payment | None:
    """Mostly the same one, so that much happens to it."""
    found = paid(story)
    return found[0] if found and story.chance(0.6) else story.some(found)


PAYMENT_MOVES: Final = (
    fan_pays,
    fan_cancels,
    submission_starts,
    provider_takes_it,
    call_times_out,
    time_is_over,
    no_money_comes,
)
MONEY_MOVES: Final = (
    fan_pays,
    money_comes,
    money_comes,
    money_comes_for_nothing_of_ours,
    provider_charges,
    settlement_delay_is_over,
)
