"""Which providers are configured. An empty secret disables a provider: its door answers 404."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Final

from api.providers.sandbox import Sandbox

if TYPE_CHECKING:
    from api.providers.port import Provider
    from api.settings import Settings

SECRET_BYTES_MIN: Final = 24


def providers_of(settings: Settings) -> dict[str, Provider]:
    """The providers that are fully configured, by name."""
    providers: dict[str, Provider] = {}
    key, secret = settings.sandbox_api_key, settings.sandbox_webhook_secret
    if settings.sandbox_url and key and secret and _usable(secret.get_secret_value()):
        sandbox = Sandbox(
            url=settings.sandbox_url,
            api_key=key.get_secret_value(),
            webhook_secret=secret.get_secret_value(),
            timeout_seconds=settings.provider_timeout_seconds,
        )
        providers[sandbox.name] = sandbox
    return providers


def _usable(secret: str) -> bool:
    """An empty HMAC key can be forged by anybody: at least 24 bytes, as the standard advises."""
    digits = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        return False
    return len(key) >= SECRET_BYTES_MIN
