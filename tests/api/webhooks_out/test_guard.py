"""Nothing that only we can reach is ever called, however its URL or its name is written."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError

from api.settings import Environment, Settings
from api.webhooks_out.guard import (
    AddressNotAllowed,
    Guard,
    Unresolvable,
    UrlNotAllowed,
    is_public,
)
from api.webhooks_out.sender import Envelope, Sender
from tests.api.webhooks_out.receivers import Receiver
from tests.api.webhooks_out.scenes import Names

if TYPE_CHECKING:
    from pathlib import Path

REFUSED_URLS: Final = (
    "http://example.com/hooks",
    "ftp://example.com/hooks",
    "file:///etc/passwd",
    "gopher://example.com/",
    "//example.com/hooks",
    "example.com/hooks",
    "https://",
    "https:///hooks",
    "https://localhost/hooks",
    "https://LOCALHOST/hooks",
    "https://localhost./hooks",
    "https://a.localhost/hooks",
    "https://printer.local/hooks",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://db.internal/",
    "https://router.lan/",
    "https://kubernetes.default.svc/",
    "https://consul.service.consul/",
    "https://hidden.onion/",
    "https://intranet/hooks",
    "https://127.0.0.1/hooks",
    "https://127.1/hooks",
    "https://2130706433/hooks",
    "https://0x7f000001/hooks",
    "https://0x7f.0.0.1/hooks",
    "https://0177.0.0.1/hooks",
    "https://017700000001/hooks",
    "https://127.0.0.1./hooks",
    "https://0/hooks",
    "https://0.0.0.0/hooks",
    "https://10.0.0.1/hooks",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/hooks",
    "https://[::]/hooks",
    "https://[::ffff:127.0.0.1]/hooks",
    "https://[::ffff:7f00:1]/hooks",
    "https://[fe80::1%25eth0]/hooks",
    "https://[fd00:ec2::254]/hooks",
    "https://8.8.8.8/hooks",
    "https://[2606:4700:4700::1111]/hooks",
    "https://user@example.com/hooks",
    "https://user:secret@example.com/hooks",
    "https://example.com@127.0.0.1/hooks",
    "https://example.com:443@127.0.0.1/hooks",
    "https://example.com\\@127.0.0.1/hooks",
    "https://example.com#@127.0.0.1/hooks",
    "https://example.com/hooks#part",
    "https://example.com:22/hooks",
    "https://example.com:5432/hooks",
    "https://example.com:80/hooks",
    "https://example.com:0/hooks",
    "https://example.com:65536/hooks",
    "https://example.com:/hooks",
    "https://example.com:443a/hooks",
    "https://exa mple.com/hooks",
    "https://example.com/hooks\r\nx-evil: 1",
    "https://example.com\t/hooks",
    "https://example.com\x00.evil.com/hooks",
    "https://exämple.com/hooks",
    "https://①②⑦.⓪.⓪.①/hooks",
    "https://example。com/hooks",
    "https://%31%32%37.0.0.1/hooks",
    "https://example.com%2f@127.0.0.1/hooks",
    "https://-example.com/hooks",
    "https://.example.com/hooks",
    "https://example..com/hooks",
    "https://1.2.3/hooks",
    "https://example.com.127/hooks",
    f"https://{'a' * 64}.com/hooks",
    f"https://{'a.' * 130}com/hooks",
    f"https://example.com/{'a' * 2_048}",
    "javascript:alert(1)",
    "",
)
ALLOWED_URLS: Final = (
    "https://example.com",
    "https://hooks.example.com/hesabu?token=a%20b",
    "https://EXAMPLE.com/Hooks",
    "https://example.com:8443/hooks",
    "https://xn--exmple-cua.com/hooks",
    "https://a-b.c1.example.co.ke/",
)
NOT_PUBLIC: Final = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200"),  # noqa: S104 - an address to refuse
    *("127.0.0.1", "127.8.9.1", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:0:a00:1::", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:808::1"),
    *("3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"),
    *("fe80::1%eth0", "4000::1", "e000::1"),
)
PUBLIC: Final = (
    *("8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"),
    *("2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::808:808", "::ffff:8.8.8.8"),
)
HOST: Final = "hooks.example.com"


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_such_a_url_is_refused(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        Guard(ports=frozenset({443, 8443})).check(url)


@pytest.mark.parametrize("url", ALLOWED_URLS)
def test_such_a_url_is_not_refused(url: str) -> None:
    """The negative control."""
    assert Guard(ports=frozenset({443, 8443})).check(url).scheme == "https"


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_such_an_address_is_not_called(address: str) -> None:
    assert not is_public(ip_address(address))
    names = Names()
    names.say(HOST, [address])
    guard = Guard(resolver=names)
    target = guard.check(f"https://{HOST}/hooks")
    with pytest.raises(AddressNotAllowed):
        asyncio.run(guard.addresses(target))


@pytest.mark.parametrize("address", PUBLIC)
def test_such_an_address_is_called(address: str) -> None:
    """The negative control."""
    names = Names()
    names.say(HOST, [address])
    guard = Guard(resolver=names)
    found = asyncio.run(guard.addresses(guard.check(f"https://{HOST}/hooks")))
    assert found == [ip_address(address)]


def test_one_private_address_among_public_ones_is_enough(tmp_path: Path) -> None:
    names = Names()
    names.say(HOST, ["8.8.8.8", "1.1.1.1", "10.0.0.1"])
    guard = Guard(resolver=names)
    with pytest.raises(AddressNotAllowed):
        asyncio.run(guard.addresses(guard.check(f"https://{HOST}/")))


def test_a_name_that_means_nothing_is_unresolvable() -> None:
    guard = Guard(resolver=Names())
    with pytest.raises(Unresolvable):
        asyncio.run(guard.addresses(guard.check(f"https://{HOST}/")))


def test_this_machine_is_called_only_where_a_url_says_so_and_only_if_it_is_allowed() -> None:
    names = Names()
    names.say(HOST, ["127.0.0.1"])
    in_development = Guard(allow_loopback=True, resolver=names)
    for url in ("http://127.0.0.1:9000/x", "http://localhost:9000/x", "http://[::1]:9000/x"):
        assert asyncio.run(in_development.addresses(in_development.check(url)))
        with pytest.raises(UrlNotAllowed):
            Guard(resolver=names).check(url)
    # A name that means this machine is a trick, there too.
    with pytest.raises(AddressNotAllowed):
        asyncio.run(in_development.addresses(in_development.check(f"https://{HOST}/")))
    for url in ("http://10.0.0.1/x", "http://169.254.169.254/x", "http://127.0.0.2/x"):
        with pytest.raises(UrlNotAllowed):
            in_development.check(url)


def test_production_does_not_call_itself(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="WEBHOOKS_ALLOW_LOOPBACK"):
        Settings(
            environment=Environment.PRODUCTION,
            key_set_file=tmp_path / "keys.json",
            DATABASE_URL=SecretStr("postgresql://db/hesabu"),
            webhooks_allow_loopback=True,
        )


def _certificate(directory: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server for one name, and of a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


def _send(url: str, guard: Guard, tls: ssl.SSLContext, times: int = 1) -> list[str | None]:
    async def send() -> list[str | None]:
        async with Sender(url, guard, timeout_seconds=3, tls=tls) as sender:
            return [
                (await sender.send(Envelope("msg_1", "{}"), ["whsec_AAAA"])).answer.error
                for _ in range(times)
            ]

    return asyncio.run(send())


def test_the_address_that_was_looked_at_is_the_one_that_is_called(tmp_path: Path) -> None:
    """A name that means another address the next moment wins nothing: each call asks once."""
    server, client = _certificate(tmp_path, HOST)
    names = Names()
    names.say(HOST, ["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"])
    guard = Guard(
        ports=frozenset(range(65_536)),
        resolver=names,
        permits=lambda address: str(address) == "127.0.0.1",
    )
    with Receiver(tls=server) as receiver:
        url = f"https://{HOST}:{receiver.port}/hooks"
        assert _send(url, guard, client, 3) == [None, "address_not_allowed", "address_not_allowed"]
        assert names.asked == 3
    [received] = receiver.received
    assert received.headers["host"] == f"{HOST}:{receiver.port}"


def test_the_certificate_must_be_the_names_and_not_the_addresses(tmp_path: Path) -> None:
    server, client = _certificate(tmp_path, "another.example.com")
    names = Names()
    names.say(HOST, ["127.0.0.1"])
    guard = Guard(ports=frozenset(range(65_536)), resolver=names, permits=lambda _: True)
    with Receiver(tls=server) as receiver:
        url = f"https://{HOST}:{receiver.port}/hooks"
        assert _send(url, guard, client) == ["tls_failed"]
        assert _send(url, guard, ssl.create_default_context()) == ["tls_failed"]
    assert receiver.received == []


def test_no_proxy_of_the_environment_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        guard = Guard(allow_loopback=True, resolver=Names())
        assert _send(receiver.url, guard, ssl.create_default_context()) == [None]
        assert proxy.connections == 0
        assert len(receiver.received) == 1
