"""Requests about webhooks that we send, and what is wrong in each of their fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.api.payout_inputs import ID
from tests.api.wrong_values import DECEIVING, NOT_AN_INTEGER, NOT_TEXT, Request

URL: Final = "https://hooks.example.com/hesabu"
NOT_A_URL: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"http://zqzq.example.com/"', '"https://"',
    '"https://localhost/zqzq"', '"https://10.0.0.1/zqzq"', '"https://zqzq@hooks.example.com/"',
    f'"https://hooks.example.com/{"z" * 2_048}"', '"https://hooks.example.com:22/zqzq"',
)  # fmt: skip
NOT_TYPES: Final = (
    *("1", "true", "{}", "null", '"*"', "[]", "[1]", "[null]", '["zqzq"]', '["*", "zqzq"]'),
    '["payment.zqzq"]',
    f'["{"z" * 5_000}"]',
    '["*"' + ', "*"' * 200 + "]",
)
NOT_A_POSITION: Final = (*NOT_AN_INTEGER, str(2**63))

NEW_ENDPOINT: Final = Request(
    "webhook_endpoint",
    "POST",
    "/admin/webhook-endpoints",
    {"url": URL, "types": ["payment.succeeded"], "after_position": 0},
    {
        "url": NOT_A_URL,
        "types": NOT_TYPES,
        "after_position": tuple(each for each in NOT_A_POSITION if each != "null"),
    },
    frozenset({"types", "after_position"}),
)
CHANGED_ENDPOINT: Final = Request(
    "changed_webhook_endpoint",
    "PUT",
    "/admin/webhook-endpoints/00000000-0000-4000-8000-000000000024",
    {"url": URL, "types": ["*"], "enabled": True},
    {
        "url": NOT_A_URL,
        "types": NOT_TYPES,
        "enabled": ("1", "0", "null", '"true"', '"zqzq"', "[]", "{}"),
    },
)
REPLAY: Final = Request(
    "webhook_replay",
    "POST",
    "/admin/webhook-endpoints/00000000-0000-4000-8000-000000000024/replay",
    {"after_position": 0},
    {"after_position": NOT_A_POSITION},
)
OF_PLATFORM: Final = (NEW_ENDPOINT, CHANGED_ENDPOINT, REPLAY)


def _of_a_creator(request: Request) -> Request:
    """The same of a creator who is unknown, which is noticed before addresses and types are."""
    wrong = {
        field: tuple(each for each in values if "https:" not in each and "zqzq" not in each)
        for field, values in request.wrong.items()
    }
    path = request.path.replace("/admin/", f"/creators/{ID}/")
    return replace(request, name=f"{request.name}_of_a_creator", path=path, wrong=wrong)


OF_CREATORS: Final = tuple(_of_a_creator(each) for each in OF_PLATFORM)
ENDPOINT_REQUESTS: Final = (*OF_PLATFORM, *OF_CREATORS)
