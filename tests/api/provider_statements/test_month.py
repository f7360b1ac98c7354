"""A month of traffic, reconciled: at the end nothing is unexplained, and every balance is right."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from api.provider_statements.explanations import explain
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.replay import replay
from projections.reader import Reader
from tests.api.provider_statements.files import (
    ADMIN,
    ANOTHER_ADMIN,
    as_csv,
    assert_it_adds_up,
    bring,
    items,
    report,
)
from tests.api.provider_statements.month import Month, play, state
from tests.databases import value
from tests.invariants import assert_book_is_sound, balances

if TYPE_CHECKING:
    from uuid import UUID

    from api.provider_statements.reconciler import Reconciler
    from ledger.application import Ledger
    from ledger.database.location import DatabaseLocation

PAYMENTS = 2_000
SEED = 20_261_125


def explain_everything(book: BookLocation, statement: UUID) -> None:
    async def say() -> None:
        async with Reader(book) as reader:
            for item in items_now:
                key = str(uuid4())
                await explain(reader, item.item_id, by=ADMIN, key=key, reason="Seen and known.")

    items_now = items(book, statement)
    asyncio.run(say())


def assert_everybody_has_what_they_earned(database: DatabaseLocation, month: Month) -> None:
    found = balances(database)
    for creator, earned in month.pending().items():
        assert -found[f"creator:{creator}:pending", "KES"] == earned
    assert -found["suspense:sandbox", "KES"] == month.extra
    fees = sum(each.fee for each in month.payments)
    assert found["expense:provider_fees", "KES"] == fees


def test_after_a_month_nothing_is_unexplained_and_every_balance_is_right(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    month = state(play(ledger, PAYMENTS, SEED), SEED)
    lost = [each for each in month.payments if each.is_lost]
    assert lost
    file = as_csv(month.rows)
    before = balances(database)
    statement = bring(reconciler, file).statement_id
    # What was lost is more than one person may record alone: none of it moves yet.
    told = report(book, statement)
    assert_it_adds_up(told)
    lost_money = sum(each.amount + each.fee for each in lost) + month.extra
    assert (told.waits_for_second_person, told.waiting_amount) == (True, lost_money)
    assert told.unexplained == month.wrong.total() + len(lost) + 5 + sum(
        1 for each in lost if each.fee
    )
    assert balances(database) == before

    assert bring(reconciler, file, actor=ANOTHER_ADMIN).statement_id == statement
    told = report(book, statement)
    assert_it_adds_up(told)
    assert (told.waits_for_second_person, told.second_person) == (False, ANOTHER_ADMIN)
    assert told.repeated == 10
    found = [each.why for each in items(book, statement)]
    assert {why: found.count(why) for why in found} == dict(month.wrong)
    assert told.unexplained == month.wrong.total()
    [paid] = [total for total in told.totals if total.direction == "in"]
    assert paid.recorded == sum(each.amount for each in lost) + month.extra
    assert_everybody_has_what_they_earned(database, month)

    explain_everything(book, statement)
    told = report(book, statement)
    assert_it_adds_up(told)
    assert told.unexplained == 0
    assert all(total.open == 0 for total in (*told.totals, *told.ledger_only))

    # Callbacks that were lost come after all, and the statement once more: nothing moves.
    newest = value(database, "SELECT max(notification_id) FROM ledger_events")
    late = ledger.execute([each.success() for each in lost])
    assert {outcome.verdict for outcome in late} == {"duplicate"}
    bring(reconciler, file)
    bring(reconciler, as_csv(month.rows[::-1]))
    assert value(database, "SELECT max(notification_id) FROM ledger_events") == newest
    assert report(book, statement).unexplained == 0
    assert_everybody_has_what_they_earned(database, month)
    assert_book_is_sound(database)
    assert replay(BookLocation(database, DatabaseRole.AUDITOR)).ok
