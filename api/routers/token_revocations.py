"""Tokens that are believed no more: an admin's answer to a theft, the platform's to a logout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import Success, documented, success
from api.routers.parts import Body, Instant, Reason, router
from api.token_revocations import TOKEN_ID_LENGTH_MAX, Revocation
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor, decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from api.token_revocations import RecordedRevocation

routes = router("/admin/token-revocations", "tokens")

AdminOrService = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.SERVICE))]
AdminOrAuditor = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.AUDITOR))]
CURSOR_KIND = "token_revocations"


class NewRevocation(Body):
    """One token by its `jti`, or every token of a subject that was issued by `not_before`."""

    token_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=TOKEN_ID_LENGTH_MAX,
        description="The `jti` of one token.",
        examples=["01JD3V6M3K8Q4T9R5W7X2Y0ZAB"],
    )
    subject: UUID | None = Field(
        default=None, description="The `sub` whose tokens are refused, in every role."
    )
    not_before: Instant | None = Field(
        default=None,
        description="Tokens issued by then are refused; by now, if it is left out or lies ahead.",
    )
    reason: Reason

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.token_id is None) == (self.subject is None):
            raise ValueError("name either token_id or subject")
        if self.not_before is not None and self.subject is None:
            raise ValueError("not_before goes with subject")
        return self


class RevocationData(BaseModel):
    """A revocation. It is heard by every process within two seconds."""

    id: int
    recorded_at: AwareDatetime
    revoked_by: str
    reason: str
    token_id: str | None
    subject: UUID | None
    not_before: AwareDatetime | None


class RevocationsData(BaseModel):
    """Revocations, the newest first."""

    items: list[RevocationData]
    next_cursor: str | None


@routes.post(
    "",
    status_code=201,
    response_model=Success[RevocationData],
    responses=documented(413),
)
async def revoke_tokens(body: NewRevocation, caller: AdminOrService, request: Request) -> Response:
    """Refuse tokens from now on. Streams that they opened end at their next heartbeat."""
    recorded = await doors_of(request).revocations.revoke(
        Revocation(
            caller.name,
            body.reason,
            token_id=body.token_id,
            subject=body.subject,
            not_before=body.not_before,
        )
    )
    return success(_rendered(recorded), 201)


@routes.get("", response_model=Success[RevocationsData], responses=documented(InvalidCursor))
async def list_revocations(
    _caller: AdminOrAuditor,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Which tokens were revoked, by whom and why."""
    before = POSITION_MAX if cursor is None else int(decode_cursor(cursor, CURSOR_KIND, int)[0])
    found = await doors_of(request).revocations.page(before=before, limit=limit + 1)
    more = len(found) > limit
    page = found[:limit]
    following = encode_cursor(CURSOR_KIND, page[-1].revocation_id) if more else None
    return success({"items": [_rendered(each) for each in page], "next_cursor": following})


def _rendered(recorded: RecordedRevocation) -> dict[str, Any]:
    revocation = recorded.revocation
    return {
        "id": recorded.revocation_id,
        "recorded_at": recorded.recorded_at,
        "revoked_by": revocation.revoked_by,
        "reason": revocation.reason,
        "token_id": revocation.token_id,
        "subject": revocation.subject,
        "not_before": revocation.not_before,
    }
