"""Which adapter carries which channel, by the settings; the log where none is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.notifications.log import LogNotifier
from api.notifications.port import Channel
from api.notifications.sms_gateway import SmsGateway
from api.notifications.smtp import SmtpNotifier
from api.settings import Environment

if TYPE_CHECKING:
    from api.notifications.port import Notifier
    from api.settings import Settings


def notifiers_of(settings: Settings) -> dict[Channel, Notifier]:
    """An adapter for each channel."""
    return {Channel.EMAIL: _email(settings), Channel.SMS: _sms(settings)}


def _email(settings: Settings) -> Notifier:
    if settings.smtp_host is None:
        return _log(settings)
    assert settings.email_sender is not None  # noqa: S101 - the settings require it with the host
    password = settings.smtp_password
    return SmtpNotifier(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.email_sender,
        username=settings.smtp_username,
        password=None if password is None else password.get_secret_value(),
        timeout_seconds=settings.provider_timeout_seconds,
    )


def _sms(settings: Settings) -> Notifier:
    token = settings.sms_gateway_token
    if settings.sms_gateway_url is None or token is None:
        return _log(settings)
    return SmsGateway(
        url=settings.sms_gateway_url,
        token=token.get_secret_value(),
        sender=settings.sms_sender,
        timeout_seconds=settings.provider_timeout_seconds,
    )


def _log(settings: Settings) -> Notifier:
    in_development = settings.environment is Environment.DEVELOPMENT
    return LogNotifier(settings.data_directory / "logs" if in_development else None)
