"""What is due is done, once, whoever does it and whenever; and nothing that is not due."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from ledger.errors import Overloaded
from ledger.outcome import Outcome
from ledger.payout import Payout
from tests.api.clock_scenes import DELAY, NAIROBI, NET, Scene
from tests.builders import initiate_payment, report_success
from tests.databases import rows, superuser, value
from tests.invariants import assert_book_is_sound
from tests.money_builders import (
    hold_funds,
    reinstate_creator,
    release_hold,
    remove_destination,
    report_dispute,
    request_refund,
    set_payout_schedule,
    suspend_creator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.database.connections import BookLocation

PAYOUTS = "SELECT originator_id FROM ledger_events WHERE topic = 'payout.requested.v1'"


@pytest.fixture
def scene(book: BookLocation) -> Iterator[Scene]:
    with Scene(book) as opened:
        yield opened
        assert_book_is_sound(book.database)


def payouts(scene: Scene) -> list[Payout]:
    """Every payout of the book."""
    streams = rows(scene.book.database, f"{PAYOUTS} ORDER BY notification_id")
    return [scene.ledger.repository.get(stream) for (stream,) in streams]


def payday(scene: Scene, creator: UUID) -> datetime:
    """When the creator's schedule is due next."""
    due_at: datetime = scene.due("payout_schedule")[creator][3]
    return due_at


@contextmanager
def unreadable(scene: Scene, stream: UUID) -> Iterator[None]:
    """Meanwhile nobody can read a stream who has not read it before."""
    with superuser(scene.book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        kept = connection.execute(
            "UPDATE ledger_events AS event SET state = '{}' FROM ledger_events AS kept "
            "WHERE event.originator_id = %s AND kept.notification_id = event.notification_id "
            "RETURNING kept.notification_id, kept.state",
            (stream,),
        ).fetchall()
        yield
        for position, state in kept:
            connection.execute(
                "UPDATE ledger_events SET state = %s WHERE notification_id = %s",
                (state, position),
            )


# Releases.


def test_money_is_available_when_the_settlement_delay_is_over_and_not_before(scene: Scene) -> None:
    creator = scene.creator()
    payment = scene.paid(creator)
    releases_at = scene.time.now + DELAY
    scene.at(releases_at - timedelta(microseconds=1))
    assert scene.tick() == 0
    assert scene.balance(creator, "pending") == NET
    scene.at(releases_at)
    assert scene.tick() == 1
    assert (scene.balance(creator, "pending"), scene.balance(creator, "available")) == (0, NET)
    assert scene.topics(payment)[-1] == "payment.funds_released.v1"
    assert scene.due("release") == {}
    assert scene.tick() == 0


def test_only_what_a_payment_still_has_is_released(scene: Scene) -> None:
    creator = scene.creator()
    refunded, partly, disputed = (scene.paid(creator) for _ in range(3))
    scene.do(
        request_refund(refunded),
        request_refund(partly, 50_000),
        report_dispute(disputed, "opened", 100_000),
    )
    pending = scene.balance(creator, "pending")
    scene.after(days=3)
    # Also where nothing is left: from now on it goes to available.
    assert scene.tick() == 3
    assert scene.balance(creator, "pending") == 0
    assert scene.balance(creator, "available") == pending == NET // 2
    assert scene.due("release") == {}


def test_a_thousand_that_are_due_are_all_released_in_one_pass(scene: Scene) -> None:
    creator = scene.creator()
    payments = [uuid4() for _ in range(1_200)]
    scene.ledger.execute([initiate_payment(creator, payment_id=each) for each in payments])
    scene.ledger.execute([report_success(each) for each in payments])
    scene.after(days=3)
    assert scene.tick() == len(payments)
    assert scene.balance(creator, "available") == NET * len(payments)
    assert scene.due("release") == {}


def test_several_clocks_release_once(scene: Scene) -> None:
    creator = scene.creator()
    keepers = [scene.keeper, *(scene.another() for _ in range(2))]
    for _ in range(5):
        for _ in range(20):
            scene.paid(creator)
        scene.after(days=3)
        assert scene.tick(*keepers) == 20
    assert scene.balance(creator, "available") == 100 * NET


def test_after_weeks_everything_that_was_due_is_done(scene: Scene) -> None:
    creator = scene.creator()
    for _ in range(5):
        scene.paid(creator)
        scene.after(days=10)
    scene.after(days=60)
    assert scene.tick() == 5
    assert scene.balance(creator, "available") == 5 * NET


def test_a_payment_that_cannot_be_read_stops_no_other(scene: Scene) -> None:
    creator = scene.creator()
    bad, good = scene.paid(creator), scene.paid(creator)
    scene.keeper.follow()
    scene.after(days=3)
    with unreadable(scene, bad):
        keeper = scene.another()
        assert scene.tick(keeper) == 1
        assert scene.topics(good)[-1] == "payment.funds_released.v1"
        assert set(scene.due("release")) == {bad}
    # It rests where it has just failed.
    assert scene.tick(keeper) == 0
    assert scene.tick(scene.another()) == 1
    assert scene.due("release") == {}


def test_what_the_ledger_could_not_take_is_done_the_next_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    creator, _ = scene.payee()
    scene.give(creator, 7_000)
    scene.paid(creator)
    scene.at(payday(scene, creator))
    scene.after(days=3)

    async def overloaded(commands: list[Any]) -> list[Outcome]:
        return [Outcome(error=Overloaded()) for _ in commands]

    with monkeypatch.context() as patched:
        patched.setattr(scene.keeper.ledger, "execute_from_loop", overloaded)
        assert scene.tick() == 0
    assert payday(scene, creator) < scene.time.now
    assert scene.tick() == 2
    assert payday(scene, creator) > scene.time.now


# Holds.


def test_a_hold_ends_when_it_expires_and_not_before(scene: Scene) -> None:
    creator = scene.creator()
    scene.give(creator, 5_000)
    expires_at = scene.time.now + timedelta(days=2)
    kept, ended = uuid4(), uuid4()
    scene.do(
        hold_funds(creator, 1_000, expires_at, hold_id=kept),
        hold_funds(creator, 1_000, expires_at, hold_id=ended),
        release_hold(creator, ended),
    )
    scene.at(expires_at - timedelta(microseconds=1))
    assert scene.tick() == 0
    assert scene.balance(creator, "reserved") == 1_000
    scene.at(expires_at)
    assert scene.tick(scene.keeper, scene.another()) == 1
    assert scene.balance(creator, "reserved") == 0
    assert scene.balance(creator, "available") == 5_000
    assert scene.due("hold") == {}


def test_a_hold_that_somebody_ends_meanwhile_is_ended_once(scene: Scene) -> None:
    creator, hold = scene.creator(), uuid4()
    scene.give(creator, 5_000)
    scene.do(hold_funds(creator, 1_000, scene.time.now + timedelta(days=1), hold_id=hold))
    scene.keeper.follow()
    scene.after(days=1)
    # The clock's table does not know it yet.
    other = scene.another()
    scene.do(release_hold(creator, hold))
    with superuser(scene.book.database) as connection:
        stale = "INSERT INTO clock_due VALUES ('hold', %s, %s, 'KES', 1000, %s)"
        scene.keeper.follow()
        connection.execute(stale, (hold, creator, scene.time.now))
    assert scene.tick(other) == 0
    assert scene.balance(creator, "available") == 5_000


# Scheduled payouts.


def test_everything_available_is_paid_out_at_six_on_the_day(scene: Scene) -> None:
    creator, destination = scene.payee()
    scene.give(creator, 7_000)
    due_at = payday(scene, creator)
    scene.at(due_at - timedelta(microseconds=1))
    assert scene.tick() == 0
    scene.at(due_at)
    assert scene.tick() == 1
    [payout] = payouts(scene)
    assert payout.creator_id == creator
    assert payout.destination.destination_id == destination
    assert payout.gross.amount == 7_000
    assert payout.scheduled
    assert payout.requested_by == "clock"
    assert (payout.state, payout.approvals_required) == ("requested", 2)
    assert payday(scene, creator) == due_at + timedelta(days=7)
    local = due_at.astimezone(NAIROBI)
    assert (local.isoweekday(), local.hour) == (1, 6)


def test_a_scheduled_payout_happens_once_though_two_clocks_run(scene: Scene) -> None:
    payees = [scene.payee()[0] for _ in range(3)]
    keepers = [scene.keeper, scene.another()]
    for week in range(1, 21):
        for creator in payees:
            scene.give(creator, 7_000)
        scene.at(payday(scene, payees[0]))
        assert scene.tick(*keepers) == len(payees)
        assert len(payouts(scene)) == week * len(payees)
        # Whoever comes late, with more available meanwhile, does not pay a second time.
        scene.give(payees[0], 1)
        assert scene.tick(*reversed(keepers)) == 0
        assert len(payouts(scene)) == week * len(payees)
    totals = [payout.gross.amount for payout in payouts(scene) if payout.creator_id == payees[0]]
    assert totals == [7_000, *[7_001] * 19]


def test_a_clock_that_read_what_was_due_before_another_acted_pays_nothing_more(
    scene: Scene,
) -> None:
    """The schedule has gone on by then, and what it read has not: the date's key is one."""
    creator, _ = scene.payee()
    scene.give(creator, 7_000)
    scene.at(payday(scene, creator))
    late = scene.another()
    read = late.board.due(10, now=scene.time.now)
    assert scene.tick() == 1
    scene.give(creator, 5_000)
    late.board.due = lambda *_, after=None, **__: [] if after else read  # type: ignore[method-assign]
    assert scene.tick(late) == 0
    assert len(payouts(scene)) == 1
    assert scene.balance(creator, "available") == 5_000
    assert payday(scene, creator) > scene.time.now


def test_of_several_times_that_were_missed_the_last_one_is_made(scene: Scene) -> None:
    creator, _ = scene.payee()
    scene.give(creator, 7_000)
    first = payday(scene, creator)
    scene.at(first + timedelta(days=30))
    assert scene.tick(scene.keeper, scene.another()) == 1
    assert len(payouts(scene)) == 1
    assert payday(scene, creator) == first + timedelta(days=35)
    scene.give(creator, 7_000)
    assert scene.tick() == 0
    scene.at(first + timedelta(days=35))
    assert scene.tick() == 1


def _too_little(scene: Scene, creator: UUID, _destination: UUID) -> None:
    scene.give(creator, 4_999)


def _nothing(_scene: Scene, _creator: UUID, _destination: UUID) -> None:
    pass


def _suspended(scene: Scene, creator: UUID, _destination: UUID) -> None:
    scene.give(creator, 7_000)
    scene.do(suspend_creator(creator))


def _nowhere(scene: Scene, creator: UUID, destination: UUID) -> None:
    scene.give(creator, 7_000)
    scene.do(remove_destination(creator, destination))


@pytest.mark.parametrize("hinder", [_too_little, _nothing, _suspended, _nowhere])
def test_a_payout_that_is_refused_waits_for_the_next_time(
    scene: Scene, hinder: Callable[[Scene, UUID, UUID], None]
) -> None:
    creator, destination = scene.payee(minimum=5_000)
    hinder(scene, creator, destination)
    first = payday(scene, creator)
    scene.at(first)
    assert scene.tick() == 0
    assert payouts(scene) == []
    assert payday(scene, creator) == first + timedelta(days=7)
    if hinder is _suspended:
        scene.do(reinstate_creator(creator))
    scene.give(creator, 5_000)
    scene.after(days=1)
    assert scene.tick() == 0
    scene.at(first + timedelta(days=7))
    assert scene.tick() == (hinder is not _nowhere)


def test_a_schedule_that_was_changed_is_not_paid_at_its_old_time(scene: Scene) -> None:
    creator, destination = scene.payee()
    scene.give(creator, 7_000)
    first = payday(scene, creator)
    scene.at(first - timedelta(days=1))
    scene.do(set_payout_schedule(creator, destination, "weekly", day=3))
    # The clock acts before it has read that.
    behind = scene.another()
    behind.follow = scene.keeper.follow = lambda: None  # type: ignore[method-assign]
    scene.at(first)
    assert scene.tick(behind) == 0
    del scene.keeper.follow
    wednesday = payday(scene, creator)
    assert wednesday == first + timedelta(days=2)
    scene.at(wednesday)
    assert scene.tick() == 1


def test_a_schedule_that_was_ended_is_not_paid(scene: Scene) -> None:
    creator, _ = scene.payee()
    scene.give(creator, 7_000)
    due_at = payday(scene, creator)
    scene.do(set_payout_schedule(creator, None, None))
    behind = scene.another()
    scene.keeper.follow = lambda: None  # type: ignore[method-assign]
    scene.at(due_at)
    assert scene.tick(behind) == 0
    del scene.keeper.follow
    assert scene.tick() == 0
    assert scene.due("payout_schedule") == {}
    assert payouts(scene) == []


def test_a_creator_who_cannot_be_read_stops_no_other(scene: Scene) -> None:
    bad, good = scene.payee()[0], scene.payee()[0]
    for creator in (bad, good):
        scene.give(creator, 7_000)
    scene.at(payday(scene, good))
    with unreadable(scene, bad):
        keeper = scene.another()
        assert scene.tick(keeper) == 1
        assert [payout.creator_id for payout in payouts(scene)] == [good]
    assert scene.tick(keeper) == 0
    assert scene.tick(scene.another()) == 1


def test_a_table_that_is_made_again_from_the_log_pays_nothing_again(scene: Scene) -> None:
    creator, _ = scene.payee()
    for _ in range(3):
        scene.paid(creator)
        scene.at(payday(scene, creator))
        scene.tick()
    before = value(scene.book.database, "SELECT count(*) FROM ledger_events")
    with superuser(scene.book.database) as connection:
        connection.execute("DELETE FROM clock_due")
        connection.execute("DELETE FROM ledger_tracking WHERE application_name = 'clock'")
    assert scene.tick(scene.another()) == 0
    assert value(scene.book.database, "SELECT count(*) FROM ledger_events") == before
    assert payday(scene, creator) > scene.time.now
