"""Fans are told of their subscriptions in the right words, once, with a link that pays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from api.notifications.port import Channel
from ledger.vault import PersonalData
from tests.api.clock_scenes import GROSS
from tests.api.leaks import personal_data_in_tables
from tests.api.notification_scenes import PHONE
from tests.api.subscription_scenes import LOCAL
from tests.api.told_scenes import Told
from tests.builders import record_submitted, report_success, start_submission
from tests.databases import superuser
from tests.money_builders import close_creator
from tests.subscription_builders import (
    CODE_SECONDS,
    DAY,
    cancel_subscription,
    migrate_price,
    pay_invoice,
    prepay,
    publish_price,
    start_confirmation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore
    from tests.api.subscription_scenes import Offer

EMAIL: Final = "zqcanary@fans.example"
FORGET: Final = "DELETE FROM ledger_tracking WHERE application_name = 'dispatcher'"


@pytest.fixture
def scene(book: BookLocation, key_store: KeyStore, tmp_path: Path) -> Iterator[Told]:
    with Told(book, key_store, tmp_path) as opened:
        yield opened
        # Whoever reads the log again finds that everything has been said.
        opened.tell()
        with superuser(opened.book.database) as connection:
            connection.execute(FORGET)
        assert opened.tell() == []
        assert personal_data_in_tables(opened.book.database) == set()
        opened.close()


def local(scene: Told, month: int, day: int, hour: int = 12) -> datetime:
    """A moment of the scene's year, in Nairobi."""
    return datetime(scene.time.now.year, month, day, hour, tzinfo=LOCAL)


def on(scene: Told, day_and_month: str) -> str:
    """A date as people read it."""
    return f"{day_and_month} {scene.time.now.year}"


def member(scene: Told, offer: Offer | None = None) -> UUID:
    """A fan who has paid a month and was told so."""
    subscription = scene.member(offer or scene.offer())
    scene.tell()
    return subscription


# Codes.


def test_a_code_goes_to_the_phone_that_is_to_be_confirmed_and_nowhere_else(scene: Told) -> None:
    fan, confirmation = uuid4(), uuid4()
    scene.set_email(fan, EMAIL)
    phone = scene.know(fan, PersonalData.PHONE, PHONE)
    scene.do(start_confirmation(fan, phone, confirmation_id=confirmation))
    [message] = scene.tell()
    assert (message.channel, message.address) == (Channel.SMS, PHONE)
    code = scene.codes.code(confirmation)
    assert message.text == f"{code} is your code, for 10 minutes. Nobody will ever ask you for it."


def test_a_code_that_is_over_is_not_sent(scene: Told) -> None:
    fan = uuid4()
    phone = scene.know(fan, PersonalData.PHONE, PHONE)
    scene.do(start_confirmation(fan, phone))
    scene.after(seconds=CODE_SECONDS + 1)
    assert scene.tell() == []


# Receipts.


def test_whoever_pays_a_period_gets_a_receipt_for_it(scene: Told) -> None:
    subscription = scene.begin(scene.offer())
    scene.tell()
    payment = scene.live_payment(subscription).id
    scene.pay(subscription)
    today = on(scene, "1 March")
    assert scene.texts() == [f"We received KES 1,000.00 on {today}. Thank you. Payment {payment}."]
    assert scene.kept(payment) == [("receipt", "sms", "sent", None, True)]
    scene.do(prepay(subscription, 3))
    scene.pay(subscription)
    [text] = scene.texts()
    assert text.startswith("We received KES 3,000.00 on ")


def test_whoever_pays_what_is_closed_is_told_that_it_is_their_credit(scene: Told) -> None:
    subscription = scene.begin(scene.offer())
    payment = scene.live_payment(subscription).id
    scene.do(start_submission(payment), record_submitted(payment))
    scene.do(cancel_subscription(subscription))
    scene.tell()
    scene.do(report_success(payment, GROSS))
    [text] = scene.texts()
    assert text == (
        f"We received KES 1,000.00 on {on(scene, '1 March')}. No invoice was open for it, so it is "
        f"your credit. Payment {payment}."
    )


def test_whoever_pays_at_a_till_has_no_phone_there_and_is_told_by_email(scene: Told) -> None:
    subscription = scene.begin(scene.offer())
    scene.set_email(scene.state_of(subscription).fan_id, EMAIL)
    scene.tell()
    payment = uuid4()
    scene.do(pay_invoice(subscription, till_payment=payment), report_success(payment, GROSS))
    assert [(each.channel, each.kind) for each in scene.tell()] == [(Channel.EMAIL, "receipt")]


# Addresses.


def test_an_email_that_was_unset_is_not_used(scene: Told) -> None:
    subscription = scene.begin(scene.offer())
    fan = scene.state_of(subscription).fan_id
    scene.set_email(fan, EMAIL)
    scene.set_email(fan, None)
    scene.tell()
    scene.pay(subscription)
    assert [(each.channel, each.address) for each in scene.tell()] == [(Channel.SMS, PHONE)]


def test_the_email_that_was_set_last_is_used(scene: Told) -> None:
    subscription = scene.begin(scene.offer())
    fan = scene.state_of(subscription).fan_id
    scene.set_email(fan, EMAIL)
    # Known later, and not what the fan has said.
    scene.know(fan, PersonalData.EMAIL, "zqcanary-other@fans.example")
    scene.tell()
    scene.pay(subscription)
    assert [(each.channel, each.address) for each in scene.tell()] == [(Channel.EMAIL, EMAIL)]


# Reminders.


def test_reminders_say_in_how_many_days_it_renews_and_their_link_pays_it(scene: Told) -> None:
    subscription = member(scene)
    for day, when in ((29, "in 3 days"), (31, "tomorrow")):
        assert scene.come(subscription) == local(scene, 3, day)
        [message] = scene.tell()
        link = scene.link_in(message.text)
        assert (link.subscription_id, link.number) == (subscription, 2)
        assert link.expires_at == local(scene, 4, 8)
        assert message.text.startswith(
            f"Your subscription renews {when}, on {on(scene, '1 April')}, for KES 1,000.00. "
            "Pay now: https://hesabu.example/pay/"
        )
    scene.do(pay_invoice(subscription, 2))
    scene.pay(subscription)
    assert scene.state_of(subscription).next_number == 3


def test_what_was_to_be_said_in_the_evening_is_said_in_the_morning_by_its_date(
    scene: Told,
) -> None:
    scene.at(local(scene, 3, 1, 23))
    subscription = member(scene)
    scene.until(local(scene, 3, 31, 23), subscription)
    scene.tell()
    assert scene.come(subscription) == local(scene, 4, 1, 8)
    [text] = scene.texts()
    assert text.startswith(f"Your subscription renews today, on {on(scene, '1 April')}, for ")


def test_a_reminder_that_comes_too_late_is_not_sent(scene: Told) -> None:
    subscription = member(scene)
    scene.come(subscription)
    scene.at(local(scene, 4, 1) + timedelta(seconds=1))
    assert scene.tell() == []
    assert ("renewal_reminder", "sms", "failed", "too_late", False) in scene.kept(subscription)


# Failures.


def test_of_one_failure_one_message_says_until_when_access_lasts(scene: Told) -> None:
    subscription = member(scene)
    scene.until(local(scene, 4, 1), subscription)
    scene.tell()
    unpaid = (
        "We could not collect KES 1,000.00 for your subscription. It stays open until "
        f"{on(scene, '8 April')}. Pay now: LINK"
    )
    for _ in range(4):
        assert scene.texts() == []
        scene.decline(subscription)
        [message] = scene.tell()
        link = scene.link_in(message.text)
        assert (link.subscription_id, link.number) == (subscription, 2)
        assert link.expires_at == local(scene, 4, 8)
        assert message.text.replace(message.text.split()[-1], "LINK") == unpaid
        scene.come(subscription)
    assert scene.texts() == [
        (
            f"Your subscription ended on {on(scene, '8 April')}, since it was not paid. "
            "You can subscribe again at any time."
        )
    ]


def test_what_never_reached_the_fan_is_not_told_them(scene: Told) -> None:
    subscription = member(scene)
    scene.until(local(scene, 4, 1), subscription)
    scene.tell()
    scene.not_pushed(subscription)
    assert scene.tell() == []


def test_a_fan_who_declines_what_they_asked_for_themself_is_told_nothing(scene: Told) -> None:
    subscription = member(scene)
    scene.until(local(scene, 4, 1), subscription)
    scene.decline(subscription)
    scene.tell()
    scene.do(pay_invoice(subscription))
    scene.decline(subscription)
    assert scene.tell() == []


# Trials.


def test_a_trial_is_told_at_its_beginning_and_before_its_end_and_what_follows(
    scene: Told,
) -> None:
    subscription = scene.begin(scene.offer(trial_days=10), trial=True)
    ends_on = on(scene, "11 March")
    assert scene.texts()[1:] == [
        f"Your trial lasts until {ends_on}. To go on after that costs KES 1,000.00."
    ]
    for _ in range(2):
        scene.come(subscription)
        [message] = scene.tell()
        assert scene.link_in(message.text).number == 1
        assert message.text.startswith(
            f"Your trial ends on {ends_on}. To go on for KES 1,000.00, pay here: https://"
        )
    # It is over, and its fan was not asked yet.
    scene.come(subscription)
    assert scene.tell() == []
    scene.decline(subscription)
    assert scene.texts() == [
        (
            "We could not collect KES 1,000.00 for your subscription. You can go on if you pay by "
            f"{on(scene, '18 March')}. Pay now: LINK"
        )
    ]


# Ends.


def test_a_cancellation_is_told_when_it_is_scheduled_and_when_it_comes(scene: Told) -> None:
    subscription = member(scene)
    scene.do(cancel_subscription(subscription, "period_end"))
    assert scene.texts() == [
        (
            f"Your subscription is cancelled. It stays open until {on(scene, '1 April')}; "
            "you will not be charged again."
        )
    ]
    scene.come(subscription)
    assert scene.texts() == [
        f"Your subscription ended on {on(scene, '1 April')}. You will not be charged again."
    ]


def test_who_cancels_now_is_told_that_it_has_ended(scene: Told) -> None:
    subscription = member(scene)
    scene.do(cancel_subscription(subscription))
    assert scene.texts() == [
        f"Your subscription ended on {on(scene, '1 March')}. You will not be charged again."
    ]


def test_what_ends_with_its_creator_is_told_too(scene: Told) -> None:
    offer = scene.offer(DAY)
    subscription = member(scene, offer)
    scene.do(close_creator(offer.creator_id))
    scene.come(subscription)
    assert scene.texts() == [
        f"Your subscription ended on {on(scene, '2 March')}. You will not be charged again."
    ]


def test_of_what_never_began_nobody_is_told_that_it_ended(scene: Told) -> None:
    offer = scene.offer()
    cancelled, left = scene.begin(offer), scene.begin(offer)
    scene.tell()
    scene.do(cancel_subscription(cancelled))
    scene.decline(left)
    scene.come(left)
    assert scene.state_of(left).ended
    assert scene.tell() == []


# Prices.


def test_a_price_that_changes_is_told_with_the_day_from_which_it_is_paid(scene: Told) -> None:
    offer = scene.offer()
    subscription = member(scene, offer)
    scene.do(
        publish_price(offer.creator_id, offer.tier_id, 2 * GROSS),
        migrate_price(offer.creator_id, offer.tier_id, local(scene, 4, 10)),
    )
    scene.tick()
    # A month that begins before the tenth still has the old one.
    assert scene.texts() == [
        (
            "Your subscription costs KES 2,000.00 instead of KES 1,000.00 from "
            f"{on(scene, '1 May')} on. You can cancel it before."
        )
    ]
    scene.until(local(scene, 4, 1), subscription)
    scene.tell()
    scene.pay(subscription)
    scene.tell()
    scene.until(local(scene, 4, 28), subscription)
    assert all("KES 2,000.00" in text for text in scene.texts())


def test_dates_are_those_of_the_subscription_s_zone(scene: Told) -> None:
    scene.at(local(scene, 3, 1, 20))
    subscription = scene.member(scene.offer(), zone="Pacific/Auckland")
    scene.tell()
    scene.do(cancel_subscription(subscription))
    # In the evening in Nairobi it is the morning of the next day there.
    [text] = scene.texts()
    assert on(scene, "2 March") in text


def test_a_card_has_no_number_so_that_its_fan_is_told_by_email_or_not_at_all(
    scene: Told,
) -> None:
    offer = scene.offer()
    silent, known = scene.member(offer, card=True), scene.begin(offer, card=True)
    scene.set_email(scene.state_of(known).fan_id, EMAIL)
    assert scene.tell() == []
    scene.pay(known)
    assert [each.address for each in scene.tell()] == [EMAIL]
    scene.do(cancel_subscription(silent))
    assert scene.tell() == []
    assert scene.kept(silent) == []
