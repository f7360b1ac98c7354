"""How often may somebody ask? Per verified subject and class of route; per address where nobody is.

Limits are written as the `limits` library reads them: `10/minute;60/hour`. Reads are counted in
each process; what writes is counted where the setting says, in each process too or in the
database, for all of them together. Nothing that a caller can choose is counted by: an address is
the connection's, or what a proxy that we trust (`HESABU_TRUSTED_PROXIES`) says of it. Of IPv6
it is the /64 that counts.

Callbacks of providers are not limited: one that is refused is money that comes later.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, NoReturn

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.strategies import FixedWindowRateLimiter

from api.auth import Role
from api.errors import ApiError
from api.rate_classes import RateClass

if TYPE_CHECKING:
    from uuid import UUID

    from limits.aio.storage import Storage
    from starlette.requests import Request

    from api.auth import Caller
    from api.settings import Settings

logger = structlog.get_logger()

SUBSCRIBER_BITS: Final = 64
TOO_OFTEN: Final = "You ask too often. Wait as many seconds as Retry-After says, then try again."


class RateLimits:
    """Counts, and refuses what is too much. `reads` and `writes` are where it is counted."""

    def __init__(
        self, settings: Settings, *, reads: Storage, writes: Storage, phone_secret: bytes
    ) -> None:
        self._reads = FixedWindowRateLimiter(reads)
        self._writes = FixedWindowRateLimiter(writes)
        self._of_class = {
            RateClass.READ: parse_many(settings.rate_limit_reads),
            RateClass.WRITE: parse_many(settings.rate_limit_writes),
            RateClass.PROMPT: parse_many(settings.rate_limit_prompts),
        }
        self._of_service = parse_many(settings.rate_limit_service)
        self._of_address = parse_many(settings.rate_limit_anonymous)
        self._of_phone = parse_many(settings.rate_limit_phone)
        self._phone_secret = phone_secret

    async def caller(self, caller: Caller, rate_class: RateClass) -> None:
        """Count a request of a verified subject. Raises 429, or 503 for a write nobody can count.

        What makes phones ring is a write, too, and counted as both.
        """
        # The platform's own backend asks for all of its people.
        service = caller.role is Role.SERVICE
        classes = [rate_class]
        if rate_class is RateClass.PROMPT and not service:
            classes.insert(0, RateClass.WRITE)
        for each in classes:
            items = self._of_service if service else self._of_class[each]
            limiter = self._reads if each is RateClass.READ else self._writes
            await _count(limiter, items, each, caller.name)

    async def unknown_caller(self, request: Request) -> None:
        """Count a request without a right token, or by a link. Raises 429."""
        address = "unknown" if request.client is None else network_of(request.client.host)
        await _count(self._reads, self._of_address, "anonymous", address)

    async def phone(self, phone: str) -> None:
        """Count what makes this number ring, whoever asks. Raises 429 or 503."""
        digest = hmac.digest(self._phone_secret, phone.encode(), hashlib.sha256).hex()
        await _count(self._writes, self._of_phone, "phone", digest)

    async def pay_link(self, subscription_id: UUID) -> None:
        """Count a prompt by a pay-now link. Raises 429 or 503."""
        items = self._of_class[RateClass.PROMPT]
        await _count(self._writes, items, "pay_link", str(subscription_id))


def network_of(address: str) -> str:
    """Whose an address is: of IPv6 the /64, all of which one subscriber has (RFC 6177)."""
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if read.version == 4:  # noqa: PLR2004 - IPv4
        return str(read)
    if (mapped := read.ipv4_mapped) is not None:
        return str(mapped)
    return str(ip_network((read, SUBSCRIBER_BITS), strict=False))


async def _count(
    limiter: FixedWindowRateLimiter, items: list[RateLimitItem], what: str, whose: str
) -> None:
    for item in items:
        if not await limiter.hit(item, what, whose):
            reset_at, _ = await limiter.get_window_stats(item, what, whose)
            logger.info("rate_limited", what=what)
            _refuse(max(1, math.ceil(reset_at - time.time())))


def _refuse(seconds: int) -> NoReturn:
    raise ApiError(429, "rate_limited", TOO_OFTEN, headers={"Retry-After": str(seconds)})
