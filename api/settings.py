"""What a deployment may set, from the environment; every process reads the same names.

`HESABU_…` variables, and `DATABASE_URL` for a database that is not the embedded one.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import platformdirs
from limits import parse_many
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.provider_statements.registry import check_columns

ORIGIN: Final = re.compile(
    r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)
"""Of a web page (RFC 6454), as a browser writes it."""


class Environment(StrEnum):
    """Where this runs. Development makes its own keys and tokens; production never does."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def default_data_directory() -> Path:
    """The user's data directory, where the embedded database and the keys lie by default."""
    return platformdirs.user_data_path("hesabu", appauthor=False)


def _is_a_limit(text: str) -> str:
    try:
        parse_many(text)
    except ValueError:
        raise ValueError("must be limits such as 10/minute;60/hour") from None
    return text


RateLimit = Annotated[str, AfterValidator(_is_a_limit)]
"""As the `limits` library reads it."""


class Settings(BaseSettings):
    """Settings of every Hesabu process. Times are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        env_prefix="HESABU_", extra="ignore", hide_input_in_errors=True
    )

    environment: Environment = Environment.DEVELOPMENT
    data_directory: Path = Field(default_factory=default_data_directory)
    """Keys, the key store, and the embedded database when there is no DATABASE_URL."""

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    database_owner_url: SecretStr | None = None
    """The login that migrates, where it is not DATABASE_URL's."""
    book: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,50}$")] = "hesabu"
    """The schema of the book."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535, validation_alias="PORT")
    body_bytes_max: int = Field(default=64 * 1024, ge=1024)
    statement_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1024)
    """Of a provider's statement over HTTP; `hesabu reconcile` has no limit."""
    statement_tolerance_days: int = Field(default=2, ge=0, le=31)
    """By so many days may a statement's line be apart from the ledger's entry for the same."""
    statement_columns: dict[str, dict[str, str]] = {}
    """What providers' statements call their columns, as JSON, where it is not what their mapping
    in api/provider_statements says: `{"airtel": {"id": "TXN ID", "zone": "Africa/Lusaka"}}`."""
    event_streams_max: int = Field(default=1_000, ge=1)
    """So many streams of server-sent events does one API process serve; more are refused."""
    event_streams_of_subject_max: int = Field(default=5, ge=1)
    """So many of them may one caller have open at one process."""
    event_stream_heartbeat_seconds: float = Field(default=15.0, ge=0.05, le=60)
    """After so long without an event a comment is sent, so that proxies keep the connection."""
    what_if_events_max: int = Field(default=10_000, ge=1)
    """So many events does an auditor's what-if replay over HTTP; `hesabu what-if` has no limit."""
    differences_positions_max: int = Field(default=100_000, ge=1)
    """So far apart may the positions be that are compared over HTTP; not by `hesabu diff`."""
    log_level: str = "INFO"
    tracing: bool = False
    """Whether requests become OpenTelemetry spans; of which provider, `opentelemetry-instrument` or
    whoever starts the process says. They hold the route and the status, and nothing that was sent.
    """
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Where this process tells Prometheus its numbers, at `/metrics`; nowhere if it is not set."""

    key_set_file: Path | None = None
    """A JWKS file with the public keys that sign tokens; in development it is made. It is read
    again when it changes."""
    key_set_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """Where an issuer publishes them instead; fetched again every five minutes."""
    token_issuer: str = "hesabu"  # noqa: S105 - a name, not a secret
    token_audience: str = "hesabu"  # noqa: S105 - a name, not a secret
    token_lifetime_seconds_max: int = Field(default=24 * 3600, ge=60)

    log_origin: Annotated[str | None, Field(max_length=200, pattern=r"^[a-z0-9./_-]+$")] = None
    """The name of the log in its checkpoints, such as ledger.example.com/hesabu, which stays for
    ever; hesabu/BOOK if not set."""
    checkpoints_directory_of: Path | None = Field(
        default=None, validation_alias="HESABU_CHECKPOINTS_DIRECTORY"
    )
    """Where the sealer publishes checkpoints, of each book in a directory of its own; `checkpoints`
    in the data directory if not set."""

    trusted_proxies: str = ""
    """Addresses or networks, comma-separated, of proxies whose X-Forwarded-For is believed.
    Nobody's by default: then the address of a caller is the connection's."""
    cors_origins: Annotated[list[str], NoDecode] = []
    """Comma-separated: exactly these web origins may read answers in a browser."""
    connections_max: int = Field(default=5_000, ge=10)
    """So many connections does one API process hold; of more, requests are answered with 503."""
    request_seconds_max: float = Field(default=15.0, gt=0)
    """A request must have come in whole by then, from its connection or its first byte."""
    answer_seconds_max: float = Field(default=60.0, gt=0)
    """A client that takes nothing of its answer for so long is left."""

    rate_limit_reads: RateLimit = "1200/minute"
    """GETs of one subject, at one process."""
    rate_limit_writes: RateLimit = "240/minute"
    """Everything else of one subject."""
    rate_limit_prompts: RateLimit = "20/minute;200/hour"
    """What makes a phone ring, of one subject; by a pay-now link, of one subscription."""
    rate_limit_phone: RateLimit = "10/minute;40/hour"
    """What makes one phone ring, whoever asks."""
    rate_limit_service: RateLimit = "60000/minute"
    """Each class, of the platform's own backend."""
    rate_limit_anonymous: RateLimit = "300/minute"
    """Requests without a right token, and by links, from one address at one process."""
    rate_limits_counted: Literal["process", "database"] = "process"
    """Where writes are counted: in each process, or in the database for all of them."""

    payment_expiry_seconds: int = Field(default=300, ge=1, le=7 * 24 * 3600)
    renewal_expiry_seconds: int = Field(default=900, ge=1, le=12 * 3600)
    """How long a renewal that the clock asks for may be paid by that prompt: longer than a prompt
    that a fan asked for, since several on one phone wait for each other."""
    provider_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long a call to a provider may take. A submission is unknown only after this and a
    margin have passed."""
    submission_margin_seconds: int = Field(default=5, ge=1)
    status_query_seconds: float = Field(default=2.0, gt=0)
    """The sandbox is asked first so long after the submission; each later time after twice as long
    as before, at most a minute. Other providers' paces are in their adapters."""
    late_looks_seconds: Annotated[tuple[float, ...], NoDecode] = (600, 3_600, 21_600, 86_400)
    """Comma-separated: how long after its expiry a payment's provider is asked about it again."""
    callbacks_begin_with: Annotated[str, Field(pattern=r"^https?://[^\s?#]+[^/\s?#]$")] = (
        "http://127.0.0.1:8000/api/v1/webhooks"
    )
    """Where providers reach this API's /webhooks from outside, for those that are told in each
    request where to call back. It must not have their name in it: Daraja refuses that."""

    phone_confirmation_required: bool = True
    """Whether a phone is prompted for a tip or a purchase only once its fan has confirmed it by a
    one-time code. For a subscription it always must be."""
    phone_confirmation_seconds: int = Field(default=600, ge=30, le=24 * 3600)
    """How long a one-time code may be used."""
    till_payment_seconds: int = Field(default=3 * 24 * 3600, ge=3600, le=30 * 24 * 3600)
    """How long a reference for a till may be paid."""

    settlement_delay_seconds: int = Field(default=3 * 24 * 3600, ge=0)
    """How long a creator's part of a payment is pending before it is available."""
    dispute_fees_borne_by: Literal["creator", "platform"] = "platform"
    second_person_above: int = Field(default=1_000_000, ge=0)
    """Minor units: adjustments, allocations, returns and write-offs above it need a second
    person; so does what one person's statements of a provider bring to light within a day."""

    price_migration_notice_seconds_min: int = Field(
        default=14 * 24 * 3600, ge=0, le=366 * 24 * 3600
    )
    """How long before another price holds for them fans are told, at least."""

    payout_approvals_required: int = Field(default=2, ge=0, le=10)
    payout_fixed_fee: int = Field(default=0, ge=0)
    """Minor units of the payout's currency."""
    payout_fee_basis_points: int = Field(default=0, ge=0, le=10_000)
    payout_vat_basis_points: int = Field(default=0, ge=0, le=10_000)
    destination_cooling_seconds: int = Field(default=24 * 3600, ge=0)
    """No payout goes to a new destination for so long."""

    erasure_retention_days: int = Field(default=0, ge=0, le=40 * 366)
    """For so long after their last event a person's data has to be kept: nobody is erased before.
    """

    time_may_run_ahead: bool = False
    """Whether the book's time may run ahead of the database's clock, as a fast clock lets it. In
    development only."""
    book_time_zone: str = "Africa/Nairobi"
    """An IANA name: scheduled payouts are made at six in the morning there."""

    public_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] | None = None
    """Where people reach this deployment, for links in messages; `http://HOST:PORT` if not set."""

    smtp_host: str | None = None
    """The server that takes e-mail. Without it messages are only logged; in development their
    texts are kept in logs/notifications.ndjson."""
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_security: Literal["tls", "starttls", "none"] = "starttls"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    email_sender: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$")] | None
    ) = None
    """The address that e-mail comes from."""
    sms_gateway_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """Takes one SMS a POST, with the token as bearer (api/notifications/sms_gateway.py)."""
    sms_gateway_token: SecretStr | None = None
    sms_sender: Annotated[str, Field(min_length=1, max_length=16)] = "Hesabu"

    webhooks_retry_seconds: Annotated[tuple[float, ...], NoDecode] = (
        *(5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400),
    )
    """Comma-separated: the pauses between tries of a message that we send to an endpoint; after the
    last it is given up, and waits for a person."""
    webhooks_timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """How long a receiver may take for one message."""
    webhooks_pause_seconds_max: float = Field(default=300.0, ge=0, le=3_600)
    """An endpoint that fails again and again is left alone for so long between tries, at most."""
    webhooks_disable_after_seconds: float = Field(default=5 * 24 * 3_600, gt=0)
    """An endpoint that has failed for so long, without a success, is disabled."""
    webhooks_secret_overlap_seconds: int = Field(default=24 * 3_600, ge=0, le=30 * 24 * 3_600)
    """How long a secret still signs after it was replaced."""
    webhooks_lease_seconds: float = Field(default=60.0, ge=1)
    """For so long nobody else sends to an endpoint of a process that has died."""
    webhooks_kept_days: int = Field(default=30, ge=1)
    """How long it can be seen how a message ended."""
    webhooks_endpoints_max: int = Field(default=20, ge=1)
    """So many endpoints may one owner have."""
    webhooks_ports: Annotated[frozenset[int], NoDecode] = frozenset({443, 8443})
    """Comma-separated: ports of receivers."""
    webhooks_allow_loopback: bool = False
    """Whether a receiver may be on this machine, by http too. In development only."""

    sandbox_url: str | None = None
    sandbox_api_key: SecretStr | None = None
    sandbox_webhook_secret: SecretStr | None = None

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _are_origins(cls, text: object) -> object:
        origins = [each.strip() for each in text.split(",")] if isinstance(text, str) else text
        for origin in origins if isinstance(origins, list) else []:
            if origin and not ORIGIN.fullmatch(str(origin)):
                raise ValueError("must be origins such as https://app.example.com, and never *")
        return [each for each in origins if each] if isinstance(origins, list) else origins

    @field_validator(
        "late_looks_seconds", "webhooks_retry_seconds", "webhooks_ports", mode="before"
    )
    @classmethod
    def _are_numbers(cls, text: object) -> object:
        return [each.strip() for each in text.split(",")] if isinstance(text, str) else text

    @field_validator("webhooks_retry_seconds")
    @classmethod
    def _are_pauses(cls, pauses: tuple[float, ...]) -> tuple[float, ...]:
        if not pauses or not all(0 <= each <= 7 * 24 * 3_600 for each in pauses):
            raise ValueError("must be seconds such as 5,300,1800, each at most a week")
        return pauses

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        for network in text.split(",") if text else ():
            try:
                ip_network(network.strip())
            except ValueError:
                raise ValueError("must be addresses or networks, such as 10.0.0.0/8") from None
        return text

    @field_validator("statement_columns")
    @classmethod
    def _are_columns(cls, given: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        check_columns(given)
        return given

    @field_validator("book_time_zone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be an IANA time zone, such as Africa/Nairobi") from None
        return name

    @model_validator(mode="after")
    def _production_is_explicit(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            if self.key_set_file is None and self.key_set_url is None:
                raise ValueError("HESABU_KEY_SET_FILE is required in production, or _URL")
            if self.key_set_url is not None and not self.key_set_url.startswith("https:"):
                raise ValueError("HESABU_KEY_SET_URL must begin with https: in production")
            if self.database_url is None:
                raise ValueError("DATABASE_URL is required in production")
            if self.time_may_run_ahead:
                raise ValueError("HESABU_TIME_MAY_RUN_AHEAD is not for production")
            if self.webhooks_allow_loopback:
                raise ValueError("HESABU_WEBHOOKS_ALLOW_LOOPBACK is not for production")
        return self

    @model_validator(mode="after")
    def _keys_come_from_one_place(self) -> Self:
        if self.key_set_file is not None and self.key_set_url is not None:
            raise ValueError("HESABU_KEY_SET_FILE and _URL are not set together")
        return self

    @model_validator(mode="after")
    def _channels_are_complete(self) -> Self:
        if self.smtp_host is not None and self.email_sender is None:
            raise ValueError("HESABU_EMAIL_SENDER is required with HESABU_SMTP_HOST")
        if (self.sms_gateway_url is None) != (self.sms_gateway_token is None):
            raise ValueError("HESABU_SMS_GATEWAY_URL and _TOKEN are set together or not at all")
        if self.environment is Environment.PRODUCTION:
            if self.smtp_username is not None and self.smtp_security == "none":
                raise ValueError("HESABU_SMTP_SECURITY must be tls or starttls where one logs in")
            if self.sms_gateway_url is not None and not self.sms_gateway_url.startswith("https:"):
                raise ValueError("HESABU_SMS_GATEWAY_URL must begin with https: in production")
        return self

    @property
    def links_begin_with(self) -> str:
        """What stands before the path in every link of a message."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def origin(self) -> str:
        """The log's name in checkpoints and receipts."""
        return self.log_origin or f"hesabu/{self.book}"

    @property
    def checkpoints_directory(self) -> Path:
        """Where checkpoints are published."""
        return (self.checkpoints_directory_of or self.data_directory / "checkpoints") / self.book

    @property
    def seal_keys_directory(self) -> Path:
        """The keys that sign checkpoints: the sealer's alone."""
        return self.data_directory / "keys" / "checkpoints"

    @property
    def receipt_keys_directory(self) -> Path:
        """The keys that sign receipts: the API's alone."""
        return self.data_directory / "keys" / "receipts"

    @property
    def seal_memory_file(self) -> Path:
        """What the sealer has signed last."""
        return self.data_directory / "keys" / "sealed" / f"{self.book}.checkpoint"

    @property
    def time_zone(self) -> ZoneInfo:
        """The book's time zone."""
        return ZoneInfo(self.book_time_zone)

    @property
    def key_store_file(self) -> Path:
        """The key store, outside the database and its backups."""
        return self.data_directory / "keys" / "key_store.sqlite3"

    @property
    def erasures_file(self) -> Path:
        """Who was erased of this book, outside the database and its backups."""
        return self.data_directory / "keys" / f"erasures-{self.book}.ndjson"
