"""Something is due of a subscription: the clock asks the ledger to do whatever it is.

What is done follows from the subscription's state, so it may be asked again by another clock, or
when there is nothing to do. So the key of the request is good for one asking alone and forgotten
after a while, like a caller's: one that stood for the due time for ever would turn a request that
came too early into a refusal of the one that comes in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.clock_schedules import ACTOR, said
from ledger.commands import AdvanceSubscription, IdempotencyKey
from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.clock_board import Due
    from api.providers.port import Provider
    from api.settings import Settings
    from ledger.commands import PaymentTerms

FINGERPRINT: Final = b"advance"
"""A key with a fingerprint is forgotten (api/housekeeping.py); the key says all of the request."""


class Renewals:
    """What becomes of subscriptions that are due: any provider may be asked for any renewal."""

    def __init__(self, providers: Mapping[str, Provider], settings: Settings) -> None:
        self._delay_seconds = settings.settlement_delay_seconds
        self._terms: dict[tuple[str, str], PaymentTerms] = {}
        for name, provider in providers.items():
            for currency in exponents():
                terms = provider.terms(
                    currency, expires_after_seconds=settings.renewal_expiry_seconds
                )
                if terms is not None:
                    self._terms[name, currency] = terms

    def request(self, due: Due) -> AdvanceSubscription:
        """Do all that is due of it by now."""
        asking = f"subscription:{due.subject_id}:{due.position}:{due.now.isoformat()}"
        common = said(due, asking, due.subject_id)
        return AdvanceSubscription(
            subscription_id=due.subject_id,
            fan_id=None,
            terms=self._terms,
            settlement_delay_seconds=self._delay_seconds,
            **{**common, "key": IdempotencyKey(ACTOR, asking, FINGERPRINT)},
        )
