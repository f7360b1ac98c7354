"""What goes over the wire about money that moves after, or without, a prompt.

Amounts are decimal strings in major units, as everywhere on this wire.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.sandbox_operator.amounts import Amount
from api.sandbox_operator.wire import CurrencyCode, MajorUnits, Phone

# It lies in the path of the status query, so it must not need any escaping.
OwnReference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,99}$")]
TransactionId = Annotated[str, Field(min_length=1, max_length=128)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _RequestOfMoney(_Request):
    amount: MajorUnits
    currency: CurrencyCode

    @model_validator(mode="after")
    def _is_payable(self) -> "_RequestOfMoney":
        self.asked()
        return self

    def asked(self) -> Amount:
        """The amount that is asked for."""
        return Amount.parse(self.amount, self.currency)


class Accepted(BaseModel):
    """The answer to an accepted refund or payout: no money has moved yet."""

    operator_reference: str
    reference: str


class RefundStatus(StrEnum):
    """Where a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundReason(StrEnum):
    """Why a refund failed."""

    ACCOUNT_CLOSED = "account_closed"
    SENT_BACK = "sent_back"


class RefundRequest(_RequestOfMoney):
    """``POST /v1/refunds``: give back all or a part of what a transaction paid."""

    reference: OwnReference
    transaction: TransactionId


class RefundState(BaseModel):
    """A refund, for the status query and in callbacks.

    ``reference`` is null if the operator refunds by itself; ``payment_reference`` is the prompt's.
    """

    reference: str | None
    operator_reference: str
    refund: str
    transaction: str
    payment_reference: str
    status: RefundStatus
    reason: RefundReason | None
    amount: str
    currency: str
    occurred_at: AwareDatetime


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    RETURNED = "returned"


class PayoutReason(StrEnum):
    """Why a payout failed, or came back."""

    FLOAT_EMPTY = "float_empty"
    PROCESSING_TIMEOUT = "processing_timeout"
    RECIPIENT_UNKNOWN = "recipient_unknown"
    RECIPIENT_WALLET_CLOSED = "recipient_wallet_closed"


class PayoutRequest(_RequestOfMoney):
    """``POST /v1/payouts``: send money to a phone."""

    reference: OwnReference
    phone: Phone


class PayoutState(BaseModel):
    """A payout, for the status query and in callbacks.

    ``retryable`` says whether another payout, with another reference, may well be paid.
    """

    reference: str
    operator_reference: str
    transaction: str | None
    status: PayoutStatus
    reason: PayoutReason | None
    retryable: bool
    amount: str
    currency: str
    occurred_at: AwareDatetime
