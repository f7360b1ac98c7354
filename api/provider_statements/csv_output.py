"""Items as CSV, for a spreadsheet that takes nothing in it for a formula.

A cell that a spreadsheet could take for one (OWASP, CSV injection) begins with an apostrophe.
"""

from __future__ import annotations

import csv
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from projections.reconciliation import Item

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

COLUMNS: Final = tuple(each.name for each in fields(Item))
FORMULAS: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "|",
    "%",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)


def write_items(output: TextIO, items: Iterable[Item]) -> int:
    """Write a header and a row an item; how many."""
    writer = csv.writer(output)
    writer.writerow(COLUMNS)
    count = 0
    for item in items:
        writer.writerow([harmless(getattr(item, column)) for column in COLUMNS])
        count += 1
    return count


def harmless(value: object) -> object:
    """A cell that is a number or a text, and never a formula."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    text = str(value)
    begins = text.startswith(FORMULAS) or text.lstrip().startswith(FORMULAS)
    return f"'{text}" if begins else text
