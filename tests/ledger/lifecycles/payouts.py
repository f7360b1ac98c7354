"""Moves about payouts, and about the creator who wants them: destinations, holds, standing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from ledger.accounts import collection, disbursement
from ledger.commands import PayoutClaim, PayoutTerms
from ledger.payout import SENT, UNSENT, Payout
from tests.builders import PROVIDER, assign_fee_plan, register_creator
from tests.money_builders import (
    PAYOUT_TERMS,
    add_destination,
    approve_payout,
    attest_failure,
    cancel_payout,
    close_creator,
    hold_funds,
    hold_payout,
    payout_submitted,
    payout_unknown,
    reinstate_creator,
    reject_payout,
    release_hold,
    release_payout,
    remove_destination,
    report_payout,
    request_payout,
    set_payout_schedule,
    set_tax_profile,
    start_payout,
    suspend_creator,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.decisions import LedgerCommand
    from tests.ledger.lifecycles.story import Story

ADMINS: Final = ("admin:one", "admin:two", "admin:three")
PEOPLE: Final = (*ADMINS, "creator:requester", "creator:editor")
CLAIMS: Final = (
    PayoutClaim.PAID,
    PayoutClaim.PAID,
    PayoutClaim.PAID,
    PayoutClaim.FAILED,
    PayoutClaim.FAILED,
    PayoutClaim.RETURNED,
    PayoutClaim.PENDING,
)
VERIFICATIONS: Final[tuple[Literal["submitted", "verified", "rejected"], ...]] = (
    "submitted",
    "verified",
    "verified",
    "rejected",
)
INTERVALS: Final[tuple[Literal["weekly", "monthly"] | None, ...]] = ("weekly", "monthly", None)


DECISIONS: Final[tuple[Callable[[UUID], LedgerCommand], ...]] = (
    hold_payout,
    release_payout,
    reject_payout,
)
TAKEN: Final[tuple[Callable[[UUID, int], LedgerCommand], ...]] = (payout_submitted, payout_unknown)
STANDINGS: Final[tuple[Callable[[UUID], LedgerCommand], ...]] = (
    suspend_creator,
    reinstate_creator,
    reinstate_creator,
)


# Payouts.


def payout_is_wanted(story: Story) -> LedgerCommand | None:
    """Of what is available, a part of it or more; before it whatever is missing for a payout."""
    if story.available <= 0 and not story.seldom():
        return None
    if not story.seldom() and (first := missing_for_payouts(story)) is not None:
        return first
    return payout_of(story, None if story.chance(0.4) else story.part_of(max(1, story.available)))


def payout_of(story: Story, amount: int | None) -> LedgerCommand:
    return request_payout(
        story.creator_id,
        story.new_id() if story.seldom() else story.destination_id,
        amount,
        payout_id=payout_id(story) if story.seldom() else story.new_id(),
        terms=terms(story),
        scheduled=story.chance(0.1),
        scheduled_minimum=story.pick((0, 0, 500)),
    )


def missing_for_payouts(story: Story) -> LedgerCommand | None:
    """The first thing that stands between this creator and a payout."""
    creator = story.creator
    if creator.verification != "verified":
        return verify_creator(story.creator_id)
    destination = creator.destinations.get(story.destination_id)
    if destination is None:
        return add_destination(
            story.creator_id,
            story.destination_id,
            cooling_seconds=story.pick((0, 0, 3_600)),
        )
    if not destination.verified:
        return verify_destination(story.creator_id, story.destination_id)
    if creator.suspended:
        return reinstate_creator(story.creator_id)
    return None


def terms(story: Story) -> PayoutTerms:
    return replace(
        PAYOUT_TERMS,
        currency=story.other_currency if story.seldom() else story.currency,
        step=story.pick((1, 1, 100)),
        fixed_fee=story.pick((0, 0, 25)),
        fee_basis_points=story.pick((0, 100, 333)),
        vat_basis_points=story.pick((0, 1_600)),
        approvals_required=story.pick((0, 1, 1, 2)),
    )


def payout_id(story: Story) -> UUID:
    """Any payout's, in whatever state, or that of nothing at all."""
    payout = story.some(story.all(Payout))
    return story.new_id() if payout is None or story.seldom() else payout.id


def somebody_decides(story: Story) -> LedgerCommand | None:
    if not story.all(Payout):
        return None
    stream = payout_id(story)
    way = story.random.randint(0, 8)
    if way < 4:
        return approve_payout(stream, story.pick(PEOPLE))
    if way == 4:
        return cancel_payout(stream, story.new_id() if story.seldom() else story.creator_id)
    if way == 5:
        return attest_failure(stream, story.pick(ADMINS))
    return story.pick(DECISIONS)(stream)


def payout_is_taken_to_the_provider(story: Story) -> LedgerCommand | None:
    payout = story.some(story.all(Payout))
    if payout is None:
        return None
    if story.chance(0.4):
        return start_payout(payout.id, story.creator_id)
    attempt = max(0, payout.attempt - story.seldom())
    return story.pick(TAKEN)(payout.id, attempt)


def provider_speaks_of_a_payout(story: Story) -> LedgerCommand | None:
    """Of any payout, whatever was said before; with one of a few transactions."""
    payout = story.some(story.all(Payout))
    return None if payout is None else word_on(story, payout, story.pick(CLAIMS))


def provider_says_otherwise(story: Story) -> LedgerCommand | None:
    """Of a payout that has ended: paid after all, paid again, returned, or failed after it."""
    payout = story.some([each for each in story.all(Payout) if each.state not in UNSENT | SENT])
    if payout is None:
        return None
    claim = story.pick((PayoutClaim.PAID, PayoutClaim.RETURNED, PayoutClaim.FAILED))
    return word_on(story, payout, claim)


def word_on(story: Story, payout: Payout, claim: PayoutClaim) -> LedgerCommand:
    net = payout.legs.net
    return report_payout(
        payout.id,
        max(1, net - 1) if story.seldom() else net,
        claim,
        attempt=max(0, payout.attempt + (story.pick((-1, 1)) if story.seldom() else 0)),
        transaction=f"PT-{story.pick((1, 1, 1, 2, 3))}",
        retryable=story.chance(0.4),
        currency=payout.gross.currency,
        paid_from=collection(PROVIDER) if story.chance(0.2) else disbursement(PROVIDER),
        occurred_at=story.occurred_at(),
    )


# The creator.


def money_is_held(story: Story) -> LedgerCommand | None:
    if story.available <= 0 and not story.seldom():
        return None
    again = story.some(story.holds) if story.seldom() else None
    hold_id = story.new_id() if again is None else again
    story.holds.append(hold_id)
    amount = story.part_of(max(1, story.available))
    expires_at = story.now + timedelta(hours=-1 if story.seldom() else story.pick((2, 8, 900)))
    command = hold_funds(story.creator_id, 1, expires_at, hold_id=hold_id)
    return replace(command, held=story.money(amount))


def hold_ends(story: Story) -> LedgerCommand | None:
    hold_id = story.some(story.holds)
    if hold_id is None:
        return None
    return release_hold(story.creator_id, hold_id, expired=story.chance(0.3))


def standing_changes(story: Story) -> LedgerCommand | None:
    creator = story.new_id() if story.seldom() else story.creator_id
    if story.seldom():
        return close_creator(creator)
    if story.chance(0.1):
        return register_creator(story.creator_id)
    return story.pick(STANDINGS)(creator)


def terms_change(story: Story) -> LedgerCommand | None:
    """A plan for later payments, how payouts are taxed, who the creator is."""
    way = story.random.randint(0, 2)
    if way == 0:
        return verify_creator(story.creator_id, story.pick(VERIFICATIONS))
    if way == 1:
        return set_tax_profile(story.creator_id, story.pick((0, 300, 500, 3_000)))
    return replace(assign_fee_plan(story.creator_id), plan=story.plan())


def destinations_change(story: Story) -> LedgerCommand | None:
    creator, destination = story.creator_id, story.destination_id
    way = story.random.randint(0, 4)
    if way < 2:
        return add_destination(creator, destination, cooling_seconds=story.pick((0, 24 * 3_600)))
    if way == 2:
        return set_payout_schedule(creator, destination, story.pick(INTERVALS))
    if way == 3:
        return remove_destination(creator, story.new_id() if story.seldom() else destination)
    return verify_destination(creator, destination)


PAYOUT_MOVES: Final = (
    payout_is_wanted,
    payout_is_wanted,
    somebody_decides,
    somebody_decides,
    payout_is_taken_to_the_provider,
    provider_speaks_of_a_payout,
    provider_speaks_of_a_payout,
    provider_says_otherwise,
)
CREATOR_MOVES: Final = (
    money_is_held,
    money_is_held,
    hold_ends,
    standing_changes,
    terms_change,
    destinations_change,
)
