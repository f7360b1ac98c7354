"""Every command about a payment's money, in every state of the payment and after each success."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import uuid4

import pytest

from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, RefundClaim
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    CurrencyDiffers,
    DisputeNotFound,
    FanRefundAlreadyOpen,
    FanRefundNotFound,
    NotInThisState,
    NotYetDue,
    PaymentNotFound,
    PaymentNotRefundable,
    PaymentNotReleasable,
    RefundExceedsPayment,
    ReportDisagrees,
)
from ledger.events import (
    ContradictionRecorded,
    DisputeClosed,
    DisputeEvidenceNoted,
    DisputeFeeCharged,
    DisputeFeeReturned,
    DisputeOpened,
    DisputeWarned,
    FanRefundDeclined,
    FanRefundRequested,
    FundsReleased,
    ProviderFeeRecorded,
    RefundFailed,
    RefundRequested,
    RefundSucceeded,
)
from ledger.payment import PaymentState
from tests.builders import GROSS
from tests.ledger.given import History
from tests.ledger.scenes import (
    CREATOR,
    FAN,
    MOMENT,
    NOBODY,
    PAYMENT,
    PAYMENT_STATES,
    REFUND,
    RELEASES_AT,
    WISH,
    succeeded,
)
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    ask_for_refund,
    decline_fan_refund,
    note_evidence,
    release_funds,
    report_dispute,
    report_fee,
    report_refund,
    request_refund,
    without_name,
)

TEXT: Final = """
                         none init ting mitt unkn auth succ fail canc expi review
release too early        !pay !rel !rel !rel !rel !rel !due !rel !rel !rel !rel
release                  !pay !rel !rel !rel !rel !rel rele !rel !rel !rel !rel
refund all               !pay !ref !ref !ref !ref !ref refu !ref !ref !ref !ref
refund a part            !pay !ref !ref !ref !ref !ref refu !ref !ref !ref !ref
refund by its creator    !pay !ref !ref !ref !ref !ref refu !ref !ref !ref !ref
refund by another        !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay
refund with a used id    !pay !ref !ref !ref !ref !ref refu !ref !ref !ref !ref
refund beyond            !pay !ref !ref !ref !ref !ref !exc !ref !ref !ref !ref
refund off the step      !pay !ref !ref !ref !ref !ref !amt !ref !ref !ref !ref
refund in another money  !pay !ref !ref !ref !ref !ref !cur !ref !ref !ref !ref
grant the wish           !pay !ref !ref !ref !ref !ref !wis !ref !ref !ref !ref
ask                      !pay !ref !ref !ref !ref !ref asks !ref !ref !ref !ref
ask for another's        !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay
decline                  !pay !wis !wis !wis !wis !wis !wis !wis !wis !wis !wis
decline another's        !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay
evidence                 !pay !dsp !dsp !dsp !dsp !dsp !dsp !dsp !dsp !dsp !dsp
fee                      !dis fee  fee  fee  fee  fee  fee  fee  fee  fee  fee
fee returned             !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
dispute fee              !dis dfee dfee dfee dfee dfee dfee dfee dfee dfee dfee
dispute fee returned     !dis dret dret dret dret dret dret dret dret dret dret
dispute warned           !dis !dis !dis !dis !dis !dis warn !dis !dis !dis !dis
dispute opened           !dis !dis !dis !dis !dis !dis open !dis !dis !dis !dis
dispute closed           !dis !dis !dis !dis !dis !dis opcl !dis !dis !dis !dis
dispute reopened         !dis !dis !dis !dis !dis !dis open !dis !dis !dis !dis
dispute beyond           !dis !dis !dis !dis !dis !dis beyo !dis !dis !dis !dis
dispute in another money !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
refunded unasked         !dis !dis !dis !dis !dis !dis unas !dis !dis !dis !dis
refunded beyond          !dis !dis !dis !dis !dis !dis unbe !dis !dis !dis !dis
refunded another money   !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
refunded without a name  !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
refund pending unasked   !dis ign  ign  ign  ign  ign  ign  ign  ign  ign  ign
refund failed unasked    !dis ign  ign  ign  ign  ign  ign  ign  ign  ign  ign

                         released part refunded wished warned disputed won  lost
release too early        -        !due !due     !due   !due   !due     !due !due
release                  -        rele rele     rele   rele   rele     rele rele
refund all               refu     refu !exc     refu   refu   !exc     refu !exc
refund a part            refu     refu !exc     refu   refu   !exc     refu !exc
refund by its creator    refu     refu !exc     refu   refu   !exc     refu !exc
refund by another        !pay     !pay !pay     !pay   !pay   !pay     !pay !pay
refund with a used id    refu     !exi !exi     refu   refu   !exc     refu !exc
refund beyond            !exc     !exc !exc     !exc   !exc   !exc     !exc !exc
refund off the step      !amt     !amt !exc     !amt   !amt   !exc     !amt !exc
refund in another money  !cur     !cur !cur     !cur   !cur   !cur     !cur !cur
grant the wish           !wis     !wis !wis     refu   !wis   !wis     !wis !wis
ask                      asks     asks !exc     !ask   asks   !exc     asks !exc
ask for another's        !pay     !pay !pay     !pay   !pay   !pay     !pay !pay
decline                  !wis     !wis !wis     decl   !wis   !wis     !wis !wis
decline another's        !pay     !pay !pay     !pay   !pay   !pay     !pay !pay
evidence                 !dsp     !dsp !dsp     !dsp   note   note     !cls !cls
fee                      fee      fee  fee      fee    fee    fee      fee  fee
fee returned             !dis     !dis !dis     !dis   !dis   !dis     !dis !dis
dispute fee              dfee     dfee dfee     dfee   dfee   dfee     dfee dfee
dispute fee returned     dret     dret dret     dret   dret   dret     dret dret
dispute warned           warn     warn warn     warn   dup    dup      dup  dup
dispute opened           open     refa beyo     open   open   dup      dup  dup
dispute closed           opcl     rfcl becl     opcl   opcl   clos     cont dup
dispute reopened         open     refa beyo     open   open   dup      open dup
dispute beyond           beyo     rfbe beyo     beyo   beyo   dup      dup  dup
dispute in another money !dis     !dis !dis     !dis   !dis   !dis     !dis !dis
refunded unasked         unas     unas unbe     unas   unas   unbe     unas unbe
refunded beyond          unbe     unbe unbe     unbe   unbe   unbe     unbe unbe
refunded another money   !dis     !dis !dis     !dis   !dis   !dis     !dis !dis
refunded without a name  !dis     !dis !dis     !dis   !dis   !dis     !dis !dis
refund pending unasked   ign      ign  ign      ign    ign    ign      ign  ign
refund failed unasked    ign      ign  ign      ign    ign    ign      ign  ign
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "release too early": release_funds(PAYMENT),
    "release": release_funds(PAYMENT),
    "refund all": request_refund(PAYMENT),
    "refund a part": request_refund(PAYMENT, 1_000),
    "refund by its creator": request_refund(PAYMENT, 1_000, creator_id=CREATOR),
    "refund by another": request_refund(PAYMENT, 1_000, creator_id=NOBODY),
    "refund with a used id": request_refund(PAYMENT, 1_000, refund_id=REFUND),
    "refund beyond": request_refund(PAYMENT, GROSS + 1),
    "refund off the step": request_refund(PAYMENT, 1_050, step=100),
    "refund in another money": request_refund(PAYMENT, 1_000, currency="UGX"),
    "grant the wish": request_refund(PAYMENT, request_id=WISH),
    "ask": ask_for_refund(PAYMENT, FAN, request_id=uuid4()),
    "ask for another's": ask_for_refund(PAYMENT, NOBODY),
    "decline": decline_fan_refund(PAYMENT, WISH, creator_id=CREATOR),
    "decline another's": decline_fan_refund(PAYMENT, WISH, creator_id=NOBODY),
    "evidence": note_evidence(PAYMENT),
    "fee": report_fee(PAYMENT, 150),
    "fee returned": report_fee(PAYMENT, 150, returned=True),
    "dispute fee": report_fee(PAYMENT, 150, dispute="D-1", borne_by="creator"),
    "dispute fee returned": report_fee(PAYMENT, 150, dispute="D-1", returned=True),
    "dispute warned": report_dispute(PAYMENT, "warned", GROSS),
    "dispute opened": report_dispute(PAYMENT, "opened", GROSS),
    "dispute closed": report_dispute(PAYMENT, "closed", GROSS, lost=GROSS),
    "dispute reopened": report_dispute(PAYMENT, "reopened", GROSS),
    "dispute beyond": report_dispute(PAYMENT, "opened", GROSS + 1),
    "dispute in another money": report_dispute(PAYMENT, "opened", GROSS, currency="UGX"),
    "refunded unasked": report_refund(PAYMENT, None, 1_000, provider_refund="R-9"),
    "refunded beyond": report_refund(PAYMENT, None, GROSS + 1, provider_refund="R-9"),
    "refunded another money": report_refund(
        PAYMENT, None, 1_000, provider_refund="R-9", currency="UGX"
    ),
    "refunded without a name": without_name(report_refund(PAYMENT, None, 40_000)),
    "refund pending unasked": report_refund(PAYMENT, None, 40_000, RefundClaim.PENDING),
    "refund failed unasked": without_name(report_refund(PAYMENT, None, 40_000, RefundClaim.FAILED)),
}

CELLS: Final[dict[str, Decided]] = {
    "!pay": PaymentNotFound,
    "!rel": PaymentNotReleasable,
    "!due": NotYetDue,
    "!ref": PaymentNotRefundable,
    "!exc": RefundExceedsPayment,
    "!exi": AlreadyExists,
    "!amt": AmountNotPayable,
    "!cur": CurrencyDiffers,
    "!wis": FanRefundNotFound,
    "!ask": FanRefundAlreadyOpen,
    "!dsp": DisputeNotFound,
    "!cls": NotInThisState,
    "!dis": ReportDisagrees,
    "-": ([], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "rele": ([FundsReleased], None),
    "refu": ([RefundRequested], None),
    "asks": ([FanRefundRequested], None),
    "decl": ([FanRefundDeclined], None),
    "note": ([DisputeEvidenceNoted], None),
    "fee": ([ProviderFeeRecorded], Verdict.APPLIED),
    "dfee": ([DisputeFeeCharged], Verdict.APPLIED),
    "dret": ([DisputeFeeCharged, DisputeFeeReturned], Verdict.APPLIED),
    "warn": ([DisputeWarned], Verdict.APPLIED),
    "open": ([DisputeOpened], Verdict.APPLIED),
    "opcl": ([DisputeOpened, DisputeClosed], Verdict.APPLIED),
    "beyo": ([DisputeOpened, ContradictionRecorded], Verdict.APPLIED),
    "becl": ([DisputeOpened, ContradictionRecorded, DisputeClosed], Verdict.APPLIED),
    "refa": ([RefundFailed, DisputeOpened], Verdict.APPLIED),
    "rfbe": ([RefundFailed, DisputeOpened, ContradictionRecorded], Verdict.APPLIED),
    "rfcl": ([RefundFailed, DisputeOpened, DisputeClosed], Verdict.APPLIED),
    "clos": ([DisputeClosed], Verdict.APPLIED),
    "cont": ([ContradictionRecorded], Verdict.APPLIED),
    "unas": ([RefundRequested, RefundSucceeded], Verdict.APPLIED),
    "unbe": ([RefundRequested, RefundSucceeded, ContradictionRecorded], Verdict.APPLIED),
}


def part() -> History:
    """40,000 were asked back, and not yet taken to the provider."""
    return succeeded().given(request_refund(PAYMENT, 40_000, refund_id=REFUND))


def refunded() -> History:
    return succeeded().given(
        request_refund(PAYMENT, refund_id=REFUND), report_refund(PAYMENT, REFUND, GROSS)
    )


def disputed() -> History:
    return succeeded().given(report_dispute(PAYMENT, "opened", GROSS))


PASTS: Final[dict[str, Callable[[], History]]] = {
    "released": lambda: succeeded().at(RELEASES_AT).given(release_funds(PAYMENT)),
    "part refunded": part,
    "refunded": refunded,
    "wished": lambda: succeeded().given(ask_for_refund(PAYMENT, FAN, request_id=WISH)),
    "warned": lambda: succeeded().given(report_dispute(PAYMENT, "warned", GROSS)),
    "disputed": disputed,
    "won": lambda: disputed().given(report_dispute(PAYMENT, "closed", GROSS, lost=0)),
    "lost": lambda: disputed().given(report_dispute(PAYMENT, "closed", GROSS, lost=GROSS)),
}
"""What may have happened since the success."""

TABLE: Final = Table(
    text=TEXT,
    states={**PAYMENT_STATES, **PASTS},
    commands=COMMANDS,
    at={"release too early": RELEASES_AT - MOMENT, "release": RELEASES_AT},
    cells=CELLS,
)


def test_the_table_knows_every_state_of_a_payment() -> None:
    assert set(TABLE.states) - set(PASTS) == {"none", *PaymentState}
    for past in PASTS.values():
        assert past().payment(PAYMENT).state is PaymentState.SUCCEEDED


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)
