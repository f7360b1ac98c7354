"""What the platform asks for a payout, on top of what its provider can pay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.commands import PayoutTerms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.providers.port import Provider
    from api.settings import Settings


def payout_terms(
    providers: Mapping[str, Provider], settings: Settings, *, provider: str, currency: str
) -> PayoutTerms | None:
    """The terms for a payout now; None where the provider is not here or not in this currency."""
    adapter = providers.get(provider)
    limits = None if adapter is None else adapter.payout_terms(currency)
    if limits is None:
        return None
    return PayoutTerms(
        provider=limits.provider,
        currency=currency,
        step=limits.step,
        minimum=limits.minimum,
        maximum=limits.maximum,
        fixed_fee=settings.payout_fixed_fee,
        fee_basis_points=settings.payout_fee_basis_points,
        vat_basis_points=settings.payout_vat_basis_points,
        approvals_required=settings.payout_approvals_required,
    )


def no_terms(currency: str) -> PayoutTerms:
    """Terms for a destination that is not there, or at no provider of ours: it is not found.

    The ledger is asked all the same, since a repeated request is answered with its first outcome
    although the destination was removed meanwhile.
    """
    return PayoutTerms(
        provider="",
        currency=currency,
        step=1,
        minimum=1,
        maximum=1,
        fixed_fee=0,
        fee_basis_points=0,
        vat_basis_points=0,
        approvals_required=1,
    )
