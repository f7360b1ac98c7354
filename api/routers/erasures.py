"""Erasing a person: everything personal of them is gone, and the books stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.erasures import page_of
from api.responses import Success, documented, success
from api.routers.parts import Body, Reason, router
from ledger.errors import NothingRecorded, ObligationsOpen, PersonNotFound, RetentionOpen
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from ledger.erasure_list import Erasure

routes = router("/admin/erasures", "personal data")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
AdminOrAuditor = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.AUDITOR))]
CURSOR_KIND = "erasures"


class NewErasure(Body):
    """Whom to erase: a fan or a creator, by the id in their tokens; as both, if they are both."""

    person_id: UUID
    reason: Reason


class ErasureData(BaseModel):
    """That a person was erased. It holds nothing of them but their id."""

    id: UUID
    recorded_at: AwareDatetime
    person_id: UUID
    erased_by: str
    reason: str


class ErasuresData(BaseModel):
    """Erasures, the newest first."""

    items: list[ErasureData]
    next_cursor: str | None


@routes.post(
    "",
    status_code=201,
    response_model=Success[ErasureData],
    responses={
        200: {"description": "They were erased before.", "model": Success[ErasureData]},
        **documented(PersonNotFound, ObligationsOpen, RetentionOpen, NothingRecorded, 413),
    },
)
async def erase_person(body: NewErasure, caller: Admin, request: Request) -> Response:
    """Erase everything personal of somebody, for ever. Repeated, it answers the first erasure.

    Refused while money, a payment, a subscription, a payout, a refund or a dispute is open with
    them, and until their creator's account is closed.
    """
    doors = doors_of(request)
    erasure, before = await run_in_threadpool(
        doors.erasures.erase, body.person_id, by=caller.name, reason=body.reason
    )
    doors.forget(body.person_id)
    return success(_rendered(erasure), 200 if before else 201)


@routes.get("", response_model=Success[ErasuresData], responses=documented(InvalidCursor))
async def list_erasures(
    _caller: AdminOrAuditor,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Who was erased, by whom and why."""
    found = await page_of(doors_of(request).door_tables, before=_before(cursor), limit=limit + 1)
    page = found[:limit]
    more = len(found) > limit
    following = encode_cursor(CURSOR_KIND, str(page[-1].erasure_id)) if more else None
    return success({"items": [_rendered(each) for each in page], "next_cursor": following})


def _before(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    [erasure_id] = decode_cursor(cursor, CURSOR_KIND, str)
    try:
        return UUID(str(erasure_id))
    except ValueError:
        raise InvalidCursor from None


def _rendered(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.erasure_id,
        "recorded_at": erasure.recorded_at,
        "person_id": erasure.person_id,
        "erased_by": erasure.erased_by,
        "reason": erasure.reason,
    }
