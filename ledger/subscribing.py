"""What a fan may do with a subscription: begin, pay, cancel, pause, resume, prepay.

Every state × request is decided: done, or refused with the state in the message. What time does by
itself is in ledger/renewals.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never
from uuid import UUID, uuid5

from ledger.billing_periods import Interval, anchor_at, start_of
from ledger.commands import (
    AdvanceSubscription,
    CancelSubscription,
    ChangePaymentMethod,
    ChangeTier,
    PauseSubscription,
    PayInvoice,
    Prepay,
    ResumeSubscription,
    RevokeCancellation,
    fan_stream,
)
from ledger.dunning import APART, allowed_at
from ledger.errors import (
    AlreadyExists,
    AlreadyScheduled,
    AlreadySubscribed,
    CreatorIsClosed,
    CreatorIsSuspended,
    CreatorNotFound,
    CurrencyNotAccepted,
    FeePlanMissing,
    InvoiceOpen,
    NothingScheduled,
    NothingToPay,
    PhoneNotConfirmed,
    PriceNotFound,
    PromptLive,
    SelfPayment,
    SubscriptionNotFound,
    SubscriptionNotInThisState,
    TierNotFound,
    TierNotOffered,
    TrialUsed,
)
from ledger.events import (
    CancellationRevoked,
    CancellationScheduled,
    FanSubscribed,
    PauseScheduled,
    PaymentMethodChanged,
    PrepaymentInvoiced,
    SubscriptionCancelled,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
    TrialStarted,
)
from ledger.invoices import (
    attempt,
    check_payable,
    issue_first,
    issue_renewal,
    issued_fields,
    reserve_more,
    settle,
    void,
    void_all,
)
from ledger.money import Money
from ledger.postings import split_gross
from ledger.renewals import advance, begin_what_is_due, change_at, migrate_price
from ledger.subscription import LIVE, Invoice, Subscription, SubscriptionState
from ledger.tier_changes import change, current_period
from ledger.unused_time import credit_periods, end_prepayment

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.catalog import Tier
    from ledger.commands import PaymentTerms, Subscribe, SubscriptionRequest
    from ledger.creator import Creator
    from ledger.draft import Draft
    from ledger.events import PaymentMethod, Price
    from ledger.fan import Fan
    from ledger.states import States

COMPLETES_WITHIN: Final = timedelta(hours=24)
PREPAID_MAX: Final = 24
"""Periods that may be paid in advance at once."""


# Beginning.


def subscribe(draft: Draft, states: States, command: Subscribe) -> None:
    """Begin: incomplete until the first payment, or with a trial.

    Raises `CreatorNotFound`, `CreatorIsClosed`, `CreatorIsSuspended`, `SelfPayment`,
    `TierNotFound`, `TierNotOffered`, `PriceNotFound`, `CurrencyNotAccepted`, `FeePlanMissing`,
    `FeePlanExceedsPayment`, `AmountNotPayable`, `PhoneNotConfirmed`, `AlreadySubscribed`,
    `AlreadyExists` or `TrialUsed`.
    """
    creator = states.creator(command.creator_id)
    tier, price = _offer(creator, command)
    fan = states.fan(fan_stream(command.fan_id))
    _check_phone(fan, command.method)
    if states.anything(command.subscription_id) is not None:
        raise AlreadyExists
    _make_room(draft, states, fan, command.creator_id)
    tried = fan is not None and command.creator_id in fan.trials
    if command.trial and (tried or not tier.trial_days):
        raise TrialUsed
    draft.record(
        SubscriptionStarted,
        command.subscription_id,
        fan_id=command.fan_id,
        creator_id=command.creator_id,
        tier_id=tier.id,
        price=price,
        zone=command.zone,
        method=command.method,
        completes_by=draft.now + COMPLETES_WITHIN,
    )
    draft.record(
        FanSubscribed,
        fan_stream(command.fan_id),
        fan_id=command.fan_id,
        creator_id=command.creator_id,
        subscription_id=command.subscription_id,
        trial=command.trial,
    )
    if command.trial:
        _start_trial(draft, command, tier)
    else:
        _ask_for_the_first(draft, command)


def _offer(creator: Creator | None, command: Subscribe) -> tuple[Tier, Price]:
    if creator is None:
        raise CreatorNotFound
    if creator.closed:
        raise CreatorIsClosed
    if creator.suspended:
        raise CreatorIsSuspended
    if command.fan_id == creator.id:
        raise SelfPayment
    tier = creator.tiers.get(command.tier_id)
    if tier is None:
        raise TierNotFound
    if tier.state != "published":
        raise TierNotOffered(state=tier.state)
    price = tier.price_for(command.interval)
    if price is None:
        raise PriceNotFound
    if price.money.currency != creator.settlement_currency:
        raise CurrencyNotAccepted(
            currency=price.money.currency, accepted=creator.settlement_currency
        )
    if creator.plan is None:
        raise FeePlanMissing
    split_gross(price.money.amount, creator.plan)
    check_payable(price.money.amount, price.money.currency, command.terms)
    return tier, price


def _check_phone(fan: Fan | None, method: PaymentMethod) -> None:
    if method.kind == "phone" and (fan is None or method.instrument not in fan.confirmed):
        raise PhoneNotConfirmed


def _make_room(draft: Draft, states: States, fan: Fan | None, creator_id: UUID) -> None:
    """One live subscription of a fan to a creator; an incomplete one is replaced."""
    latest = None if fan is None else fan.subscriptions.get(creator_id)
    there = None if latest is None else states.subscription(latest)
    if there is None:
        return
    if there.state in LIVE:
        raise AlreadySubscribed(state=there.state)
    if there.state is SubscriptionState.INCOMPLETE:
        void_all(draft, there.id, "cancelled")
        draft.record(SubscriptionCancelled, there.id, reason="replaced")


def _start_trial(draft: Draft, command: Subscribe, tier: Tier) -> None:
    days = anchor_at(draft.now, zone=command.zone, first=1, interval=Interval(unit="day"))
    ends_at = start_of(days, 1 + tier.trial_days)
    draft.record(TrialStarted, command.subscription_id, ends_at=ends_at)


def _ask_for_the_first(draft: Draft, command: Subscribe) -> None:
    invoice = issue_first(draft, command.subscription_id, command.terms, prompt_at=None)
    _collect(draft, command.subscription_id, invoice, command.terms, _delay(command))


def _delay(command: Subscribe | PayInvoice | ResumeSubscription | Prepay) -> int:
    return command.settlement_delay_seconds


def _collect(draft: Draft, sub_id: UUID, invoice: Invoice, terms: PaymentTerms, delay: int) -> None:
    """The fan is here: ask now, unless credit has paid all of it."""
    if invoice.cash == 0:
        settle(draft, sub_id, invoice.id, (), delay)
    else:
        attempt(draft, sub_id, invoice.id, terms, origin="fan")


# Every other request.


def decide(draft: Draft, sub: Subscription | None, command: SubscriptionRequest) -> None:
    """Decide a request about a subscription. Raises the `Refused` that applies."""
    if isinstance(command, AdvanceSubscription):
        advance(draft, sub, command)
        return
    if sub is None or command.fan_id not in {None, sub.fan_id}:
        raise SubscriptionNotFound
    match command:
        case PayInvoice():
            _pay(draft, sub, command)
        case CancelSubscription():
            _cancel(draft, sub, command)
        case RevokeCancellation():
            _revoke(draft, sub)
        case PauseSubscription():
            _pause(draft, sub, command)
        case ResumeSubscription():
            _resume(draft, sub, command)
        case ChangeTier():
            change(draft, sub, command)
        case Prepay():
            _prepay(draft, sub, command)
        case ChangePaymentMethod():
            _change_method(draft, sub, command)
        case _:
            assert_never(command)


def _needs(sub: Subscription, *states: SubscriptionState) -> None:
    if sub.state not in states:
        raise SubscriptionNotInThisState(state=sub.state, needed=" or ".join(states))


def _not_ended(sub: Subscription) -> None:
    if sub.ended:
        raise SubscriptionNotInThisState(state=sub.state, needed="not ended")


def _check_creator(draft: Draft, sub: Subscription) -> None:
    """Nothing that has not begun is paid to a creator who is closed."""
    creator = draft.creator(sub.creator_id)
    if creator is None or creator.closed:
        raise CreatorIsClosed


def _pay(draft: Draft, sub: Subscription, command: PayInvoice) -> None:
    """Pay what is open, or the next period early.

    Raises `SubscriptionNotInThisState`, `NothingToPay`, `CreatorIsClosed`, `PromptLive`,
    `AlreadyExists` or `AmountNotPayable`.
    """
    due = sub.next_number
    begin_what_is_due(draft, sub.id, command.terms, _delay(command))
    sub = draft.subscription(sub.id)
    _not_ended(sub)
    if draft.events and sub.invoice is None and command.number in {None, due}:
        # It was skipped, or credit has paid it, just now.
        return
    invoice = _wanted(draft, sub, command)
    if invoice.start is None or invoice.start > draft.now:
        _check_creator(draft, sub)
    if invoice.live is not None and command.payment_id is None:
        raise PromptLive
    invoice = reserve_more(draft, sub.id, invoice.id, command.terms)
    if invoice.cash:
        check_payable(invoice.cash, sub.currency, command.terms)
    if command.payment_id is not None and invoice.cash:
        attempt(
            draft,
            sub.id,
            invoice.id,
            command.terms,
            origin="fan",
            till_payment=command.payment_id,
        )
    else:
        _collect(draft, sub.id, invoice, command.terms, _delay(command))


def _wanted(draft: Draft, sub: Subscription, command: PayInvoice) -> Invoice:
    if command.number is None and sub.order is not None and _is_open(sub.order, draft):
        return sub.order
    number = sub.next_number if command.number is None else command.number
    if number != sub.next_number:
        raise NothingToPay
    if sub.invoice is not None:
        return sub.invoice
    if sub.cancel_at is not None or sub.pause_at is not None:
        raise NothingToPay
    if sub.state is SubscriptionState.TRIALING:
        return issue_first(draft, sub.id, command.terms, prompt_at=sub.trial_ends_at)
    current = sub.period_at(draft.now) if sub.state is SubscriptionState.ACTIVE else None
    # One period ahead and no more: further ones are prepaid.
    if current is not None and current.end == sub.paid_until:
        if sub.change is not None:
            raise NothingToPay
        migrate_price(draft, sub, current.end)
        return issue_renewal(draft, sub.id, command.terms)
    raise NothingToPay


def _is_open(order: Invoice, draft: Draft) -> bool:
    return order.expires_at is not None and draft.now < order.expires_at


def _cancel(draft: Draft, sub: Subscription, command: CancelSubscription) -> None:
    """End it. Raises `SubscriptionNotInThisState` or `AlreadyScheduled`."""
    _not_ended(sub)
    at = _paid_for_until(draft, sub) if command.when == "period_end" else None
    if at is None:
        end_prepayment(draft, sub.id)
        void_all(draft, sub.id, "cancelled")
        draft.record(SubscriptionCancelled, sub.id, reason="now")
        return
    if sub.cancel_at is not None:
        raise AlreadyScheduled(state="cancelled")
    void_all(draft, sub.id, "cancelled")
    end_prepayment(draft, sub.id)
    draft.record(CancellationScheduled, sub.id, at=at)


def _paid_for_until(draft: Draft, sub: Subscription) -> datetime | None:
    """The end of the period that is paid; None where none is, and there is nothing to wait for."""
    if sub.trial_ends_at is not None and draft.now < sub.trial_ends_at:
        return sub.trial_ends_at
    current = sub.period_at(draft.now) if sub.state is SubscriptionState.ACTIVE else None
    return None if current is None else current.end


def _revoke(draft: Draft, sub: Subscription) -> None:
    """Let it go on. Raises `SubscriptionNotInThisState` or `NothingScheduled`."""
    _not_ended(sub)
    ends_at = sub.cancel_at or sub.pause_at
    if ends_at is None:
        raise NothingScheduled
    if ends_at <= draft.now:
        # It has ended; only the clock has not said so yet.
        raise SubscriptionNotInThisState(state="about to end", needed="before that")
    draft.record(CancellationRevoked, sub.id)


def _pause(draft: Draft, sub: Subscription, command: PauseSubscription) -> None:
    """Rest. Raises `SubscriptionNotInThisState`, `InvoiceOpen` or `AlreadyScheduled`."""
    _needs(sub, SubscriptionState.ACTIVE)
    until = _paid_for_until(draft, sub)
    if until is None:
        raise InvoiceOpen
    if sub.cancel_at is not None:
        # A pause has no end, so that it would never be cancelled.
        raise AlreadyScheduled(state="cancelled")
    if command.when == "now":
        void_all(draft, sub.id, "paused")
        ahead = [each for each in sub.periods if each.end > draft.now]
        credit_periods(draft, sub.id, ahead, "paused")
        draft.record(SubscriptionPaused, sub.id, reason="now")
        return
    if sub.pause_at is not None:
        raise AlreadyScheduled(state="paused")
    void_all(draft, sub.id, "paused")
    end_prepayment(draft, sub.id)
    draft.record(PauseScheduled, sub.id, at=until)


def _resume(draft: Draft, sub: Subscription, command: ResumeSubscription) -> None:
    """Go on from now, with a new period.

    Raises `SubscriptionNotInThisState`, `CreatorIsClosed`, `AmountNotPayable`, `FeePlanMissing` or
    `FeePlanExceedsPayment`.
    """
    _needs(sub, SubscriptionState.PAUSED)
    _check_creator(draft, sub)
    if sub.change is not None:
        change_at(draft, sub, draft.now, tier_id=sub.change.tier_id, price=sub.change.price)
        sub = draft.subscription(sub.id)
    check_payable(sub.price.money.amount, sub.currency, command.terms)
    anchor = anchor_at(draft.now, zone=sub.zone, first=sub.next_number, interval=sub.price.interval)
    draft.record(SubscriptionResumed, sub.id, anchor=anchor)
    # The fan is asked now, and by the clock only some hours after that.
    again = allowed_at(draft.now + APART, method=sub.method, zone=sub.zone)
    invoice = issue_renewal(draft, sub.id, command.terms, prompt_at=again)
    _collect(draft, sub.id, invoice, command.terms, _delay(command))


def _prepay(draft: Draft, sub: Subscription, command: Prepay) -> None:
    """Pay periods in advance.

    Raises `SubscriptionNotInThisState`, `InvoiceOpen`, `CreatorIsClosed`, `AlreadyScheduled`,
    `PromptLive` or `AmountNotPayable`.
    """
    current_period(sub, draft.now)
    _check_creator(draft, sub)
    if sub.cancel_at is not None or sub.pause_at is not None or sub.change is not None:
        raise AlreadyScheduled(state="cancelled, paused or changed")
    if any(each.live is not None for each in sub.open_invoices()):
        raise PromptLive
    for invoice in sub.open_invoices():
        void(draft, sub.id, invoice.id, "replaced")
    begins_at = sub.paid_until
    assert begins_at is not None  # noqa: S101 - it is active
    migrate_price(draft, draft.subscription(sub.id), begins_at)
    sub = draft.subscription(sub.id)
    money = Money(amount=sub.price.money.amount * command.count, currency=sub.currency)
    check_payable(money.amount, sub.currency, command.terms)
    invoice_id = uuid5(sub.id, f"prepayment:{command.prepayment_id}")
    expires_at = draft.now + timedelta(seconds=2 * command.terms.expires_after_seconds)
    draft.record(
        PrepaymentInvoiced,
        sub.id,
        invoice_id=invoice_id,
        number=sub.next_number,
        count=command.count,
        expires_at=min(expires_at, begins_at),
        **issued_fields(draft, sub, money, command.terms),
    )
    order = draft.subscription(sub.id).order
    assert order is not None  # noqa: S101 - just issued
    _collect(draft, sub.id, order, command.terms, _delay(command))


def _change_method(draft: Draft, sub: Subscription, command: ChangePaymentMethod) -> None:
    """Pay another way. Raises `SubscriptionNotInThisState` or `PhoneNotConfirmed`."""
    _not_ended(sub)
    _check_phone(draft.fan(fan_stream(sub.fan_id)), command.method)
    if sub.method != command.method:
        draft.record(PaymentMethodChanged, sub.id, method=command.method)
