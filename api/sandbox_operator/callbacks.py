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
    TillPaymentData,
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
        | TillPaymentData
    )

    @property
    def reference(self) -> str | None:
        """The caller's reference that it is about, if it is about one."""
        if isinstance(self.data, SettlementData | TillPaymentData):
            return None
        return self.data.reference
