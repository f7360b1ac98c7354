"""Which limit counts a request: a route declares it beside its roles (`Allow(…, often=…)`)."""

from __future__ import annotations

from enum import StrEnum


class RateClass(StrEnum):
    """What a request costs others."""

    READ = "read"
    """Asks only. Goes through when limits cannot be counted."""
    WRITE = "write"
    """May move money. Refused when limits cannot be counted."""
    PROMPT = "prompt"
    """Makes a phone ring: a prompt to pay, or a code by SMS, which costs too."""


def of_method(method: str) -> RateClass:
    """The class of a route that declares none: anything that is not a GET is a write."""
    return RateClass.READ if method in {"GET", "HEAD"} else RateClass.WRITE
