"""Moves about disputes and the fees for them, in any state and any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ledger.flows import Dispute, DisputeState
from ledger.money import AMOUNT_MAX
from tests.ledger.lifecycles.payments import one_paid, paid, payment_id
from tests.ledger.lifecycles.refunds import taken_amount
from tests.money_builders import note_evidence, report_dispute, report_fee

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand
    from ledger.payment import Payment
    from tests.ledger.lifecycles.story import Story

STAGES: Final[tuple[Literal["warned", "opened", "closed", "reopened"], ...]] = (
    "warned",
    "opened",
    "opened",
    "closed",
    "closed",
    "reopened",
)
BEARERS: Final[tuple[Literal["creator", "platform"], ...]] = ("creator", "platform")


def provider_speaks_of_a_dispute(story: Story) -> LedgerCommand | None:
    """Any stage of one of two disputes, in any order."""
    payment = one_paid(story)
    if payment is None:
        return None
    name = story.pick(("D-1", "D-1", "D-2"))
    return stage_of(story, payment, name, story.pick(STAGES))


def stage_of(
    story: Story,
    payment: Payment,
    name: str,
    stage: Literal["warned", "opened", "closed", "reopened"],
) -> LedgerCommand:
    known = payment.flows.disputes.get(name)
    amount = taken_amount(story, payment)
    if known is not None and known.state is not DisputeState.WARNED:
        amount = known.money.amount
    return report_dispute(
        payment.id,
        stage,
        amount,
        dispute=name,
        lost=lost_of(story, amount) if stage == "closed" and not story.seldom() else None,
        funds_withdrawn=story.chance(0.6),
        currency=story.other_currency if story.seldom() else story.currency,
        occurred_at=story.occurred_at(),
    )


def lost_of(story: Story, amount: int) -> int:
    """Minor units of a dispute that are lost: none, all, a part, seldom more than it was."""
    way = story.random.random()
    if way < 0.4:
        return 0
    if way < 0.65:
        return amount
    return min(story.random.randint(0, amount) + (amount if story.seldom() else 0), AMOUNT_MAX)


def dispute_of_nothing(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    if stream is None:
        return None
    return report_dispute(stream, story.pick(STAGES), story.amount(), currency=story.currency)


def evidence_is_sent(story: Story) -> LedgerCommand | None:
    stream = payment_id(story)
    return None if stream is None else note_evidence(stream, story.pick(("D-1", "D-2")))


def dispute_costs(story: Story) -> LedgerCommand | None:
    """A fee, charged or given back, in either order; for a dispute that may not be known."""
    stream = payment_id(story)
    if stream is None:
        return None
    number = story.random.randint(1, 2)
    return report_fee(
        stream,
        1_500 if story.chance(0.9) else story.random.randint(1, 9_000),
        fee_reference=f"DF-{number}",
        dispute=f"D-{number}",
        returned=story.chance(0.4),
        borne_by=story.pick(BEARERS),
        currency=story.other_currency if story.seldom() else story.currency,
    )


def open_disputes(story: Story) -> list[tuple[Payment, Dispute]]:
    return [
        (payment, dispute)
        for payment in paid(story)
        for dispute in payment.flows.disputes.values()
        if dispute.state is DisputeState.OPEN
    ]


DISPUTE_MOVES: Final = (
    provider_speaks_of_a_dispute,
    provider_speaks_of_a_dispute,
    dispute_of_nothing,
    evidence_is_sent,
    dispute_costs,
)
