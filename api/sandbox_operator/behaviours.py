"""What will the operator do with this phone number? Its last three digits say so.

``GET /v1/behaviours`` answers with this table. A number whose digits are not listed pays as asked,
and so does one whose digits are about something else than prompts. What becomes of a refund or
a dispute is said by the phone that paid; of a payout, by the phone that is paid out to.

A stored card does as a phone with the same last three digits, ``card_000`` as 000, except where
a person would have to answer: ``INSTEAD_FOR_A_CARD``. Nothing expires either: 003 is a bank that
does not answer, 006 succeeds late.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Behaviour(StrEnum):
    """What happens to this phone; the value is the last three digits of its number."""

    SUCCESS = "000"
    INSUFFICIENT_FUNDS = "001"
    CANCELLED_BY_PAYER = "002"
    TIMEOUT = "003"
    DELIVERED_FIVE_TIMES = "004"
    OUT_OF_ORDER = "005"
    SUCCESS_AFTER_EXPIRY = "006"
    PAYS_LESS = "007"
    PAYS_MORE = "008"
    PAYS_IN_ANOTHER_CURRENCY = "009"
    SILENCE = "010"
    CALLBACK_BEFORE_ANSWER = "011"
    PUSH_FAILS_UNACCEPTED = "012"
    PUSH_FAILS_ACCEPTED = "013"
    PUSH_HANGS = "014"
    CONTRADICTED = "015"
    SECOND_TRANSACTION = "016"
    STATUS_FAILS_AND_CALLBACK_LOST = "017"
    TWO_WEBHOOK_IDS = "018"
    PAYOUT_HANGS = "020"
    PAYOUT_PAID_THEN_RETURNED = "021"
    PAYOUT_FAILS = "022"
    PAYOUT_FLOAT_EMPTY_ONCE = "023"
    REFUND_FAILS = "024"
    REFUND_FAILS_AFTER_SUCCESS = "025"
    REFUND_HANGS = "026"
    DISPUTE_WON = "027"
    DISPUTE_LOST = "028"
    DISPUTE_AFTER_PAYOUT = "029"
    REVERSED_UNASKED = "030"
    FEE_CHARGED_LATE = "031"
    PAYOUT_SILENT = "032"
    REFUND_SILENT = "033"
    PAYOUT_FAILED_THEN_PAID = "034"
    DISPUTE_CLOSED_BEFORE_OPENED = "035"
    PAYOUT_PUSH_FAILS_UNACCEPTED = "036"
    PAYOUT_PUSH_FAILS_ACCEPTED = "037"


DESCRIPTIONS: Mapping[Behaviour, str] = {
    Behaviour.SUCCESS: "The person pays what was asked. So does every number that is not listed.",
    Behaviour.INSUFFICIENT_FUNDS: "Fails: the person has too little money.",
    Behaviour.CANCELLED_BY_PAYER: "The person declines the prompt. A card does as 001.",
    Behaviour.TIMEOUT: "The person never answers; the prompt fails with the reason timeout.",
    Behaviour.DELIVERED_FIVE_TIMES: (
        "Succeeds; the same callback is delivered five times at once, with one webhook-id."
    ),
    Behaviour.OUT_OF_ORDER: "Succeeds; payment.succeeded arrives before payment.pending.",
    Behaviour.SUCCESS_AFTER_EXPIRY: (
        "Stays pending until some time after the prompt expired, and then succeeds. A card, which "
        "has nothing that expires, succeeds some time later."
    ),
    Behaviour.PAYS_LESS: (
        "Succeeds with half of the amount, rounded down to the minor unit. A card does as 000."
    ),
    Behaviour.PAYS_MORE: "Succeeds with twice the amount. A card does as 000.",
    Behaviour.PAYS_IN_ANOTHER_CURRENCY: (
        "Succeeds with the same number in USD, or in EUR if USD was asked. A card does as 000."
    ),
    Behaviour.SILENCE: "Succeeds without any callback; only the status query knows.",
    Behaviour.CALLBACK_BEFORE_ANSWER: (
        "Succeeds; the callback is delivered and acknowledged before the push is answered."
    ),
    Behaviour.PUSH_FAILS_UNACCEPTED: "The push answers 500 and nothing was accepted.",
    Behaviour.PUSH_FAILS_ACCEPTED: "The push answers 500 though it was accepted; then succeeds.",
    Behaviour.PUSH_HANGS: (
        "The push is accepted but answered far too late; the success callback comes meanwhile."
    ),
    Behaviour.CONTRADICTED: (
        "Succeeds; after the success callback a failed one follows, with another webhook-id. "
        "The status query stays with success."
    ),
    Behaviour.SECOND_TRANSACTION: (
        "Succeeds twice: a second success callback follows, with another transaction."
    ),
    Behaviour.STATUS_FAILS_AND_CALLBACK_LOST: (
        "Succeeds; the status query always answers 500 and the callback is lost three times "
        "before it is delivered."
    ),
    Behaviour.TWO_WEBHOOK_IDS: (
        "Succeeds; the callback is delivered twice at once, with two webhook-ids and one "
        "transaction."
    ),
    Behaviour.PAYOUT_HANGS: (
        "A payout is accepted but answered far too late; it is paid, and its callback comes "
        "meanwhile."
    ),
    Behaviour.PAYOUT_PAID_THEN_RETURNED: (
        "A payout is paid, and comes back afterwards: recipient_wallet_closed."
    ),
    Behaviour.PAYOUT_FAILS: "A payout fails for good: recipient_unknown.",
    Behaviour.PAYOUT_FLOAT_EMPTY_ONCE: (
        "The first payout to this number fails, retryable: float_empty. Later ones are paid."
    ),
    Behaviour.REFUND_FAILS: "A refund of its payment fails: account_closed.",
    Behaviour.REFUND_FAILS_AFTER_SUCCESS: (
        "A refund of its payment succeeds, and fails afterwards: sent_back."
    ),
    Behaviour.REFUND_HANGS: (
        "A refund of its payment is accepted but answered far too late; it succeeds, and its "
        "callback comes meanwhile."
    ),
    Behaviour.DISPUTE_WON: (
        "Its payment is disputed: warned, opened with the funds withdrawn, closed with nothing "
        "lost."
    ),
    Behaviour.DISPUTE_LOST: (
        "Its payment is disputed: opened with the funds withdrawn, a fee charged, closed with "
        "everything lost."
    ),
    Behaviour.DISPUTE_AFTER_PAYOUT: (
        "Its payment is disputed only after the setting dispute_late_seconds, if it is given: "
        "opened, closed with everything lost. Otherwise when POST /v1/disputes says so."
    ),
    Behaviour.REVERSED_UNASKED: "Its payment is refunded though nobody asked for it.",
    Behaviour.FEE_CHARGED_LATE: "The fee for its payment is charged some time after the payment.",
    Behaviour.PAYOUT_SILENT: "A payout is paid without any callback; only the status query knows.",
    Behaviour.REFUND_SILENT: (
        "A refund of its payment succeeds without any callback; only the status query knows."
    ),
    Behaviour.PAYOUT_FAILED_THEN_PAID: (
        "A payout fails, not retryable: processing_timeout. Then it turns out to be paid."
    ),
    Behaviour.DISPUTE_CLOSED_BEFORE_OPENED: (
        "Its payment is disputed and everything is lost; dispute.closed arrives before "
        "dispute.opened."
    ),
    Behaviour.PAYOUT_PUSH_FAILS_UNACCEPTED: (
        "A payout is answered with 500 and nothing was accepted."
    ),
    Behaviour.PAYOUT_PUSH_FAILS_ACCEPTED: (
        "A payout is answered with 500 though it was accepted; then it is paid."
    ),
}
"""Every behaviour in words, for the documentation and for ``GET /v1/behaviours``."""

INSTEAD_FOR_A_CARD: Mapping[Behaviour, Behaviour] = {
    Behaviour.CANCELLED_BY_PAYER: Behaviour.INSUFFICIENT_FUNDS,
    Behaviour.PAYS_LESS: Behaviour.SUCCESS,
    Behaviour.PAYS_MORE: Behaviour.SUCCESS,
    Behaviour.PAYS_IN_ANOTHER_CURRENCY: Behaviour.SUCCESS,
}
"""Nobody is asked who could decline, or who could pay something else than was asked."""


def behaviour_of(phone: str) -> Behaviour:
    """What the operator does with ``phone`` (E.164, such as +254700000001)."""
    try:
        return Behaviour(phone[-3:])
    except ValueError:
        return Behaviour.SUCCESS


def behaviour_of_card(token: str) -> Behaviour:
    """What the operator does with a stored card (its token, such as card_001)."""
    behaviour = behaviour_of(token)
    return INSTEAD_FOR_A_CARD.get(behaviour, behaviour)
