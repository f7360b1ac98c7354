"""What the doors and the dispatcher need of a provider, and nothing more.

Each adapter owns its provider's exponents, steps, minimums and maximums, its signatures and its
words; beyond this port all of it is Hesabu's own terms.

A callback is believed as it stands only if its signature covers all of its bytes. Any other is a
*hint*, however genuine it looks: `to_confirm`. It is kept, claims no natural key, and moves no
money; the dispatcher lets the adapter `confirm` it by asking the provider with our own credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from ledger.commands import (
        AnyReport,
        PaymentTerms,
        PayoutReport,
        ProviderReport,
        RefundReport,
    )
    from ledger.money import Money


ABOUT_HEADER: Final = "hesabu-about"
"""Among the headers that are kept of a hint: the stream that it is about, if an adapter adds it. A
payment of which a hint waits, to be asked about or for a person, is not paid by a query that does
not say how much came.
"""


class BadSignatureError(Exception):
    """The callback is not from the provider, or not as the provider sent it."""


class StatusUnavailableError(Exception):
    """The provider did not answer the status query; ask again later."""


class NothingOfOursError(Exception):
    """It is genuine, and about nothing of ours: of another product of the same account, say."""


class CannotBeAskedError(Exception):
    """The provider has no way to be asked about this one: its callback or its statement tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A callback as it came. `token` is what the path has after the provider's name, if anything.

    `address` is the caller's, as the connection or a trusted proxy has it; None if unknown.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    token: str | None = field(default=None, repr=False)
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How often a provider is asked about what is open.

    First after so long, then after twice as long each time, at most `seconds_max`.
    """

    first_seconds: float
    seconds_max: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentInquiry:
    """A payment that a provider is asked about; what was sent, and what it answered then.

    `provider_reference` is None when its answer never came. `method` is phone or card.
    """

    payment_id: UUID
    provider_reference: str | None
    method: str
    money: Money
    initiated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutInquiry:
    """An attempt of a payout that a provider is asked about."""

    payout_id: UUID
    attempt: int
    provider_reference: str | None
    money: Money
    requested_at: datetime


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
    provider_reference: str | None = None
    """The provider's own of this refund, once it has answered."""
    also_known_as: tuple[str, ...] = ()
    """Other names of `provider_transaction`, as far as they were paired with it
    (api/providers/transaction_names.py)."""
    is_whole: bool = False
    """Whether it is surely all that the transaction brought: some providers take back no less."""
    requested_at: datetime | None = None


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
    """A callback that is from the provider, and what it says; `headers` are those to be kept.

    Without `reports` its body was not understood, and `reason` is a short code that says why,
    unless it says only that something happened, which is `to_confirm`: then `about` is the stream
    that it names, whose person's key seals the body. Or it is about `nothing_of_ours`: kept, and
    ignored.
    """

    natural_key: str
    headers: Mapping[str, str]
    reports: tuple[AnyReport, ...] = ()
    reason: str | None = None
    to_confirm: bool = False
    about: UUID | None = None
    nothing_of_ours: bool = False


class Known(Protocol):
    """What an adapter may ask of the ledger while it confirms a hint."""

    async def payment(self, payment_id: UUID) -> PaymentInquiry | None:
        """A payment of this provider, whatever became of it; None if there is none."""

    async def refund(self, stream_id: UUID, refund_id: UUID) -> RefundOrder | None:
        """A refund or a return of this provider's; None if there is none."""

    async def refunds(self, stream_id: UUID) -> tuple[RefundOrder, ...]:
        """All refunds and returns on a stream of this provider's, whatever became of them.

        For a refund that the provider does not name as we do: one without a reference of the
        provider's may be any of the same money.
        """

    async def payout(self, payout_id: UUID, attempt: int) -> PayoutInquiry | None:
        """An attempt of a payout by this provider that was sent; None if there is none."""

    async def payment_of(self, provider_transaction: str) -> UUID | None:
        """The payment that has this provider's transaction; None if none has."""


class Provider(Protocol):
    """A payment provider."""

    name: str

    prompts_phones: bool
    """Whether `initiate` may be called; where it may not, `Declined` is all that it answers."""

    charges_stored_methods: bool
    """The same of `charge`."""

    polling: Polling

    acknowledgement: Mapping[str, object] | None
    """The JSON that the provider wants as the answer to a callback; None: any success will do."""

    def terms(self, currency: str, *, expires_after_seconds: int) -> PaymentTerms | None:
        """Step, minimum and maximum in minor units; None when the currency is not taken."""

    def payout_terms(self, currency: str) -> PayoutLimits | None:
        """What can be paid out; None when the currency is not."""

    def verify(self, delivery: Delivery) -> VerifiedCallback:
        """Check the raw bytes, then translate. Raises `BadSignatureError`."""

    def read(
        self, headers: Mapping[str, str], body: bytes, *, natural_key: str
    ) -> VerifiedCallback:
        """Translate a callback that was verified when it came; `headers` are those kept then."""

    async def confirm(
        self, headers: Mapping[str, str], body: bytes, known: Known
    ) -> tuple[AnyReport, ...]:
        """Ask the provider about what a hint says; `headers` and `body` are those kept.

        Nothing while it has nothing final to tell. Raises `StatusUnavailableError`; and
        `CannotBeAskedError` for what names nothing of ours, or cannot be confirmed at all: a person
        must look. `NothingOfOursError` for what surely is none of ours: nobody must.
        """

    async def initiate(self, request: PromptRequest) -> Initiation:
        """Push a prompt, once. Never raises for what a provider or a network may do."""

    async def charge(self, request: ChargeRequest) -> Initiation:
        """Charge a stored method, once. Never raises for what a provider or a network may do."""

    async def status(self, inquiry: PaymentInquiry) -> ProviderReport | None:
        """What the provider knows of a payment; None when it does not know it at all.

        None is said only if it can be asked by a name that it had from us: then the payment fails.
        It is one that was prompted for or charged, and not one that was made at a till. Raises
        `StatusUnavailableError` or `CannotBeAskedError`.
        """

    async def refund(self, order: RefundOrder) -> Initiation:
        """Ask for a refund, once. Never raises for what a provider or a network may do."""

    async def refund_status(self, order: RefundOrder) -> RefundReport | None:
        """What the provider knows of a refund; as `status`."""

    async def pay_out(self, order: PayoutOrder) -> Initiation:
        """Send a payout, once an attempt. Never raises for what may happen on the way."""

    async def payout_status(self, inquiry: PayoutInquiry) -> PayoutReport | None:
        """What the provider knows of an attempt; as `status`."""

    async def close(self) -> None:
        """Close the connections."""
