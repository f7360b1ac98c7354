"""The ledger once more, in plain dictionaries: slow, obvious, and written from the rules alone.

It reads commands and says what must come of them; it shares no decision, no posting rule and no
state with the ledger. `Model.execute` is one turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.commands import (
    AssignFeePlan,
    AwaitConfirmation,
    CancelPayment,
    ExpirePayment,
    IgnoreCallback,
    InitiatePayment,
    ParkCallback,
    RecordReport,
    RecordSubmissionUnknown,
    RecordSubmitted,
    RegisterCreator,
    StartSubmission,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from ledger.decisions import LedgerCommand

WAITING = ("initiated", "submitting", "submitted", "submission_unknown")
GIVEN_UP = ("failed", "cancelled", "expired")


class Expected(NamedTuple):
    """What a caller must be answered."""

    position: int = 0
    stream: UUID | None = None
    version: int | None = None
    verdict: str | None = None
    error: str | None = None
    replayed: bool = False


class No(Exception):
    """The request is refused with this code."""


@dataclass
class Model:
    """Everything that a book knows."""

    head: int = 0
    now: datetime | None = None
    creators: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    payments: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    receipts: set[UUID] = field(default_factory=set)
    owners: dict[tuple[str, str], UUID] = field(default_factory=dict)
    answered: dict[tuple[str, str], tuple[bytes | None, Expected]] = field(default_factory=dict)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)

    def execute(self, commands: Sequence[LedgerCommand], now: datetime) -> list[Expected]:
        """One turn at a time of day: every command on what those before it left."""
        self.now = now
        return [self.answer(command) for command in commands]

    def answer(self, command: LedgerCommand) -> Expected:
        key = (command.key.scope, command.key.key)
        if key in self.answered:
            fingerprint, first = self.answered[key]
            if fingerprint is not None and fingerprint != command.key.fingerprint:
                return Expected(error="idempotency_key_reused")
            return first._replace(replayed=True)
        try:
            stream, verdict = self._happen(command)
        except No as no:
            answer = Expected(position=self.head, error=str(no))
            keep = command.key.fingerprint is not None
        else:
            answer = Expected(self.head, stream, self._version(stream), verdict)
            keep = True
        if keep:
            self.answered[key] = (command.key.fingerprint, answer)
        return answer

    def _version(self, stream: UUID | None) -> int | None:
        if stream in self.receipts:
            return 1
        for known in (self.creators, self.payments):
            if stream in known:
                return int(known[stream]["version"])
        return None

    def _happen(self, command: LedgerCommand) -> tuple[UUID | None, str | None]:
        if isinstance(command, RecordReport):
            return self._report(command)
        rules: dict[type, Callable[[Any], UUID]] = {
            RegisterCreator: self._register,
            AssignFeePlan: self._assign,
            InitiatePayment: self._initiate,
            CancelPayment: self._cancel,
            StartSubmission: self._start,
            RecordSubmitted: self._submitted,
            RecordSubmissionUnknown: self._unknown,
            ExpirePayment: self._expire,
        }
        assert not isinstance(command, ParkCallback | AwaitConfirmation | IgnoreCallback)
        return rules[type(command)](command), None

    def _recorded(self, about: dict[str, Any], **changes: object) -> None:
        self.head += 1
        about["version"] += 1
        about.update(changes)

    def _move(self, currency: str, *legs: tuple[str, int]) -> None:
        for account, amount in legs:
            key = (account, currency)
            self.balances[key] = self.balances.get(key, 0) + amount

    # Creators.

    def _register(self, command: RegisterCreator) -> UUID:
        if command.creator_id in self.creators:
            raise No("creator_already_registered")
        rates = (command.plan.fee_basis_points, command.plan.vat_basis_points)
        self.head += 2
        self.creators[command.creator_id] = {
            "version": 2,
            "currency": command.settlement_currency,
            "rates": rates,
        }
        return command.creator_id

    def _assign(self, command: AssignFeePlan) -> UUID:
        if command.creator_id not in self.creators:
            raise No("creator_not_found")
        creator = self.creators[command.creator_id]
        rates = (command.plan.fee_basis_points, command.plan.vat_basis_points)
        if creator["rates"] != rates:
            self._recorded(creator, rates=rates)
        return command.creator_id

    # Payments.

    def _initiate(self, command: InitiatePayment) -> UUID:
        creator = self.creators.get(command.creator_id)
        gross, terms = command.money.amount, command.terms
        if creator is None:
            raise No("creator_not_found")
        if command.fan_id == command.creator_id:
            raise No("self_payment")
        if command.money.currency != creator["currency"]:
            raise No("currency_not_accepted")
        if gross % terms.step != 0 or gross < terms.minimum or gross > terms.maximum:
            raise No("amount_not_payable")
        fee = ceil(Fraction(gross * creator["rates"][0], 10_000))
        vat = floor(Fraction(fee * creator["rates"][1], 10_000) + Fraction(1, 2))
        if fee + vat > gross:
            raise No("fee_plan_exceeds_payment")
        assert self.now is not None
        self.head += 1
        self.payments[command.payment_id] = {
            "version": 1,
            "state": "initiated",
            "late": False,
            "fan": command.fan_id,
            "creator": command.creator_id,
            "gross": gross,
            "currency": command.money.currency,
            "parts": (gross - fee - vat, fee, vat),
            "expires_at": self.now + timedelta(seconds=terms.expires_after_seconds),
            "started": False,
            "contradictions": set(),
        }
        return command.payment_id

    def _find(self, stream: UUID) -> dict[str, Any]:
        if stream not in self.payments:
            raise No("payment_not_found")
        return self.payments[stream]

    def _cancel(self, command: CancelPayment) -> UUID:
        payment = self._find(command.payment_id)
        if payment["fan"] != command.fan_id:
            raise No("payment_not_found")
        if payment["state"] != "initiated":
            raise No("payment_not_cancellable")
        self._recorded(payment, state="cancelled")
        return command.payment_id

    def _start(self, command: StartSubmission) -> UUID:
        payment = self._find(command.payment_id)
        if payment["started"]:
            raise No("submission_already_started")
        if payment["state"] != "initiated" or self.now >= payment["expires_at"]:
            raise No("submission_not_allowed")
        self._recorded(payment, state="submitting", started=True)
        return command.payment_id

    def _submitted(self, command: RecordSubmitted) -> UUID:
        payment = self._find(command.payment_id)
        if payment["state"] in ("submitting", "submission_unknown"):
            self._recorded(payment, state="submitted")
        return command.payment_id

    def _unknown(self, command: RecordSubmissionUnknown) -> UUID:
        payment = self._find(command.payment_id)
        if payment["state"] == "submitting":
            self._recorded(payment, state="submission_unknown")
        return command.payment_id

    def _expire(self, command: ExpirePayment) -> UUID:
        payment = self._find(command.payment_id)
        if payment["state"] in WAITING:
            if self.now < payment["expires_at"]:
                raise No("not_yet_expired")
            self._recorded(payment, state="expired")
        return command.payment_id

    # What providers report.

    def _report(self, command: RecordReport) -> tuple[UUID | None, str]:
        report = command.report
        about = None if report.payment_id is None else self.payments.get(report.payment_id)
        stream = command.receipt_id if about is None else report.payment_id
        if report.claim.value == "pending":
            return stream, "ignored"
        if report.claim.value == "succeeded":
            return stream, self._money(command, about)
        if about is None:
            return stream, "ignored"
        return stream, self._no_money(about, report.claim.value, report.provider_transaction)

    def _no_money(self, payment: dict[str, Any], claim: str, transaction: str | None) -> str:
        if payment["state"] in ("succeeded", "needs_review"):
            return self._contradict(payment, claim, transaction)
        if payment["state"] in WAITING or (payment["state"], claim) == ("failed", "cancelled"):
            self._recorded(payment, state=claim)
            return "applied"
        return "duplicate"

    def _contradict(self, payment: dict[str, Any], claim: str, transaction: str | None) -> str:
        if (claim, transaction) in payment["contradictions"]:
            return "duplicate"
        payment["contradictions"].add((claim, transaction))
        self._recorded(payment)
        return "applied"

    def _money(self, command: RecordReport, payment: dict[str, Any] | None) -> str:
        report = command.report
        received, transaction = report.received, report.provider_transaction
        assert received is not None
        assert transaction is not None
        owner = self.owners.get((report.provider, transaction))
        if owner is not None and (payment is None or owner == report.payment_id):
            return "duplicate"
        if owner is not None and payment is not None:
            return self._contradict(payment, "transaction_of_another_payment", transaction)
        collection, suspense = (
            f"provider:{report.provider}:collection",
            f"suspense:{report.provider}",
        )
        amount, currency = received.amount, received.currency
        if payment is None:
            assert command.receipt_id is not None
            self.owners[report.provider, transaction] = command.receipt_id
            self.receipts.add(command.receipt_id)
            self.head += 1
            self._move(currency, (collection, amount), (suspense, -amount))
            return "applied"
        assert report.payment_id is not None
        self.owners[report.provider, transaction] = report.payment_id
        enough = currency == payment["currency"] and amount >= payment["gross"]
        if payment["state"] == "succeeded" or not enough:
            state = payment["state"]
            if state != "succeeded":
                state = "needs_review"
            self._recorded(payment, state=state)
            self._move(currency, (collection, amount), (suspense, -amount))
            return "applied"
        net, fee, vat = payment["parts"]
        self._recorded(payment, state="succeeded", late=payment["state"] in GIVEN_UP)
        self._move(
            currency,
            (collection, payment["gross"]),
            (f"creator:{payment['creator']}:pending", -net),
            ("platform:fees", -fee),
            ("tax:vat", -vat),
        )
        if (excess := amount - payment["gross"]) > 0:
            self._recorded(payment)
            self._move(currency, (collection, excess), (suspense, -excess))
        return "applied"
