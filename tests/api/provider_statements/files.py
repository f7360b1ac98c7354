"""Statements as the sandbox operator writes them, and what reads them in tests."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from api.provider_statements.reconciler import Reconciled, Reconciler, pieces_of
from api.provider_statements.registry import MAPPINGS
from api.provider_statements.uploads import Upload
from projections.reader import Reader
from projections.reconciliation import items_page, statement_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from ledger.database.connections import BookLocation
    from projections.reconciliation import Item, ItemState, StatementReport

COLUMNS: Final = (
    *("transaction", "type", "status", "reference", "amount", "currency", "fee"),
    *("occurred_at", "balance", "related"),
)
ADMIN: Final = "admin:5b0c7c1e-2f55-4d4e-9a3a-0d6a5f1d7c11"
ANOTHER_ADMIN: Final = "admin:c1d2e3f4-5a6b-4c7d-8e9f-0a1b2c3d4e5f"


@dataclass(frozen=True)
class Row:
    """A row of the sandbox's statement; amounts in minor units of a currency with two digits."""

    transaction: str
    type: str
    amount: int
    occurred_at: datetime
    reference: str = ""
    currency: str = "KES"
    fee: int = 0
    balance: int | None = None
    related: str = ""
    status: str = "succeeded"

    def cells(self) -> list[str]:
        return [
            *(self.transaction, self.type, self.status, self.reference),
            *(major(self.amount), self.currency, major(self.fee) if self.fee else ""),
            self.occurred_at.isoformat(),
            *("" if self.balance is None else major(self.balance), self.related),
        ]


def major(amount: int) -> str:
    return str(Decimal(amount).scaleb(-2))


def as_csv(rows: Iterable[Row]) -> bytes:
    """The file."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(row.cells() for row in rows)
    return text.getvalue().encode()


def source_of(content: bytes, size: int = 64 * 1024) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(pieces_of(content, size))


def bring(
    reconciler: Reconciler,
    content: bytes,
    provider: str = "sandbox",
    **options: Any,  # noqa: ANN401 - as `Upload`
) -> Reconciled:
    """Bring a file, as an admin does over HTTP."""
    mapping = options.pop("mapping", MAPPINGS[provider])
    return reconciler.reconcile(
        Upload(
            mapping=mapping,
            source=source_of(content),
            covers=options.pop("covers", mapping.covers),
            actor=options.pop("actor", ADMIN),
            confirms=options.pop("confirms", True),
            **options,
        )
    )


def report(book: BookLocation, statement_id: UUID) -> StatementReport:
    """How far a statement agrees."""

    async def ask() -> StatementReport | None:
        async with Reader(book) as reader:
            return await statement_report(reader, statement_id)

    found = asyncio.run(ask())
    assert found is not None
    return found


def items(book: BookLocation, statement_id: UUID, state: ItemState | None = "open") -> list[Item]:
    """A statement's items, all pages of them."""

    async def ask() -> list[Item]:
        found: list[Item] = []
        async with Reader(book) as reader:
            told = await statement_report(reader, statement_id)
            assert told is not None
            cursor = None
            while True:
                some, cursor = await items_page(
                    reader, told.statement, state=state, cursor=cursor, limit=7
                )
                found += some
                if cursor is None:
                    return found

    return asyncio.run(ask())


def assert_it_adds_up(told: StatementReport) -> None:
    for total in (*told.totals, *told.ledger_only):
        assert total.matched + total.explained + total.open == total.total
        assert total.recorded <= total.total
