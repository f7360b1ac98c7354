"""The story's second part: a subscription, a month in seconds, a phone without money, recovery."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from api.auth import Role
from api.notifications.log import FILE_NAME
from api.storyteller import StoryFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from api.storyteller import Teller

MONTH: Final = {"unit": "month", "count": 1}
PRICE: Final = 30_000
ENDED: Final = frozenset({"cancelled", "expired"})
LINK: Final = re.compile(r"/pay/(\S+)")
CODE: Final = re.compile(r"\b(\d{6})\b")


class FastClock(Protocol):
    """A clock that runs fast while it is held."""

    def __call__(self) -> AbstractContextManager[None]: ...


class Messages:
    """What was sent, as the log adapter of development keeps it."""

    def __init__(self, log_directory: Path) -> None:
        self._file = log_directory / FILE_NAME

    def count(self) -> int:
        """How many there are."""
        return len(self._lines())

    def since(self, count: int, kind: str) -> str | None:
        """The text of the newest of a kind after the first `count` messages, if there is one."""
        texts = [str(each["text"]) for each in self._lines()[count:] if each["kind"] == kind]
        return texts[-1] if texts else None

    def _lines(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines()]


class SubscriptionStory:
    """A fan subscribes; a renewal is paid; the next one is not, and then it is."""

    def __init__(
        self, tell: Teller, creator: UUID, messages: Messages, fast_clock: FastClock
    ) -> None:
        self._tell = tell
        self._creator = creator
        self._messages = messages
        self._fast_clock = fast_clock
        self._path = ""

    def confirm(self, phone: str) -> None:
        """Let the fan confirm a phone by the code that is sent to it."""
        tell, before = self._tell, self._messages.count()
        started = tell.call(
            Role.FAN, "POST", "/me/phones", key=str(uuid4()), body={"phone": phone}
        )["data"]["confirmation_id"]
        code = CODE.search(self._message(before, "phone_code"))
        assert code is not None  # noqa: S101 - the text of a code has six digits
        tell.call(
            Role.FAN, "POST", f"/me/phones/{started}/confirm", key=str(uuid4()),
            body={"code": code.group(1)},
        )  # fmt: skip

    def play(self, *, with_money: str, without_money: str) -> None:
        """Play it with two phones that are confirmed. Raises `StoryFailedError`."""
        self._subscribe(self._offer(), with_money)
        self._a_renewal()
        link = self._a_renewal_that_fails(without_money)
        self._recovery(link, with_money)

    def _offer(self) -> str:
        tell, path = self._tell, f"/creators/{self._creator}/tiers"
        tell.say("12. The creator offers a tier for KES 300.00 a month.")
        tier = str(
            tell.call(Role.CREATOR, "POST", path, key="story-tier", body={"name": "Friends"})[
                "data"
            ]["id"]
        )
        tell.call(
            Role.CREATOR, "POST", f"{path}/{tier}/prices", key="story-price",
            body={"money": {"amount": PRICE, "currency": "KES"}, "interval": MONTH},
        )  # fmt: skip
        tell.call(Role.CREATOR, "POST", f"{path}/{tier}/publish", key="story-publish")
        return tier

    def _subscribe(self, tier: str, phone: str) -> None:
        tell = self._tell
        self._end_what_is_left()
        tell.say("13. A fan subscribes. The first payment is asked for at once, on the phone.")
        subscription = tell.call(
            Role.FAN, "POST", "/subscriptions", key=str(uuid4()),
            body={
                "creator_id": str(self._creator), "tier_id": tier, "interval": MONTH,
                "time_zone": "Africa/Nairobi", "method": {"kind": "phone", "phone": phone},
            },
        )["data"]["id"]  # fmt: skip
        self._path = f"/subscriptions/{subscription}"
        self._wait("it is active", lambda now: now["state"] == "active")
        tell.call(Role.FAN, "GET", "/me/entitlements")

    def _end_what_is_left(self) -> None:
        """A story that was broken off leaves a subscription, and a fan has one to a creator."""
        for left in self._tell.look(Role.FAN, "/subscriptions")["items"]:
            if left["state"] not in ENDED:
                self._path = f"/subscriptions/{left['id']}"
                self._cancel()

    def _cancel(self) -> None:
        self._tell.call(
            Role.FAN, "POST", f"{self._path}/cancel", key=str(uuid4()), body={"when": "now"}
        )

    def _a_renewal(self) -> None:
        tell, before = self._tell, self._messages.count()
        tell.say(
            "14. A month goes by in seconds (hesabu clock --speed). The fan is reminded, asked,"
        )
        tell.say("    and the next period is paid. Nobody is asked at night.")
        until = self._now()["paid_until"]
        with self._fast_clock():
            self._wait("the renewal is paid", lambda now: now["paid_until"] > until)
        self._show(self._message(before, "renewal_reminder"))
        tell.call(Role.FAN, "GET", f"{self._path}/invoices?limit=1")

    def _a_renewal_that_fails(self, phone: str) -> str:
        tell, before = self._tell, self._messages.count()
        tell.say("15. The fan pays from another phone from now on, and that has too little money.")
        self._pay_from(phone)
        with self._fast_clock():
            self._wait("it is past due", lambda now: now["state"] == "past_due")
        text = self._message(before, "payment_failed")
        self._show(text)
        tell.say("    Access lasts until the grace is over; the fan will be asked again.")
        tell.call(Role.FAN, "GET", self._path)
        link = LINK.search(text)
        assert link is not None  # noqa: S101 - the text of a failure has a link to pay by
        return link.group(1)

    def _recovery(self, link: str, phone: str) -> None:
        tell = self._tell
        tell.say("16. They go back to the phone with money, and pay by the link: no login needed.")
        self._pay_from(phone)
        tell.call(None, "POST", f"/pay/{link}")
        self._wait("it has recovered", lambda now: now["state"] == "active")
        tell.call(Role.FAN, "GET", f"{self._path}/invoices?limit=1")
        tell.say("17. They cancel now: access ends, and nothing more is collected.")
        self._cancel()
        tell.call(Role.FAN, "GET", "/me/entitlements")

    def _pay_from(self, phone: str) -> None:
        self._tell.call(
            Role.FAN, "POST", f"{self._path}/payment-method", key=str(uuid4()),
            body={"method": {"kind": "phone", "phone": phone}},
        )  # fmt: skip

    def _now(self) -> dict[str, Any]:
        return self._tell.look(Role.FAN, self._path)

    def _wait(self, what: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        self._tell.wait_until(what, lambda: holds(self._now()))

    def _message(self, before: int, kind: str) -> str:
        self._tell.wait_until(
            f"a message about {kind} is sent",
            lambda: self._messages.since(before, kind) is not None,
        )
        text = self._messages.since(before, kind)
        if text is None:
            message = f"no message about {kind} was sent"
            raise StoryFailedError(message)
        return text

    def _show(self, text: str) -> None:
        self._tell.quote(text)
