"""Providers' statements: an admin brings one, and explains what does not agree.

A statement is believed as a callback is, since that is what it repairs; above a threshold when a
second admin has brought the very same file. It is named in every event that it leads to, and its
file is kept sealed.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

import psycopg
from fastapi import Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import Allow, Caller, Role
from api.doors import doors_of
from api.errors import ApiError, FieldError, invalid
from api.provider_statements.explanations import ItemNotFound, explain
from api.provider_statements.mapping import Covered
from api.provider_statements.reading import UnreadableStatementError
from api.provider_statements.reconciler import (
    Reconciler,
    StatementInProgressError,
    pieces_of,
)
from api.provider_statements.registry import mapping_of
from api.provider_statements.uploads import Upload
from api.responses import Success, documented, success
from api.routers.parts import Body, IdempotencyKeyHeader, ProviderName, Reason, router
from api.routers.search_parts import Day
from ledger.errors import NotFound
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, ReadUnavailable
from projections.reconciliation import (
    ItemState,
    item_of,
    items_page,
    statement_report,
    statements_page,
)

if TYPE_CHECKING:
    from api.doors import Doors
    from api.provider_statements.reconciler import Reconciled
    from projections.reconciliation import Item, Statement, StatementReport

STATEMENTS: Final = "/admin/provider-statements"
CSV: Final = "text/csv"
CSV_TYPES: Final = frozenset({CSV, "application/csv"})
EXAMPLE: Final = (
    "transaction,type,status,reference,amount,currency,fee,occurred_at,balance,related\n"
    "SBX-000001,payment,succeeded,00000000-0000-4000-8000-000000000003,1250.00,KES,12.50,"
    "2026-11-05T09:00:00+03:00,,\n"
)

routes = router("/admin", "reconciliation")

Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
AdminOrAuditor = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.AUDITOR))]


class Asked(NamedTuple):
    """Of which account a statement is, and of which days of the book's time zone."""

    account: Covered | None
    first_day: date | None
    last_day: date | None


async def asked(
    account: Annotated[
        Covered | None,
        Query(description="Of which account it is, where the provider has one for each."),
    ] = None,
    first_day: Day | None = None,
    last_day: Day | None = None,
) -> Asked:
    """As a query says it. Raises 400 where the last day lies before the first one."""
    if first_day is not None and last_day is not None and last_day < first_day:
        raise invalid("last_day", "must not lie before first_day")
    return Asked(account, first_day, last_day)


class StatementData(BaseModel):
    """A statement that was brought.

    `skipped` rows moved no money (totals, payments that failed), `unreadable` ones are for a
    person. `file_sha256` is of a salt and the file, which lie sealed together.
    """

    id: UUID
    provider: str
    covers: list[Literal["collection", "disbursement"]] = Field(examples=[["collection"]])
    uploaded_by: str
    received_at: AwareDatetime
    first_day: date | None
    last_day: date | None
    rows: int = Field(examples=[200])
    skipped: int = Field(examples=[1])
    unreadable: int = Field(examples=[0])
    file_bytes: int = Field(examples=[20_480])
    file_sha256: str = Field(
        examples=["41a2c0b8e7d5f3a1908172635443526170819fa0b1c2d3e4f5061728394a5b6c"]
    )


class AgreementData(BaseModel):
    """Minor units: total = matched + explained + open. `recorded` of matched was not known before.

    Of a statement `matched` is what the ledger has too; of the ledger's entries what another
    statement had.
    """

    currency: str
    direction: Literal["in", "out", "fee"] = Field(examples=["in"])
    total: int = Field(examples=[125_000])
    matched: int = Field(examples=[125_000])
    recorded: int = Field(examples=[0])
    explained: int = Field(examples=[0])
    open: int = Field(examples=[0])


class StatedBalanceData(BaseModel):
    """What the provider says it held, in minor units: opening + moved + difference = closing."""

    currency: str
    opening: int = Field(examples=[1_000_000])
    moved: int = Field(examples=[125_000])
    closing: int = Field(examples=[1_125_000])
    difference: int = Field(examples=[0])


class AgreementReportData(StatementData):
    """How far a statement agrees with the ledger.

    `lines` are its different lines, `repeated` those that stand in it once more. `ledger_only` is
    what the ledger has in these days and no statement has. `unexplained` is how many things are
    open; zero is the goal. While it `waits_for_second_person` lines of `waiting_amount`, in minor
    units of any currency, are open and nothing of them is recorded: another admin has to bring the
    very same file. `second_person` is who did.
    """

    lines: int = Field(examples=[200])
    repeated: int = Field(examples=[0])
    totals: list[AgreementData]
    ledger_only: list[AgreementData]
    balances: list[StatedBalanceData]
    unexplained: int = Field(examples=[0])
    waits_for_second_person: bool = Field(examples=[False])
    waiting_amount: int = Field(examples=[0])
    second_person: str | None = Field(examples=[None])
    position: int


class ListedStatementsData(BaseModel):
    """Statements, the newest first."""

    items: list[StatementData]
    next_cursor: str | None


class ItemData(BaseModel):
    """Something that does not agree; amounts are minor units.

    `why`: amount_differs, currency_differs, day_differs, statement_only, unknown_kind, contradicts
    (the provider called something else so before), needs_second_person (another admin has to bring
    the same file), ledger_only, unreadable. `code` is why nothing
    could be recorded of it. `position` is the ledger's entry, `stream_id` what it is about.
    """

    id: UUID
    provider: str
    statement_id: UUID
    why: str = Field(examples=["amount_differs"])
    code: str | None = Field(examples=[None])
    state: ItemState = Field(examples=["open"])
    kind: str | None = Field(examples=["payment"])
    direction: str | None = Field(examples=["in"])
    transaction: str | None = Field(examples=["SBX-000001"])
    currency: str | None = Field(examples=["KES"])
    statement_amount: int | None = Field(examples=[125_001])
    ledger_amount: int | None = Field(examples=[125_000])
    day: date | None
    row_number: int | None = Field(examples=[None])
    position: int | None
    stream_id: UUID | None
    recorded_at: AwareDatetime
    reason: str | None = Field(examples=[None])
    decided_by: str | None = Field(examples=[None])
    decided_at: AwareDatetime | None = Field(examples=[None])


class ItemsData(BaseModel):
    """Items, the oldest first."""

    items: list[ItemData]
    next_cursor: str | None


class ExplanationBody(Body):
    """Why an item is as it is."""

    reason: Reason


@routes.post(
    "/provider-statements/{name}",
    status_code=201,
    response_model=Success[AgreementReportData],
    responses={
        200: {
            "model": Success[AgreementReportData],
            "description": "The same file was brought before; its open lines were tried again, "
            "and where it was somebody else who brought it, as two people's word.",
        },
        **documented(
            *(NotFound, "statement_unreadable", "statement_in_progress"),
            *("body_too_large", 422),
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                CSV: {"schema": {"type": "string", "format": "binary"}, "example": EXAMPLE}
            },
        }
    },
)
async def bring_statement(
    name: Annotated[ProviderName, Path(description="The provider whose statement it is.")],
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
    about: Annotated[Asked, Depends(asked)],
) -> Response:
    """Reconcile a provider's statement: the same file, or the same line, has an effect once.

    Lines that the ledger does not have are recorded as their callbacks would be; if they, and what
    else the caller's statements have recorded within a day, are above a threshold, only when
    another admin brings the same file. Without days it is about those of its lines.
    """
    doors = doors_of(request)
    mapping = mapping_of(name, doors.settings.statement_columns)
    if mapping is None:
        raise NotFound
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in CSV_TYPES:
        raise invalid("content-type", f"must be {CSV}")
    content = await request.body()
    upload = Upload(
        mapping=mapping,
        source=lambda: iter(pieces_of(content)),
        covers=mapping.covers if about.account is None else (about.account,),
        first_day=about.first_day,
        last_day=about.last_day,
        actor=caller.name,
        key=key,
        confirms=True,
    )
    done = await run_in_threadpool(_reconcile, doors, upload)
    report = await statement_report(doors.reader, done.statement_id)
    assert report is not None  # noqa: S101 - it was just written
    headers = {"Location": f"/api/v1{STATEMENTS}/{done.statement_id}"}
    if done.replayed:
        headers["Idempotency-Replayed"] = "true"
    return success(_report(report), 201 if done.is_new else 200, headers)


@routes.get(
    "/provider-statements",
    response_model=Success[ListedStatementsData],
    responses=documented(InvalidCursor),
)
async def list_statements(
    _caller: AdminOrAuditor,
    request: Request,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """Which statements were brought, by whom."""
    found, following = await statements_page(doors_of(request).reader, cursor=cursor, limit=limit)
    return success({"items": [_statement(each) for each in found], "next_cursor": following})


@routes.get(
    "/provider-statements/{name}",
    response_model=Success[AgreementReportData],
    responses=documented(NotFound),
)
async def read_statement(
    name: Annotated[UUID, Path(description="The statement's id.")],
    _caller: AdminOrAuditor,
    request: Request,
) -> Response:
    """How far a statement agrees with the ledger, as it is explained by now."""
    report = await statement_report(doors_of(request).reader, name)
    if report is None:
        raise NotFound
    return success(_report(report))


@routes.get(
    "/provider-statements/{statement_id}/items",
    response_model=Success[ItemsData],
    responses=documented(NotFound, InvalidCursor),
)
async def list_items(
    statement_id: UUID,
    _caller: AdminOrAuditor,
    request: Request,
    state: Annotated[ItemState | None, Query(description="Only those in this state.")] = None,
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """What of a statement, or of the ledger in its days, does not agree."""
    reader = doors_of(request).reader
    report = await statement_report(reader, statement_id)
    if report is None:
        raise NotFound
    found, following = await items_page(
        reader, report.statement, state=state, cursor=cursor, limit=limit
    )
    return success({"items": [_item(each) for each in found], "next_cursor": following})


@routes.post(
    "/reconciliation-items/{item_id}/explain",
    response_model=Success[ItemData],
    responses=documented(ItemNotFound, 413, 422),
)
async def explain_item(
    item_id: UUID,
    body: ExplanationBody,
    caller: Admin,
    key: IdempotencyKeyHeader,
    request: Request,
) -> Response:
    """Say why something does not agree: it counts as explained from then on."""
    doors = doors_of(request)
    replayed = await explain(
        doors.door_tables, item_id, by=caller.name, key=key, reason=body.reason
    )
    item = await item_of(doors.reader, item_id)
    assert item is not None  # noqa: S101 - it was just explained
    return success(_item(item), headers={"Idempotency-Replayed": "true"} if replayed else None)


def _reconcile(doors: Doors, upload: Upload) -> Reconciled:
    try:
        return Reconciler(doors.ledger, doors.key_store, doors.settings).reconcile(upload)
    except UnreadableStatementError as error:
        raise ApiError(
            400,
            "statement_unreadable",
            "The file is not a statement of this provider. Correct what details name.",
            details=[FieldError(error.column, str(error))],
        ) from None
    except StatementInProgressError:
        raise ApiError(
            409,
            "statement_in_progress",
            "Another statement of this provider is being read. Repeat when it is done.",
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise ReadUnavailable from error


def _statement(statement: Statement) -> dict[str, Any]:
    shown = asdict(statement)
    del shown["number"]
    return {
        "id": shown.pop("statement_id"),
        "file_sha256": shown.pop("file_hash"),
        **shown,
    }


def _report(report: StatementReport) -> dict[str, Any]:
    return {
        **_statement(report.statement),
        "lines": report.lines,
        "repeated": report.repeated,
        "totals": [asdict(each) for each in report.totals],
        "ledger_only": [asdict(each) for each in report.ledger_only],
        "balances": [{**asdict(each), "difference": each.difference} for each in report.balances],
        "unexplained": report.unexplained,
        "waits_for_second_person": report.waits_for_second_person,
        "waiting_amount": report.waiting_amount,
        "second_person": report.second_person,
        "position": report.position,
    }


def _item(item: Item) -> dict[str, Any]:
    shown = asdict(item)
    del shown["number"]
    return {"id": shown.pop("item_id"), **shown}
