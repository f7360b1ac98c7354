"""Right requests to the routes about suspense, books and documents, and who may send them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from api.auth import Role
from ledger.application import Ledger
from ledger.commands import IssueDocument
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from ledger.document_numbers import document_number, series_id
from ledger.events import DocumentLine
from tests.api.role_rules import (
    BY_ADMINS,
    MADE_BY_ADMINS,
    READ_BY_ITS_CREATOR,
    Route,
    Rule,
    same,
)
from tests.builders import envelope

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person

NUMBERS: Final = count()
"""Each document is about a January of its own."""

LINE: Final = {"amount": 1_300, "currency": "KES"}
STATEMENTS: Final[dict[str, dict[str, Any]]] = {
    "settlements": {"provider": "sandbox", "settled": LINE, "fees": 15},
    "wallet-fundings": {"provider": "sandbox", "funded_from": "bank", "money": LINE},
    "bank-charges": {"money": LINE},
    "tax-remittances": {"tax": "vat", "money": LINE},
    "withdrawals": {"money": LINE},
    "capital": {"money": LINE},
    "exchanges": {
        "paid_from": "bank:settlement",
        "paid": LINE,
        "received_in": "provider:sandbox:disbursement",
        "received": {"amount": 10, "currency": "USD"},
        "rate_numerator": 1,
        "rate_denominator": 130,
    },
}
"""The body of each route that records a line of a statement, without its reference."""

RULES: Final[dict[Route, Rule]] = {
    Route("GET", "/admin/suspense"): BY_ADMINS,
    Route("POST", "/admin/proposals"): MADE_BY_ADMINS,
    Route("GET", "/admin/proposals/{proposal_id}"): BY_ADMINS,
    Route("POST", "/admin/proposals/{proposal_id}/approve"): BY_ADMINS,
    Route("POST", "/admin/proposals/{proposal_id}/reject"): BY_ADMINS,
    **{Route("POST", f"/admin/books/{path}"): MADE_BY_ADMINS for path in STATEMENTS},
    Route("GET", "/admin/coverage"): BY_ADMINS,
    # Nobody in a new book has earned anything in a month that is over.
    Route("POST", "/creators/{creator_id}/documents"): same(409, Role.ADMIN),
    Route("GET", "/creators/{creator_id}/documents"): READ_BY_ITS_CREATOR,
    Route("GET", "/creators/{creator_id}/documents/{number}"): READ_BY_ITS_CREATOR,
}


def adjustment(amount: int) -> dict[str, Any]:
    """A correction in favour of the platform's fees."""
    postings = [
        {"account": "expense:goodwill", "amount": amount, "currency": "KES"},
        {"account": "platform:fees", "amount": -amount, "currency": "KES"},
    ]
    return {"kind": "post_adjustment", "reason": "as agreed", "postings": postings}


def book_request(doors: Deployment, route: Route, creator: Person) -> dict[str, Any] | None:
    """Path and body for a route of these, about this creator; None for other routes."""
    if route not in RULES:
        return None
    path = route.path
    if "{proposal_id}" in path:
        path = path.replace("{proposal_id}", open_proposal(doors))
    if "{number}" in path:
        path = path.replace("{number}", issued_document(doors, creator))
    request: dict[str, Any] = {"path": path.replace("{creator_id}", str(creator.id))}
    match path.split("/")[1:]:
        case ["admin", "books", kind]:
            request["json"] = {"reference": f"FT{uuid4().hex}", **STATEMENTS[kind]}
        case ["admin", "proposals"]:
            request["json"] = adjustment(500)
        case [*_, "reject"]:
            request["json"] = {"reason": "ask the fan first"}
        case [*_, "documents"] if route.method == "POST":
            request["json"] = {"kind": "fee_invoice", "month": "2026-02"}
        case _:
            pass
    return request


def open_proposal(doors: Deployment) -> str:
    """What the deployment's own admin proposes, and a second one must agree to."""
    key, body = str(uuid4()), adjustment(1_000_001)
    answer = doors.api.send(doors.admin, "POST", "/admin/proposals", key=key, json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["data"]["id"])


def issued_document(doors: Deployment, creator: Person) -> str:
    """The number of a document of the creator, about a month in which nothing happened."""
    month = f"2{next(NUMBERS):03}-01"
    command = IssueDocument(
        series_id=series_id("fee_invoice", month),
        kind="fee_invoice",
        creator_id=creator.id,
        month=month,
        currency="KES",
        lines=(DocumentLine(what="platform_fees", amount=12_500),),
        up_to_position=0,
        **envelope(None),
    )
    ledger = Ledger(BookLocation(doors.database, DatabaseRole.APP))
    try:
        outcome = ledger.execute_one(command)
    finally:
        ledger.close()
    assert outcome.version is not None
    return document_number("fee_invoice", month, outcome.version)
