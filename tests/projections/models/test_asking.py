"""What is asked of read models is answered: filters, pages, sums, and where it is true."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from ledger.events import Price
from ledger.flows import ParkedState
from ledger.money import Money
from ledger.payout import PayoutState
from ledger.proposals import ProposalState
from ledger.subscription import SubscriptionState
from projections.cursor import InvalidCursor
from projections.models.earnings import EarningsModel, RangeTooLong, earnings
from projections.models.invoices import InvoicesModel, search_invoices
from projections.models.payments import PaymentsModel, search_payments
from projections.models.payouts import PayoutsModel, search_payouts
from projections.models.proposals import ProposalsModel, search_proposals
from projections.models.recurring import (
    RecurringModel,
    monthly,
    recurring_days,
    recurring_range,
)
from projections.models.subscriptions import SubscriptionsModel, search_subscriptions
from projections.models.supporters import SupportersModel, top_supporters
from projections.models.suspense import SuspenseModel, search_suspense
from projections.read_model import of
from projections.reader import PositionNotReached
from tests.databases import rows, value
from tests.subscription_builders import DAY, MONTH, WEEK, YEAR

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.billing_periods import Interval
    from projections.live import LiveModel
    from projections.read_model import ReadModel
    from tests.projections.models.conftest import Ask, Lived

Find = Callable[..., Awaitable[Any]]

LISTS: list[tuple[type[ReadModel], Find]] = [
    (PaymentsModel, search_payments),
    (SubscriptionsModel, search_subscriptions),
    (InvoicesModel, search_invoices),
    (PayoutsModel, search_payouts),
    (ProposalsModel, search_proposals),
    (SuspenseModel, search_suspense),
]
every_list = pytest.mark.parametrize(("model", "find"), LISTS, ids=lambda each: each.__name__)


def table(lived: Lived, model: type[ReadModel], number: int = 0) -> str:
    return of(model.names[number], lived.numbers[model.name])


def everything(ask: Ask, model: type[ReadModel], find: Find, **asked: Any) -> list[Any]:  # noqa: ANN401 - filters
    """All pages, one after the other."""

    async def read(live: LiveModel) -> list[Any]:
        items: list[Any] = []
        cursor: str | None = None
        while True:
            page = await find(live, cursor=cursor, limit=7, **asked)
            items += page.items
            cursor = page.next_cursor
            if cursor is None:
                return items

    found: list[Any] = ask(model, read)
    return found


@every_list
def test_pages_together_are_the_list_newest_first(
    lived: Lived, ask: Ask, model: type[ReadModel], find: Find
) -> None:
    opened = rows(lived.database, f"SELECT opened FROM {table(lived, model)} ORDER BY 1 DESC")
    assert [item.opened for item in everything(ask, model, find)] == [key for (key,) in opened]


@every_list
def test_a_page_says_where_it_is_true_and_waits_for_no_position_beyond_the_log(
    lived: Lived, ask: Ask, model: type[ReadModel], find: Find
) -> None:
    head = value(lived.database, "SELECT max(position) FROM turns")
    page = ask(model, lambda live: find(live, limit=1, min_position=head))
    assert (page.position, len(page.items)) == (head, 1)
    with pytest.raises(PositionNotReached):
        ask(model, lambda live: find(live, min_position=head + 1))


@every_list
def test_a_cursor_of_another_list_is_refused(ask: Ask, model: type[ReadModel], find: Find) -> None:
    other, find_other = LISTS[(LISTS.index((model, find)) + 1) % len(LISTS)]
    page = ask(other, lambda live: find_other(live, limit=1))
    assert page.next_cursor is not None
    with pytest.raises(InvalidCursor):
        ask(model, lambda live: find(live, cursor=page.next_cursor))


FILTERS = [
    (PaymentsModel, search_payments, ("fan_id",)),
    (PaymentsModel, search_payments, ("creator_id", "state")),
    (PaymentsModel, search_payments, ("state",)),
    (PaymentsModel, search_payments, ("provider_transaction",)),
    (SubscriptionsModel, search_subscriptions, ("creator_id",)),
    (SubscriptionsModel, search_subscriptions, ("creator_id", "state")),
    (SubscriptionsModel, search_subscriptions, ("creator_id", "tier_id")),
    (SubscriptionsModel, search_subscriptions, ("fan_id",)),
    (SubscriptionsModel, search_subscriptions, ("state",)),
    (InvoicesModel, search_invoices, ("subscription_id",)),
    (InvoicesModel, search_invoices, ("fan_id", "state")),
    (InvoicesModel, search_invoices, ("creator_id",)),
    (InvoicesModel, search_invoices, ("state",)),
    (PayoutsModel, search_payouts, ("creator_id",)),
    (PayoutsModel, search_payouts, ("state", "provider")),
    (ProposalsModel, search_proposals, ("state",)),
    (ProposalsModel, search_proposals, ("kind", "proposed_by")),
    (SuspenseModel, search_suspense, ("state",)),
    (SuspenseModel, search_suspense, ("stream_id",)),
    (SuspenseModel, search_suspense, ("provider_transaction",)),
]
STATES = {
    SubscriptionsModel: SubscriptionState,
    PayoutsModel: PayoutState,
    ProposalsModel: ProposalState,
    SuspenseModel: ParkedState,
}


@pytest.mark.parametrize(
    ("model", "find", "names"), FILTERS, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_list_has_what_its_filters_name_and_nothing_else(
    ask: Ask, model: type[ReadModel], find: Find, names: tuple[str, ...]
) -> None:
    whole = everything(ask, model, find)
    key = attrgetter(*names)
    for wanted in list(dict.fromkeys(map(key, whole)))[:4]:
        given = dict(zip(names, wanted if len(names) > 1 else (wanted,), strict=True))
        if "state" in given and model in STATES:
            given["state"] = STATES[model](given["state"])
        found = everything(ask, model, find, **given)
        assert found == [item for item in whole if key(item) == wanted]
    if "creator_id" in names:
        nobody: dict[str, Any] = {"creator_id": uuid4()}
        assert everything(ask, model, find, **nobody) == []


def test_payouts_are_found_by_when_they_were_requested(ask: Ask) -> None:
    whole = everything(ask, PayoutsModel, search_payouts)
    moments = sorted({item.requested_at for item in whole})
    since, until = moments[len(moments) // 3], moments[2 * len(moments) // 3]
    found = everything(ask, PayoutsModel, search_payouts, since=since, until=until)
    assert found == [item for item in whole if since <= item.requested_at < until]
    assert 0 < len(found) < len(whole)


def test_payments_are_found_by_when_they_were_initiated_and_by_reference(ask: Ask) -> None:
    whole = everything(ask, PaymentsModel, search_payments)
    moments = sorted({item.initiated_at for item in whole})
    since, until = moments[len(moments) // 3], moments[2 * len(moments) // 3]
    found = everything(ask, PaymentsModel, search_payments, since=since, until=until)
    assert found == [item for item in whole if since <= item.initiated_at < until]
    assert 0 < len(found) < len(whole)
    named = [item for item in whole if item.reference is not None]
    for item in named[:3]:
        found = everything(ask, PaymentsModel, search_payments, reference=item.reference)
        assert found == [each for each in named if each.reference == item.reference]


# Sums.


def busiest(lived: Lived, model: type[ReadModel]) -> tuple[UUID, str, date, date]:
    """The creator with most rows, their currency, and the first and last day of them."""
    [first, *_] = rows(
        lived.database,
        f"SELECT creator_id, currency, min(day), max(day) FROM {table(lived, model)}"
        " GROUP BY 1, 2 ORDER BY count(*) DESC, 1 LIMIT 1",
    )
    return first[0], first[1], first[2], first[3]


BEGINS: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}


@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_earnings_add_up_by_interval_and_source(lived: Lived, ask: Ask, interval: Any) -> None:  # noqa: ANN401 - a literal
    creator, _, first, last = busiest(lived, EarningsModel)
    found = ask(
        EarningsModel,
        lambda live: earnings(
            live, creator, interval=interval, first=first, until=last + timedelta(days=1)
        ),
    )
    expected: dict[tuple[date, str, str], Counter[str]] = defaultdict(Counter)
    names = ("gross", "fee", "vat", "net", "entries")
    for day, currency, source, *sums in rows(
        lived.database,
        f"SELECT day, currency, source, gross, fee, vat, net, entries"
        f" FROM {table(lived, EarningsModel)} WHERE creator_id = %s",
        creator,
    ):
        counter = expected[BEGINS[interval](day), currency, source]
        for name, amount in zip(names, sums, strict=True):
            counter[name] += int(amount)
    seen = {
        (period.first_day, period.currency, source): Counter(earned._asdict())
        for period in found.items
        for source, earned in period.by_source.items()
    }
    assert seen == expected
    for period in found.items:
        assert period.total.net == sum(each.net for each in period.by_source.values())
    days = [period.first_day for period in found.items]
    assert days == sorted(days, reverse=True)


def test_earnings_are_of_the_days_that_are_asked_for(lived: Lived, ask: Ask) -> None:
    creator, _, first, last = busiest(lived, EarningsModel)
    assert first < last
    found = ask(
        EarningsModel,
        lambda live: earnings(live, creator, interval="day", first=first, until=last),
    )
    assert found.items[-1].first_day == first
    assert found.items[0].first_day < last


def test_too_long_a_time_cannot_be_asked_for_at_once(ask: Ask) -> None:
    first, creator = date(2040, 1, 1), uuid4()

    def asked(interval: Any, days: int) -> Any:  # noqa: ANN401 - a literal; what is answered
        until = first + timedelta(days=days)
        return ask(
            EarningsModel,
            lambda live: earnings(live, creator, interval=interval, first=first, until=until),
        )

    for interval, days in (("day", 400), ("week", 2_800), ("month", 3_720)):
        assert asked(interval, days).items == []
        with pytest.raises(RangeTooLong, match=f"at most {days} days"):
            asked(interval, days + 1)


@pytest.mark.parametrize("by_month", [False, True])
def test_top_supporters_are_those_who_paid_most(lived: Lived, ask: Ask, by_month: bool) -> None:
    name = table(lived, SupportersModel, int(by_month))
    month = "month" if by_month else "NULL::date"
    found = rows(
        lived.database, f"SELECT creator_id, currency, {month}, fan_id, paid, payments FROM {name}"
    )
    groups = defaultdict(list)
    for creator, currency, of_month, fan, paid, payments in found:
        groups[creator, currency, of_month].append((-int(paid), str(fan), payments))
    several = [key for key, fans in groups.items() if len(fans) > 2][:5]
    assert several
    for creator, currency, of_month in several:
        expected = sorted(each for each in groups[creator, currency, of_month] if each[0] < 0)
        day = None if of_month is None else of_month + timedelta(days=20)
        for limit in (2, 200):

            def question(
                live: LiveModel,
                asked: tuple[UUID, str] = (creator, currency),
                month: date | None = day,
                limit: int = limit,
            ) -> Any:  # noqa: ANN401 - what is awaited
                return top_supporters(live, *asked, month=month, limit=limit)

            top = ask(SupportersModel, question).items
            assert [(-each.paid, str(each.fan_id), each.payments) for each in top] == (
                expected[:limit]
            )


def test_recurring_ranges_chain_and_say_who_left(lived: Lived, ask: Ask) -> None:
    creator, currency, first, last = busiest(lived, RecurringModel)
    middle = first + (last - first) / 2
    bounds = [first - timedelta(days=1), first, middle, last, last + timedelta(days=1)]

    def between(since: date, until: date) -> Any:  # noqa: ANN401 - what is answered
        return ask(
            RecurringModel,
            lambda live: recurring_range(live, creator, currency, first=since, until=until),
        )

    parts = [between(since, until) for since, until in pairwise(bounds)]
    assert parts[0].before == parts[0].end == (0, 0)
    for before, after in pairwise(parts):
        assert after.before == before.end
    for part in parts:
        came = part.began + part.resumed
        assert part.end.active == part.before.active + came - part.churn.left
        assert part.churn.active_before == part.before.active
    assert sum(part.churn.left for part in parts) > 0


def test_recurring_days_are_paged_newest_first(lived: Lived, ask: Ask) -> None:
    creator, currency, first, last = busiest(lived, RecurringModel)

    def find(live: LiveModel, **asked: Any) -> Any:  # noqa: ANN401 - filters
        return recurring_days(live, creator, currency, **asked)

    whole = everything(ask, RecurringModel, find)
    days = [item.day for item in whole]
    assert (days[0], days[-1]) == (last, first)
    assert days == sorted(set(days), reverse=True)
    some = everything(ask, RecurringModel, find, first=days[-2], until=days[1])
    assert some == whole[2:-1]
    with pytest.raises(InvalidCursor):
        ask(RecurringModel, lambda live: find(live, cursor="nonsense"))


@pytest.mark.parametrize(
    ("amount", "interval", "count", "expected"),
    [
        (1_000, MONTH, 1, 1_000),
        (1_000, MONTH, 3, 333),
        (1_000, YEAR, 1, 83),
        (1_206, YEAR, 1, 101),  # 100.5: half up
        (1_205, YEAR, 1, 100),
        (12, DAY, 1, 365),
        (12, DAY, 365, 1),
        (84, WEEK, 1, 365),
        (84, WEEK, 2, 183),  # 182.5
        (1, YEAR, 5, 0),
    ],
)
def test_a_price_is_turned_into_months_by_integers(
    amount: int, interval: Interval, count: int, expected: int
) -> None:
    each = interval.model_copy(update={"count": count})
    price = Price(version=1, money=Money(amount=amount, currency="KES"), interval=each)
    assert monthly(price) == expected


def test_no_two_rows_of_a_list_have_one_place(lived: Lived) -> None:
    for model, _ in LISTS:
        query = f"SELECT count(*), count(DISTINCT opened) FROM {table(lived, model)}"
        [(count, different)] = rows(lived.database, query)
        assert count == different
