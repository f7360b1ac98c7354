"""Everything as it is run, for days that pass in seconds: renewed, asked, charged, told, ended."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest

from ledger.invoices import invoice_id
from tests.api.payout_steps import kes
from tests.api.processes import wait_until
from tests.api.subscriber import PRICE, Offer, Subscriber
from tests.databases import value
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Deployment

SPEED: Final = 8 * 3_600
"""A day in three seconds, and no round of the clock longer than four hours."""

DAY: Final = {"unit": "day", "count": 1}
WEEK: Final = {"unit": "week", "count": 1}
CARD: Final = {"kind": "card", "card": "card_000", "provider": "sandbox"}
LINK: Final = re.compile(r"/pay/([\w.-]+)")
OPENS, CLOSES = 8, 20

pytestmark = pytest.mark.timeout(300)


class Daily(Offer):
    """An offer that also has a tier that is paid by the day or by the week."""

    def __init__(self, doors: Deployment) -> None:
        super().__init__(doors)
        self.short = self._tier("Newspaper", (PRICE, DAY), (PRICE, WEEK))

    def by(self, interval: dict[str, Any], zone: str) -> dict[str, Any]:
        """What a fan of that tier asks for."""
        return {"tier_id": self.short, "interval": interval, "time_zone": zone}


@pytest.fixture(scope="module")
def lives(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """An operator, a dispatcher and a clock that runs; people answer quickly."""
    settings = {"TIME_MAY_RUN_AHEAD": "true", "STATUS_QUERY_SECONDS": "1"}
    deployment = deploy(**settings).add_operator()
    with deployment.add_apis(1).add_dispatchers(1).add_clocks(1, speed=SPEED) as running:
        yield running


@pytest.fixture(scope="module")
def offer(lives: Deployment) -> Daily:
    return Daily(lives)


def zone_in_which_it_is(lives: Deployment, hour: int) -> str:
    """A zone without summer time in which this hour has begun, by the book's time."""
    now: datetime = value(lives.database, "SELECT max(recorded_at) FROM turns")
    ahead = (hour - now.astimezone(UTC).hour) % 24
    ahead = ahead - 24 if ahead > 12 else ahead
    # POSIX counts the other way: Etc/GMT-3 is ahead by three hours.
    return f"Etc/GMT{-ahead:+d}"


def wait_for_period(fan: Subscriber, subscription: str, number: int) -> None:
    """Return when so many periods are paid."""
    wait_until(
        lambda: (
            len([each for each in fan.invoices(subscription) if each["state"] == "paid"]) >= number
        ),
        seconds_max=100,
        what=f"{number} periods are paid",
    )


def attempts(fan: Subscriber, subscription: str) -> list[str]:
    """The payments by which periods were asked for, oldest first, without the first one."""
    invoices = reversed(fan.invoices(subscription))
    renewals = [each for each in invoices if each["kind"] == "renewal"]
    return [attempt["payment_id"] for each in renewals for attempt in each["attempts"]]


def hour_of_submission(lives: Deployment, payment: str, zone: str) -> int | None:
    """The hour at which the provider was asked for it, if it was."""
    events = dict(lives.events(payment))
    started = events.get("payment.submission_started.v1")
    if started is None:
        return None
    return datetime.fromisoformat(started["recorded_at"]).astimezone(ZoneInfo(zone)).hour


def messages(lives: Deployment) -> list[dict[str, Any]]:
    """What was said to people, in development."""
    path = lives.directory / "logs" / "notifications.ndjson"
    return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def told(lives: Deployment, subscription: str) -> list[str]:
    """What was said about a subscription, in order."""
    kept = "SELECT count(*) FROM notifications WHERE notification_id = %s AND stream_id = %s"
    return [
        each["text"]
        for each in messages(lives)
        if value(lives.database, kept, each["notification_id"], subscription)
    ]


def test_each_day_is_a_prompt_by_day_and_each_is_answered_once(
    lives: Deployment, offer: Daily
) -> None:
    fan, zone = Subscriber(lives, line="71"), zone_in_which_it_is(lives, 3)
    subscription = fan.subscribe(offer, **offer.by(DAY, zone))
    wait_for_period(fan, subscription, 3)
    prompts = lives.operator.prompts()
    asked = attempts(fan, subscription)
    assert len(asked) >= 2
    hours = [hour_of_submission(lives, payment, zone) for payment in asked]
    assert all(hour is None or OPENS <= hour < CLOSES for hour in hours)
    assert {prompts.get(payment, 0) for payment in asked} <= {0, 1}
    assert fan.read(subscription)["state"] == "active"
    fan.post(subscription, "cancel", {"when": "now"})


def test_a_card_is_charged_at_night(lives: Deployment, offer: Daily) -> None:
    fan, zone = Subscriber(lives, confirmed=False), zone_in_which_it_is(lives, 2)
    subscription = fan.subscribe(offer, **offer.by(DAY, zone), method=CARD)
    wait_for_period(fan, subscription, 3)
    hours = [hour_of_submission(lives, payment, zone) for payment in attempts(fan, subscription)]
    assert any(hour is not None and hour < OPENS for hour in hours)
    fan.post(subscription, "cancel", {"when": "now"})


def test_whoever_cannot_pay_is_told_so_with_a_link_and_then_that_it_ended(
    lives: Deployment, offer: Daily
) -> None:
    fan = Subscriber(lives, line="72", digits="000")
    subscription = fan.subscribe(offer, **offer.by(DAY, zone_in_which_it_is(lives, 9)))
    fan.wait_for(subscription, "active")
    poor = f"{fan.phone[:-3]}001"
    fan.confirm(poor)
    answer = fan.post(subscription, "payment-method", {"method": fan.by_phone(poor)})
    assert answer.is_success, answer.text
    fan.wait_for(subscription, "expired")
    wait_until(lambda: any("ended on" in text for text in told(lives, subscription)))
    unpaid = [text for text in told(lives, subscription) if text.startswith("We could not")]
    failed = [topic for topic in lives.topics(subscription) if "attempt_failed" in topic]
    assert 1 <= len(unpaid) <= len(failed)
    assert all(LINK.search(text) for text in unpaid)


def test_a_reminder_s_link_pays_the_next_week_before_it_begins(
    lives: Deployment, offer: Daily
) -> None:
    fan = Subscriber(lives, line="73")
    subscription = fan.subscribe(offer, **offer.by(WEEK, zone_in_which_it_is(lives, 10)))
    fan.wait_for(subscription, "active")
    wait_until(lambda: any("renews in" in text for text in told(lives, subscription)))
    [reminder] = [text for text in told(lives, subscription) if "renews in" in text]
    link = LINK.search(reminder)
    assert link is not None
    due = lives.api.client.get(f"/pay/{link[1]}").json()["data"]
    assert (due["number"], due["state"], due["money"]) == (2, "due", kes(PRICE))
    assert lives.api.client.post(f"/pay/{link[1]}").status_code == 202
    wait_for_period(fan, subscription, 2)
    # Nobody is asked for it a second time when it begins.
    [period] = [each for each in fan.invoices(subscription) if each["number"] == 2]
    assert period["id"] == str(invoice_id(UUID(subscription), 2))
    assert len(period["attempts"]) == 1
    fan.post(subscription, "cancel", {"when": "now"})


def test_the_book_is_sound_and_nothing_failed(lives: Deployment) -> None:
    assert_book_is_sound(lives.database)
    for process in (*lives.dispatchers, *lives.clocks):
        assert '"level":"error"' not in process.log_text()
