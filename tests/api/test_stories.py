"""A fan pays a creator: the whole way over HTTP, once for each thing that an operator may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from api.sandbox_operator.behaviours import Behaviour
from tests.api.deployment import GROSS, NET, Deployment, Person
from tests.api.processes import wait_until
from tests.databases import rows
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a payment must end. Verdicts are those of its callbacks, in any order.

    `net` is what the creator has in pending; `lost`: it was theirs, and went away again.
    """

    state: str
    reason: str | None = None
    late: bool = False
    net: int = 0
    lost: bool = False
    suspense: tuple[int, str] | None = None
    prompts: int = 1
    verdicts: tuple[str, ...] = ("applied",)
    topics: tuple[str, ...] = ()


PAID: Final = "payment.succeeded.v2"
SPLIT: Final = {"collection": -GROSS, "pending": NET, "fees": 12_500, "vat": 2_000}
PAID_AND_NO_MORE: Final = (
    Behaviour.PAYOUT_HANGS,
    Behaviour.PAYOUT_PAID_THEN_RETURNED,
    Behaviour.PAYOUT_FAILS,
    Behaviour.PAYOUT_FLOAT_EMPTY_ONCE,
    Behaviour.PAYOUT_SILENT,
    Behaviour.PAYOUT_FAILED_THEN_PAID,
    Behaviour.PAYOUT_PUSH_FAILS_UNACCEPTED,
    Behaviour.PAYOUT_PUSH_FAILS_ACCEPTED,
    Behaviour.REFUND_FAILS,
    Behaviour.REFUND_FAILS_AFTER_SUCCESS,
    Behaviour.REFUND_HANGS,
    Behaviour.REFUND_SILENT,
    Behaviour.DISPUTE_AFTER_PAYOUT,
)
"""What the operator does about these comes after a refund, a payout or a word from outside."""

ENDINGS: Final[Mapping[Behaviour, Ending]] = {
    Behaviour.SUCCESS: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.INSUFFICIENT_FUNDS: Ending(
        state="failed", reason="insufficient_funds", topics=("payment.failed.v1",)
    ),
    Behaviour.CANCELLED_BY_PAYER: Ending(
        state="cancelled", reason="cancelled_by_payer", topics=("payment.cancelled.v1",)
    ),
    Behaviour.TIMEOUT: Ending(state="failed", reason="timeout", topics=("payment.failed.v1",)),
    Behaviour.DELIVERED_FIVE_TIMES: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.OUT_OF_ORDER: Ending(
        state="succeeded", net=NET, verdicts=("applied", "ignored"), topics=(PAID,)
    ),
    Behaviour.SUCCESS_AFTER_EXPIRY: Ending(
        state="succeeded", late=True, net=NET, topics=("payment.expired.v1", PAID)
    ),
    Behaviour.PAYS_LESS: Ending(
        state="needs_review",
        reason="mismatched",
        suspense=(GROSS // 2, "KES"),
        topics=("payment.mismatched.v1",),
    ),
    Behaviour.PAYS_MORE: Ending(
        state="succeeded",
        net=NET,
        suspense=(GROSS, "KES"),
        topics=(PAID, "payment.overpayment_parked.v1"),
    ),
    Behaviour.PAYS_IN_ANOTHER_CURRENCY: Ending(
        state="needs_review",
        reason="mismatched",
        suspense=(GROSS, "USD"),
        topics=("payment.mismatched.v1",),
    ),
    Behaviour.SILENCE: Ending(state="succeeded", net=NET, verdicts=(), topics=(PAID,)),
    Behaviour.CALLBACK_BEFORE_ANSWER: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.PUSH_FAILS_UNACCEPTED: Ending(
        state="failed",
        reason="never_received",
        prompts=0,
        verdicts=(),
        topics=("payment.failed.v1",),
    ),
    Behaviour.PUSH_FAILS_ACCEPTED: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.PUSH_HANGS: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.CONTRADICTED: Ending(
        state="succeeded",
        net=NET,
        verdicts=("applied", "applied"),
        topics=(PAID, "payment.contradiction_recorded.v1"),
    ),
    Behaviour.SECOND_TRANSACTION: Ending(
        state="succeeded",
        net=NET,
        suspense=(GROSS, "KES"),
        verdicts=("applied", "applied"),
        topics=(PAID, "payment.surplus_received.v1"),
    ),
    Behaviour.STATUS_FAILS_AND_CALLBACK_LOST: Ending(state="succeeded", net=NET, topics=(PAID,)),
    Behaviour.TWO_WEBHOOK_IDS: Ending(
        state="succeeded", net=NET, verdicts=("applied", "duplicate"), topics=(PAID,)
    ),
    **dict.fromkeys(PAID_AND_NO_MORE, Ending(state="succeeded", net=NET, topics=(PAID,))),
    Behaviour.DISPUTE_WON: Ending(
        state="succeeded",
        net=NET,
        verdicts=("applied",) * 4,
        topics=(PAID, "dispute.warned.v1", "dispute.opened.v1", "dispute.closed.v1"),
    ),
    Behaviour.DISPUTE_LOST: Ending(
        state="succeeded",
        lost=True,
        verdicts=("applied",) * 4,
        topics=(PAID, "dispute.opened.v1", "dispute.fee_charged.v1", "dispute.closed.v1"),
    ),
    Behaviour.DISPUTE_CLOSED_BEFORE_OPENED: Ending(
        state="succeeded",
        lost=True,
        verdicts=("applied", "applied", "duplicate"),
        topics=(PAID, "dispute.opened.v1", "dispute.closed.v1"),
    ),
    # The callback of a refund that nobody asked for names no reference of ours.
    Behaviour.REVERSED_UNASKED: Ending(
        state="succeeded",
        lost=True,
        topics=(PAID, "refund.requested.v1", "refund.succeeded.v1"),
    ),
    Behaviour.FEE_CHARGED_LATE: Ending(
        state="succeeded",
        net=NET,
        verdicts=("applied", "applied"),
        topics=(PAID, "payment.provider_fee_recorded.v1"),
    ),
}


@dataclass(frozen=True)
class Told:
    """A story that has begun: who plays it, and the payment."""

    fan: Person
    creator: Person
    payment_id: str


@pytest.fixture(scope="module")
def told(stories: Deployment) -> dict[Behaviour, Told]:
    """One payment for each behaviour, all begun at once."""
    begun = {}
    for behaviour in Behaviour:
        fan, creator = stories.fan(), stories.creator()
        payment_id = stories.pay(fan, creator, digits=behaviour.value)
        begun[behaviour] = Told(fan, creator, payment_id)
    return begun


def test_there_is_an_ending_for_everything_that_the_operator_may_do() -> None:
    assert set(ENDINGS) == set(Behaviour)


@pytest.mark.parametrize("behaviour", Behaviour, ids=lambda behaviour: behaviour.name.lower())
def test_a_payment_ends_as_it_should_whatever_the_operator_does(
    stories: Deployment, told: dict[Behaviour, Told], behaviour: Behaviour
) -> None:
    ending, story = ENDINGS[behaviour], told[behaviour]
    wait_until(lambda: _has_ended(stories, story, ending), what=f"the end of {behaviour.name}")
    payment = stories.payment(story.fan, story.payment_id)
    assert (payment["state"], payment["reason"], payment["late"]) == (
        ending.state,
        ending.reason,
        ending.late,
    )
    assert stories.pending(story.creator) == ending.net
    assert stories.operator.prompts().get(story.payment_id, 0) == ending.prompts
    assert sorted(_verdicts(stories, story.payment_id)) == sorted(ending.verdicts)
    assert _without_submission(stories.topics(story.payment_id)) == list(ending.topics)
    assert _parked(stories, story.payment_id) == ending.suspense
    assert _paid(stories, story.payment_id) == (SPLIT if ending.net or ending.lost else {})


def test_after_all_stories_the_books_balance(
    stories: Deployment, told: dict[Behaviour, Told]
) -> None:
    for behaviour, story in told.items():
        wait_until(lambda s=story, e=ENDINGS[behaviour]: _has_ended(stories, s, e))  # type: ignore[misc]
    answer = stories.api.send(stories.auditor, "GET", "/audit/trial-balance")
    data = answer.json()["data"]
    assert data["balanced"]
    assert {each["currency"] for each in data["currencies"]} == {"KES", "USD"}
    assert all(each["debits"] == each["credits"] > 0 for each in data["currencies"])
    assert_book_is_sound(stories.database)


def test_every_fact_that_a_callback_caused_carries_its_evidence(
    stories: Deployment, told: dict[Behaviour, Told]
) -> None:
    story = told[Behaviour.SUCCESS]
    stories.wait_for_end(story.fan, story.payment_id)
    [(_, succeeded)] = [each for each in stories.events(story.payment_id) if each[0] == PAID]
    found = rows(
        stories.database, "SELECT verdict FROM inbox WHERE body_hash = %s", succeeded["evidence"]
    )
    assert found == [("applied",)]
    assert succeeded["actor"] == "provider:sandbox"
    assert succeeded["correlation_id"] == story.payment_id


def _has_ended(stories: Deployment, story: Told, ending: Ending) -> bool:
    """Whether its last fact was recorded, and every callback has a verdict."""
    verdicts = _verdicts(stories, story.payment_id)
    last = stories.topics(story.payment_id)[-1:]
    return last == list(ending.topics[-1:]) and len(verdicts) >= len(ending.verdicts)


def _verdicts(stories: Deployment, payment_id: str) -> list[str]:
    """What became of the callbacks that the operator has delivered about a payment."""
    webhook_ids = list({each["webhook_id"] for each in stories.operator.deliveries(payment_id)})
    found = rows(
        stories.database, "SELECT verdict FROM inbox WHERE natural_key = ANY(%s)", webhook_ids
    )
    return [verdict for (verdict,) in found]


def _without_submission(topics: list[str]) -> list[str]:
    """What followed the beginning; the answer to the push may come before or after a callback."""
    assert topics[:2] == ["payment.initiated.v1", "payment.submission_started.v1"]
    answers = {"payment.submitted.v1", "payment.submission_unknown.v1"}
    return [topic for topic in topics[2:] if topic not in answers]


def _paid(stories: Deployment, payment_id: str) -> dict[str, int]:
    """Who got how much when a payment succeeded."""
    entries = [event["entry"] for topic, event in stories.events(payment_id) if topic == PAID]
    if not entries:
        return {}
    [entry] = entries
    return {each["account"].split(":")[-1]: -each["amount"] for each in entry["postings"]}


def _parked(stories: Deployment, payment_id: str) -> tuple[int, str] | None:
    """What went to suspense because of a payment."""
    postings: list[dict[str, Any]] = [
        posting
        for _, event in stories.events(payment_id)
        for posting in (event.get("entry") or {"postings": []})["postings"]
        if posting["account"] == "suspense:sandbox"
    ]
    if not postings:
        return None
    [posting] = postings
    return -posting["amount"], posting["currency"]
