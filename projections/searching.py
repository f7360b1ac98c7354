"""How is a list of a read model asked? Newest first, by any of its filters, page by page.

A row's place in the list is `opened`, the position of its first event. It never changes, so pages
neither skip nor repeat a row, however much is written between them.

A list that is narrowed by a key goes by that key's index, which ends in `opened`. The list of all
has an index on `(opened + 0)`, so that it cannot serve the others: a plan that does not know how
rare a state is would walk along it, through all that ever was, for the few that are open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX, POSITION_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from projections.live import LiveModel

WHERE: Final = "{where}"
OPENED: Final = "{opened}"
NONE: Final[Mapping[str, LiteralString]] = {}

# Time goes with positions, so a range of time is a range of the list, however long ago it was.
OPENED_SINCE: Final = """
    AND {opened} > coalesce((SELECT position FROM turns WHERE recorded_at < %(since)b::timestamptz
                           ORDER BY recorded_at DESC, position DESC LIMIT 1), 0)
"""
OPENED_UNTIL: Final = """
    AND {opened} <= coalesce((SELECT position FROM turns WHERE recorded_at < %(until)b::timestamptz
                            ORDER BY recorded_at DESC, position DESC LIMIT 1), 0)
"""


class Opened(Protocol):
    """A row of a list."""

    @property
    def opened(self) -> int:
        """The position of its first event."""


Item = TypeVar("Item", bound=Opened)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Rows, newest first, true at `position`; `next_cursor` is None on the last page."""

    position: int
    items: list[Item]
    next_cursor: str | None


class Search(Generic[Item]):
    """A list that can be asked. `name` is its cursors'; `item` takes a row's columns, in order.

    `query` selects what was `{opened}` before `before`, where `{where}` holds, up to `limit`.
    Filters are by keys, which have an index each, or narrow what is found further.
    """

    def __init__(
        self,
        name: str,
        query: LiteralString,
        item: Callable[..., Item],
        *,
        keys: Mapping[str, LiteralString],
        others: Mapping[str, LiteralString] = NONE,
    ) -> None:
        self._query = query
        self._keys = keys
        self._filters = {**keys, **others}
        self._name = name
        self._item = item

    def asking(self, given: Mapping[str, object]) -> LiteralString:
        """The query with these filters."""
        where: LiteralString = " ".join(self._filters[name] for name in sorted(given))
        opened = "opened" if self._keys.keys() & given.keys() else "(opened + 0)"
        return self._query.replace(WHERE, where).replace(OPENED, opened)

    async def page(
        self,
        model: LiveModel,
        filters: Mapping[str, Any],
        *,
        cursor: str | None = None,
        limit: int = PAGE_SIZE,
        min_position: int | None = None,
    ) -> Page[Item]:
        """A page of what all filters name; those that are None do not filter.

        `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor`, `ReadModelBehind`,
        `PositionNotReached` or `ReadUnavailable`.
        """
        limit = min(max(limit, 1), PAGE_SIZE_MAX)
        (before,) = (POSITION_MAX,) if cursor is None else decode_cursor(cursor, self._name, int)
        given = {name: value for name, value in filters.items() if value is not None}
        answer = await model.fetch(
            self.asking(given),
            {"before": before, "limit": limit + 1, **given},
            min_position=min_position,
        )
        items = [self._item(*row) for row in answer.rows[:limit]]
        more = len(answer.rows) > limit
        next_cursor = encode_cursor(self._name, items[-1].opened) if more else None
        return Page(answer.position, items, next_cursor)
