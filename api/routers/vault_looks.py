"""Looking into the vault: an admin, with a reason; and for auditors, who looked at whom and why.

Nothing is opened before the look is committed: what cannot be recorded is not shown.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import psycopg
import structlog
from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.access_records import NOT_RECORDED
from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError
from api.responses import Success, documented, success
from api.routers.parts import Body, Reason, router
from api.vault_looks import Look, RecordedLook, opened, page_of, record
from ledger.errors import LedgerError, PersonErased, PersonNotFound
from ledger.vault import PersonalData, refuse_the_erased
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

logger = structlog.get_logger()

routes = router("", "personal data")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR))]
CURSOR_KIND = "vault_looks"

Kind = Literal["phone", "name", "tax_number", "email"]
"""What may be looked at; a card's token is nobody's to read."""


class NewLook(Body):
    """Whose what is to be shown, and why."""

    person_id: UUID
    kind: Kind
    reason: Reason


class LookData(BaseModel):
    """A look: by which admin, at what of whom, and why."""

    id: int
    recorded_at: AwareDatetime
    request_id: UUID
    looked_by: UUID
    person_id: UUID
    kind: Kind
    reason: str


class EntryData(BaseModel):
    """One entry of the vault; events name it by its id."""

    entry_id: UUID
    text: str = Field(examples=["+12025550100"])


class ShownLookData(LookData):
    """A look, and what was there to see, the newest first."""

    entries: list[EntryData]


class LooksData(BaseModel):
    """Looks, the newest first."""

    items: list[LookData]
    next_cursor: str | None


@routes.post(
    "/admin/vault-looks",
    status_code=201,
    response_model=Success[ShownLookData],
    responses=documented(PersonErased, PersonNotFound, 413),
)
async def look_into_the_vault(body: NewLook, caller: Admin, request: Request) -> Response:
    """Show a person's phones, name, tax number or address. Auditors see that it was done."""
    doors = doors_of(request)
    kind = PersonalData(body.kind)
    request_id = UUID(request.scope["request_id"])
    recorded = await _recorded(
        request, Look(request_id, caller.subject, body.person_id, kind, body.reason)
    )
    refuse_the_erased(doors.key_store, body.person_id)
    entries = await opened(doors.door_tables, doors.key_store, body.person_id, kind)
    if not entries:
        raise PersonNotFound
    data = {**recorded.rendered(), "entries": [entry._asdict() for entry in entries]}
    return success(data, 201, {"Cache-Control": "no-store"})


async def _recorded(request: Request, look: Look) -> RecordedLook:
    """Raises 503 where it could not be recorded."""
    try:
        return await record(doors_of(request).door_tables, look)
    except (LedgerError, psycopg.Error):
        logger.exception("vault_look_not_recorded", request_id=str(look.request_id))
        raise ApiError(
            503, "access_not_recorded", NOT_RECORDED, headers={"Retry-After": "1"}
        ) from None


@routes.get(
    "/audit/vault-looks", response_model=Success[LooksData], responses=documented(InvalidCursor)
)
async def list_vault_looks(
    _caller: Auditor,
    request: Request,
    *,
    looked_by: Annotated[UUID | None, Query(description="By this admin only.")] = None,
    person_id: Annotated[UUID | None, Query(description="At this person only.")] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Which admin looked at what of whom, when and why; also where there was nothing to see."""
    before = POSITION_MAX if cursor is None else int(decode_cursor(cursor, CURSOR_KIND, int)[0])
    found = await page_of(
        doors_of(request).door_tables,
        looked_by=looked_by,
        person_id=person_id,
        before=before,
        limit=limit + 1,
    )
    page = found[:limit]
    more = len(found) > limit
    following = encode_cursor(CURSOR_KIND, page[-1].look_id) if more else None
    return success({"items": [each.rendered() for each in page], "next_cursor": following})
