"""What Airtel Money is configured by: HESABU_AIRTEL_*, and what there is to know of its countries.

Payouts need the PIN of the disbursing wallet and the public key that Airtel wants it encrypted
with: both or neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from api.providers.airtel_secrets import public_key_of
from api.providers.configuration import HalfConfiguredError, ProviderConfiguration
from ledger.money import AMOUNT_MAX, exponents

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "HESABU_AIRTEL_"
PAYOUTS: Final = ("pin", "pin_public_key")
CALLBACK_KEY_LENGTH_MIN: Final = 16


class Market(NamedTuple):
    """A country's wallet: amounts in whole major units, which all that Airtel documents are."""

    currency: str
    phones_begin_with: str
    minimum: int = 1
    maximum: int | None = None


MARKETS: Final[Mapping[str, Market]] = {
    # At most 250,000 shillings at once, and at least 10.
    "KE": Market("KES", "+254", 10, 250_000),
    # At most 5,000,000 shillings at once, and at least 500.
    "UG": Market("UGX", "+256", 500, 5_000_000),
    "TZ": Market("TZS", "+255"),
    "RW": Market("RWF", "+250"),
    "ZM": Market("ZMW", "+260"),
    "MW": Market("MWK", "+265"),
    "NG": Market("NGN", "+234"),
    "CD": Market("CDF", "+243"),
    "TD": Market("XAF", "+235"),
    "NE": Market("XOF", "+227"),
    "CG": Market("XAF", "+242"),
    "GA": Market("XAF", "+241"),
    "MG": Market("MGA", "+261"),
    "SC": Market("SCR", "+248"),
}
"""By country. Where no document has limits, one unit at least, and Airtel decides."""


class Limits(NamedTuple):
    """Of amounts, in minor units."""

    step: int
    minimum: int
    maximum: int


class AirtelConfiguration(ProviderConfiguration):
    """`url` is Airtel's production; its sandbox is https://openapiuat.airtel.africa.

    Some countries have addresses of their own. `callback_key` is the private key of the callback
    authentication, which is switched on in the application's settings.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    country: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    callback_key: SecretStr = SecretStr("")

    url: str = "https://openapi.airtel.africa"
    version: Literal["v1", "v2"] = "v1"
    signs_messages: bool = False
    """Where the application's settings or the country want requests to be signed."""
    first_query_seconds: float = Field(default=180.0, gt=0)
    """Airtel asks for three minutes between a payment and the first enquiry about it."""
    minimum: int | None = Field(default=None, gt=0)
    maximum: int | None = Field(default=None, gt=0)
    """In minor units, where Airtel's contract says otherwise than we do."""

    pin: SecretStr | None = None
    pin_public_key: str | None = None
    """Base64, as Airtel's documentation of disbursements has it."""

    @field_validator("country")
    @classmethod
    def _is_known(cls, country: str) -> str:
        if country and country not in MARKETS:
            message = f"must be one of {', '.join(MARKETS)}"
            raise ValueError(message)
        return country

    @field_validator("callback_key")
    @classmethod
    def _is_long(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < CALLBACK_KEY_LENGTH_MIN:
            message = f"must have at least {CALLBACK_KEY_LENGTH_MIN} characters"
            raise ValueError(message)
        return key

    @field_validator("pin_public_key")
    @classmethod
    def _is_a_key(cls, key: str | None) -> str | None:
        if key:
            public_key_of(key)
        return key

    def is_complete(self) -> bool:
        """Whether phones can be prompted. Raises `HalfConfiguredError`, of payouts too."""
        complete = super().is_complete()
        if self.has_all(PAYOUTS) and not complete:
            raise HalfConfiguredError(PREFIX, ("country", "client_id"))
        return complete

    @property
    def pays_out(self) -> bool:
        """Whether money can be sent to phones."""
        return bool(self.text("pin"))

    @property
    def market(self) -> Market:
        """The country's."""
        return MARKETS[self.country]

    @property
    def limits(self) -> Limits:
        """The country's, or this deployment's own."""
        market = self.market
        unit = 10 ** exponents()[market.currency]
        most = AMOUNT_MAX - AMOUNT_MAX % unit if market.maximum is None else market.maximum * unit
        return Limits(unit, self.minimum or market.minimum * unit, self.maximum or most)
