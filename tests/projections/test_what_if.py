"""Payments told anew: under their own rules nothing differs, under another fee what rules say."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from ledger.application import Ledger
from ledger.postings import FeePlan
from ledger.serialization import encode_state
from projections.what_if import (
    Difference,
    OtherRules,
    Shares,
    WhatIf,
    WhatIfReport,
)
from projections.what_if_log import rows_until, what_if_at_leisure
from tests.builders import GROSS, PLAN, initiate_payment, register_creator, report_success
from tests.credit_book import CreditBook
from tests.databases import rows, superuser
from tests.ledger.lifecycles.play import tell
from tests.money_builders import report_dispute, report_refund, request_refund
from tests.projections.conftest import asker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand
    from projections.reader import Reader
    from projections.what_if import Row

AS_THEY_ARE = OtherRules(fee_basis_points=None)
FIVE_PER_CENT = OtherRules(fee_basis_points=500)
CREATOR, OTHER = UUID(int=0xC4EA), UUID(int=0xC4EB)


@pytest.fixture(scope="module")
def stories() -> list[Row]:
    """The events of many random lives of payments, with refunds, disputes and parked money."""
    found: list[Row] = []
    for seed in range(150):
        telling = tell(seed)
        assert telling.broken_off is None
        found += [
            (event.originator_id, event.originator_version, event.TOPIC, encode_state(event))
            for step in telling.steps
            for event in step.outcome.events
        ]
    return sorted(found, key=itemgetter(0, 1))


def told(events: list[Row], rules: OtherRules) -> WhatIfReport:
    told = WhatIf(rules)
    told.take(events)
    return told.report(len(events))


def conserved(shares: Shares) -> int:
    """What came from outside and stayed: no fee changes that."""
    return shares.net + shares.fees + shares.vat - shares.expenses


def test_under_the_rules_as_they_are_nothing_differs(stories: list[Row]) -> None:
    report = told(stories, AS_THEY_ARE)
    assert report.payments > 100
    assert report.left_as_they_were == []
    for each in (*report.creators, *report.totals):
        assert each.would_be == each.was
        assert each.difference == 0
    topics = {topic for _, _, topic, _ in stories}
    # The random lives have been everywhere where a fee matters.
    assert topics >= {
        *("payment.succeeded.v2", "payment.receipts_allocated.v1", "payment.funds_released.v1"),
        *("refund.requested.v1", "refund.failed.v1", "refund.reopened_as_failed.v1"),
        *("refund.reopened_as_succeeded.v1", "dispute.opened.v1", "dispute.closed.v1"),
        *("dispute.fee_charged.v1", "dispute.fee_returned.v1"),
    }


@pytest.mark.parametrize("fee", [0, 1, 500, 3_333, 8_000])
def test_another_fee_shares_the_same_money_otherwise(stories: list[Row], fee: int) -> None:
    report = told(stories, OtherRules(fee_basis_points=fee))
    assert any(each.difference for each in report.creators)
    for each in (*report.creators, *report.totals):
        assert conserved(each.was) == conserved(each.would_be)
    assert told(stories, AS_THEY_ARE).totals == [
        Difference(
            creator_id=None,
            currency=each.currency,
            payments=each.payments,
            was=each.was,
            would_be=each.was,
        )
        for each in report.totals
    ]


def test_what_is_compared_is_what_lies_on_the_creators_accounts(
    varied_book: BookLocation,
) -> None:
    """In this book creators have moved nothing but payments."""
    report = what_if_at_leisure(varied_book, AS_THEY_ARE)
    kept = dict(
        rows(
            varied_book.database,
            "SELECT split_part(account, ':', 2) || currency, sum(-balance)::bigint FROM balances "
            "WHERE account LIKE 'creator:%%' GROUP BY 1",
        )
    )
    assert {f"{each.creator_id}{each.currency}": each.was.net for each in report.creators} == kept
    assert all(each.difference == 0 for each in report.creators)
    assert report.left_as_they_were == []


@pytest.fixture
def credit(book: BookLocation) -> Iterator[CreditBook]:
    life = CreditBook(book)
    for _ in life.live():
        pass
    yield life
    life.close()


def test_credit_and_unused_time_are_told_anew_too(credit: CreditBook, book: BookLocation) -> None:
    report = what_if_at_leisure(book, AS_THEY_ARE)
    [of_creator] = report.creators
    assert (of_creator.creator_id, of_creator.difference) == (credit.creator, 0)
    assert report.left_as_they_were == []
    # 31,000 − 21,000 of the first month, 31,000 of the second: a fan's money all the same.
    assert of_creator.was.net + of_creator.was.fees + of_creator.was.vat == 41_000
    for_free = what_if_at_leisure(book, OtherRules(fee_basis_points=0)).creators[0]
    assert for_free.would_be == Shares(net=41_000)


def do(ledger: Ledger, *commands: LedgerCommand) -> None:
    """All of these, one after another."""
    for command in commands:
        assert ledger.execute_one(command).error is None


def paid(ledger: Ledger, creator: UUID) -> UUID:
    initiated = initiate_payment(creator)
    do(ledger, initiated, report_success(initiated.payment_id))
    return initiated.payment_id


@pytest.fixture
def three_paid(ledger: Ledger, book: BookLocation) -> BookLocation:
    """One payment of 100,000 that is kept, one that is half refunded, and one that is lost."""
    do(ledger, register_creator(CREATOR))
    paid(ledger, CREATOR)
    refunded, lost = paid(ledger, CREATOR), paid(ledger, CREATOR)
    wanted = request_refund(refunded, 50_000)
    do(ledger, wanted, report_refund(refunded, wanted.refund_id, 50_000))
    do(ledger, report_dispute(lost, "opened", GROSS))
    do(ledger, report_dispute(lost, "closed", GROSS, lost=GROSS))
    return book


def test_another_fee_gives_what_is_computed_by_hand(three_paid: BookLocation) -> None:
    report = what_if_at_leisure(three_paid, FIVE_PER_CENT)
    [of_creator], [total] = report.creators, report.totals
    # Ten per cent and VAT of 16 per cent on it: 88,400; half of it is 44,200.
    assert of_creator.was == Shares(net=88_400 + 44_200, fees=10_000 + 5_000, vat=1_600 + 800)
    # Five per cent: 5,000 and 800 leave 94,200; half of it is 47,100.
    assert of_creator.would_be == Shares(net=94_200 + 47_100, fees=5_000 + 2_500, vat=800 + 400)
    assert of_creator.difference == 8_700
    assert (of_creator.payments, report.payments) == (3, 3)
    assert (total.was, total.would_be) == (of_creator.was, of_creator.would_be)
    assert (total.creator_id, total.currency) == (None, "KES")


def test_nothing_is_written(three_paid: BookLocation) -> None:
    tables = ("ledger_events", "turns", "journal_lines", "balances", "idempotency_keys", "inbox")
    counts = f"SELECT {', '.join(f'(SELECT count(*) FROM {each})' for each in tables)}"
    before = rows(three_paid.database, counts)
    what_if_at_leisure(three_paid, FIVE_PER_CENT)
    assert rows(three_paid.database, counts) == before


def test_one_creators_fee_is_asked_for_and_only_theirs_is_told(
    three_paid: BookLocation, ledger: Ledger
) -> None:
    do(ledger, register_creator(OTHER))
    paid(ledger, OTHER)
    report = what_if_at_leisure(three_paid, OtherRules(fee_basis_points=500, creator_id=OTHER))
    assert [(each.creator_id, each.difference) for each in report.creators] == [(OTHER, 5_800)]
    assert report.payments == 1


def test_only_payments_begun_by_then_are_concerned(
    three_paid: BookLocation, ledger: Ledger
) -> None:
    head = what_if_at_leisure(three_paid, FIVE_PER_CENT).position
    paid(ledger, CREATOR)
    later = OtherRules(fee_basis_points=500, from_position=head + 1)
    report = what_if_at_leisure(three_paid, later)
    assert (report.payments, report.events) == (1, 2)
    assert report.creators[0].difference == 5_800
    # It was begun at head + 1, and money that came later for it is of a payment begun before.
    report = what_if_at_leisure(
        three_paid, OtherRules(fee_basis_points=500, from_position=head + 2)
    )
    assert (report.payments, report.creators) == (0, [])


def test_the_same_is_found_in_pieces_and_progress_is_told(varied_book: BookLocation) -> None:
    seen: list[tuple[int, int]] = []
    whole = what_if_at_leisure(
        varied_book, FIVE_PER_CENT, progress=lambda *counts: seen.append(counts)
    )

    async def scenario(reader: Reader) -> list[Row]:
        return await rows_until(reader, FIVE_PER_CENT, whole.position)

    assert told(asker(varied_book)(scenario), FIVE_PER_CENT) == whole
    assert seen[-1] == (whole.events, whole.position)


def left(ledger: Ledger, book: BookLocation, *, rules: OtherRules) -> WhatIfReport:
    """One payment whose plan keeps the fee, and that a creator refunded."""
    plan = FeePlan(fee_basis_points=1_000, vat_basis_points=1_600, keep_fee=True)
    do(ledger, register_creator(CREATOR, plan=plan))
    payment = paid(ledger, CREATOR)
    do(ledger, request_refund(payment, 88_400))
    return what_if_at_leisure(book, rules)


def test_a_refund_that_the_fee_had_bounded_is_left_as_it_was(
    ledger: Ledger, book: BookLocation
) -> None:
    report = left(ledger, book, rules=FIVE_PER_CENT)
    assert report.left_as_they_were == [("refund.requested.v1", 1)]
    [of_creator] = report.creators
    assert of_creator.would_be == of_creator.was == Shares(net=0, fees=10_000, vat=1_600)


def test_the_same_refund_is_told_anew_where_the_fee_stays(
    ledger: Ledger, book: BookLocation
) -> None:
    same = OtherRules(fee_basis_points=PLAN.fee_basis_points)
    report = left(ledger, book, rules=same)
    assert report.left_as_they_were == []
    assert report.creators[0].difference == 0


def test_a_fee_that_would_be_more_than_the_payment_is_not_told(three_paid: BookLocation) -> None:
    report = what_if_at_leisure(three_paid, OtherRules(fee_basis_points=10_000))
    assert report.left_as_they_were == [("payment.initiated.v1", 3)]
    assert report.creators[0].difference == 0


def test_an_entry_of_other_rules_than_todays_is_left_as_it_was(three_paid: BookLocation) -> None:
    """As if older code had shared the first payment otherwise: its entry stays what it is."""
    older = "replace(replace(convert_from(state, 'UTF8'), '-88400', '-88401'), '-1600', '-1599')"
    with superuser(three_paid.database) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(
            f"UPDATE ledger_events SET state = convert_to({older}, 'UTF8') "
            "WHERE notification_id = 4"
        )
        assert changed.rowcount == 1
    report = what_if_at_leisure(three_paid, FIVE_PER_CENT)
    assert report.left_as_they_were == [("payment.succeeded.v2", 1)]
    assert report.creators[0].was.net == 88_401 + 44_200
    assert report.creators[0].would_be.net == 88_401 + 47_100


def test_where_nothing_was_paid_there_is_nothing_to_tell(
    ledger: Ledger, book: BookLocation
) -> None:
    do(ledger, register_creator(CREATOR), initiate_payment(CREATOR))
    report = what_if_at_leisure(book, FIVE_PER_CENT)
    found: list[Any] = [report.creators, report.totals, report.left_as_they_were]
    assert found == [[], [], []]
    assert (report.payments, report.events) == (0, 3)
