"""What the operator tells when it sends the money of many payments to the caller's bank."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.wire_movements import SettlementAnnounced, SettlementData

if TYPE_CHECKING:
    from api.sandbox_operator.announcements import Announcements
    from api.sandbox_operator.wire_movements import SettlementRequest


def announce_settlement(
    request: SettlementRequest, announcements: Announcements
) -> SettlementAnnounced:
    """Tell of a settlement that somebody asked for; it is not checked against any payments.

    Raises:
        MemoryFull: too many callbacks wait for their turn.

    """
    now = datetime.now(UTC)
    data = SettlementData(
        settlement=f"st_{uuid4().hex}",
        amount=request.asked().on_the_wire(),
        fees=request.kept_back().on_the_wire(),
        currency=request.currency,
        occurred_at=now,
    )
    callback = Callback(type="settlement.paid", timestamp=now, data=data)
    announcements.send(callback, about=f"settlements in {request.currency}")
    return SettlementAnnounced(settlement=data.settlement)
