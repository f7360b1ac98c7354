"""Twenty thousand whole lives of money on the real database, and the laws that hold in each.

From the first payment to a write-off, with every event that there is: in random order, with
nonsense between. The laws are in tests/ledger/lifecycles/laws.py. That they notice anything is
shown on the naive readings of the posting rules, each of which breaks the law that it must.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.application import Ledger
from ledger.errors import ERRORS_BY_CODE, Refused
from ledger.events import (
    EVENT_CLASSES,
    CatalogEvent,
    ChangeInvoiced,
    CreditRefundRequested,
    CreditReserved,
    CreditRestored,
    CreditSpent,
    CreditTakenBack,
    FanEvent,
    FirstPeriodInvoiced,
    InvoicePaymentInitiated,
    InvoiceVoided,
    PaymentReceivedAsCredit,
    PrepaymentInvoiced,
    ReceiptsCredited,
    RenewalInvoiced,
    SubscriptionEvent,
    UnusedTimeCredited,
)
from ledger.replay import replay
from tests.databases import Databases, rows
from tests.invariants import assert_book_is_sound
from tests.ledger.lifecycles.campaign import READ_EVENTS, Findings, campaign, watch
from tests.ledger.lifecycles.laws import Law
from tests.ledger.lifecycles.naive import (
    NaiveHistory,
    Reading,
    always_back_to_pending,
    always_from_available,
    always_from_pending,
    disputes_apart_from_refunds,
    refunds_over_the_original_split,
    release_of_the_full_net,
)
from tests.ledger.lifecycles.play import Clock, play, stored, tell
from tests.ledger.lifecycles.reach import Scene
from tests.ledger.lifecycles.watch import Watch

if TYPE_CHECKING:
    from ledger.database.connections import BookLocation

STORIES = 20_000
PART = 5_000
STORIES_OF_A_CAMPAIGN = 200_000
NAIVE_STORIES_MAX = 300
"""So many stories at most show what is wrong with a naive reading."""

OF_CREDIT: Final = frozenset(
    {
        InvoicePaymentInitiated,
        PaymentReceivedAsCredit,
        ReceiptsCredited,
        CreditSpent,
        UnusedTimeCredited,
        CreditRefundRequested,
        CreditTakenBack,
        CreditRestored,
        FirstPeriodInvoiced,
        RenewalInvoiced,
        ChangeInvoiced,
        PrepaymentInvoiced,
        CreditReserved,
        InvoiceVoided,
    }
)
"""Money of invoices and of fans' credit. These lives have no subscriptions: they are tips and
purchases. Named one by one, so that a new event that moves money must occur here or be added."""

WITHOUT_MONEY: Final = frozenset(
    cls
    for union in (CatalogEvent, FanEvent, SubscriptionEvent)
    for cls in get_args(union)
    if "entry" not in cls.model_fields
)
"""What creators offer, what fans say, and the course of a subscription."""

TOPICS: Final = {cls.TOPIC for cls in EVENT_CLASSES if cls not in OF_CREDIT | WITHOUT_MONEY}


def assert_lawful(found: Findings, stories: int) -> None:
    assert found.stories == stories
    assert not found.violations, complaint(found)
    assert found.wrong_balances == []
    assert all(issubclass(ERRORS_BY_CODE[code], Refused) for code in found.refusals)
    assert found.topics == TOPICS
    assert found.scenes == set(Scene)
    # Neither the law about what is reversed to the end nor nonsense was met by luck.
    assert found.reversed_to_the_end > stories / 10
    assert sum(found.refusals.values()) > stories


def complaint(found: Findings) -> str:
    """Some of the stories that broke a law, told again."""
    some = list(found.violations.items())[:3]
    return "\n\n".join(
        f"python -m tests.ledger.lifecycles.play {seed}\n{broken}\n{tell(seed)}"
        for seed, broken in some
    )


@pytest.mark.timeout(900)
def test_in_every_life_of_money_the_laws_hold_at_every_position(databases: Databases) -> None:
    assert_lawful(campaign(databases, range(STORIES), part=PART), STORIES)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_in_ten_times_as_many_lives_that_nobody_has_seen_before(databases: Databases) -> None:
    first = secrets.randbits(48)
    seeds = range(first, first + STORIES_OF_A_CAMPAIGN)
    assert_lawful(campaign(databases, seeds, part=PART), STORIES_OF_A_CAMPAIGN)


def test_a_book_of_whole_lives_is_sound_and_tells_what_memory_tells(book: BookLocation) -> None:
    clock, seeds = Clock(), range(300)
    ledger = Ledger(book, clock=clock)
    run = play(ledger, clock, seeds, width=100)
    ledger.close()
    assert not watch(book.database, run).violations
    assert_book_is_sound(book.database)
    assert replay(book).ok
    told: dict[int, list[object]] = defaultdict(list)
    for stream, topic, state in rows(book.database, READ_EVENTS):
        told[run.seeds[stream]].append((stream, topic, json.loads(state).get("entry")))
    for seed in seeds:
        assert told[seed] == [
            (str(event.originator_id), event.TOPIC, stored(event).get("entry"))
            for step in tell(seed).steps
            for event in step.outcome.events
        ]


@given(seed=st.integers(0, 2**63))
@settings(max_examples=300)
def test_a_life_that_nobody_has_seen_before_is_lawful_too(seed: int) -> None:
    telling = tell(seed)
    assert telling.broken_off is None, str(telling)
    assert not telling.violations, str(telling)


# What the laws notice.


@pytest.mark.parametrize(
    ("reading", "laws"),
    [
        (always_from_available, {Law.PENDING_FIRST}),
        (always_from_pending, {Law.OWN_PENDING, Law.RIGHT_SIDE}),
        (release_of_the_full_net, {Law.OWN_PENDING, Law.RIGHT_SIDE}),
        (refunds_over_the_original_split, {Law.NO_PART_TWICE}),
        (always_back_to_pending, {Law.WAY_HOME, Law.END}),
        (disputes_apart_from_refunds, {Law.NO_PART_TWICE}),
    ],
)
def test_a_naive_reading_breaks_the_law_that_it_forgets(reading: Reading, laws: set[Law]) -> None:
    broken: set[Law] = set()
    for seed in range(NAIVE_STORIES_MAX):
        broken |= {
            violation.law for violation in tell(seed, partial(NaiveHistory, reading)).violations
        }
        if laws <= broken:
            return
    pytest.fail(f"{NAIVE_STORIES_MAX} stories broke only {broken}")


def test_a_reading_that_changes_nothing_breaks_nothing() -> None:
    untouched = partial(NaiveHistory, lambda _payment, event: event)
    for seed in range(100):
        telling = tell(seed, untouched)
        assert telling.broken_off is None
        assert not telling.violations


CREATOR = "018f5c3e-0000-7000-8000-000000000001"
AVAILABLE, IN_TRANSIT = f"creator:{CREATOR}:available", f"creator:{CREATOR}:in_transit"


def heard(
    topic: str, *legs: tuple[str, int], before: Watch | None = None, **fields: object
) -> Watch:
    """A watch that has heard an event with these postings, after what it heard before."""
    found = before or Watch()
    postings = [
        {"account": account, "amount": amount, "currency": "KES"} for account, amount in legs
    ]
    found.hear(topic, "a stream", {"entry": {"postings": postings}, **fields})
    return found


def laws_of(found: Watch) -> set[Law]:
    return {violation.law for violation in found.violations}


def test_an_entry_that_does_not_balance_is_noticed() -> None:
    assert laws_of(heard("books.bank_charged.v1", ("bank:settlement", 1))) == {Law.BALANCED}


def test_a_payout_or_a_hold_of_more_than_is_available_is_noticed() -> None:
    requested = heard(
        "payout.requested.v1",
        (AVAILABLE, 5),
        (IN_TRANSIT, -5),
        legs={"net": 5, "fee": 0, "vat": 0, "withholding": 0},
        gross={"amount": 5, "currency": "KES"},
    )
    assert laws_of(requested) == {Law.OVERDRAWN}
    reserved = f"creator:{CREATOR}:reserved"
    held = heard("creator.funds_held.v1", (AVAILABLE, 5), (reserved, -5))
    assert laws_of(held) == {Law.OVERDRAWN}


def test_what_lies_between_accounts_in_the_end_is_noticed() -> None:
    for account in (IN_TRANSIT, "refunds:in_transit", "suspense:sandbox"):
        found = heard("books.adjustment_posted.v1", ("bank:settlement", 5), (account, -5))
        found.end()
        assert Law.END in laws_of(found)


def test_a_debt_that_nobody_gave_up_is_noticed() -> None:
    found = heard("books.adjustment_posted.v1", (AVAILABLE, 5), ("expense:goodwill", -5))
    found.end()
    assert laws_of(found) == {Law.END}


TRANSACTION = {"provider": "sandbox", "provider_transaction": "T1"}
MONEY = {"amount": 5, "currency": "KES"}
COLLECTION, SUSPENSE = "provider:sandbox:collection", "suspense:sandbox"


def received(before: Watch | None = None) -> Watch:
    """Five that nobody knows what for."""
    legs = (COLLECTION, 5), (SUSPENSE, -5)
    topic = "receipt.unmatched_recorded.v1"
    return heard(topic, *legs, before=before, received=MONEY, **TRANSACTION)


def test_a_transaction_that_brings_its_money_twice_is_noticed() -> None:
    assert laws_of(received()) == set()
    assert laws_of(received(received())) == {Law.ONCE}


def test_a_receipt_that_is_returned_twice_is_noticed() -> None:
    legs = (SUSPENSE, 5), ("refunds:in_transit", -5)
    found = received()
    heard(
        "receipt.return_requested.v1",
        *legs,
        before=found,
        refund_id="R1",
        returned=MONEY,
        **TRANSACTION,
    )
    assert laws_of(found) == set()
    heard(
        "receipt.return_requested.v1",
        *legs,
        before=found,
        refund_id="R2",
        returned=MONEY,
        **TRANSACTION,
    )
    assert laws_of(found) == {Law.PARKED, Law.RIGHT_SIDE}


def test_what_leaves_its_creator_nothing_has_nothing_in_pending_to_go_back_to() -> None:
    split = {"fee": 5, "vat": 0, "net": 0}
    plan = {"fee_basis_points": 10_000, "vat_basis_points": 0, "keep_fee": False}
    found = heard("payment.initiated.v1", money=MONEY, plan=plan, split=split)
    success = (COLLECTION, 5), ("platform:fees", -5)
    heard("payment.succeeded.v2", *success, before=found, money=MONEY, **TRANSACTION)
    for account, laws in ((AVAILABLE, set()), (f"creator:{CREATOR}:pending", {Law.WAY_HOME})):
        returned = (COLLECTION, 5), (account, -5)
        fee = {"dispute": "D", "fee_reference": account, "fee": MONEY}
        heard("dispute.fee_returned.v1", *returned, before=found, **fee)
        assert laws_of(found) == laws


def test_money_that_moves_without_the_outside_is_noticed() -> None:
    found = heard("payment.funds_released.v1", (COLLECTION, 5), (AVAILABLE, -5))
    assert laws_of(found) == {Law.CASH}
