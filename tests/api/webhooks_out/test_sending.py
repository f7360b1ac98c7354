"""Every event arrives, in the order of its stream, whatever receivers do; nobody else is called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import WebhookVerificationError

from tests.api.processes import wait_until
from tests.api.webhooks_out.owners import with_an_email
from tests.api.webhooks_out.receivers import (
    BREAK_OFF,
    HANG,
    Received,
    Receiver,
    Reply,
    in_order,
)

if TYPE_CHECKING:
    from tests.api.webhooks_out.scenes import Scene


def test_what_happens_arrives_signed_once_and_in_order(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending():
        platform = scene.register(receiver.url)
        payments = scene.pay(creator, 20)
        scene.wait(platform)
    assert platform.secret is not None
    for received in receiver.received:
        message = received.verify(platform.secret)
        assert set(message) == {"type", "timestamp", "data"}
    assert [each.message["type"] for each in receiver.taken].count("payment.succeeded") == 20
    assert {each.stream for each in receiver.taken} == {str(payment) for payment in payments}
    assert in_order(receiver.taken)
    assert len({each.id for each in receiver.received}) == len(receiver.received) == 40
    assert scene.states(platform) == {"delivered"}


def test_a_receiver_that_was_away_gets_everything_once_it_is_back(scene: Scene) -> None:
    """It fails for as long as a test can wait: an hour at the pace of the settings."""
    creator = scene.creator()
    before, is_back = scene.head, False

    def reply(_: Received, __: int) -> Reply:
        return Reply(204 if is_back else 500)

    with Receiver(reply) as receiver, scene.sending(webhooks_retry_seconds=(0.05,) * 200):
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 15)
        wait_until(lambda: len(receiver.received) >= 10)
        scene.pay(creator, 5)
        assert receiver.taken == []
        is_back = True
        scene.wait(endpoint)
    assert sorted(set(receiver.positions)) == list(range(before + 1, scene.head + 1))
    assert in_order(receiver.taken)
    assert scene.endpoint(endpoint) == ("enabled", None)


def test_one_that_fails_is_asked_by_one_message_at_a_time_after_pauses(scene: Scene) -> None:
    creator = scene.creator()
    with (
        Receiver(lambda _, __: Reply(500)) as receiver,
        scene.sending(webhooks_retry_seconds=(0.01,) * 500, webhooks_pause_seconds_max=0.5),
    ):
        scene.register(receiver.url)
        scene.pay(creator, 60)
        wait_until(lambda: len(receiver.received) >= 5)
        time.sleep(0.3)
        before = len(receiver.received)
        time.sleep(2.0)
        # A pause of half a second and a fifth at most: sixty streams would be thousands.
        assert len(receiver.received) - before <= 5


def test_when_it_answers_again_nothing_waits_out_its_pause(scene: Scene) -> None:
    creator = scene.creator()
    with (
        Receiver(lambda _, number: Reply(500 if number <= 6 else 204)) as receiver,
        scene.sending(webhooks_retry_seconds=(0.05, 0.05, 0.05, 3_600, 3_600)),
    ):
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 6)
        scene.wait(endpoint)
    assert scene.states(endpoint) == {"delivered"}


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(500), "failed"),
        (Reply(400), "refused"),
        (Reply(404), "refused"),
        (Reply(BREAK_OFF), "broken_off"),
        (Reply(HANG), "timed_out"),
        (Reply(200, {"content-length": "9" * 12}), None),
    ],
    ids=["500", "400", "404", "break off", "hang", "a body without end"],
)
def test_each_way_to_fail_is_named_and_tried_again(
    scene: Scene, reply: Reply, error: str | None
) -> None:
    creator = scene.creator()
    first: list[str] = []

    def fails_at_first(received: Received, _: int) -> Reply:
        if not first or (received.id in first[:1] and len(first) < 2):
            first.append(received.id)
            return reply
        return Reply()

    with Receiver(fails_at_first) as receiver, scene.sending(webhooks_timeout_seconds=0.5):
        endpoint = scene.register(receiver.url, types=["payment.succeeded"])
        scene.pay(creator)
        scene.wait(endpoint)
    if error is not None:
        assert [found for _, found in scene.attempts(endpoint)] == [error, error, None]
    assert scene.states(endpoint) == {"delivered"}


def test_a_stream_waits_for_its_message_and_other_streams_go_on(scene: Scene) -> None:
    creator = scene.creator()
    stuck: list[str] = []
    is_mended = False

    def reply(received: Received, _: int) -> Reply:
        stuck.append(received.stream)
        return Reply(500 if received.stream == stuck[0] and not is_mended else 204)

    with Receiver(reply) as receiver, scene.sending(webhooks_retry_seconds=(0.2,) * 100):
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 10)
        wait_until(lambda: len(receiver.taken) == 18)
        assert stuck[0] not in {each.stream for each in receiver.taken}
        of_the_stuck = [each for each in receiver.received if each.stream == stuck[0]]
        assert {each.message["type"] for each in of_the_stuck} == {"payment.initiated"}
        is_mended = True
        scene.wait(endpoint)
    assert in_order(receiver.taken)
    assert len(receiver.taken) == 20


def test_a_message_that_is_refused_to_the_end_is_dead_and_its_stream_goes_on(
    scene: Scene,
) -> None:
    creator = scene.creator()

    def reply(received: Received, _: int) -> Reply:
        return Reply(422 if received.message["type"] == "payment.initiated" else 204)

    with Receiver(reply) as receiver, scene.sending(webhooks_retry_seconds=(0.05, 0.05)):
        endpoint = scene.register(receiver.url)
        scene.pay(creator)
        scene.wait(endpoint)
        assert [(kind, state) for kind, state, _ in scene.messages(endpoint)] == [
            ("payment.initiated", "dead"),
            ("payment.succeeded", "delivered"),
        ]
        assert [status for status, _ in scene.attempts(endpoint)] == [422, 422, 422, 204]
        # Sent again it does not come before what is new, and has the same id.
        receiver.reply = lambda _, __: Reply()
        [dead_id] = {each.id for each in receiver.received if each not in receiver.taken}
        [shown] = scene.asking(
            lambda _, deliveries: deliveries.queue(dead=True, before=2**62, limit=5)
        )
        asked = scene.asked(None, endpoint.endpoint.id)
        scene.asking(lambda _, deliveries: deliveries.redeliver(asked, shown.delivery.number))
        wait_until(lambda: len(receiver.taken) == 2)
    assert receiver.taken[-1].id == dead_id
    assert scene.states(endpoint) == {"delivered"}


def test_no_redirect_is_followed_and_no_canary_is_called(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as canary, Receiver() as other:
        redirects = [
            Reply(status, {"location": to})
            for status in (301, 302, 303, 307, 308)
            for to in (canary.url, other.url, "http://169.254.169.254/latest/meta-data/")
        ]

        def reply(_: Received, number: int) -> Reply:
            return redirects[(number - 1) % len(redirects)]

        with Receiver(reply) as receiver, scene.sending(webhooks_retry_seconds=(0.01,) * 20):
            endpoint = scene.register(receiver.url, types=["payment.succeeded"])
            scene.pay(creator)
            wait_until(lambda: len(receiver.received) >= 6)
        assert canary.connections == other.connections == 0
    assert {error for _, error in scene.attempts(endpoint)} == {"redirected"}


def test_who_is_gone_is_disabled_at_once_and_goes_on_when_enabled(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver(lambda _, __: Reply(410)) as receiver, scene.sending():
        endpoint = scene.register(receiver.url, creator)
        scene.pay(creator, 3)
        wait_until(lambda: scene.endpoint(endpoint) == ("disabled", "gone"))
        time.sleep(0.3)
        calls = len(receiver.received)
        scene.pay(creator, 2)
        time.sleep(0.7)
        assert len(receiver.received) == calls
        receiver.reply = lambda _, __: Reply()
        scene.change(endpoint)
        scene.wait(endpoint)
    # Nothing was lost that happened meanwhile.
    assert len({each.position for each in receiver.taken}) == 10
    assert in_order(receiver.taken)
    assert scene.email.given == []


def test_who_fails_for_days_is_disabled_and_its_owner_told_once(scene: Scene) -> None:
    creator = with_an_email(scene, scene.creator())
    with (
        Receiver(lambda _, __: Reply(500)) as receiver,
        scene.sending(webhooks_retry_seconds=(0.05,) * 500),
    ):
        endpoint = scene.register(receiver.url, creator)
        scene.pay(creator)
        wait_until(lambda: len(receiver.received) >= 2)
        scene.age(endpoint, "4 days 23 hours 59 minutes")
        time.sleep(0.5)
        assert scene.endpoint(endpoint) == ("enabled", None)
        scene.age(endpoint, "2 minutes")
        wait_until(lambda: scene.endpoint(endpoint) == ("disabled", "failing"))
        wait_until(lambda: len(scene.email.given) == 1)
    assert str(endpoint.endpoint.id) in scene.email.given[0].text


def test_no_cookie_is_kept(scene: Scene) -> None:
    creator = scene.creator()
    cookie = {"set-cookie": "who=you; Path=/"}
    with Receiver(lambda _, __: Reply(204, cookie)) as receiver, scene.sending():
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 3)
        scene.wait(endpoint)
    assert all("cookie" not in each.headers for each in receiver.received)


def test_a_request_to_wait_is_heeded(scene: Scene) -> None:
    creator = scene.creator()

    def reply(_: Received, number: int) -> Reply:
        return Reply(429, {"retry-after": "2"}) if number == 1 else Reply()

    with Receiver(reply) as receiver, scene.sending(webhooks_retry_seconds=(0.01,) * 5):
        endpoint = scene.register(receiver.url, types=["payment.succeeded"])
        scene.pay(creator)
        scene.wait(endpoint)
    first, second = receiver.received
    assert second.at - first.at >= 1.9


def test_a_slow_receiver_holds_up_no_other(scene: Scene) -> None:
    creator = scene.creator()
    with (
        Receiver(lambda _, __: Reply(HANG)) as slow,
        Receiver() as quick,
        scene.sending(webhooks_timeout_seconds=5.0),
    ):
        hanging = [scene.register(slow.url) for _ in range(6)]
        endpoint = scene.register(quick.url)
        scene.pay(creator, 50)
        began = time.monotonic()
        scene.wait(endpoint)
        assert time.monotonic() - began < 4
        assert len(quick.taken) == 100
        assert all("waiting" in scene.states(each) for each in hanging)


def test_both_secrets_sign_while_they_overlap_and_then_only_the_new_one(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url, types=["payment.succeeded"])
        asked = scene.asked(None, endpoint.endpoint.id)
        rotated = scene.asking(
            lambda endpoints, _: endpoints.rotate(asked), webhooks_secret_overlap_seconds=2
        )
        scene.pay(creator)
        scene.wait(endpoint)
        time.sleep(2.1)
        scene.pay(creator)
        scene.wait(endpoint)
    old, new = endpoint.secret, rotated.secret
    assert old is not None
    assert new is not None
    assert old != new
    during, afterwards = receiver.received
    assert during.verify(old) == during.verify(new)
    assert len(during.headers["webhook-signature"].split()) == 2
    afterwards.verify(new)
    with pytest.raises(WebhookVerificationError):
        afterwards.verify(old)


def test_only_the_types_that_were_asked_for_arrive(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url, types=["payment.succeeded", "payout.paid"])
        scene.pay(creator, 3)
        scene.wait(endpoint)
    assert [each.message["type"] for each in receiver.taken] == ["payment.succeeded"] * 3


def test_each_creator_gets_their_own_and_the_platform_everybodys(scene: Scene) -> None:
    one, another = scene.creator(), scene.creator()
    with Receiver() as of_one, Receiver() as of_another, Receiver() as platform, scene.sending():
        endpoints = [
            scene.register(of_one.url, one),
            scene.register(of_another.url, another),
            scene.register(platform.url),
        ]
        ones, anothers = scene.pay(one, 4), scene.pay(another, 3)
        scene.wait(*endpoints)
    assert {each.stream for each in of_one.taken} == {str(each) for each in ones}
    assert {each.stream for each in of_another.taken} == {str(each) for each in anothers}
    assert {each.stream for each in platform.taken} == {str(each) for each in ones + anothers}
    for each in of_one.taken + of_another.taken:
        assert each.message["data"]["payment"]["fan_id"] is None
    assert all(each.message["data"]["payment"]["fan_id"] for each in platform.taken)


def test_an_endpoint_may_begin_in_the_past_and_misses_nothing_of_what_comes(scene: Scene) -> None:
    creator = scene.creator()
    scene.pay(creator, 30)
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url, creator, after=0)
        for _ in range(10):
            scene.pay(creator, 3)
        scene.wait(endpoint)
    assert sorted(receiver.positions) == list(range(1, scene.head + 1))
    assert in_order(receiver.taken)


def test_a_replay_sends_all_of_it_again_under_the_same_ids(scene: Scene) -> None:
    creator = scene.creator()
    before = scene.head
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url)
        scene.pay(creator, 5)
        scene.wait(endpoint)
        first = list(receiver.taken)
        asked = scene.asked(None, endpoint.endpoint.id)
        scene.asking(lambda _, deliveries: deliveries.replay(asked, 0))
        wait_until(lambda: len(receiver.taken) == 2 * len(first) + before)
        scene.wait(endpoint)
    again = receiver.taken[len(first) :]
    # The creator's registration was before the endpoint was.
    assert {each.position for each in again} == set(range(1, scene.head + 1))
    assert {each.id for each in first} < {each.id for each in again}
    bodies = {each.id: each.body for each in first}
    assert all(bodies.get(each.id, each.body) == each.body for each in again)
    assert in_order(again)


def test_a_test_message_arrives(scene: Scene) -> None:
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url)
        asked = scene.asked(None, endpoint.endpoint.id)
        scene.asking(lambda _, deliveries: deliveries.test(asked))
        wait_until(lambda: len(receiver.taken) == 1)
    assert endpoint.secret is not None
    message = receiver.taken[0].verify(endpoint.secret)
    assert message["type"] == "webhook.test"
    assert message["data"] == {"endpoint_id": str(endpoint.endpoint.id)}


def test_two_processes_share_the_work_and_send_nothing_twice(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending(), scene.sending():
        endpoints = [scene.register(receiver.url) for _ in range(4)]
        for _ in range(10):
            scene.pay(creator, 5)
        scene.wait(*endpoints)
    assert len(receiver.received) == 4 * 100
    assert len({each.id for each in receiver.received}) == len(receiver.received)


def test_what_is_deleted_gets_nothing_more(scene: Scene) -> None:
    creator = scene.creator()
    with Receiver() as receiver, scene.sending():
        endpoint = scene.register(receiver.url)
        asked = scene.asked(None, endpoint.endpoint.id)
        scene.asking(lambda endpoints, _: endpoints.delete(asked))
        scene.pay(creator, 3)
        time.sleep(1.0)
    assert receiver.received == []
