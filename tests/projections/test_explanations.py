"""A balance is explained line by line, down to the callback; whatever was changed is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest

from ledger.application import Ledger
from ledger.inbox import InboxEntry, seal_callback
from projections.cursor import InvalidCursor
from projections.evidence import BodyState
from projections.explanations import Explanation, explanation_page
from projections.reader import PositionNotReached
from tests.builders import initiate_payment, natural_key, register_creator, report_success
from tests.credit_book import CreditBook
from tests.databases import superuser
from tests.money_builders import release_funds
from tests.projections.conftest import asker

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation
    from ledger.key_store import KeyStore
    from projections.reader import Reader
    from tests.projections.conftest import Ask
    from tests.projections.histories import Naive

CREATOR = UUID(int=0xC4EA)
PENDING = f"creator:{CREATOR}:pending"
COLLECTION = "provider:sandbox:collection"
NET = 88_400


async def paged(
    reader: Reader, key_store: KeyStore, account: str, currency: str, limit: int, **moment: int
) -> list[Explanation]:
    """All pages."""
    pages: list[Explanation] = []
    cursor = None
    while True:
        page = await explanation_page(
            reader, key_store, account, currency, cursor=cursor, limit=limit, **moment
        )
        if page is None:
            return pages
        pages.append(page)
        cursor = page.next_cursor
        if cursor is None:
            return pages


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_pages_together_are_the_whole_balance(
    ask: Ask, naive: Naive, key_store: KeyStore, limit: int
) -> None:
    random = Random(limit)

    async def scenario(reader: Reader) -> None:
        for position in (naive.head, random.randrange(naive.head), random.randrange(naive.head)):
            for (account, currency), balance in naive.balances(position).items():
                pages = await paged(reader, key_store, account, currency, limit, position=position)
                assert [page.balance for page in pages] == [balance] * len(pages)
                assert pages[0].closing_balance == balance
                assert pages[-1].opening_balance == 0
                for page, older in pairwise(pages):
                    assert page.opening_balance == older.closing_balance
                for page in pages:
                    found = page.opening_balance + page.sum_of_lines
                    assert found == page.closing_balance
                    assert page.sums_match, page.mismatches
                told = [(item.position, item.line) for page in pages for item in page.items]
                assert told == [
                    (line.position, line.line)
                    for line in reversed(naive.lines)
                    if (line.account, line.currency) == (account, currency)
                    and line.position <= position
                ]

    ask(scenario)


def test_an_account_without_a_line_is_not_found_and_what_is_not_there_yet_is_refused(
    ask: Ask, naive: Naive, key_store: KeyStore
) -> None:
    async def scenario(reader: Reader) -> None:
        assert await explanation_page(reader, key_store, "no account", "KES") is None
        assert await explanation_page(reader, key_store, COLLECTION, "KES", position=0) is None
        with pytest.raises(PositionNotReached):
            await explanation_page(reader, key_store, COLLECTION, "KES", position=naive.head + 1)
        with pytest.raises(InvalidCursor):
            await explanation_page(reader, key_store, COLLECTION, "KES", cursor="entries")

    ask(scenario)


class Paid(NamedTuple):
    """A creator with one payment that a callback has paid, and what was kept of that."""

    book: BookLocation
    payment: UUID
    fan: UUID
    entry: InboxEntry


@pytest.fixture
def paid(ledger: Ledger, book: BookLocation, key_store: KeyStore) -> Paid:
    """Its event names the entry of the inbox, as at the door."""
    key = natural_key()
    entry = seal_callback(
        key_store.allocate(),
        provider="sandbox",
        natural_key=key.key,
        headers={},
        body=b'{"paid": true}',
        of_unknown_origin=False,
    )
    initiated = initiate_payment(CREATOR)
    ledger.execute([register_creator(CREATOR), initiated])
    command = report_success(initiated.payment_id, inbox_entry=entry, key=key)
    [outcome] = ledger.execute([replace(command, causation_id=f"callback:{entry.inbox_id}")])
    assert outcome.error is None
    return Paid(book, initiated.payment_id, initiated.fan_id, entry)


def explained(paid: Paid, key_store: KeyStore, account: str = PENDING) -> Explanation:
    """The only page."""

    async def scenario(reader: Reader) -> Explanation | None:
        return await explanation_page(reader, key_store, account, "KES")

    page: Explanation | None = asker(paid.book)(scenario)
    assert page is not None
    return page


def tamper(book: BookLocation, statement: str) -> None:
    """Change what must never change, as somebody could who owns the server."""
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement.encode()).rowcount > 0


def test_a_line_leads_to_its_event_the_callback_and_the_payment(
    paid: Paid, key_store: KeyStore
) -> None:
    page = explained(paid, key_store)
    [item] = page.items
    assert (item.amount, item.balance, page.balance) == (-NET, -NET, -NET)
    assert (item.topic, item.stream_id, item.version) == ("payment.succeeded.v2", paid.payment, 2)
    assert item.belongs_to is not None
    belongs_to = (item.belongs_to.kind, item.belongs_to.id)
    assert belongs_to == ("payment", paid.payment)
    assert (item.belongs_to.creator_id, item.belongs_to.fan_id) == (CREATOR, paid.fan)
    [proof] = item.evidence
    assert proof.sha256 == paid.entry.body_hash
    assert proof.body is BodyState.MATCHES
    assert (proof.inbox_id, proof.provider) == (paid.entry.inbox_id, "sandbox")
    assert (proof.position, proof.topic, proof.verdict) == (item.position, item.topic, "applied")
    assert proof.copies == 1
    assert page.sums_match
    assert page.evidence_matches


def test_a_release_rests_on_the_callback_that_had_paid(paid: Paid, key_store: KeyStore) -> None:
    later = Ledger(paid.book, clock=lambda: datetime.now(UTC) + timedelta(days=30))
    try:
        outcome = later.execute_one(release_funds(paid.payment))
    finally:
        later.close()
    assert outcome.error is None
    [item] = explained(paid, key_store, f"creator:{CREATOR}:available").items
    assert item.topic == "payment.funds_released.v1"
    [proof] = item.evidence
    assert (proof.topic, proof.body) == ("payment.succeeded.v2", BodyState.MATCHES)
    assert proof.position < item.position


def test_a_body_that_is_forgotten_is_said_to_be(paid: Paid, key_store: KeyStore) -> None:
    key_store.destroy(paid.entry.key_id)
    page = explained(paid, key_store)
    assert page.items[0].evidence[0].body is BodyState.FORGOTTEN
    assert page.items[0].evidence[0].sha256 == paid.entry.body_hash
    assert page.evidence_matches


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inbox SET ciphertext = set_byte(ciphertext, 20, 255 - get_byte(ciphertext, 20))",
        "UPDATE inbox SET body_hash = repeat('0', 64)",
    ],
)
def test_a_body_that_was_changed_is_found(paid: Paid, key_store: KeyStore, statement: str) -> None:
    tamper(paid.book, statement)
    page = explained(paid, key_store)
    assert page.items[0].evidence[0].body is BodyState.DIFFERS
    assert not page.evidence_matches


def test_a_callback_that_the_inbox_has_not_is_said_to_be_missing(
    paid: Paid, key_store: KeyStore
) -> None:
    tamper(paid.book, "DELETE FROM inbox")
    [proof] = explained(paid, key_store).items[0].evidence
    assert (proof.body, proof.inbox_id) == (BodyState.NOT_KEPT, None)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE journal_lines_odd SET amount = amount - 1 WHERE account_id = 2",
            ["0 and -88401 are not -88400", f"its event posted -88400 to {PENDING}"],
        ),
        (
            "UPDATE journal_lines_odd SET balance = balance - 1 WHERE account_id = 2",
            [
                "the account's balance is -88400, its last line says -88401",
                "0 and -88400 are not -88401",
            ],
        ),
        (
            "UPDATE balances_odd SET balance = balance - 1 WHERE account_id = 2",
            ["the account's balance is -88401, its last line says -88400"],
        ),
        (
            """UPDATE ledger_events
               SET state = convert_to(replace(convert_from(state, 'UTF8'), '-88400', '-88500'),
                                      'UTF8')
               WHERE topic = 'payment.succeeded.v2'""",
            [f"its event posted -88500 to {PENDING}"],
        ),
        (
            "DELETE FROM ledger_events WHERE topic = 'payment.succeeded.v2'",
            ["the event at this position cannot be read, or is gone"],
        ),
    ],
)
def test_what_does_not_add_up_is_said(
    paid: Paid, key_store: KeyStore, statement: str, what: list[str]
) -> None:
    assert explained(paid, key_store).sums_match
    tamper(paid.book, statement)
    page = explained(paid, key_store)
    assert not page.sums_match
    assert [each.what for each in page.mismatches] == what


def test_a_line_that_was_taken_out_is_missed(
    paid: Paid, ledger: Ledger, key_store: KeyStore
) -> None:
    for _ in range(2):
        initiated = initiate_payment(CREATOR)
        ledger.execute([initiated, report_success(initiated.payment_id)])
    assert explained(paid, key_store).sums_match
    tamper(
        paid.book,
        "DELETE FROM journal_lines_odd WHERE account_id = 2 AND balance = -2 * 88400",
    )
    page = explained(paid, key_store)
    assert [each.what for each in page.mismatches] == ["-88400 and -88400 are not -265200"]


def test_credit_leads_to_payments_invoices_and_their_subscription(
    book: BookLocation, key_store: KeyStore
) -> None:
    life = CreditBook(book)
    try:
        for _ in life.live():
            pass
    finally:
        life.close()

    async def scenario(reader: Reader) -> list[Any]:
        account = f"fan:{life.fan}:credit"
        pages = await paged(reader, key_store, account, "KES", 200)
        assert all(page.sums_match for page in pages)
        return [item.belongs_to for page in pages for item in page.items]

    subjects = asker(book)(scenario)
    kinds = {each.kind for each in subjects}
    assert kinds == {"payment", "invoice"}
    assert {each.subscription_id for each in subjects} == {life.subscription}
    assert None not in {each.invoice_id for each in subjects}
