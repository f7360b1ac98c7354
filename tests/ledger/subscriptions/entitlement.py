"""Access at any instant, told again from the facts alone: a naive timeline.

A fan has access while a trial runs, while a period that is paid runs, while a period runs that
nobody has asked for in vain, and in the grace after that; until it ends, pauses, or was to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.ledger.subscriptions.naive_calendar import moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tests.ledger.subscriptions.laws import Fields

Fact = tuple[int, str, "Fields"]
"""A version of the stream, a topic, the stored fields."""


@dataclass
class _Access:
    trial: datetime | None = None
    paid: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)
    begun: bool = False
    asked_in_vain: bool = False
    grace: datetime | None = None
    limits: dict[str, datetime] = field(default_factory=dict)
    stopped: bool = False

    def hear(self, topic: str, fields: Fields) -> None:
        match topic.removeprefix("subscription.").removesuffix(".v1"):
            case "trial_started":
                self.trial = moment(fields["ends_at"])
            case "activated" | "trial_converted" | "resumed":
                self.begun, self.stopped, self.asked_in_vain = True, False, False
            case "period_paid":
                period = (moment(fields["start"]), moment(fields["end"]))
                self.paid[fields["number"]] = period
                self.asked_in_vain = False
            case "periods_prepaid":
                starts = [moment(each) for each in (*fields["starts"], fields["end"])]
                for index in range(fields["count"]):
                    self.paid[fields["number"] + index] = (starts[index], starts[index + 1])
            case "prepayment_ended":
                self.paid = {n: each for n, each in self.paid.items() if n < fields["number"]}
            case "past_due":
                self.asked_in_vain = True
                grace = fields["grace_until"]
                self.grace = moment(grace) if grace and fields["entitled"] else None
            case "cancellation_scheduled":
                self.limits["cancel"] = moment(fields["at"])
            case "pause_scheduled":
                self.limits["pause"] = moment(fields["at"])
            case "cancellation_revoked":
                self.limits.clear()
            case "paused":
                self.stopped = True
                self.paid.clear()
                self.limits.pop("pause", None)
            case "cancelled" | "expired":
                self.stopped = True
            case _:
                pass

    def at(self, instant: datetime) -> bool:
        if self.stopped or any(limit <= instant for limit in self.limits.values()):
            return False
        return (
            (self.trial is not None and instant < self.trial)
            or any(begins <= instant < ends for begins, ends in self.paid.values())
            or (self.begun and not self.asked_in_vain)
            or (self.grace is not None and self.asked_in_vain and instant < self.grace)
        )


def is_entitled(facts: Iterable[Fact], *, version: int, instant: datetime) -> bool:
    """Whether a fan has access at an instant, by the facts up to a version of the stream."""
    access = _Access()
    for at, topic, fields in facts:
        if at > version:
            break
        access.hear(topic, fields)
    return access.at(instant)
