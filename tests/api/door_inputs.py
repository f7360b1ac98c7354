"""Requests about tokens, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Final

from tests.api.book_inputs import NOT_A_REASON, NOT_A_TIME, REASON
from tests.api.wrong_values import DECEIVING, NOT_A_UUID, NOT_TEXT, Request

OF_TOKEN: Final = Request(
    "token_revocation",
    "POST",
    "/admin/token-revocations",
    {"token_id": "token-1", "reason": REASON},
    {
        "token_id": (*NOT_TEXT, *DECEIVING, '""', f'"{"z" * 2_000}"'),
        "reason": NOT_A_REASON,
    },
    frozenset({"token_id"}),
    keyed=False,
)
OF_SUBJECT: Final = Request(
    "subject_revocation",
    "POST",
    "/admin/token-revocations",
    {
        "subject": "00000000-0000-4000-8000-000000000004",
        "not_before": "2026-11-05T09:00:00+03:00",
        "reason": REASON,
    },
    {"subject": NOT_A_UUID, "not_before": NOT_A_TIME, "reason": NOT_A_REASON},
    frozenset({"subject", "not_before"}),
    keyed=False,
)
DOOR_REQUESTS: Final = (OF_TOKEN, OF_SUBJECT)
