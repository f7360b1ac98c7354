"""Every request of a fan about a subscription, in every state that matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from ledger.commands import AdvanceSubscription, LedgerCommand, SubscriptionCommand
from ledger.errors import (
    AlreadyExists,
    AlreadyScheduled,
    AmountNotPayable,
    CreatorIsClosed,
    InvoiceOpen,
    NothingChanges,
    NothingScheduled,
    NothingToPay,
    PhoneNotConfirmed,
    PriceNotFound,
    PromptLive,
    QuoteOutdated,
    SubscriptionNotFound,
    SubscriptionNotInThisState,
    TierNotFound,
    TierNotOffered,
)
from ledger.events import (
    CancellationRevoked,
    CancellationScheduled,
    ChangeInvoiced,
    CreditNoteIssued,
    CreditReserved,
    CreditSpent,
    FirstPeriodInvoiced,
    InvoiceAttempted,
    InvoicePaymentInitiated,
    InvoiceVoided,
    PauseScheduled,
    PaymentMethodChanged,
    PeriodPaid,
    PrepaymentEnded,
    PrepaymentInvoiced,
    RenewalInvoiced,
    SubscriptionCancelled,
    SubscriptionPaused,
    SubscriptionRecovered,
    SubscriptionResumed,
    TierChanged,
    TierChangeRevoked,
    TierChangeScheduled,
    UnusedTimeCredited,
)
from ledger.subscription import SubscriptionState
from ledger.tier_changes import QUOTE_HOLDS
from tests.builders import TERMS
from tests.ledger.scenes import NOBODY, PAYMENT
from tests.ledger.subscription_scenes import (
    ACTIVE,
    BASIC,
    CANCEL,
    CANCEL_LATER,
    CARD,
    CLOCK,
    DAYS_10,
    GOLD,
    HIDDEN,
    PAUSE,
    PAUSE_LATER,
    PAY,
    PHONE,
    SUBSCRIPTION,
    SUBSCRIPTION_STATES,
    TILL,
    TO_DOWNGRADE,
    TO_GOLD,
    UNCONFIRMED,
)
from tests.ledger.tables import Decided, Table
from tests.subscription_builders import (
    WEEK,
    YEAR,
    cancel_subscription,
    change_method,
    change_tier,
    pay_invoice,
    prepay,
    resume_subscription,
    revoke_cancellation,
)

TEXT: Final = """
                   none incp incd tria trip trid tric paid over tro  trx
pay                !sub !liv asks fias !liv asks !nop !nop fias asks asks
pay period 1       !sub !liv asks fias !liv asks !nop !nop fias asks asks
pay period 2       !sub !nop !nop !nop !nop !nop !nop !nop !nop !nop !nop
pay, too small     !sub !liv !amt !amt !liv !amt !nop !nop !amt !amt !amt
pay at a till      !sub asks asks fias asks asks !nop !nop fias asks asks
pay by a used till !sub !exi !exi !exi !exi !exi !nop !nop !exi !exi !exi
cancel             !sub voca voca canc voca voca canc enca canc voca voca
cancel at its end  !sub voca voca csch vocs vocs !sch encs canc voca voca
cancel another's   !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub
revoke             !sub !nos !nos !nos !nos !nos revo !nos !nos !nos !nos
pause              !sub !sta !sta !sta !sta !sta !sta paus !sta !sta !sta
pause at its end   !sub !sta !sta !sta !sta !sta !sta enps !sta !sta !sta
resume             !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
resume, too small  !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade            !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade for less   !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, old quote !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, too much  !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, next to 0 !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
downgrade          !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a year          !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a week          !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
to the same        !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a hidden tier   !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
to an unknown tier !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
prepay             !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
prepay, too small  !sub !sta !sta !sta !sta !sta !sta !sta !sta !sta !sta
by card            !sub meth meth meth meth meth meth meth meth meth meth
by this phone      !sub -    -    -    -    -    -    -    -    -    -
by another's phone !sub !pho !pho !pho !pho !pho !pho !pho !pho !pho !pho

                   acti earp eard earE prep pring tbca tbpa tbch upgr updc quov
pay                reas !liv asks !nop !nop !liv  !nop !nop !nop !liv asks reas
pay period 1       !nop !nop !nop !nop !nop !nop  !nop !nop !nop !nop !nop !nop
pay period 2       reas !liv asks !nop !nop vore  !nop !nop !nop reas reas reas
pay, too small     !amt !liv !amt !nop !nop !liv  !nop !nop !nop !liv !amt !amt
pay at a till      reas asks asks !nop !nop asks  !nop !nop !nop asks asks reas
pay by a used till !exi !exi !exi !nop !nop !exi  !nop !nop !nop !exi !exi !exi
cancel             canc voca voca enca enca voca  canc canc canc voca voca voca
cancel at its end  csch vocs vocs encs encs vocs  !sch csch csch vocs vocs vocs
cancel another's   !sub !sub !sub !sub !sub !sub  !sub !sub !sub !sub !sub !sub
revoke             !nos !nos !nos !nos !nos !nos  revo revo !nos !nos !nos !nos
pause              paus vopa vopa 2pau 2pau vopa  !sch paus paus vopa vopa vopa
pause at its end   psch vops vops enps enps vops  !sch !sch psch vops vops vops
resume             !sta !sta !sta !sta !sta !sta  !sta !sta !sta !sta !sta !sta
resume, too small  !sta !sta !sta !sta !sta !sta  !sta !sta !sta !sta !sta !sta
upgrade            upgr voup voup upgr upgr !liv  upgr upgr upgr !liv voup !liv
upgrade for less   !quo !quo !quo !quo !quo !quo  !quo !quo !quo !quo !quo !quo
upgrade, old quote !quo !quo !quo !quo !quo !quo  !quo !quo !quo !quo !quo !quo
upgrade, too much  !amt !amt !amt !amt !amt !liv  !amt !amt !amt !liv !amt !liv
upgrade, next to 0 free vofr vofr enfr enfr !liv  free free free !liv vofr !liv
downgrade          chan voch voch ench ench !liv  chan chan chan !liv voch !liv
to a year          chan voch voch ench ench !liv  chan chan chan !liv voch !liv
to a week          !pri !pri !pri !pri !pri !pri  !pri !pri !pri !pri !pri !pri
to the same        !sam !sam !sam !sam !sam !sam  !sam !sam chre !sam !sam !sam
to a hidden tier   !off !off !off !off !off !off  !off !off !off !off !off !off
to an unknown tier !tie !tie !tie !tie !tie !tie  !tie !tie !tie !tie !tie !tie
prepay             prep !liv vopr prep prep !liv  !sch !sch !sch !liv vopr !liv
prepay, too small  !amt !liv !amt !amt !amt !liv  !sch !sch !sch !liv !amt !liv
by card            meth meth meth meth meth meth  meth meth meth meth meth meth
by this phone      -    -    -    -    -    -     -    -    -    -    -    -
by another's phone !pho !pho !pho !pho !pho !pho  !pho !pho !pho !pho !pho !pho

                   due  inv  askd past pasp good enou paus pach canc canp expi
pay                reas asks !liv asks !liv cras cred !nop !nop !sta !sta !sta
pay period 1       !nop !nop !nop !nop !nop !nop !nop !nop !nop !sta !sta !sta
pay period 2       reas asks !liv asks !liv cras cred !nop !nop !sta !sta !sta
pay, too small     !amt !amt !liv !amt !liv !amt cred !nop !nop !sta !sta !sta
pay at a till      reas asks asks asks asks cras cred !nop !nop !sta !sta !sta
pay by a used till !exi !exi !exi !exi !exi !exi cred !nop !nop !sta !sta !sta
cancel             canc voca voca voca voca voca voca canc canc !sta !sta !sta
cancel at its end  canc voca voca voca voca voca voca canc canc !sta !sta !sta
cancel another's   !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub
revoke             !nos !nos !nos !nos !nos !nos !nos !nos !nos !sta !sta !sta
pause              !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
pause at its end   !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
resume             !sta !sta !sta !sta !sta !sta !sta resu chrs !sta !sta !sta
resume, too small  !sta !sta !sta !sta !sta !sta !sta !amt !amt !sta !sta !sta
upgrade            !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade for less   !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, old quote !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, too much  !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
upgrade, next to 0 !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
downgrade          !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a year          !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a week          !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
to the same        !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
to a hidden tier   !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
to an unknown tier !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
prepay             !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
prepay, too small  !opn !opn !opn !sta !sta !sta !sta !sta !sta !sta !sta !sta
by card            meth meth meth meth meth meth meth meth meth !sta !sta !sta
by this phone      -    -    -    -    -    -    -    -    -    !sta !sta !sta
by another's phone !pho !pho !pho !pho !pho !pho !pho !pho !pho !sta !sta !sta

                   migr told cinc ctri ctrx cact cear cupg cpas cpau
pay                reas chas !clo !clo !clo !clo !clo !clo asks !nop
pay period 1       !nop !nop !clo !clo !clo !nop !nop !nop !nop !nop
pay period 2       reas chas !nop !nop !nop !clo !clo !clo asks !nop
pay, too small     !amt !amt !clo !clo !clo !clo !clo !clo !amt !nop
pay at a till      reas chas !clo !clo !clo !clo !clo !clo asks !nop
pay by a used till !exi !exi !clo !clo !clo !clo !clo !clo !exi !nop
cancel             canc canc voca canc voca canc voca voca voca canc
cancel at its end  csch csch voca csch voca csch vocs vocs voca canc
cancel another's   !sub !sub !sub !sub !sub !sub !sub !sub !sub !sub
revoke             !nos !nos !nos !nos !nos !nos !nos !nos !nos !nos
pause              paus paus !sta !sta !sta paus vopa vopa !sta !sta
pause at its end   psch psch !sta !sta !sta psch vops vops !sta !sta
resume             !sta !sta !sta !sta !sta !sta !sta !sta !sta !clo
resume, too small  !sta !sta !sta !sta !sta !sta !sta !sta !sta !clo
upgrade            upgr upgr !sta !sta !sta !clo !clo !clo !sta !sta
upgrade for less   !quo !quo !sta !sta !sta !clo !clo !clo !sta !sta
upgrade, old quote !quo !quo !sta !sta !sta !clo !clo !clo !sta !sta
upgrade, too much  !amt !amt !sta !sta !sta !clo !clo !clo !sta !sta
upgrade, next to 0 free free !sta !sta !sta !clo !clo !clo !sta !sta
downgrade          chan chan !sta !sta !sta !clo !clo !clo !sta !sta
to a year          chan chan !sta !sta !sta !clo !clo !clo !sta !sta
to a week          !pri !pri !sta !sta !sta !clo !clo !clo !sta !sta
to the same        !sam !sam !sta !sta !sta !sam !sam !sam !sta !sta
to a hidden tier   !off !off !sta !sta !sta !clo !clo !clo !sta !sta
to an unknown tier !tie !tie !sta !sta !sta !clo !clo !clo !sta !sta
prepay             prep chpr !sta !sta !sta !clo !clo !clo !sta !sta
prepay, too small  !amt !amt !sta !sta !sta !clo !clo !clo !sta !sta
by card            meth meth meth meth meth meth meth meth meth meth
by this phone      -    -    -    -    -    -    -    -    -    -
by another's phone !pho !pho !pho !pho !pho !pho !pho !pho !pho !pho
"""

TOO_LITTLE: Final = replace(TERMS, minimum=10**9)
"""A provider that would take none of this."""


def to_gold(amount: int = TO_GOLD, *, older: timedelta = timedelta(0)) -> LedgerCommand:
    return change_tier(SUBSCRIPTION, GOLD, amount, DAYS_10 - older)


def to(tier: UUID) -> LedgerCommand:
    return change_tier(SUBSCRIPTION, tier, 0, DAYS_10)


COMMANDS: Final[dict[str, LedgerCommand]] = {
    "pay": PAY,
    "pay period 1": pay_invoice(SUBSCRIPTION, 1),
    "pay period 2": pay_invoice(SUBSCRIPTION, 2),
    "pay, too small": pay_invoice(SUBSCRIPTION, terms=TOO_LITTLE),
    "pay at a till": pay_invoice(SUBSCRIPTION, till_payment=TILL),
    "pay by a used till": pay_invoice(SUBSCRIPTION, till_payment=PAYMENT),
    "cancel": CANCEL,
    "cancel at its end": CANCEL_LATER,
    "cancel another's": cancel_subscription(SUBSCRIPTION, fan_id=NOBODY),
    "revoke": revoke_cancellation(SUBSCRIPTION),
    "pause": PAUSE,
    "pause at its end": PAUSE_LATER,
    "resume": resume_subscription(SUBSCRIPTION),
    "resume, too small": resume_subscription(SUBSCRIPTION, terms=TOO_LITTLE),
    "upgrade": to_gold(),
    "upgrade for less": to_gold(TO_GOLD - 1),
    "upgrade, old quote": to_gold(older=QUOTE_HOLDS + timedelta(seconds=1)),
    "upgrade, too much": change_tier(
        SUBSCRIPTION, GOLD, TO_GOLD, DAYS_10, terms=replace(TERMS, maximum=TO_GOLD - 1)
    ),
    "upgrade, next to 0": change_tier(SUBSCRIPTION, GOLD, 0, DAYS_10, terms=TOO_LITTLE),
    "downgrade": TO_DOWNGRADE,
    "to a year": change_tier(SUBSCRIPTION, BASIC, 0, DAYS_10, interval=YEAR),
    "to a week": change_tier(SUBSCRIPTION, BASIC, 0, DAYS_10, interval=WEEK),
    "to the same": to(BASIC),
    "to a hidden tier": to(HIDDEN),
    "to an unknown tier": to(NOBODY),
    "prepay": prepay(SUBSCRIPTION, 2),
    "prepay, too small": prepay(SUBSCRIPTION, 2, terms=TOO_LITTLE),
    "by card": change_method(SUBSCRIPTION, CARD),
    "by this phone": change_method(SUBSCRIPTION, PHONE),
    "by another's phone": change_method(SUBSCRIPTION, UNCONFIRMED),
}

ASKED: Final[list[type]] = [InvoicePaymentInitiated, InvoiceAttempted]
CREDITED: Final[list[type]] = [UnusedTimeCredited, CreditNoteIssued]
TWO_CREDITED: Final[list[type]] = [
    UnusedTimeCredited,
    UnusedTimeCredited,
    CreditNoteIssued,
    CreditNoteIssued,
]
ENDED: Final[list[type]] = [*CREDITED, PrepaymentEnded]

CELLS: Final[dict[str, Decided]] = {
    "!sub": SubscriptionNotFound,
    "!sta": SubscriptionNotInThisState,
    "!liv": PromptLive,
    "!nop": NothingToPay,
    "!amt": AmountNotPayable,
    "!exi": AlreadyExists,
    "!nos": NothingScheduled,
    "!sch": AlreadyScheduled,
    "!opn": InvoiceOpen,
    "!quo": QuoteOutdated,
    "!sam": NothingChanges,
    "!off": TierNotOffered,
    "!tie": TierNotFound,
    "!pri": PriceNotFound,
    "!clo": CreatorIsClosed,
    "!pho": PhoneNotConfirmed,
    "-": ([], None),
    "asks": (ASKED, None),
    "fias": ([FirstPeriodInvoiced, *ASKED], None),
    "reas": ([RenewalInvoiced, *ASKED], None),
    "chas": ([TierChanged, RenewalInvoiced, *ASKED], None),
    "vore": ([InvoiceVoided, RenewalInvoiced, *ASKED], None),
    "cras": ([CreditReserved, *ASKED], None),
    "cred": ([CreditReserved, CreditSpent, PeriodPaid, SubscriptionRecovered], None),
    "canc": ([SubscriptionCancelled], None),
    "voca": ([InvoiceVoided, SubscriptionCancelled], None),
    "enca": ([*ENDED, SubscriptionCancelled], None),
    "csch": ([CancellationScheduled], None),
    "vocs": ([InvoiceVoided, CancellationScheduled], None),
    "encs": ([*ENDED, CancellationScheduled], None),
    "revo": ([CancellationRevoked], None),
    "paus": ([*CREDITED, SubscriptionPaused], None),
    "vopa": ([InvoiceVoided, *CREDITED, SubscriptionPaused], None),
    "2pau": ([*TWO_CREDITED, SubscriptionPaused], None),
    "psch": ([PauseScheduled], None),
    "vops": ([InvoiceVoided, PauseScheduled], None),
    "enps": ([*ENDED, PauseScheduled], None),
    "resu": ([SubscriptionResumed, RenewalInvoiced, *ASKED], None),
    "chrs": ([TierChanged, SubscriptionResumed, RenewalInvoiced, CreditSpent, PeriodPaid], None),
    "upgr": ([ChangeInvoiced, *ASKED], None),
    "voup": ([InvoiceVoided, ChangeInvoiced, *ASKED], None),
    "free": ([TierChanged], None),
    "vofr": ([InvoiceVoided, TierChanged], None),
    "enfr": ([TierChanged, *ENDED], None),
    "chan": ([TierChangeScheduled], None),
    "voch": ([InvoiceVoided, TierChangeScheduled], None),
    "ench": ([TierChangeScheduled, *ENDED], None),
    "chre": ([TierChangeRevoked], None),
    "prep": ([PrepaymentInvoiced, *ASKED], None),
    "chpr": ([TierChanged, PrepaymentInvoiced, *ASKED], None),
    "vopr": ([InvoiceVoided, PrepaymentInvoiced, *ASKED], None),
    "meth": ([PaymentMethodChanged], None),
}

TABLE: Final = Table(
    text=TEXT,
    states=SUBSCRIPTION_STATES,
    commands=COMMANDS,
    cells=CELLS,
    after=dict.fromkeys(COMMANDS, timedelta(0)),
)


def test_the_table_knows_every_state_of_a_subscription() -> None:
    found = {
        scene().subscription(SUBSCRIPTION).state
        for name, scene in SUBSCRIPTION_STATES.items()
        if name != "none"
    }
    assert found == set(SubscriptionState)
    assert {scene().subscription(SUBSCRIPTION).state for scene in ACTIVE.values()} == {
        SubscriptionState.ACTIVE
    }


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_request_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


@pytest.mark.parametrize("state", SUBSCRIPTION_STATES)
def test_of_another_fan_there_is_no_subscription_whatever_is_asked(state: str) -> None:
    history = SUBSCRIPTION_STATES[state]()
    for command in (*COMMANDS.values(), CLOCK):
        assert isinstance(command, SubscriptionCommand)
        if not isinstance(command, AdvanceSubscription):
            with pytest.raises(SubscriptionNotFound):
                history.decide(replace(command, fan_id=NOBODY))
