"""Numbered documents. A series has a stream, and a document's number in it is its version there.

So numbers have no gap and no double, by construction.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ledger.events.base import Event, Text
from ledger.money import CurrencyCode

DocumentKind = Literal["fee_invoice", "credit_note", "withholding_certificate"]
Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class DocumentLine(BaseModel):
    """One line: what it is for, its base and its amount in minor units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Text
    amount: Annotated[int, Field(strict=True, ge=0)]


class DocumentIssued(Event):
    """A document for a creator about a month, of what was recorded up to `up_to_position`."""

    TOPIC = "document.issued.v1"

    kind: DocumentKind
    creator_id: UUID
    month: Month
    currency: CurrencyCode
    lines: Annotated[tuple[DocumentLine, ...], Field(min_length=1)]
    up_to_position: Annotated[int, Field(ge=0)]
