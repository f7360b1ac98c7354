"""What becomes of each line of a statement: the same, recorded, or something for a person."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from api.provider_statements.explanations import explain
from api.provider_statements.reading import UnreadableStatementError
from ledger.commands import Claim, RecordSettlement, SettlementReport
from ledger.errors import IdempotencyKeyReused
from projections.reader import Reader
from tests.api.provider_statements.files import (
    ADMIN,
    Row,
    as_csv,
    assert_it_adds_up,
    bring,
    items,
    report,
)
from tests.builders import (
    GROSS,
    envelope,
    initiate_payment,
    kes,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.databases import rows
from tests.invariants import assert_book_is_sound, balances
from tests.money_builders import (
    add_destination,
    approve_payout,
    ask_for_refund,
    payout_submitted,
    release_funds,
    report_dispute,
    report_fee,
    report_payout,
    report_refund,
    request_payout,
    request_refund,
    start_payout,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from api.provider_statements.reconciler import Reconciler
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.database.location import DatabaseLocation

NOW = datetime.now(UTC).replace(microsecond=0)


def prompted(ledger: Ledger, creator: UUID | None = None) -> tuple[UUID, UUID]:
    """A payment that the provider was asked for, and its creator."""
    creator = creator or uuid4()
    payment = uuid4()
    ledger.execute_one(register_creator(creator))
    ledger.execute_one(initiate_payment(creator, payment_id=payment))
    ledger.execute_one(start_submission(payment))
    ledger.execute_one(record_submitted(payment))
    return payment, creator


def paid(ledger: Ledger, transaction: str, at: datetime = NOW) -> tuple[UUID, UUID]:
    payment, creator = prompted(ledger)
    told = report_success(payment, transaction=transaction, occurred_at=at)
    ledger.execute_one(replace(told, settlement_delay_seconds=0))
    return payment, creator


def payment_row(transaction: str, payment: UUID | None = None, amount: int = GROSS) -> Row:
    return Row(transaction, "payment", amount, NOW, reference=str(payment or ""))


def topics(database: DatabaseLocation, stream: UUID) -> list[str]:
    found = rows(
        database,
        "SELECT topic FROM ledger_events WHERE originator_id = %s ORDER BY originator_version",
        stream,
    )
    return [topic for (topic,) in found]


def test_what_both_have_is_matched_and_nothing_is_recorded(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    paid(ledger, "T1")
    head = ledger.recorder.max_notification_id()
    told = report(book, bring(reconciler, as_csv([payment_row("T1")])).statement_id)
    assert told.unexplained == 0
    [total] = told.totals
    assert (total.currency, total.direction, total.total) == ("KES", "in", GROSS)
    assert (total.matched, total.recorded, total.open) == (GROSS, 0, 0)
    assert ledger.recorder.max_notification_id() == head


def test_a_lost_callback_is_repaired_and_when_it_comes_late_it_is_a_duplicate(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, creator = prompted(ledger)
    statement = bring(reconciler, as_csv([payment_row("T1", payment)])).statement_id
    told = report(book, statement)
    assert told.unexplained == 0
    assert told.totals[0].recorded == GROSS
    assert topics(database, payment)[-1] == "payment.succeeded.v2"
    [(actor, cause)] = rows(
        database,
        "SELECT s ->> 'actor', s ->> 'causation_id' FROM ledger_events, "
        "LATERAL (SELECT convert_from(state, 'UTF8')::jsonb AS s) AS read "
        "WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1",
        payment,
    )
    assert (actor, cause) == (ADMIN, f"statement:{statement}")
    late = ledger.execute_one(report_success(payment, transaction="T1"))
    assert late.verdict == "duplicate"
    assert balances(database)[f"creator:{creator}:pending", "KES"] == -88_400
    assert_book_is_sound(database)


def test_money_that_the_ledger_does_not_have_waits_in_suspense(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    told = report(book, bring(reconciler, as_csv([payment_row("T9", None, 700)])).statement_id)
    assert told.unexplained == 0
    assert told.totals[0].recorded == 700
    assert balances(database)["suspense:sandbox", "KES"] == -700


def test_a_fee_that_is_not_booked_is_recorded_and_one_that_is_booked_is_matched(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    other, _ = paid(ledger, "T2")
    ledger.execute_one(report_fee(other, 30, fee_reference="FEE-2"))
    file = as_csv(
        [
            replace(payment_row("T1", payment), fee=25),
            payment_row("T2"),
            Row("S-FEE", "fee", -30, NOW, related="T2"),
        ]
    )
    told = report(book, bring(reconciler, file).statement_id)
    assert told.unexplained == 0
    [fees] = [total for total in told.totals if total.direction == "fee"]
    assert (fees.total, fees.matched, fees.recorded) == (55, 55, 25)
    assert balances(database)["expense:provider_fees", "KES"] == 55


def test_a_settlement_and_a_refund_that_nobody_asked_for_are_recorded(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    file = as_csv(
        [
            # Newest first: the refund stands before its payment.
            Row("S1", "settlement", -50_000, NOW),
            Row("R1", "refund", -10_000, NOW, related="T1"),
            payment_row("T1", payment),
        ]
    )
    told = report(book, bring(reconciler, file).statement_id)
    assert told.unexplained == 0
    assert topics(database, payment)[-2:] == ["refund.requested.v1", "refund.succeeded.v1"]
    assert balances(database)["bank:settlement", "KES"] == 50_000
    assert balances(database)["provider:sandbox:collection", "KES"] == GROSS - 60_000
    assert_book_is_sound(database)


def test_two_lines_are_never_about_one_entry(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    by_hand = SettlementReport(
        provider="sandbox", reference="BANK-1", settled=kes(500), fees=0, occurred_at=NOW
    )
    ledger.execute_one(RecordSettlement(report=by_hand, fact_id=uuid4(), **envelope(None)))
    settled = [Row(f"S{number}", "settlement", -500, NOW) for number in range(3)]
    for file, expected in ((settled[:2], 1_000), (settled, 1_500), (settled[::-1], 1_500)):
        told = report(book, bring(reconciler, as_csv(file)).statement_id)
        assert told.unexplained == 0
        assert balances(database)["bank:settlement", "KES"] == expected


def test_a_refund_of_a_payment_that_the_statement_brings_later_is_tried_once_more(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.provider_statements.reconciler.BATCH", 1)
    payment, _ = prompted(ledger)
    file = as_csv([Row("R1", "refund", -10_000, NOW, related="T1"), payment_row("T1", payment)])
    statement = bring(reconciler, file).statement_id
    told = report(book, statement)
    assert told.unexplained == 0
    assert [each.state for each in items(book, statement, None)] == ["matched"]


def test_a_refund_that_we_asked_for_is_found_by_our_reference(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    refund = uuid4()
    ledger.execute_one(request_refund(payment, 40_000, refund_id=refund))
    file = as_csv(
        [
            payment_row("T1", payment),
            Row("R7", "refund", -40_000, NOW, reference=f"{payment}:{refund}"),
        ]
    )
    told = report(book, bring(reconciler, file).statement_id)
    assert told.unexplained == 0
    assert topics(database, payment)[-1] == "refund.succeeded.v1"


def test_a_refund_that_may_be_one_of_ours_on_its_way_is_not_taken_for_another(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    refund = uuid4()
    ledger.execute_one(request_refund(payment, 40_000, refund_id=refund))
    file = as_csv([payment_row("T1"), Row("R7", "refund", -40_000, NOW, related="T1")])
    statement = bring(reconciler, file).statement_id
    assert [each.transaction for each in items(book, statement)] == ["R7"]
    assert topics(database, payment)[-1] == "refund.requested.v1"
    ledger.execute_one(report_refund(payment, refund, 40_000, provider_refund="R7"))
    bring(reconciler, file)
    assert report(book, statement).unexplained == 0
    # Now none of ours is on its way, and a wish is none: another one is the provider's own.
    [(fan,)] = rows(
        database,
        "SELECT (convert_from(state, 'UTF8')::jsonb ->> 'fan_id')::uuid FROM ledger_events "
        "WHERE originator_id = %s AND topic = 'payment.initiated.v1'",
        payment,
    )
    ledger.execute_one(ask_for_refund(payment, fan))
    bring(reconciler, as_csv([Row("R8", "refund", -100, NOW, related="T1")]))
    assert topics(database, payment)[-2:] == ["refund.requested.v1", "refund.succeeded.v1"]
    assert_book_is_sound(database)


def test_another_amount_is_for_a_person_and_changes_nothing(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    head = ledger.recorder.max_notification_id()
    statement = bring(reconciler, as_csv([payment_row("T1", payment, GROSS + 1)])).statement_id
    told = report(book, statement)
    assert told.unexplained == 1
    assert told.totals[0].open == told.totals[0].total == GROSS + 1
    assert told.ledger_only == []
    [item] = items(book, statement)
    assert item.why == "amount_differs"
    assert (item.statement_amount, item.ledger_amount) == (GROSS + 1, GROSS)
    assert ledger.recorder.max_notification_id() == head


def test_another_currency_and_another_day_are_for_a_person(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    paid(ledger, "T1")
    paid(ledger, "T2", NOW - timedelta(days=9))
    file = as_csv([replace(payment_row("T1"), currency="ZMW"), payment_row("T2")])
    statement = bring(reconciler, file).statement_id
    assert {each.why for each in items(book, statement)} == {"currency_differs", "day_differs"}


def test_what_only_the_ledger_has_is_open_until_a_later_statement_has_it(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    for transaction in ("T1", "T2", "T3"):
        paid(ledger, transaction)
    first = bring(reconciler, as_csv([payment_row("T1")])).statement_id
    told = report(book, first)
    assert told.unexplained == 2
    [missing] = told.ledger_only
    assert (missing.direction, missing.total, missing.open) == ("in", 2 * GROSS, 2 * GROSS)
    assert {each.why for each in items(book, first)} == {"ledger_only"}
    for left, transaction in ((1, "T2"), (0, "T3")):
        later = bring(reconciler, as_csv([payment_row(transaction)])).statement_id
        for statement in (first, later):
            assert report(book, statement).unexplained == left
    assert report(book, first).ledger_only[0].matched == 2 * GROSS


def test_a_line_of_a_kind_that_nobody_knows_is_for_a_person(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    statement = bring(reconciler, as_csv([Row("X1", "lottery", 500, NOW)])).statement_id
    [item] = items(book, statement)
    assert (item.why, item.kind, item.transaction) == ("unknown_kind", "other", "X1")


def test_a_refund_of_nothing_that_is_known_is_for_a_person_with_the_reason(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    file = as_csv([Row("R1", "refund", -500, NOW, reference=str(uuid4()))])
    [item] = items(book, bring(reconciler, file).statement_id)
    assert (item.why, item.code) == ("statement_only", "report_disagrees")


def test_a_second_payment_by_another_transaction_is_surplus_and_not_the_first_one(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    file = as_csv([payment_row("T2", payment), payment_row("T1", payment)])
    told = report(book, bring(reconciler, file).statement_id)
    assert told.unexplained == 0
    assert topics(database, payment)[-1] == "payment.surplus_received.v1"


def test_a_transaction_is_found_by_a_name_that_only_its_callback_told(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = prompted(ledger)
    told = report_success(payment, transaction="ws_CO_1", provider="daraja", occurred_at=NOW)
    named = replace(told, report=replace(told.report, also_known_as=("TK5AY9DLMG",)))
    ledger.execute_one(named)
    at = NOW.astimezone(ZoneInfo("Africa/Nairobi")).strftime("%d-%m-%Y %H:%M:%S")
    file = (
        "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Balance\n"
        f"TK5AY9DLMG,{at},Pay Bill,Completed,1000.00,,1000.00\n"
        f"TK5AY9DLMH,{at},Pay Bill,Completed,1000.00,,2000.00\n"
    ).encode()
    statement = bring(reconciler, file, "daraja", covers=("collection",)).statement_id
    # What only the statement has could come by a callback under its other name yet.
    [item] = items(book, statement)
    assert (item.transaction, item.why) == ("TK5AY9DLMH", "statement_only")
    assert report(book, statement).totals[0].matched == GROSS
    assert balances(database)["provider:daraja:collection", "KES"] == GROSS


def test_a_reference_of_something_else_of_ours_is_no_payment(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, creator = paid(ledger, "T1")
    file = as_csv(
        [
            payment_row("T7", creator, 700),
            Row("P7", "payout", -800, NOW, reference=f"{payment}:1"),
            Row("F7", "fee", -9, NOW, reference=str(creator)),
            payment_row("T1"),
        ]
    )
    statement = bring(reconciler, file).statement_id
    found = {each.transaction: (each.why, each.code) for each in items(book, statement)}
    refused = ("statement_only", "report_disagrees")
    assert found == {"P7": refused, "F7": refused}
    assert balances(database)["suspense:sandbox", "KES"] == -700
    assert_book_is_sound(database)


def payout(ledger: Ledger, creator: UUID) -> UUID:
    """A payout of 500.00 that the provider was asked for and never told of."""
    destination, payout_id = uuid4(), uuid4()
    for command in (
        verify_creator(creator),
        add_destination(creator, destination),
        verify_destination(creator, destination),
        request_payout(creator, destination, 50_000, payout_id=payout_id),
        approve_payout(payout_id),
        start_payout(payout_id, creator),
        payout_submitted(payout_id),
    ):
        ledger.execute_one(command)
    return payout_id


def test_payouts_that_were_paid_or_failed_are_recorded_as_their_callbacks_would_be(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, creator = paid(ledger, "T1")
    ledger.execute_one(release_funds(payment))
    done = payout(ledger, creator)
    file = as_csv([payment_row("T1"), Row("P1", "payout", -50_000, NOW, reference=f"{done}:1")])
    told = report(book, bring(reconciler, file).statement_id)
    assert told.unexplained == 0
    assert topics(database, done)[-1] == "payout.paid.v1"
    assert balances(database)["provider:sandbox:disbursement", "KES"] == -50_000
    late = ledger.execute_one(report_payout(done, 50_000, transaction="P1"))
    assert late.verdict == "duplicate"

    payment, creator = paid(ledger, "T2")
    ledger.execute_one(release_funds(payment))
    failed = payout(ledger, creator)
    row = Row("P2", "payout", -50_000, NOW, reference=f"{failed}:1", status="failed")
    told = report(book, bring(reconciler, as_csv([payment_row("T2"), row])).statement_id)
    assert (told.unexplained, len(told.totals)) == (0, 1)
    assert topics(database, failed)[-1] == "payout.failed.v1"
    assert_book_is_sound(database)


def test_a_dispute_and_its_fee_are_for_a_person(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    disputed = Row("D1", "dispute", -GROSS, NOW, related="T1", fee=15)
    statement = bring(reconciler, as_csv([payment_row("T1"), disputed])).statement_id
    assert [each.kind for each in items(book, statement)] == ["dispute", "dispute_fee"]
    ledger.execute_one(report_dispute(payment, "opened", GROSS, dispute="D1"))
    ledger.execute_one(report_fee(payment, 15, fee_reference="D1", dispute="D1"))
    # The callbacks came: the statement, brought once more, finds what they recorded.
    bring(reconciler, as_csv([payment_row("T1"), disputed]))
    assert report(book, statement).unexplained == 0


def test_a_statement_is_about_the_accounts_and_days_that_it_says(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    payment, creator = paid(ledger, "T1", NOW - timedelta(days=5))
    ledger.execute_one(release_funds(payment))
    ledger.execute_one(report_payout(payout(ledger, creator), 50_000, transaction="P1"))
    paid(ledger, "T2")
    empty = as_csv([])
    today = NOW.astimezone(ZoneInfo("Africa/Nairobi")).date()
    for covers, days, missing in (
        (("collection",), 0, {"T2"}),
        (("disbursement",), 9, {"P1"}),
        (("collection", "disbursement"), 9, {"T1", "T2", "P1"}),
    ):
        first = today - timedelta(days=days)
        statement = bring(
            reconciler, empty, covers=covers, first_day=first, last_day=today
        ).statement_id
        told = report(book, statement)
        assert told.unexplained == len(missing)
        assert {each.stream_id for each in items(book, statement)} != set()
        assert sum(total.open for total in told.ledger_only) == sum(
            50_000 if each == "P1" else GROSS for each in missing
        )


def test_money_of_an_account_that_others_use_too_is_recorded_only_with_our_reference(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = prompted(ledger)
    at = NOW.strftime("%Y-%m-%d %H:%M:%S")
    file = (
        "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,"
        "charge_id,payment_intent_id,payment_metadata[payment_id]\n"
        f"txn_1,{at},kes,1000.00,30.00,970.00,charge,ch_1,ch_1,pi_1,{payment}\n"
        f"txn_2,{at},kes,500.00,10.00,490.00,charge,ch_2,ch_2,pi_2,\n"
    ).encode()
    statement = bring(reconciler, file, "stripe").statement_id
    assert {each.transaction for each in items(book, statement)} == {"pi_2", "fee:pi_2"}
    assert balances(database)["provider:stripe:collection", "KES"] == GROSS - 3_000
    for name in ("pi_1", "ch_1"):
        late = ledger.execute_one(report_success(payment, transaction=name, provider="stripe"))
        assert late.verdict == "duplicate"


def test_an_explained_item_counts_as_explained_and_the_reason_stays(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    payment, _ = paid(ledger, "T1")
    statement = bring(reconciler, as_csv([payment_row("T1", payment, GROSS - 1)])).statement_id
    [item] = items(book, statement)

    async def say(reason: str, key: str = "k") -> bool:
        async with Reader(book) as reader:
            return await explain(reader, item.item_id, by=ADMIN, key=key, reason=reason)

    assert asyncio.run(say("The provider rounded it.")) is False
    assert asyncio.run(say("The provider rounded it.")) is True
    with pytest.raises(IdempotencyKeyReused):
        asyncio.run(say("Something else."))
    told = report(book, statement)
    assert_it_adds_up(told)
    assert told.unexplained == 0
    assert told.totals[0].explained == told.totals[0].total == GROSS - 1
    [explained] = items(book, statement, "explained")
    assert (explained.reason, explained.decided_by) == ("The provider rounded it.", ADMIN)
    # Whatever file has it again, what was explained stays so.
    bring(reconciler, as_csv([payment_row("T1", payment, GROSS - 1), payment_row("T3")]))
    assert report(book, statement).unexplained == 0


def test_a_line_that_says_something_else_under_the_same_name_is_for_a_person(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    file = as_csv([payment_row("T1", None, 700), payment_row("T1", None, 900)])
    statement = bring(reconciler, file).statement_id
    told = report(book, statement)
    assert told.lines == 2
    assert_it_adds_up(told)
    assert [each.why for each in items(book, statement)] == ["contradicts"]
    assert balances(database)["suspense:sandbox", "KES"] == -700
    again = report(book, bring(reconciler, file).statement_id)
    assert (again.lines, again.unexplained) == (2, 1)


def test_opening_and_lines_are_the_closing_balance_in_either_order(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    file_rows = [
        replace(payment_row("T1", None, 700), balance=1_700, occurred_at=NOW),
        Row("S1", "settlement", -200, NOW + timedelta(minutes=1), balance=1_500),
        replace(
            payment_row("T2", None, 100),
            fee=3,
            balance=1_597,
            occurred_at=NOW + timedelta(minutes=2),
        ),
    ]
    for ordered in (file_rows, file_rows[::-1]):
        told = report(book, bring(reconciler, as_csv(ordered)).statement_id)
        [check] = told.balances
        assert (check.opening, check.moved, check.closing) == (1_000, 597, 1_597)
        assert check.difference == 0
    short = report(book, bring(reconciler, as_csv([file_rows[0], file_rows[2]])).statement_id)
    assert short.balances[0].difference == -200


def test_a_row_that_cannot_be_read_is_for_a_person_and_the_others_count(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    good = as_csv([payment_row("T1", None, 700)])
    bad = good + b"T2,payment,succeeded,,1.2E+05,KES,,2026-03-01T12:00:00Z,,\r\n"
    statement = bring(reconciler, bad).statement_id
    told = report(book, statement)
    assert (told.statement.unreadable, told.unexplained) == (1, 1)
    [item] = items(book, statement)
    assert (item.why, item.code, item.row_number) == ("unreadable", "unreadable_amount", 2)


def test_a_file_that_breaks_off_has_no_effect(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    file = as_csv([payment_row("T1", None, 700)]) + b'T2,payment,succeeded,"broken'
    with pytest.raises(UnreadableStatementError):
        bring(reconciler, file)
    assert balances(database) == {}
    assert rows(database, "SELECT count(*) FROM provider_statement_rows") == [(0,)]


def test_a_payout_that_failed_moves_nothing_and_one_that_is_unknown_is_for_a_person(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation
) -> None:
    failed = Row("P1", "payout", -500, NOW, reference=f"{uuid4()}:1", status="failed")
    told = report(book, bring(reconciler, as_csv([failed])).statement_id)
    assert told.totals == []
    assert told.unexplained == 1


def test_a_failure_that_was_reported_before_does_not_keep_the_money_out(
    ledger: Ledger, reconciler: Reconciler, book: BookLocation, database: DatabaseLocation
) -> None:
    payment, _ = prompted(ledger)
    ledger.execute_one(report_without_money(payment, Claim.FAILED, reason="timed_out"))
    told = report(book, bring(reconciler, as_csv([payment_row("T1", payment)])).statement_id)
    assert told.unexplained == 0
    assert topics(database, payment)[-1] == "payment.succeeded.v2"
