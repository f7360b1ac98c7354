"""Nobody makes money alone by a forged statement: above a threshold two people bring one file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.provider_statements.tables import StatementTables
from api.reconcile_command import OPERATOR
from ledger.application import Ledger
from tests.api.provider_statements.files import (
    ADMIN,
    ANOTHER_ADMIN,
    Row,
    as_csv,
    assert_it_adds_up,
    bring,
    items,
    report,
)
from tests.builders import (
    GROSS,
    initiate_payment,
    record_submitted,
    register_creator,
    report_success,
    start_submission,
)
from tests.databases import rows, superuser
from tests.invariants import assert_book_is_sound, balances
from tests.money_builders import report_fee

if TYPE_CHECKING:
    from api.provider_statements.reconciler import Reconciler
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation

ABOVE: Final = 1_000_000
"""What a deployment that says nothing lets one person do."""
NOW: Final = datetime.now(UTC).replace(microsecond=0)
NAMES: Final = count(1)


def money(*amounts: int) -> list[Row]:
    """Rows about payments that nobody has heard of."""
    return [Row(f"M{next(NAMES)}", "payment", amount, NOW) for amount in amounts]


def parked(database: DatabaseLocation, currency: str = "KES") -> int:
    return -balances(database).get(("suspense:sandbox", currency), 0)


def prompted(ledger: Ledger, creator: UUID, amount: int = GROSS) -> UUID:
    payment = uuid4()
    ledger.execute_one(initiate_payment(creator, amount, payment_id=payment))
    ledger.execute_one(start_submission(payment))
    ledger.execute_one(record_submitted(payment))
    return payment


@pytest.fixture
def creator(ledger: Ledger) -> UUID:
    registered = uuid4()
    ledger.execute_one(register_creator(registered))
    return registered


def test_up_to_the_threshold_it_is_recorded_at_once_and_above_it_nothing_moves(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    told = report(book, bring(reconciler, as_csv(money(ABOVE - 1, 1))).statement_id)
    assert (told.unexplained, told.waits_for_second_person) == (0, False)
    assert parked(database) == ABOVE
    head = ledger.recorder.max_notification_id()
    file = as_csv(money(ABOVE, 1))
    statement = bring(reconciler, file, actor=ANOTHER_ADMIN).statement_id
    told = report(book, statement)
    assert_it_adds_up(told)
    assert (told.waits_for_second_person, told.waiting_amount) == (True, ABOVE + 1)
    [total] = told.totals
    assert (total.total, total.matched, total.open) == (ABOVE + 1, 0, ABOVE + 1)
    found = items(book, statement)
    assert [(each.why, each.state) for each in found] == [("needs_second_person", "open")] * 2
    assert ledger.recorder.max_notification_id() == head


def test_another_admin_who_brings_the_same_bytes_has_it_recorded_and_is_named(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    file = as_csv(money(ABOVE, 1))
    statement = bring(reconciler, file).statement_id
    assert report(book, statement).second_person is None
    done = bring(reconciler, file, actor=ANOTHER_ADMIN)
    assert (done.statement_id, done.is_new) == (statement, False)
    told = report(book, statement)
    assert_it_adds_up(told)
    assert (told.unexplained, told.waits_for_second_person) == (0, False)
    assert (told.statement.uploaded_by, told.second_person) == (ADMIN, ANOTHER_ADMIN)
    assert told.totals[0].recorded == told.totals[0].matched == ABOVE + 1
    assert parked(database) == ABOVE + 1
    assert rows(
        database,
        "SELECT DISTINCT s ->> 'actor', s ->> 'causation_id' FROM ledger_events, "
        "LATERAL (SELECT convert_from(state, 'UTF8')::jsonb AS s) AS read",
    ) == [(ANOTHER_ADMIN, f"statement:{statement}")]
    words = rows(database, "SELECT actor, word FROM provider_statement_words ORDER BY number")
    assert words == [(ADMIN, "waits"), (ANOTHER_ADMIN, "second")]
    # What the second person agreed to is nothing that they have recorded alone.
    bring(reconciler, as_csv(money(ABOVE)), actor=ANOTHER_ADMIN)
    assert parked(database) == 2 * ABOVE + 1
    assert_book_is_sound(database)


def test_the_days_that_a_second_person_says_do_not_matter_and_the_account_does(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    file = as_csv(money(ABOVE + 1))
    first = bring(reconciler, file, covers=("collection",)).statement_id
    bring(reconciler, file, covers=("disbursement",), actor=ANOTHER_ADMIN)
    assert parked(database) == 0
    day = NOW.date()
    other = {"covers": ("collection",), "first_day": day, "last_day": day, "actor": ANOTHER_ADMIN}
    assert bring(reconciler, file, "sandbox", **other).statement_id != first
    assert parked(database) == ABOVE + 1
    told = report(book, first)
    assert (told.waits_for_second_person, told.second_person) == (False, ANOTHER_ADMIN)


def test_the_same_admin_twice_another_file_and_a_changed_byte_are_not_enough(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    held = money(ABOVE, 1)
    file = as_csv(held)
    statement = bring(reconciler, file).statement_id
    for content, actor in (
        (file, ADMIN),
        (file, ADMIN),
        (file + b"\r\n", ANOTHER_ADMIN),
        (as_csv(held[::-1]), ANOTHER_ADMIN),
        (as_csv([*held, *money(1)]), ANOTHER_ADMIN),
    ):
        bring(reconciler, content, actor=actor)
        assert parked(database) == 0
        assert report(book, statement).waiting_amount == ABOVE + 1
    bring(reconciler, as_csv(money(5)), actor=ANOTHER_ADMIN)
    assert parked(database) == 5
    assert report(book, statement).waiting_amount == ABOVE + 1
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    assert parked(database) == ABOVE + 6


def test_the_operator_is_one_person_and_an_admin_over_http_the_second(
    ledger: Ledger, reconciler: Reconciler, database: DatabaseLocation
) -> None:
    first, second = as_csv(money(ABOVE + 1)), as_csv(money(ABOVE + 1))
    for _ in range(2):
        bring(reconciler, first, actor=OPERATOR, confirms=False)
    bring(reconciler, second)
    bring(reconciler, second, actor=OPERATOR, confirms=False)
    assert parked(database) == 0
    bring(reconciler, first)
    assert parked(database) == ABOVE + 1


def test_splitting_a_statement_does_not_get_round_it_until_a_day_is_over(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    parts = [as_csv(money(400_000)) for _ in range(4)]
    told = [report(book, bring(reconciler, part).statement_id) for part in parts]
    assert [each.waits_for_second_person for each in told] == [False, False, True, True]
    assert parked(database) == 800_000
    # What fits is recorded all the same, and another person has a day of their own.
    bring(reconciler, as_csv(money(200_000)))
    assert parked(database) == ABOVE
    bring(reconciler, as_csv(money(ABOVE)), actor=ANOTHER_ADMIN)
    assert parked(database) == 2 * ABOVE
    bring(reconciler, parts[2])
    assert parked(database) == 2 * ABOVE
    with superuser(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE provider_statement_amounts SET taken_at = taken_at - interval '24 hours'"
        )
    bring(reconciler, parts[2])
    assert parked(database) == 2 * ABOVE + 400_000


def test_whatever_the_currency_and_whichever_way_the_money_went_it_counts(
    ledger: Ledger,
    reconciler: Reconciler,
    book: BookLocation,
    database: DatabaseLocation,
    creator: UUID,
) -> None:
    payment = prompted(ledger, creator)
    row = Row("T1", "payment", GROSS, NOW, reference=str(payment), fee=5_000)
    others = [
        Row("R1", "refund", -10_000, NOW, related="T1"),
        Row("S1", "settlement", -ABOVE + GROSS + 15_000 + 300, NOW),
        replace(money(300)[0], currency="ZMW"),
    ]
    one_more = Row("S2", "settlement", -1, NOW)
    file = as_csv([row, *others, one_more])
    statement = bring(reconciler, file).statement_id
    assert report(book, statement).waiting_amount == ABOVE + 1
    assert {each.why for each in items(book, statement)} == {"needs_second_person"}
    assert balances(database) == {}
    assert report(book, bring(reconciler, as_csv([row, *others])).statement_id).unexplained == 0
    assert parked(database, "ZMW") == 300
    # Of the first file nothing is left that is more than one person may do.
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    assert report(book, statement).unexplained == 0
    assert_book_is_sound(database)


def test_what_both_have_needs_nobody_however_much_it_is(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, creator: UUID
) -> None:
    payment = prompted(ledger, creator, 7 * ABOVE)
    ledger.execute_one(report_success(payment, 7 * ABOVE, transaction="T1", occurred_at=NOW))
    ledger.execute_one(report_fee(payment, 2 * ABOVE, fee_reference="F1"))
    file = as_csv(
        [
            Row("T1", "payment", 7 * ABOVE, NOW, reference=str(payment)),
            Row("F1", "fee", -2 * ABOVE, NOW, related="T1"),
            Row("X1", "campaign", 9 * ABOVE, NOW),
            *money(3),
        ]
    )
    statement = bring(reconciler, file).statement_id
    told = report(book, statement)
    assert (told.waits_for_second_person, told.unexplained) == (False, 1)
    assert [each.why for each in items(book, statement)] == ["unknown_kind"]


def test_what_the_ledger_refuses_is_for_a_person_and_counts_for_nothing(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    unknown = [Row("R1", "refund", -ABOVE, NOW, reference=str(uuid4()))]
    statement = bring(reconciler, as_csv(unknown)).statement_id
    refused = ("statement_only", "report_disagrees")
    assert [(each.why, each.code) for each in items(book, statement)] == [refused]
    bring(reconciler, as_csv(money(ABOVE)))
    assert parked(database) == ABOVE
    # Above the threshold it waits; a second person comes, and it is refused then.
    file = as_csv([Row("R2", "refund", -ABOVE, NOW, reference=str(uuid4())), *money(1)])
    statement = bring(reconciler, file).statement_id
    assert report(book, statement).waiting_amount == ABOVE + 1
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    assert [(each.why, each.code) for each in items(book, statement)] == [refused]
    told = report(book, statement)
    assert (told.waits_for_second_person, told.unexplained) == (False, 1)
    assert_it_adds_up(told)


def test_a_line_that_somebody_planted_is_never_recorded_by_a_file_that_says_otherwise(
    ledger: Ledger,
    reconciler: Reconciler,
    book: BookLocation,
    database: DatabaseLocation,
    creator: UUID,
) -> None:
    mine, theirs = prompted(ledger, creator), prompted(ledger, creator)
    planted = Row("T1", "payment", GROSS, NOW, reference=str(mine))
    bring(reconciler, as_csv([planted, *money(ABOVE)]))
    honest = as_csv([replace(planted, reference=str(theirs))])
    statement = bring(reconciler, honest, actor=ANOTHER_ADMIN).statement_id
    assert balances(database) == {}
    assert [each.transaction for each in items(book, statement)] == ["T1"]
    # In the same words it is what the second admin says too, up to the threshold.
    bring(reconciler, as_csv([planted]), actor=ANOTHER_ADMIN)
    assert balances(database)["provider:sandbox:collection", "KES"] == GROSS


def test_what_is_explained_while_it_waits_is_recorded_by_nobody(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    file = as_csv(money(ABOVE + 1))
    statement = bring(reconciler, file).statement_id
    [item] = items(book, statement)
    with superuser(database) as connection:
        connection.execute(
            "INSERT INTO reconciliation_decisions (item_id, state, reason, decided_by) "
            "VALUES (%s, 'explained', 'It is forged.', 'admin:x')",
            (item.item_id,),
        )
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    told = report(book, statement)
    assert (told.waits_for_second_person, told.unexplained, parked(database)) == (False, 0, 0)


def test_a_refund_before_its_payment_is_recorded_with_it_however_far_apart_they_stand(
    ledger: Ledger,
    reconciler: Reconciler,
    book: BookLocation,
    database: DatabaseLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.provider_statements.reconciler.BATCH", 1)
    monkeypatch.setattr("api.provider_statements.planning.BATCH", 1)
    owner = uuid4()
    ledger.execute_one(register_creator(owner))
    payment = prompted(ledger, owner)
    file = as_csv(
        [
            Row("R1", "refund", -10_000, NOW, related="T1"),
            *money(ABOVE),
            Row("T1", "payment", GROSS, NOW, reference=str(payment)),
        ]
    )
    statement = bring(reconciler, file).statement_id
    assert report(book, statement).waiting_amount == ABOVE + GROSS + 10_000
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    told = report(book, statement)
    assert_it_adds_up(told)
    assert told.unexplained == 0
    assert balances(database)["provider:sandbox:collection", "KES"] == ABOVE + GROSS - 10_000
    assert_book_is_sound(database)


def test_a_run_that_breaks_off_is_counted_and_goes_on_with_both_words(
    ledger: Ledger,
    reconciler: Reconciler,
    book: BookLocation,
    database: DatabaseLocation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = as_csv(money(700_000))
    with monkeypatch.context() as halfway:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        halfway.setattr(StatementTables, "write_lines", stop)
        with pytest.raises(KeyboardInterrupt):
            bring(reconciler, file)
    assert parked(database) == 700_000
    bring(reconciler, as_csv(money(400_000)))
    assert parked(database) == 700_000
    held = as_csv(money(ABOVE + 1))
    bring(reconciler, held)
    with monkeypatch.context() as halfway:
        halfway.setattr(StatementTables, "open_lines", stop)
        with pytest.raises(KeyboardInterrupt):
            bring(reconciler, held, actor=ANOTHER_ADMIN)
    assert parked(database) == 700_000
    # Both have brought it by now: whoever brings it again finishes it.
    assert report(book, bring(reconciler, held).statement_id).waiting_amount == 0
    assert parked(database) == 700_000 + ABOVE + 1


def test_a_ledger_that_changed_since_it_was_counted_gets_nobody_round_it(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = as_csv(money(ABOVE + 1))
    with monkeypatch.context() as counted:
        counted.setattr("api.provider_statements.planning.Plan.amount", lambda *_: 0)
        statement = bring(reconciler, file).statement_id
    assert report(book, statement).waiting_amount == ABOVE + 1
    assert ledger.recorder.max_notification_id() in {None, 0}
    bring(reconciler, file, actor=ANOTHER_ADMIN)
    assert report(book, statement).unexplained == 0


def test_lines_without_an_id_are_counted_as_often_as_they_stand_there(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, creator: UUID
) -> None:
    payment = prompted(ledger, creator)
    at = NOW.strftime("%Y-%m-%d %H:%M:%S")
    line = f"{at},kes,4000.00,charge,ch_1,pi_1,{payment}\n"
    file = (
        "created_utc,currency,gross,reporting_category,charge_id,payment_intent_id,"
        "payment_metadata[payment_id]\n" + 3 * line
    ).encode()
    told = report(book, bring(reconciler, file, "stripe").statement_id)
    assert (told.lines, told.waiting_amount) == (3, 1_200_000)


def test_however_files_are_cut_one_person_records_no_more_than_the_threshold_alone(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    people = st.sampled_from([ADMIN, ANOTHER_ADMIN, OPERATOR])
    brought: dict[str, int] = {}

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
    @given(
        amounts=st.lists(st.integers(1, 500_000), min_size=1, max_size=5),
        who=people,
        twice=st.booleans(),
        late=st.booleans(),
    )
    def check(amounts: list[int], who: str, *, twice: bool, late: bool) -> None:
        drawn = money(*amounts)
        if late:
            drawn = [replace(each, occurred_at=NOW - timedelta(days=1)) for each in drawn]
        content = as_csv(drawn + drawn[:1])
        before = parked(database)
        word = {"actor": who, "confirms": who is not OPERATOR}
        statement = bring(reconciler, content, "sandbox", **word).statement_id
        if twice:
            bring(reconciler, content, "sandbox", **word)
        told = report(book, statement)
        assert_it_adds_up(told)
        moved = parked(database) - before
        # All of it or nothing.
        assert moved + told.waiting_amount == sum(amounts)
        assert moved in {0, sum(amounts)}
        brought[who] = brought.get(who, 0) + moved
        assert brought[who] <= ABOVE

    check()
    assert_book_is_sound(database)
