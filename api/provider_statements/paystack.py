"""Paystack: the transactions that its dashboard or `GET /transaction/export` gives.

Paystack documents the export and not its columns; what reads them agrees on `Reference`, `Amount`,
`Currency`, `Fees`, `Status`, `Channel` and a time, which is `Transaction Date` in newer exports and
`Paid At` or `Created At` in older ones. Sources differ in this:

- Amounts of the API and of webhooks are subunits; exports have major units with two decimals. An
  export that has subunits needs `units` to be `minor`.
- Statuses are `success`, `failed`, `abandoned` and `reversed`: money came and went again of the
  last, so the row moved nothing, and a refund is found by its callback.
- Times without an offset are Lagos time; those with a `Z` are UTC.

Transfers are called by a code that no export of transactions has, so they are for a person.

`Reference` is ours, the payment's id; `Id` is what callbacks name where an export has it. `Customer
(Email)` and card columns are not read.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

PAYSTACK: Final = StatementMapping(
    provider="paystack",
    covers=("collection",),
    id=("Id", "Transaction Id", "Reference"),
    names=("Id", "Transaction Id", "Reference"),
    own=("Reference",),
    related=("Transaction Reference",),
    time=("Transaction Date", "Paid At", "Created At", "Date"),
    time_formats=("iso", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%b %d, %Y %I:%M %p"),
    zone="Africa/Lagos",
    kind=("Type", "Transaction Type"),
    kinds={
        "": Kind.PAYMENT,
        "charge": Kind.PAYMENT,
        "payment": Kind.PAYMENT,
        "refund": Kind.REFUND,
        "chargeback": Kind.DISPUTE,
        "dispute": Kind.DISPUTE,
        "settlement": Kind.SETTLEMENT,
        "payout": Kind.SETTLEMENT,
        "fee": Kind.FEE,
    },
    status=("Status",),
    done=frozenset({"success", "successful"}),
    failed=frozenset({"failed"}),
    amount=("Amount", "Amount Paid"),
    decides_sign=True,
    fee=("Fees", "Transaction Fee"),
    fee_name="fee:{}",
    currency=("Currency",),
    fixed_currency="NGN",
)
