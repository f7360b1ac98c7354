"""A month at a provider: what it did, what of it we heard, and what its statement says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from ledger.commands import (
    Claim,
    FeeReport,
    IdempotencyKey,
    ProviderReport,
    RecordFeeReport,
    RecordReport,
)
from ledger.money import Money
from ledger.receipt import receipt_id
from tests.api.provider_statements.files import Row
from tests.builders import (
    PROVIDER,
    initiate_payment,
    record_submitted,
    register_creator,
    start_submission,
)

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.decisions import LedgerCommand

BATCH: Final = 500
FEE_IN: Final = 5
"""Of every fifth payment the provider tells its fee by a callback."""


@dataclass
class Payment:
    """A payment that the provider took, whether we heard of it or not."""

    payment_id: UUID
    creator_id: UUID
    amount: int
    transaction: str
    at: datetime
    fee: int = 0
    is_lost: bool = False
    copies: int = 1

    @property
    def row(self) -> Row:
        return Row(
            self.transaction, "payment", self.amount, self.at, reference=str(self.payment_id)
        )

    @property
    def fee_row(self) -> Row:
        return Row(f"F-{self.transaction}", "fee", -self.fee, self.at, related=self.transaction)

    def success(self) -> RecordReport:
        report = ProviderReport(
            provider=PROVIDER,
            payment_id=self.payment_id,
            claim=Claim.SUCCEEDED,
            provider_transaction=self.transaction,
            received=Money(amount=self.amount, currency="KES"),
            occurred_at=self.at,
        )
        return RecordReport(
            report=report,
            receipt_id=receipt_id(provider=PROVIDER, transaction=self.transaction),
            settlement_delay_seconds=3_600,
            **_by_callback(),
        )

    def fee_charged(self) -> RecordFeeReport:
        report = FeeReport(
            provider=PROVIDER,
            payment_id=self.payment_id,
            fee_reference=f"F-{self.transaction}",
            fee=Money(amount=self.fee, currency="KES"),
            occurred_at=self.at,
        )
        return RecordFeeReport(report=report, borne_by="platform", **_by_callback())


def _by_callback() -> dict[str, Any]:
    return {
        "key": IdempotencyKey(f"callback:{PROVIDER}", str(uuid4())),
        "actor": f"provider:{PROVIDER}",
        "correlation_id": uuid4(),
        "causation_id": f"callback:{uuid4()}",
    }


@dataclass
class Month:
    """What happened, and the statement with what is wrong in it."""

    payments: list[Payment]
    rows: list[Row] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    extra: int = 0

    def pending(self) -> dict[UUID, int]:
        """What each creator has earned: gross less ten per cent, and VAT on that."""
        earned: dict[UUID, int] = {}
        for each in self.payments:
            fee = -(-each.amount // 10)
            vat = (2 * fee * 1_600 + 10_000) // 20_000
            earned[each.creator_id] = earned.get(each.creator_id, 0) + each.amount - fee - vat
        return earned


def play(ledger: Ledger, count: int, seed: int, creators: int = 20) -> Month:
    """Payments of a month: one of a hundred callbacks is lost, one comes twice."""
    chance = Random(seed)
    people = [uuid4() for _ in range(creators)]
    _execute(ledger, [register_creator(each) for each in people])
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=28)
    payments = [
        Payment(
            payment_id=uuid4(),
            creator_id=chance.choice(people),
            amount=chance.randrange(1_000, 500_000),
            transaction=f"T{seed}-{number:06}",
            at=first + timedelta(seconds=chance.randrange(27 * 24 * 3600)),
            fee=chance.randrange(1, 500) if number % FEE_IN == 0 else 0,
            is_lost=chance.random() < 0.01,
            copies=2 if chance.random() < 0.01 else 1,
        )
        for number in range(count)
    ]
    _execute(
        ledger,
        [
            initiate_payment(each.creator_id, each.amount, payment_id=each.payment_id)
            for each in payments
        ],
    )
    _execute(ledger, [start_submission(each.payment_id) for each in payments])
    _execute(ledger, [record_submitted(each.payment_id) for each in payments])
    heard = [each for each in payments if not each.is_lost]
    _execute(ledger, [each.success() for each in heard for _ in range(each.copies)])
    _execute(ledger, [each.fee_charged() for each in heard if each.fee])
    return Month(payments)


def state(month: Month, seed: int) -> Month:
    """Write the month's statement: most of it right, in an order of its own."""
    chance = Random(seed)
    rows = [each.row for each in month.payments]
    rows += [each.fee_row for each in month.payments if each.fee]
    chance.shuffle(rows)
    heard = {each.transaction for each in month.payments if not each.is_lost}
    fees = [row for row in rows if row.type == "fee" and row.related in heard]
    for row in fees[:3]:
        rows.remove(row)
        month.wrong["ledger_only"] += 1
    for place, row in enumerate(rows):
        if row.type == "payment" and row.transaction in heard:
            rows[place] = replace(row, amount=row.amount + 1)
            month.wrong["amount_differs"] += 1
            if month.wrong["amount_differs"] == 4:
                break
    for number in range(5):
        rows.append(Row(f"X{seed}-{number}", "payment", 777, month.payments[0].at))
        month.extra += 777
    rows.append(Row(f"B{seed}", "bonus", 50, month.payments[0].at))
    month.wrong["unknown_kind"] += 1
    for _ in range(10):
        rows.insert(chance.randrange(len(rows)), chance.choice(rows))
    month.rows = rows
    return month


def _execute(ledger: Ledger, commands: list[LedgerCommand]) -> None:
    for start in range(0, len(commands), BATCH):
        for outcome in ledger.execute(commands[start : start + BATCH]):
            assert outcome.error is None, outcome.error
