"""A subscription as people see it is the one that decisions are made on, at every version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from ledger.commands import fan_stream
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.subscriptions import SubscriptionRead, Subscriptions, SubscriptionView
from tests.projections.conftest import asker
from tests.projections.fans_lives import PRICE, FansLife
from tests.subscription_builders import change_tier, pay_invoice, prepay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from ledger.subscription import Subscription
    from projections.reader import Reader
    from tests.databases import Databases

STEPS: Final = 900


@pytest.fixture(scope="module")
def book(databases: Databases) -> BookLocation:
    return BookLocation(databases.create(), DatabaseRole.APP)


@pytest.fixture(scope="module")
def life(book: BookLocation) -> Iterator[FansLife]:
    """A book in which fans did whatever came to their mind; only for reading."""
    lived = FansLife(book, seed=11)
    lived.live([lived.offer(trial_days=7), lived.offer()], STEPS)
    yield lived
    lived.close()


def those_begun(life: FansLife) -> list[UUID]:
    """Others were refused."""
    return [each for each in life.subscriptions if list(life.ledger.events.get(each, lte=1))]


def read(book: BookLocation, *wanted: tuple[UUID, int | None]) -> list[SubscriptionRead | None]:
    """Subscriptions at versions, asked for at once."""

    async def question(reader: Reader) -> list[SubscriptionRead | None]:
        subscriptions = Subscriptions(reader)
        return await asyncio.gather(
            *(subscriptions.get(each, version=version) for each, version in wanted)
        )

    found: list[SubscriptionRead | None] = asker(book)(question)
    return found


def seen(book: BookLocation, subscription: UUID) -> SubscriptionView:
    """One subscription, now."""
    [found] = read(book, (subscription, None))
    assert found is not None
    return found.view


def assert_open_ones_agree(view: SubscriptionView, sub: Subscription) -> None:
    """The invoices that decisions know are those that are seen to be open, and cost the same."""
    opened = {each.id: each for each in view.invoices.values() if each.state == "open"}
    assert set(opened) == {each.id for each in sub.open_invoices()}
    for invoice in sub.open_invoices():
        same = opened[invoice.id]
        assert (same.kind, same.number, same.cash) == (invoice.kind, invoice.number, invoice.cash)
        live = [each.payment_id for each in same.attempts if each.state == "open"]
        assert invoice.live is None or invoice.live.payment_id in live


def test_it_is_what_decisions_are_made_on_at_every_version(
    life: FansLife, book: BookLocation
) -> None:
    begun = those_begun(life)
    assert len(begun) > 10
    invoices = 0
    for subscription in begun:
        last = life.subscription(subscription)
        versions = range(1, last.version + 1)
        found = read(book, *((subscription, version) for version in versions))
        for version, each in zip(versions, found, strict=True):
            assert each is not None
            state: Subscription = life.ledger.repository.get(subscription, version=version)
            assert each.view.subscription == state
            assert_open_ones_agree(each.view, state)
        invoices += len(seen(book, subscription).invoices)
    assert invoices > len(begun)


def test_many_are_asked_for_by_one_statement_and_true_at_one_position(
    life: FansLife, book: BookLocation
) -> None:
    begun = those_begun(life)
    found = read(book, *((each, None) for each in begun))
    assert len({each.position for each in found if each is not None}) == 1


def test_what_is_no_subscription_is_none(life: FansLife, book: BookLocation) -> None:
    others = (uuid4(), life.fans[0], fan_stream(life.fans[0]), life.payments[0])
    assert read(book, *((each, None) for each in others)) == [None] * len(others)


@pytest.fixture
def scene(databases: Databases) -> Iterator[FansLife]:
    """A book of its own."""
    lived = FansLife(BookLocation(databases.create(), DatabaseRole.APP))
    yield lived
    lived.close()


def test_an_invoice_that_was_void_and_is_issued_again_keeps_what_was_tried(
    scene: FansLife,
) -> None:
    offer = scene.offer()
    subscription = scene.join(scene.fans[0], offer)
    scene.do(pay_invoice(subscription))
    scene.decline()
    # Prepaying takes the place of the period that was to be paid early.
    scene.do(prepay(subscription, 2))
    scene.decline()
    scene.do(pay_invoice(subscription, number=2))
    scene.pay()
    view = seen(scene.ledger.book, subscription)
    first, second, ordered = view.invoices.values()
    assert (first.state, second.state, ordered.state) == ("paid", "paid", "void")
    assert [each.state for each in second.attempts] == ["failed", "succeeded"]
    assert ordered.reason == "replaced"
    assert [each.state for each in ordered.attempts] == ["failed"]


def test_it_renews_at_the_price_that_will_hold(scene: FansLife) -> None:
    offer = scene.offer()
    subscription = scene.join(scene.fans[0], offer)
    view = seen(scene.ledger.book, subscription)
    assert view.next_renewal is not None
    assert view.next_renewal.at == scene.paid_until(subscription)
    assert view.next_renewal.price.money.amount == PRICE
    other = scene.offer(offer.creator_id)
    week = view.next_renewal.price.interval.model_copy(update={"unit": "week"})
    scene.do(
        change_tier(subscription, other.tier_id, interval=week, quoted_at=scene.now, amount_due=0)
    )
    renewal = seen(scene.ledger.book, subscription).next_renewal
    assert renewal is not None
    assert (renewal.at, renewal.price.interval) == (scene.paid_until(subscription), week)
