"""Stripe's disputes: inquiries that take nothing, disputes that do, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.providers.amounts import UnreadableError
from api.providers.stripe_reports import NAME, integer, moment, money_of
from api.providers.words import name_of
from ledger.commands import DisputeReport, FeeReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from api.providers.stripe_reports import Event
    from ledger.commands import AnyReport, DisputeStage
    from ledger.money import Money

NOT_LOST: Final = frozenset({"won", "warning_closed", "prevented"})


def dispute_reports(event: Event, payment_id: UUID) -> tuple[AnyReport, ...]:
    """What an event says of a dispute and of its fee. Raises `UnreadableError`."""
    dispute, word = event.object, event.type.removeprefix("charge.dispute.")
    status = str(dispute.get("status"))
    # An inquiry asks; only a dispute takes the money.
    is_inquiry = status.startswith("warning_") or status == "prevented"
    disputed = money_of(dispute.get("amount"), dispute)
    stage, lost = _stage(word, status, is_inquiry=is_inquiry), None
    if stage == "closed":
        lost = 0 if status in NOT_LOST else _lost(dispute, disputed)
    report = DisputeReport(
        provider=NAME,
        payment_id=payment_id,
        dispute=name_of(dispute.get("id")),
        stage=stage,
        disputed=disputed,
        lost_amount=lost,
        funds_withdrawn=not is_inquiry,
        occurred_at=event.created,
    )
    return report, *_dispute_fees(dispute, payment_id)


def _stage(word: str, status: str, *, is_inquiry: bool) -> DisputeStage:
    if word == "created":
        return "warned" if is_inquiry else "opened"
    if word == "funds_withdrawn":
        return "opened"
    if status not in NOT_LOST and status != "lost":
        # Some of it came back while it is open: what that means a person must find out.
        raise UnreadableError("dispute_still_open")
    return "closed"


def _lost(dispute: Mapping[str, Any], disputed: Money) -> int:
    """All of it, less what came back, where the balance has its currency."""
    moved = _balance_transactions(dispute)
    if any(each.get("currency") != dispute.get("currency") for each in moved):
        return disputed.amount
    back = sum(integer(each.get("amount")) for each in moved if integer(each.get("amount")) > 0)
    if not back:
        return disputed.amount
    return max(0, disputed.amount - money_of(back, dispute).amount)


def _dispute_fees(dispute: Mapping[str, Any], payment_id: UUID) -> list[FeeReport]:
    name = name_of(dispute.get("id"))
    return [
        FeeReport(
            provider=NAME,
            payment_id=payment_id,
            fee_reference=f"fee:{name}",
            fee=money_of(abs(integer(each["fee"])), each),
            dispute=name,
            returned=integer(each["fee"]) < 0,
            occurred_at=moment(each.get("created")),
        )
        for each in _balance_transactions(dispute)
        if each.get("fee")
    ]


def _balance_transactions(dispute: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = dispute.get("balance_transactions")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
