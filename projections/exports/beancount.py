"""The book as a file of beancount: a transaction an entry, and the balances that it must come to.

Its names of accounts begin with one of five words, and each part with a capital letter or a digit;
there is no underscore. So `creator:{id}:in_transit` is `Liabilities:Creator:{id}:In-transit`: below
the root of its side each part has its first letter as a capital and a dash for an underscore. A
part that begins with an underscore has XX before it, which no other begins with. To read one: take
the root away; lower the first letter of each part, or take XX away; and but for the id of a creator
or a fan, dashes are underscores. Our own name is also beside each `open`, as metadata.

The date of a transaction is the day in UTC on which it was recorded. A balance of beancount is that
of the beginning of a day, so the balances stand on the day after the last entry.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ledger.accounts import Side, side_of
from projections.exports.entries import account_batches, entry_pages, first_day
from projections.exports.scope import major_units, utc_text
from projections.trial_balance import account_pages, trial_balance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    from projections.exports.entries import Account, Entry
    from projections.exports.scope import Scope
    from projections.reader import Reader
    from projections.trial_balance import AccountBalance

ROOTS: Final = {
    Side.ASSET: "Assets",
    Side.LIABILITY: "Liabilities",
    Side.INCOME: "Income",
    Side.EXPENSE: "Expenses",
    Side.EQUITY: "Equity",
}
ESCAPE: Final = "XX"
DAY: Final = timedelta(days=1)


def beancount_account(account: str) -> str:
    """What it is called in beancount. Raises `KeyError` for a name not in the chart."""
    return ":".join([ROOTS[side_of(account)], *(_part(part) for part in account.split(":"))])


async def beancount_file(reader: Reader, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the file. Raises `ReadUnavailable`."""
    trial = await trial_balance(reader, as_of_position=scope.end)
    yield _head(scope, [each.currency for each in trial.currencies])
    day = await first_day(reader)
    async for accounts in account_batches(reader, scope.end):
        if day is not None:
            yield "".join(_opening(day, account) for account in accounts).encode()
    async for entries in entry_pages(reader, scope.end):
        if entries:
            yield "".join(_transaction(entry) for entry in entries).encode()
            day = entries[-1].day
    yield b"\n"
    async for page in account_pages(reader, as_of_position=scope.end):
        if day is not None:
            yield "".join(_balance(day + DAY, each) for each in page.items).encode()


def _part(part: str) -> str:
    name = part[:1].upper() + part[1:].replace("_", "-")
    return f"{ESCAPE}-{name[1:]}" if part.startswith("_") else name


def _head(scope: Scope, currencies: list[str]) -> bytes:
    used = "".join(f'option "operating_currency" "{currency}"\n' for currency in currencies)
    return (
        "; Dates are the days in UTC on which entries were recorded. Balances are exact.\n"
        f'option "title" "{scope.origin}, book {scope.book}, as of position {scope.end}"\n'
        f"{used}\n"
    ).encode()


def _opening(day: date, account: Account) -> str:
    return (
        f"{day} open {beancount_account(account.name)} {','.join(account.currencies)}\n"
        f'  account: "{account.name}"\n'
    )


def _transaction(entry: Entry) -> str:
    postings = "".join(
        f"  {beancount_account(account)}  {major_units(amount, currency)} {currency}\n"
        for account, currency, amount in entry.postings
    )
    return (
        f'\n{entry.day} * "{entry.topic}"\n'
        f"  position: {entry.position}\n"
        f'  topic: "{entry.topic}"\n'
        f'  stream: "{entry.stream_id}"\n'
        f"  version: {entry.version}\n"
        f'  recorded-at: "{utc_text(entry.recorded_at)}"\n'
        f'  effective-at: "{utc_text(entry.effective_at)}"\n'
        f"{postings}"
    )


def _balance(day: date, each: AccountBalance) -> str:
    # Without a tolerance of nothing a difference of one minor unit would pass.
    return (
        f"{day} balance {beancount_account(each.account)}"
        f"  {major_units(each.balance, each.currency)} ~ 0 {each.currency}\n"
    )
