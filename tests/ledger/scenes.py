"""Places from which the tests of decisions start: people, a payment in each of its states."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ledger.commands import Claim
from ledger.receipt import receipt_id
from tests.builders import (
    GROSS,
    NOON,
    PROVIDER,
    SETTLEMENT_DELAY_SECONDS,
    cancel_payment,
    expire_payment,
    initiate_payment,
    record_submission_unknown,
    record_submitted,
    register_creator,
    report_success,
    report_without_money,
    start_submission,
)
from tests.ledger.given import History
from tests.money_builders import (
    add_destination,
    release_funds,
    verify_creator,
    verify_destination,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CREATOR: Final = UUID(int=1)
FAN: Final = UUID(int=2)
PAYMENT: Final = UUID(int=3)
OTHER_PAYMENT: Final = UUID(int=4)
REFUND: Final = UUID(int=5)
WISH: Final = UUID(int=6)
DESTINATION: Final = UUID(int=7)
PAYOUT: Final = UUID(int=8)
PROPOSAL: Final = UUID(int=9)
NOBODY: Final = UUID(int=10)
UNMATCHED: Final = "UNMATCHED"
RECEIPT: Final = receipt_id(provider=PROVIDER, transaction=UNMATCHED)
EXPIRES_AT: Final = NOON + timedelta(hours=1)
RELEASES_AT: Final = NOON + timedelta(seconds=SETTLEMENT_DELAY_SECONDS)
MOMENT: Final = timedelta(microseconds=1)


def initiated() -> History:
    """A creator, and a payment that waits to be taken to the provider."""
    return History().given(
        register_creator(CREATOR),
        initiate_payment(CREATOR, payment_id=PAYMENT, fan_id=FAN),
    )


def submitted() -> History:
    return initiated().given(start_submission(PAYMENT), record_submitted(PAYMENT))


def succeeded() -> History:
    """100,000 arrived: 88,400 for the creator, 10,000 fee and 1,600 VAT."""
    return submitted().given(report_success(PAYMENT, transaction="PAID"))


def mismatched() -> History:
    """Too little arrived, and waits for a person."""
    return submitted().given(report_success(PAYMENT, GROSS - 1, transaction="LESS"))


def unmatched() -> History:
    """A creator, and money that names no payment of ours."""
    return History().given(register_creator(CREATOR), report_success(None, transaction=UNMATCHED))


PAYMENT_STATES: Final[Mapping[str, Callable[[], History]]] = {
    "none": History,
    "initiated": initiated,
    "submitting": lambda: initiated().given(start_submission(PAYMENT)),
    "submitted": submitted,
    "submission_unknown": lambda: initiated().given(
        start_submission(PAYMENT), record_submission_unknown(PAYMENT)
    ),
    "authorised": lambda: submitted().given(report_without_money(PAYMENT, Claim.AUTHORISED)),
    "succeeded": succeeded,
    "failed": lambda: submitted().given(report_without_money(PAYMENT, Claim.FAILED)),
    "cancelled": lambda: initiated().given(cancel_payment(PAYMENT, FAN)),
    "expired": lambda: initiated().at(EXPIRES_AT).given(expire_payment(PAYMENT)).at(NOON),
    "needs_review": mismatched,
}


def payable() -> History:
    """A verified creator with 88,400 available, and a destination that may be used."""
    history = succeeded().given(
        verify_creator(CREATOR),
        add_destination(CREATOR, DESTINATION),
        verify_destination(CREATOR, DESTINATION),
    )
    return history.at(RELEASES_AT).given(release_funds(PAYMENT)).at(NOON)
