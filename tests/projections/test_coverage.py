"""What is held against what is owed: as of any position it is what the log adds up to."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ledger.accounts import GOODWILL, CreatorFunds, FanFunds, creator_funds, fan_funds
from ledger.application import Ledger
from ledger.commands import AddCapital, FundWallet, RemitTax
from ledger.events import PostAdjustment
from ledger.journal_entry import entry
from projections.coverage import Coverage, CurrencyCoverage, coverage
from projections.reader import PositionNotReached, Reader
from tests.builders import (
    PROVIDER,
    SETTLEMENT_DELAY_SECONDS,
    envelope,
    initiate_payment,
    kes,
    register_creator,
    report_success,
)
from tests.credit_book import GIVEN, CreditBook
from tests.money_builders import (
    REASON,
    add_destination,
    propose,
    release_funds,
    request_payout,
    verify_creator,
    verify_destination,
)
from tests.projections.conftest import asker
from tests.projections.histories import Clock, Naive

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation
    from ledger.decisions import LedgerCommand
    from tests.projections.conftest import Ask


def expected(balances: dict[tuple[str, str], int]) -> dict[str, tuple[int, int, int]]:
    """Currency → what is held, what is owed, and what creators owe, added up naively."""
    found: dict[str, tuple[int, int, int]] = {}
    for (account, currency), amount in balances.items():
        held, owed, debts = found.get(currency, (0, 0, 0))
        if account.startswith(("provider:", "bank:")):
            held += amount
        elif account.startswith(("creator:", "fan:", "refunds:", "suspense:", "tax:")):
            owed += max(-amount, 0)
            debts += max(amount, 0) if account.startswith("creator:") else 0
        found[currency] = (held, owed, debts)
    return found


def told(found: Coverage) -> dict[str, tuple[int, int, int]]:
    return {
        each.currency: (each.assets.total, each.owed.total, each.creator_debts)
        for each in found.currencies
    }


def test_at_any_position_it_is_what_the_log_adds_up_to(ask: Ask, naive: Naive) -> None:
    random = Random(11)
    positions = [0, 1, naive.head, *(random.randrange(naive.head) for _ in range(30))]

    async def scenario(reader: Reader) -> None:
        for position in positions:
            found = await coverage(reader, as_of_position=position)
            assert found.position == position
            assert told(found) == expected(naive.balances(position))
            # Nothing but fans' money came in, so what is over are the platform's fees.
            assert found.covered
            for each in found.currencies:
                fees = naive.balances(position).get(("platform:fees", each.currency), 0)
                assert each.difference == -fees
        assert told(await coverage(reader)) == expected(naive.balances(naive.head))

    ask(scenario)


def test_a_future_position_is_refused(ask: Ask, naive: Naive) -> None:
    with pytest.raises(PositionNotReached):
        ask(lambda reader: coverage(reader, as_of_position=naive.head + 1))


def now_in(book: BookLocation) -> CurrencyCoverage:
    """The only currency of a book."""
    found: Coverage = asker(book)(coverage)
    [currency] = found.currencies
    return currency


def done(ledger: Ledger, *commands: LedgerCommand) -> None:
    assert [outcome.error for outcome in ledger.execute(commands)] == [None] * len(commands)


def test_a_payout_under_way_asks_for_its_float(book: BookLocation) -> None:
    clock = Clock(datetime.now(UTC))
    ledger = Ledger(book, clock=clock)
    creator, destination, payment = uuid4(), uuid4(), uuid4()
    fact = {"fact_id": uuid4(), "reference": "S-1", **envelope(None)}
    done(
        ledger,
        register_creator(creator),
        verify_creator(creator),
        add_destination(creator, destination),
        verify_destination(creator, destination),
        initiate_payment(creator, 100_000, payment_id=payment),
        report_success(payment, 100_000),
    )
    clock.advance(SETTLEMENT_DELAY_SECONDS + 60)
    done(ledger, release_funds(payment), request_payout(creator, destination, 50_000))
    found = now_in(book).payout_float
    assert (found.disbursement, found.in_transit, found.missing) == (0, 50_000, 50_000)
    funded = FundWallet(provider=PROVIDER, funded_from="collection", money=kes(30_000), **fact)
    done(ledger, funded)
    assert now_in(book).payout_float.missing == 20_000
    fact = {"fact_id": uuid4(), "reference": "S-2", **envelope(None)}
    done(ledger, FundWallet(provider="other", funded_from="bank", money=kes(25_000), **fact))
    found = now_in(book).payout_float
    assert (found.disbursement, found.missing) == (55_000, 0)
    ledger.close()


def test_a_creators_debt_pays_nobody(book: BookLocation, ledger: Ledger) -> None:
    debtor, creator, payment = uuid4(), uuid4(), uuid4()
    available = creator_funds(debtor, CreatorFunds.AVAILABLE)
    taken = entry("KES", (available, 3_000), ("platform:fees", -3_000))
    done(
        ledger,
        register_creator(debtor),
        register_creator(creator),
        initiate_payment(creator, 100_000, payment_id=payment),
        report_success(payment, 100_000),
        propose(PostAdjustment(adjustment_id=uuid4(), entry=taken, reason=REASON)),
    )
    found = now_in(book)
    assert (found.owed.creators, found.creator_debts) == (88_400, 3_000)
    assert found.difference == 10_000


def test_tax_that_was_paid_too_much_is_no_money_of_creators(
    book: BookLocation, ledger: Ledger
) -> None:
    facts = ({"fact_id": uuid4(), "reference": "S", **envelope(None)} for _ in range(2))
    done(
        ledger,
        AddCapital(money=kes(1_000), **next(facts)),
        RemitTax(tax="vat", money=kes(400), **next(facts)),
    )
    found = now_in(book)
    assert (found.assets.bank, found.owed.total, found.difference) == (600, 0, 600)


def test_what_is_the_fans_is_owed_like_what_is_the_creators(book: BookLocation) -> None:
    credit = CreditBook(book)
    found = {step: now_in(book) for step in credit.live()}
    credit.close()
    assert {step: each.owed.fans for step, each in found.items()} == {
        "subscribes": 0,
        "is_given_goodwill": 5_000,
        "pauses": 26_000,
        "is_refunded": 25_000,
        # Kept for an invoice, it is still the fan's.
        "resumes": 25_000,
        "pays": 0,
        "pays_too_late": 31_000,
        "is_reversed": 1_000,
    }
    naive = Naive(book.database)
    assert told(Coverage(naive.head, [found["is_reversed"]])) == expected(
        naive.balances(naive.head)
    )


def test_goodwill_has_to_be_brought_by_the_platform(book: BookLocation) -> None:
    credit = CreditBook(book)
    credit.subscribes()
    before = now_in(book)
    assert (before.difference, before.covered) == (3_100, True)
    credit.is_given_goodwill()
    after = now_in(book)
    assert (after.difference, after.covered) == (3_100 - GIVEN, False)
    fact = {"fact_id": uuid4(), "reference": "S", **envelope(None)}
    credit.do(AddCapital(money=kes(GIVEN - 3_100), **fact))
    assert (now_in(book).difference, now_in(book).covered) == (0, True)
    credit.close()


def test_the_credit_of_many_fans_is_one_part_however_it_is_looked_back_at(
    book: BookLocation, ledger: Ledger
) -> None:
    accounts = [fan_funds(uuid4(), FanFunds.GOODWILL) for _ in range(3)]
    for number, account in enumerate(accounts, 1):
        given = entry("KES", (GOODWILL, number), (account, -number))
        done(ledger, propose(PostAdjustment(adjustment_id=uuid4(), entry=given, reason=REASON)))
    naive = Naive(book.database)

    async def owed_to_fans(reader: Reader) -> list[int]:
        found = [
            await coverage(reader, as_of_position=position) for position in range(2, naive.head + 1)
        ]
        return [each.currencies[0].owed.fans for each in found]

    assert asker(book)(owed_to_fans) == [1, 1, 1, 3, 3, 3, 6, 6]
