"""Processes that send are killed in the middle, again and again: everything arrives, in order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.api.processes import wait_until
from tests.api.webhooks_out.receivers import Received, Receiver, Reply, in_order
from tests.databases import value

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.deployment import Deployment

KILLS = 4
WAITING = "SELECT count(*) FROM webhook_messages WHERE state = 'waiting'"
MADE = "SELECT count(*) FROM webhook_messages"
FOLLOWED = "SELECT position FROM webhook_follower"
HEAD = "SELECT max(position) FROM turns"


def test_who_dies_in_the_middle_loses_nothing(deploy: Callable[..., Deployment]) -> None:
    def slowly(_: Received, __: int) -> Reply:
        time.sleep(0.02)
        return Reply()

    running = (
        deploy(
            WEBHOOKS_ALLOW_LOOPBACK="true",
            WEBHOOKS_LEASE_SECONDS="1",
            WEBHOOKS_RETRY_SECONDS="0.1,0.1,0.1,0.1,0.1",
        )
        .add_apis(1)
        .add_webhooks(2)
    )
    with running, Receiver(slowly) as receiver:
        path = "/admin/webhook-endpoints"
        made = running.api.send(
            running.admin, "POST", path, key=str(uuid4()), json={"url": receiver.url}
        )
        secret = made.json()["data"]["secret"]
        begun = value(running.database, HEAD)
        creator, fan = running.creator(), running.fan()
        for kill in range(KILLS):
            for _ in range(6):
                payment_id = running.pay(fan, creator)
                running.api.deliver(running.callback(payment_id))
            # Both of them in turn, while messages are on their way.
            victim = running.webhooks[kill % 2]
            victim.kill()
            victim.start()

        def all_sent() -> bool:
            followed = bool(value(running.database, FOLLOWED) == value(running.database, HEAD))
            return followed and int(value(running.database, WAITING)) == 0

        wait_until(all_sent, seconds_max=60, what="everything is sent")
        assert value(running.database, MADE) == len({each.id for each in receiver.taken})
        assert set(receiver.positions) == set(range(begun + 1, value(running.database, HEAD) + 1))
        assert in_order(receiver.taken)
        for received in receiver.received:
            received.verify(secret)
