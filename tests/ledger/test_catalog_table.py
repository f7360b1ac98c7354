"""Every command about a tier in every state of it and of its creator, and a fan who wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest

from ledger.catalog import PRICES_MAX, TIERS_MAX
from ledger.commands import LedgerCommand
from ledger.creator import Creator
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    CreatorIsClosed,
    CreatorIsSuspended,
    CreatorNotFound,
    CurrencyNotAccepted,
    FeePlanExceedsPayment,
    MigrationNotPossible,
    PhoneNotConfirmed,
    PriceNotFound,
    SelfPayment,
    TierNotFound,
    TierNotOffered,
    TooManyTiers,
    TrialUsed,
)
from ledger.events import (
    FanSubscribed,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoicePaymentInitiated,
    PriceMigrationScheduled,
    PricePublished,
    SubscriptionStarted,
    TierArchived,
    TierCreated,
    TierPublished,
    TrialStarted,
)
from ledger.postings import FeePlan
from tests.builders import NOON, TERMS, register_creator
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN
from tests.ledger.subscription_scenes import CARD, PHONE, UNCONFIRMED, confirmed
from tests.ledger.tables import Decided, Table
from tests.money_builders import close_creator, suspend_creator
from tests.subscription_builders import (
    WEEK,
    YEAR,
    archive_tier,
    create_tier,
    migrate_price,
    publish_price,
    publish_tier,
    subscribe,
)

TIER: Final = uuid4()
PRICE: Final = 31_000
SOON: Final = NOON + timedelta(days=30)
PUBLISH: Final = publish_tier(CREATOR, TIER)
TWO_PRICES: Final = (publish_price(CREATOR, TIER, PRICE), publish_price(CREATOR, TIER, PRICE + 1))


def registered() -> History:
    return History().given(register_creator(CREATOR), *confirmed(FAN, PHONE))


def draft() -> History:
    return registered().given(create_tier(CREATOR, TIER, trial_days=7))


def priced() -> History:
    """With two prices for a month; the second is what new fans pay."""
    return draft().given(*TWO_PRICES)


def published() -> History:
    return priced().given(PUBLISH)


def full() -> History:
    """With as many tiers, and as many prices of one, as there may be."""
    history = published()
    for number in range(1, TIERS_MAX):
        history.given(create_tier(CREATOR, UUID(int=1_000 + number)))
    for amount in range(len(TWO_PRICES), PRICES_MAX):
        history.given(publish_price(CREATOR, TIER, PRICE + amount))
    return history


def greedy() -> History:
    """Its fee and tax are more than any payment."""
    plan = FeePlan(fee_basis_points=10_000, vat_basis_points=1_600)
    history = History().given(register_creator(CREATOR, plan=plan), *confirmed(FAN, PHONE))
    return history.given(create_tier(CREATOR, TIER, trial_days=7), *TWO_PRICES, PUBLISH)


STATES: Final[dict[str, Callable[[], History]]] = {
    "no creator": lambda: History().given(*confirmed(FAN, PHONE)),
    "no tier": registered,
    "draft": draft,
    "with prices": priced,
    "published": published,
    "archived": lambda: published().given(archive_tier(CREATOR, TIER)),
    "archived as a draft": lambda: draft().given(archive_tier(CREATOR, TIER)),
    "suspended": lambda: published().given(suspend_creator(CREATOR)),
    "closed": lambda: published().given(close_creator(CREATOR)),
    "full": full,
    "greedy": greedy,
}

WISH: Final = subscribe(FAN, CREATOR, TIER, PHONE)

TEXT: Final = """
                        nocr none draf pric publ arch ardr susp clos full gree
create it               !cre tier !exi !exi !exi !exi !exi !exi !clo !exi !exi
create another          !cre tier tier tier tier tier tier tier !clo !too tier
price it                !cre !tie prce prce prce !off !off prce !clo !too prce
price a year            !cre !tie prce prce prce !off !off prce !clo !too prce
price in other money    !cre !tie !cur !cur !cur !off !off !cur !clo !cur !cur
price an unknown tier   !cre !tie !tie !tie !tie !tie !tie !tie !clo !tie !tie
publish                 !cre !tie !pri publ -    !off !off -    !clo -    -
archive                 !cre !tie arch arch arch -    -    arch arch arch arch
migrate                 !cre !tie !pri migr migr migr !pri migr migr migr migr
migrate at once         !cre !tie !pri migr migr migr !pri migr migr migr migr
migrate back            !cre !tie !pri !mig !mig !mig !pri !mig !mig !mig !mig
migrate to the same     !cre !tie !pri !mig !mig !mig !pri !mig !mig !mig !mig
migrate to no price     !cre !tie !pri !pri !pri !pri !pri !pri !pri !pri !pri
subscribe               !cre !tie !off !off subs !off !off !sus !clo subs !pla
subscribe by card       !cre !tie !off !off subs !off !off !sus !clo subs !pla
subscribe, unconfirmed  !cre !tie !off !off !pho !off !off !sus !clo !pho !pla
subscribe as a stranger !cre !tie !off !off !pho !off !off !sus !clo !pho !pla
subscribe for a week    !cre !tie !off !off !pri !off !off !sus !clo !pri !pri
subscribe, too small    !cre !tie !off !off !amt !off !off !sus !clo !amt !pla
subscribe to oneself    !cre !slf !slf !slf !slf !slf !slf !sus !clo !slf !slf
try                     !cre !tie !off !off trie !off !off !sus !clo trie !pla
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "create it": create_tier(CREATOR, TIER),
    "create another": create_tier(CREATOR, uuid4()),
    "price it": TWO_PRICES[0],
    "price a year": publish_price(CREATOR, TIER, 10 * PRICE, YEAR),
    "price in other money": publish_price(CREATOR, TIER, PRICE, currency="UGX"),
    "price an unknown tier": publish_price(CREATOR, uuid4(), PRICE),
    "publish": PUBLISH,
    "archive": archive_tier(CREATOR, TIER),
    "migrate": migrate_price(CREATOR, TIER, SOON),
    "migrate at once": migrate_price(CREATOR, TIER, NOON, notice_seconds=0),
    "migrate back": migrate_price(CREATOR, TIER, SOON, source=2, target=1),
    "migrate to the same": migrate_price(CREATOR, TIER, SOON, target=1),
    "migrate to no price": migrate_price(CREATOR, TIER, SOON, target=PRICES_MAX + 1),
    "subscribe": WISH,
    "subscribe by card": replace(WISH, method=CARD),
    "subscribe, unconfirmed": replace(WISH, method=UNCONFIRMED),
    "subscribe as a stranger": replace(WISH, fan_id=uuid4()),
    "subscribe for a week": replace(WISH, interval=WEEK),
    "subscribe, too small": replace(WISH, terms=replace(TERMS, minimum=2 * PRICE)),
    "subscribe to oneself": replace(WISH, fan_id=CREATOR),
    "try": replace(WISH, trial=True),
}

CELLS: Final[dict[str, Decided]] = {
    "!cre": CreatorNotFound,
    "!clo": CreatorIsClosed,
    "!sus": CreatorIsSuspended,
    "!exi": AlreadyExists,
    "!tie": TierNotFound,
    "!off": TierNotOffered,
    "!pri": PriceNotFound,
    "!cur": CurrencyNotAccepted,
    "!too": TooManyTiers,
    "!mig": MigrationNotPossible,
    "!pho": PhoneNotConfirmed,
    "!slf": SelfPayment,
    "!amt": AmountNotPayable,
    "!pla": FeePlanExceedsPayment,
    "-": ([], None),
    "tier": ([TierCreated], None),
    "prce": ([PricePublished], None),
    "publ": ([TierPublished], None),
    "arch": ([TierArchived], None),
    "migr": ([PriceMigrationScheduled], None),
    "trie": ([SubscriptionStarted, FanSubscribed, TrialStarted], None),
    "subs": (
        [
            SubscriptionStarted,
            FanSubscribed,
            FirstPeriodInvoiced,
            InvoicePaymentInitiated,
            InvoiceAttempted,
        ],
        None,
    ),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


def _creator(history: History) -> Creator:
    creator = history.aggregates[CREATOR]
    assert isinstance(creator, Creator)
    return creator


def test_the_table_knows_every_state_of_a_tier_and_every_standing_of_its_creator() -> None:
    creators = [_creator(history()) for name, history in STATES.items() if name != "no creator"]
    states = {tier.state for creator in creators for tier in creator.tiers.values()}
    assert states == {"draft", "published", "archived"}
    assert {creator.standing for creator in creators} == {"active", "suspended", "closed"}


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


def test_a_tier_without_a_trial_cannot_be_tried() -> None:
    history = registered().given(create_tier(CREATOR, TIER), *TWO_PRICES, PUBLISH)
    with pytest.raises(TrialUsed):
        history.decide(COMMANDS["try"])


def test_prices_are_migrated_within_an_interval_only() -> None:
    history = draft().given(TWO_PRICES[0], COMMANDS["price a year"])
    with pytest.raises(MigrationNotPossible):
        history.decide(migrate_price(CREATOR, TIER, SOON))


def test_new_fans_pay_the_latest_price_of_their_interval() -> None:
    tier = _creator(published().given(COMMANDS["price a year"])).tiers[TIER]
    assert {price.version: price.money.amount for price in tier.current_prices()} == {
        2: PRICE + 1,
        3: 10 * PRICE,
    }
    assert tier.price_for(WEEK) is None
