"""An invoice of a subscription: issued, attempted, and paid or void. Exactly one of the two.

    issued ──▶ open ──▶ attempted ──▶ failed ──▶ attempted …
                │            └──▶ paid: the credit that was reserved pays its part, and the period,
                │                 the change or the prepayment is the fan's
                └──▶ void: reserved credit is the fan's again; money that still comes is credit too

The fan's credit is reserved first: goodwill, then their own. Each step takes a `Draft`, so that
what it records on the subscription's, the payments' and the fan's streams is one decision.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never
from uuid import UUID, uuid5

from ledger import dunning
from ledger.accounts import FanFunds, fan_funds
from ledger.billing_periods import Period, anchor_at, period, start_of
from ledger.errors import AlreadyExists, AmountNotPayable, CreatorNotFound, FeePlanMissing
from ledger.events import (
    CreditReserved,
    CreditSpent,
    DunningScheduled,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoiceAttemptFailed,
    InvoicePaymentInitiated,
    InvoiceVoided,
    PaymentCancelled,
    PeriodPaid,
    PeriodsPrepaid,
    RenewalInvoiced,
    SubscriptionActivated,
    SubscriptionPastDue,
    SubscriptionRecovered,
    TierChanged,
    TrialConverted,
)
from ledger.payment import PaymentState
from ledger.postings import credit_reserved, credit_set_free, credit_spent, split_gross
from ledger.subscription import Invoice, Subscription, SubscriptionState
from ledger.unused_time import end_prepayment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Literal

    from ledger.billing_periods import Anchor
    from ledger.commands import PaymentTerms
    from ledger.draft import Draft
    from ledger.events import AttemptOrigin, CreditSource
    from ledger.money import Money
    from ledger.payment import Payment
    from ledger.postings import FeePlan

NOT_REACHED: Final = frozenset({"never_received", "provider_unreachable"})
"""Reasons of failures by which the fan was certainly not asked."""


def invoice_id(subscription_id: UUID, number: int) -> UUID:
    """The id of the invoice of a period: the same however often it is issued."""
    return uuid5(subscription_id, str(number))


# Credit.


class Funding(NamedTuple):
    """Minor units of an invoice that the fan's own credit and goodwill pay."""

    credit: int
    goodwill: int


def funding(draft: Draft, sub: Subscription, cash: int, terms: PaymentTerms | None) -> Funding:
    """What of `cash` minor units credit can pay, leaving what the provider takes, or nothing."""
    goodwill = min(cash, _balance(draft, sub, FanFunds.GOODWILL))
    credit = min(cash - goodwill, _balance(draft, sub, FanFunds.CREDIT))
    left = cash - goodwill - credit
    if left and terms is not None:
        payable = max(-(-left // terms.step) * terms.step, terms.minimum)
        too_much = min(payable, cash) - left
        from_credit = min(too_much, credit)
        credit, goodwill = credit - from_credit, goodwill - (too_much - from_credit)
    return Funding(credit, goodwill)


def _balance(draft: Draft, sub: Subscription, funds: FanFunds) -> int:
    return max(0, -draft.balance(fan_funds(sub.fan_id, funds), sub.currency))


def reserve_more(draft: Draft, sub_id: UUID, wanted: UUID, terms: PaymentTerms | None) -> Invoice:
    """Let credit that came since pay a part of an open invoice that nothing collects just now."""
    sub, invoice = _open(draft, sub_id, wanted)
    if invoice.live is not None:
        return invoice
    more = funding(draft, sub, invoice.cash, terms)
    entry = credit_reserved(**more._asdict(), currency=sub.currency, fan_id=sub.fan_id)
    if entry is None:
        return invoice
    draft.record(CreditReserved, sub_id, invoice_id=wanted, **more._asdict(), entry=entry)
    return _open(draft, sub_id, wanted)[1]


def _open(draft: Draft, sub_id: UUID, wanted: UUID) -> tuple[Subscription, Invoice]:
    sub = draft.subscription(sub_id)
    invoice = sub.open_invoice(wanted)
    assert invoice is not None  # noqa: S101 - the caller has it from there
    return sub, invoice


# Issuing.


def issued_fields(
    draft: Draft, sub: Subscription, money: Money, terms: PaymentTerms | None
) -> dict[str, object]:
    """What every invoice has: its money, the credit that is reserved for it, and the entry."""
    parts = funding(draft, sub, money.amount, terms)
    entry = credit_reserved(**parts._asdict(), currency=sub.currency, fan_id=sub.fan_id)
    return {"money": money, **parts._asdict(), "entry": entry}


def issue_first(
    draft: Draft, sub_id: UUID, terms: PaymentTerms | None, *, prompt_at: datetime | None
) -> Invoice:
    """Invoice the first period, which begins when it is paid."""
    sub = draft.subscription(sub_id)
    draft.record(
        FirstPeriodInvoiced,
        sub_id,
        invoice_id=invoice_id(sub_id, sub.next_number),
        number=sub.next_number,
        price=sub.price,
        prompt_at=prompt_at,
        **issued_fields(draft, sub, sub.price.money, terms),
    )
    return _period_invoice(draft, sub_id)


def issue_renewal(
    draft: Draft, sub_id: UUID, terms: PaymentTerms | None, *, prompt_at: datetime | None = None
) -> Invoice:
    """Invoice the next period; an open prepayment of it is not wanted any more."""
    sub = draft.subscription(sub_id)
    if sub.order is not None and sub.order.kind == "prepayment":
        void(draft, sub_id, sub.order.id, "replaced")
    assert sub.anchor is not None  # noqa: S101 - it is active
    due = period(sub.anchor, sub.next_number)
    if prompt_at is None:
        prompt_at = dunning.allowed_at(max(due.start, draft.now), method=sub.method, zone=sub.zone)
    draft.record(
        RenewalInvoiced,
        sub_id,
        invoice_id=invoice_id(sub_id, due.number),
        number=due.number,
        start=due.start,
        end=due.end,
        price=sub.price,
        prompt_at=prompt_at,
        **issued_fields(draft, sub, sub.price.money, terms),
    )
    return _period_invoice(draft, sub_id)


def _period_invoice(draft: Draft, sub_id: UUID) -> Invoice:
    invoice = draft.subscription(sub_id).invoice
    assert invoice is not None  # noqa: S101 - just issued
    return invoice


# Collecting.


def check_payable(amount: int, currency: str, terms: PaymentTerms) -> None:
    """Raise `AmountNotPayable` for minor units that the provider does not take."""
    if amount % terms.step or not terms.minimum <= amount <= terms.maximum:
        raise AmountNotPayable(
            provider=terms.provider,
            currency=currency,
            step=terms.step,
            minimum=terms.minimum,
            maximum=terms.maximum,
        )


def plan_of(draft: Draft, sub: Subscription) -> FeePlan:
    """The creator's plan of today. Raises `CreatorNotFound` or `FeePlanMissing`."""
    creator = draft.creator(sub.creator_id)
    if creator is None:
        raise CreatorNotFound
    if creator.plan is None:
        raise FeePlanMissing
    return creator.plan


def attempt(
    draft: Draft,
    sub_id: UUID,
    wanted: UUID,
    terms: PaymentTerms,
    *,
    origin: AttemptOrigin,
    till_payment: UUID | None = None,
) -> None:
    """Begin a payment of what is open; with `till_payment`, one that is brought to a till.

    Raises `AlreadyExists`, `CreatorNotFound`, `FeePlanMissing` or `FeePlanExceedsPayment`.
    """
    sub, invoice = _open(draft, sub_id, wanted)
    plan = plan_of(draft, sub)
    number = invoice.attempts + 1
    money = invoice.money.model_copy(update={"amount": invoice.cash})
    payment_id = till_payment or uuid5(invoice.id, str(number))
    if draft.is_taken(payment_id):
        # A short reference may have been given to somebody else before.
        raise AlreadyExists
    method = "till" if till_payment else sub.method.kind
    draft.record(
        InvoicePaymentInitiated,
        payment_id,
        fan_id=sub.fan_id,
        creator_id=sub.creator_id,
        subscription_id=sub_id,
        invoice_id=invoice.id,
        attempt=number,
        money=money,
        plan=plan,
        split=split_gross(money.amount, plan),
        provider=terms.provider,
        method=method,
        instrument=None if till_payment else sub.method.instrument,
        expires_at=_expiry(sub, invoice, terms, draft.now, origin),
    )
    draft.record(
        InvoiceAttempted,
        sub_id,
        invoice_id=invoice.id,
        attempt=number,
        payment_id=payment_id,
        origin=origin,
        method=method,
        money=money,
    )


def _expiry(
    sub: Subscription,
    invoice: Invoice,
    terms: PaymentTerms,
    now: datetime,
    origin: AttemptOrigin,
) -> datetime:
    bounds = [now + timedelta(seconds=terms.expires_after_seconds)]
    if origin == "clock":
        # Nobody is asked at night, or after the grace in which they may pay is over.
        bounds += [
            dunning.prompts_end_at(now, method=sub.method, zone=sub.zone) or bounds[0],
            sub.grace_until or bounds[0],
            invoice.end or bounds[0],
        ]
    return max(min(bounds), now + timedelta(seconds=1))


def attempt_failed(draft: Draft, payment: Payment, *, reason: str) -> None:
    """A payment of an invoice ended without money: note it, and when to ask again.

    Only what reached the fan makes a subscription past due.
    """
    assert payment.invoice is not None  # noqa: S101 - the caller has looked
    sub_id, wanted = payment.invoice.subscription_id, payment.invoice.invoice_id
    invoice = draft.subscription(sub_id).open_invoice(wanted)
    if invoice is None or invoice.live is None or invoice.live.payment_id != payment.id:
        return
    origin = invoice.live.origin
    pushed_at = _pushed_at(payment, reason, draft.now)
    draft.record(
        InvoiceAttemptFailed,
        sub_id,
        invoice_id=wanted,
        attempt=payment.invoice.attempt,
        payment_id=payment.id,
        reason=reason,
        pushed_at=pushed_at,
    )
    if invoice.kind in {"change", "prepayment"}:
        return
    if origin == "fan":
        _keep_apart(draft, sub_id, wanted, pushed_at)
        return
    if pushed_at is None:
        _ask_again(draft, sub_id, wanted, draft.now + dunning.NOT_PUSHED_PAUSE)
    else:
        _past_due(draft, sub_id, wanted)


def _keep_apart(draft: Draft, sub_id: UUID, wanted: UUID, pushed_at: datetime | None) -> None:
    """Who was asked at their own wish is not asked again by the clock right after."""
    again = _open(draft, sub_id, wanted)[1].next_attempt_at
    if pushed_at is not None and again is not None and again < pushed_at + dunning.APART:
        _ask_again(draft, sub_id, wanted, pushed_at + dunning.APART)


def _pushed_at(payment: Payment, reason: str, now: datetime) -> datetime | None:
    if reason in NOT_REACHED:
        return None
    if payment.submission_started_at is None:
        # Who declines before being asked was asked well enough; what expired was not.
        return None if reason == "expired" else now
    return payment.submission_started_at


def _past_due(draft: Draft, sub_id: UUID, wanted: UUID) -> None:
    sub, invoice = _open(draft, sub_id, wanted)
    assert invoice.first_push is not None  # noqa: S101 - it was pushed
    assert invoice.last_push is not None  # noqa: S101 - it was pushed
    until = sub.grace_until
    if until is None:
        start, end = _period_of(sub, invoice, invoice.first_push)
        until = dunning.grace_until(first_push=invoice.first_push, start=start, end=end)
        draft.record(
            SubscriptionPastDue,
            sub_id,
            invoice_id=wanted,
            number=invoice.number,
            grace_until=until,
            entitled=sub.state is SubscriptionState.ACTIVE,
        )
    again = dunning.next_push_at(
        first_push=invoice.first_push, last_push=invoice.last_push, pushes=invoice.pushes
    )
    if again is not None:
        _ask_again(draft, sub_id, wanted, max(again, draft.now), before=until)


def _period_of(
    sub: Subscription, invoice: Invoice, first_push: datetime
) -> tuple[datetime, datetime]:
    if invoice.start is not None and invoice.end is not None:
        return invoice.start, invoice.end
    assert sub.trial_ends_at is not None  # noqa: S101 - only a trial's first period is collected
    # It begins when it is paid: what counts is how long it would be.
    due = period(_anchor(sub, sub.trial_ends_at), sub.next_number)
    return first_push, first_push + (due.end - due.start)


def _ask_again(
    draft: Draft, sub_id: UUID, wanted: UUID, at: datetime, *, before: datetime | None = None
) -> None:
    sub, invoice = _open(draft, sub_id, wanted)
    at = dunning.allowed_at(at, method=sub.method, zone=sub.zone)
    if before is None or at < before:
        draft.record(DunningScheduled, sub_id, invoice_id=wanted, push=invoice.pushes + 1, at=at)


def collect_if_due(draft: Draft, sub_id: UUID, terms: PaymentTerms | None, delay: int) -> None:
    """The clock asks for what is open, if it is time and nothing is under way."""
    sub = draft.subscription(sub_id)
    invoice = sub.invoice
    if (
        invoice is None
        or invoice.live is not None
        or invoice.next_attempt_at is None
        or invoice.next_attempt_at > draft.now
    ):
        return
    invoice = reserve_more(draft, sub_id, invoice.id, terms)
    if invoice.cash == 0:
        settle(draft, sub_id, invoice.id, (), delay)
        return
    allowed = dunning.allowed_at(draft.now, method=sub.method, zone=sub.zone)
    if allowed > draft.now:
        _ask_again(draft, sub_id, invoice.id, allowed)
    elif terms is not None:
        attempt(draft, sub_id, invoice.id, terms, origin="clock")


def pay_by_credit(draft: Draft, sub_id: UUID, delay: int) -> bool:
    """Let credit pay all that is left of the open period, if it can and nothing collects it.

    Not of one that is over: nobody had anything of it.
    """
    sub = draft.subscription(sub_id)
    invoice = sub.invoice
    if invoice is None or invoice.live is not None:
        return False
    if invoice.end is not None and invoice.end <= draft.now:
        return False
    if sum(funding(draft, sub, invoice.cash, None)) < invoice.cash:
        return False
    reserve_more(draft, sub_id, invoice.id, None)
    settle(draft, sub_id, invoice.id, (), delay)
    return True


# Paid.


def settle(draft: Draft, sub_id: UUID, wanted: UUID, cash: tuple[UUID, ...], delay: int) -> None:
    """An open invoice is paid: by these payments of cash, and by the credit reserved for it.

    `delay` is the settlement delay of the credit's part, in seconds.
    """
    sub, invoice = _open(draft, sub_id, wanted)
    paid_by = (*cash, *_spend_credit(draft, sub, invoice, delay))
    match invoice.kind:
        case "first":
            _first_paid(draft, sub, invoice, paid_by)
        case "renewal":
            assert invoice.start is not None  # noqa: S101 - a renewal has a period
            assert invoice.end is not None  # noqa: S101 - a renewal has a period
            due = Period(invoice.number, invoice.start, invoice.end)
            _period_paid(draft, sub_id, invoice, due, paid_by)
            if sub.state is SubscriptionState.PAST_DUE:
                draft.record(SubscriptionRecovered, sub_id, number=invoice.number)
        case "change":
            _change_tier(draft, sub_id, invoice, paid_by)
        case "prepayment":
            _prepayment_paid(draft, sub, invoice, paid_by)
        case _:
            assert_never(invoice.kind)


def _spend_credit(draft: Draft, sub: Subscription, invoice: Invoice, delay: int) -> Iterable[UUID]:
    parts: tuple[tuple[CreditSource, int], ...] = (
        ("credit", invoice.credit),
        ("goodwill", invoice.goodwill),
    )
    for source, amount in parts:
        if not amount:
            continue
        plan = plan_of(draft, sub)
        split = split_gross(amount, plan)
        payment_id = uuid5(invoice.id, source)
        if draft.is_taken(payment_id):
            # An idempotency key that was used again after it was forgotten.
            raise AlreadyExists
        draft.record(
            CreditSpent,
            payment_id,
            fan_id=sub.fan_id,
            creator_id=sub.creator_id,
            subscription_id=sub.id,
            invoice_id=invoice.id,
            source=source,
            money=invoice.money.model_copy(update={"amount": amount}),
            plan=plan,
            split=split,
            releases_at=draft.now + timedelta(seconds=delay),
            entry=credit_spent(
                split, currency=sub.currency, fan_id=sub.fan_id, creator_id=sub.creator_id
            ),
        )
        yield payment_id


def _anchor(sub: Subscription, at: datetime) -> Anchor:
    return anchor_at(at, zone=sub.zone, first=sub.next_number, interval=sub.price.interval)


def _first_paid(
    draft: Draft, sub: Subscription, invoice: Invoice, paid_by: tuple[UUID, ...]
) -> None:
    after_trial = sub.trial_ends_at is not None
    starts_at = draft.now if sub.trial_ends_at is None else max(sub.trial_ends_at, draft.now)
    anchor = _anchor(sub, starts_at)
    draft.record(TrialConverted if after_trial else SubscriptionActivated, sub.id, anchor=anchor)
    _period_paid(draft, sub.id, invoice, period(anchor, invoice.number), paid_by)


def _period_paid(
    draft: Draft, sub_id: UUID, invoice: Invoice, paid: Period, paid_by: tuple[UUID, ...]
) -> None:
    draft.record(
        PeriodPaid,
        sub_id,
        invoice_id=invoice.id,
        number=paid.number,
        start=paid.start,
        end=paid.end,
        payments=paid_by,
    )


def _change_tier(draft: Draft, sub_id: UUID, invoice: Invoice, paid_by: tuple[UUID, ...]) -> None:
    """The higher price holds from now on; what was prepaid at the lower one is credit."""
    if (early := draft.subscription(sub_id).invoice) is not None:
        # Meanwhile the next period was invoiced, at the price that will not hold.
        void(draft, sub_id, early.id, "replaced")
    draft.record(
        TierChanged,
        sub_id,
        tier_id=invoice.tier_id,
        price=invoice.price,
        anchor=None,
        number=invoice.number,
        reason="upgraded",
        invoice_id=invoice.id,
        payments=paid_by,
    )
    end_prepayment(draft, sub_id)


def _prepayment_paid(
    draft: Draft, sub: Subscription, invoice: Invoice, paid_by: tuple[UUID, ...]
) -> None:
    assert sub.anchor is not None  # noqa: S101 - it is active
    starts = [start_of(sub.anchor, invoice.number + i) for i in range(invoice.count + 1)]
    draft.record(
        PeriodsPrepaid,
        sub.id,
        invoice_id=invoice.id,
        number=invoice.number,
        count=invoice.count,
        starts=tuple(starts[:-1]),
        end=starts[-1],
        payments=paid_by,
    )


# Void.


def void(
    draft: Draft,
    sub_id: UUID,
    wanted: UUID,
    reason: Literal["unpaid", "not_collected", "cancelled", "paused", "expired", "replaced"],
) -> None:
    """An open invoice is not wanted any more, and a prompt that is not out yet does not go out."""
    sub, invoice = _open(draft, sub_id, wanted)
    draft.record(
        InvoiceVoided,
        sub_id,
        invoice_id=wanted,
        number=invoice.number,
        reason=reason,
        entry=credit_set_free(
            credit=invoice.credit,
            goodwill=invoice.goodwill,
            currency=sub.currency,
            fan_id=sub.fan_id,
        ),
    )
    live = None if invoice.live is None else draft.payment(invoice.live.payment_id)
    if live is not None and live.state is PaymentState.INITIATED:
        draft.record(PaymentCancelled, live.id, reason="invoice_closed")


def void_all(draft: Draft, sub_id: UUID, reason: Literal["cancelled", "paused", "unpaid"]) -> None:
    """Nothing that is open is wanted any more."""
    for invoice in draft.subscription(sub_id).open_invoices():
        void(draft, sub_id, invoice.id, reason)
