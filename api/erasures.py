"""Erasing people over this deployment's book, key store and list; and the list of it, in pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.database import book_location
from ledger.database.roles import DatabaseRole
from ledger.erasure_list import Erasure, ErasureList
from ledger.erasures import Erasures

if TYPE_CHECKING:
    from uuid import UUID

    from api.settings import Settings
    from ledger.key_store import KeyStore
    from projections.reader import Reader

PAGE: Final = """
    SELECT erasure_id, person_id, recorded_at, erased_by, reason FROM erasures
    WHERE erasure_id < coalesce(%b::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY erasure_id DESC LIMIT %b::integer
"""


def erasures_of(settings: Settings, key_store: KeyStore) -> Erasures:
    """Erases people of the book of these settings."""
    return Erasures(
        book_location(settings, DatabaseRole.APP),
        key_store,
        ErasureList(settings.erasures_file),
        retention=timedelta(days=settings.erasure_retention_days),
    )


async def page_of(tables: Reader, *, before: UUID | None, limit: int) -> list[Erasure]:
    """The newest erasures before an id. Raises `ReadUnavailable`."""
    return [
        Erasure(
            erasure_id=erasure_id,
            person_id=person_id,
            recorded_at=recorded_at,
            erased_by=erased_by,
            reason=reason,
            key_ids=(),
        )
        for erasure_id, person_id, recorded_at, erased_by, reason in await tables.fetch(
            PAGE, [before, limit]
        )
    ]
