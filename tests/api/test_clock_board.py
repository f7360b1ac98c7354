"""What is due follows from the log alone, however it is cut into batches."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

from api import log_follower
from tests.api.clock_scenes import DELAY, DUE, NAIROBI, Scene
from tests.databases import rows, superuser
from tests.money_builders import (
    add_destination,
    hold_funds,
    release_funds,
    release_hold,
    report_dispute,
    report_refund,
    request_refund,
    set_payout_schedule,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation
    from ledger.payment import Payment

FORGET: Final = (
    "DELETE FROM clock_due; DELETE FROM ledger_tracking WHERE application_name = 'clock'"
)


@pytest.fixture
def scene(book: BookLocation) -> Iterator[Scene]:
    with Scene(book) as opened:
        yield opened


def live(scene: Scene) -> UUID:
    """A creator with a payment for everything that can happen to pending money."""
    creator, destination = scene.creator(), uuid4()
    payments = [scene.paid(creator) for _ in range(9)]
    refund = uuid4()
    scene.do(
        request_refund(payments[1], 30_000),
        request_refund(payments[2]),
        request_refund(payments[3], 30_000, refund_id=refund),
        report_refund(payments[3], refund, 30_000),
        report_dispute(payments[4], "opened", 50_000),
        report_dispute(payments[5], "opened", 50_000),
        report_dispute(payments[5], "closed", 50_000, lost=20_000),
    )
    scene.after(seconds=DELAY.total_seconds())
    later = scene.time.now + timedelta(days=1)
    ended = uuid4()
    scene.do(
        release_funds(payments[6]),
        release_funds(payments[7]),
        report_dispute(payments[7], "opened", 50_000, dispute="D-7"),
        add_destination(creator, destination),
        hold_funds(creator, 1_000, later),
        hold_funds(creator, 1_000, later, hold_id=ended),
        release_hold(creator, ended),
        set_payout_schedule(creator, destination, "monthly", day=5),
        set_payout_schedule(creator, destination, "weekly"),
    )
    return creator


def test_a_release_has_what_its_payment_has_in_pending(scene: Scene) -> None:
    creator = live(scene)
    expected = {}
    for (stream,) in rows(
        scene.book.database,
        "SELECT originator_id FROM ledger_events WHERE topic = 'payment.succeeded.v2'",
    ):
        payment: Payment = scene.ledger.repository.get(stream)
        if not payment.flows.released:
            expected[stream] = (creator, "KES", payment.flows.pending, payment.flows.releases_at)
    releases = scene.due("release")
    assert releases == expected
    amounts = [amount for _, _, amount, _ in releases.values()]
    assert sum(amounts) == scene.balance(creator, "pending")
    assert len(set(amounts)) > 3
    assert amounts.count(0) == 1


def test_holds_and_schedules_come_and_go(scene: Scene) -> None:
    creator = live(scene)
    [(of, currency, amount, expires_at)] = scene.due("hold").values()
    assert (of, currency, amount) == (creator, "KES", 1_000)
    assert expires_at == scene.time.now + timedelta(days=1)
    [(subject, (of, _, _, due_at))] = scene.due("payout_schedule").items()
    assert subject == of == creator
    local = due_at.astimezone(NAIROBI)
    assert (local.isoweekday(), local.hour, local.minute) == (1, 6, 0)
    assert scene.time.now < due_at <= scene.time.now + timedelta(days=7)
    scene.do(set_payout_schedule(creator, None, None))
    assert scene.due("payout_schedule") == {}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_however_the_log_is_cut_the_table_is_the_same(
    scene: Scene, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(scene)
    scene.keeper.follow()
    whole = rows(scene.book.database, DUE)
    with superuser(scene.book.database) as connection:
        connection.execute(FORGET)
    monkeypatch.setattr(log_follower, "BATCH", size)
    scene.keeper.follow()
    assert rows(scene.book.database, DUE) == whole


def test_two_who_follow_count_nothing_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    live(scene)
    scene.keeper.follow()
    whole = rows(scene.book.database, DUE)
    with superuser(scene.book.database) as connection:
        connection.execute(FORGET)
    monkeypatch.setattr(log_follower, "BATCH", 3)
    boards = [scene.keeper.board, scene.another().board]
    while sum([board.follow() for board in boards]):
        pass
    assert rows(scene.book.database, DUE) == whole
