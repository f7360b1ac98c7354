"""A creator's stream: money is told as it moves, nothing is missed, and it ends when it should."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import pytest

from api.auth import Role
from api.routers.creator_events import CreatorFeed
from api.tokens import issue_token
from projections.balances import Balances
from projections.following import Follower
from projections.payments import Payments
from projections.reader import Reader
from tests.api.deployment import NET, Deployment, Person
from tests.api.listening import Listener, Told, listening
from tests.api.processes import wait_until
from tests.builders import initiate_payment, register_creator, report_success

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.application import Ledger
    from ledger.database.connections import BookLocation

BEYOND: Final = 10**12
"""A position that no test's log reaches."""


@pytest.fixture(scope="module")
def live(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes with small limits and a quick heartbeat."""
    settings = {
        "EVENT_STREAMS_OF_SUBJECT_MAX": "2",
        "EVENT_STREAMS_MAX": "6",
        "EVENT_STREAM_HEARTBEAT_SECONDS": "0.2",
    }
    with deploy(**settings).add_apis(2) as running:
        yield running


def events_of(creator: Person) -> str:
    return f"/creators/{creator.id}/events"


def paid(doors: Deployment, creator: Person) -> str:
    """A payment that has succeeded; its id."""
    payment = doors.pay(doors.fan(), creator)
    assert doors.api.deliver(doors.callback(payment)).json()["data"]["verdict"] == "applied"
    return payment


def pending_of(told: Told) -> int:
    [balance] = told.data["balances"]
    return int(balance["pending"])


def short_lived(doors: Deployment, person: Person, seconds: int) -> Person:
    token = issue_token(
        doors._issuer, role=person.role, subject=person.id, lifetime_seconds=seconds
    )
    return Person(person.role, person.id, token)


def test_a_stream_begins_with_the_balance_as_it_is(live: Deployment) -> None:
    creator = live.creator()
    paid(live, creator)
    with listening(live.api, creator, events_of(creator)) as stream:
        assert stream.response.status_code == 200
        headers = stream.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        first = next(iter(stream))
    assert (first.name, pending_of(first)) == ("balance", NET)
    plain = live.api.send(creator, "GET", f"/creators/{creator.id}/balance").json()["data"]
    assert first.data == {**plain, "position": first.data["position"]}
    assert first.id is not None
    assert first.id <= first.data["position"]


def test_a_payment_is_told_at_once_and_the_balance_is_what_is_answered(live: Deployment) -> None:
    creator = live.creator()
    with listening(live.api, creator, events_of(creator)) as stream:
        assert pending_of(stream.next("balance")) == 0
        payment = paid(live, creator)
        begun = time.monotonic()
        told, after = stream.next("payment"), stream.next("balance")
        assert time.monotonic() - begun < 1.0
    assert (told.data["id"], told.data["state"]) == (payment, "succeeded")
    assert told.data["split"]["net"] == NET
    assert not {"fan_id", "provider_transaction"} & set(told.data)
    position = after.data["position"]
    then = live.api.send(
        creator, "GET", f"/creators/{creator.id}/balance", params={"as_of_position": position}
    )
    assert then.json()["data"]["balances"] == after.data["balances"]
    assert pending_of(after) == NET


def test_what_is_written_through_one_process_is_told_by_another(live: Deployment) -> None:
    creator = live.creator()
    with listening(live.apis[1], creator, events_of(creator)) as stream:
        stream.next("balance")
        payment = paid(live, creator)
        assert stream.next("payment").data["id"] == payment


def test_of_others_nothing_is_told(live: Deployment) -> None:
    creator, other = live.creator(), live.creator()
    with listening(live.api, creator, events_of(creator)) as stream:
        stream.next("balance")
        paid(live, other)
        payment = paid(live, creator)
        told = list(islice(_events(stream), 2))
    assert [each.name for each in told] == ["payment", "balance"]
    assert told[0].data["id"] == payment


def _events(stream: Listener) -> Iterator[Told]:
    return (told for told in stream if told.name != ":")


def test_a_client_that_breaks_off_and_resumes_misses_nothing_and_sees_nothing_twice(
    live: Deployment,
) -> None:
    creator, count = live.creator(), 200
    written: list[str] = []

    def write() -> None:
        written.extend(paid(live, creator) for _ in range(count))

    with listening(live.api, creator, events_of(creator)) as stream:
        last = stream.next("balance").id
    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    try:
        for turn in range(10_000):
            api = live.apis[turn % 2]
            with listening(api, creator, events_of(creator), after=last) as stream:
                for number, told in enumerate(_events(stream)):
                    assert told.name in {"payment", "balance"}
                    if told.name == "payment":
                        seen.append(told.data["id"])
                    assert last is not None
                    assert told.id is not None
                    assert told.id >= last
                    last = told.id
                    if number >= 7 or len(seen) >= count:
                        break
            if len(seen) >= count:
                break
    finally:
        writer.join()
    assert seen == written
    with listening(live.api, creator, events_of(creator), after=last) as stream:
        final = next(_events(stream))
    assert (final.name, pending_of(final)) == ("balance", count * NET)


def test_who_missed_more_than_is_told_again_is_sent_to_the_lists(
    live: Deployment,
) -> None:
    creator = live.creator()
    with listening(live.api, creator, events_of(creator)) as stream:
        last = stream.next("balance").id
    for _ in range(201):
        paid(live, creator)
    with listening(live.api, creator, events_of(creator), after=last) as stream:
        reset, balance = next(_events(stream)), stream.next("balance")
    assert reset.name == "reset"
    assert reset.id == reset.data["position"]
    assert pending_of(balance) == 201 * NET
    with listening(live.api, creator, events_of(creator), after=reset.id) as stream:
        assert next(_events(stream)).name == "balance"


def test_a_stream_is_for_those_who_may_read_the_balance(live: Deployment) -> None:
    creator, other = live.creator(), live.creator()
    assert live.api.send(other, "GET", events_of(creator)).status_code == 403
    for role in (Role.FAN, Role.AUDITOR, Role.SERVICE):
        assert live.api.send(live.person(role), "GET", events_of(creator)).status_code == 403
    assert live.api.send(None, "GET", events_of(creator)).status_code == 401
    unknown = live.api.send(live.admin, "GET", f"/creators/{uuid4()}/events")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "creator_not_found")
    with listening(live.api, live.admin, events_of(creator)) as stream:
        stream.next("balance")


@pytest.mark.parametrize(
    "wrong",
    ["", "-1", "+1", "1.0", "1e3", "0x1", "zqzq", "1 2", "1,2", "\u0661", "9" * 19,
     "9" * 30, "9" * 5_000, "NaN", "true", "null"],
)  # fmt: skip
def test_what_can_be_no_event_of_a_stream_is_refused(live: Deployment, wrong: str) -> None:
    creator = live.creator()
    answer = live.api.client.get(
        f"/api/v1{events_of(creator)}",
        headers=[
            (b"authorization", f"Bearer {creator.token}".encode()),
            (b"last-event-id", wrong.encode()),
        ],
    )
    assert answer.status_code == 400, answer.text
    [detail] = answer.json()["error"]["details"]
    assert detail["field"].lower().endswith("last-event-id")


def test_two_last_events_are_refused(live: Deployment) -> None:
    creator = live.creator()
    headers = [("authorization", f"Bearer {creator.token}")] + [("last-event-id", "0")] * 2
    answer = live.api.client.get(f"/api/v1{events_of(creator)}", headers=headers)
    assert answer.status_code == 400


def test_an_event_that_has_not_happened_is_refused_before_the_stream_begins(
    live: Deployment,
) -> None:
    creator = live.creator()
    with listening(live.api, creator, events_of(creator), after=BEYOND) as stream:
        answer = stream.response
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "position_not_reached")


def test_a_silent_stream_is_kept_alive(live: Deployment) -> None:
    creator = live.creator()
    with listening(live.api, creator, events_of(creator)) as stream:
        stream.next("balance")
        for _ in range(3):
            assert stream.next(":").data == "keep-alive"


def test_a_stream_ends_with_its_token(live: Deployment) -> None:
    creator = live.creator()
    with listening(live.api, short_lived(live, creator, 2), events_of(creator)) as stream:
        told = list(_events(stream))
    assert told[0].name == "balance"
    assert (told[-1].name, told[-1].data) == ("end", {"reason": "token_expired"})


def test_more_streams_than_one_may_have_are_refused_until_one_is_let_go(live: Deployment) -> None:
    creator = live.creator()
    for _ in range(3):
        with ExitStack() as opened:
            for _ in range(2):
                _open(opened, live, creator)
            refused = live.api.send(creator, "GET", events_of(creator))
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "too_many_streams"
            assert int(refused.headers["retry-after"]) >= 1
            # Another process counts for itself, and another subject too.
            with listening(live.apis[1], creator, events_of(creator)) as elsewhere:
                elsewhere.next("balance")
            with listening(live.api, live.admin, events_of(creator)) as admins:
                admins.next("balance")
        wait_until(lambda: _can_listen(live, creator), seconds_max=5, what="places are let go")


def _open(opened: ExitStack, doors: Deployment, creator: Person) -> Listener:
    stream = opened.enter_context(listening(doors.api, creator, events_of(creator)))
    assert stream.response.status_code == 200, stream.response.text
    stream.next("balance")
    return stream


def _can_listen(doors: Deployment, creator: Person) -> bool:
    with ExitStack() as opened:
        for _ in range(2):
            stream = opened.enter_context(listening(doors.api, creator, events_of(creator)))
            if stream.response.status_code != httpx.codes.OK:
                return False
    time.sleep(0.05)
    return True


def test_a_process_serves_so_many_streams_and_no_more(live: Deployment) -> None:
    creators = [live.creator() for _ in range(4)]
    with ExitStack() as opened:
        for creator in creators[:3]:
            for _ in range(2):
                _open(opened, live, creator)
        assert live.api.send(creators[3], "GET", events_of(creators[3])).status_code == 429
        # What refuses streams refuses nothing else.
        balance = live.api.send(creators[3], "GET", f"/creators/{creators[3].id}/balance")
        assert balance.status_code == 200
    wait_until(lambda: _can_listen(live, creators[3]), seconds_max=5, what="places are let go")


def test_refused_requests_hold_no_place(live: Deployment) -> None:
    creator = live.creator()
    for _ in range(5):
        for after, status in ((BEYOND, 409), ("zqzq", 400)):
            with listening(live.api, creator, events_of(creator), after=after) as stream:
                assert stream.response.status_code == status
        assert live.api.send(live.admin, "GET", f"/creators/{uuid4()}/events").status_code == 404
    assert _can_listen(live, creator)


def test_a_process_that_is_told_to_stop_ends_its_streams_and_itself(
    deploy: Callable[..., Deployment],
) -> None:
    settings: dict[str, Any] = {"EVENT_STREAMS_OF_SUBJECT_MAX": "50"}
    with deploy(**settings).add_apis(1) as running, ExitStack() as opened:
        creator = running.creator()
        streams = [_open(opened, running, creator) for _ in range(50)]
        begun = time.monotonic()
        running.api.terminate()
        assert time.monotonic() - begun < 2.0
        for stream in streams:
            *_, last = _events(stream)
            assert (last.name, last.data) == ("end", {"reason": "server_stopping"})
        assert "Traceback" not in running.api.log_text()


def test_what_is_told_first_names_no_later_event_that_was_not_told(
    book: BookLocation, ledger: Ledger
) -> None:
    """A payment comes between the opening of a stream and its first words.

    Were the balance told under the payment's position or a later one, whoever broke off right after
    it would resume behind a payment that they never saw.
    """
    creator = uuid4()
    registered = ledger.execute_one(register_creator(creator)).position

    async def told() -> list[tuple[str, int]]:
        async with Reader(book) as reader:
            follower = Follower(book, reader)
            try:
                watch = await follower.watch(creator)
                doors: Any = SimpleNamespace(
                    payments=Payments(reader),
                    balances=Balances(reader),
                    settings=SimpleNamespace(event_stream_heartbeat_seconds=5.0),
                )
                before = await doors.balances.of_creator(creator)
                feed = CreatorFeed(doors, watch, creator, before, [], watch.position)
                payment = ledger.execute_one(initiate_payment(creator))
                ledger.execute_one(report_success(payment.stream))
                while watch.position < payment.position + 1:
                    assert await watch.wait(5)
                    await asyncio.sleep(0.01)
                sent = [await anext(feed_events) for feed_events in [feed.events()] * 3]
            finally:
                await follower.close()
        return [_name_and_id(each) for each in sent]

    [first, payment, after] = asyncio.run(told())
    paid_at = registered + 2
    assert (first, payment, after) == (
        ("balance", registered),
        ("payment", paid_at),
        ("balance", paid_at),
    )


def _name_and_id(sent: bytes) -> tuple[str, int]:
    fields = dict(line.split(": ", 1) for line in sent.decode().strip().splitlines())
    return fields["event"], int(fields["id"])
