"""How a story ends: whatever waits is resolved, until nothing lies between accounts.

Payments, refunds, disputes and payouts get their last word, parked money is allocated or returned,
holds end, what is pending is released, and what the creator owes is given up by two people. Chance
decides which way, so that endings differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.events import WriteOffDebt
from ledger.flows import REFUND_OPEN
from ledger.money import AMOUNT_MAX
from ledger.payment import OPEN, Payment
from ledger.payout import SENT, UNSENT, Payout
from ledger.proposals import Proposal, ProposalState
from tests.ledger.lifecycles import disputes, payouts, platform, refunds, sensible
from tests.ledger.lifecycles.payments import paid
from tests.money_builders import (
    REASON,
    cancel_payout,
    propose,
    reinstate_creator,
    reject_payout,
    reject_proposal,
    release_funds,
    release_hold,
    request_refund,
)

if TYPE_CHECKING:
    from ledger.decisions import LedgerCommand
    from tests.ledger.lifecycles.story import Story

STEPS_MAX: Final = 300
"""An ending that takes longer goes in circles."""


class Ending:
    """The ending of one story, a command at a time, until it is `over`."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.over = False
        self._steps = 0
        self._everything_goes_back = story.chance(0.3)
        self._payouts_wanted = 2 if story.chance(0.3) else 0

    def next(self) -> LedgerCommand | None:
        """The next command; None lets an hour pass, or says that it is over."""
        self._steps += 1
        assert self._steps < STEPS_MAX, "the ending goes in circles"
        for step in (
            self._proposals,
            self._payments,
            self._refunds,
            self._disputes,
            self._back,
            self._parked,
            self._payouts,
            self._holds,
            self._releases,
        ):
            if (command := step()) is not None:
                return command
        if any(not payment.flows.released for payment in paid(self.story)):
            return None
        command = self._payout_of_all() or self._debt()
        self.over = command is None
        return command

    def _proposals(self) -> LedgerCommand | None:
        for proposal in self.story.all(Proposal):
            if proposal.state is ProposalState.OPEN:
                # What was proposed may not be possible any more.
                if self.story.chance(0.4):
                    return reject_proposal(proposal.id)
                return sensible.proposal_step(self.story, proposal)
        return None

    def _payments(self) -> LedgerCommand | None:
        for payment in self.story.all(Payment):
            if payment.state in OPEN:
                return sensible.payment_step(self.story, payment)
        return None

    def _refunds(self) -> LedgerCommand | None:
        for each in refunds.all_refunds(self.story):
            if each.refund.state in REFUND_OPEN:
                return sensible.refund_step(self.story, each)
        return None

    def _disputes(self) -> LedgerCommand | None:
        for payment, dispute in disputes.open_disputes(self.story):
            return disputes.stage_of(self.story, payment, dispute.name, "closed")
        return None

    def _back(self) -> LedgerCommand | None:
        """All that can be refunded, in some stories, at once or piece by piece."""
        for payment in paid(self.story) if self._everything_goes_back else ():
            if (left := payment.flows.refundable()) > 0:
                return request_refund(
                    payment.id,
                    None if self.story.chance(0.6) else self.story.random.randint(1, left),
                    refund_id=self.story.new_id(),
                    currency=self.story.currency,
                )
        return None

    def _parked(self) -> LedgerCommand | None:
        if not platform.waiting_money(self.story):
            return None
        if self.story.chance(0.4):
            command = platform.parked_money_is_allocated(self.story)
            if command is not None:
                return command
        return platform.parked_money_is_returned(self.story)

    def _payouts(self) -> LedgerCommand | None:
        story = self.story
        for payout in story.all(Payout):
            if payout.state in UNSENT and story.chance(0.3):
                if story.chance(0.5):
                    return cancel_payout(payout.id, story.creator_id)
                return reject_payout(payout.id)
            if payout.state in UNSENT | SENT:
                if story.creator.suspended:
                    return reinstate_creator(story.creator_id)
                return sensible.payout_step(story, payout)
        return None

    def _holds(self) -> LedgerCommand | None:
        for hold_id, hold in self.story.creator.holds.items():
            expired = hold.expires_at <= self.story.now
            return release_hold(self.story.creator_id, hold_id, expired=expired)
        return None

    def _releases(self) -> LedgerCommand | None:
        for payment in paid(self.story):
            flows = payment.flows
            if not flows.released and (flows.releases_at or self.story.now) <= self.story.now:
                return release_funds(payment.id)
        return None

    def _payout_of_all(self) -> LedgerCommand | None:
        """What is available, in some stories; it may be too little for a payout."""
        story = self.story
        if not self._payouts_wanted or story.available <= 0:
            return None
        if (first := payouts.missing_for_payouts(story)) is not None:
            return first
        self._payouts_wanted -= 1
        return payouts.payout_of(story, None)

    def _debt(self) -> LedgerCommand | None:
        story = self.story
        if story.available >= 0:
            return None
        debt = story.money(min(-story.available, AMOUNT_MAX))
        return propose(
            WriteOffDebt(reason=REASON, creator_id=story.creator_id, debt=debt),
            proposal_id=story.new_id(),
            second_person_above=0,
        )
