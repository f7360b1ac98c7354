"""Every report about a dispute and its fees in every state of the dispute, in and out of time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import pytest

from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, RecordDisputeReport
from ledger.errors import DisputeNotFound, NotInThisState, ReportDisagrees
from ledger.events import (
    ContradictionRecorded,
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
)
from ledger.flows import DisputeState
from tests.builders import GROSS, NOON
from tests.ledger.given import History
from tests.ledger.scenes import MOMENT, NOBODY, PAYMENT, succeeded
from tests.ledger.tables import Decided, Table
from tests.money_builders import note_evidence, report_dispute, report_fee

EARLIER: Final = NOON - MOMENT
LATER: Final = NOON + MOMENT
PART: Final = 30_000


def warned(occurred_at: datetime | None = None) -> RecordDisputeReport:
    return report_dispute(PAYMENT, "warned", GROSS, occurred_at=occurred_at)


def opened(
    occurred_at: datetime | None = None,
    *,
    stage: Literal["opened", "reopened"] = "opened",
    funds_withdrawn: bool = True,
) -> RecordDisputeReport:
    return report_dispute(
        PAYMENT, stage, GROSS, occurred_at=occurred_at, funds_withdrawn=funds_withdrawn
    )


def closed(lost: int | None, occurred_at: datetime | None = None) -> RecordDisputeReport:
    return report_dispute(PAYMENT, "closed", GROSS, lost=lost, occurred_at=occurred_at)


def open_at(occurred_at: datetime) -> History:
    return succeeded().given(opened(occurred_at))


def closed_at_noon(lost: int) -> History:
    return open_at(EARLIER).given(closed(lost, NOON))


STATES: Final[dict[str, Callable[[], History]]] = {
    "none": succeeded,
    "warned": lambda: succeeded().given(warned(NOON)),
    "charged": lambda: succeeded().given(
        report_fee(PAYMENT, 150, fee_reference="F", dispute="D-1")
    ),
    "charged and returned": lambda: succeeded().given(
        report_fee(PAYMENT, 150, fee_reference="F", dispute="D-1", returned=True)
    ),
    "open": lambda: open_at(NOON),
    "not withdrawn": lambda: succeeded().given(opened(NOON, funds_withdrawn=False)),
    "won": lambda: closed_at_noon(0),
    "part lost": lambda: closed_at_noon(PART),
    "lost": lambda: closed_at_noon(GROSS),
    "open again": lambda: open_at(EARLIER - MOMENT).given(
        closed(0, EARLIER), opened(NOON, stage="reopened")
    ),
}

TEXT: Final = """
                     none warn char retd open lien won  part lost again
warned               warn dup  warn warn dup  dup  dup  dup  dup  dup
opened               open open open open dup  dup  dup  dup  dup  dup
opened earlier       open open open open dup  dup  dup  dup  dup  dup
opened later         open open open open dup  dup  open dup  dup  dup
not withdrawn        open open open open dup  dup  dup  dup  dup  dup
reopened             open open open open dup  dup  open dup  dup  dup
reopened earlier     open open open open dup  dup  dup  dup  dup  dup
reopened later       open open open open dup  dup  open cont cont dup
won                  opcl opcl opcl opcl clos clos dup  cont cont clos
won earlier          opcl opcl opcl opcl clos clos dup  dup  dup  dup
won later            opcl opcl opcl opcl clos clos dup  cont cont clos
part lost            opcl opcl opcl opcl clos clos cont dup  cont clos
part lost earlier    opcl opcl opcl opcl clos clos dup  dup  dup  dup
part lost later      opcl opcl opcl opcl clos clos opcl dup  cont clos
lost                 opcl opcl opcl opcl clos clos cont cont dup  clos
lost earlier         opcl opcl opcl opcl clos clos dup  dup  dup  dup
lost later           opcl opcl opcl opcl clos clos opcl cont dup  clos
lost beyond it all   !dis !dis !dis !dis !dis !dis cont cont cont !dis
closed without a sum !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
another currency     !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
nobody's             !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
evidence             !dsp note !dsp !dsp note note !cls !cls !cls note
fee                  fee  fee  dup  dup  fee  fee  fee  fee  fee  fee
fee of the creator   fee  fee  dup  dup  fee  fee  fee  fee  fee  fee
fee in another money fee  fee  dup  dup  fee  fee  fee  fee  fee  fee
another fee          fee  fee  fee  fee  fee  fee  fee  fee  fee  fee
fee returned         both both retd dup  both both both both both both
another returned     both both !dis dup  both both both both both both
nobody's fee         !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "warned": warned(),
    "opened": opened(),
    "opened earlier": opened(EARLIER),
    "opened later": opened(LATER),
    "not withdrawn": opened(funds_withdrawn=False),
    "reopened": opened(stage="reopened"),
    "reopened earlier": opened(EARLIER, stage="reopened"),
    "reopened later": opened(LATER, stage="reopened"),
    "won": closed(0),
    "won earlier": closed(0, EARLIER),
    "won later": closed(0, LATER),
    "part lost": closed(PART),
    "part lost earlier": closed(PART, EARLIER),
    "part lost later": closed(PART, LATER),
    "lost": closed(GROSS),
    "lost earlier": closed(GROSS, EARLIER),
    "lost later": closed(GROSS, LATER),
    "lost beyond it all": closed(GROSS + 1),
    "closed without a sum": closed(None),
    "another currency": report_dispute(PAYMENT, "opened", GROSS, currency="UGX"),
    "nobody's": report_dispute(NOBODY, "opened", GROSS),
    "evidence": note_evidence(PAYMENT),
    "fee": report_fee(PAYMENT, 150, fee_reference="F", dispute="D-1"),
    "fee of the creator": report_fee(
        PAYMENT, 150, fee_reference="F", dispute="D-1", borne_by="creator"
    ),
    "fee in another money": report_fee(
        PAYMENT, 2, fee_reference="F", dispute="D-1", borne_by="creator", currency="USD"
    ),
    "another fee": report_fee(PAYMENT, 150, fee_reference="F-2", dispute="D-1"),
    "fee returned": report_fee(PAYMENT, 150, fee_reference="F", dispute="D-1", returned=True),
    "another returned": report_fee(PAYMENT, 151, fee_reference="F", dispute="D-1", returned=True),
    "nobody's fee": report_fee(NOBODY, 150, fee_reference="F", dispute="D-1"),
}

CELLS: Final[dict[str, Decided]] = {
    "!dis": ReportDisagrees,
    "!dsp": DisputeNotFound,
    "!cls": NotInThisState,
    "dup": ([], Verdict.DUPLICATE),
    "note": ([DisputeEvidenceNoted], None),
    "warn": ([DisputeWarned], Verdict.APPLIED),
    "open": ([DisputeOpened], Verdict.APPLIED),
    "opcl": ([DisputeOpened, DisputeClosed], Verdict.APPLIED),
    "clos": ([DisputeClosed], Verdict.APPLIED),
    "cont": ([ContradictionRecorded], Verdict.APPLIED),
    "fee": ([DisputeFeeCharged], Verdict.APPLIED),
    "retd": ([DisputeFeeReturned], Verdict.APPLIED),
    "both": ([DisputeFeeCharged, DisputeFeeReturned], Verdict.APPLIED),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


def test_the_table_knows_every_state_of_a_dispute() -> None:
    found = {
        state: history().payment(PAYMENT).flows.disputes.get("D-1")
        for state, history in STATES.items()
    }
    expected = {
        "none": None,
        "warned": DisputeState.WARNED,
        "charged": None,
        "charged and returned": None,
        "open": DisputeState.OPEN,
        "not withdrawn": DisputeState.OPEN,
        "won": DisputeState.CLOSED,
        "part lost": DisputeState.CLOSED,
        "lost": DisputeState.CLOSED,
        "open again": DisputeState.OPEN,
    }
    assert {name: None if each is None else each.state for name, each in found.items()} == expected
    assert set(DisputeState) < set(expected.values())


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_report_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)
