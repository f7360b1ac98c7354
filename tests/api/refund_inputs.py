"""Requests about refunds, disputes and the inbox, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Final

from tests.api.book_inputs import NOT_A_KIND, NOT_A_REASON, NOT_MONEY
from tests.api.wrong_values import NOT_A_CURRENCY, NOT_A_UUID, NOT_AN_AMOUNT, Request

ID: Final = "00000000-0000-4000-8000-000000000005"
REASON: Final = "the concert was called off"

REFUND: Final = Request(
    "refund",
    "POST",
    f"/payments/{ID}/refunds",
    {"money": {"amount": 100, "currency": "KES"}, "reason": REASON, "request_id": ID},
    {
        # Without it all that is left is meant.
        "money": tuple(wrong for wrong in NOT_MONEY if wrong != "null"),
        "money.amount": NOT_AN_AMOUNT,
        "money.currency": NOT_A_CURRENCY,
        "reason": NOT_A_REASON,
        "request_id": NOT_A_UUID,
    },
    frozenset({"money", "request_id"}),
)
WISH: Final = Request(
    "wish",
    "POST",
    f"/payments/{ID}/refund-requests",
    {"wish": "not_received"},
    {"wish": NOT_A_KIND},
)
DECLINE: Final = Request(
    "decline",
    "POST",
    f"/payments/{ID}/refund-requests/{ID}/decline",
    {"reason": REASON},
    {"reason": NOT_A_REASON},
)
EVIDENCE: Final = Request(
    "evidence",
    "POST",
    f"/admin/payments/{ID}/disputes/D-1/evidence",
    {"note": "the delivery note was sent"},
    {"note": NOT_A_REASON},
)
REPROCESS: Final = Request(
    "reprocess",
    "POST",
    f"/admin/inbox/{ID}/reprocess",
    {"reason": REASON},
    {"reason": NOT_A_REASON},
)
IGNORE: Final = Request(
    "ignore", "POST", f"/admin/inbox/{ID}/ignore", {"reason": REASON}, {"reason": NOT_A_REASON}
)
REFUND_REQUESTS: Final = (REFUND, WISH, DECLINE, EVIDENCE, REPROCESS, IGNORE)
