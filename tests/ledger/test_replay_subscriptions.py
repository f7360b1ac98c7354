"""A replay folds what is offered, fans and subscriptions, and posts what their events move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from ledger.commands import fan_stream
from ledger.fan import Fan
from ledger.replay import replay
from ledger.replay_differences import Differences
from ledger.replay_order import Streams
from ledger.subscription import Subscription, SubscriptionState
from tests.credit_book import CreditBook
from tests.databases import superuser, value
from tests.ledger.test_replay import fold, stored

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation


@pytest.fixture
def credit(book: BookLocation) -> CreditBook:
    """A fan's credit, from its gift to its reversal; nothing more happens."""
    lived = CreditBook(book)
    list(lived.live())
    lived.close()
    return lived


def test_a_book_of_subscriptions_and_credit_is_what_its_events_say(
    credit: CreditBook, book: BookLocation
) -> None:
    report = replay(book)
    assert report.differences == ()
    assert report.lines == value(book.database, "SELECT count(*) FROM journal_lines")
    fans = value(book.database, "SELECT count(*) FROM balances WHERE account LIKE 'fan:%%'")
    assert fans == len(("credit", "goodwill", "credit_reserved"))


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("remembered_max", [0, 2, 100])
def test_fans_and_subscriptions_that_were_forgotten_are_read_again(
    credit: CreditBook, book: BookLocation, batch: int, remembered_max: int
) -> None:
    differences = Differences(10)
    with book.connect_reader() as connection:
        streams = Streams(connection, differences, remembered_max=remembered_max)
        fold(streams, stored(book), batch=batch)
        assert differences.first == []
        places = [(fan_stream(credit.fan), 100), (credit.subscription, 100)]
        streams.recall(places, first_position=1_000)
        fan, subscription = (streams._current[stream] for stream, _ in places)
    assert isinstance(fan, Fan)
    assert fan.subscribed == (credit.subscription,)
    assert isinstance(subscription, Subscription)
    assert subscription.state is SubscriptionState.CANCELLED


def tamper(book: BookLocation, statement: str, *parameters: object) -> None:
    """Change what must never change, as somebody could who owns the server."""
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode(), parameters).rowcount == 1


READ_FIRST: Final = "SELECT min(notification_id) FROM ledger_events WHERE topic = %s"
READ_LAST_WITH_MONEY: Final = (
    "SELECT max(notification_id) FROM ledger_events "
    "WHERE topic = %s AND convert_from(state, 'UTF8') LIKE '%%postings%%'"
)


@pytest.mark.parametrize(
    ("topic", "of_fan"),
    [
        ("fan.phone_confirmed.v1", True),
        ("subscription.period_paid.v1", False),
        ("subscription.cancelled.v1", False),
    ],
)
def test_a_gap_in_the_stream_of_a_fan_or_a_subscription_is_found(
    credit: CreditBook, book: BookLocation, topic: str, *, of_fan: bool
) -> None:
    position = value(book.database, READ_FIRST, topic)
    tamper(
        book,
        "UPDATE ledger_events SET originator_version = 100 WHERE notification_id = %s",
        position,
    )
    stream = fan_stream(credit.fan) if of_fan else credit.subscription
    first = replay(book).differences[0]
    assert (first.position, first.subject) == (position, f"stream {stream}")
    assert first.found == "version 100"


def test_a_subscriptions_event_on_its_fans_stream_is_found(
    credit: CreditBook, book: BookLocation
) -> None:
    position = value(book.database, READ_FIRST, "subscription.cancelled.v1")
    tamper(
        book,
        "UPDATE ledger_events SET originator_id = %s, originator_version = 4 "
        "WHERE notification_id = %s",
        fan_stream(credit.fan),
        position,
    )
    places = [(each.position, each.subject) for each in replay(book).differences]
    assert (position, f"stream {fan_stream(credit.fan)}") in places


@pytest.mark.parametrize(
    ("topic", "amounts"),
    [
        ("subscription.renewal_invoiced.v1", (20_000, 5_000, -25_000)),
        ("payment.credit_spent.v1", (5_000, -4_420, -500, -80)),
        ("payment.received_as_credit.v1", (31_000, -31_000)),
        ("payment.unused_time_credited.v1", (18_564, 2_100, 336, -21_000)),
        ("payment.credit_taken_back.v1", (30_000, -30_000)),
    ],
)
def test_another_amount_of_credit_in_an_event_is_found_at_each_of_its_lines(
    credit: CreditBook, book: BookLocation, topic: str, amounts: tuple[int, ...]
) -> None:
    position = value(book.database, READ_LAST_WITH_MONEY, topic)
    state = "convert_from(state, 'UTF8')"
    for amount in amounts:
        state = f'replace({state}, \'"amount":{amount},"cur\', \'"amount":{2 * amount},"cur\')'
    tamper(
        book,
        f"UPDATE ledger_events SET state = convert_to({state}, 'UTF8') WHERE notification_id = %s",
        position,
    )
    found = [each for each in replay(book).differences if each.position == position]
    lines = [each for each in found if each.subject.startswith("line ")]
    assert [each.subject.split()[1] for each in lines] == [str(n) for n in range(len(amounts))]


def test_a_line_of_reserved_credit_that_was_deleted_is_found(
    credit: CreditBook, book: BookLocation
) -> None:
    position = value(book.database, READ_FIRST, "subscription.renewal_invoiced.v1")
    tamper(book, "DELETE FROM journal_lines WHERE position = %s AND line = 2", position)
    first = replay(book).differences[0]
    reserved = f"fan:{credit.fan}:credit_reserved"
    assert (first.position, first.subject) == (position, f"line 2 of {reserved} KES")
    assert (first.expected.split()[3], first.found) == ("-25000", "nothing")
