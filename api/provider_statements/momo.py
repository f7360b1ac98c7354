"""MTN MoMo: the transaction report of the partner portal.

No public reference of MTN's describes it; what reads exports of several countries agrees on `Id`,
`External Transaction Id`, `Date`, `Status`, `Type`, `From`, `From Name`, `From Handler Name`, `To`,
`To Name`, `To Handler Name`, `Amount`, `Fee`, `Balance`, with a column `Currency` behind each of
the last three. They differ in this:

- `Id` is written `Id` or `Transaction Id`; it is the `financialTransactionId` of callbacks.
- `External Transaction Id` (also `External Id`) is our `externalId`, the payment's id.
- Times are `2026-03-05 10:15:00`, `05/03/2026 10:15:00` or `05/03/2026 10:15`; where a country's
  export puts the month first, `time_formats` must say so, since no reader can know.
- Money that leaves is negative; an export without signs needs `decides_sign`.
- `Currency` stands in the header three times and is the same in each: the first one is read.

`From` and `To` with their names are not read.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

MOMO: Final = StatementMapping(
    provider="momo",
    id=("Id", "Transaction Id", "Financial Transaction Id"),
    names=("Id", "Transaction Id", "Financial Transaction Id"),
    own=("External Transaction Id", "External Id"),
    related=("Original Transaction Id",),
    time=("Date", "Transaction Date"),
    time_formats=(
        *("iso", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"),
        "%d-%m-%Y %H:%M:%S",
    ),
    zone="Africa/Kampala",
    kind=("Type", "Transaction Type"),
    kinds={
        "payment": Kind.PAYMENT,
        "debit": Kind.PAYMENT,
        "external payment": Kind.PAYMENT,
        "collection": Kind.PAYMENT,
        "transfer": Kind.PAYOUT,
        "batch transfer": Kind.PAYOUT,
        "external transfer": Kind.PAYOUT,
        "disbursement": Kind.PAYOUT,
        "deposit": Kind.PAYOUT,
        "refund": Kind.REFUND,
        "reversal": Kind.REFUND,
        "fee": Kind.FEE,
        "commission": Kind.FEE,
        "float transfer": Kind.TRANSFER,
        "cash out": Kind.SETTLEMENT,
        "bank transfer": Kind.SETTLEMENT,
        "settlement": Kind.SETTLEMENT,
    },
    status=("Status",),
    done=frozenset({"successful", "success", "completed"}),
    failed=frozenset({"failed"}),
    amount=("Amount",),
    fee=("Fee",),
    fee_name="fee:{}",
    currency=("Currency",),
    fixed_currency="UGX",
    balance=("Balance",),
    repeated=("Currency",),
)
