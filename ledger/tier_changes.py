"""Another tier, or another interval: what it costs, from when it holds, and the change itself.

    to a higher price of the same interval   the difference for what remains of the period is
                                             charged, and the tier changes when that is paid; paid
                                             too late it is credit
    to anything else                         from the next renewal on, at no charge; another
                                             interval is counted from there
    back to what it is                       what was scheduled is not wanted any more

The difference is (new − old price) × time left ÷ time of the period, rounded down to what the
provider can charge, and nothing if that is below its minimum. Going up, down and up again within a
period gains nothing: down gives nothing back. A preview is the same computation at an instant, and
the change names that instant and its amount: what then happens equals it, or is refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import uuid5

from ledger.errors import (
    CreatorIsClosed,
    CreatorNotFound,
    InvoiceOpen,
    NothingChanges,
    PriceNotFound,
    PromptLive,
    QuoteOutdated,
    SubscriptionNotInThisState,
    TierNotFound,
    TierNotOffered,
)
from ledger.events import ChangeInvoiced, TierChanged, TierChangeRevoked, TierChangeScheduled
from ledger.invoices import attempt, check_payable, issued_fields, settle, void
from ledger.money import Money
from ledger.subscription import PaidPeriod, Subscription, SubscriptionState
from ledger.unused_time import end_prepayment, part_left

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.billing_periods import Interval
    from ledger.commands import ChangeTier, PaymentTerms
    from ledger.creator import Creator
    from ledger.draft import Draft
    from ledger.events import Price

QUOTE_HOLDS: Final = timedelta(minutes=15)
"""How long after its preview a change may be asked for, and then paid."""


class ChangePreview(NamedTuple):
    """What a change would do: what is charged now, in minor units, and what holds from when."""

    kind: Literal["upgrade", "at_renewal", "revoke"]
    price: Price
    amount_due: int
    holds_from: datetime


def preview(
    sub: Subscription,
    creator: Creator | None,
    *,
    tier_id: UUID,
    interval: Interval,
    terms: PaymentTerms,
    at: datetime,
) -> ChangePreview:
    """What a change asked for at `at` does.

    Raises `SubscriptionNotInThisState`, `InvoiceOpen`, `CreatorNotFound`, `CreatorIsClosed`,
    `TierNotFound`, `TierNotOffered`, `PriceNotFound` or `NothingChanges`.
    """
    current = current_period(sub, at)
    if tier_id == sub.tier_id and interval == sub.price.interval:
        if sub.change is None:
            raise NothingChanges
        return ChangePreview("revoke", sub.price, 0, at)
    price = _offered(creator, tier_id, interval)
    if interval != sub.price.interval or price.money.amount <= sub.price.money.amount:
        return ChangePreview("at_renewal", price, 0, current.end)
    left = part_left(since=current.start, end=current.end, now=at)
    due = int((price.money.amount - sub.price.money.amount) * left)
    due -= due % terms.step
    return ChangePreview("upgrade", price, due if due >= terms.minimum else 0, at)


def current_period(sub: Subscription, at: datetime) -> PaidPeriod:
    """The paid period that an active subscription is in.

    Raises `SubscriptionNotInThisState`, also in a trial that is paid, or `InvoiceOpen`.
    """
    if sub.state is not SubscriptionState.ACTIVE:
        raise SubscriptionNotInThisState(state=sub.state, needed=SubscriptionState.ACTIVE)
    current = sub.period_at(at)
    if current is not None:
        return current
    if sub.trial_ends_at is not None and at < sub.trial_ends_at:
        needed = SubscriptionState.ACTIVE
        raise SubscriptionNotInThisState(state=SubscriptionState.TRIALING, needed=needed)
    raise InvoiceOpen


def _offered(creator: Creator | None, tier_id: UUID, interval: Interval) -> Price:
    if creator is None:
        raise CreatorNotFound
    if creator.closed:
        raise CreatorIsClosed
    tier = creator.tiers.get(tier_id)
    if tier is None:
        raise TierNotFound
    if tier.state != "published":
        raise TierNotOffered(state=tier.state)
    price = tier.price_for(interval)
    if price is None:
        raise PriceNotFound
    return price


def change(draft: Draft, sub: Subscription, command: ChangeTier) -> None:
    """Change as previewed.

    Raises what `preview` does, `QuoteOutdated`, `PromptLive` for a change that is being paid, or
    `AmountNotPayable`.
    """
    creator = draft.creator(sub.creator_id)

    def at(instant: datetime) -> ChangePreview:
        return preview(
            sub,
            creator,
            tier_id=command.tier_id,
            interval=command.interval,
            terms=command.terms,
            at=instant,
        )

    now = at(draft.now)
    fresh = draft.now - QUOTE_HOLDS <= command.quoted_at <= draft.now
    current = current_period(sub, draft.now)
    quoted = at(command.quoted_at) if fresh and command.quoted_at >= current.start else None
    if quoted is None or quoted.amount_due != command.amount_due:
        raise QuoteOutdated(amount_due=now.amount_due, currency=sub.currency)
    if sub.order is not None and sub.order.live is not None:
        raise PromptLive
    if sub.order is not None:
        void(draft, sub.id, sub.order.id, "replaced")
    match now.kind:
        case "revoke":
            draft.record(TierChangeRevoked, sub.id)
        case "at_renewal":
            _schedule(draft, sub, command, now)
        case "upgrade":
            _upgrade(draft, sub, command, quoted, current)


def _schedule(draft: Draft, sub: Subscription, command: ChangeTier, wanted: ChangePreview) -> None:
    if sub.invoice is not None:
        # The next period was invoiced early, at the price that will not hold.
        void(draft, sub.id, sub.invoice.id, "replaced")
    draft.record(
        TierChangeScheduled,
        sub.id,
        tier_id=command.tier_id,
        price=wanted.price,
        at=wanted.holds_from,
    )
    end_prepayment(draft, sub.id)


def _upgrade(
    draft: Draft,
    sub: Subscription,
    command: ChangeTier,
    quoted: ChangePreview,
    current: PaidPeriod,
) -> None:
    if sub.invoice is not None:
        void(draft, sub.id, sub.invoice.id, "replaced")
    if quoted.amount_due == 0:
        _change_freely(draft, sub, command, quoted, current)
        return
    check_payable(quoted.amount_due, sub.currency, command.terms)
    invoice_id = uuid5(sub.id, f"change:{command.change_id}")
    money = Money(amount=quoted.amount_due, currency=sub.currency)
    draft.record(
        ChangeInvoiced,
        sub.id,
        invoice_id=invoice_id,
        number=current.number,
        change_id=command.change_id,
        tier_id=command.tier_id,
        price=quoted.price,
        expires_at=min(draft.now + QUOTE_HOLDS, current.end),
        **issued_fields(draft, sub, money, command.terms),
    )
    order = draft.subscription(sub.id).order
    assert order is not None  # noqa: S101 - just issued
    if order.cash == 0:
        settle(draft, sub.id, invoice_id, (), command.settlement_delay_seconds)
    else:
        attempt(draft, sub.id, invoice_id, command.terms, origin="fan")


def _change_freely(
    draft: Draft,
    sub: Subscription,
    command: ChangeTier,
    quoted: ChangePreview,
    current: PaidPeriod,
) -> None:
    """So little of the period is left that there is nothing to charge."""
    draft.record(
        TierChanged,
        sub.id,
        tier_id=command.tier_id,
        price=quoted.price,
        anchor=None,
        number=current.number,
        reason="upgraded",
        invoice_id=None,
        payments=(),
    )
    end_prepayment(draft, sub.id)
