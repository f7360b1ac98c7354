"""What the doors and the dispatcher need of a provider, and nothing more.

Each adapter owns its provider's exponents, steps, minimums and maximums, its signatures and its
words; beyond this port all of it is Hesabu's own terms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ledger.commands import (
        AnyReport,
        PaymentTerms,
        PayoutReport,
        ProviderReport,
        RefundReport,
    )
    from ledger.money import Money


class BadSignatureError(Exception):
    """The callback is not from the provider, or not as the provider sent it."""


class StatusUnavailableError(Exception):
    """The provider did not answer the status query; ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRequest:
    """A prompt to be pushed to a fan's phone. `payment_id` is the reference at the provider."""

    payment_id: UUID
    phone: str = field(repr=False)
    money: Money
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """Money to be taken from a stored card: `card` is the provider's token of it.

    `payment_id` is the reference at the provider, which takes it once.
    """

    payment_id: UUID
    card: str = field(repr=False)
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """Money to go back the way of `provider_transaction`; `refund_id` is the reference.

    `stream_id` is the stream that the refund lies on.
    """

    refund_id: UUID
    stream_id: UUID
    provider_transaction: str
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutOrder:
    """Money to go to a creator's phone. Each attempt is a request of its own at the provider."""

    payout_id: UUID
    attempt: int
    phone: str = field(repr=False)
    money: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutLimits:
    """What the provider pays out in a currency: step, minimum and maximum in minor units."""

    provider: str
    step: int
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the request, under this reference of its own."""

    provider_reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider certainly did not take the request; `retryable`: it may take another one."""

    reason: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The provider may or may not have taken the request: never push again, ask."""

    reason: str


Initiation = Accepted | Declined | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCallback:
    """A callback whose signature is right. `report` is None when its body was not understood."""

    natural_key: str
    headers: Mapping[str, str]
    report: AnyReport | None
    reason: str | None = None


class Provider(Protocol):
    """A payment provider."""

    name: str

    charges_stored_methods: bool
    """Whether `charge` may be called; where it may not, `Declined` is all that it answers."""

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        """Step, minimum and maximum in minor units; None when the currency is not taken."""

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        """What can be paid out; None when the currency is not."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> VerifiedCallback:
        """Check the raw bytes, then translate. Raises `BadSignatureError`."""

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        """Translate a callback that was verified when it came; `headers` are those kept then."""

    async def initiate(self, request: PromptRequest) -> Initiation:
        """Push a prompt, once. Never raises for what a provider or a network may do."""

    async def charge(self, request: ChargeRequest) -> Initiation:
        """Charge a stored method, once. Never raises for what a provider or a network may do."""

    async def status(self, payment_id: UUID) -> ProviderReport | None:
        """What the provider knows of a payment; None when it does not know it at all.

        It is one that was prompted for or charged, and not one that was made at a till.
        Raises `StatusUnavailableError`.
        """

    async def refund(self, order: RefundOrder) -> Initiation:
        """Ask for a refund, once. Never raises for what a provider or a network may do."""

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        """What the provider knows of a refund; as `status`."""

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        """Send a payout, once an attempt. Never raises for what may happen on the way."""

    async def payout_status(self, payout_id: UUID, attempt: int) -> PayoutReport | None:
        """What the provider knows of an attempt; as `status`."""

    async def close(self) -> None:
        """Close the connections."""
