"""Which URLs may be called? Those of strangers, and nothing that only we can reach.

An endpoint's URL is chosen by somebody else, and we call it from inside. So a URL must name a host
of the public internet, over TLS, at a port that is allowed; and each time before it is called, the
name is resolved here, every address that it has is looked at, and the connection goes to one of
these addresses and to no other (api/webhooks_out/sender.py). A name that means another address a
moment later wins nothing by it.

In development a URL may be one of this machine itself, if it says so: a name that resolves to it is
refused there too.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

URL_LENGTH_MAX: Final = 2_048
RESOLVE_SECONDS_MAX: Final = 5.0
ADDRESSES_MAX: Final = 16

Address = IPv4Address | IPv6Address

LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
NAME: Final = re.compile(rf"({LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?", re.IGNORECASE)
"""At least two labels, and a last one that begins with a letter: no number is a name, however it is
written (WHATWG URL, "ends in a number")."""
HOST_LENGTH_MAX: Final = 253
PRINTABLE: Final = re.compile(r"[!-~]+")

NOT_PUBLIC_NAMES: Final = (
    *("localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa"),
    *("corp", "private", "home", "test", "invalid", "onion", "arpa", "svc", "consul"),
)
"""Ends of names that mean something inside of a network (RFC 6761, 6762, 8375, ICANN's .internal).
"""

NOT_PUBLIC: Final = tuple(
    ip_network(network)
    for network in (
        # IANA's special-purpose registries, and a little more than what Python knows of them.
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # A cloud's own, though it lies among public ones: Azure's to its machines.
        "168.63.129.16/32",
        # Of IPv6 only 2000::/3 is given out, and not all of that is somebody's.
        *("::/3", "4000::/2", "8000::/1"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
TRANSLATED: Final = ip_network("64:ff9b::/96")
"""Addresses of IPv4 as a network without IPv4 writes them (NAT64, RFC 6052)."""


class UrlNotAllowed(ValueError):
    """This URL is not one that we call; the message says why."""


class Unresolvable(Exception):
    """The host's name means no address."""


class AddressNotAllowed(Exception):
    """The host's name means an address that we do not call."""


class Target(NamedTuple):
    """Where a URL leads: scheme, host as it is named, and port."""

    scheme: str
    host: str
    port: int

    @property
    def is_here(self) -> bool:
        """Whether it is this machine itself, by its own words."""
        return self.host in LOOPBACK


LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Resolver(Protocol):
    """Says which addresses a name has."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """All of them. Raises `OSError` where there are none."""


class SystemResolver:
    """As this machine resolves names."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        return [str(each[4][0]) for each in found]


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the public internet."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in TRANSLATED:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if any(address in network for network in NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True)
class Guard:
    """What a deployment allows. `permits` says which addresses, `resolver` what names mean."""

    ports: frozenset[int] = frozenset({443})
    allow_loopback: bool = False
    resolver: Resolver = SystemResolver()  # noqa: RUF009 - it has no state
    permits: Callable[[Address], bool] = is_public

    def check(self, url: str) -> Target:
        """Where a URL leads. Raises `UrlNotAllowed`; asks nobody."""
        target = _parsed(url)
        if self.allow_loopback and target.is_here:
            return target
        if target.scheme != "https":
            raise UrlNotAllowed("must begin with https://")
        if not NAME.fullmatch(target.host) or len(target.host) > HOST_LENGTH_MAX:
            raise UrlNotAllowed("must name a host of the public internet, not an address")
        if f".{target.host}".endswith(tuple(f".{name}" for name in NOT_PUBLIC_NAMES)):
            raise UrlNotAllowed("must name a host of the public internet")
        if target.port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise UrlNotAllowed(f"must have one of the ports {allowed}")
        return target

    async def addresses(self, target: Target) -> list[Address]:
        """The addresses to connect to. Raises `Unresolvable` or `AddressNotAllowed`.

        One address that is not allowed is enough to refuse the name.
        """
        if self.allow_loopback and target.is_here:
            return [ip_address("127.0.0.1" if target.host == "localhost" else target.host)]
        try:
            async with asyncio.timeout(RESOLVE_SECONDS_MAX):
                found = await self.resolver.resolve(target.host, target.port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unresolvable from error
        addresses = [_address(each) for each in dict.fromkeys(found)]
        if not addresses:
            raise Unresolvable
        if len(addresses) > ADDRESSES_MAX or not all(map(self.permits, addresses)):
            raise AddressNotAllowed
        return addresses


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise AddressNotAllowed from None


def _parsed(url: str) -> Target:
    if len(url) > URL_LENGTH_MAX:
        raise UrlNotAllowed(f"must have at most {URL_LENGTH_MAX} characters")
    # Parsers disagree about these, and about nothing else that is left below.
    if not PRINTABLE.fullmatch(url) or any(each in url for each in "\\<>^`{|}\"'"):
        raise UrlNotAllowed("must be written in plain ASCII, other characters percent-encoded")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UrlNotAllowed("must be a URL such as https://example.com/hooks") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise UrlNotAllowed("must be a URL such as https://example.com/hooks")
    if "@" in parts.netloc:
        raise UrlNotAllowed("must hold no user name and no password")
    if "#" in url:
        raise UrlNotAllowed("must have no fragment")
    if "%" in parts.netloc or parts.netloc.endswith(":"):
        raise UrlNotAllowed("must name its host plainly")
    default = 443 if parts.scheme == "https" else 80
    return Target(parts.scheme, host, default if port is None else port)
