"""The book as a journal of hledger: a transaction an entry, and the balances that it must come to.

An account is called as in the ledger, below the root of its side: `creator:{id}:pending` is
`liabilities:creator:{id}:pending`. Take the root away and you have our name again. The date of a
transaction is the day in UTC on which it was recorded, so that transactions stand in the order of
positions and a month that is over stays as it is; when it took effect is a tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.accounts import Side, side_of
from ledger.money import exponents
from projections.exports.entries import account_batches, entry_pages
from projections.exports.scope import major_units, utc_text
from projections.trial_balance import account_pages, trial_balance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    from projections.exports.entries import Entry
    from projections.exports.scope import Scope
    from projections.reader import Reader
    from projections.trial_balance import AccountBalance

ROOTS: Final = {
    Side.ASSET: ("assets", "A"),
    Side.LIABILITY: ("liabilities", "L"),
    Side.INCOME: ("income", "R"),
    Side.EXPENSE: ("expenses", "X"),
    Side.EQUITY: ("equity", "E"),
}
"""The first part of an account's name, and its type in hledger."""


def hledger_account(account: str) -> str:
    """What it is called in hledger. Raises `KeyError` for a name not in the chart of accounts."""
    return f"{ROOTS[side_of(account)][0]}:{account}"


async def hledger_journal(reader: Reader, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the journal. Raises `ReadUnavailable`."""
    trial = await trial_balance(reader, as_of_position=scope.end)
    yield _head(scope, [each.currency for each in trial.currencies])
    async for accounts in account_batches(reader, scope.end):
        yield "".join(_declaration(account.name) for account in accounts).encode()
    day: date | None = None
    async for entries in entry_pages(reader, scope.end):
        if entries:
            yield "".join(_transaction(entry) for entry in entries).encode()
            day = entries[-1].day
    async for page in account_pages(reader, as_of_position=scope.end):
        if page.items and day is not None:
            yield _assertions(day, scope.end, page.items).encode()


def _head(scope: Scope, currencies: list[str]) -> bytes:
    commodities = "".join(
        # hledger wants to see the decimal mark, also where nothing follows it.
        f"commodity 1000.{'0' * exponents()[currency]} {currency}\n"
        for currency in currencies
    )
    return (
        f"; The log {scope.origin}, book {scope.book}, as of position {scope.end}.\n"
        "; Dates are the days in UTC on which entries were recorded; codes are positions.\n"
        f"\ndecimal-mark .\n\n{commodities}\n"
    ).encode()


def _declaration(account: str) -> str:
    return f"account {hledger_account(account)}  ; type: {ROOTS[side_of(account)][1]}\n"


def _transaction(entry: Entry) -> str:
    postings = "".join(
        f"    {hledger_account(account)}  {major_units(amount, currency)} {currency}\n"
        for account, currency, amount in entry.postings
    )
    return (
        f"\n{entry.day} * ({entry.position}) {entry.topic}\n"
        f"    ; topic: {entry.topic}\n"
        f"    ; stream: {entry.stream_id}, version: {entry.version}\n"
        f"    ; recorded-at: {utc_text(entry.recorded_at)}\n"
        f"    ; effective-at: {utc_text(entry.effective_at)}\n"
        f"{postings}"
    )


def _assertions(day: date, position: int, balances: list[AccountBalance]) -> str:
    """Nothing moves; each line says what must be there, after all that stands above it."""
    postings = "".join(
        f"    {hledger_account(each.account)}  {major_units(0, each.currency)} {each.currency}"
        f" = {major_units(each.balance, each.currency)} {each.currency}\n"
        for each in balances
    )
    return f"\n{day} * Balances as of position {position}\n{postings}"
