"""The laws of subscriptions, checked on what was stored: JSON, plain dictionaries, no ledger code.

A `Watch` (watch.py) hears the events of a book in the order of the log, each as its topic, its
stream and its stored JSON, and notes every violation of a `Law`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

Fields = dict[str, Any]


class Law(StrEnum):
    """What must be true at every position, and what in the end."""

    NUMBERS = "every period is invoiced or skipped once, and no number is used again"
    TILES = "a period begins where the one before it ends, except after a pause"
    CALENDAR = "a period is the one that the calendar of its anchor says"
    ANCHOR = "a new anchor keeps the day and the hour of the old one"
    LATE = "a period that was over before it could be invoiced is never billed"
    PAID = "what is invoiced is paid in full, by money that pays nothing else"
    KEPT = "money pays what is open, waits in suspense or is the fan's credit"
    CREDIT = "a fan's credit is what they were given less what they spent and got back"
    PRORATION = "what is given back is what was paid for the time that is not used"
    QUOTE = "a higher tier costs the difference for the time that is left"
    EARNED = "creator, fees and VAT get what invoices were paid with, less what was given back"
    ENDED = "nothing is invoiced, asked or charged after the end"
    HOURS = "nobody is asked by the clock at night"
    ONE_PROMPT = "an invoice has one prompt at a time"
    APART = "prompts by the clock are three hours apart"
    PUSHED = "who was never really asked does not expire"
    GRACE = "grace is seven days or half a period from the first prompt that reached the fan"
    ENTITLED = "access is a trial, a paid period, or time for which nobody has asked yet"
    PROGRESS = "what was due is not due any more when the clock has done it"


class Violation(NamedTuple):
    """A law that was broken, by which event, and how."""

    law: Law
    place: str
    how: str
