"""Requests about suspense, books and documents, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Final

from tests.api.deployment import PHONE_PREFIX
from tests.api.wrong_values import (
    DECEIVING,
    NOT_A_CURRENCY,
    NOT_A_UUID,
    NOT_AN_AMOUNT,
    NOT_AN_INTEGER,
    NOT_TEXT,
    Request,
)

NOT_A_REASON: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zq"', '"   "', f'"{"z" * 501}"', '"zqzq@example.org"',
    f'"zqzq {PHONE_PREFIX}000"', '"zqzq 0709 481-000"', '"zqzq 0-7-0-9-4-8-1"',
    '"zqzq \u0660\u0667\u0660\u0669\u0664\u0668\u0661"',
)  # fmt: skip
NOT_A_KIND: Final = (*NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"')
NOT_A_PROVIDER: Final = (*NOT_TEXT, *DECEIVING, "null", '""', '"zqzq zqzq"', f'"{"z" * 41}"')
NOT_AN_ACCOUNT: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"bank:zqzq"', '"creator:zqzq:available"',
    '"bank:settlement "', '"BANK:SETTLEMENT"',
)  # fmt: skip
NOT_A_REFERENCE: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '" zqzq"', '"zqzq "', '"zqzq@zqzq"', '"\u00e9"',
    f'"{"z" * 129}"',
)  # fmt: skip
NOT_A_TIME: Final = (
    *NOT_TEXT, *DECEIVING, '""', '"zqzq"', '"5"', '"2026-11-05"', '"2026-11-05T09:00:00"',
    '"2026-13-05T09:00:00Z"', '"0001-01-01T00:00:00+14:00"', '"10000-01-01T00:00:00Z"', "1e400",
)  # fmt: skip
NOT_MONEY: Final = ("null", "1", '"zqzq"', "true", "[]", "[1]", "{}")
NOT_A_MONTH: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"2026-13"', '"2026-2"', '"1999-12"',
    '"2026-02-01"', '"2026-02 "',
)  # fmt: skip

ID: Final = "00000000-0000-4000-8000-000000000003"
RECEIPT: Final = {"stream_id": ID, "provider": "sandbox", "provider_transaction": "SB1"}
SHILLING: Final = {"amount": 100, "currency": "KES"}
REASON: Final = "The fan sent the rest by a second transfer."

RETURN: Final = Request(
    "return",
    "POST",
    "/admin/proposals",
    {"kind": "return_receipt", "reason": REASON, "receipt": RECEIPT},
    {
        "kind": NOT_A_KIND,
        "reason": NOT_A_REASON,
        "receipt": NOT_MONEY,
        "receipt.stream_id": (*NOT_A_UUID, "null"),
        "receipt.provider": NOT_A_PROVIDER,
        "receipt.provider_transaction": (*NOT_TEXT, *DECEIVING, "null", '""', f'"{"z" * 256}"'),
    },
)
ALLOCATION: Final = Request(
    "allocation",
    "POST",
    "/admin/proposals",
    {"kind": "allocate_receipts", "reason": REASON, "payment_id": ID, "receipts": [RECEIPT]},
    {
        "payment_id": (*NOT_A_UUID, "null"),
        "receipts": (*NOT_TEXT, "null", '"zqzq"', "[[]]", "[{}]", "[null]"),
        "receipts.0.stream_id": (*NOT_A_UUID, "null"),
    },
)
ADJUSTMENT: Final = Request(
    "adjustment",
    "POST",
    "/admin/proposals",
    {
        "kind": "post_adjustment",
        "reason": REASON,
        "postings": [
            {"account": "expense:goodwill", "amount": 100, "currency": "KES"},
            {"account": "platform:fees", "amount": -100, "currency": "KES"},
        ],
    },
    {
        "reason": NOT_A_REASON,
        "postings": (*NOT_TEXT, "null", '"zqzq"', "[{}, {}]", "[null, null]"),
        "postings.0.account": NOT_AN_ACCOUNT,
        "postings.1.amount": tuple(wrong for wrong in NOT_AN_AMOUNT if wrong != "-1"),
        "postings.1.currency": NOT_A_CURRENCY,
    },
)
WRITE_OFF: Final = Request(
    "write_off",
    "POST",
    "/admin/proposals",
    {"kind": "write_off_debt", "reason": REASON, "creator_id": ID, "debt": SHILLING},
    {
        "creator_id": (*NOT_A_UUID, "null"),
        "debt": NOT_MONEY,
        "debt.amount": NOT_AN_AMOUNT,
        "debt.currency": NOT_A_CURRENCY,
    },
)
REJECTION: Final = Request(
    "rejection",
    "POST",
    f"/admin/proposals/{ID}/reject",
    {"reason": REASON},
    {"reason": NOT_A_REASON},
)
SETTLEMENT: Final = Request(
    "settlement",
    "POST",
    "/admin/books/settlements",
    {
        "reference": "FT1",
        "occurred_at": "2026-11-05T09:00:00+03:00",
        "provider": "sandbox",
        "settled": SHILLING,
        "fees": 1,
    },
    {
        "reference": NOT_A_REFERENCE,
        "occurred_at": NOT_A_TIME,
        "provider": (*NOT_A_PROVIDER, '"zqzq"'),
        "settled": NOT_MONEY,
        "settled.amount": NOT_AN_AMOUNT,
        "settled.currency": NOT_A_CURRENCY,
        "fees": (*NOT_AN_INTEGER, str(10**15 + 1)),
    },
    frozenset({"occurred_at", "fees"}),
)
EXCHANGE: Final = Request(
    "exchange",
    "POST",
    "/admin/books/exchanges",
    {
        "reference": "FT1",
        "paid_from": "bank:settlement",
        "paid": SHILLING,
        "received_in": "bank:settlement",
        "received": {"amount": 1, "currency": "USD"},
        "rate_numerator": 1,
        "rate_denominator": 100,
    },
    {
        "paid_from": (*NOT_AN_ACCOUNT, '"provider:zqzq:collection"'),
        "paid": NOT_MONEY,
        "received_in": (*NOT_AN_ACCOUNT, '"provider:zqzq:collection"'),
        "received": NOT_MONEY,
        "rate_numerator": (*NOT_AN_INTEGER, "0", str(10**12 + 1)),
        "rate_denominator": (*NOT_AN_INTEGER, "0", str(10**12 + 1)),
    },
)
OF_LINE: Final = {
    "reference": NOT_A_REFERENCE,
    "occurred_at": NOT_A_TIME,
    "money": NOT_MONEY,
    "money.amount": NOT_AN_AMOUNT,
    "money.currency": NOT_A_CURRENCY,
}


def line(
    path: str, more: dict[str, str] | None = None, wrong: dict[str, tuple[str, ...]] | None = None
) -> Request:
    """A line of a statement with an amount, and what else this kind of line has."""
    body = {"reference": "FT1", "occurred_at": "2026-11-05T09:00:00+03:00", "money": SHILLING}
    return Request(
        path,
        "POST",
        f"/admin/books/{path}",
        {**body, **(more or {})},
        {**OF_LINE, **(wrong or {})},
        frozenset({"occurred_at"}),
    )


LINES: Final = (
    line("bank-charges"),
    line("withdrawals"),
    line("capital"),
    line("tax-remittances", {"tax": "vat"}, {"tax": NOT_A_KIND}),
    line(
        "wallet-fundings",
        {"provider": "sandbox", "funded_from": "bank"},
        {"provider": NOT_A_PROVIDER, "funded_from": NOT_A_KIND},
    ),
)
DOCUMENT: Final = Request(
    "document",
    "POST",
    f"/creators/{ID}/documents",
    {"kind": "fee_invoice", "month": "2026-02"},
    {"kind": NOT_A_KIND, "month": NOT_A_MONTH},
)
BOOK_REQUESTS: Final = (
    RETURN,
    ALLOCATION,
    ADJUSTMENT,
    WRITE_OFF,
    REJECTION,
    SETTLEMENT,
    EXCHANGE,
    *LINES,
    DOCUMENT,
)
