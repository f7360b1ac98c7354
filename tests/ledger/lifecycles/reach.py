"""What a run must have come to besides every topic, or it has shown little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.ledger.lifecycles.laws import Fields


class Scene(StrEnum):
    """A turn that stories can take."""

    KEPT_FEE = "a payment whose fee stays when it is reversed"
    LATE = "money after the payment was given up"
    SEVERAL_RECEIPTS = "several receipts that pay one payment"
    REFUND_OF_CREATOR = "a refund that the creator asked for"
    REFUND_OF_ADMIN = "a refund that an admin asked for"
    REFUND_OF_PROVIDER = "a refund that only the provider knew"
    REFUND_OF_WISH = "a refund that a fan had wished for"
    REFUND_BEYOND = "a refund beyond what remained"
    REOPENED_BEYOND = "a refund that succeeded after all, beyond what remained"
    NOTHING_LEFT = "a release of nothing, all having gone back before"
    DISPUTE_BEYOND = "a dispute beyond what remained"
    NOT_WITHDRAWN = "a dispute whose money stayed with us"
    SECOND_ROUND = "a dispute that was reopened"
    LOST_IN_PART = "a dispute lost, but for some of it"
    WON = "a dispute won"
    CREATOR_PAYS = "a dispute's fee that the creator bears"
    SUPERSEDED = "a refund that a dispute overtook"
    PAID_AFTER_ALL = "a payout paid after we had given it up, or a second time"
    EXPIRED_HOLD = "a hold that ended by itself"
    SECOND_PERSON = "a proposal that waits for a second person"


def _requested(fields: Fields) -> set[Scene]:
    found = {Scene[f"REFUND_OF_{fields['origin'].upper()}"]}
    if fields["excess"]:
        found.add(Scene.REFUND_BEYOND)
    if fields["request_id"] is not None:
        found.add(Scene.REFUND_OF_WISH)
    return found


def _opened(fields: Fields) -> set[Scene]:
    reached = {
        Scene.DISPUTE_BEYOND: fields["excess"] > 0,
        Scene.NOT_WITHDRAWN: not fields["funds_withdrawn"],
        Scene.SECOND_ROUND: fields["round"] > 1,
    }
    return {scene for scene, there in reached.items() if there}


def _closed(fields: Fields) -> set[Scene]:
    if fields["lost_amount"] == 0:
        return {Scene.WON}
    accounts = {posting["account"] for posting in (fields["entry"] or {"postings": ()})["postings"]}
    given_back = any(account.endswith((":pending", ":available")) for account in accounts)
    return {Scene.LOST_IN_PART} if given_back else set()


def _where(scene: Scene, there: Callable[[Fields], object]) -> Callable[[Fields], set[Scene]]:
    return lambda fields: {scene} if there(fields) else set()


REACHED: Final[Mapping[str, Callable[[Fields], set[Scene]]]] = {
    "payment.initiated.v1": _where(Scene.KEPT_FEE, lambda fields: fields["plan"]["keep_fee"]),
    "payment.succeeded.v2": _where(Scene.LATE, lambda fields: fields["late"]),
    "payment.receipts_allocated.v1": _where(
        Scene.SEVERAL_RECEIPTS, lambda fields: len(fields["receipts"]) > 1
    ),
    "payment.funds_released.v1": _where(Scene.NOTHING_LEFT, lambda fields: not fields["amount"]),
    "refund.requested.v1": _requested,
    "refund.reopened_as_succeeded.v1": _where(
        Scene.REOPENED_BEYOND, lambda fields: fields["excess"]
    ),
    "refund.failed.v1": _where(
        Scene.SUPERSEDED, lambda fields: fields["reason"] == "superseded_by_dispute"
    ),
    "dispute.opened.v1": _opened,
    "dispute.closed.v1": _closed,
    "dispute.fee_charged.v1": _where(
        Scene.CREATOR_PAYS, lambda fields: fields["borne_by"] == "creator"
    ),
    "payout.paid.v1": _where(Scene.PAID_AFTER_ALL, lambda fields: fields["given_up"]),
    "creator.hold_released.v1": _where(Scene.EXPIRED_HOLD, lambda fields: fields["expired"]),
    "proposal.made.v1": _where(Scene.SECOND_PERSON, lambda fields: fields["second_person"]),
}
"""By topic: what an event, as it is stored, shows to have been reached."""
