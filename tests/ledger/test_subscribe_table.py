"""A fan who has, or had, a subscription wants another one: two live ones to a creator never."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import uuid4

import pytest

from ledger.commands import LedgerCommand
from ledger.errors import AlreadyExists, AlreadySubscribed, TrialUsed
from ledger.events import (
    CreditSpent,
    FanSubscribed,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoicePaymentInitiated,
    InvoiceVoided,
    PaymentCancelled,
    PeriodPaid,
    SubscriptionActivated,
    SubscriptionCancelled,
    SubscriptionStarted,
    TrialStarted,
)
from ledger.subscription import LIVE, Subscription
from tests.builders import register_creator
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, FAN, NOBODY
from tests.ledger.subscription_scenes import (
    BASIC,
    CANCEL,
    CARD,
    GOLD,
    MONTHLY,
    PHONE,
    SUBSCRIPTION,
    SUBSCRIPTION_STATES,
    prepaid,
    trying,
)
from tests.ledger.tables import Decided, Table
from tests.subscription_builders import (
    create_tier,
    publish_price,
    publish_tier,
    subscribe,
)

OTHER_CREATOR: Final = uuid4()
THEIR_TIER: Final = uuid4()
AGAIN: Final = uuid4()


def with_another_creator(scene: Callable[[], History]) -> History:
    return scene().given(
        register_creator(OTHER_CREATOR),
        create_tier(OTHER_CREATOR, THEIR_TIER, trial_days=1),
        publish_price(OTHER_CREATOR, THEIR_TIER, MONTHLY),
        publish_tier(OTHER_CREATOR, THEIR_TIER),
    )


def wished(scene: Callable[[], History]) -> History:
    """After it has ended the fan wants another one, and the prompt is not out yet."""
    return scene().given(subscribe(FAN, CREATOR, BASIC, PHONE, subscription_id=AGAIN))


SCENES: Final[Mapping[str, Callable[[], History]]] = {
    **{name: scene for name, scene in SUBSCRIPTION_STATES.items() if "closed" not in name},
    "trial, cancelled": lambda: trying().given(CANCEL),
    "cancelled, with credit": lambda: prepaid().given(CANCEL),
    "cancelled, begun again": partial(wished, SUBSCRIPTION_STATES["cancelled"]),
}
STATES: Final = {name: partial(with_another_creator, scene) for name, scene in SCENES.items()}

TEXT: Final = """
                    none incp incd tria trip trid tric paid over tro  trx
subscribe           subs resu resu !two !two !two !two !two !two !two !two
to a higher tier    subs resu resu !two !two !two !two !two !two !two !two
by the same id      subs !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi
try                 trie retr retr !two !two !two !two !two !two !two !two
to another creator  subs subs subs subs subs subs subs subs subs subs subs
try another creator trie trie trie trie trie trie trie trie trie trie trie
as another fan      subs subs subs subs subs subs subs subs subs subs subs

                    acti earp eard earE prep pring tbca tbpa tbch upgr updc quov
subscribe           !two !two !two !two !two !two  !two !two !two !two !two !two
to a higher tier    !two !two !two !two !two !two  !two !two !two !two !two !two
by the same id      !exi !exi !exi !exi !exi !exi  !exi !exi !exi !exi !exi !exi
try                 !two !two !two !two !two !two  !two !two !two !two !two !two
to another creator  subs subs subs subs subs subs  subs subs subs subs subs subs
try another creator trie trie trie trie trie trie  trie trie trie trie trie trie
as another fan      subs subs subs subs subs subs  subs subs subs subs subs subs

                    due  inv  askd past pasp good enou paus pach canc canp expi
subscribe           !two !two !two !two !two !two !two !two !two subs subs subs
to a higher tier    !two !two !two !two !two !two !two !two !two subs subs subs
by the same id      !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi
try                 !two !two !two !two !two !two !two !two !two trie trie trie
to another creator  subs subs subs subs subs subs cred subs subs subs subs subs
try another creator trie trie trie trie trie trie trie trie trie trie trie trie
as another fan      subs subs subs subs subs subs subs subs subs subs subs subs

                    migr told trca cacr agai
subscribe           !two !two subs cred unsu
to a higher tier    !two !two subs cred unsu
by the same id      !exi !exi !exi !exi !exi
try                 !two !two !tri trie untr
to another creator  subs subs subs cred subs
try another creator trie trie trie trie trie
as another fan      subs subs subs subs subs
"""

WISH: Final = subscribe(FAN, CREATOR, BASIC, PHONE)

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "subscribe": WISH,
    "to a higher tier": replace(WISH, tier_id=GOLD),
    "by the same id": replace(WISH, subscription_id=SUBSCRIPTION),
    "try": replace(WISH, trial=True),
    "to another creator": replace(WISH, creator_id=OTHER_CREATOR, tier_id=THEIR_TIER),
    "try another creator": replace(WISH, creator_id=OTHER_CREATOR, tier_id=THEIR_TIER, trial=True),
    "as another fan": replace(WISH, fan_id=NOBODY, method=CARD),
}

BEGUN: Final[list[type]] = [SubscriptionStarted, FanSubscribed]
ASKED: Final[list[type]] = [FirstPeriodInvoiced, InvoicePaymentInitiated, InvoiceAttempted]
REPLACED: Final[list[type]] = [InvoiceVoided, SubscriptionCancelled]
REPLACED_UNASKED: Final[list[type]] = [InvoiceVoided, PaymentCancelled, SubscriptionCancelled]

CELLS: Final[dict[str, Decided]] = {
    "!two": AlreadySubscribed,
    "!exi": AlreadyExists,
    "!tri": TrialUsed,
    "subs": ([*BEGUN, *ASKED], None),
    "resu": ([*REPLACED, *BEGUN, *ASKED], None),
    "trie": ([*BEGUN, TrialStarted], None),
    "retr": ([*REPLACED, *BEGUN, TrialStarted], None),
    "unsu": ([*REPLACED_UNASKED, *BEGUN, *ASKED], None),
    "untr": ([*REPLACED_UNASKED, *BEGUN, TrialStarted], None),
    "cred": (
        [*BEGUN, FirstPeriodInvoiced, CreditSpent, SubscriptionActivated, PeriodPaid],
        None,
    ),
}

TABLE: Final = Table(
    text=TEXT,
    states=STATES,
    commands=COMMANDS,
    cells=CELLS,
    after=dict.fromkeys(COMMANDS, timedelta(0)),
)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_wish_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    history = TABLE.happens(command, state)
    assert len(_live(history)) <= 1


def _live(history: History) -> list[Subscription]:
    """What the fan has of the creator."""
    subscriptions = [each for each in history.aggregates.values() if isinstance(each, Subscription)]
    mine = [each for each in subscriptions if (each.fan_id, each.creator_id) == (FAN, CREATOR)]
    return [each for each in mine if each.state in LIVE]
