"""Every error by its code: its status, its message and what to do. docs/errors.md is made of it.

The ledger's own say what they are themselves (ledger/errors.py); what a door answers of itself is
said here once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ledger import errors
from ledger.errors import LedgerError
from projections.account_changes import PositionsReversed
from projections.models.earnings import RangeTooLong
from projections.proofs import NoCheckpoint, NoSuchTile, NotSealedYet
from projections.statements import MonthNotBegun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.errors import DoorCode

EXAMPLES: Final = "#/components/examples/"
REQUEST_ID: Final = "00000000-0000-7000-8000-0000000000ff"


class Door(NamedTuple):
    """An error that a door answers of itself."""

    status: int
    message: str
    advice: str


DOORS: Final[dict[DoorCode, Door]] = {
    "validation_error": Door(
        400,
        "The request is not valid. Correct the fields named in details.",
        "Correct the fields that `details` name.",
    ),
    "invalid_json": Door(
        400, "The body is not valid JSON in UTF-8.", "Send one JSON value, at most 32 levels deep."
    ),
    "statement_unreadable": Door(
        400,
        "The file is not a statement of this provider. Correct what details name.",
        "Export it again as CSV, or say in `HESABU_STATEMENT_COLUMNS` what its columns are called.",
    ),
    "code_wrong": Door(
        400,
        "This is not the code that was sent. 4 tries are left.",
        "Read the newest message again, and send its code with a new key.",
    ),
    "unauthenticated": Door(
        401,
        "A valid bearer token is needed. Get one and send it as 'Authorization: Bearer …'.",
        "Get a new token and repeat the request.",
    ),
    "bad_signature": Door(
        401, "The signature is not right.", "Sign the raw body with the shared secret, just now."
    ),
    "forbidden": Door(
        403, "A fan may not do this.", "Ask with the token of a role that may, or of the owner."
    ),
    "not_found": Door(404, "Not Found", "Correct the path; the API's begin with `/api/v1`."),
    "pay_link_not_found": Door(
        404, "The link is not one of ours, or it is too old.", "Open the newest link that was sent."
    ),
    "projection_not_found": Door(
        404,
        "There is no read model of this name.",
        "Take a name of `GET /api/v1/admin/projections`.",
    ),
    "webhook_endpoint_not_found": Door(
        404, "There is no such endpoint.", "Take an id of the list of the owner's endpoints."
    ),
    "webhook_delivery_not_found": Door(
        404, "There is no such message.", "Take an id of the endpoint's deliveries."
    ),
    "method_not_allowed": Door(
        405, "Method Not Allowed", "Use a method that the documentation has for this path."
    ),
    "body_forgotten": Door(
        409,
        "Its body was forgotten by now. Ignore it, or post a correction.",
        "Ignore the callback, or propose an adjustment.",
    ),
    "month_not_over": Door(
        409, "The month is not over yet. Ask again after its end.", "Wait until the month is over."
    ),
    "no_receipt": Door(
        409,
        "A payment that is initiated has no receipt.",
        "Wait until the payment has succeeded.",
    ),
    "nothing_to_document": Door(
        409,
        "Nothing of this kind was recorded in this month.",
        "Nothing: there is no such document to issue.",
    ),
    "provider_not_configured": Door(
        409, "Its provider is not configured here.", "Configure the provider, then repeat."
    ),
    "statement_in_progress": Door(
        409,
        "Another statement of this provider is being read. Repeat when it is done.",
        "Wait until the other one is answered, then repeat with the same key.",
    ),
    "statement_too_long": Door(
        409,
        "This month has 25000 lines, and a PDF at most 5000. Ask for text/csv.",
        "Ask for `text/csv`.",
    ),
    "too_many_events": Door(
        409,
        "This is about 250000 events, and 10000 are read while somebody waits. "
        "Ask for fewer, or run `hesabu what-if` on the server.",
        "Ask for fewer, or run the command that the message names on the server.",
    ),
    "too_many_webhook_endpoints": Door(
        409, "There are 20 endpoints. Delete one first.", "Delete an endpoint, or change one."
    ),
    "webhook_replay_under_way": Door(
        409,
        "A replay is under way. Wait until it has ended.",
        "Wait until the replay's messages are made, then repeat with a new key.",
    ),
    "body_too_large": Door(
        413, "The body may have at most 65536 bytes.", "Send less at once."
    ),
    "rate_limited": Door(
        429,
        "You ask too often. Wait as many seconds as Retry-After says, then try again.",
        "Wait for `Retry-After` seconds, then repeat.",
    ),
    "too_many_streams": Door(
        429,
        "You have as many event streams open as you may. Close one, or use it again.",
        "Close a stream, or wait for `Retry-After` seconds.",
    ),
    "access_not_recorded": Door(
        503,
        "Reads by admins and auditors are recorded, and this one cannot be at the moment. "
        "Try again.",
        "Wait for `Retry-After` seconds, then repeat.",
    ),
    "internal_error": Door(
        500,
        "Something went wrong on our side. Repeat with the same key, or report the request id.",
        "Repeat with the same key; if it stays, report `request_id`.",
    ),
}  # fmt: skip

PARAMETERS: Final[dict[str, str | int]] = {
    "accepted": "KES",
    "account": "creator:00000000-0000-4000-8000-000000000002:available",
    "amount_due": 45_000,
    "available": 110_500,
    "currency": "KES",
    "days": 366,
    "debt": 30_000,
    "due_at": "2026-11-12T09:00:00+00:00",
    "expected": "KES",
    "expires_at": "2026-11-05T09:05:00+00:00",
    "head": 41,
    "interval": "day",
    "maximum": 7_000_000,
    "minimum": 100,
    "month": "2026-12",
    "needed": "active",
    "position": 41,
    "provider": "sandbox",
    "refundable": 125_000,
    "seconds": 60,
    "state": "cancelled",
    "step": 100,
    "until": "2027-11-05T09:00:00+00:00",
    "usable_at": "2026-11-06T09:00:00+00:00",
    "size": 41,
    "wanted": 42,
    "what": "a payment, a subscription",
}
"""What stands for a message's parameters in an example."""

OWN_PARAMETERS: Final[dict[str, dict[str, str | int]]] = {
    "creator_standing_unchanged": {"state": "suspended"},
    "currency_differs": {"currency": "USD"},
    "currency_not_accepted": {"currency": "USD"},
    "currency_unknown": {"currency": "XQX"},
    "destination_not_usable": {"state": "unverified"},
    "not_yet_due": {"state": "held"},
    "proposal_decided": {"state": "rejected"},
    "rate_differs": {"expected": 129_000},
    "receipt_not_waiting": {"state": "returned"},
    "tier_not_offered": {"state": "archived"},
    "too_many_destinations": {"maximum": 10},
    "too_many_tiers": {"maximum": 50},
    "already_scheduled": {"state": "paused"},
    "already_subscribed": {"state": "active"},
    "verification_missing": {"state": "submitted"},
}
"""Of the codes about which another value tells more."""

ADVICE: Final[tuple[tuple[type[LedgerError], str], ...]] = (
    (errors.NotFound, "Check the id, and whose token asks."),
    (errors.NotInThisState, "Read the object again; repeat once its state allows it."),
    (errors.NotAllowed, "Have it done by a person who may."),
    (errors.Unacceptable, "Correct the request, and send it with a new key."),
    (errors.IdempotencyKeyReused, "Use a new key for a new request."),
    (errors.InvalidValue, "Correct the request."),
    (errors.DecisionFailed, "Repeat with the same key; if it stays, report `request_id`."),
    (errors.Unavailable, "Repeat with the same key after a pause, or after `Retry-After`."),
    (LedgerError, "Correct the request."),
)
"""What to do about the first kind that an error is of."""

ELSEWHERE: Final = (
    *(MonthNotBegun, NoCheckpoint, NoSuchTile, NotSealedYet, PositionsReversed),
    RangeTooLong,
)
"""Named, so that wherever this module is read the reading side's errors are there too."""


def kinds() -> list[type[LedgerError]]:
    """Every kind of ledger error, those that are only families too."""
    return [LedgerError, *_below(LedgerError)]


def _below(kind: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def advice_on(kind: type[LedgerError]) -> str:
    """What to do about an error of this kind."""
    return next(advice for family, advice in ADVICE if issubclass(kind, family))


def template_of(kind: type[LedgerError]) -> str:
    """The message with its parameters in braces."""
    return " ".join((kind.__doc__ or "").split())


def error_examples() -> dict[str, Any]:
    """An example of each code, as a component of the OpenAPI document."""
    shown: dict[str, Any] = {code: _example(code, door.message) for code, door in DOORS.items()}
    for kind in kinds():
        # That one is told like any other defect of ours.
        if kind is not errors.DecisionFailed:
            parameters = {**PARAMETERS, **OWN_PARAMETERS.get(kind.code, {})}
            shown[kind.code] = _example(kind.code, template_of(kind).format(**parameters))
    return dict(sorted(shown.items()))


def _example(code: str, message: str) -> dict[str, Any]:
    details = []
    if code == "validation_error":
        details = [{"field": "money.amount", "message": "Input should be a valid integer"}]
    elif code == "invalid_cursor":
        details = [{"field": "cursor", "message": message}]
    body = {"code": code, "message": message, "details": details, "request_id": REQUEST_ID}
    return {"summary": code, "value": {"status": "error", "error": body}}
