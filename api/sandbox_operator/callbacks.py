"""The envelope of every callback, whatever it is about."""

from pydantic import AwareDatetime, BaseModel

from api.sandbox_operator.wire import CallbackData, CallbackType
from api.sandbox_operator.wire_movements import (
    DisputeData,
    DisputeFeeData,
    FeeData,
    PayoutState,
    RefundState,
    SettlementData,
)


class Callback(BaseModel):
    """The body of a callback; ``timestamp`` is when it was written, not when it was sent."""

    type: CallbackType
    timestamp: AwareDatetime
    data: (
        CallbackData
        | RefundState
        | PayoutState
        | DisputeData
        | DisputeFeeData
        | FeeData
        | SettlementData
    )

    @property
    def reference(self) -> str | None:
        """The caller's reference that it is about, if it is about one."""
        return None if isinstance(self.data, SettlementData) else self.data.reference
