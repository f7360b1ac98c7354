"""Airtel Money: the transaction report of the merchant portal.

Airtel publishes no reference of it, and it differs between countries and years: this reads the
names that reconciliation guides mention, and a deployment will mostly have to say in
`HESABU_STATEMENT_COLUMNS` what its own export calls them.

- `Transaction ID` (also `Airtel Money ID`) is the `airtel_money_id` of callbacks.
- `Reference` (also `Partner Transaction ID`, `External Reference`) is the id that we sent.
- The amount stands in `Amount` with a `Transaction Type` that says which way it went, or in
  `Credit` and `Debit`.
- Times are day first, with and without seconds, in the country's time.

A payout is called by our own reference on every way that we learn of it, so one that only the
statement has is for a person, as what else is named otherwise than in callbacks.

`Sender MSISDN`, `Receiver MSISDN` and names are not read.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

AIRTEL: Final = StatementMapping(
    provider="airtel",
    id=("Transaction ID", "Airtel Money ID"),
    names=("Airtel Money ID", "Transaction ID"),
    own=("Reference", "Partner Transaction ID", "External Reference", "Reference ID"),
    related=("Original Transaction ID", "Parent Transaction ID"),
    time=("Transaction Date", "Transaction Date and Time", "Date"),
    time_formats=(
        *("%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d-%b-%Y %H:%M:%S"),
        *("%Y-%m-%d %H:%M:%S", "iso"),
    ),
    zone="Africa/Kampala",
    kind=("Transaction Type", "Service Type", "Type"),
    kinds={
        "merchant payment": Kind.PAYMENT,
        "collection": Kind.PAYMENT,
        "payment": Kind.PAYMENT,
        "bill payment": Kind.PAYMENT,
        "disbursement": Kind.PAYOUT,
        "payout": Kind.PAYOUT,
        "b2c": Kind.PAYOUT,
        "refund": Kind.REFUND,
        "reversal": Kind.REFUND,
        "charge": Kind.FEE,
        "service charge": Kind.FEE,
        "fee": Kind.FEE,
        "settlement": Kind.SETTLEMENT,
        "wallet to bank": Kind.SETTLEMENT,
        "float transfer": Kind.TRANSFER,
    },
    status=("Status", "Transaction Status"),
    done=frozenset({"ts", "success", "successful", "transaction success", "completed"}),
    failed=frozenset({"tf", "failed", "transaction failed"}),
    amount=("Amount", "Transaction Amount"),
    decides_sign=True,
    paid_in=("Credit",),
    withdrawn=("Debit",),
    fee=("Service Charge", "Charges", "Fee"),
    fee_name="fee:{}",
    currency=("Currency",),
    fixed_currency="UGX",
    balance=("Balance", "Post Balance"),
    records_payouts=False,
)
