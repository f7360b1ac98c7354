"""The sensible next step of something that has begun: so that stories get somewhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ledger.commands import Claim, PayoutClaim, RefundClaim
from ledger.flows import REFUND_OPEN, DisputeState, RefundState
from ledger.payment import OPEN, Payment, PaymentState
from ledger.payout import SENT, UNSENT, Payout, PayoutState
from ledger.proposals import Proposal, ProposalState
from tests.builders import (
    expire_payment,
    record_submission_unknown,
    record_submitted,
    report_without_money,
    start_submission,
)
from tests.ledger.lifecycles import disputes, payouts, platform, refunds
from tests.ledger.lifecycles.payments import fan_pays, money_for, paid
from tests.money_builders import (
    approve_payout,
    approve_proposal,
    attest_failure,
    note_evidence,
    refund_submitted,
    refund_unknown,
    release_funds,
    release_payout,
    start_payout,
    start_refund,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from tests.ledger.lifecycles.refunds import Owned
    from tests.ledger.lifecycles.story import Story


SURPRISE: Final = 0.3
"""How often a provider may also take back what it said of a refund or a payout."""

PAYMENT_TAKEN: Final[tuple[Callable[[UUID], LedgerCommand], ...]] = (
    record_submitted,
    record_submitted,
    record_submission_unknown,
)
REFUND_TAKEN: Final[tuple[Callable[[UUID, UUID], LedgerCommand], ...]] = (
    refund_submitted,
    refund_unknown,
)


def go_on(story: Story) -> LedgerCommand | None:
    """Take a random thing that waits for something one step further."""
    waiting: list[Callable[[], LedgerCommand | None]] = [
        *(partial(payment_step, story, each) for each in story.all(Payment) if each.state in OPEN),
        *(
            partial(release_funds, each.id)
            for each in paid(story)
            if not each.flows.released
            and each.flows.releases_at is not None
            and each.flows.releases_at <= story.now
        ),
        *(
            partial(refund_step, story, each)
            for each in refunds.all_refunds(story)
            if each.refund.state in REFUND_OPEN
        ),
        *(partial(dispute_step, story, each) for each in paid(story) if each.flows.disputes),
        *(
            partial(payout_step, story, each)
            for each in story.all(Payout)
            if each.state in UNSENT | SENT
        ),
        *(
            partial(proposal_step, story, each)
            for each in story.all(Proposal)
            if each.state is ProposalState.OPEN
        ),
    ]
    if story.chance(SURPRISE):
        waiting += [partial(refunds.provider_takes_it_back, story)]
        waiting += [partial(payouts.provider_says_otherwise, story)]
    if platform.waiting_money(story):
        waiting.append(partial(platform.parked_money_is_allocated, story))
    if story.available > 0:
        waiting.append(partial(payouts.payout_is_wanted, story))
    if not waiting:
        return fan_pays(story)
    return story.pick(waiting)()


def payment_step(story: Story, payment: Payment) -> LedgerCommand:
    way = story.random.random()
    if way < 0.55:
        return money_for(story, payment, right=0.8)
    if payment.state is PaymentState.INITIATED:
        return start_submission(payment.id)
    if payment.state is PaymentState.SUBMITTING:
        return story.pick(PAYMENT_TAKEN)(payment.id)
    if payment.expires_at <= story.now and story.chance(0.5):
        return expire_payment(payment.id)
    claim = story.pick((Claim.AUTHORISED, Claim.FAILED, Claim.CANCELLED, Claim.VOIDED))
    return report_without_money(payment.id, claim)


def refund_step(story: Story, known: Owned) -> LedgerCommand:
    stream, refund = known.owner.id, known.refund
    if story.chance(0.6):
        if refund.state is RefundState.REQUESTED:
            return start_refund(stream, refund.id)
        if refund.state is RefundState.SUBMITTING:
            return story.pick(REFUND_TAKEN)(stream, refund.id)
    claim = RefundClaim.SUCCEEDED if story.chance(0.6) else RefundClaim.FAILED
    return refunds.word_on(story, known, claim)


def dispute_step(story: Story, payment: Payment) -> LedgerCommand:
    dispute = story.pick(list(payment.flows.disputes.values()))
    match dispute.state:
        case DisputeState.WARNED:
            return disputes.stage_of(story, payment, dispute.name, "opened")
        case DisputeState.OPEN:
            if story.chance(0.2):
                return note_evidence(payment.id, dispute.name)
            return disputes.stage_of(story, payment, dispute.name, "closed")
        case DisputeState.CLOSED:
            return disputes.stage_of(story, payment, dispute.name, "reopened")


def payout_step(story: Story, payout: Payout) -> LedgerCommand:
    match payout.state:
        case PayoutState.REQUESTED:
            return approve_payout(payout.id, story.pick(payouts.ADMINS))
        case PayoutState.HELD:
            return release_payout(payout.id)
        case PayoutState.APPROVED:
            return start_payout(payout.id, story.creator_id)
        case PayoutState.SUBMITTING if story.chance(0.6):
            return story.pick(payouts.TAKEN)(payout.id, payout.attempt)
        case PayoutState.SUBMISSION_UNKNOWN if story.chance(0.5):
            return attest_failure(payout.id, story.pick(payouts.ADMINS))
        case _:
            claim = PayoutClaim.PAID if story.chance(0.6) else PayoutClaim.FAILED
            return payouts.word_on(story, payout, claim)


def proposal_step(story: Story, proposal: Proposal) -> LedgerCommand:
    others = [admin for admin in payouts.ADMINS if admin != proposal.proposed_by]
    return approve_proposal(proposal.id, proposal.action, story.pick(others))
