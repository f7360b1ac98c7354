"""What the clock does with a subscription in every state, the sooner or later it looks at it.

Nothing happens before it is due, and however late the clock is: periods that are over are free, and
one that has begun is invoiced once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from ledger.commands import LedgerCommand
from ledger.errors import SubscriptionNotFound
from ledger.events import (
    CreditReserved,
    CreditSpent,
    DunningScheduled,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoicePaymentInitiated,
    InvoiceVoided,
    PeriodPaid,
    PeriodSkipped,
    PriceMigrationNoticed,
    RenewalInvoiced,
    RenewalReminded,
    SubscriptionCancelled,
    SubscriptionExpired,
    SubscriptionPastDue,
    SubscriptionPaused,
    SubscriptionRecovered,
    TierChanged,
)
from ledger.renewals import due_at
from tests.ledger.subscription_scenes import (
    ACTIVE,
    AT_RENEWAL,
    CLOCK,
    CLOCK_ALONE,
    NOT_PAID,
    SUBSCRIPTION,
    SUBSCRIPTION_STATES,
)
from tests.ledger.tables import Decided, Table

TEXT: Final = """
                        none incp incd tria trip trid tric paid over tro  trx
now                     !sub -    -    -    -    -    -    -    tria asks -
15 minutes later        !sub -    -    -    -    -    -    -    tria asks -
4 hours later           !sub -    -    -    -    -    -    -    tria asks asks
8 hours later, at night !sub -    -    -    -    -    -    -    trin dunn dunn
a day later             !sub expi expi -    -    -    -    -    tria asks asks
3 days later            !sub expi expi remi remi remi -    -    tria asks asks
8 days later            !sub expi expi tria past pasa canc -    tria asks expi
18 days later           !sub expi expi tria past pasa canc -    tria asks expi
31 days later           !sub expi expi tria past pasa canc -    tria asks expi
92 days later           !sub expi expi tria past pasa canc 1ski tria asks expi
alone, 31 days later    !sub expi expi trin past past canc -    trin -    expi

                        acti earp eard earE prep pring tbca tbpa tbch upgr updc quov
now                     -    -    -    -    -    -     -    -    -    -    -    void
15 minutes later        -    -    -    -    -    -     -    -    -    void void void
4 hours later           -    -    -    -    -    void  -    -    -    void void void
8 hours later, at night -    -    -    -    -    void  -    -    -    void void void
a day later             -    -    -    -    -    void  -    -    -    void void void
3 days later            -    -    -    -    -    void  -    -    -    void void void
8 days later            -    -    -    -    -    void  -    -    -    void void void
18 days later           remi -    -    -    -    vorm  -    -    remi vorm vorm vorm
31 days later           rene -    asks -    -    vore  canc paus chan vore vore vore
92 days later           2ski vo1s vo1s 1ski rene vo2s  canc paus ch2s vo2s vo2s vo2s
alone, 31 days later    renn -    -    -    -    vorn  canc paus chnn vorn vorn vorn

                        due  inv  askd past pasp good enou paus pach canc canp expi
now                     rene asks -    -    -    -    -    -    -    -    -    -
15 minutes later        rene asks -    -    -    -    -    -    -    -    -    -
4 hours later           rene asks -    asks -    cras cred -    -    -    -    -
8 hours later, at night renn dunn -    dunn -    crnn cred -    -    -    -    -
a day later             rene asks -    asks -    cras cred -    -    -    -    -
3 days later            rene asks -    asks -    cras cred -    -    -    -    -
8 days later            rene asks -    expi expi expi cred -    -    -    -    -
18 days later           rene asks -    expi expi expi cred -    -    -    -    -
31 days later           1ski vore vore expi expi expi expi -    -    -    -    -
92 days later           3ski vo2s vo2s expi expi expi expi -    -    -    -    -
alone, 31 days later    1skn vorn vorn expi expi expi expi -    -    -    -    -

                        migr told cinc ctri ctrx cact cear cupg cpas cpau
now                     noti -    -    -    voca -    -    -    -    -
15 minutes later        noti -    -    -    voca -    -    void -    -
4 hours later           noti -    -    -    voca -    -    void asks -
8 hours later, at night noti -    -    -    voca -    -    void dunn -
a day later             noti -    expi -    voca -    -    void asks -
3 days later            noti -    expi remi voca -    -    void asks -
8 days later            noti -    expi canc expi -    -    void expi -
18 days later           norm remi expi canc expi remi -    vorm expi -
31 days later           nore chan expi canc expi canc voca voca expi -
92 days later           no2s ch2s expi canc expi canc voca voca expi -
alone, 31 days later    norn chnn expi canc expi canc voca voca expi -
"""

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

AFTER: Final = {
    "now": timedelta(0),
    "15 minutes later": HOUR / 4,
    "4 hours later": 4 * HOUR,
    "8 hours later, at night": 8 * HOUR,
    "a day later": DAY,
    "3 days later": 3 * DAY,
    "8 days later": 8 * DAY,
    "18 days later": 18 * DAY,
    "31 days later": 31 * DAY,
    "92 days later": 92 * DAY,
    "alone, 31 days later": 31 * DAY,
}
COMMANDS: Final[dict[str, LedgerCommand]] = {
    name: CLOCK_ALONE if name.startswith("alone") else CLOCK for name in AFTER
}

ASKED: Final[list[type]] = [InvoicePaymentInitiated, InvoiceAttempted]
RENEWED: Final[list[type]] = [RenewalInvoiced, *ASKED]
TRIAL_OVER: Final[list[type]] = [FirstPeriodInvoiced, SubscriptionPastDue]

CELLS: Final[dict[str, Decided]] = {
    "!sub": SubscriptionNotFound,
    "-": ([], None),
    "remi": ([RenewalReminded], None),
    "rene": (RENEWED, None),
    "renn": ([RenewalInvoiced], None),
    "1ski": ([PeriodSkipped, *RENEWED], None),
    "2ski": ([PeriodSkipped, PeriodSkipped, *RENEWED], None),
    "3ski": ([PeriodSkipped, PeriodSkipped, PeriodSkipped, *RENEWED], None),
    "1skn": ([PeriodSkipped, RenewalInvoiced], None),
    "asks": (ASKED, None),
    "cras": ([CreditReserved, *ASKED], None),
    "crnn": ([CreditReserved, DunningScheduled], None),
    "cred": ([CreditReserved, CreditSpent, PeriodPaid, SubscriptionRecovered], None),
    "dunn": ([DunningScheduled], None),
    "void": ([InvoiceVoided], None),
    "vore": ([InvoiceVoided, *RENEWED], None),
    "vorn": ([InvoiceVoided, RenewalInvoiced], None),
    "vorm": ([InvoiceVoided, RenewalReminded], None),
    "vo1s": ([InvoiceVoided, PeriodSkipped, *RENEWED], None),
    "vo2s": ([InvoiceVoided, PeriodSkipped, PeriodSkipped, *RENEWED], None),
    "expi": ([InvoiceVoided, SubscriptionExpired], None),
    "canc": ([SubscriptionCancelled], None),
    "voca": ([InvoiceVoided, SubscriptionCancelled], None),
    "paus": ([SubscriptionPaused], None),
    "tria": ([*TRIAL_OVER, *ASKED], None),
    "trin": (TRIAL_OVER, None),
    "past": ([SubscriptionPastDue], None),
    "pasa": ([SubscriptionPastDue, *ASKED], None),
    "noti": ([PriceMigrationNoticed], None),
    "norm": ([PriceMigrationNoticed, RenewalReminded], None),
    "nore": ([PriceMigrationNoticed, *RENEWED], None),
    "norn": ([PriceMigrationNoticed, RenewalInvoiced], None),
    "no2s": ([PriceMigrationNoticed, PeriodSkipped, PeriodSkipped, *RENEWED], None),
    "chan": ([TierChanged, *RENEWED], None),
    "chnn": ([TierChanged, RenewalInvoiced], None),
    "ch2s": ([TierChanged, PeriodSkipped, PeriodSkipped, *RENEWED], None),
}

TABLE: Final = Table(
    text=TEXT, states=SUBSCRIPTION_STATES, commands=COMMANDS, cells=CELLS, after=AFTER
)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_the_clock_does_in_a_state_what_the_table_says(command: str, state: str) -> None:
    history = TABLE.happens(command, state)
    if TABLE.matrix()[command, state] != "!sub":
        again = history.decide(COMMANDS[command])
        assert again.events == [], "a second clock finds nothing to do"


# Of a creator's price or end the clock is told otherwise, and alone it leaves what it cannot do.
SLEPT_THROUGH: Final = [
    (name, state)
    for name in AFTER
    for state in {**NOT_PAID, **ACTIVE, **AT_RENEWAL}
    if not name.startswith("alone") and state != "none"
]


@pytest.mark.parametrize(("command", "state"), SLEPT_THROUGH)
def test_what_the_clock_does_was_due_and_then_nothing_is_due_any_more(
    command: str, state: str
) -> None:
    """So that a clock which sleeps until something is due misses nothing and never spins."""
    history = SUBSCRIPTION_STATES[state]()
    due = due_at(history.subscription(SUBSCRIPTION))
    now = history.now + AFTER[command]
    does_something = history.at(now).when(CLOCK).events != []
    assert does_something == (due is not None and due <= now)
    left = due_at(history.subscription(SUBSCRIPTION))
    assert left is None or left > now
