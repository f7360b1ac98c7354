"""What each adapter is configured by: variables of its own, all of them or none.

A provider without any is not offered, and its door answers 404. One with some but not all of what
it needs stops the start, with the names of what is missing: half of a configuration is an error of
somebody's, and never a door that an empty secret opens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class HalfConfiguredError(ValueError):
    """A provider has some of its settings, and not all that it needs."""

    def __init__(self, prefix: str, missing: Iterable[str]) -> None:
        names = ", ".join(f"{prefix}{name.upper()}" for name in missing)
        super().__init__(f"Set {names} too, or none of {prefix}*.")


class ProviderConfiguration(BaseSettings):
    """A provider's settings: `model_config` names its prefix; fields are `str` or `SecretStr`.

    Empty by default is a field that is needed; one with a default of its own may be left out.
    """

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    def is_complete(self) -> bool:
        """Whether the provider is configured. Raises `HalfConfiguredError`."""
        needed = [
            name for name, field in type(self).model_fields.items() if _is_empty(field.default)
        ]
        return self.has_all(needed)

    def has_all(self, names: Sequence[str]) -> bool:
        """Whether these are there. Raises `HalfConfiguredError` where only some of them are."""
        missing = [name for name in names if not self.text(name)]
        if missing and len(missing) < len(names):
            raise HalfConfiguredError(str(self.model_config.get("env_prefix")), missing)
        return not missing

    def text(self, name: str) -> str:
        """A setting as text; empty if it is not there."""
        value = getattr(self, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return (value or "").strip()


def _is_empty(value: Any) -> bool:  # noqa: ANN401 - a field's
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return isinstance(value, str) and not value.strip()
