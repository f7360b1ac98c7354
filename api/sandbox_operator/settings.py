"""How is the operator configured? By environment variables with the prefix SANDBOX_OPERATOR_."""

from typing import Annotated, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class OperatorSettings(BaseSettings):
    """The operator's settings; ``api_key`` and ``webhook_secret`` have no default on purpose.

    Errors never repeat the input, since it may be a secret.
    """

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_OPERATOR_", frozen=True, hide_input_in_errors=True
    )

    api_key: Annotated[SecretStr, Field(min_length=8)]
    """What callers send as ``Authorization: Bearer``."""

    webhook_secret: SecretStr
    """``whsec_`` and base64 of the key that signs callbacks."""

    callback_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8000/api/v1/webhooks/sandbox")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8090
    """0 takes a free port, which is printed once the operator listens."""

    delay_seconds: Seconds = 0.5
    """Between accepting a prompt and its callback: the person types the PIN.

    Also between accepting a refund or payout and its callback, and between callbacks in a row.
    """

    timeout_seconds: Seconds = 5.0
    """How long the phone rings for a person who never answers, if it does not expire before."""

    late_seconds: Seconds = 5.0
    """How long after the expiry of the prompt a late success comes; after a payment, a late fee."""

    dispute_late_seconds: Seconds | None = None
    """How long after its payment a dispute comes that waits for the payout; never if not given."""

    hang_seconds: Seconds = 30.0
    """How long a hanging push takes to answer; also the longest wait for an acknowledgement."""

    callback_timeout_seconds: Annotated[Seconds, Field(gt=0)] = 10.0
    """How long the receiver of a callback may take to answer, connecting included."""

    callback_retries: Annotated[int, Field(ge=0, le=50)] = 8
    """Further deliveries of a callback that was not acknowledged with a 2xx."""

    retry_backoff_seconds: Seconds = 0.5
    """Before the first retry; it doubles for each further one."""

    retry_backoff_seconds_max: Seconds = 60.0

    callbacks_at_once_max: Annotated[int, Field(ge=1, le=1_000)] = 32
    """Callbacks in flight; the others wait for their turn."""

    prompts_kept_max: Annotated[int, Field(ge=1)] = 200_000
    """Prompts in memory: the oldest finished one is forgotten for each new one beyond this."""

    transactions_kept_max: Annotated[int, Field(ge=1)] = 200_000
    """Payments in memory that can be refunded or disputed; the oldest one is forgotten."""

    refunds_kept_max: Annotated[int, Field(ge=1)] = 200_000
    """Refunds in memory: the oldest finished one is forgotten for each new one beyond this."""

    payouts_kept_max: Annotated[int, Field(ge=1)] = 200_000
    """Payouts in memory: the oldest finished one is forgotten for each new one beyond this."""

    announcements_open_max: Annotated[int, Field(ge=1)] = 10_000
    """Callbacks in memory that somebody asked for and that are not delivered yet."""

    deliveries_kept_max: Annotated[int, Field(ge=1)] = 200_000
    """Delivery attempts kept for the statistics."""

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            pydantic.ValidationError: a setting is missing or not acceptable.

        """
        return cls.model_validate({})

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if not text.startswith("whsec_"):
            raise ValueError("must begin with whsec_")
        try:
            Webhook(text)
        except EmptyWebhookSecretError as error:
            # An empty key signs, and can be forged by everybody.
            raise ValueError("must not be empty after whsec_") from error
        return secret
