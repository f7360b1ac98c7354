"""What a person says about an item: a row that stays; the newest one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.errors import IdempotencyKeyReused, NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from projections.reader import Reader

EXPLAIN: Final = """
    INSERT INTO reconciliation_decisions (item_id, state, reason, decided_by, scope, key)
    SELECT item_id, 'explained', %(reason)b::text, %(by)b::text, %(by)b::text, %(key)b::text
    FROM reconciliation_items WHERE item_id = %(item_id)b::uuid
    ON CONFLICT (scope, key) DO NOTHING RETURNING decision_id
"""
READ_BY_KEY: Final = """
    SELECT item_id, reason FROM reconciliation_decisions
    WHERE scope = %b::text AND key = %b::text
"""


class ItemNotFound(NotFound):
    """There is no such item. List those of a statement, and take the id of one."""

    code = "item_not_found"


async def explain(tables: Reader, item_id: UUID, *, by: str, key: str, reason: str) -> bool:
    """Say why an item is as it is; whether this key had said so before.

    Raises `ItemNotFound`, `IdempotencyKeyReused` or `ReadUnavailable`.
    """
    parameters: dict[str, Any] = {"item_id": item_id, "by": by, "key": key, "reason": reason}
    if await tables.fetch(EXPLAIN, parameters):
        return False
    before = await tables.fetch(READ_BY_KEY, [by, key])
    if not before:
        raise ItemNotFound
    if before[0] != (item_id, reason):
        raise IdempotencyKeyReused
    return True
