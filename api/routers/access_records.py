"""For auditors: which admin or auditor looked at what, and who was refused."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.access_records import AccessFilter, page_of
from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import Instant, router
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

routes = router("/audit/access-records", "audit")

Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR))]
CURSOR_KIND = "access_records"


class AccessRecordData(BaseModel):
    """One request: by whom, for what, and how it was answered. 403 and 404 showed nothing."""

    id: int
    recorded_at: AwareDatetime
    request_id: UUID
    role: Role
    subject: UUID
    method: str
    route: str
    path: str
    status: int


class AccessRecordsData(BaseModel):
    """Records, the newest first."""

    items: list[AccessRecordData]
    next_cursor: str | None


@routes.get("", response_model=Success[AccessRecordsData], responses=documented(InvalidCursor))
async def list_access_records(
    _caller: Auditor,
    request: Request,
    *,
    subject: Annotated[UUID | None, Query(description="Of this caller only.")] = None,
    since: Annotated[Instant | None, Query(description="Recorded at or after this time.")] = None,
    until: Annotated[Instant | None, Query(description="Recorded before this time.")] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Who looked at what. This request is recorded, too."""
    before = POSITION_MAX if cursor is None else int(decode_cursor(cursor, CURSOR_KIND, int)[0])
    wanted = AccessFilter(subject=subject, since=since, until=until)
    found = await page_of(doors_of(request).door_tables, wanted, before=before, limit=limit + 1)
    page = found[:limit]
    more = len(found) > limit
    following = encode_cursor(CURSOR_KIND, page[-1].record_id) if more else None
    return success({"items": [each.rendered() for each in page], "next_cursor": following})
