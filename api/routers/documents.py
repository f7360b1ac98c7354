"""Numbered documents: fee invoices, credit notes, withholding certificates.

One is issued for a month that has ended, from what was recorded in that month; once for a creator,
a kind and a month. It is read as JSON, or with `Accept: application/pdf` as a page.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.aggregates import creator_now
from api.auth import Allow, Caller, Role
from api.document_pdf import document_pdf
from api.doors import doors_of
from api.errors import ApiError
from api.responses import Success, documented, success
from api.routers.parts import (
    MONTH,
    Body,
    IdempotencyKeyHeader,
    answer_headers,
    canonical,
    command_fields,
    own_creator,
    refused,
    router,
)
from ledger.commands import IssueDocument
from ledger.document_numbers import series_id
from ledger.errors import AlreadyExists, CreatorNotFound, DocumentNotFound
from projections.creator_taxes import MonthNotOverError, creator_taxes, document_lines
from projections.cursor import InvalidCursor
from projections.documents import Document, document_about, document_numbered, documents_page
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

routes = router("/creators", "documents")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
CreatorOrAdmin = Annotated[Caller, Depends(Allow(Role.CREATOR, Role.ADMIN))]

PDF: Final = "application/pdf"

Kind = Literal["fee_invoice", "credit_note", "withholding_certificate"]


class NewDocument(Body):
    """Which document to issue; the month must have ended in the book's time zone."""

    kind: Kind
    month: Annotated[str, Field(pattern=MONTH, examples=["2026-11"])]


class LineData(BaseModel):
    """One line of a document, in minor units."""

    what: str
    amount: int


class DocumentData(BaseModel):
    """A document: what was recorded in its month, which ended at `up_to_position`; minor units."""

    number: str
    kind: Kind
    creator_id: UUID
    month: str
    currency: str
    lines: list[LineData]
    total: int
    up_to_position: int
    issued_at: AwareDatetime
    position: int


class DocumentsData(BaseModel):
    """Documents, the newest month first; `next_cursor` is null on the last page."""

    items: list[DocumentData]
    next_cursor: str | None
    position: int


@routes.post(
    "/{creator_id}/documents",
    status_code=201,
    response_model=Success[DocumentData],
    responses={
        **documented(IssueDocument, "month_not_over", "nothing_to_document", 413, 422),
        200: {"model": Success[DocumentData], "description": "It was issued before; here it is."},
    },
)
async def issue_document(
    creator_id: UUID,
    body: NewDocument,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Issue a document about a month, under the next number of its series."""
    doors = doors_of(request)
    creator = (await creator_now(doors.reader, creator_id)).state
    currency = creator.settlement_currency
    try:
        taxes = await creator_taxes(
            doors.reader,
            creator_id,
            currency=currency,
            month=body.month,
            zone=doors.settings.time_zone,
        )
    except MonthNotOverError:
        raise ApiError(
            409, "month_not_over", "The month is not over yet. Ask again after its end."
        ) from None
    if not (lines := document_lines(body.kind, taxes)):
        raise ApiError(
            409, "nothing_to_document", "Nothing of this kind was recorded in this month."
        )
    command = IssueDocument(
        series_id=series_id(body.kind, body.month),
        kind=body.kind,
        creator_id=creator_id,
        month=body.month,
        currency=currency,
        lines=lines,
        up_to_position=taxes.up_to_position,
        **command_fields(
            caller, doors.idempotency_key(caller, key, request, canonical(body)), request
        ),
    )
    outcome = (await doors.ledger.execute_from_loop([command]))[0]
    existed = isinstance(outcome.error, AlreadyExists)
    if not existed and (refusal := refused(request, outcome)) is not None:
        return refusal
    document = await document_about(doors.reader, creator_id, kind=body.kind, month=body.month)
    assert document is not None  # noqa: S101 - it was issued just now, or before
    location = f"/api/v1/creators/{creator_id}/documents/{document.number}"
    headers = {**await answer_headers(request, outcome), "Location": location}
    return success(
        {**_rendered(document), "position": outcome.position}, 200 if existed else 201, headers
    )


@routes.get(
    "/{creator_id}/documents",
    response_model=Success[DocumentsData],
    responses=documented(CreatorNotFound, InvalidCursor),
)
async def read_documents(
    creator_id: UUID,
    caller: CreatorOrAdmin,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """A creator's documents, the newest month first."""
    own_creator(caller, creator_id)
    page = await documents_page(doors_of(request).reader, creator_id, cursor=cursor, limit=limit)
    if page is None:
        raise CreatorNotFound
    items = [_rendered(document) for document in page.items]
    return success({"items": items, "next_cursor": page.next_cursor, "position": page.position})


@routes.get(
    "/{creator_id}/documents/{number}",
    response_model=Success[DocumentData],
    responses={**documented(DocumentNotFound), 200: {"content": {PDF: {}}}},
)
async def read_document(
    creator_id: UUID,
    number: Annotated[str, Path(max_length=64, examples=["FI-2026-11-000001"])],
    caller: CreatorOrAdmin,
    request: Request,
) -> Response:
    """A document as JSON, or with `Accept: application/pdf` as a page."""
    own_creator(caller, creator_id)
    document = await document_numbered(doors_of(request).reader, creator_id, number)
    if document is None:
        raise DocumentNotFound
    if PDF not in request.headers.get("accept", ""):
        return success(_rendered(document))
    shown = {"Content-Disposition": f'inline; filename="{document.number}.pdf"'}
    return Response(document_pdf(document), media_type=PDF, headers=shown)


def _rendered(document: Document) -> dict[str, Any]:
    issued = document.issued
    return {
        "number": document.number,
        "kind": issued.kind,
        "creator_id": issued.creator_id,
        "month": issued.month,
        "currency": issued.currency,
        "lines": [{"what": line.what, "amount": line.amount} for line in issued.lines],
        "total": document.total,
        "up_to_position": issued.up_to_position,
        "issued_at": issued.recorded_at,
        "position": document.position,
    }
