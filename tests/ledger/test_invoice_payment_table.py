"""What is reported and asked of a payment of an invoice, and what becomes of the invoice.

Money that arrives pays the period, the change or the periods that it is for, or is the fan's
credit: whatever was cancelled, replaced, paid otherwise or too late meanwhile. Only what reached
the fan makes a subscription past due.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from ledger.callbacks import Verdict
from ledger.commands import Claim, LedgerCommand
from ledger.errors import (
    NoCreditLeft,
    NotYetExpired,
    PaymentNotAllocatable,
    PaymentNotCancellable,
    PaymentNotRefundable,
    PaymentNotReleasable,
    RefundExceedsPayment,
    ReportDisagrees,
    SubmissionAlreadyStarted,
    SubmissionNotAllowed,
)
from ledger.events import (
    ContradictionRecorded,
    CreditNoteIssued,
    CreditRefundRequested,
    CreditReserved,
    CreditSpent,
    CreditTakenBack,
    DisputeClosed,
    DisputeOpened,
    DunningScheduled,
    FanRefundRequested,
    FundsReleased,
    InvoiceAttemptFailed,
    InvoiceVoided,
    OverpaymentParked,
    PaymentAuthorised,
    PaymentCancelled,
    PaymentExpired,
    PaymentFailed,
    PaymentMismatched,
    PaymentReceivedAsCredit,
    PaymentSubmissionStarted,
    PaymentSubmitted,
    PaymentSucceeded,
    PaymentVoided,
    PeriodPaid,
    PeriodsPrepaid,
    PrepaymentEnded,
    ProposalCarriedOut,
    ProposalMade,
    ReceiptsAllocated,
    ReceiptsCredited,
    ReceiptSpent,
    RefundRequested,
    RefundSucceeded,
    SubscriptionActivated,
    SubscriptionPastDue,
    SubscriptionRecovered,
    SurplusReceived,
    TierChanged,
    TrialConverted,
    UnusedTimeCredited,
)
from tests.builders import (
    cancel_payment,
    expire_payment,
    record_submitted,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.invoice_payment_scenes import EXACT, KINDS, OTHER, with_receipts
from tests.ledger.scenes import FAN
from tests.ledger.tables import Decided, Table
from tests.ledger.test_parked_table import allocate, elsewhere
from tests.money_builders import (
    ask_for_refund,
    propose,
    release_funds,
    report_dispute,
    report_refund,
    request_refund,
)
from tests.subscription_builders import refund_credit

if TYPE_CHECKING:
    from uuid import UUID

TEXTS: Final = {
    "renewal": """
                    init   ting   prom   unkn   decl  expd  unse  agai  othe
start               star   !sub   !sub   !sub   !una  !una  !una  !una  !una
start after hours   !una   !una   !una   !una   !una  !una  !una  !una  !una
submitted           -      mitt   -      mitt   -     -     -     -     -
pending             ign    ign    ign    ign    ign   ign   ign   ign   ign
authorised          auth   auth   auth   auth   ign   ign   ign   ign   ign
succeeded           paid   paid   paid   paid   reco  reco  paid  reco  cred
succeeded late      paid   paid   paid   paid   reco  reco  paid  reco  cred
a second success    paid   paid   paid   paid   reco  reco  paid  reco  cred
too much            paid+  paid+  paid+  paid+  reco+ reco+ paid+ reco+ cred
too little          mism:p mism:p mism:p mism:p mism  mism  mism  mism  mism
other money         mism:p mism:p mism:p mism:p mism  mism  mism  mism  mism
failed              fail:p fail:p fail:p fail:p dup   dup   dup   dup   dup
failed, not reached fail:a fail:a fail:a fail:a dup   dup   dup   dup   dup
cancelled           canc:p canc:p canc:p canc:p canc  dup   dup   canc  canc
voided              void:p void:p void:p void:p void  dup   dup   void  void
cancel              give:p !can   !can   !can   !can  !can  !can  !can  !can
expire              expi:a expi:p expi:p expi:p -     -     -     -     -
expire too early    !not   !not   !not   !not   -     -     -     -     -
allocate exactly    !all   !all   !all   !all   allr  allr  allo  allr  alcr
allocate less       !all   !all   !all   !all   alcr  alcr  alcr  alcr  alcr
refund              !ref   !ref   !ref   !ref   !ref  !ref  !ref  !ref  !ref
ask for a refund    !ref   !ref   !ref   !ref   !ref  !ref  !ref  !ref  !ref
refund the credit   !noc   !noc   !noc   !noc   !noc  !noc  !noc  !noc  !noc
release             !rel   !rel   !rel   !rel   !rel  !rel  !rel  !rel  !rel
refunded unasked    !dis   !dis   !dis   !dis   !dis  !dis  !dis  !dis  !dis
dispute lost        !dis   !dis   !dis   !dis   !dis  !dis  !dis  !dis  !dis

                    odec done litt  litv voin vopr vode crdt exsu
start               !una !una !una  !una !una !una !una !una !una
start after hours   !una !una !una  !una !una !una !una !una !una
submitted           -    -    -     -    -    -    -    -    -
pending             ign  ign  ign   ign  ign  ign  ign  ign  ign
authorised          ign  ign  ign   ign  ign  auth ign  ign  ign
succeeded           both dup  reco  cred cred cred cred dup  cred
succeeded late      both dup  reco  cred cred cred cred dup  cred
a second success    both surp reco  cred cred cred cred surp cred
too much            both surp reco+ cred cred cred cred surp cred
too little          mism surp dup   dup  mism mism mism surp mism
other money         mism surp surp  surp mism mism mism surp mism
failed              dup  cont cont  cont dup  fail dup  cont dup
failed, not reached dup  cont cont  cont dup  fail dup  cont dup
cancelled           canc cont cont  cont dup  canc canc cont canc
voided              void cont cont  cont dup  void void cont void
cancel              !can !can !can  !can !can !can !can !can !can
expire              -    -    -     -    -    expi -    -    -
expire too early    -    -    -     -    -    !not -    -    -
allocate exactly    albo !all allr  alcr alcr !all alcr !all alcr
allocate less       albo !all alcr  alcr alcr !all alcr !all alcr
refund              !ref refu !ref  !ref !ref !ref !ref !exc !ref
ask for a refund    !ref asks !ref  !ref !ref !ref !ref !exc !ref
refund the credit   !noc !noc !noc  !noc !noc !noc !noc crer !noc
release             !rel rele !rel  !rel !rel !rel !rel !rel !rel
refunded unasked    !dis unas !dis  !dis !dis !dis !dis untb !dis
dispute lost        !dis dlos !dis  !dis !dis !dis !dis lotb !dis
""",
    "first period": """
                    inc    decl  ende tria   tend goin issu  over   odec
start               !sub   !una  !una !sub   !una !una !una  !sub   !una
start after hours   !sub   !una  !una !sub   !una !una !una  !una   !una
submitted           -      -     -    -      -    -    -     -      -
pending             ign    ign   ign  ign    ign  ign  ign   ign    ign
authorised          auth   ign   auth auth   auth auth auth  auth   ign
succeeded           acti   acti  cred conv   cred cred conv  conv   conv
succeeded late      acti   acti  cred conv   cred cred conv  conv   conv
a second success    acti   acti  cred conv   cred cred conv  conv   conv
too much            acti+  acti+ cred conv+  cred cred conv+ conv+  conv+
too little          mism:n mism  mism mism:n mism mism mism  mism:p mism
other money         mism:n mism  mism mism:n mism mism mism  mism:p mism
failed              fail:n dup   fail fail:n fail fail fail  fail:p dup
failed, not reached fail:n dup   fail fail:n fail fail fail  fail:a dup
cancelled           canc:n canc  canc canc:n canc canc canc  canc:p canc
voided              void:n void  void void:n void void void  void:p void
cancel              !can   !can  !can !can   !can !can !can  !can   !can
expire              expi:n -     expi expi:n expi expi expi  expi:p -
expire too early    !not   -     !not !not   !not !not !not  !not   -
allocate exactly    !all   alla  !all !all   !all !all !all  !all   allc
allocate less       !all   alcr  !all !all   !all !all !all  !all   alcr
refund              !ref   !ref  !ref !ref   !ref !ref !ref  !ref   !ref
ask for a refund    !ref   !ref  !ref !ref   !ref !ref !ref  !ref   !ref
refund the credit   !noc   !noc  !noc !noc   !noc !noc !noc  !noc   !noc
release             !rel   !rel  !rel !rel   !rel !rel !rel  !rel   !rel
refunded unasked    !dis   !dis  !dis !dis   !dis !dis !dis  !dis   !dis
dispute lost        !dis   !dis  !dis !dis   !dis !dis !dis  !dis   !dis
""",
    "early": """
                    prom   decl  repl paus
start               !sub   !una  !una !una
start after hours   !sub   !una  !una !una
submitted           -      -     -    -
pending             ign    ign   ign  ign
authorised          auth   ign   auth auth
succeeded           paid   paid  cred cred
succeeded late      paid   paid  cred cred
a second success    paid   paid  cred cred
too much            paid+  paid+ cred cred
too little          mism:n mism  mism mism
other money         mism:n mism  mism mism
failed              fail:n dup   fail fail
failed, not reached fail:n dup   fail fail
cancelled           canc:n canc  canc canc
voided              void:n void  void void
cancel              !can   !can  !can !can
expire              expi:n -     expi expi
expire too early    !not   -     !not !not
allocate exactly    !all   allo  !all !all
allocate less       !all   alcr  !all !all
refund              !ref   !ref  !ref !ref
ask for a refund    !ref   !ref  !ref !ref
refund the credit   !noc   !noc  !noc !noc
release             !rel   !rel  !rel !rel
refunded unasked    !dis   !dis  !dis !dis
dispute lost        !dis   !dis  !dis !dis
""",
    "upgrade": """
                    init   prom   decl  rene   quot   qvoi rask rdec ahea   ende
start               star   !sub   !una  !sub   !sub   !una !una !una !sub   !una
start after hours   !una   !sub   !una  !sub   !sub   !una !una !una !sub   !una
submitted           -      -      -     -      -      -    -    -    -      -
pending             ign    ign    ign   ign    ign    ign  ign  ign  ign    ign
authorised          auth   auth   ign   auth   auth   auth auth auth auth   auth
succeeded           chan   chan   chan  vcha   vcre   cred cred cred echa   cred
succeeded late      vcre   vcre   vcre  vcre   vcre   cred cred cred vcre   cred
a second success    chan   chan   chan  vcha   vcre   cred cred cred echa   cred
too much            chan+  chan+  chan+ vcha+  vcre   cred cred cred echa+  cred
too little          mism:n mism:n mism  mism:n mism:n mism mism mism mism:n mism
other money         mism:n mism:n mism  mism:n mism:n mism mism mism mism:n mism
failed              fail:n fail:n dup   fail:n fail:n fail fail fail fail:n fail
failed, not reached fail:n fail:n dup   fail:n fail:n fail fail fail fail:n fail
cancelled           canc:n canc:n canc  canc:n canc:n canc canc canc canc:n canc
voided              void:n void:n void  void:n void:n void void void void:n void
cancel              give:n !can   !can  !can   !can   !can !can !can !can   !can
expire              expi:n expi:n -     expi:n expi:n expi expi expi expi:n expi
expire too early    !not   !not   -     !not   !not   !not expi expi !not   !not
allocate exactly    !all   !all   allt  !all   !all   !all !all !all !all   !all
allocate less       !all   !all   alvo  !all   !all   !all !all !all !all   !all
refund              !ref   !ref   !ref  !ref   !ref   !ref !ref !ref !ref   !ref
ask for a refund    !ref   !ref   !ref  !ref   !ref   !ref !ref !ref !ref   !ref
refund the credit   !noc   !noc   !noc  !noc   !noc   !noc !noc !noc !noc   !noc
release             !rel   !rel   !rel  !rel   !rel   !rel !rel !rel !rel   !rel
refunded unasked    !dis   !dis   !dis  !dis   !dis   !dis !dis !dis !dis   !dis
dispute lost        !dis   !dis   !dis  !dis   !dis   !dis !dis !dis !dis   !dis
""",
    "prepayment": """
                    prom   repl over   tbca
start               !sub   !una !sub   !una
start after hours   !sub   !una !sub   !una
submitted           -      -    -      -
pending             ign    ign  ign    ign
authorised          auth   auth auth   auth
succeeded           prep   cred vcre   cred
succeeded late      vcre   cred vcre   cred
a second success    prep   cred vcre   cred
too much            prep+  cred vcre   cred
too little          mism:n mism mism:n mism
other money         mism:n mism mism:n mism
failed              fail:n fail fail:n fail
failed, not reached fail:n fail fail:n fail
cancelled           canc:n canc canc:n canc
voided              void:n void void:n void
cancel              !can   !can !can   !can
expire              expi:n expi expi:n expi
expire too early    !not   !not expi:n !not
allocate exactly    !all   !all !all   !all
allocate less       !all   !all !all   !all
refund              !ref   !ref !ref   !ref
ask for a refund    !ref   !ref !ref   !ref
refund the credit   !noc   !noc !noc   !noc
release             !rel   !rel !rel   !rel
refunded unasked    !dis   !dis !dis   !dis
dispute lost        !dis   !dis !dis   !dis
""",
    "till": """
                    inc   tria  earl  prom  past  expd  done ende
start               !una  !una  !una  !una  !una  !una  !una !una
start after hours   !una  !una  !una  !una  !una  !una  !una !una
submitted           -     -     -     -     -     -     -    -
pending             ign   ign   ign   ign   ign   ign   ign  ign
authorised          auth  auth  auth  auth  auth  ign   auth auth
succeeded           acti  conv  paid  paid  reco  reco  cred cred
succeeded late      acti  conv  paid  paid  reco  reco  cred cred
a second success    acti  conv  paid  paid  reco  reco  cred cred
too much            acti+ conv+ paid+ paid+ reco+ reco+ cred cred
too little          mism  mism  mism  mism  mism  mism  mism mism
other money         mism  mism  mism  mism  mism  mism  mism mism
failed              fail  fail  fail  fail  fail  dup   fail fail
failed, not reached fail  fail  fail  fail  fail  dup   fail fail
cancelled           canc  canc  canc  canc  canc  dup   canc canc
voided              void  void  void  void  void  dup   void void
cancel              give  give  give  give  give  !can  give give
expire              expi  expi  expi  expi  expi  -     expi expi
expire too early    !not  !not  !not  !not  !not  -     !not !not
allocate exactly    !all  !all  !all  !all  !all  allr  !all !all
allocate less       !all  !all  !all  !all  !all  alcr  !all !all
refund              !ref  !ref  !ref  !ref  !ref  !ref  !ref !ref
ask for a refund    !ref  !ref  !ref  !ref  !ref  !ref  !ref !ref
refund the credit   !noc  !noc  !noc  !noc  !noc  !noc  !noc !noc
release             !rel  !rel  !rel  !rel  !rel  !rel  !rel !rel
refunded unasked    !dis  !dis  !dis  !dis  !dis  !dis  !dis !dis
dispute lost        !dis  !dis  !dis  !dis  !dis  !dis  !dis !dis
""",
}


def commands(payment: UUID, amount: int) -> dict[str, LedgerCommand]:
    return {
        "start": start_submission(payment),
        "start after hours": start_submission(payment),
        "submitted": record_submitted(payment),
        "pending": report_without_money(payment, Claim.PENDING),
        "authorised": report_without_money(payment, Claim.AUTHORISED),
        "succeeded": report_success(payment, amount, transaction="PAID"),
        "succeeded late": report_success(payment, amount, transaction="PAID"),
        "a second success": report_success(payment, amount, transaction="PAID-2"),
        "too much": report_success(payment, amount + 500, transaction="MORE"),
        "too little": report_success(payment, amount - 1, transaction="LESS"),
        "other money": report_success(payment, amount, transaction="UGX", currency="UGX"),
        "failed": report_without_money(payment, Claim.FAILED, reason="declined"),
        "failed, not reached": report_without_money(payment, Claim.FAILED, reason="never_received"),
        "cancelled": report_without_money(payment, Claim.CANCELLED),
        "voided": report_without_money(payment, Claim.VOIDED),
        "cancel": cancel_payment(payment, FAN),
        "expire": expire_payment(payment),
        "expire too early": expire_payment(payment),
        "allocate exactly": propose(allocate(payment, elsewhere(EXACT))),
        "allocate less": propose(allocate(payment, elsewhere(OTHER))),
        "refund": request_refund(payment),
        "ask for a refund": ask_for_refund(payment, FAN),
        "refund the credit": refund_credit(payment),
        "release": release_funds(payment),
        "refunded unasked": report_refund(payment, None, 1_000, provider_refund="R-9"),
        "dispute lost": report_dispute(payment, "closed", amount, lost=amount),
    }


AFTER: Final = {
    **dict.fromkeys(commands(FAN, 2), timedelta(0)),
    "start after hours": timedelta(hours=5),
    "succeeded late": timedelta(days=1),
    "expire": timedelta(hours=1),
    "release": timedelta(days=3),
}

ALLOCATED: Final[list[type]] = [ProposalMade, ReceiptsAllocated]
CREDITED: Final[list[type]] = [ProposalMade, ReceiptsCredited]
SPENT: Final[list[type]] = [ReceiptSpent, ProposalCarriedOut]
BY_CREDIT: Final[list[type]] = [CreditReserved, CreditSpent, PeriodPaid, SubscriptionRecovered]
BY_BOTH: Final[list[type]] = [CreditReserved, CreditSpent, CreditSpent, *BY_CREDIT[2:]]
PAST_DUE: Final[list[type]] = [InvoiceAttemptFailed, SubscriptionPastDue, DunningScheduled]
ASKED_AGAIN: Final[list[type]] = [InvoiceAttemptFailed, DunningScheduled]

CELLS: Final[dict[str, Decided]] = {
    "!una": SubmissionNotAllowed,
    "!sub": SubmissionAlreadyStarted,
    "!can": PaymentNotCancellable,
    "!not": NotYetExpired,
    "!all": PaymentNotAllocatable,
    "!ref": PaymentNotRefundable,
    "!exc": RefundExceedsPayment,
    "!noc": NoCreditLeft,
    "!rel": PaymentNotReleasable,
    "!dis": ReportDisagrees,
    "-": ([], None),
    "ign": ([], Verdict.IGNORED),
    "dup": ([], Verdict.DUPLICATE),
    "star": ([PaymentSubmissionStarted], None),
    "mitt": ([PaymentSubmitted], None),
    "auth": ([PaymentAuthorised], Verdict.APPLIED),
    "surp": ([SurplusReceived], Verdict.APPLIED),
    "cont": ([ContradictionRecorded], Verdict.APPLIED),
    # The money is there.
    "paid": ([PaymentSucceeded, PeriodPaid], Verdict.APPLIED),
    "reco": ([PaymentSucceeded, PeriodPaid, SubscriptionRecovered], Verdict.APPLIED),
    "acti": ([PaymentSucceeded, SubscriptionActivated, PeriodPaid], Verdict.APPLIED),
    "conv": ([PaymentSucceeded, TrialConverted, PeriodPaid], Verdict.APPLIED),
    "chan": ([PaymentSucceeded, TierChanged], Verdict.APPLIED),
    "vcha": ([PaymentSucceeded, InvoiceVoided, PaymentCancelled, TierChanged], Verdict.APPLIED),
    "echa": (
        [
            PaymentSucceeded,
            TierChanged,
            UnusedTimeCredited,
            CreditNoteIssued,
            PrepaymentEnded,
        ],
        Verdict.APPLIED,
    ),
    "prep": ([PaymentSucceeded, PeriodsPrepaid], Verdict.APPLIED),
    "cred": ([PaymentReceivedAsCredit], Verdict.APPLIED),
    "vcre": ([PaymentReceivedAsCredit, InvoiceVoided], Verdict.APPLIED),
    "both": ([PaymentReceivedAsCredit, *BY_BOTH], Verdict.APPLIED),
    # More than was asked for.
    "paid+": ([PaymentSucceeded, PeriodPaid, OverpaymentParked], Verdict.APPLIED),
    "reco+": (
        [PaymentSucceeded, PeriodPaid, SubscriptionRecovered, OverpaymentParked],
        Verdict.APPLIED,
    ),
    "acti+": (
        [PaymentSucceeded, SubscriptionActivated, PeriodPaid, OverpaymentParked],
        Verdict.APPLIED,
    ),
    "conv+": ([PaymentSucceeded, TrialConverted, PeriodPaid, OverpaymentParked], Verdict.APPLIED),
    "chan+": ([PaymentSucceeded, TierChanged, OverpaymentParked], Verdict.APPLIED),
    "vcha+": (
        [PaymentSucceeded, InvoiceVoided, PaymentCancelled, TierChanged, OverpaymentParked],
        Verdict.APPLIED,
    ),
    "echa+": (
        [
            PaymentSucceeded,
            TierChanged,
            UnusedTimeCredited,
            CreditNoteIssued,
            PrepaymentEnded,
            OverpaymentParked,
        ],
        Verdict.APPLIED,
    ),
    "prep+": ([PaymentSucceeded, PeriodsPrepaid, OverpaymentParked], Verdict.APPLIED),
    # It is not.
    "mism": ([PaymentMismatched], Verdict.APPLIED),
    "mism:p": ([PaymentMismatched, *PAST_DUE], Verdict.APPLIED),
    "mism:n": ([PaymentMismatched, InvoiceAttemptFailed], Verdict.APPLIED),
    "fail": ([PaymentFailed], Verdict.APPLIED),
    "fail:p": ([PaymentFailed, *PAST_DUE], Verdict.APPLIED),
    "fail:a": ([PaymentFailed, *ASKED_AGAIN], Verdict.APPLIED),
    "fail:n": ([PaymentFailed, InvoiceAttemptFailed], Verdict.APPLIED),
    "canc": ([PaymentCancelled], Verdict.APPLIED),
    "canc:p": ([PaymentCancelled, *PAST_DUE], Verdict.APPLIED),
    "canc:n": ([PaymentCancelled, InvoiceAttemptFailed], Verdict.APPLIED),
    "void": ([PaymentVoided], Verdict.APPLIED),
    "void:p": ([PaymentVoided, *PAST_DUE], Verdict.APPLIED),
    "void:n": ([PaymentVoided, InvoiceAttemptFailed], Verdict.APPLIED),
    "give": ([PaymentCancelled], None),
    "give:p": ([PaymentCancelled, *PAST_DUE], None),
    "give:n": ([PaymentCancelled, InvoiceAttemptFailed], None),
    "expi": ([PaymentExpired], None),
    "expi:p": ([PaymentExpired, *PAST_DUE], None),
    "expi:a": ([PaymentExpired, *ASKED_AGAIN], None),
    "expi:n": ([PaymentExpired, InvoiceAttemptFailed], None),
    # Parked money.
    "allo": ([*ALLOCATED, PeriodPaid, *SPENT], None),
    "allr": ([*ALLOCATED, PeriodPaid, SubscriptionRecovered, *SPENT], None),
    "alla": ([*ALLOCATED, SubscriptionActivated, PeriodPaid, *SPENT], None),
    "allc": ([*ALLOCATED, TrialConverted, PeriodPaid, *SPENT], None),
    "allt": ([*ALLOCATED, TierChanged, *SPENT], None),
    "alcr": ([*CREDITED, *SPENT], None),
    "alvo": ([*CREDITED, InvoiceVoided, *SPENT], None),
    "albo": ([*CREDITED, *BY_BOTH, *SPENT], None),
    # After the success.
    "rele": ([FundsReleased], None),
    "refu": ([RefundRequested], None),
    "asks": ([FanRefundRequested], None),
    "crer": ([CreditRefundRequested], None),
    "unas": ([RefundRequested, RefundSucceeded], Verdict.APPLIED),
    "untb": (
        [RefundRequested, RefundSucceeded, ContradictionRecorded, CreditTakenBack],
        Verdict.APPLIED,
    ),
    "dlos": ([DisputeOpened, DisputeClosed], Verdict.APPLIED),
    "lotb": (
        [DisputeOpened, ContradictionRecorded, DisputeClosed, CreditTakenBack],
        Verdict.APPLIED,
    ),
}


def table(name: str) -> Table:
    payment, amount, scenes = KINDS[name]
    text = TEXTS[name]
    return Table(
        text=text,
        states={state: partial(with_receipts, scene, amount) for state, scene in scenes.items()},
        commands=commands(payment, amount),
        cells={cell: CELLS[cell] for cell in CELLS if cell in set(text.split())},
        after=AFTER,
    )


TABLES: Final = {name: table(name) for name in KINDS}


def test_no_cell_is_explained_in_vain() -> None:
    assert set().union(*(each.matrix().values() for each in TABLES.values())) == set(CELLS)


@pytest.mark.parametrize(
    ("name", "command", "state"),
    [(name, *pair) for name, each in TABLES.items() for pair in each.matrix()],
)
def test_what_happens_to_a_payment_of_an_invoice_happens_as_the_table_says(
    name: str, command: str, state: str
) -> None:
    TABLES[name].happens(command, state)
