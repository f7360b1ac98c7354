"""Right requests to the routes about providers' statements, and who may send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from tests.api.role_rules import BY_ADMINS, MADE_BY_ADMINS, Route, Rule, same

if TYPE_CHECKING:
    from tests.api.deployment import Deployment

STATEMENTS: Final = "/admin/provider-statements"
EXPLAIN: Final = "/admin/reconciliation-items/{item_id}/explain"
REASON: Final = "The operator ran a campaign of its own."
HEADER: Final = "transaction,type,status,reference,amount,currency,fee,occurred_at,balance,related"
NO_DAY: Final = "2020-01-01"
"""A day on which nothing happened, so that nothing of it is missing in a statement."""
READ: Final = same(200, Role.ADMIN, Role.AUDITOR)

RULES: Final[dict[Route, Rule]] = {
    Route("POST", f"{STATEMENTS}/{{name}}"): MADE_BY_ADMINS,
    Route("GET", STATEMENTS): READ,
    Route("GET", f"{STATEMENTS}/{{name}}"): READ,
    Route("GET", f"{STATEMENTS}/{{statement_id}}/items"): READ,
    Route("POST", EXPLAIN): BY_ADMINS,
}


def statement_request(doors: Deployment, route: Route) -> dict[str, Any] | None:
    """Path, query and body for one of these routes; None for others. Each file is a new one."""
    if route not in RULES:
        return None
    match route:
        case Route("POST", path) if path == EXPLAIN:
            item = items_of(doors, brought(doors, odd_line()))[0]
            return {"path": path.replace("{item_id}", item["id"]), "json": {"reason": REASON}}
        case Route("POST", path):
            path = path.replace("{name}", "sandbox")
            return {"path": path, **csv_body(odd_line()), "params": {"first_day": "2026-11-01"}}
        case Route("GET", path) if path == STATEMENTS:
            return {"path": path, "params": {"limit": "2"}}
        case _:
            statement = str(brought(doors, odd_line())["id"])
            path = route.path.replace("{name}", statement).replace("{statement_id}", statement)
            return {"path": path}


def odd_line() -> str:
    """A line of which nobody knows what it is."""
    at = datetime.now(UTC).isoformat()
    return f"X-{uuid4()},campaign,succeeded,,5.00,KES,,{at},,"


def csv_body(*lines: str) -> dict[str, Any]:
    """A file as httpx sends it."""
    content = "\n".join([HEADER, *lines, ""]).encode()
    return {"content": content, "headers": {"content-type": "text/csv"}}


def brought(doors: Deployment, *lines: str, provider: str = "sandbox") -> dict[str, Any]:
    """An admin brings a statement of these lines, about no day of the ledger; how it agrees."""
    request = {"params": {"first_day": NO_DAY, "last_day": NO_DAY}, **csv_body(*lines)}
    answer = doors.api.send(
        doors.admin, "POST", f"{STATEMENTS}/{provider}", key=str(uuid4()), **request
    )
    assert answer.is_success, answer.text
    report: dict[str, Any] = answer.json()["data"]
    return report


def items_of(doors: Deployment, report: dict[str, Any], **params: str) -> list[dict[str, Any]]:
    """What of a statement does not agree."""
    path = f"{STATEMENTS}/{report['id']}/items"
    answer = doors.api.send(doors.admin, "GET", path, params=params)
    assert answer.is_success, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]["items"]
    return found
