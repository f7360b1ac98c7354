"""Every command about a proposal in every state of it, and of what it proposes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import pytest

from ledger.accounts import BANK, BANK_CHARGES
from ledger.commands import LedgerCommand
from ledger.errors import (
    AlreadyExists,
    ProposalDecided,
    ProposalDiffers,
    ProposalNotFound,
    SecondPersonNeeded,
)
from ledger.events import (
    AdjustmentPosted,
    PostAdjustment,
    ProposalCarriedOut,
    ProposalMade,
    ProposalRejected,
)
from ledger.journal_entry import entry
from ledger.proposals import Proposal, ProposalState
from tests.ledger.given import History
from tests.ledger.scenes import PROPOSAL
from tests.ledger.tables import Decided, Table
from tests.money_builders import REASON, approve_proposal, propose, reject_proposal

AMOUNT: Final = 500
CORRECTION: Final = PostAdjustment(
    adjustment_id=uuid4(),
    entry=entry("KES", (BANK_CHARGES, AMOUNT), (BANK, -AMOUNT)),
    reason=REASON,
)
ANOTHER: Final = CORRECTION.model_copy(update={"reason": "a mistake of ours"})

AT_ONCE: Final = propose(CORRECTION, proposal_id=PROPOSAL, second_person_above=AMOUNT)
WITH_A_SECOND: Final = propose(CORRECTION, proposal_id=PROPOSAL, second_person_above=AMOUNT - 1)


def proposed() -> History:
    return History().given(WITH_A_SECOND)


STATES: Final[dict[str, Callable[[], History]]] = {
    "none": History,
    "open": proposed,
    "carried out at once": lambda: History().given(AT_ONCE),
    "carried_out": lambda: proposed().given(approve_proposal(PROPOSAL, CORRECTION)),
    "rejected": lambda: proposed().given(reject_proposal(PROPOSAL)),
    "open, done by another": lambda: proposed().given(propose(CORRECTION)),
    "done by another": lambda: History().given(propose(CORRECTION)),
}

TEXT: Final = """
                        none open once agreed rejd late before
propose a little        done !exi !exi !exi   !exi !exi !exi
propose much            made !exi !exi !exi   !exi !exi !exi
agree                   !pro agrd !dec !dec   !dec !exi !pro
agree with oneself      !pro !sec !dec !dec   !dec !sec !pro
agree to something else !pro !dif !dec !dec   !dec !dif !pro
reject                  !pro reje !dec !dec   !dec reje !pro
take it back            !pro reje !dec !dec   !dec reje !pro
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "propose a little": AT_ONCE,
    "propose much": WITH_A_SECOND,
    "agree": approve_proposal(PROPOSAL, CORRECTION),
    "agree with oneself": approve_proposal(PROPOSAL, CORRECTION, "admin:one"),
    "agree to something else": approve_proposal(PROPOSAL, ANOTHER),
    "reject": reject_proposal(PROPOSAL),
    "take it back": reject_proposal(PROPOSAL, "admin:one"),
}

CELLS: Final[dict[str, Decided]] = {
    "!exi": AlreadyExists,
    "!pro": ProposalNotFound,
    "!dec": ProposalDecided,
    "!sec": SecondPersonNeeded,
    "!dif": ProposalDiffers,
    "made": ([ProposalMade], None),
    "done": ([ProposalMade, AdjustmentPosted, ProposalCarriedOut], None),
    "agrd": ([AdjustmentPosted, ProposalCarriedOut], None),
    "reje": ([ProposalRejected], None),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


def test_the_table_knows_every_state_of_a_proposal() -> None:
    for state in ProposalState:
        proposal = STATES[state]().aggregates[PROPOSAL]
        assert isinstance(proposal, Proposal)
        assert proposal.state is state


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


def test_nothing_moves_before_a_second_person_agrees() -> None:
    history = proposed()
    assert history.balances() == {}
    history.given(approve_proposal(PROPOSAL, CORRECTION))
    assert history.balances() == {(BANK, "KES"): -AMOUNT, (BANK_CHARGES, "KES"): AMOUNT}
