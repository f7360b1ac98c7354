"""Which documents does a creator have? As they were issued, the newest month first.

A document is found by the key that it has for ever (`creator:month:kind`), or by its number, which
says where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.commands.books import DOCUMENTS
from ledger.document_numbers import document_number, document_place
from ledger.events import CreatorRegistered, DocumentIssued
from ledger.serialization import decode_event
from projections.cursor import decode_cursor, encode_cursor
from projections.reader import PAGE_SIZE, PAGE_SIZE_MAX

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.events import DocumentKind
    from projections.reader import Reader

CURSOR: Final = "documents"

READ_DOCUMENTS: Final = """
    SELECT head.position, page.key, page.stream_id, page.version, issued.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events AS registered
      ON registered.originator_id = %(creator_id)b::uuid
     AND registered.originator_version = 1 AND registered.topic = %(registered)b
    LEFT JOIN LATERAL (
        SELECT key, stream_id, version FROM idempotency_keys
        WHERE scope = %(scope)b::text AND key > %(creator_id)b::uuid || ':'
          AND key < %(before)b::text
        ORDER BY key DESC LIMIT %(limit)b::bigint
    ) AS page ON true
    LEFT JOIN ledger_events AS issued
      ON issued.originator_id = page.stream_id AND issued.originator_version = page.version
    ORDER BY page.key DESC
"""

READ_DOCUMENT: Final = """
    SELECT head.position, originator_id, originator_version, state
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN ledger_events ON originator_id = %b::uuid AND originator_version = %b::bigint
"""

READ_DOCUMENT_BY_KEY: Final = """
    SELECT head.position, issued.originator_id, issued.originator_version, issued.state
    FROM (SELECT max(position) AS position FROM turns) AS head
    JOIN idempotency_keys ON scope = %b::text AND key = %b::text
    JOIN ledger_events AS issued
      ON issued.originator_id = stream_id AND issued.originator_version = version
"""


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its number. `position` is where this is read, not where it was issued."""

    position: int
    issued: DocumentIssued

    @property
    def number(self) -> str:
        """As people write it."""
        return document_number(self.issued.kind, self.issued.month, self.issued.originator_version)

    @property
    def total(self) -> int:
        """What the document is about in all, in minor units; negative when more came back."""
        amounts = {line.what: line.amount for line in self.issued.lines}
        if self.issued.kind == "withholding_certificate":
            return amounts.get("withholding", 0) - amounts.get("withholding_returned", 0)
        return sum(amounts.values())


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents, the newest month first, true at `position`."""

    position: int
    items: list[Document]
    next_cursor: str | None


async def documents_page(
    reader: Reader, creator_id: UUID, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> DocumentPage | None:
    """A page of a creator's documents, or None for an unknown creator.

    `limit` is cut to 1 … `PAGE_SIZE_MAX`. Raises `InvalidCursor` or `ReadUnavailable`.
    """
    limit = min(max(limit, 1), PAGE_SIZE_MAX)
    # Within the creator's keys, whatever a cursor says; a month never begins with ':'.
    [before] = [":"] if cursor is None else decode_cursor(cursor, CURSOR, str)
    rows = await reader.fetch(
        READ_DOCUMENTS,
        {
            "creator_id": creator_id,
            "registered": CreatorRegistered.TOPIC,
            "scope": DOCUMENTS,
            "before": f"{creator_id}:{before}",
            "limit": limit + 1,
        },
    )
    if not rows:
        return None
    shown = [row for row in rows[:limit] if row[1] is not None]
    return DocumentPage(
        position=rows[0][0],
        items=[_document(position, *place) for position, _, *place in shown],
        next_cursor=encode_cursor(CURSOR, _about(shown[-1][1])) if len(rows) > limit else None,
    )


async def document_numbered(reader: Reader, creator_id: UUID, number: str) -> Document | None:
    """The creator's document with this number; None if there is none, or it is another's.

    Raises `ReadUnavailable`.
    """
    if (place := document_place(number)) is None:
        return None
    rows = await reader.fetch(READ_DOCUMENT, tuple(place))
    found = _document(*rows[0]) if rows else None
    return found if found is not None and found.issued.creator_id == creator_id else None


async def document_about(
    reader: Reader, creator_id: UUID, *, kind: DocumentKind, month: str
) -> Document | None:
    """The creator's document of this kind about a month. Raises `ReadUnavailable`."""
    key = f"{creator_id}:{month}:{kind}"
    rows = await reader.fetch(READ_DOCUMENT_BY_KEY, (DOCUMENTS, key))
    return _document(*rows[0]) if rows else None


def _about(key: str) -> str:
    """A document's month and kind, which are the rest of its key."""
    return key.partition(":")[2]


def _document(position: int, *place: Any) -> Document:  # noqa: ANN401 - columns of ledger_events
    series_id, version, state = place
    issued = decode_event(
        DocumentIssued.TOPIC, state, originator_id=series_id, originator_version=version
    )
    assert isinstance(issued, DocumentIssued)  # noqa: S101 - a series holds nothing else
    return Document(position, issued)
