"""What goes over the wire about prompts and charges: bodies of requests, answers and callbacks.

What goes over it about all other money is in ``wire_movements.py``.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.sandbox_operator.amounts import Amount

EXPIRES_IN_SECONDS_DEFAULT = 120.0
EXPIRES_IN_SECONDS_MAX = 86_400.0


class Status(StrEnum):
    """Where a prompt or a charge stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a prompt or a charge did not succeed."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    TIMEOUT = "timeout"
    CANCELLED_BY_PAYER = "cancelled_by_payer"


CallbackType = Literal[
    "payment.pending",
    "payment.succeeded",
    "payment.failed",
    "payment.cancelled",
    "till.payment.received",
    "refund.succeeded",
    "refund.failed",
    "payout.paid",
    "payout.failed",
    "payout.returned",
    "dispute.warned",
    "dispute.opened",
    "dispute.closed",
    "dispute.reopened",
    "dispute.fee_charged",
    "dispute.fee_returned",
    "fee.charged",
    "settlement.paid",
]

# It lies in the path of the status query, so it must not need any escaping.
PromptReference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}$")]
CardToken = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{3,128}$", examples=["card_000"])]
Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{7,14}$", examples=["+254700000000"])]
MajorUnits = Annotated[str, Field(max_length=32, examples=["1250.00"])]
CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["KES"])]


class _PaymentRequest(BaseModel):
    """``amount`` is a decimal string in major units with at most the currency's decimals."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reference: PromptReference
    amount: MajorUnits
    currency: CurrencyCode

    @model_validator(mode="after")
    def _is_payable(self) -> "_PaymentRequest":
        self.asked()
        return self

    def asked(self) -> Amount:
        """The amount that is asked for."""
        return Amount.parse(self.amount, self.currency)


class PromptRequest(_PaymentRequest):
    """``POST /v1/prompts``: ask the person behind a phone for money."""

    phone: Phone
    description: Annotated[str, Field(max_length=255)] = ""
    expires_in_seconds: Annotated[
        float, Field(gt=0, le=EXPIRES_IN_SECONDS_MAX, allow_inf_nan=False)
    ] = EXPIRES_IN_SECONDS_DEFAULT


class ChargeRequest(_PaymentRequest):
    """``POST /v1/charges``: take money from a stored card, whose token is ``card``."""

    card: CardToken


class PromptAccepted(BaseModel):
    """The answer to what was accepted: nothing has been paid yet, whatever a callback says."""

    operator_reference: str
    reference: str
    status: Literal[Status.PENDING] = Status.PENDING


class PromptStatus(BaseModel):
    """The answer to a status query; once succeeded, ``amount`` is what was really paid."""

    reference: str
    operator_reference: str
    status: Status
    transaction: str | None
    amount: str
    currency: str
    reason: Reason | None
    occurred_at: AwareDatetime


class CallbackData(PromptStatus):
    """What a callback says of a prompt, or of a charge, which has no phone."""

    phone: str | None


class Error(BaseModel):
    """A stable code for programs and a message for people."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The body of every answer that is not a success."""

    error: Error


class PromptStatistics(BaseModel):
    """How many prompts were on the phone for each reference: more than one is a double prompt.

    A charge counts as one; there is never a second one of its reference.
    """

    prompts: dict[str, int]


class DeliveryAttempt(BaseModel):
    """One attempt to deliver a callback; ``reference`` is the one in its data, if it has one.

    Exactly one of ``status_code`` and ``error`` is given. The error is ``lost`` if the operator
    lost the callback on purpose, otherwise the name of the failure to connect or to answer.
    """

    webhook_id: str
    type: CallbackType
    reference: str | None
    attempt: int
    status_code: int | None
    error: str | None
    attempted_at: datetime


class DeliveryStatistics(BaseModel):
    """Delivery attempts, oldest first."""

    deliveries: list[DeliveryAttempt]


class BehaviourDescription(BaseModel):
    """What phone numbers that end in ``digits`` do."""

    digits: str
    name: str
    description: str


class BehaviourTable(BaseModel):
    """All behaviours; other digits succeed."""

    behaviours: list[BehaviourDescription]
