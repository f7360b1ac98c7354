"""The operator itself: what it remembers, and the parts that play with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.sandbox_operator.announcements import Announcements
from api.sandbox_operator.background import Background
from api.sandbox_operator.behaviours import Behaviour
from api.sandbox_operator.delivery import Courier
from api.sandbox_operator.disputes import Disputes
from api.sandbox_operator.errors import DuplicateReference, OperatorBroken, UnknownReference
from api.sandbox_operator.fees import Fees
from api.sandbox_operator.payouts import Payouts
from api.sandbox_operator.prompts import Prompt, Prompts
from api.sandbox_operator.refunds import Refunds
from api.sandbox_operator.scenarios import Scenarios, callback_data
from api.sandbox_operator.till import Till
from api.sandbox_operator.transactions import Transactions
from api.sandbox_operator.wire import PromptAccepted, PromptStatistics, PromptStatus

if TYPE_CHECKING:
    import asyncio

    from api.sandbox_operator.settings import OperatorSettings
    from api.sandbox_operator.wire import ChargeRequest, PromptRequest


class Operator:
    """The operator: its prompts, the scenarios that play with them, and its other desks."""

    def __init__(self, settings: OperatorSettings) -> None:
        self.courier = Courier(settings)
        self._background = Background(settings.hang_seconds)
        self.announcements = Announcements(settings, self.courier, self._background)
        transactions = Transactions(settings.transactions_kept_max)
        self.refunds = Refunds(
            settings,
            self.courier,
            background=self._background,
            announcements=self.announcements,
            transactions=transactions,
        )
        self.payouts = Payouts(settings, self.courier, self._background)
        self.disputes = Disputes(
            settings, self.courier, announcements=self.announcements, transactions=transactions
        )
        self.fees = Fees(
            settings, self.courier, announcements=self.announcements, transactions=transactions
        )
        self.till = Till(self.announcements, transactions)
        self._prompts = Prompts(settings.prompts_kept_max)
        self._scenarios = Scenarios(
            settings, self.courier, transactions, self.refunds, self.disputes, self.fees
        )

    async def push(self, request: PromptRequest) -> PromptAccepted:
        """Put a prompt on a phone; never deduplicated, whatever its reference.

        Raises:
            OperatorBroken: the behaviour says so; the prompt may be on the phone all the same.
            OperatorBusy: too many prompts are open.

        """
        return await self._accept(Prompt.of(request))

    async def charge(self, request: ChargeRequest) -> PromptAccepted:
        """Charge a stored card, unless the reference was accepted before.

        Raises:
            DuplicateReference: this reference was accepted before; nothing else happens.
            OperatorBroken: the behaviour says so; the charge may be accepted all the same.
            OperatorBusy: too many prompts are open.

        """
        if self._prompts.latest(request.reference):
            raise DuplicateReference
        return await self._accept(Prompt.of_charge(request))

    def status(self, reference: str) -> PromptStatus:
        """Where the latest prompt of ``reference`` stands, or its charge.

        Raises:
            UnknownReference: neither was accepted with it.
            OperatorBroken: the behaviour says so.

        """
        prompt = self._prompts.latest(reference)
        if prompt is None:
            raise UnknownReference
        if prompt.behaviour is Behaviour.STATUS_FAILS_AND_CALLBACK_LOST:
            raise OperatorBroken
        return PromptStatus.model_validate(callback_data(prompt).model_dump(exclude={"phone"}))

    def prompt_counts(self, reference: str | None) -> PromptStatistics:
        """How many prompts each reference has, or only the given one."""
        return PromptStatistics(prompts=self._prompts.counts(reference))

    def stop_hanging(self) -> None:
        """Answer everything that hangs now, so that the process can stop."""
        self._background.stop_hanging()

    async def close(self) -> None:
        """Drop what is still being played, and the connections."""
        await self._background.close()
        await self.courier.close()

    async def _accept(self, prompt: Prompt) -> PromptAccepted:
        if prompt.behaviour is Behaviour.PUSH_FAILS_UNACCEPTED:
            raise OperatorBroken
        self._prompts.accept(prompt)
        playing = self._play(prompt)
        match prompt.behaviour:
            case Behaviour.PUSH_FAILS_ACCEPTED:
                raise OperatorBroken
            case Behaviour.CALLBACK_BEFORE_ANSWER:
                # Bounded: a receiver that answers only after this push would wait for ever.
                await self._background.hang(until=playing)
            case Behaviour.PUSH_HANGS:
                await self._background.hang()
            case _:
                pass
        return PromptAccepted(
            operator_reference=prompt.operator_reference, reference=prompt.reference
        )

    def _play(self, prompt: Prompt) -> asyncio.Task[None]:
        return self._background.start(
            self._scenarios.play(prompt),
            what=f"prompt {prompt.operator_reference}",
            then=lambda: self._prompts.finish(prompt),
        )
