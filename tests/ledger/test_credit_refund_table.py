"""A fan's credit goes back the way it came: what is asked and reported, in every state of it.

What was spent meanwhile is spent: when a refund is paid after all, that part is an expense and a
contradiction for a person to look at; and it is none any more when the refund comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4, uuid5

import pytest

from ledger.callbacks import Verdict
from ledger.commands import LedgerCommand, RefundClaim
from ledger.errors import (
    AlreadyExists,
    AmountNotPayable,
    CurrencyDiffers,
    NoCreditLeft,
    PaymentNotFound,
    PaymentNotRefundable,
    RefundExceedsPayment,
    RefundNotFound,
    ReportDisagrees,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    CreditRefundRequested,
    CreditRestored,
    CreditTakenBack,
    DisputeClosed,
    DisputeOpened,
    RefundFailed,
    RefundReopenedAsFailed,
    RefundReopenedAsSucceeded,
    RefundRequested,
    RefundSubmissionStarted,
    RefundSubmissionUnknown,
    RefundSubmitted,
    RefundSucceeded,
    UnusedTimeCredited,
)
from ledger.flows import RefundState
from ledger.invoices import invoice_id
from tests.ledger.given import History
from tests.ledger.invoice_payment_scenes import RENEWALS
from tests.ledger.scenes import CREATOR, FAN, NOBODY, REFUND
from tests.ledger.subscription_scenes import (
    BASIC,
    CLOCK,
    FIRST,
    GOLD,
    MONTHLY,
    PHONE,
    RENEWAL,
    SECOND,
    SMALL,
    SMALL_MONTHLY,
    SUBSCRIPTION,
    given_goodwill,
    past_due,
    paused,
)
from tests.ledger.tables import Decided, Table
from tests.money_builders import (
    refund_submitted,
    refund_unknown,
    report_dispute,
    report_refund,
    request_refund,
    start_refund,
    without_name,
)
from tests.subscription_builders import refund_credit, subscribe

FAILED: Final = RefundClaim.FAILED

ASK: Final = refund_credit(SECOND, refund_id=REFUND)
START: Final = start_refund(SECOND, REFUND)
SUBMITTED: Final = refund_submitted(SECOND, REFUND)
SUCCESS: Final = report_refund(SECOND, REFUND, MONTHLY)
FAILURE: Final = report_refund(SECOND, REFUND, MONTHLY, FAILED)
UNASKED: Final = report_refund(SECOND, None, 1_000, provider_refund="R-9")
SPEND_HALF: Final = subscribe(FAN, CREATOR, SMALL, PHONE)
SPEND: Final = subscribe(FAN, CREATOR, BASIC, PHONE)
RESERVE: Final = subscribe(FAN, CREATOR, GOLD, PHONE)


def credit() -> History:
    """31,000 that came for a subscription that was cancelled."""
    return RENEWALS["credit"]()


def asked() -> History:
    """All of it is to go back."""
    return credit().given(ASK)


def failed(*commands: LedgerCommand) -> Callable[[], History]:
    """It did not, and then these things happened."""
    return lambda: asked().given(FAILURE, *commands)


STATES: Final[dict[str, Callable[[], History]]] = {
    "unknown payment": History,
    "declined": RENEWALS["declined"],
    "paid a period": RENEWALS["paid"],
    "credit": credit,
    "half spent": lambda: credit().given(SPEND_HALF),
    "spent": lambda: credit().given(SPEND),
    "reserved": lambda: credit().given(RESERVE),
    "part asked back": lambda: credit().given(refund_credit(SECOND, 10_000, refund_id=REFUND)),
    "taken back": lambda: credit().given(UNASKED),
    "asked back": asked,
    "submitting": lambda: asked().given(START),
    "submitted": lambda: asked().given(START, SUBMITTED),
    "unknown": lambda: asked().given(START, refund_unknown(SECOND, REFUND)),
    "refunded": lambda: asked().given(SUCCESS),
    "failed": failed(),
    "failed, half spent": failed(SPEND_HALF),
    "failed, spent": failed(SPEND),
    "refunded after all": failed(SUCCESS),
    "refunded, half spent": failed(SPEND_HALF, SUCCESS),
    "came back": lambda: asked().given(SUCCESS, FAILURE),
    "came back, spent": lambda: asked().given(SUCCESS, FAILURE, SPEND),
    "came back, half spent": failed(SPEND_HALF, SUCCESS, FAILURE),
}

TEXT: Final = """
                       none decl peri cred half spen rese part take
refund all             !pay !noc !noc ask  ask  !noc !noc ask  ask
refund to its fan      !pay !noc !noc ask  ask  !noc !noc ask  ask
refund another's       !pay !pay !pay !pay !pay !pay !pay !pay !pay
refund a part          !pay !noc !noc ask  ask  !noc !noc ask  ask
refund half            !pay !noc !noc ask  ask  !noc !noc ask  ask
refund too much        !pay !noc !noc !noc !noc !noc !noc !noc !noc
refund by steps        !pay !noc !noc ask  ask  !noc !noc ask  ask
refund off the step    !pay !noc !noc !amt !amt !noc !noc !amt !amt
refund by large steps  !pay !noc !noc !noc !noc !noc !noc !noc !noc
refund other money     !pay !noc !noc !cur !cur !cur !cur !cur !cur
refund by a used id    !pay !noc !noc ask  ask  !noc !noc !exi ask
refund the payment     !pay !nor refu !exc !exc !exc !exc !exc !exc
start                  !ref !ref !ref !ref !ref !ref !ref star !ref
submitted              !ref !ref !ref !ref !ref !ref !ref -    !ref
unknown                !ref !ref !ref !ref !ref !ref !ref -    !ref
pending                !dis ign  ign  ign  ign  ign  ign  ign  ign
succeeded              !dis !dis unas untb untb unco unco !dis untb
succeeded, nameless    !dis !dis !dis !dis !dis !dis !dis !dis !dis
succeeded otherwise    !dis !dis unas untb untb unco unco !dis untb
failed                 !dis ign  ign  ign  ign  ign  ign  !dis ign
failed otherwise       !dis ign  ign  ign  ign  ign  ign  !dis ign
refunded unasked       !dis !dis unas untb untb unco unco untb untb
refunded unasked again !dis !dis unas untb untb unco unco untb dup
unasked came back      !dis ign  ign  ign  ign  ign  ign  ign  retb
dispute lost           !dis !dis dlos dltb dltb dlco dlco dlfa dltb

                       askd ting prom unkw done fald faha fasp aftr afha came casp caha
refund all             !noc !noc !noc !noc !noc ask  ask  !noc !noc !noc ask  !noc ask
refund to its fan      !noc !noc !noc !noc !noc ask  ask  !noc !noc !noc ask  !noc ask
refund another's       !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay !pay
refund a part          !noc !noc !noc !noc !noc ask  ask  !noc !noc !noc ask  !noc ask
refund half            !noc !noc !noc !noc !noc ask  ask  !noc !noc !noc ask  !noc ask
refund too much        !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc
refund by steps        !noc !noc !noc !noc !noc ask  ask  !noc !noc !noc ask  !noc ask
refund off the step    !noc !noc !noc !noc !noc !amt !amt !noc !noc !noc !amt !noc !amt
refund by large steps  !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc !noc
refund other money     !cur !cur !cur !cur !cur !cur !cur !cur !cur !cur !cur !cur !cur
refund by a used id    !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi !exi
refund the payment     !exc !exc !exc !exc !exc !exc !exc !exc !exc !exc !exc !exc !exc
start                  star !sub !sub !sub !una !una !una !una !una !una !una !una !una
submitted              -    mitt -    mitt -    -    -    -    -    -    -    -    -
unknown                -    unkn -    -    -    -    -    -    -    -    -    -    -
pending                ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign
succeeded              succ succ succ succ dup  afte expe expe dup  dup  afte expe expe
succeeded, nameless    !dis !dis !dis !dis dup  !dis !dis !dis dup  dup  !dis !dis !dis
succeeded otherwise    !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
failed                 fail fail fail fail back dup  dup  dup  back back dup  dup  dup
failed otherwise       !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis !dis
refunded unasked       unco unco unco unco unco untb untb unco unco unco untb unco untb
refunded unasked again unco unco unco unco unco untb untb unco unco unco untb unco untb
unasked came back      ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign  ign
dispute lost           dlfa dlco dlco dlco dlco dltb dltb dlco dlco dlco dltb dlco dltb
"""

COMMANDS: Final[dict[str, LedgerCommand]] = {
    "refund all": refund_credit(SECOND),
    "refund to its fan": refund_credit(SECOND, fan_id=FAN),
    "refund another's": refund_credit(SECOND, fan_id=NOBODY),
    "refund a part": refund_credit(SECOND, 10_000),
    "refund half": refund_credit(SECOND, MONTHLY // 2),
    "refund too much": refund_credit(SECOND, MONTHLY + 1),
    "refund by steps": refund_credit(SECOND, step=1_000),
    "refund off the step": refund_credit(SECOND, 10_050, step=100),
    "refund by large steps": refund_credit(SECOND, step=50_000),
    "refund other money": refund_credit(SECOND, 10_000, currency="UGX"),
    "refund by a used id": refund_credit(SECOND, 1_000, refund_id=REFUND),
    "refund the payment": request_refund(SECOND),
    "start": START,
    "submitted": SUBMITTED,
    "unknown": refund_unknown(SECOND, REFUND),
    "pending": report_refund(SECOND, REFUND, MONTHLY, RefundClaim.PENDING),
    "succeeded": SUCCESS,
    "succeeded, nameless": without_name(SUCCESS),
    "succeeded otherwise": report_refund(SECOND, REFUND, MONTHLY - 1),
    "failed": FAILURE,
    "failed otherwise": report_refund(SECOND, REFUND, MONTHLY - 1, FAILED),
    "refunded unasked": report_refund(SECOND, None, MONTHLY, provider_refund="R-8"),
    "refunded unasked again": UNASKED,
    "unasked came back": report_refund(SECOND, None, 1_000, FAILED, provider_refund="R-9"),
    "dispute lost": report_dispute(SECOND, "closed", MONTHLY, lost=MONTHLY),
}

UNASKED_FOR: Final[list[type]] = [RefundRequested, RefundSucceeded]
BEYOND: Final[list[type]] = [DisputeOpened, ContradictionRecorded, DisputeClosed, CreditTakenBack]

CELLS: Final[dict[str, Decided]] = {
    "!pay": PaymentNotFound,
    "!noc": NoCreditLeft,
    "!nor": PaymentNotRefundable,
    "!exc": RefundExceedsPayment,
    "!amt": AmountNotPayable,
    "!cur": CurrencyDiffers,
    "!exi": AlreadyExists,
    "!ref": RefundNotFound,
    "!sub": SubmissionAlreadyStarted,
    "!una": SubmissionNotAllowed,
    "!dis": ReportDisagrees,
    "-": ([], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "ask": ([CreditRefundRequested], None),
    "refu": ([RefundRequested], None),
    "star": ([RefundSubmissionStarted], None),
    "mitt": ([RefundSubmitted], None),
    "unkn": ([RefundSubmissionUnknown], None),
    "succ": ([RefundSucceeded], Verdict.APPLIED),
    "fail": ([RefundFailed], Verdict.APPLIED),
    "back": ([RefundReopenedAsFailed], Verdict.APPLIED),
    "retb": ([RefundReopenedAsFailed, CreditRestored], Verdict.APPLIED),
    "afte": ([RefundReopenedAsSucceeded], Verdict.APPLIED),
    "expe": ([RefundReopenedAsSucceeded, ContradictionRecorded], Verdict.APPLIED),
    # What the provider takes by itself.
    "unas": (UNASKED_FOR, Verdict.APPLIED),
    "unco": ([*UNASKED_FOR, ContradictionRecorded], Verdict.APPLIED),
    "untb": ([*UNASKED_FOR, ContradictionRecorded, CreditTakenBack], Verdict.APPLIED),
    "dlos": ([DisputeOpened, DisputeClosed], Verdict.APPLIED),
    "dlco": ([DisputeOpened, ContradictionRecorded, DisputeClosed], Verdict.APPLIED),
    "dltb": (BEYOND, Verdict.APPLIED),
    "dlfa": ([RefundFailed, *BEYOND], Verdict.APPLIED),
}

TABLE: Final = Table(
    text=TEXT,
    states=STATES,
    commands=COMMANDS,
    cells=CELLS,
    after=dict.fromkeys(COMMANDS, timedelta(0)),
)


def test_the_table_knows_every_state_of_a_refund_of_credit() -> None:
    refunds = [
        refund
        for name, scene in STATES.items()
        if name != "unknown payment"
        for refund in scene().payment(SECOND).flows.refunds.values()
    ]
    assert {refund.state for refund in refunds if refund.from_credit} == set(RefundState)


@pytest.mark.parametrize(("command", "state"), TABLE.matrix())
def test_a_command_in_a_state_is_decided_as_the_table_says(command: str, state: str) -> None:
    TABLE.happens(command, state)


# What came from elsewhere.


def test_unused_time_goes_back_by_the_payment_that_had_paid_for_it() -> None:
    """Paused after ten days: 21,000 of 31,000."""
    history = paused()
    history.given(refund_credit(FIRST, 20_000), refund_credit(FIRST, 1_000))
    with pytest.raises(NoCreditLeft) as refused:
        history.decide(refund_credit(FIRST, 1))
    assert refused.value.parameters == {"refundable": 0}
    assert history.balances()["refunds:in_transit", "KES"] == -21_000


def test_goodwill_is_no_money_of_the_fan_s_and_not_refunded() -> None:
    history = given_goodwill(past_due(), MONTHLY).at(RENEWAL + timedelta(hours=4)).given(CLOCK)
    by_goodwill = uuid5(invoice_id_of_renewal(), "goodwill")
    assert history.payment(by_goodwill).money.amount == MONTHLY
    with pytest.raises(NoCreditLeft):
        history.decide(refund_credit(by_goodwill))


def invoice_id_of_renewal() -> UUID:
    return invoice_id(SUBSCRIPTION, 2)


def test_what_credit_had_paid_is_credit_again_when_it_is_refunded() -> None:
    history = credit()
    spent = uuid4()
    history.given(replace(SPEND, subscription_id=spent))
    by_credit = uuid5(invoice_id(spent, 1), "credit")
    decision = history.when(request_refund(by_credit, 11_000))
    assert [type(event) for event in decision.events] == [UnusedTimeCredited]
    assert history.balances()[f"fan:{FAN}:credit", "KES"] == -11_000
    # It goes back by the payment that had brought it.
    with pytest.raises(NoCreditLeft):
        history.decide(refund_credit(by_credit))
    history.given(refund_credit(SECOND, 11_000))


def test_a_refund_that_is_paid_after_the_credit_was_spent_is_an_expense_as_far_as_it_was() -> None:
    history = STATES["refunded, half spent"]()
    assert history.balances()["expense:disputes", "KES"] == SMALL_MONTHLY
    assert (f"fan:{FAN}:credit", "KES") not in history.balances()
    history.given(FAILURE)
    assert ("expense:disputes", "KES") not in history.balances()
    assert history.balances()[f"fan:{FAN}:credit", "KES"] == SMALL_MONTHLY - MONTHLY
