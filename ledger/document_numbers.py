"""How is a document numbered? By its kind, its month, and its place in their series.

`FI-2026-11-000001` is the first fee invoice about November 2026. A series is a stream and a
document's number in it is its version there, so the number says where the document lies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from ledger.events.documents import DocumentKind

SERIES: Final = UUID("c4a0c1de-3d0f-5a0d-9a8b-5b7f1b5f9d03")
"""The namespace of the ids of series."""

PREFIXES: Final[dict[DocumentKind, str]] = {
    "fee_invoice": "FI",
    "credit_note": "CN",
    "withholding_certificate": "WC",
}

_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}
_NUMBER: Final = re.compile(r"(FI|CN|WC)-([0-9]{4}-[0-9]{2})-([0-9]{6,18})")


class DocumentPlace(NamedTuple):
    """Where a document lies: in which series, and at which version of it."""

    series_id: UUID
    version: int


def series_id(kind: DocumentKind, month: str) -> UUID:
    """The stream of the documents of this kind about this month."""
    return uuid5(SERIES, f"{kind}:{month}")


def document_number(kind: DocumentKind, month: str, version: int) -> str:
    """The number of a document, as people write it."""
    return f"{PREFIXES[kind]}-{month}-{version:06}"


def document_place(number: str) -> DocumentPlace | None:
    """Where the document with this number lies; None for what is no number of ours."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        return None
    kind, month, version = _KINDS[found[1]], found[2], int(found[3])
    if document_number(kind, month, version) != number:
        return None
    return DocumentPlace(series_id(kind, month), version)
