"""Who looked at what: every request of an admin or an auditor, and every attempt that was refused.

A read by an admin or an auditor is answered only once its record is committed: one that cannot be
recorded is not answered (503). Requests that come at the same time are recorded in one statement.
Of a refused attempt (403, and 404 for what is not there or somebody else's) by a caller with a
right token there is a record too. Who has no right token is only counted: there is nobody to name.

What was asked is kept as the route and its path, with ids and accounts; anything else that stood
in the path, and every query, is left out, since a caller may write there what they like.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import psycopg
import structlog
from starlette.requests import Request

from api.auth import Role
from api.errors import error_response
from ledger.errors import LedgerError
from projections.coalescing import CoalescedReads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.auth import VerifiedToken
    from projections.reader import Reader

logger = structlog.get_logger()

WATCHED: Final = frozenset({Role.ADMIN, Role.AUDITOR})
REFUSED: Final = frozenset({403, 404})
READ_BY_POST: Final = ("/audit/what-if",)
"""How routes end whose question needs a body: they change nothing."""
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME: Final = "[a-z_]{1,40}"
ID: Final = re.compile(rf"{_UUID}|{_NAME}(?::(?:{_NAME}|{_UUID}))*|20[0-9]{{2}}-[0-9]{{2}}")
"""A UUID, an account or a name of ours, a month; nothing that a phone number could stand in."""
NOT_RECORDED: Final = (
    "Reads by admins and auditors are recorded, and this one cannot be at the moment. Try again."
)

INSERT: Final = """
    INSERT INTO access_records (request_id, role, subject, method, route, path, status)
    SELECT * FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::text[],
                         %b::smallint[])
    RETURNING request_id
"""

PAGE: Final = """
    SELECT record_id, recorded_at, request_id, role, subject, method, route, path, status
    FROM access_records
    WHERE record_id < %(before)b::bigint
      AND recorded_at >= coalesce(%(since)b::timestamptz, '-infinity')
      AND recorded_at < coalesce(%(until)b::timestamptz, 'infinity')
    ORDER BY record_id DESC LIMIT %(limit)b::integer
"""
PAGE_OF_SUBJECT: Final = """
    SELECT record_id, recorded_at, request_id, role, subject, method, route, path, status
    FROM access_records
    WHERE subject = %(subject)b::uuid AND record_id < %(before)b::bigint
      AND recorded_at >= coalesce(%(since)b::timestamptz, '-infinity')
      AND recorded_at < coalesce(%(until)b::timestamptz, 'infinity')
    ORDER BY record_id DESC LIMIT %(limit)b::integer
"""


class Access(NamedTuple):
    """One request: by whom, for what, and how it was answered."""

    request_id: UUID
    role: Role
    subject: UUID
    method: str
    route: str
    path: str
    status: int


class RecordedAccess(NamedTuple):
    """One that was recorded."""

    record_id: int
    recorded_at: datetime
    request_id: UUID
    role: str
    subject: UUID
    method: str
    route: str
    path: str
    status: int

    def rendered(self) -> dict[str, Any]:
        """As it is shown."""
        shown = self._asdict()
        return {"id": shown.pop("record_id"), **shown}


class AccessFilter(NamedTuple):
    """Which records are wanted; `since` is within, `until` is not."""

    subject: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def page_of(
    tables: Reader, wanted: AccessFilter, *, before: int, limit: int
) -> list[RecordedAccess]:
    """The newest records before an id. Raises `ReadUnavailable`."""
    found = await tables.fetch(
        PAGE if wanted.subject is None else PAGE_OF_SUBJECT,
        {**wanted._asdict(), "before": before, "limit": limit},
    )
    return [RecordedAccess(*row) for row in found]


class AccessRecords:
    """Writes records, those that wait together. Used in one event loop."""

    def __init__(self, tables: Reader) -> None:
        self._tables = tables
        self._written: CoalescedReads[Access, bool] = CoalescedReads(self._write)

    async def record(self, access: Access) -> None:
        """Return once it is committed. Raises `ReadUnavailable` when it cannot be."""
        await self._written.get(access)

    async def _write(self, accesses: list[Access]) -> Mapping[Access, bool]:
        columns = [list(column) for column in zip(*accesses, strict=True)]
        columns[1] = [str(role) for role in columns[1]]
        await self._tables.fetch(INSERT, columns)
        return dict.fromkeys(accesses, True)


class RecordsAccess:
    """Around the application: looks at what is about to be answered, and to whom."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        withheld = False

        async def send_recorded(message: Message) -> None:
            nonlocal withheld
            if message["type"] == "http.response.start" and not await _recorded(scope, message):
                withheld = True
                refusal = error_response(
                    Request(scope), 503, "access_not_recorded", NOT_RECORDED,
                    headers={"Retry-After": "1"},
                )  # fmt: skip
                await refusal(scope, receive, send)
            if not withheld:
                await send(message)

        await self._app(scope, receive, send_recorded)


async def _recorded(scope: Scope, answer: Message) -> bool:
    """Whether this may be answered: it is recorded, or needs no record."""
    token: VerifiedToken | None = scope.get("token")
    route = getattr(scope.get("route"), "path", None)
    status = answer["status"]
    if token is None or route is None:
        return True
    is_watched = token.caller.role in WATCHED and (status < 400)  # noqa: PLR2004 - it was answered
    if not is_watched and status not in REFUSED:
        return True
    access = Access(
        UUID(scope["request_id"]),
        token.caller.role,
        token.caller.subject,
        scope["method"],
        route,
        _path_of(route, scope.get("path_params", {})),
        status,
    )
    records: AccessRecords = scope["app"].state.doors.access_records
    try:
        await records.record(access)
    except (LedgerError, psycopg.Error):
        logger.exception("access_not_recorded", request_id=scope["request_id"])
        # What was done is done, and what was refused was not shown.
        is_read = scope["method"] == "GET" or route.endswith(READ_BY_POST)
        return not is_read or status in REFUSED
    return True


def _path_of(route: str, parameters: Mapping[str, Any]) -> str:
    path = route
    for name, given in parameters.items():
        if isinstance(given, UUID | int) or ID.fullmatch(str(given)):
            path = path.replace(f"{{{name}}}", str(given))
    return path
