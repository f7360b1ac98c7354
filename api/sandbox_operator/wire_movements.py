"""What goes over the wire about money that moves after, or without, a prompt or a charge.

Amounts are decimal strings in major units, as everywhere on this wire. A payment's reference is
null where nobody asked for the payment: it was made at a till.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.sandbox_operator.amounts import Amount
from api.sandbox_operator.wire import CurrencyCode, MajorUnits, Phone

# It lies in the path of the status query, so it must not need any escaping.
OwnReference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,99}$")]
TransactionId = Annotated[str, Field(min_length=1, max_length=128)]
OperatorId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,99}$")]


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
    payment_reference: str | None
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


DisputeStage = Literal["warned", "opened", "closed", "reopened"]


class DisputeRequest(_Request):
    """``POST /v1/disputes``: let the operator tell that a dispute reached ``stage``.

    ``amount`` is all that was paid unless given. A new ``dispute`` is made up unless its id is
    given, which need not be known. ``lost_amount`` is nothing unless given.
    """

    transaction: TransactionId
    stage: DisputeStage
    amount: MajorUnits | None = None
    dispute: OperatorId | None = None
    lost_amount: MajorUnits | None = None
    funds_withdrawn: bool = True

    @model_validator(mode="after")
    def _loses_only_when_closed(self) -> "DisputeRequest":
        if self.lost_amount is not None and self.stage != "closed":
            raise ValueError("nothing is lost before the dispute is closed")
        return self


class DisputeAnnounced(BaseModel):
    """The answer when the operator is about to tell of a dispute."""

    dispute: str


class DisputeData(BaseModel):
    """What a callback says of a dispute about ``amount``; only a closed one loses anything.

    ``funds_withdrawn`` says whether the operator took ``amount`` away for the time of the dispute.
    """

    dispute: str
    reference: str | None
    transaction: str
    amount: str
    lost_amount: str
    currency: str
    funds_withdrawn: bool
    occurred_at: AwareDatetime


class DisputeFeeRequest(_Request):
    """``POST /v1/disputes/fees``: let the operator charge for a dispute, or return that.

    A new ``fee`` is made up unless its id is given, which need not be known.
    """

    transaction: TransactionId
    dispute: OperatorId
    amount: MajorUnits
    fee: OperatorId | None = None
    returned: bool = False


class DisputeFeeData(BaseModel):
    """What a callback says of a fee for a dispute; returning it does not change its id."""

    dispute: str
    reference: str | None
    transaction: str
    fee: str
    amount: str
    currency: str
    occurred_at: AwareDatetime


class FeeRequest(_Request):
    """``POST /v1/fees``: let the operator charge for a payment."""

    transaction: TransactionId
    amount: MajorUnits


class FeeAnnounced(BaseModel):
    """The answer when the operator is about to tell of a fee."""

    fee: str


class FeeData(BaseModel):
    """What a callback says of a fee for a payment."""

    fee: str
    reference: str | None
    transaction: str
    amount: str
    currency: str
    occurred_at: AwareDatetime


class SettlementRequest(_RequestOfMoney):
    """``POST /v1/settlements``: let the operator pay ``amount`` less ``fees`` to a bank."""

    fees: MajorUnits = "0"

    @model_validator(mode="after")
    def _pays_something(self) -> "SettlementRequest":
        if self.kept_back().minor_units > self.asked().minor_units:
            raise ValueError("the fees are more than the amount")
        return self

    def kept_back(self) -> Amount:
        """The fees, which may be nothing."""
        return Amount.parse(self.fees, self.currency, minor_units_min=0)


class SettlementAnnounced(BaseModel):
    """The answer when the operator is about to tell of a settlement."""

    settlement: str


class SettlementData(BaseModel):
    """What a callback says of a settlement: ``amount`` before ``fees``."""

    settlement: str
    amount: str
    fees: str
    currency: str
    occurred_at: AwareDatetime


class ReversalRequest(_Request):
    """``POST /v1/reversals``: let the operator refund by itself.

    ``amount`` is all that was not refunded yet unless given.
    """

    transaction: TransactionId
    amount: MajorUnits | None = None


class ReversalAnnounced(BaseModel):
    """The answer when the operator is about to tell of a refund of its own."""

    refund: str


class TillPaymentRequest(_RequestOfMoney):
    """``POST /v1/till/payments``: be a customer who pays at a till.

    ``account_reference`` is what the customer types, whatever that is.
    """

    account_reference: Annotated[str, Field(max_length=64)]
    phone: Phone


class TillPaymentAnnounced(BaseModel):
    """The answer when the operator is about to tell of a payment at a till."""

    transaction: str


class TillPaymentData(BaseModel):
    """What a callback says of a payment at a till, which has no reference of its receiver's."""

    transaction: str
    account_reference: str
    phone: str
    amount: str
    currency: str
    occurred_at: AwareDatetime
