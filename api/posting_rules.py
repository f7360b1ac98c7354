"""docs/posting-rules.md: who is debited and credited, as an accountant reads it.

Made from the code by `make docs`: what happened is said in the words of the event's class, and
debits and credits are what the rules answer for the examples of api/posting_examples.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.posting_amounts import CREATOR, CURRENCY, FAN, PLAN, PROVIDER, SPLIT
from api.posting_examples import GROUPS
from ledger import reversals
from ledger.accounts import side_of
from ledger.money import BASIS_POINTS, exponents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.posting_amounts import Example
    from ledger.journal_entry import Posting

TEXT: Final = """\
# Posting rules

Made from [ledger/postings.py](../ledger/postings.py) by `make docs`: change the rule, not this \
file. Every entry balances in every currency. It is built when its event is decided and stored \
inside the event, so a later change of a rule rewrites no history.

The examples are of a payment of {gross}, under a plan of {fee_rate} per cent and {vat_rate} per \
cent VAT on the fee: {fee} fee, {vat} VAT, and {net} for the creator. Where an event stands more \
than once, the case is said.

## The creator's part

```text
{creators_part}
```

{groups}

## The accounts

Assets and expenses grow by debits, all others by credits.

| account | side |
|---|---|
{accounts}
"""

GROUP: Final = """\
## {title}

| what happened | event | debit | credit |
|---|---|---|---|
{lines}"""


def posting_rules() -> str:
    """The document, as Markdown."""
    return TEXT.format(
        gross=f"{CURRENCY} {_major(SPLIT.gross, CURRENCY)}",
        fee_rate=_per_cent(PLAN.fee_basis_points),
        vat_rate=_per_cent(PLAN.vat_basis_points),
        fee=_major(SPLIT.fee, CURRENCY),
        vat=_major(SPLIT.vat, CURRENCY),
        net=_major(SPLIT.net, CURRENCY),
        creators_part=(reversals.__doc__ or "").strip(),
        groups="\n\n".join(
            GROUP.format(title=title, lines="\n".join(map(_line, examples)))
            for title, examples in GROUPS.items()
        ),
        accounts="\n".join(
            f"| `{_name(account)}` | {side_of(account)} |" for account in sorted(_accounts())
        ),
    )


def _line(example: Example) -> str:
    postings = () if example.entry is None else example.entry.postings
    debits = [_amount(posting) for posting in postings if posting.amount > 0]
    credits_ = [_amount(posting) for posting in postings if posting.amount < 0]
    what = f"{_sentence(example.event.__doc__)} {example.case}".strip()
    cells = (what, f"`{example.event.__name__}`", "<br>".join(debits), "<br>".join(credits_))
    return f"| {' | '.join(cells)} |"


def _sentence(docstring: str | None) -> str:
    """The first sentence of what an event's class says of itself."""
    return (docstring or "").partition("\n")[0].partition(". ")[0].removesuffix(".") + "."


def _amount(posting: Posting) -> str:
    currency = "" if posting.currency == CURRENCY else f" {posting.currency}"
    return f"`{_name(posting.account)}` {_major(abs(posting.amount), posting.currency)}{currency}"


def _name(account: str) -> str:
    """With a placeholder for the creator's or fan's id and for the provider's name."""
    account = account.replace(str(CREATOR), "{id}").replace(str(FAN), "{id}")
    return account.replace(f":{PROVIDER}", f":{{{PROVIDER}}}")


def _major(minor_units: int, currency: str) -> str:
    """Minor units as people write them: 125000 KES is `1,250.00`."""
    exponent = exponents()[currency]
    whole, part = divmod(minor_units, 10**exponent)
    return f"{whole:,}" + (f".{part:0{exponent}}" if exponent else "")


def _per_cent(basis_points: int) -> str:
    return f"{100 * basis_points / BASIS_POINTS:g}"


def _accounts() -> Iterator[str]:
    entries = [each.entry for examples in GROUPS.values() for each in examples]
    yield from {p.account for entry in entries if entry is not None for p in entry.postings}
