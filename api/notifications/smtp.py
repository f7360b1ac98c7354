"""E-mail by SMTP. Up to DATA nothing was taken; a connection lost after it leaves that unknown.

connect, TLS, login ─▶ MAIL, RCPT ─▶ DATA ─▶ the text, and the server's answer to it
└─ try later ───────────────────┘    └─ 4xx: later, 5xx: refused, no answer: unknown
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as WIRE_FORMAT
from email.utils import format_datetime, localtime
from typing import TYPE_CHECKING, Final, Literal

import aiosmtplib

from api.notifications.port import Refused, Sent, TryLater, Unknown

if TYPE_CHECKING:
    import ssl

    from api.notifications.port import Message, Result

PLAIN_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
"""What HTML calls a valid e-mail address: in ASCII, so that no server needs SMTPUTF8."""

PERMANENT: Final = 500
"""Replies from here on are final (RFC 5321, 4.2.1)."""

Security = Literal["tls", "starttls", "none"]


class _Connection(aiosmtplib.SMTP):
    """A connection of which nothing is left once it is closed."""

    def close(self) -> None:
        # Closing TLS waits up to 30 s for the other side's farewell, and keeps the socket until
        # then, longer than the loop may live. Whatever mattered was answered before.
        transport = self.transport
        super().close()
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class SmtpNotifier:
    """Sends each message over a connection of its own; `timeout_seconds` bounds each command."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Security,
        sender: str,
        timeout_seconds: float,
        username: str | None = None,
        password: str | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._username = username
        self._password = password
        self._tls_context = tls_context

    async def send(self, message: Message) -> Result:
        if PLAIN_ADDRESS.fullmatch(message.address) is None:
            return Refused("unusable_address")
        try:
            body = self._body(message)
        except (ValueError, MessageError):
            return Refused("unusable_message")
        client = self._client()
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError:
            # The deployment's mistake, and not the message's.
            return TryLater("login_refused")
        except (aiosmtplib.SMTPException, OSError, ValueError):
            return TryLater("unreachable")
        try:
            return await self._deliver(client, message.address, body)
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        return _Connection(
            hostname=self._host,
            port=self._port,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",
            tls_context=self._tls_context,
            username=self._username,
            password=self._password,
            timeout=self._timeout_seconds,
        )

    async def _deliver(self, client: aiosmtplib.SMTP, address: str, body: bytes) -> Result:
        try:
            await client.mail(self._sender)
            await client.rcpt(address)
        except aiosmtplib.SMTPResponseException as error:
            return _answered(error.code)
        except (aiosmtplib.SMTPException, OSError):
            return TryLater("cut")
        try:
            await client.data(body)
        except aiosmtplib.SMTPResponseException as error:
            return _answered(error.code)
        except (aiosmtplib.SMTPException, OSError):
            return Unknown("cut")
        return Sent()

    def _body(self, message: Message) -> bytes:
        """The message as it is sent. Raises `ValueError` for what no header can hold."""
        mail = EmailMessage(policy=WIRE_FORMAT)
        mail["From"] = self._sender
        mail["To"] = message.address
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(localtime())
        # The same each try, so that a mailbox can see that two are one.
        mail["Message-ID"] = f"<{message.notification_id}@{self._sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail.as_bytes()

    async def close(self) -> None:
        """Every connection was closed with its message."""


def _answered(code: int) -> Result:
    """What a reply means that is not a success; its text may quote the address, so it is left."""
    reason = f"answered_{code}"
    return Refused(reason) if code >= PERMANENT else TryLater(reason)
