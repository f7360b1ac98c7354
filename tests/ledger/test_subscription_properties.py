"""What holds of every subscription, whatever fans wish and however late the clock is.

Here without a database; the laws are in tests/ledger/subscriptions/laws.py. On the real one, with
clocks that race: test_subscription_simulation.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ledger.renewals import due_at
from ledger.subscription import Subscription
from tests.ledger.scenes import CREATOR, FAN
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL_LATER,
    CLOCK,
    MONTHLY,
    PHONE,
    PREPAYMENT,
    RENEWAL,
    SUBSCRIPTION,
    active,
    attempt_of,
    offered,
    paid,
    prompted,
)
from tests.ledger.subscriptions.memory import watched
from tests.subscription_builders import DAY, prepay, publish_price, subscribe

if TYPE_CHECKING:
    from tests.ledger.given import History

CAIRO: Final = ZoneInfo("Africa/Cairo")


def subscription(history: History) -> Subscription:
    """The scenes' subscription as it stands."""
    found = history.aggregates[SUBSCRIPTION]
    assert isinstance(found, Subscription)
    return found


def test_a_reminder_whose_day_is_over_does_not_wake_the_clock_for_ever() -> None:
    history = active().at(RENEWAL - timedelta(hours=12)).given(CLOCK)
    assert due_at(subscription(history)) == RENEWAL


def test_a_prepayment_that_ends_on_the_day_when_clocks_go_forward_keeps_its_hour() -> None:
    # Cairo's clocks go from 00:00 to 01:00 on Friday 24 April 2026.
    midnight = datetime(2026, 4, 23, tzinfo=CAIRO)
    history = offered().given(publish_price(CREATOR, BASIC, MONTHLY, DAY))
    history.at(midnight).given(
        subscribe(
            FAN,
            CREATOR,
            BASIC,
            PHONE,
            subscription_id=SUBSCRIPTION,
            interval=DAY,
            zone=str(CAIRO),
        ),
        *prompted(attempt_of(1)),
        paid(attempt_of(1)),
        prepay(SUBSCRIPTION, 3, prepayment_id=PREPAYMENT),
    )
    order = subscription(history).order
    assert order is not None
    assert order.live is not None
    history.given(paid(order.live.payment_id, 3 * MONTHLY), CANCEL_LATER)
    assert not watched(history.events).violations
