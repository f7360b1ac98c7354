"""Whatever is changed behind the ledger's back, a replay of the events finds it and names it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.replay import ReplayReport, replay
from ledger.replay_differences import Difference
from tests.builders import GROSS, initiate_payment, register_creator, report_success
from tests.databases import superuser, value
from tests.subscription_builders import (
    by_card,
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand

CREATOR = UUID(int=0xC4EA)
TIER = UUID(int=0x71E4)
PENDING = f"creator:{CREATOR}:pending KES"
COLLECTION = "provider:sandbox:collection KES"
LINE = "(position, line, account_id, amount, balance, recorded_at, effective_at)"

# Two turns register and begin three payments, the next three pay them. A success has four lines:
# collection, pending, fee, VAT, in this order.
FIRST_PAID, SECOND_PAID, THIRD_PAID = 6, 7, 8


@pytest.fixture
def paid(ledger: Ledger, book: BookLocation) -> BookLocation:
    """A book with one creator and three payments of 100,000, paid in turns of their own."""
    ledger.execute_one(register_creator(CREATOR))
    payments = ledger.execute([initiate_payment(CREATOR) for _ in range(3)])
    for outcome in payments:
        ledger.execute_one(report_success(outcome.stream))
    return book


def tamper(book: BookLocation, statement: str, *parameters: object) -> None:
    """Change what must never change, as somebody could who owns the server."""
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(statement.encode(), parameters).rowcount
    assert changed > 0


def found(report: ReplayReport) -> list[tuple[int, str]]:
    """Where differences are, and of what."""
    assert not report.ok
    assert report.differences_found == len(report.differences)
    return [(difference.position, difference.subject) for difference in report.differences]


def the_only(report: ReplayReport) -> Difference:
    """The one difference that there is."""
    assert report.differences_found == 1, report.differences
    return report.differences[0]


def test_a_changed_line_is_found(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE journal_lines SET amount = amount + 1 WHERE position = %s AND line = 1",
        SECOND_PAID,
    )
    difference = the_only(replay(paid))
    assert (difference.position, difference.subject) == (SECOND_PAID, f"line 1 of {PENDING}")
    assert "amount -88400 balance -176800" in difference.expected
    assert "amount -88399 balance -176800" in difference.found
    assert str(difference).startswith(
        f"position {SECOND_PAID}: line 1 of {PENDING}: expected {PENDING} amount -88400"
    )


def test_a_changed_running_balance_is_found_once(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE journal_lines SET balance = balance - 5 WHERE position = %s AND line = 0",
        FIRST_PAID,
    )
    difference = the_only(replay(paid))
    assert (difference.position, difference.subject) == (FIRST_PAID, f"line 0 of {COLLECTION}")
    assert "balance 100000" in difference.expected
    assert "balance 99995" in difference.found


def test_the_same_change_made_twice_is_found_twice(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE journal_lines SET balance = balance - 5 WHERE position IN (%s, %s) AND line = 0",
        FIRST_PAID,
        THIRD_PAID,
    )
    subject = f"line 0 of {COLLECTION}"
    assert found(replay(paid)) == [(FIRST_PAID, subject), (THIRD_PAID, subject)]


def test_differences_come_in_the_order_of_their_positions(paid: BookLocation) -> None:
    tamper(
        paid,
        f"INSERT INTO journal_lines_odd {LINE} SELECT 1, 0, 2, -1, -1, recorded_at, effective_at "
        "FROM journal_lines LIMIT 1",
    )
    tamper(paid, "UPDATE ledger_events SET originator_version = 9 WHERE notification_id = %s", 4)
    positions = [position for position, _ in found(replay(paid))]
    assert positions[:2] == [1, 4]
    assert positions == sorted(positions)


@pytest.mark.parametrize("amount", ["'NaN'", "0.5", "balance + 0.5"])
def test_a_balance_that_is_no_integer_is_found(paid: BookLocation, amount: str) -> None:
    tamper(
        paid,
        f"UPDATE journal_lines SET balance = {amount} WHERE position = %s AND line = 0",
        FIRST_PAID,
    )
    tamper(paid, f"UPDATE balances SET balance = {amount} WHERE account_id = 1")
    places = found(replay(paid))
    assert places[:2] == [
        (FIRST_PAID, f"line 0 of {COLLECTION}"),
        (THIRD_PAID, "the balance of account number 1"),
    ]


@pytest.mark.parametrize("column", ["recorded_at", "effective_at"])
def test_a_changed_time_of_a_line_is_found(paid: BookLocation, column: str) -> None:
    tamper(
        paid,
        f"UPDATE journal_lines SET {column} = {column} - interval '1 microsecond' "
        "WHERE position = %s AND line = 3",
        SECOND_PAID,
    )
    assert found(replay(paid)) == [(SECOND_PAID, "line 3 of tax:vat KES")]


def test_a_line_moved_to_another_account_is_found(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE journal_lines SET account_id = 4 WHERE position = %s AND line = 2",
        SECOND_PAID,
    )
    difference = the_only(replay(paid))
    assert difference.subject == "line 2 of platform:fees KES"
    assert difference.found.startswith("tax:vat KES")


def test_a_deleted_line_is_found(paid: BookLocation) -> None:
    tamper(paid, "DELETE FROM journal_lines WHERE position = %s AND line = 1", SECOND_PAID)
    difference = the_only(replay(paid))
    assert (difference.position, difference.subject) == (SECOND_PAID, f"line 1 of {PENDING}")
    assert difference.found == "nothing"


@pytest.mark.parametrize(
    "position", [1, SECOND_PAID, THIRD_PAID, THIRD_PAID + 1, THIRD_PAID + 1_000]
)
def test_an_added_line_is_found(paid: BookLocation, position: int) -> None:
    tamper(
        paid,
        f"INSERT INTO journal_lines_odd {LINE} SELECT %s, 9, 2, -1, -1, recorded_at, effective_at "
        "FROM journal_lines LIMIT 1",
        position,
    )
    difference = the_only(replay(paid))
    assert difference.position == position
    assert difference.subject.startswith("line 9 of ")
    assert difference.expected == "nothing"


def test_a_changed_balance_is_found_and_breaks_the_sum(paid: BookLocation) -> None:
    tamper(paid, "UPDATE balances SET balance = balance - 7 WHERE account_id = 2")
    balance, total = replay(paid).differences
    assert balance == Difference(
        THIRD_PAID,
        "the balance of account number 2",
        f"{PENDING} -265200, changed at {THIRD_PAID}",
        f"{PENDING} -265207, changed at {THIRD_PAID}",
    )
    assert total == Difference(THIRD_PAID, "the sum of all balances in KES", "0", "-7")


@pytest.mark.parametrize(
    "change",
    [
        "position = position - 1",
        "currency = 'UGX'",
        "account = 'suspense:sandbox'",
        "account_id = 77",
    ],
)
def test_a_changed_row_of_a_balance_is_found(paid: BookLocation, change: str) -> None:
    tamper(paid, f"UPDATE balances SET {change} WHERE account_id = 3")
    assert (THIRD_PAID, "the balance of account number 3") in found(replay(paid))


@pytest.mark.parametrize("account_id", [1, 2, 4])
def test_a_deleted_balance_is_found(paid: BookLocation, account_id: int) -> None:
    tamper(paid, "DELETE FROM balances WHERE account_id = %s", account_id)
    places = found(replay(paid))
    assert places[0] == (THIRD_PAID, f"the balance of account number {account_id}")


def test_an_added_balance_is_found(paid: BookLocation) -> None:
    tamper(
        paid,
        "INSERT INTO balances_odd (account_id, account, currency, balance, position) "
        "VALUES (5, 'suspense:mine', 'KES', 0, 7)",
    )
    assert found(replay(paid)) == [(7, "the balance of account number 5")]


def test_a_changed_amount_of_an_event_is_found_where_it_was_changed(
    paid: BookLocation, ledger: Ledger
) -> None:
    # All legs, so that the entry still balances and the event can still be read.
    doubled = " ".join(
        f"state := replace(state, '\"amount\":{amount},', '\"amount\":{2 * amount},');"
        for amount in (GROSS, -88_400, -10_000, -1_600)
    )
    with superuser(paid.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            f"""DO $do$ DECLARE state text; BEGIN
                SELECT convert_from(e.state, 'UTF8') INTO state FROM ledger_events AS e
                WHERE notification_id = {FIRST_PAID}; {doubled}
                UPDATE ledger_events AS e SET state = convert_to(do_state, 'UTF8')
                FROM (SELECT state AS do_state) AS changed
                WHERE notification_id = {FIRST_PAID}; END $do$""".encode()
        )
    report = replay(paid)
    assert found(report) == [
        # Each line at the position itself; those that come later are only shifted by it.
        (FIRST_PAID, f"line 0 of {COLLECTION}"),
        (FIRST_PAID, f"line 1 of {PENDING}"),
        (FIRST_PAID, "line 2 of platform:fees KES"),
        (FIRST_PAID, "line 3 of tax:vat KES"),
        *((THIRD_PAID, f"the balance of account number {number}") for number in (1, 2, 3, 4)),
    ]
    assert "amount 200000 balance 200000" in report.differences[0].expected
    assert "amount 100000 balance 100000" in report.differences[0].found


def test_one_changed_leg_of_an_event_makes_it_unreadable(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE ledger_events SET state = convert_to(replace(convert_from(state, 'UTF8'), "
        "'\"amount\":-88400,', '\"amount\":-88401,'), 'UTF8') WHERE notification_id = %s",
        FIRST_PAID,
    )
    difference = replay(paid).differences[0]
    stream = value(
        paid.database,
        "SELECT originator_id FROM ledger_events WHERE notification_id = %s",
        FIRST_PAID,
    )
    assert difference.position == FIRST_PAID
    assert difference.subject == f"version 2 of stream {stream}"
    assert difference.expected == "a readable payment.succeeded.v2"
    assert "debits and credits differ by -1 KES" in difference.found


@pytest.mark.parametrize(
    "change", ["state = 'not json'", "state = '{}'", "state = ''", "topic = 'unheard.of.v1'"]
)
def test_an_event_that_cannot_be_read_is_named(paid: BookLocation, change: str) -> None:
    tamper(paid, f"UPDATE ledger_events SET {change} WHERE notification_id = %s", SECOND_PAID)
    position, subject = found(replay(paid))[0]
    assert position == SECOND_PAID
    assert subject.startswith("version 2 of stream ")


def test_a_deleted_event_is_found(paid: BookLocation) -> None:
    tamper(paid, "DELETE FROM ledger_events WHERE notification_id = %s", SECOND_PAID)
    report = replay(paid)
    assert report.differences[0] == Difference(
        SECOND_PAID, "the log", "an event", f"the next at {THIRD_PAID}"
    )
    places = found(report)
    assert (SECOND_PAID, "the turn that ends here") in places
    assert (SECOND_PAID, f"line 0 of {COLLECTION}") in places


def test_a_deleted_end_of_the_log_is_found(paid: BookLocation) -> None:
    tamper(paid, "DELETE FROM ledger_events WHERE notification_id = %s", THIRD_PAID)
    report = replay(paid)
    assert report.position == SECOND_PAID
    places = found(report)
    assert places[0] == (THIRD_PAID, "the turn that ends here")
    assert (THIRD_PAID, f"line 0 of {COLLECTION}") in places
    assert (SECOND_PAID, "the balance of account number 1") in places


def test_events_that_changed_places_are_found(paid: BookLocation) -> None:
    first, second = (
        value(
            paid.database,
            "SELECT originator_id FROM ledger_events WHERE notification_id = %s",
            position,
        )
        for position in (3, FIRST_PAID)
    )
    assert first == second
    tamper(
        paid,
        "UPDATE ledger_events SET originator_version = 5 - originator_version "
        "WHERE originator_id = %s",
        first,
    )
    places = found(replay(paid))
    assert places[0] == (3, f"stream {first}")


def test_a_gap_in_a_stream_is_found(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE ledger_events SET originator_version = 3 WHERE notification_id = %s",
        SECOND_PAID,
    )
    difference = the_only(replay(paid))
    assert difference.position == SECOND_PAID
    assert (difference.expected, difference.found) == ("version 2", "version 3")


def test_an_event_in_another_kind_of_stream_is_found(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE ledger_events SET originator_id = %s, originator_version = 3 "
        "WHERE notification_id = %s",
        CREATOR,
        SECOND_PAID,
    )
    places = found(replay(paid))
    assert places == [(SECOND_PAID, f"stream {CREATOR}")]


def test_a_deleted_turn_is_found(paid: BookLocation) -> None:
    tamper(paid, "DELETE FROM turns WHERE position = %s", SECOND_PAID)
    assert found(replay(paid)) == [(SECOND_PAID, "the time of its turn")]


def test_a_deleted_last_turn_is_found(paid: BookLocation) -> None:
    tamper(paid, "DELETE FROM turns WHERE position = %s", THIRD_PAID)
    difference = the_only(replay(paid))
    assert (difference.position, difference.found) == (THIRD_PAID, "nothing")


@pytest.mark.parametrize("position", [THIRD_PAID + 1, 10_000])
def test_a_turn_without_events_is_found(paid: BookLocation, position: int) -> None:
    tamper(paid, "INSERT INTO turns VALUES (%s, clock_timestamp())", position)
    assert found(replay(paid)) == [(position, "the turn that ends here")]


def test_a_changed_time_of_a_turn_is_found_once_a_turn(paid: BookLocation) -> None:
    tamper(
        paid,
        "UPDATE turns SET recorded_at = recorded_at + interval '1 day' WHERE position = %s",
        5,
    )
    assert found(replay(paid)) == [
        (3, "the time of its turn"),
        (FIRST_PAID, "the turn that ends here"),
    ]


def test_time_that_runs_backwards_is_found(paid: BookLocation) -> None:
    before = value(paid.database, "SELECT recorded_at FROM turns WHERE position = %s", SECOND_PAID)
    tamper(
        paid,
        "UPDATE ledger_events SET state = convert_to(regexp_replace(convert_from(state, 'UTF8'), "
        "'\"recorded_at\":\"20[0-9]{2}', '\"recorded_at\":\"1999'), 'UTF8') "
        "WHERE notification_id = %s",
        SECOND_PAID,
    )
    report = replay(paid)
    assert (SECOND_PAID, "recorded_at") in found(report)
    assert (SECOND_PAID, "the time of its turn") in found(report)
    assert report.differences[0].found.startswith(f"1999{before.isoformat()[4:10]}")


def test_only_the_first_differences_are_listed_and_all_are_counted(paid: BookLocation) -> None:
    tamper(paid, "UPDATE journal_lines SET amount = amount * 2")
    report = replay(paid, differences_max=5)
    assert not report.ok
    assert report.differences_found == 12
    assert len(report.differences) == 5
    assert [difference.position for difference in report.differences] == [FIRST_PAID] * 4 + [
        SECOND_PAID
    ]


@pytest.fixture
def subscribed(ledger: Ledger, book: BookLocation) -> BookLocation:
    """A book with two subscriptions of one creator, the second of which was started last."""
    offered: tuple[LedgerCommand, ...] = (
        register_creator(CREATOR),
        create_tier(CREATOR, TIER),
        publish_price(CREATOR, TIER, 50_000),
        publish_tier(CREATOR, TIER),
    )
    for command in offered:
        ledger.execute_one(command)
    for _ in range(2):
        ledger.execute_one(subscribe(uuid4(), CREATOR, TIER, by_card(uuid4())))
    return book


def test_creators_find_the_subscriptions_that_were_started(subscribed: BookLocation) -> None:
    found = value(subscribed.database, "SELECT count(*) FROM creator_subscriptions")
    assert found == 2
    assert replay(subscribed).ok


@pytest.mark.parametrize("number", [1, 2])
def test_a_subscription_that_its_creator_does_not_find_is_found(
    subscribed: BookLocation, number: int
) -> None:
    position = value(
        subscribed.database,
        "SELECT position FROM creator_subscriptions ORDER BY position OFFSET %s LIMIT 1",
        number - 1,
    )
    tamper(subscribed, "DELETE FROM creator_subscriptions WHERE position = %s", position)
    difference = the_only(replay(subscribed))
    assert (difference.position, difference.subject) == (position, "the creator's subscriptions")
    assert difference.expected.endswith(f" of creator {CREATOR}")
    assert difference.found == "nothing"


def test_a_subscription_that_another_creator_finds_is_found(subscribed: BookLocation) -> None:
    tamper(
        subscribed,
        "UPDATE creator_subscriptions SET creator_id = %s WHERE position = "
        "(SELECT max(position) FROM creator_subscriptions)",
        UUID(int=7),
    )
    difference = the_only(replay(subscribed))
    assert difference.expected.endswith(f" of creator {CREATOR}")
    assert difference.found.endswith(f" of creator {UUID(int=7)}")


@pytest.mark.parametrize("position", [1, 10**6])
def test_a_subscription_that_nobody_started_is_found(
    subscribed: BookLocation, position: int
) -> None:
    tamper(
        subscribed,
        "INSERT INTO creator_subscriptions VALUES (%s, %s, %s)",
        position,
        CREATOR,
        UUID(int=8),
    )
    difference = the_only(replay(subscribed))
    assert (difference.position, difference.expected) == (position, "nothing")
    assert difference.found == f"{UUID(int=8)} of creator {CREATOR}"
