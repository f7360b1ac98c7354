"""The sandbox operator's statement.

`transaction,type,status,reference,amount,currency,fee,occurred_at,balance,related`: amounts in
major units with their sign, times in ISO 8601 with an offset, a fee in the row of its payment or in
a row of its own, whose `related` is the payment's transaction. The references are those of its
callbacks (api/providers/sandbox_reports.py).
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

SANDBOX: Final = StatementMapping(
    provider="sandbox",
    id=("transaction",),
    names=("transaction",),
    own=("reference",),
    related=("related",),
    time=("occurred_at",),
    kind=("type",),
    kinds={
        "payment": Kind.PAYMENT,
        "till": Kind.PAYMENT,
        "refund": Kind.REFUND,
        "payout": Kind.PAYOUT,
        "fee": Kind.FEE,
        "dispute": Kind.DISPUTE,
        "settlement": Kind.SETTLEMENT,
        "funding": Kind.TRANSFER,
    },
    status=("status",),
    done=frozenset({"succeeded", "paid", "completed", "returned"}),
    failed=frozenset({"failed"}),
    amount=("amount",),
    fee=("fee",),
    currency=("currency",),
    balance=("balance",),
)
