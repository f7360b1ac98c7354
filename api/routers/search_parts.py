"""What the routes that ask read models have in common: pages, times, days and words."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from api.conditional import tagged
from api.errors import invalid
from api.responses import NOT_MODIFIED, READ_MODEL, documented
from api.routers.parts import MONTH, Instant
from api.strict_json import DECEIVING
from ledger.errors import CreatorNotFound
from projections.cursor import CURSOR_LENGTH_MAX, InvalidCursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request
    from fastapi.responses import Response

    from projections.searching import Opened, Page

    Item = TypeVar("Item", bound=Opened)
else:
    Item = TypeVar("Item")

TEXT_LENGTH_MAX: Final = 255

ModelPosition = Annotated[
    int | None,
    Query(
        ge=0,
        le=POSITION_MAX,
        description=(
            "Answer only what is true at this position or later: after a moment, else 503; "
            "409 while the log itself is not there."
        ),
    ),
]
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)]


def _plain(text: str) -> str:
    if DECEIVING.search(text):
        raise ValueError("must hold no control characters")
    return text


SearchText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TEXT_LENGTH_MAX),
    AfterValidator(_plain),
]
"""What is looked for, as a whole and as it is written."""


def _day(value: object) -> object:
    # Pydantic would also take a time at midnight, or a number of seconds since 1970.
    if not isinstance(value, str) or re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is None:
        raise ValueError("must be a day: 2026-11-05")
    return value


Currency = Annotated[str, Query(pattern=r"^[A-Z]{3}$", examples=["KES"])]
Month = Annotated[str, Query(pattern=MONTH, examples=["2026-11"])]
"""A month of the book's time zone."""
Day = Annotated[date, BeforeValidator(_day)]
"""A day of the book's time zone."""


class Paging(NamedTuple):
    """Which page of a list, and from which position on."""

    cursor: str | None
    limit: int
    min_position: int | None


class Times(NamedTuple):
    """From `since` to before `until`."""

    since: datetime | None
    until: datetime | None


async def paging(
    cursor: Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX)] = None,
    limit: Limit = PAGE_SIZE,
    min_position: ModelPosition = None,
) -> Paging:
    """As a query says it."""
    return Paging(cursor, limit, min_position)


async def times(since: Instant | None = None, until: Instant | None = None) -> Times:
    """As a query says it. Raises 400 where nothing can lie between them."""
    if since is not None and until is not None and since >= until:
        raise invalid("until", "must be later than since")
    return Times(since, until)


AskedPage = Annotated[Paging, Depends(paging)]
AskedTimes = Annotated[Times, Depends(times)]

CONDITIONAL: Final = {**documented(*READ_MODEL, InvalidCursor), **NOT_MODIFIED}
"""What a route that asks a read model may answer besides success."""
CONDITIONAL_OF_CREATORS: Final = {
    **documented(*READ_MODEL, InvalidCursor, CreatorNotFound),
    **NOT_MODIFIED,
}


def listed(request: Request, page: Page[Item], rendered: Callable[[Item], Any]) -> Response:
    """A page as JSON, or 304 if it is what the caller has."""
    items = [rendered(item) for item in page.items]
    return tagged(request, {"items": items, "next_cursor": page.next_cursor}, page.position)
