"""Which key seals what a provider says about a payment? That of the phone number it names.

So that erasing a person also erases what providers' callbacks said about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from projections.coalescing import CoalescedReads

if TYPE_CHECKING:
    from projections.payments import Payments
    from projections.reader import Reader

READ_KEY_IDS: Final = """
    SELECT entry_id, key_id FROM unnest(%b::uuid[]) AS wanted (entry_id)
    JOIN vault_entries USING (entry_id)
"""


class PayerKeys:
    """Ids of keys in the key store, by payment. One object a process, so that reads coalesce."""

    def __init__(self, reader: Reader, payments: Payments) -> None:
        self._reader = reader
        self._payments = payments
        self._reads: CoalescedReads[UUID, UUID] = CoalescedReads(self._ask)

    async def of_payment(self, payment_id: UUID) -> UUID | None:
        """The key's id; None for an unknown payment, or one without phone or card.

        Raises `ReadUnavailable`.
        """
        read = await self._payments.get(payment_id)
        if read is None or read.payment.instrument is None:
            return None
        return await self._reads.get(read.payment.instrument)

    async def _ask(self, entry_ids: list[UUID]) -> dict[UUID, UUID]:
        rows = await self._reader.fetch(READ_KEY_IDS, (entry_ids,))
        return dict(rows)
