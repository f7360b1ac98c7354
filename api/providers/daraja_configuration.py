"""What Daraja is configured by: HESABU_DARAJA_*.

Pushing prompts needs the first group; asking about till payments and sending payments back needs an
initiator too; payouts need a short code, an initiator and its credential of their own, and may have
an app of their own. Each group is there as a whole or not at all.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from api.providers.configuration import HalfConfiguredError, ProviderConfiguration

PREFIX: Final = "HESABU_DARAJA_"
SECRET_BYTES_MIN: Final = 24
REVERSALS: Final = ("initiator", "security_credential")
PAYOUTS: Final = ("payout_short_code", "payout_initiator", "payout_security_credential")
PAYOUT_APP: Final = ("payout_consumer_key", "payout_consumer_secret")


class DarajaConfiguration(ProviderConfiguration):
    """`url` is Safaricom's production; its sandbox is https://sandbox.safaricom.co.ke."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True, frozen=True
    )

    consumer_key: str = ""
    consumer_secret: SecretStr = SecretStr("")
    short_code: str = ""
    """The pay bill, or the store of the till."""
    passkey: SecretStr = SecretStr("")
    callback_secret: SecretStr = SecretStr("")
    """Ours, and nobody else's: what addresses for callbacks are proved with."""

    url: str = "https://api.safaricom.co.ke"
    till: str | None = None
    """Of Buy Goods, where `short_code` is its store; without one it is a pay bill."""
    addresses: str | None = None
    """Comma-separated addresses and networks that may call back; all of them if there are none."""
    first_query_seconds: float = Field(default=10.0, gt=0)

    initiator: str | None = None
    security_credential: SecretStr | None = None

    payout_short_code: str | None = None
    payout_initiator: str | None = None
    payout_security_credential: SecretStr | None = None
    payout_consumer_key: str | None = None
    payout_consumer_secret: SecretStr | None = None

    @field_validator("callback_secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value().strip().encode()) < SECRET_BYTES_MIN:
            message = f"must have at least {SECRET_BYTES_MIN} bytes"
            raise ValueError(message)
        return secret

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        _networks(text)
        return text

    def is_complete(self) -> bool:
        """Whether prompts can be pushed. Raises `HalfConfiguredError`, of any group."""
        complete = super().is_complete()
        for group in (REVERSALS, PAYOUTS, PAYOUT_APP):
            self.has_all(group)
        if self.text(PAYOUT_APP[0]) and not self.pays_out:
            raise HalfConfiguredError(PREFIX, PAYOUTS)
        return complete

    @property
    def reverses(self) -> bool:
        """Whether till payments can be asked about, and payments sent back."""
        return bool(self.text("initiator"))

    @property
    def pays_out(self) -> bool:
        """Whether money can be sent to phones."""
        return bool(self.text("payout_short_code"))

    @property
    def accounts(self) -> frozenset[str]:
        """Where money comes in."""
        return frozenset({self.text("short_code"), self.text("till")} - {""})

    def is_allowed(self, address: str | None) -> bool:
        """Whether an address may call back."""
        networks = _networks(self.addresses)
        if not networks:
            return True
        try:
            caller = ip_address(address or "")
        except ValueError:
            return False
        return any(caller in network for network in networks)


def _networks(text: str | None) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each.strip()) for each in (text or "").split(",") if each.strip())
