"""Read models say what the ledger says: its own folds, and its journal."""

from __future__ import annotations

import secrets
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import pytest

from ledger.accounts import PLATFORM_FEES, VAT
from ledger.decisions import evolve
from ledger.events import (
    CreditSpent,
    PaymentSucceeded,
    PayoutPaid,
    PayoutReturned,
    ReceiptsAllocated,
)
from ledger.payment import Payment
from ledger.payout import Payout
from ledger.proposals import Proposal
from ledger.receipt import Receipt
from ledger.subscription import Subscription, SubscriptionState
from projections.models.earnings import EarningsModel
from projections.models.invoices import FoundInvoice, InvoicesModel
from projections.models.payments import PaymentsModel
from projections.models.payouts import FoundPayout, PayoutsModel
from projections.models.proposals import FoundProposal, ProposalsModel
from projections.models.recurring import RecurringModel
from projections.models.subscriptions import FoundSubscription, SubscriptionsModel
from projections.models.supporters import SupportersModel
from projections.models.suspense import FoundParked, SuspenseModel
from projections.read_model import of
from projections.subscribers import renews_at
from projections.subscriptions import project_subscription
from tests.databases import rows
from tests.projections.models.conftest import Lived, live_through
from tests.projections.models.filling import ZONE, by_stream, events_of, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from ledger.decisions import Aggregate
    from ledger.events import LedgerEvent
    from ledger.flows import Flows
    from projections.read_model import ReadModel
    from tests.databases import Databases

Kind = TypeVar("Kind")


def table(lived: Lived, model: type[ReadModel], number: int = 0) -> list[tuple[Any, ...]]:
    """All rows of one of a model's tables."""
    name = of(model.names[number], lived.numbers[model.name])
    return rows(lived.database, f"SELECT * FROM {name}")


def by_key(found: list[tuple[Any, ...]], row: Callable[..., Kind]) -> dict[UUID, Kind]:
    return {each[0]: row(*each) for each in found}


def standing(lived: Lived, kind: type[Kind]) -> dict[UUID, Kind]:
    """Every aggregate of a kind, folded by the ledger."""
    found: dict[UUID, Kind] = {}
    for stream, events in by_stream(lived.events).items():
        aggregate: Aggregate | None = None
        for event in events:
            aggregate = evolve(aggregate, event)
        if isinstance(aggregate, kind):
            found[stream] = aggregate
    return found


def test_subscriptions_stand_as_the_ledger_folds_them(lived: Lived) -> None:
    found = by_key(table(lived, SubscriptionsModel), FoundSubscription)
    expected = standing(lived, Subscription)
    assert found.keys() == expected.keys()
    for key, sub in expected.items():
        row = found[key]
        assert (row.state, row.fan_id, row.creator_id, row.tier_id, row.zone, row.method) == (
            sub.state, sub.fan_id, sub.creator_id, sub.tier_id, sub.zone, sub.method.kind,
        )  # fmt: skip
        price = sub.price
        assert (row.amount, row.currency, row.unit, row.count, row.price_version) == (
            price.money.amount, price.money.currency, price.interval.unit, price.interval.count,
            price.version,
        )  # fmt: skip
        assert (row.paid_until, row.next_number, row.trial_ends_at, row.renews_at) == (
            sub.paid_until, sub.next_number, sub.trial_ends_at, renews_at(sub),
        )  # fmt: skip
        assert (row.cancel_at, row.pause_at, row.grace_until, row.ended_at, row.reason) == (
            sub.cancel_at, sub.pause_at, sub.grace_until, sub.ended_at, sub.reason,
        )  # fmt: skip
        assert row.invoice_id == (None if sub.invoice is None else sub.invoice.id)


def test_invoices_are_those_of_their_subscriptions(lived: Lived) -> None:
    found = by_key(table(lived, InvoicesModel), FoundInvoice)
    subscriptions = standing(lived, Subscription)
    streams = by_stream(lived.events)
    views = {key: project_subscription(streams[key]) for key in subscriptions}
    assert found.keys() == {invoice for view in views.values() for invoice in view.invoices}
    for row in found.values():
        view = views[row.subscription_id]
        invoice, sub = view.invoices[row.invoice_id], view.subscription
        assert (row.fan_id, row.creator_id) == (sub.fan_id, sub.creator_id)
        assert (row.kind, row.number, row.count, row.state, row.reason) == (
            invoice.kind, invoice.number, invoice.count, invoice.state, invoice.reason,
        )  # fmt: skip
        assert (row.amount, row.currency, row.credit, row.goodwill, row.cash) == (
            invoice.money.amount, invoice.money.currency, invoice.credit, invoice.goodwill,
            invoice.cash,
        )  # fmt: skip
        assert (row.starts_at, row.ends_at, row.expires_at, row.issued_at, row.ended_at) == (
            invoice.start, invoice.end, invoice.expires_at, invoice.issued_at, invoice.ended_at,
        )  # fmt: skip
        assert row.credited == sum(note.money.amount for note in invoice.credit_notes)
        assert row.attempts >= max((each.number for each in invoice.attempts), default=0)


def test_payouts_stand_as_the_ledger_folds_them(lived: Lived) -> None:
    found = by_key(table(lived, PayoutsModel), FoundPayout)
    expected = standing(lived, Payout)
    assert found.keys() == expected.keys()
    for key, payout in expected.items():
        row = found[key]
        assert (row.state, row.creator_id, row.attempt, row.approvals, row.reason) == (
            payout.state, payout.creator_id, payout.attempt, len(payout.approvals), payout.reason,
        )  # fmt: skip
        assert (row.gross, row.net, row.fee, row.vat, row.withholding) == (
            payout.legs.gross, payout.legs.net, payout.legs.fee, payout.legs.vat,
            payout.legs.withholding,
        )  # fmt: skip
        assert (row.times_paid, row.times_returned) == (len(payout.paid), len(payout.returned))
        assert (row.requested_at, row.ended_at) == (payout.requested_at, payout.ended_at)


def test_proposals_stand_as_the_ledger_folds_them(lived: Lived) -> None:
    found = by_key(table(lived, ProposalsModel), FoundProposal)
    expected = standing(lived, Proposal)
    assert found.keys() == expected.keys()
    for key, proposal in expected.items():
        row = found[key]
        assert (row.state, row.kind, row.reason, row.second_person) == (
            proposal.state, proposal.action.kind, proposal.action.reason, proposal.second_person,
        )  # fmt: skip
        assert (row.proposed_by, row.proposed_at, row.decided_by, row.rejected_because) == (
            proposal.proposed_by, proposal.proposed_at, proposal.decided_by,
            proposal.rejected_because,
        )  # fmt: skip
        assert row.amount > 0


def flows_of(lived: Lived) -> dict[UUID, Flows]:
    """What the money of every payment and receipt has done."""
    payments = {key: each.flows for key, each in standing(lived, Payment).items()}
    return payments | {key: each.flows for key, each in standing(lived, Receipt).items()}


def test_what_a_proposal_moves_is_what_was_parked(lived: Lived) -> None:
    flows = flows_of(lived)
    found = by_key(table(lived, ProposalsModel), FoundProposal)
    for key, proposal in standing(lived, Proposal).items():
        action = proposal.action
        if action.kind == "allocate_receipts":
            receipts = set(action.receipts)
        elif action.kind == "return_receipt":
            receipts = {action.receipt}
        else:
            continue
        assert found[key].amount == sum(
            flows[each.stream_id].parked[each.provider_transaction].money.amount
            for each in receipts
        )


def test_suspense_stands_as_the_ledger_folds_it(lived: Lived) -> None:
    found = {(row[0], row[1]): FoundParked(*row) for row in table(lived, SuspenseModel)}
    expected = {
        (stream, transaction): parked
        for stream, flows in flows_of(lived).items()
        for transaction, parked in flows.parked.items()
    }
    assert found.keys() == expected.keys()
    for key, parked in expected.items():
        row = found[key]
        assert (row.state, row.provider, row.amount, row.currency) == (
            parked.state, parked.provider, parked.money.amount, parked.money.currency,
        )  # fmt: skip


# Sums.

NOT_EARNED = (PayoutPaid.TOPIC, PayoutReturned.TOPIC)
EARNED_BY_THE_JOURNAL = """
    SELECT split_part(account, ':', 2)::uuid, currency, -sum(amount)
    FROM journal_lines JOIN balances USING (account_id)
    JOIN ledger_events ON notification_id = journal_lines.position
    WHERE account LIKE 'creator:%%' AND NOT topic = ANY(%s)
    GROUP BY 1, 2 HAVING sum(amount) <> 0
"""
KEPT_BY_THE_JOURNAL = """
    SELECT account, currency, -sum(amount)
    FROM journal_lines JOIN balances USING (account_id)
    JOIN ledger_events ON notification_id = journal_lines.position
    WHERE account IN (%s, %s) AND NOT topic LIKE 'payout.%%' AND NOT topic LIKE 'books.%%'
    GROUP BY 1, 2 HAVING sum(amount) <> 0
"""


def summed(found: Iterator[tuple[Any, int]]) -> dict[Any, int]:
    """Sums by key, without those that are nothing."""
    sums: dict[Any, int] = defaultdict(int)
    for key, amount in found:
        sums[key] += int(amount)
    return {key: amount for key, amount in sums.items() if amount}


def test_earnings_are_what_the_journal_credits_to_creators(lived: Lived) -> None:
    earned = table(lived, EarningsModel)
    expected = {
        (creator, currency): int(amount)
        for creator, currency, amount in rows(
            lived.database, EARNED_BY_THE_JOURNAL, list(NOT_EARNED)
        )
    }
    assert summed(((row[0], row[2]), row[7]) for row in earned) == expected


def test_fees_and_tax_of_earnings_are_what_the_journal_keeps_of_payments(lived: Lived) -> None:
    earned = table(lived, EarningsModel)
    expected = {
        (account, currency): int(amount)
        for account, currency, amount in rows(
            lived.database, KEPT_BY_THE_JOURNAL, PLATFORM_FEES, VAT
        )
    }
    fees = (((PLATFORM_FEES, row[2]), row[5]) for row in earned)
    tax = (((VAT, row[2]), row[6]) for row in earned)
    assert summed(fees) | summed(tax) == expected
    assert all(row[4] == row[5] + row[6] + row[7] for row in earned)


def test_each_day_has_what_was_recorded_on_it(lived: Lived) -> None:
    expected: dict[tuple[date, str], int] = defaultdict(int)
    for event in lived.events:
        if isinstance(event, PayoutPaid | PayoutReturned) or event.journal_entry is None:
            continue
        day = event.recorded_at.astimezone(ZONE).date()
        for posting in event.journal_entry.postings:
            if posting.account.startswith("creator:"):
                expected[day, posting.currency] -= posting.amount
    found = summed(((row[1], row[2]), row[7]) for row in table(lived, EarningsModel))
    assert found == {key: amount for key, amount in expected.items() if amount}


def test_supporters_paid_what_reached_their_creators(lived: Lived) -> None:
    """All earnings from fans, but for what goodwill paid; a month at a time, and in all."""
    sources = {"tips", "purchases", "subscriptions", "refunds", "disputes", "unused_time"}
    earned = summed(
        ((row[0], row[2], row[1].replace(day=1)), row[4])
        for row in table(lived, EarningsModel)
        if row[3] in sources
    )
    goodwill = summed(
        ((event.creator_id, event.money.currency, month), event.money.amount)
        for event, month in given_by_the_platform(lived)
    )
    by_month = table(lived, SupportersModel, 1)
    paid = summed(((row[0], row[1], row[3]), row[4]) for row in by_month)
    given_back = {key: amount for key, amount in unused_goodwill(lived).items() if amount}
    whole = summed(
        (key, amount) for part in (paid, goodwill, given_back) for key, amount in part.items()
    )
    assert whole == earned
    in_all = {row[:3]: int(row[3]) for row in table(lived, SupportersModel)}
    assert in_all == {key: sum(int(row[4]) for row in by_month if row[:3] == key) for key in in_all}


def given_by_the_platform(lived: Lived) -> Iterator[tuple[CreditSpent, date]]:
    for event in lived.events:
        if isinstance(event, CreditSpent) and event.source == "goodwill":
            yield event, event.recorded_at.astimezone(ZONE).date().replace(day=1)


def unused_goodwill(lived: Lived) -> dict[Any, int]:
    """What went back of payments that goodwill had paid: to goodwill, by their later entries."""
    streams = by_stream(lived.events)
    back: dict[Any, int] = defaultdict(int)
    for spent, _ in given_by_the_platform(lived):
        for event in streams[spent.originator_id][1:]:
            if event.journal_entry is None:
                continue
            month = event.recorded_at.astimezone(ZONE).date().replace(day=1)
            for posting in event.journal_entry.postings:
                if posting.account.startswith("creator:") or posting.account in {
                    PLATFORM_FEES, VAT,
                }:  # fmt: skip
                    back[spent.creator_id, posting.currency, month] -= posting.amount
    return back


def test_supporters_payments_are_counted(lived: Lived) -> None:
    expected: dict[UUID, int] = defaultdict(int)
    payments = standing(lived, Payment)
    for event in lived.events:
        goodwill = isinstance(event, CreditSpent) and event.source == "goodwill"
        if isinstance(event, PaymentSucceeded | ReceiptsAllocated | CreditSpent) and not goodwill:
            expected[payments[event.originator_id].fan_id] += 1
    found: dict[UUID, int] = defaultdict(int)
    for row in table(lived, SupportersModel):
        found[row[2]] += row[4]
        assert (row[5] is None) == (row[6] is None) == (row[4] == 0)
    assert found == expected


PAYING = {SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE}


def test_recurring_revenue_is_of_those_who_pay(lived: Lived) -> None:
    """Day by day: active at its end is active before it and who came, without who left."""
    days: dict[UUID, list[tuple[Any, ...]]] = defaultdict(list)
    for row in sorted(table(lived, RecurringModel), key=lambda row: row[2]):
        days[row[0]].append(row)
    for of_creator in days.values():
        nothing = (*of_creator[0][:3], *[0] * 8)
        for before, day in pairwise([nothing, *of_creator]):
            began, resumed, _, cancelled, expired, paused, active, _ = day[3:]
            assert active == before[9] + began + resumed - cancelled - expired - paused
    expected: dict[UUID, list[int]] = defaultdict(lambda: [0, 0])
    for sub in standing(lived, Subscription).values():
        if sub.state in PAYING and paid_once(lived, sub.id):
            expected[sub.creator_id][0] += 1
            expected[sub.creator_id][1] += per_month(sub)
    found = {key: [of_creator[-1][9], int(of_creator[-1][10])] for key, of_creator in days.items()}
    assert {key: each for key, each in found.items() if each != [0, 0]} == expected


def paid_once(lived: Lived, subscription: UUID) -> bool:
    """Past due is also whose trial ended unpaid: they have never paid."""
    return any(
        event.originator_id == subscription
        and event.TOPIC in {"subscription.activated.v1", "subscription.trial_converted.v1"}
        for event in lived.events
    )


def per_month(sub: Subscription) -> int:
    """A month of its price, by a year of 365 days and twelve months."""
    interval, amount = sub.price.interval, sub.price.money.amount
    days = {"day": 1, "week": 7}
    if interval.unit in days:
        numerator, denominator = amount * 365, 12 * days[interval.unit] * interval.count
    else:
        numerator, denominator = amount, interval.count * {"month": 1, "year": 12}[interval.unit]
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest >= denominator)


def test_every_payment_has_a_row(lived: Lived) -> None:
    assert {row[0] for row in table(lived, PaymentsModel)} == standing(lived, Payment).keys()


def test_no_other_fact_moves_what_creators_earn(lived: Lived) -> None:
    """A new event that moves creators' money must be read as an earning, or be a move of theirs."""
    moved: set[type[LedgerEvent]] = set()
    for event in lived.events:
        entry = event.journal_entry
        sums: dict[tuple[str, str], int] = defaultdict(int)
        for posting in () if entry is None else entry.postings:
            if posting.account.startswith("creator:"):
                sums[posting.account.split(":")[1], posting.currency] += posting.amount
        if any(sums.values()):
            moved.add(type(event))
    assert moved - EarningsModel.reads <= {PayoutPaid, PayoutReturned}


AGREEMENTS = [
    test_subscriptions_stand_as_the_ledger_folds_them,
    test_invoices_are_those_of_their_subscriptions,
    test_payouts_stand_as_the_ledger_folds_them,
    test_proposals_stand_as_the_ledger_folds_them,
    test_what_a_proposal_moves_is_what_was_parked,
    test_suspense_stands_as_the_ledger_folds_it,
    test_earnings_are_what_the_journal_credits_to_creators,
    test_fees_and_tax_of_earnings_are_what_the_journal_keeps_of_payments,
    test_each_day_has_what_was_recorded_on_it,
    test_supporters_paid_what_reached_their_creators,
    test_supporters_payments_are_counted,
    test_recurring_revenue_is_of_those_who_pay,
    test_every_payment_has_a_row,
    test_no_other_fact_moves_what_creators_earn,
]


def test_a_past_that_nobody_has_seen_before_agrees_too(databases: Databases) -> None:
    seed, database = secrets.randbits(48), databases.create()
    live_through(database, stories=40, fans=10, days=90, seed=seed)
    numbers = fill(database, lambda: 300, live=True)
    unseen = Lived(database, events_of(database), numbers)
    for agrees in AGREEMENTS:
        try:
            agrees(unseen)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.parametrize(
    ("model", "column", "values"),
    [
        (SubscriptionsModel, "state", {"active", "past_due", "paused", "cancelled", "expired"}),
        (InvoicesModel, "state", {"open", "paid", "void"}),
        (InvoicesModel, "kind", {"first", "renewal", "change", "prepayment"}),
        (PayoutsModel, "state", {"paid", "failed", "returned", "rejected", "cancelled"}),
        (
            ProposalsModel,
            "kind",
            {"post_adjustment", "allocate_receipts", "return_receipt", "write_off_debt"},
        ),
        (SuspenseModel, "state", {"waiting", "spent", "returned"}),
        (SuspenseModel, "why", {"mismatched", "overpaid", "surplus", "unmatched"}),
        (
            EarningsModel,
            "source",
            {"tips", "purchases", "subscriptions", "refunds", "disputes", "unused_time"}
            | {"dispute_fees", "adjustments", "write_offs"},
        ),
    ],
)
def test_the_past_that_is_compared_has_everything_in_it(
    lived: Lived, model: type[ReadModel], column: str, values: set[str]
) -> None:
    name = of(model.names[0], lived.numbers[model.name])
    found = {value for (value,) in rows(lived.database, f"SELECT DISTINCT {column} FROM {name}")}
    assert found >= values
