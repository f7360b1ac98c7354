"""What lies in suspense is what the log says, page by page, also when little of it still waits."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.commands import RefundClaim
from ledger.events import AllocateReceipts, ReceiptReference, ReturnReceipt
from ledger.flows import ParkedState
from ledger.receipt import receipt_id
from projections.cursor import InvalidCursor
from projections.reader import Reader
from projections.suspense import BATCHES_MAX, ParkedReceipt, parked_page
from tests.builders import (
    PROVIDER,
    cancel_payment,
    initiate_payment,
    register_creator,
    report_success,
)
from tests.money_builders import REASON, propose, report_refund
from tests.projections.conftest import asker

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand
    from tests.projections.conftest import Ask, CountingReader
    from tests.projections.histories import Naive

WHY = {
    "payment.mismatched.v1": "mismatched",
    "payment.surplus_received.v1": "surplus",
    "payment.overpayment_parked.v1": "overpaid",
    "receipt.unmatched_recorded.v1": "unmatched",
}


async def paged(reader: Reader, limit: int, *, waiting_only: bool) -> list[ParkedReceipt]:
    """Everything, page by page."""
    items: list[ParkedReceipt] = []
    cursor = None
    while True:
        page = await parked_page(reader, waiting_only=waiting_only, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


@pytest.mark.parametrize("waiting_only", [True, False])
@pytest.mark.parametrize("limit", [1, 7, 200])
def test_it_is_what_the_log_credited_to_suspense(
    ask: Ask, naive: Naive, limit: int, *, waiting_only: bool
) -> None:
    lines = [line for line in naive.lines if line.account.startswith("suspense:")]
    expected = [
        (line.position, line.stream_id, -line.amount, line.currency, WHY[line.topic])
        for line in reversed(lines)
    ]
    found: list[ParkedReceipt] = ask(lambda reader: paged(reader, limit, waiting_only=waiting_only))
    assert [
        (item.position, item.stream_id, item.money.amount, item.money.currency, item.why)
        for item in found
    ] == expected
    assert {item.why for item in found} == set(WHY.values())
    assert all((item.payment_id is None) == (item.why == "unmatched") for item in found)
    assert {item.state for item in found} == {ParkedState.WAITING}


def done(ledger: Ledger, *commands: LedgerCommand) -> None:
    assert [outcome.error for outcome in ledger.execute(commands)] == [None] * len(commands)


def unmatched(transaction: str) -> ReceiptReference:
    return ReceiptReference(
        stream_id=receipt_id(provider=PROVIDER, transaction=transaction),
        provider=PROVIDER,
        provider_transaction=transaction,
    )


def give_back(receipt: ReceiptReference, refund_id: UUID) -> LedgerCommand:
    return propose(ReturnReceipt(refund_id=refund_id, receipt=receipt, reason=REASON))


def test_money_is_shown_as_it_stands_whatever_befell_it(book: BookLocation, ledger: Ledger) -> None:
    creator, fan, payment, returned, failed = (uuid4() for _ in range(5))
    done(
        ledger,
        register_creator(creator),
        initiate_payment(creator, 1_000, payment_id=payment, fan_id=fan),
        cancel_payment(payment, fan),
        *(report_success(None, 1_000, transaction=name) for name in "ABCDE"),
    )
    done(
        ledger,
        propose(
            AllocateReceipts(
                payment_id=payment,
                receipts=(unmatched("A"),),
                settlement_delay_seconds=0,
                reason=REASON,
            )
        ),
        give_back(unmatched("B"), uuid4()),
        give_back(unmatched("C"), returned),
        give_back(unmatched("D"), failed),
        report_refund(unmatched("C").stream_id, returned, 1_000),
        report_refund(unmatched("D").stream_id, failed, 1_000, RefundClaim.FAILED),
    )
    found: list[ParkedReceipt] = asker(book)(lambda reader: paged(reader, 2, waiting_only=False))
    # A failed return credits suspense again, but D is there once.
    assert [(item.provider_transaction, item.state) for item in found] == [
        ("E", ParkedState.WAITING),
        ("D", ParkedState.WAITING),
        ("C", ParkedState.RETURNED),
        ("B", ParkedState.RETURNING),
        ("A", ParkedState.SPENT),
    ]
    waiting: list[ParkedReceipt] = asker(book)(lambda reader: paged(reader, 1, waiting_only=True))
    assert [item.provider_transaction for item in waiting] == ["E", "D"]


def test_the_last_that_waits_is_found_behind_thousands_that_do_not(
    book: BookLocation, ledger: Ledger
) -> None:
    gone = [f"T{number}" for number in range(2_100)]
    done(ledger, report_success(None, 5, transaction="OLD"))
    done(ledger, *(report_success(None, 5, transaction=name) for name in gone))
    done(ledger, *(give_back(unmatched(name), uuid4()) for name in gone))

    async def scenario(reader: CountingReader) -> None:
        page = await parked_page(reader, waiting_only=True, limit=50)
        assert page.items == []
        assert page.next_cursor is not None
        assert reader.statements == BATCHES_MAX
        [only] = await paged(reader, 50, waiting_only=True)
        assert only.provider_transaction == "OLD"

    asker(book)(scenario)


def test_an_empty_book_has_nothing_in_suspense(book: BookLocation) -> None:
    page = asker(book)(lambda reader: parked_page(reader, waiting_only=True))
    assert (page.position, page.items, page.next_cursor) == (0, [], None)


def test_a_cursor_of_another_list_is_refused(ask: Ask) -> None:
    with pytest.raises(InvalidCursor):
        ask(lambda reader: parked_page(reader, waiting_only=True, cursor="zqzq"))
