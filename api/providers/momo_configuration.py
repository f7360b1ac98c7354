"""What MTN MoMo is configured by: HESABU_MOMO_*, and what there is to know of its countries.

Collections have a user, a key and a subscription of their own, and so have disbursements, which pay
out and refund: those are there as a whole or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from api.providers.configuration import HalfConfiguredError, ProviderConfiguration
from ledger.money import AMOUNT_MAX, exponents

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "HESABU_MOMO_"
SECRET_BYTES_MIN: Final = 24
DISBURSEMENTS: Final = (
    "disbursement_user",
    "disbursement_key",
    "disbursement_subscription_key",
)


class Market(NamedTuple):
    """A country's wallet: what its phones begin with, and its amounts in minor units."""

    currency: str
    phones_begin_with: str
    minimum: int | None = None
    maximum: int | None = None


MARKETS: Final[Mapping[str, Market]] = {
    # At most 5,000,000 shillings at once, and at least 500.
    "mtnuganda": Market("UGX", "+256", 500, 5_000_000),
    "mtnghana": Market("GHS", "+233"),
    "mtnivorycoast": Market("XOF", "+225"),
    "mtnzambia": Market("ZMW", "+260"),
    "mtncameroon": Market("XAF", "+237"),
    "mtnbenin": Market("XOF", "+229"),
    "mtncongo": Market("XAF", "+242"),
    "mtnswaziland": Market("SZL", "+268"),
    "mtnguineaconakry": Market("GNF", "+224"),
    "mtnsouthafrica": Market("ZAR", "+27"),
    "mtnliberia": Market("LRD", "+231"),
    "mtnsouthsudan": Market("SSP", "+211"),
    "mtnnigeria": Market("NGN", "+234"),
    "mtnrwanda": Market("RWF", "+250"),
    # Its phones are of no country.
    "sandbox": Market("EUR", "+"),
}
"""By target environment. Limits are those of a payer's account and of MTN's contract: where no
document has them, one unit at least, and MTN decides."""


class MomoConfiguration(ProviderConfiguration):
    """`url` is MTN's production; its sandbox is https://sandbox.momodeveloper.mtn.com."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    target_environment: str = ""
    collection_user: str = ""
    collection_key: SecretStr = SecretStr("")
    collection_subscription_key: SecretStr = SecretStr("")
    callback_secret: SecretStr = SecretStr("")
    """Ours, and nobody else's: what addresses for callbacks are proved with."""

    url: str = "https://proxy.momoapi.mtn.com"
    first_query_seconds: float = Field(default=5.0, gt=0)
    minimum: int | None = Field(default=None, gt=0)
    maximum: int | None = Field(default=None, gt=0)
    """In minor units, where MTN's contract says otherwise than we do."""

    disbursement_user: str | None = None
    disbursement_key: SecretStr | None = None
    disbursement_subscription_key: SecretStr | None = None

    @field_validator("target_environment")
    @classmethod
    def _is_known(cls, environment: str) -> str:
        if environment and environment not in MARKETS:
            message = f"must be one of {', '.join(MARKETS)}"
            raise ValueError(message)
        return environment

    @field_validator("callback_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value().encode()) < SECRET_BYTES_MIN:
            message = f"must have at least {SECRET_BYTES_MIN} bytes"
            raise ValueError(message)
        return secret

    def is_complete(self) -> bool:
        """Whether phones can be prompted. Raises `HalfConfiguredError`, of either product."""
        complete = super().is_complete()
        if self.has_all(DISBURSEMENTS) and not complete:
            raise HalfConfiguredError(PREFIX, ("target_environment", "collection_user"))
        return complete

    @property
    def pays_out(self) -> bool:
        """Whether money can be sent to phones, and sent back."""
        return bool(self.text("disbursement_user"))

    @property
    def market(self) -> Market:
        """The country's, with this deployment's own limits."""
        market = MARKETS[self.target_environment]
        unit = 10 ** exponents()[market.currency]
        return market._replace(
            minimum=self.minimum or market.minimum or unit,
            maximum=self.maximum or market.maximum or AMOUNT_MAX,
        )
