"""Requests about tokens, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Final

from tests.api.book_inputs import NOT_A_REASON, NOT_A_TIME, REASON
from tests.api.wrong_values import DECEIVING, NOT_A_UUID, NOT_AN_INTEGER, NOT_TEXT, Request

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
PERSON: Final = "00000000-0000-4000-8000-000000000004"
ERASURE: Final = Request(
    "erasure",
    "POST",
    "/admin/erasures",
    {"person_id": PERSON, "reason": REASON},
    {"person_id": NOT_A_UUID, "reason": NOT_A_REASON},
    keyed=False,
)
VAULT_LOOK: Final = Request(
    "vault_look",
    "POST",
    "/admin/vault-looks",
    {"person_id": PERSON, "kind": "phone", "reason": REASON},
    {
        "person_id": NOT_A_UUID,
        "kind": (*NOT_TEXT, *DECEIVING, "null", '""', '"card"', '"zqzq"'),
        "reason": NOT_A_REASON,
    },
    keyed=False,
)
EXPLANATION: Final = Request(
    "explanation",
    "POST",
    f"/admin/reconciliation-items/{PERSON}/explain",
    {"reason": REASON},
    {"reason": NOT_A_REASON},
)
WHAT_IF: Final = Request(
    "what_if",
    "POST",
    "/audit/what-if",
    {
        "platform_fee_basis_points": 500,
        "creator_id": PERSON,
        "from_position": 1,
        "from_time": "2026-11-05T09:00:00+03:00",
    },
    {
        "platform_fee_basis_points": (*NOT_AN_INTEGER, "-1", "10001"),
        "creator_id": tuple(each for each in NOT_A_UUID if each != "null"),
        "from_position": (*NOT_AN_INTEGER, "0", str(2**63)),
        "from_time": tuple(each for each in NOT_A_TIME if each != "null"),
    },
    frozenset({"creator_id", "from_position", "from_time"}),
    keyed=False,
)
DOOR_REQUESTS: Final = (OF_TOKEN, OF_SUBJECT, ERASURE, VAULT_LOOK, EXPLANATION, WHAT_IF)
