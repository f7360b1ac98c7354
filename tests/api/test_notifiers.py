"""What an adapter says became of a message, against servers that really answer, or do not."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import ssl
import stat
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default as modern
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import ValidationError

from api.notifications.log import LogNotifier
from api.notifications.port import Channel, Message, Refused, Result, Sent, TryLater, Unknown
from api.notifications.registry import notifiers_of
from api.notifications.sms_gateway import SmsGateway
from api.notifications.smtp import SmtpNotifier
from api.settings import Environment, Settings
from tests.api.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.notifications.port import Notifier

ADDRESS: Final = "zqcanary@fans.example"
PHONE: Final = "+254709481000"
SENDER: Final = "receipts@hesabu.example"
TIMEOUT_SECONDS: Final = 0.6


def message(channel: Channel = Channel.EMAIL, address: str = ADDRESS) -> Message:
    return Message(
        notification_id=uuid4(),
        kind="receipt",
        channel=channel,
        address=address,
        subject="Your receipt",
        text="We received KES 1,250.00.",
    )


def sms() -> Message:
    return message(Channel.SMS, PHONE)


def send(notifier: Notifier, what: Message) -> Result:
    async def once() -> Result:
        try:
            return await notifier.send(what)
        finally:
            await notifier.close()

    return asyncio.run(once())


class MailServer:
    """A mail server that answers a stage with what a test says, and keeps what it took."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.silent_seconds = 0.0
        self.taken: list[bytes] = []

    async def handle_MAIL(  # noqa: N802 - the package's hook
        self,
        server: Any,  # noqa: ANN401
        session: Any,  # noqa: ANN401
        envelope: Any,  # noqa: ANN401
        address: str,
        options: list[str],
    ) -> str:
        if "mail" not in self.answers:
            envelope.mail_from = address
        return self.answers.get("mail", "250 OK")

    async def handle_RCPT(  # noqa: N802 - the package's hook
        self,
        server: Any,  # noqa: ANN401
        session: Any,  # noqa: ANN401
        envelope: Any,  # noqa: ANN401
        address: str,
        options: list[str],
    ) -> str:
        if "rcpt" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 OK")

    async def handle_DATA(  # noqa: N802 - the package's hook
        self,
        server: Any,  # noqa: ANN401
        session: Any,  # noqa: ANN401
        envelope: Any,  # noqa: ANN401
    ) -> str:
        self.taken.append(envelope.content)
        if self.answers.get("data") == "cut":
            server.transport.abort()
        await asyncio.sleep(self.silent_seconds)
        return self.answers.get("data", "250 OK")


@contextmanager
def mail(server: MailServer, **options: Any) -> Iterator[int]:  # noqa: ANN401 - the package's own
    """Serve on a port of this machine; the port."""
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def smtp(port: int, **options: Any) -> SmtpNotifier:  # noqa: ANN401 - the adapter's own
    settings: dict[str, Any] = {
        "host": "127.0.0.1",
        "security": "none",
        "sender": SENDER,
        "timeout_seconds": TIMEOUT_SECONDS,
        **options,
    }
    return SmtpNotifier(port=port, **settings)


def test_an_email_arrives_as_it_was_meant() -> None:
    server, what = MailServer(), message()
    with mail(server) as port:
        assert send(smtp(port), what) == Sent()
    [taken] = server.taken
    read = message_from_bytes(taken, policy=modern)
    assert read["From"] == SENDER
    assert read["To"] == ADDRESS
    assert read["Subject"] == "Your receipt"
    assert read["Message-ID"] == f"<{what.notification_id}@hesabu.example>"
    assert read.get_content().strip() == what.text


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    ("answer", "result"),
    [("550 no such mailbox", Refused("answered_550")), ("451 later", TryLater("answered_451"))],
)
def test_a_refusal_is_final_or_for_now(stage: str, answer: str, result: Result) -> None:
    with mail(MailServer(**{stage: answer})) as port:
        assert send(smtp(port), message()) == result


def test_what_was_handed_over_without_an_answer_is_unknown() -> None:
    slow = MailServer()
    slow.silent_seconds = 2 * TIMEOUT_SECONDS
    for server in (slow, MailServer(data="cut")):
        with mail(server) as port:
            assert send(smtp(port), message()) == Unknown("cut")
        assert len(server.taken) == 1


def test_a_mail_server_that_is_not_there_is_tried_later() -> None:
    assert send(smtp(free_port()), message()) == TryLater("unreachable")


@pytest.mark.parametrize(
    "address", ["a@b.example\r\nBcc: c@d.example", "", "ü@b.example", "<a@b.example>"]
)
def test_an_address_that_is_none_harms_nobody(address: str) -> None:
    server = MailServer()
    with mail(server) as port:
        assert isinstance(send(smtp(port), message(address=address)), Refused)
    assert server.taken == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that it signed itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return file


@contextmanager
def guarded(server: MailServer, certificate: Path) -> Iterator[int]:
    """A server that takes mail only over TLS, from whoever knows the password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> Any:  # noqa: ANN401 - the package's
        if server.silent_seconds:
            # After its answer it says nothing for that long, not even goodbye.
            asyncio.get_running_loop().call_soon(time.sleep, server.silent_seconds)
        return AuthResult(success=given.password == b"right", handled=False)

    with mail(
        server,
        tls_context=context,
        require_starttls=True,
        authenticator=check,
        auth_required=True,
    ) as port:
        yield port


def test_mail_goes_over_tls_with_a_login(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    server = MailServer()
    login = {"security": "starttls", "username": "hesabu", "tls_context": trusting}
    with guarded(server, certificate) as port:
        assert send(smtp(port, **login, password="right"), message()) == Sent()
        assert send(smtp(port, **login, password="wrong"), message()) == TryLater("login_refused")
        # A server that nobody vouches for gets no password and no address.
        del login["tls_context"]
        assert send(smtp(port, **login, password="right"), message()) == TryLater("unreachable")
    assert len(server.taken) == 1


def test_nothing_is_left_of_a_connection_to_a_server_that_says_no_goodbye(
    certificate: Path,
) -> None:
    trusting = ssl.create_default_context(cafile=certificate)
    server = MailServer()
    server.silent_seconds = 0.3
    with guarded(server, certificate) as port:
        notifier = smtp(
            port, security="starttls", username="hesabu", tls_context=trusting, password="wrong"
        )
        assert send(notifier, message()) == TryLater("login_refused")
        # An open socket is an error as soon as it is garbage.
        gc.collect()


class Gateway(ThreadingHTTPServer):
    """An SMS gateway that answers with `status`, after `silent_seconds`; and what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.status: int | None = 202
        self.silent_seconds = 0.0
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/messages"


class _Answering(BaseHTTPRequestHandler):
    server: Gateway  # type: ignore[mutable-override]  # as it is made

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): text for name, text in self.headers.items()}
        self.server.asked.append((headers, json.loads(body)))
        self.server.over.wait(self.server.silent_seconds)
        if self.server.status is None:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("location", f"{self.server.url}/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def sms_gateway(url: str) -> SmsGateway:
    return SmsGateway(url=url, token="t0ken", sender="Hesabu", timeout_seconds=TIMEOUT_SECONDS)


def test_an_sms_is_posted_once_with_its_key(gateway: Gateway) -> None:
    what = sms()
    assert send(sms_gateway(gateway.url), what) == Sent()
    [(headers, body)] = gateway.asked
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["idempotency-key"] == str(what.notification_id)
    assert body == {"to": PHONE, "from": "Hesabu", "text": what.text}


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Sent()),
        (302, Refused("answered_302")),
        (400, Refused("answered_400")),
        (422, Refused("answered_422")),
        (401, TryLater("answered_401")),
        (429, TryLater("answered_429")),
        (503, TryLater("answered_503")),
        (500, Unknown("answered_500")),
        (504, Unknown("answered_504")),
        (None, Unknown("cut")),
    ],
)
def test_what_a_gateway_answers_is_understood(
    gateway: Gateway, status: int | None, result: Result
) -> None:
    gateway.status = status
    assert send(sms_gateway(gateway.url), sms()) == result
    assert len(gateway.asked) == 1


def test_a_gateway_that_does_not_answer_may_have_taken_it(gateway: Gateway) -> None:
    gateway.silent_seconds = 5
    assert send(sms_gateway(gateway.url), sms()) == Unknown("timed_out")


def test_a_gateway_that_is_not_there_is_tried_later() -> None:
    url = f"http://127.0.0.1:{free_port()}/messages"
    assert send(sms_gateway(url), sms()) == TryLater("unreachable")


def test_the_log_says_that_there_was_a_message_and_not_to_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    what = message()
    assert send(LogNotifier(tmp_path / "logs"), what) == Sent()
    assert send(LogNotifier(tmp_path / "logs"), sms()) == Sent()
    file = tmp_path / "logs" / "notifications.ndjson"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first["notification_id"] == str(what.notification_id)
    assert first["text"] == what.text
    assert second["channel"] == "sms"
    shown = capsys.readouterr()
    for text in (file.read_text(), shown.out, shown.err, repr(what)):
        assert ADDRESS not in text
        assert PHONE not in text
    assert what.text not in shown.out + shown.err + repr(what)


def test_where_nothing_carries_a_message_it_is_not_said_to_be_sent() -> None:
    assert send(LogNotifier(None), message()) == Refused("no_adapter")


def _settings(directory: Path, **fields: object) -> Settings:
    production = {"environment": "production", "key_set_file": "keys.json", "DATABASE_URL": "x"}
    return Settings.model_validate({"data_directory": directory, **production, **fields})


def test_the_settings_choose_who_carries_what(tmp_path: Path) -> None:
    chosen = notifiers_of(_settings(tmp_path))
    assert {channel: type(each) for channel, each in chosen.items()} == {
        Channel.EMAIL: LogNotifier,
        Channel.SMS: LogNotifier,
    }
    assert send(chosen[Channel.SMS], sms()) == Refused("no_adapter")
    settings = _settings(
        tmp_path,
        smtp_host="mail.example",
        email_sender=SENDER,
        sms_gateway_url="https://sms.example/messages",
        sms_gateway_token="t",
    )
    chosen = notifiers_of(settings)
    assert {channel: type(each) for channel, each in chosen.items()} == {
        Channel.EMAIL: SmtpNotifier,
        Channel.SMS: SmsGateway,
    }
    developing = Settings(environment=Environment.DEVELOPMENT, data_directory=tmp_path)
    assert send(notifiers_of(developing)[Channel.SMS], sms()) == Sent()


@pytest.mark.parametrize(
    "fields",
    [
        {"smtp_host": "mail.example"},
        {"sms_gateway_url": "https://sms.example/"},
        {"sms_gateway_token": "t"},
        {"sms_gateway_url": "http://sms.example/", "sms_gateway_token": "t"},
        {
            "smtp_host": "mail.example",
            "email_sender": SENDER,
            "smtp_username": "hesabu",
            "smtp_security": "none",
        },
        {"email_sender": "Hesabu\n <x@y.example>"},
        {"public_url": "hesabu.example"},
    ],
)
def test_half_a_channel_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _settings(tmp_path, **fields)
