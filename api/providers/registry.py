"""Which providers are configured. An empty secret disables a provider: its door answers 404.

Each adapter's module says by `configured(settings)` what it is, or None. To add a provider, write
its module and name it here.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Final

from api.providers import airtel, daraja, flutterwave, momo, paystack, stripe
from api.providers.port import Polling, Provider
from api.providers.sandbox import Sandbox
from api.settings import Settings

SECRET_BYTES_MIN: Final = 24

ADAPTERS: Final[tuple[Callable[[Settings], Provider | None], ...]] = (
    airtel.configured,
    daraja.configured,
    flutterwave.configured,
    momo.configured,
    paystack.configured,
    stripe.configured,
)
"""Of real providers, in the order in which they are told to people."""


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The providers that are configured, by name. Raises `HalfConfiguredError`."""
    adapters = [_sandbox(settings), *(configured(settings) for configured in ADAPTERS)]
    return {adapter.name: adapter for adapter in adapters if adapter is not None}


def _sandbox(settings: Settings) -> Provider | None:
    key, secret = settings.sandbox_api_key, settings.sandbox_webhook_secret
    if settings.sandbox_url and key and secret and _usable(secret.get_secret_value()):
        return Sandbox(
            url=settings.sandbox_url,
            api_key=key.get_secret_value(),
            webhook_secret=secret.get_secret_value(),
            timeout_seconds=settings.provider_timeout_seconds,
            polling=Polling(first_seconds=settings.status_query_seconds),
        )
    return None


def _usable(secret: str) -> bool:
    """An empty HMAC key can be forged by anybody: at least 24 bytes, as the standard advises."""
    digits = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return False
    return len(key) >= SECRET_BYTES_MIN
