"""Flutterwave: the transactions that its dashboard exports, or a settlement's.

The names are those of the API's fields (v3, `GET /transactions` and `/settlements/{id}`), which
exports use with underscores or blanks: `id`, `tx_ref`, `flw_ref`, `amount`, `charged_amount`,
`app_fee`, `merchant_fee`, `status`, `currency`, `created_at`. Sources differ in this:

- `amount` is what was asked and `charged_amount` what was taken, which is more where the customer
  bears the fee: the ledger has what was asked.
- A settlement's rows have `charged_amount` and `settlement_amount`, and a day without a time
  (`transaction_date`): midnight in Lagos.
- Refunds and chargebacks are sums of a settlement, not rows of an export: the settlement of the
  bank then differs by them, and a person says so.

`tx_ref` is our reference, the payment's id; callbacks name `id`. E-mail addresses are not read.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

FLUTTERWAVE: Final = StatementMapping(
    provider="flutterwave",
    covers=("collection",),
    id=("id", "transaction id"),
    names=("id", "transaction id", "flw_ref"),
    own=("tx_ref", "transaction reference"),
    related=("parent_id",),
    time=("created_at", "transaction_date", "date"),
    time_formats=("iso", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"),
    zone="Africa/Lagos",
    kind=("type", "transaction_type"),
    kinds={
        "": Kind.PAYMENT,
        "charge": Kind.PAYMENT,
        "payment": Kind.PAYMENT,
        "credit": Kind.PAYMENT,
        "refund": Kind.REFUND,
        "chargeback": Kind.DISPUTE,
        "transfer": Kind.PAYOUT,
        "payout": Kind.PAYOUT,
        "settlement": Kind.SETTLEMENT,
        "fee": Kind.FEE,
    },
    status=("status",),
    done=frozenset({"successful", "success", "completed", "succeeded"}),
    failed=frozenset({"failed"}),
    amount=("amount", "charged_amount"),
    decides_sign=True,
    fee=("app_fee",),
    fee_name="fee:{}",
    currency=("currency",),
)
