"""Every command and report about a payout in every state, of this attempt and of another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, PayoutClaim
from ledger.errors import (
    AlreadyExists,
    ApproverInvolved,
    PayoutNotFound,
    PayoutNotInThisState,
    ReportDisagrees,
    SecondPersonNeeded,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ApprovalGiven,
    PayoutAttemptFailed,
    PayoutCancelled,
    PayoutContradictionRecorded,
    PayoutFailed,
    PayoutFailureAttested,
    PayoutHeld,
    PayoutPaid,
    PayoutRejected,
    PayoutReleased,
    PayoutRequested,
    PayoutReturned,
    PayoutSubmissionStarted,
    PayoutSubmissionUnknown,
    PayoutSubmitted,
)
from ledger.payout import Payout, PayoutState
from tests.ledger.given import History
from tests.ledger.scenes import CREATOR, DESTINATION, NOBODY, PAYOUT, payable
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    PAYOUT_TERMS,
    approve_payout,
    attest_failure,
    cancel_payout,
    hold_payout,
    payout_submitted,
    payout_unknown,
    reject_payout,
    release_payout,
    report_payout,
    request_payout,
    start_payout,
    without_transaction,
)

FAILED: Final = PayoutClaim.FAILED
RETURNED: Final = PayoutClaim.RETURNED
TERMS: Final = replace(PAYOUT_TERMS, fixed_fee=100, vat_basis_points=1_600, approvals_required=2)
NET: Final = 50_000 - 100 - 16

REQUEST: Final = request_payout(CREATOR, DESTINATION, 50_000, payout_id=PAYOUT, terms=TERMS)
START: Final = start_payout(PAYOUT, CREATOR)
EMPTY: Final = report_payout(PAYOUT, NET, FAILED, retryable=True)
PAID: Final = report_payout(PAYOUT, NET, transaction="PT-1")
PAID_AGAIN: Final = report_payout(PAYOUT, NET, transaction="PT-2")
CAME_BACK: Final = report_payout(PAYOUT, NET, RETURNED, transaction="PT-1")


def requested() -> History:
    return payable().given(REQUEST)


def half_approved() -> History:
    return requested().given(approve_payout(PAYOUT, "admin:one"))


def approved() -> History:
    return half_approved().given(approve_payout(PAYOUT, "admin:two"))


def submitted() -> History:
    return approved().given(START, payout_submitted(PAYOUT))


def unknown() -> History:
    return approved().given(START, payout_unknown(PAYOUT))


def second_attempt() -> History:
    return submitted().given(EMPTY, START)


STATES: Final[dict[str, Callable[[], History]]] = {
    "none": payable,
    "requested": requested,
    "half approved": half_approved,
    "held": lambda: half_approved().given(hold_payout(PAYOUT)),
    "held after approval": lambda: approved().given(hold_payout(PAYOUT)),
    "approved": approved,
    "submitting": lambda: approved().given(START),
    "submitted": submitted,
    "submission_unknown": unknown,
    "attested": lambda: unknown().given(attest_failure(PAYOUT, "admin:one")),
    "paid": lambda: submitted().given(PAID),
    "failed": lambda: submitted().given(report_payout(PAYOUT, NET, FAILED)),
    "returned": lambda: submitted().given(PAID, CAME_BACK),
    "rejected": lambda: approved().given(reject_payout(PAYOUT)),
    "cancelled": lambda: approved().given(cancel_payout(PAYOUT, CREATOR)),
    "attempt failed": lambda: submitted().given(EMPTY),
    "second attempt": second_attempt,
    "first paid late": lambda: second_attempt().given(PAID),
    "paid twice": lambda: submitted().given(PAID, PAID_AGAIN),
    "paid when given up": lambda: approved().given(cancel_payout(PAYOUT, CREATOR), PAID),
}

TEXT: Final = """
                       none reqd half held haft apprd ting mitt unkn atts
request                requ !exi !exi !exi !exi !exi  !exi !exi !exi !exi
approve                !pay appr appr appr !sta !sta  !sta !sta !sta !sta
approve by its editor  !pay !inv !inv !inv !sta !sta  !sta !sta !sta !sta
approve by requester   !pay !inv !inv !inv !sta !sta  !sta !sta !sta !sta
approve again          !pay appr !inv !inv !sta !sta  !sta !sta !sta !sta
hold                   !pay held held !sta !sta held  !sta !sta !sta !sta
release                !pay !sta !sta rele rele !sta  !sta !sta !sta !sta
reject                 !pay reje reje reje reje reje  !sta !sta !sta !sta
cancel                 !pay canc canc canc canc canc  !sta !sta !sta !sta
cancel another's       !pay !pay !pay !pay !pay !pay  !pay !pay !pay !pay
start                  !pay !una !una !una !una star  !sub !sub !sub !sub
submitted              !pay -    -    -    -    -     mitt -    mitt mitt
submitted, attempt 2   !pay -    -    -    -    -     -    -    -    -
unknown                !pay -    -    -    -    -     unkn -    -    -
unknown, attempt 2     !pay -    -    -    -    -     -    -    -    -
attest                 !pay !sta !sta !sta !sta !sta  !sta !sta atte atfa
attest again           !pay !sta !sta !sta !sta !sta  !sta !sta atte !sec
pending                !dis ign  ign  ign  ign  ign   ign  ign  ign  ign
paid                   !dis paid paid paid paid paid  paid paid paid paid
paid, attempt 2        !dis paid paid paid paid paid  paid paid paid paid
paid by another        !dis paid paid paid paid paid  paid paid paid paid
paid another amount    !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
paid another currency  !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
paid without a name    !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
failed                 !dis !dis !dis !dis !dis !dis  fail fail fail fail
failed, retryable      !dis !dis !dis !dis !dis !dis  retr retr retr retr
failed, attempt 2      !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
failed, another amount !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
returned               !dis back back back back back  back back back back
another returned       !dis back back back back back  back back back back
returned, nameless     !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis
nobody's               !dis !dis !dis !dis !dis !dis  !dis !dis !dis !dis

                       paid fail retd reje canc retry 2nd  late twice given
request                !exi !exi !exi !exi !exi !exi  !exi !exi !exi  !exi
approve                !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
approve by its editor  !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
approve by requester   !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
approve again          !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
hold                   !sta !sta !sta !sta !sta held  !sta !sta !sta  !sta
release                !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
reject                 !sta !sta !sta !sta !sta reje  !sta !sta !sta  !sta
cancel                 !sta !sta !sta !sta !sta canc  !sta !sta !sta  !sta
cancel another's       !pay !pay !pay !pay !pay !pay  !pay !pay !pay  !pay
start                  !una !una !una !una !una star  !sub !una !una  !una
submitted              -    -    -    -    -    -     -    -    -     -
submitted, attempt 2   -    -    -    -    -    -     mitt -    -     -
unknown                -    -    -    -    -    -     -    -    -     -
unknown, attempt 2     -    -    -    -    -    -     unkn -    -     -
attest                 !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
attest again           !sta !sta !sta !sta !sta !sta  !sta !sta !sta  !sta
pending                ign  ign  ign  ign  ign  ign   ign  ign  ign   ign
paid                   dup  paid dup  paid paid paid  paid dup  dup   dup
paid, attempt 2        paid paid paid paid paid paid  paid paid paid  paid
paid by another        paid paid paid paid paid paid  paid paid dup   paid
paid another amount    !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
paid another currency  !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
paid without a name    !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
failed                 cont dup  dup  !dis !dis dup   dup  cont cont  cont
failed, retryable      cont dup  dup  !dis !dis dup   dup  cont cont  cont
failed, attempt 2      !dis !dis !dis !dis !dis !dis  fail dup  !dis  !dis
failed, another amount !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
returned               retd back dup  back back back  back retd retd  retd
another returned       back back back back back back  back back retd  back
returned, nameless     !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
nobody's               !dis !dis !dis !dis !dis !dis  !dis !dis !dis  !dis
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "request": REQUEST,
    "approve": approve_payout(PAYOUT, "admin:three"),
    "approve by its editor": approve_payout(PAYOUT, "creator:editor"),
    "approve by requester": approve_payout(PAYOUT, "creator:requester"),
    "approve again": approve_payout(PAYOUT, "admin:one"),
    "hold": hold_payout(PAYOUT),
    "release": release_payout(PAYOUT),
    "reject": reject_payout(PAYOUT),
    "cancel": cancel_payout(PAYOUT, CREATOR),
    "cancel another's": cancel_payout(PAYOUT, NOBODY),
    "start": START,
    "submitted": payout_submitted(PAYOUT),
    "submitted, attempt 2": payout_submitted(PAYOUT, 2),
    "unknown": payout_unknown(PAYOUT),
    "unknown, attempt 2": payout_unknown(PAYOUT, 2),
    "attest": attest_failure(PAYOUT, "admin:two"),
    "attest again": attest_failure(PAYOUT, "admin:one"),
    "pending": report_payout(PAYOUT, NET, PayoutClaim.PENDING),
    "paid": PAID,
    "paid, attempt 2": report_payout(PAYOUT, NET, attempt=2, transaction="PT-3"),
    "paid by another": PAID_AGAIN,
    "paid another amount": report_payout(PAYOUT, NET + 1),
    "paid another currency": report_payout(PAYOUT, NET, currency="UGX"),
    "paid without a name": without_transaction(PAID),
    "failed": report_payout(PAYOUT, NET, FAILED),
    "failed, retryable": EMPTY,
    "failed, attempt 2": report_payout(PAYOUT, NET, FAILED, attempt=2),
    "failed, another amount": report_payout(PAYOUT, NET + 1, FAILED),
    "returned": CAME_BACK,
    "another returned": report_payout(PAYOUT, NET, RETURNED, transaction="PT-2"),
    "returned, nameless": without_transaction(CAME_BACK),
    "nobody's": report_payout(NOBODY, NET),
}

CELLS: Final[dict[str, Decided]] = {
    "!pay": PayoutNotFound,
    "!exi": AlreadyExists,
    "!inv": ApproverInvolved,
    "!sta": PayoutNotInThisState,
    "!una": SubmissionNotAllowed,
    "!sub": SubmissionAlreadyStarted,
    "!sec": SecondPersonNeeded,
    "!dis": ReportDisagrees,
    "-": ([], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "requ": ([PayoutRequested], None),
    "appr": ([ApprovalGiven], None),
    "held": ([PayoutHeld], None),
    "rele": ([PayoutReleased], None),
    "reje": ([PayoutRejected], None),
    "canc": ([PayoutCancelled], None),
    "star": ([PayoutSubmissionStarted], None),
    "mitt": ([PayoutSubmitted], None),
    "unkn": ([PayoutSubmissionUnknown], None),
    "atte": ([PayoutFailureAttested], None),
    "atfa": ([PayoutFailureAttested, PayoutFailed], None),
    "paid": ([PayoutPaid], Verdict.APPLIED),
    "fail": ([PayoutFailed], Verdict.APPLIED),
    "retr": ([PayoutAttemptFailed], Verdict.APPLIED),
    "cont": ([PayoutContradictionRecorded], Verdict.APPLIED),
    "retd": ([PayoutReturned], Verdict.APPLIED),
    "back": ([PayoutPaid, PayoutReturned], Verdict.APPLIED),
}

TABLE: Final = Table(text=TEXT, states=STATES, commands=COMMANDS, cells=CELLS)


def test_the_table_knows_every_state_of_a_payout() -> None:
    found = {name: _payout(history()) for name, history in STATES.items() if name != "none"}
    assert {payout.state for payout in found.values()} == set(PayoutState)
    assert all(found[state].state is state for state in set(PayoutState) & set(found))


def _payout(history: History) -> Payout:
    payout = history.aggregates[PAYOUT]
    assert isinstance(payout, Payout)
    return payout


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)
