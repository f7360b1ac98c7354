"""How a payout ends: as the phone that is paid out to says.

    pending ──► paid ──► returned       recipient_wallet_closed
            ──► failed                  recipient_unknown, float_empty (ask again later)
            ──► failed ──► paid         processing_timeout; it was too early to say so

A reference is taken once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from api.sandbox_operator.behaviours import Behaviour, behaviour_of
from api.sandbox_operator.callbacks import Callback
from api.sandbox_operator.delivery import Message
from api.sandbox_operator.errors import DuplicateReference, OperatorBroken, UnknownPayout
from api.sandbox_operator.memory import Memory
from api.sandbox_operator.transactions import new_transaction
from api.sandbox_operator.wire_movements import Accepted, PayoutReason, PayoutState, PayoutStatus

if TYPE_CHECKING:
    from api.sandbox_operator.amounts import Amount
    from api.sandbox_operator.background import Background
    from api.sandbox_operator.delivery import Courier
    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.wire import CallbackType
    from api.sandbox_operator.wire_movements import PayoutRequest

_TYPES: dict[PayoutStatus, CallbackType] = {
    PayoutStatus.PAID: "payout.paid",
    PayoutStatus.FAILED: "payout.failed",
    PayoutStatus.RETURNED: "payout.returned",
}


@dataclass(slots=True, eq=False)
class Payout:
    """A payout of ``amount``; it has a transaction once it was paid."""

    reference: str
    amount: Amount
    behaviour: Behaviour
    float_is_empty: bool
    operator_reference: str = field(default_factory=lambda: f"op_{uuid4().hex}")
    occurred_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    status: PayoutStatus = PayoutStatus.PENDING
    transaction: str | None = None
    reason: PayoutReason | None = None

    def pay(self) -> None:
        """The money is in the person's wallet."""
        self.transaction = new_transaction()
        self._become(PayoutStatus.PAID, None)

    def fail(self, reason: PayoutReason) -> None:
        """The money did not leave."""
        self._become(PayoutStatus.FAILED, reason)

    def come_back(self, reason: PayoutReason) -> None:
        """The money had left, and is back."""
        self._become(PayoutStatus.RETURNED, reason)

    def state(self) -> PayoutState:
        """What is known of it now."""
        return PayoutState(
            reference=self.reference,
            operator_reference=self.operator_reference,
            transaction=self.transaction,
            status=self.status,
            reason=self.reason,
            retryable=self.reason is PayoutReason.FLOAT_EMPTY,
            amount=self.amount.on_the_wire(),
            currency=self.amount.currency,
            occurred_at=self.occurred_at,
        )

    def _become(self, status: PayoutStatus, reason: PayoutReason | None) -> None:
        self.status = status
        self.reason = reason
        self.occurred_at = datetime.now(UTC)


class Payouts:
    """Takes payouts, and plays each to its end."""

    def __init__(
        self, settings: OperatorSettings, courier: Courier, background: Background
    ) -> None:
        self._settings = settings
        self._courier = courier
        self._background = background
        self._kept: Memory[Payout] = Memory(settings.payouts_kept_max)
        self._refused_for_float: Memory[bool] = Memory(settings.payouts_kept_max)

    async def pay_out(self, request: PayoutRequest) -> Accepted:
        """Accept a payout, unless its reference was accepted before.

        Raises:
            DuplicateReference: this reference was accepted before; nothing else happens.
            OperatorBroken: the behaviour says so; the payout may be accepted all the same.
            MemoryFull: too many payouts are open.

        """
        behaviour = behaviour_of(request.phone)
        if behaviour is Behaviour.PAYOUT_PUSH_FAILS_UNACCEPTED:
            raise OperatorBroken
        if self._kept.get(request.reference):
            raise DuplicateReference
        payout = Payout(
            request.reference, request.asked(), behaviour, self._float_is_empty(request.phone)
        )
        self._kept.accept(request.reference, payout)
        if payout.float_is_empty:
            self._refused_for_float.accept(request.phone, item=True)
            self._refused_for_float.finish(request.phone)
        _ = self._background.start(
            self._play(payout),
            what=f"payout {payout.operator_reference}",
            then=lambda: self._kept.finish(request.reference),
        )
        match behaviour:
            case Behaviour.PAYOUT_PUSH_FAILS_ACCEPTED:
                raise OperatorBroken
            case Behaviour.PAYOUT_HANGS:
                await self._background.hang()
            case _:
                pass
        return Accepted(operator_reference=payout.operator_reference, reference=request.reference)

    def status(self, reference: str) -> PayoutState:
        """Where the payout of ``reference`` stands.

        Raises:
            UnknownPayout: none was accepted with it.

        """
        payout = self._kept.get(reference)
        if payout is None:
            raise UnknownPayout
        return payout.state()

    def _float_is_empty(self, phone: str) -> bool:
        once = behaviour_of(phone) is Behaviour.PAYOUT_FLOAT_EMPTY_ONCE
        return once and not self._refused_for_float.get(phone)

    async def _play(self, payout: Payout) -> None:
        await asyncio.sleep(self._settings.delay_seconds)
        if payout.float_is_empty:
            await self._fail(payout, PayoutReason.FLOAT_EMPTY)
            return
        match payout.behaviour:
            case Behaviour.PAYOUT_SILENT:
                payout.pay()
            case Behaviour.PAYOUT_FAILS:
                await self._fail(payout, PayoutReason.RECIPIENT_UNKNOWN)
            case Behaviour.PAYOUT_FAILED_THEN_PAID:
                await self._fail(payout, PayoutReason.PROCESSING_TIMEOUT)
                await asyncio.sleep(self._settings.delay_seconds)
                await self._pay(payout)
            case Behaviour.PAYOUT_PAID_THEN_RETURNED:
                await self._pay(payout)
                await asyncio.sleep(self._settings.delay_seconds)
                payout.come_back(PayoutReason.RECIPIENT_WALLET_CLOSED)
                await self._tell(payout)
            case _:
                await self._pay(payout)

    async def _pay(self, payout: Payout) -> None:
        payout.pay()
        await self._tell(payout)

    async def _fail(self, payout: Payout, reason: PayoutReason) -> None:
        payout.fail(reason)
        await self._tell(payout)

    async def _tell(self, payout: Payout) -> None:
        callback = Callback(
            type=_TYPES[payout.status], timestamp=datetime.now(UTC), data=payout.state()
        )
        await self._courier.deliver(Message.of(callback))
