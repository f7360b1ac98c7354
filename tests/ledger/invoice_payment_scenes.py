"""Where a payment of an invoice, and the invoice, may stand: by what the payment is for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ledger.receipt import receipt_id
from tests.builders import (
    PROVIDER,
    expire_payment,
    record_submission_unknown,
    report_success,
    start_submission,
)
from tests.ledger.subscription_scenes import (
    ACTIVE,
    CANCEL,
    CANCEL_LATER,
    CLOCK,
    DAYS_10,
    FIRST,
    IN_ADVANCE,
    LATER,
    MONTHLY,
    NOT_PAID,
    PAUSE,
    PAY,
    PREPAID,
    RENEWAL,
    SECOND,
    SUBSCRIPTION,
    TILL,
    TO_GOLD,
    TO_PREPAY,
    TO_UPGRADE,
    TRY,
    UPGRADE,
    active,
    asked,
    asked_again,
    attempt_of,
    declined,
    due,
    early,
    given_goodwill,
    incomplete,
    offered,
    paid,
    past_due,
    prompted,
    trial_over,
    upgrading,
)
from tests.subscription_builders import pay_invoice, revoke_cancellation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from tests.ledger.given import History

    Scenes = Mapping[str, Callable[[], History]]

EXPIRES: Final = timedelta(hours=1)
AGAIN: Final = attempt_of(2, 2)
EXACT: Final = "R-EXACT"
OTHER: Final = "R-OTHER"


def with_receipts(scene: Callable[[], History], amount: int) -> History:
    """With money in suspense that names no payment: just the amount, and another one."""
    return scene().given(
        report_success(None, amount, transaction=EXACT),
        report_success(None, amount - 1, transaction=OTHER),
    )


def of_receipt(transaction: str) -> UUID:
    return receipt_id(provider=PROVIDER, transaction=transaction)


# A renewal that the clock collects.


def too_little() -> History:
    return asked().given(paid(SECOND, MONTHLY - 1, "LESS"))


def credit_reserved() -> History:
    """Of what was declined, 10,000 of goodwill are reserved, and 21,000 are asked for."""
    history = given_goodwill(past_due(), 10_000).at(RENEWAL + timedelta(hours=4))
    return history.given(CLOCK, *prompted(AGAIN))


RENEWALS: Final[Scenes] = {
    "initiated": lambda: due().given(CLOCK),
    "submitting": lambda: due().given(CLOCK, start_submission(SECOND)),
    "prompted": asked,
    "unknown": lambda: due().given(
        CLOCK, start_submission(SECOND), record_submission_unknown(SECOND)
    ),
    "declined": past_due,
    "expired": lambda: asked().at(RENEWAL + EXPIRES).given(expire_payment(SECOND)),
    "never sent": lambda: due().given(CLOCK).at(RENEWAL + EXPIRES).given(expire_payment(SECOND)),
    "asked again": asked_again,
    "another part wanted": credit_reserved,
    "another part declined": lambda: credit_reserved().given(declined(AGAIN)),
    "paid": lambda: asked().given(paid(SECOND, transaction="PAID")),
    "too little": too_little,
    "too little, void": lambda: too_little().given(CANCEL),
    "void, initiated": lambda: due().given(CLOCK, CANCEL),
    "void, prompted": lambda: asked().given(CANCEL),
    "void, declined": lambda: past_due().given(CANCEL),
    "credit": lambda: asked().given(CANCEL, paid(SECOND, transaction="PAID")),
    "expired subscription": lambda: past_due().at(RENEWAL + timedelta(days=7)).given(CLOCK),
}


# The first period, now or after a trial.

FIRSTS: Final[Scenes] = {
    "incomplete": incomplete,
    "incomplete, declined": NOT_PAID["incomplete, declined"],
    "cancelled": lambda: incomplete().given(CANCEL),
    "trial": NOT_PAID["trial, prompted"],
    "trial to end": lambda: NOT_PAID["trial, prompted"]().given(CANCEL_LATER),
    "trial going on": lambda: NOT_PAID["trial, prompted"]().given(
        CANCEL_LATER, revoke_cancellation(SUBSCRIPTION)
    ),
    "trial, issued again": lambda: NOT_PAID["trial, prompted"]().given(
        CANCEL_LATER, revoke_cancellation(SUBSCRIPTION), PAY, *prompted(attempt_of(1, 2))
    ),
    "trial over": lambda: trial_over().given(CLOCK, *prompted(FIRST)),
    "trial over, declined": NOT_PAID["trial over, declined"],
}


# What is paid ahead of its time, and what is ordered.

EARLY: Final[Scenes] = {
    "early": early,
    "early, declined": ACTIVE["early, declined"],
    "early, replaced": lambda: early().given(TO_UPGRADE, *prompted(UPGRADE)),
    "early, paused": lambda: early().given(PAUSE),
}
UPGRADES: Final[Scenes] = {
    "initiated": lambda: active().given(TO_UPGRADE),
    "prompted": upgrading,
    "declined": ACTIVE["upgrade declined"],
    "renewal open": lambda: upgrading().given(pay_invoice(SUBSCRIPTION, 2)),
    "quote over": ACTIVE["quote is over"],
    "quote over, seen": lambda: ACTIVE["quote is over"]().given(CLOCK),
    "renewal asked": lambda: (
        upgrading().at(RENEWAL).given(CLOCK, *prompted(SECOND)).at(RENEWAL + LATER)
    ),
    "renewal declined": lambda: (
        upgrading()
        .at(RENEWAL)
        .given(CLOCK, *prompted(SECOND))
        .at(RENEWAL + LATER)
        .given(declined(SECOND))
    ),
    "prepaid": lambda: (
        active()
        .given(TO_PREPAY, *prompted(IN_ADVANCE), paid(IN_ADVANCE, PREPAID * MONTHLY))
        .given(TO_UPGRADE, *prompted(UPGRADE))
    ),
    "cancelled": lambda: upgrading().given(CANCEL),
}
PREPAYMENTS: Final[Scenes] = {
    "prompted": ACTIVE["prepaying"],
    "replaced": lambda: ACTIVE["prepaying"]().given(pay_invoice(SUBSCRIPTION, 2)),
    "over": lambda: ACTIVE["prepaying"]().at(DAYS_10 + 2 * EXPIRES),
    "to be cancelled": lambda: ACTIVE["prepaying"]().given(CANCEL_LATER),
}


# By hand, at a till.


def at_a_till(scene: Callable[[], History]) -> Callable[[], History]:
    return lambda: scene().given(pay_invoice(SUBSCRIPTION, till_payment=TILL))


TILLS: Final[Scenes] = {
    "incomplete": at_a_till(NOT_PAID["incomplete, declined"]),
    "trial": at_a_till(lambda: offered().given(TRY)),
    "early": at_a_till(active),
    "prompted too": at_a_till(asked),
    "past due": at_a_till(past_due),
    "expired": lambda: (
        at_a_till(past_due)().at(RENEWAL + LATER + EXPIRES).given(expire_payment(TILL))
    ),
    "paid by prompt": lambda: at_a_till(asked)().given(paid(SECOND)),
    "cancelled": lambda: at_a_till(past_due)().given(CANCEL),
}

KINDS: Final[Mapping[str, tuple[UUID, int, Scenes]]] = {
    "renewal": (SECOND, MONTHLY, RENEWALS),
    "first period": (FIRST, MONTHLY, FIRSTS),
    "early": (SECOND, MONTHLY, EARLY),
    "upgrade": (UPGRADE, TO_GOLD, UPGRADES),
    "prepayment": (IN_ADVANCE, PREPAID * MONTHLY, PREPAYMENTS),
    "till": (TILL, MONTHLY, TILLS),
}
"""The payment, its amount, and where it and its invoice may stand."""
