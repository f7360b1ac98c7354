"""For auditors: the book as a file, to check offline or to read with other programs."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.responses import documented
from api.routers.parts import Position, router
from projections.exports.formats import NDJSON, PARQUET, ExportFormat, begin_export
from projections.reader import PositionNotReached

routes = router("/audit", "audit")

Auditor = Annotated[Caller, Depends(Allow(Role.AUDITOR, Role.ADMIN))]
FILE: Final = {"type": "string", "format": "binary"}
BUNDLE: Final = (
    '{"format":"hesabu-export-1","origin":"ledger.example.com/hesabu","first":1,"book":"hesabu"}\n'
)
JOURNAL: Final = """\
2026-11-05 * (41) books.bank_charged.v1
    ; topic: books.bank_charged.v1
    ; stream: 018f5c3e-7a10-7c2d-9b41-2f5f3f1d7b11, version: 1
    ; recorded-at: 2026-11-05T06:00:00.000000Z
    ; effective-at: 2026-11-05T06:00:00.000000Z
    expenses:expense:bank_charges  50.00 KES
    assets:bank:settlement  -50.00 KES
"""


@routes.get(
    "/exports",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file; docs/auditors.md tells what is in each.",
            "headers": {
                "Content-Disposition": {
                    "description": "Book, position and format.",
                    "schema": {"type": "string"},
                    "example": 'attachment; filename="hesabu-41.journal"',
                }
            },
            "content": {
                NDJSON: {"schema": FILE, "example": BUNDLE},
                "text/plain": {"schema": FILE, "example": JOURNAL},
                PARQUET: {"schema": FILE, "example": ""},
            },
        },
        **documented(PositionNotReached),
    },
)
async def export_book(
    _caller: Auditor,
    request: Request,
    which: Annotated[
        ExportFormat, Query(alias="format", description="Who is to read it.")
    ] = ExportFormat.BUNDLE,
    until: Position = None,
) -> Response:
    """The whole book as of a position: `bundle` with its checkpoints is for `hesabu-verify`.

    The other formats have the same entries and balances, for hledger, for beancount, as CloudEvents
    and as Parquet.
    """
    doors = doors_of(request)
    settings = doors.settings
    export = await begin_export(
        doors.reader, which, origin=settings.origin, book=settings.book, until=until
    )
    return StreamingResponse(
        export.pieces,
        media_type=export.kind.media_type,
        headers={"Content-Disposition": f'attachment; filename="{export.file_name}"'},
    )
