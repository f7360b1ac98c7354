"""Stripe: the itemised balance report (`balance_change_from_activity.itemized.3`, and payouts').

As documented under reports/report-types/balance: `balance_transaction_id`, `created_utc`,
`created`, `available_on`, `currency`, `gross`, `fee`, `net`, `reporting_category`, `source_id`,
`charge_id`, `payment_intent_id`, `automatic_payout_id`, `payment_metadata[…]`. The report's amounts
are in **major** units, with a sign, and `net` is `gross` less `fee`.

Sources differ about amounts: an export of balance *transactions* as the API has them is in Stripe's
own smallest units, where UGX has two decimals although ISO 4217 gives it none. Such a file needs
`units` to be `minor`; then 50000 of `ugx` are 500 shillings. Taken literally it would be a hundred
times too much.

Callbacks name the payment intent, so that is what a charge is called here; refunds and disputes are
named by `source_id`. Our payment's id is in `payment_metadata[payment_id]`, if the report was asked
for it; what does not say so may be another product's of the same account, and is for a person. A
payout of Stripe's is our settlement.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

STRIPE: Final = StatementMapping(
    provider="stripe",
    covers=("collection",),
    id=("balance_transaction_id", "id"),
    names=("payment_intent_id", "charge_id", "source_id"),
    other_names=("source_id", "payout_id"),
    own=("refund_metadata[refund]", "payment_metadata[payment_id]"),
    related=("payment_intent_id", "charge_id"),
    time=("created_utc", "created", "effective_at_utc", "effective_at"),
    time_formats=("iso", "%Y-%m-%d %H:%M:%S"),
    kind=("reporting_category", "type"),
    kinds={
        "charge": Kind.PAYMENT,
        "payment": Kind.PAYMENT,
        "charge failure": Kind.REFUND,
        "refund": Kind.REFUND,
        "payment refund": Kind.REFUND,
        "partial capture reversal": Kind.REFUND,
        "refund failure": Kind.REFUND_RETURNED,
        "dispute": Kind.DISPUTE,
        "dispute reversal": Kind.DISPUTE_RETURNED,
        "payout": Kind.SETTLEMENT,
        "payout reversal": Kind.OTHER,
        "fee": Kind.FEE,
        "network cost": Kind.FEE,
        "stripe fee": Kind.FEE,
    },
    amount=("gross", "amount"),
    fee=("fee",),
    fee_name="fee:{}",
    currency=("currency",),
    unit_exponents={"UGX": 2},
    is_shared=True,
)
