"""What would creators have, had the platform's fee been another? The real payments, told anew.

Each payment's stream is folded twice: as it was, and as it would have been from its beginning on
under other rules (ledger/reposting.py, which says what stays as it was). Net is all that a payment
has posted to its creator's accounts: what was earned, less what refunds, disputes and unused time
took back, and dispute fees. Payouts, holds and corrections move what is there and are no part of
it. VAT is that of the payment's own plan, on the other fee. Nothing is written.

A payment is left as it was, and the topic that is the cause is counted, where

    its plan keeps the fee and somebody asked for a refund     how much could be asked for is the
    or unused time was credited                                fee's doing
    the other fee, with VAT, would be more than its gross      it would have been refused
    what is stored is not what these rules post today          it was decided by other code

Streams are taken one after another, so memory is needed for one payment and a few sums a creator.
projections/what_if_log.py reads them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from uuid import UUID

from ledger.accounts import DISPUTES, PLATFORM_FEES, VAT
from ledger.errors import FeePlanExceedsPayment
from ledger.events import (
    ContradictionRecorded,
    CreditSpent,
    DisputeEvidenceNoted,
    FanRefundDeclined,
    FanRefundRequested,
    InvoicePaymentInitiated,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentInitiated,
    PaymentSubmissionStarted,
    PaymentSubmissionUnknown,
    PaymentSubmitted,
    PaymentVoided,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
)
from ledger.payment import evolve_payment
from ledger.reposting import Beginning, begun_under, cannot_be_reposted, repost
from ledger.serialization import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.events import PaymentEvent
    from ledger.payment import Payment
    from ledger.postings import FeePlan

Row = tuple[UUID, int, str, bytes]
"""Stream, version, topic and state."""

BEGINNINGS: Final = frozenset(
    each.TOPIC for each in (PaymentInitiated, InvoicePaymentInitiated, CreditSpent)
)
PASSED_OVER: Final = frozenset(
    each.TOPIC
    for each in (
        *(PaymentSubmissionStarted, PaymentSubmitted, PaymentSubmissionUnknown),
        *(PaymentAuthorised, PaymentVoided, PaymentFailed, PaymentCancelled, PaymentExpired),
        *(RefundSubmissionStarted, RefundSubmitted, RefundSubmissionUnknown),
        *(ContradictionRecorded, FanRefundRequested, FanRefundDeclined, DisputeEvidenceNoted),
    )
)
"""What moves no money, and changes nothing on which it depends how money is shared later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRules:
    """A platform's fee for every payment begun at `from_position` or later; or one creator's.

    Without a fee every payment keeps its own plan: all is decided anew and must come out the same.
    """

    fee_basis_points: int | None
    creator_id: UUID | None = None
    from_position: int = 1


class Shares(NamedTuple):
    """How payments came to be shared, in minor units; each is positive where somebody has gained.

    `expenses` is what nobody else bears, and is positive where the platform has lost.
    """

    net: int = 0
    fees: int = 0
    vat: int = 0
    expenses: int = 0

    def plus(self, other: Shares) -> Shares:
        """Share by share."""
        return Shares(*(a + b for a, b in zip(self, other, strict=True)))


NO_SHARES: Final = Shares()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Payments of one creator, or of all, in one currency: as they were and as they would be."""

    creator_id: UUID | None
    currency: str
    payments: int
    was: Shares
    would_be: Shares

    @property
    def difference(self) -> int:
        """What the creator would have more, in minor units."""
        return self.would_be.net - self.was.net


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfReport:
    """What was found up to `position`; `payments` brought money, and are all that is compared.

    `left_as_they_were` counts those of them that could not be decided anew, by the topic that is
    the cause.
    """

    position: int
    events: int
    payments: int
    creators: list[Difference]
    totals: list[Difference]
    left_as_they_were: list[tuple[str, int]]


@dataclass(slots=True)
class _Told:
    """A payment told one way."""

    payment: Payment
    shares: Shares = NO_SHARES

    def add(self, event: PaymentEvent) -> None:
        self.payment = evolve_payment(self.payment, event)
        self.shares = self.shares.plus(_shares(event))


@dataclass(slots=True)
class _Sums:
    payments: int = 0
    was: Shares = NO_SHARES
    would_be: Shares = NO_SHARES

    def add(self, payments: int, was: Shares, would_be: Shares) -> None:
        self.payments += payments
        self.was = self.was.plus(was)
        self.would_be = self.would_be.plus(would_be)


@dataclass(slots=True)
class WhatIf:
    """Takes streams, one after another, each from its first event on."""

    rules: OtherRules
    events: int = 0
    _stream: UUID | None = None
    _was: _Told | None = None
    _would_be: _Told | None = None
    _sums: dict[tuple[UUID, str], _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    _left: Counter[str] = field(default_factory=Counter)
    _cause: str | None = None

    def take(self, rows: Iterable[Row]) -> None:
        """Go on with these. Raises what `decode_event` does for what is no event."""
        for stream, version, topic, state in rows:
            self.events += 1
            if stream != self._stream:
                self._end()
                self._stream = stream
                if version == 1 and topic in BEGINNINGS:
                    self._begin(_decoded(stream, version, topic, state))
            elif self._was is not None and topic not in PASSED_OVER:
                self._go_on(self._was, _decoded(stream, version, topic, state))

    def report(self, position: int) -> WhatIfReport:
        """What was found; nothing more comes."""
        self._end()
        totals: dict[str, _Sums] = defaultdict(_Sums)
        for (_, currency), sums in self._sums.items():
            totals[currency].add(sums.payments, sums.was, sums.would_be)
        return WhatIfReport(
            position=position,
            events=self.events,
            payments=sum(sums.payments for sums in totals.values()),
            creators=[
                _difference(creator_id, currency, sums)
                for (creator_id, currency), sums in sorted(self._sums.items())
            ],
            totals=[_difference(None, currency, totals[currency]) for currency in sorted(totals)],
            left_as_they_were=sorted(self._left.items()),
        )

    def _begin(self, event: PaymentEvent) -> None:
        assert isinstance(event, Beginning)  # noqa: S101 - by its topic
        if self.rules.creator_id not in {None, event.creator_id}:
            return
        self._was = _Told(evolve_payment(None, event), _shares(event))
        try:
            faithful = begun_under(event, event.plan) == event
            told = begun_under(event, self._plan(event.plan))
        except FeePlanExceedsPayment:
            self._leave(event)
        else:
            self._would_be = _Told(evolve_payment(None, told), _shares(told))
            if not faithful:
                self._leave(event)

    def _plan(self, plan: FeePlan) -> FeePlan:
        fee = self.rules.fee_basis_points
        return plan if fee is None else plan.model_copy(update={"fee_basis_points": fee})

    def _go_on(self, was: _Told, event: PaymentEvent) -> None:
        would_be = self._would_be
        if would_be is not None:
            if self._is_faithful(was.payment, would_be.payment, event):
                try:
                    would_be.add(repost(would_be.payment, event))
                except FeePlanExceedsPayment:
                    self._leave(event)
            else:
                self._leave(event)
        was.add(event)

    @staticmethod
    def _is_faithful(was: Payment, would_be: Payment, event: PaymentEvent) -> bool:
        if was.plan != would_be.plan and cannot_be_reposted(was, event):
            return False
        return repost(was, event) == event

    def _leave(self, event: PaymentEvent) -> None:
        self._would_be, self._cause = None, event.TOPIC

    def _end(self) -> None:
        """The stream is over: what was paid counts, and what was not was never shared."""
        was, would_be, cause = self._was, self._would_be, self._cause
        self._stream = self._was = self._would_be = self._cause = None
        if was is None or was.payment.flows.releases_at is None:
            return
        payment = was.payment
        sums = self._sums[payment.creator_id, payment.money.currency]
        sums.add(1, was.shares, was.shares if would_be is None else would_be.shares)
        if cause is not None:
            self._left[cause] += 1


def _decoded(stream: UUID, version: int, topic: str, state: bytes) -> PaymentEvent:
    event = decode_event(topic, state, originator_id=stream, originator_version=version)
    return cast("PaymentEvent", event)


def _shares(event: PaymentEvent) -> Shares:
    if (entry := event.journal_entry) is None:
        return NO_SHARES
    net = fees = vat = expenses = 0
    for posting in entry.postings:
        if posting.account == PLATFORM_FEES:
            fees -= posting.amount
        elif posting.account == VAT:
            vat -= posting.amount
        elif posting.account == DISPUTES:
            expenses += posting.amount
        elif posting.account.startswith("creator:"):
            net -= posting.amount
    return Shares(net, fees, vat, expenses)


def _difference(creator_id: UUID | None, currency: str, sums: _Sums) -> Difference:
    return Difference(
        creator_id=creator_id,
        currency=currency,
        payments=sums.payments,
        was=sums.was,
        would_be=sums.would_be,
    )
