"""Names that a provider has for one transaction, and how one of them leads to the others.

What a report calls `also_known_as` is kept under the transaction's scope, name by name, so that the
same money is not taken twice. Whoever needs another name than the one they have adds the pair of
both: pairs of one transaction lie next to each other.
"""

from __future__ import annotations

from typing import Final

BETWEEN: Final = "="
BEHIND: Final = chr(ord(BETWEEN) + 1)


def paired(transaction: str, other: str) -> str:
    """A name that says that the two are the same; it is none that a provider has."""
    return f"{transaction}{BETWEEN}{other}"


def pairs_between(transaction: str) -> tuple[str, str]:
    """All pairs of a transaction are after the first of these and before the second."""
    return f"{transaction}{BETWEEN}", f"{transaction}{BEHIND}"


def other_of(transaction: str, pair: str) -> str:
    """The other name in a pair."""
    return pair.removeprefix(f"{transaction}{BETWEEN}")
