"""M-Pesa: the statement that an organisation exports from its portal.

Published exports agree on these columns: `Receipt No.`, `Completion Time`, `Initiation Time`,
`Details`, `Transaction Status`, `Paid In`, `Withdrawn`, `Balance`, `Balance Confirmed`, `Reason
Type`, `Other Party Info`, `Linked Transaction ID`, `A/C No.`, under a few lines about the
organisation. They differ in this:

- `Reason Type` is missing in shorter exports; then the beginning of `Details` says the kind.
- Times are `03-02-2026 10:15:00` (day first) or `2026-02-03 10:15:00`; both are East Africa Time.
- Withdrawals are written with a sign and without.
- A charge has the receipt of the transaction that it is for, in a row of its own.
- The currency is not written: it is the country's (`HESABU_STATEMENT_COLUMNS` says another).

A statement is of one account of the organisation: say which (`collection` or `disbursement`) when
it is uploaded. The ledger may know a prompt's payment by its CheckoutRequestID, which no statement
has, so a line is found by its receipt or by our reference in `A/C No.`, and nothing that is missing
is recorded by itself: a callback that comes late could name the same money otherwise.

`Other Party Info` and `Details` hold names and phone numbers: the first is not read, and of the
second only its beginning.
"""

from __future__ import annotations

from typing import Final

from api.provider_statements.mapping import Kind, StatementMapping

DARAJA: Final = StatementMapping(
    provider="daraja",
    id=("Receipt No.", "Receipt"),
    names=("Receipt No.", "Receipt"),
    own=("A/C No.", "Account No."),
    related=("Linked Transaction ID",),
    time=("Completion Time",),
    time_formats=("%d-%m-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M", "%d/%m/%Y %H:%M:%S"),
    zone="Africa/Nairobi",
    kind=("Reason Type", "Details"),
    kinds={
        "pay bill": Kind.PAYMENT,
        "paybill": Kind.PAYMENT,
        "pay utility": Kind.PAYMENT,
        "customer payment": Kind.PAYMENT,
        "merchant payment": Kind.PAYMENT,
        "buy goods": Kind.PAYMENT,
        "pay bill charge": Kind.FEE,
        "paybill charge": Kind.FEE,
        "business pay bill charge": Kind.FEE,
        "charge": Kind.FEE,
        "b2c charge": Kind.FEE,
        "business payment charge": Kind.FEE,
        "pay bill reversal": Kind.REFUND,
        "transaction reversal": Kind.REFUND,
        "reversal": Kind.REFUND,
        "business payment": Kind.PAYOUT,
        "promotion payment": Kind.PAYOUT,
        "salary payment": Kind.PAYOUT,
        "organization settle": Kind.SETTLEMENT,
        "organization settlement": Kind.SETTLEMENT,
        "organisation settle": Kind.SETTLEMENT,
        "merchant to bank": Kind.SETTLEMENT,
        "settlement": Kind.SETTLEMENT,
        "organization transfer": Kind.TRANSFER,
        "working account to": Kind.TRANSFER,
        "utility account to": Kind.TRANSFER,
        "transfer of funds": Kind.TRANSFER,
    },
    status=("Transaction Status", "Status"),
    done=frozenset({"completed"}),
    failed=frozenset({"failed", "declined", "cancelled"}),
    paid_in=("Paid In",),
    withdrawn=("Withdrawn",),
    currency=("Currency",),
    fixed_currency="KES",
    balance=("Balance",),
    named_as_in_callbacks=False,
)
