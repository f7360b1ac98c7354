"""Clocks that are killed while many subscriptions are due: each is renewed once all the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from ledger.events import InvoicePaymentInitiated
from tests.api.past import past_of
from tests.api.processes import wait_until
from tests.builders import register_creator, report_success
from tests.databases import rows, value
from tests.invariants import assert_book_is_sound
from tests.subscription_builders import (
    DAY,
    by_card,
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from ledger.commands import Subscribe
    from ledger.database.location import DatabaseLocation
    from tests.api.deployment import Deployment

MEMBERS: Final = 2_000
ROUNDS: Final = 3
ROUNDS_SLOW: Final = 20

INVOICED: Final = """
    SELECT count(*) FROM ledger_events WHERE topic = 'subscription.renewal_invoiced.v1'
"""
TIMES: Final = """
    SELECT count(*) FILTER (WHERE topic = 'subscription.renewal_invoiced.v1'),
           count(*) FILTER (WHERE topic = 'subscription.invoice_attempted.v1')
    FROM ledger_events WHERE originator_id = ANY(%s) GROUP BY originator_id
"""


def begin(creator: UUID, tier: UUID, subscription: UUID) -> Subscribe:
    """A new fan subscribes by card, to be charged every day."""
    return subscribe(
        uuid4(), creator, tier, by_card(uuid4()), subscription_id=subscription, interval=DAY
    )


def batched(members: list[UUID], size: int) -> list[list[UUID]]:
    return [members[start : start + size] for start in range(0, len(members), size)]


def subscribed_yesterday(database: DatabaseLocation) -> list[UUID]:
    """Daily subscriptions by card, paid a day and some hours ago."""
    creator, tier = uuid4(), uuid4()
    members = [uuid4() for _ in range(MEMBERS)]
    with past_of(database) as past:
        then = datetime.now(UTC) - timedelta(hours=30)
        past.at(
            then,
            register_creator(creator),
            create_tier(creator, tier),
            publish_price(creator, tier, 100_000, DAY),
            publish_tier(creator, tier),
        )
        for some in batched(members, 200):
            begun = past.at(then, *(begin(creator, tier, each) for each in some))
            payments = [
                event.originator_id
                for outcome in begun
                for event in outcome.events
                if isinstance(event, InvoicePaymentInitiated)
            ]
            past.at(then, *(report_success(each) for each in payments))
    return members


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(ROUNDS_SLOW, marks=pytest.mark.slow)])
def test_clocks_that_are_killed_while_much_is_due_renew_everything_once(
    deploy: Callable[..., Deployment], rounds: int
) -> None:
    chance = Random(rounds)
    deployment = deploy().add_clocks(2)
    members = subscribed_yesterday(deployment.database)
    amid = 0
    with deployment as running:
        for number in range(rounds):
            before = value(running.database, INVOICED)
            wait_until(
                lambda least=before: (
                    value(running.database, INVOICED) > least  # type: ignore[misc]
                    or value(running.database, INVOICED) == MEMBERS
                ),
                what="a clock is at work",
            )
            time.sleep(chance.uniform(0.0, 0.2))
            clock = running.clocks[number % 2]
            clock.kill()
            amid += value(running.database, INVOICED) < MEMBERS
            clock.start()
        wait_until(lambda: value(running.database, INVOICED) >= MEMBERS, what="all are renewed")
        assert amid > 0
        # Whoever has nothing to do says so, and goes on.
        time.sleep(1)
        assert set(rows(running.database, TIMES, members)) == {(1, 2)}
        assert_book_is_sound(running.database)
