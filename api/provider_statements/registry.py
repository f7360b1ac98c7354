"""Whose statements are read, each by its mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.provider_statements.airtel import AIRTEL
from api.provider_statements.daraja import DARAJA
from api.provider_statements.flutterwave import FLUTTERWAVE
from api.provider_statements.mapping import InvalidMappingError, overridden
from api.provider_statements.momo import MOMO
from api.provider_statements.paystack import PAYSTACK
from api.provider_statements.sandbox import SANDBOX
from api.provider_statements.stripe import STRIPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.provider_statements.mapping import StatementMapping

MAPPINGS: Final = {
    each.provider: each for each in (SANDBOX, DARAJA, MOMO, AIRTEL, FLUTTERWAVE, PAYSTACK, STRIPE)
}


def mapping_of(provider: str, columns: Mapping[str, Mapping[str, str]]) -> StatementMapping | None:
    """A provider's mapping with what the deployment says of it; None if there is none."""
    mapping = MAPPINGS.get(provider)
    return None if mapping is None else overridden(mapping, columns.get(provider, {}))


def check_columns(columns: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `InvalidMappingError` for what cannot be said of a provider's statement."""
    for provider in columns:
        if mapping_of(provider, columns) is None:
            raise InvalidMappingError(f"{provider} is no provider whose statements are read")
