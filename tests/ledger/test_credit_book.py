"""A fan's credit on the real database: it is there until it is spent, and invariants notice."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.credit_book import CASH, MONTHLY, CreditBook
from tests.databases import superuser, value
from tests.invariants import ReservedCredit, assert_book_is_sound, balances

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.database.connections import BookLocation

FAN: Final = "018f5c3e-0000-7000-8000-000000000fa0"
RESERVED: Final = (f"fan:{FAN}:credit_reserved", "KES")


@pytest.fixture
def credit(book: BookLocation) -> Iterator[CreditBook]:
    """A fan's credit, at its beginning."""
    found = CreditBook(book)
    yield found
    found.close()


def credit_of(credit: CreditBook, book: BookLocation) -> tuple[int, int, int]:
    """The fan's credit, goodwill, and what is kept for invoices."""
    found = balances(book.database)
    names = ("credit", "goodwill", "credit_reserved")
    credits_, goodwill, reserved = (
        -found.get((f"fan:{credit.fan}:{name}", "KES"), 0) for name in names
    )
    return credits_, goodwill, reserved


def test_a_creator_is_registered_offers_a_tier_and_is_paid_for_it_in_one_turn(
    credit: CreditBook, book: BookLocation
) -> None:
    credit.subscribes()
    assert value(book.database, "SELECT count(*) FROM turns") == 2
    assert balances(book.database)["provider:sandbox:collection", "KES"] == MONTHLY
    assert_book_is_sound(book.database)


def test_credit_is_given_kept_spent_refunded_and_taken_back(
    credit: CreditBook, book: BookLocation
) -> None:
    found = {}
    for step in credit.live():
        found[step] = credit_of(credit, book)
        assert_book_is_sound(book.database)
    assert found == {
        "subscribes": (0, 0, 0),
        "is_given_goodwill": (0, 5_000, 0),
        "pauses": (21_000, 5_000, 0),
        "is_refunded": (20_000, 5_000, 0),
        "resumes": (0, 0, 25_000),
        "pays": (0, 0, 0),
        "pays_too_late": (31_000, 0, 0),
        "is_reversed": (1_000, 0, 0),
    }
    # Nothing is lost: what came in and stayed is owed, but for what the platform gave.
    held = 2 * MONTHLY + CASH - 1_000 - 30_000
    assert balances(book.database)["provider:sandbox:collection", "KES"] == held
    assert balances(book.database)["expense:goodwill", "KES"] == 5_000


# What the invariants notice.


def tamper(book: BookLocation, *, topic: str, old: str, new: str) -> None:
    """Write something else into the stored events of a topic."""
    with superuser(book.database) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(
            "UPDATE ledger_events SET state = convert_to("
            "replace(convert_from(state, 'UTF8'), %s, %s), 'UTF8') WHERE topic = %s",
            (old, new, topic),
        )
        assert changed.rowcount


def test_an_invoice_that_reserves_other_credit_than_its_entry_is_noticed(
    credit: CreditBook, book: BookLocation
) -> None:
    list(credit.live())
    topic = "subscription.renewal_invoiced.v1"
    tamper(book, topic=topic, old='"goodwill":5000', new='"goodwill":4999')
    with pytest.raises(AssertionError, match="credit_reserved"):
        assert_book_is_sound(book.database)


def test_a_fan_who_owes_something_is_noticed(credit: CreditBook, book: BookLocation) -> None:
    list(credit.live())
    topic, account = "books.adjustment_posted.v1", ':goodwill","amount":'
    tamper(book, topic=topic, old=f"expense{account}5000", new=f"expense{account}-5000")
    tamper(book, topic=topic, old=f"{credit.fan}{account}-5000", new=f"{credit.fan}{account}5000")
    with pytest.raises(AssertionError, match=r"fan:.*:goodwill"):
        assert_book_is_sound(book.database)


def heard(*events: tuple[str, dict[str, Any]]) -> ReservedCredit:
    """What a subscription's invoice has reserved, as these events say."""
    found = ReservedCredit()
    found.hear("S", "subscription.started.v1", {"fan_id": FAN})
    for topic, fields in events:
        found.hear("S", topic, {"invoice_id": "I", **fields})
    return found


MONEY: Final = {"amount": 10, "currency": "KES"}
INVOICED: Final = (
    "subscription.renewal_invoiced.v1",
    {"credit": 4, "goodwill": 1, "money": MONEY},
)
MORE: Final = ("subscription.credit_reserved.v1", {"credit": 2, "goodwill": 0})
VOIDED: Final[tuple[str, dict[str, Any]]] = ("subscription.invoice_voided.v1", {})
PAID: Final[tuple[str, dict[str, Any]]] = ("subscription.period_paid.v1", {})


def spent(amount: int) -> tuple[str, dict[str, Any]]:
    return "payment.credit_spent.v1", {"money": {**MONEY, "amount": amount}}


@pytest.mark.parametrize(
    ("events", "reserved"),
    [
        ((INVOICED,), 5),
        ((INVOICED, MORE), 7),
        ((INVOICED, MORE, VOIDED), 0),
        ((INVOICED, spent(1), spent(4), PAID), 0),
    ],
)
def test_what_is_reserved_is_what_open_invoices_say(
    events: tuple[tuple[str, dict[str, Any]], ...], reserved: int
) -> None:
    found = heard(*events)
    found.assert_is_held({}, defaultdict(int, {RESERVED: -reserved}))
    with pytest.raises(AssertionError, match="credit_reserved"):
        heard(*events).assert_is_held(
            {"entry": {"postings": [{"account": RESERVED[0], "currency": "KES", "amount": 1}]}},
            {RESERVED: -reserved - 1},
        )


def test_an_invoice_that_is_paid_without_the_credit_reserved_for_it_is_noticed() -> None:
    with pytest.raises(AssertionError):
        heard(INVOICED, spent(4), PAID)
