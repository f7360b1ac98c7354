"""A payment's stream: its fan sees at once what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.api.listening import listening

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person


def test_a_fan_sees_at_once_that_a_payment_succeeded(doors: Deployment) -> None:
    fan, creator = doors.fan(), doors.creator()
    payment = doors.pay(fan, creator)
    for caller in (fan, creator, doors.admin):
        with listening(doors.apis[1], caller, f"/payments/{payment}/events") as stream:
            first = stream.next("payment_status")
            assert first.id is not None
            assert first.id <= first.data["position"]
        assert first.data["state"] == "initiated"
    with listening(doors.apis[1], fan, f"/payments/{payment}/events") as stream:
        stream.next("payment_status")
        # What happens to others is not told.
        doors.pay(doors.fan(), creator)
        doors.api.deliver(doors.callback(payment))
        told = stream.next("payment_status")
    assert told.data["state"] == "succeeded"
    assert told.data == {**_plain(doors, fan, payment), "position": told.data["position"]}
    with listening(doors.api, fan, f"/payments/{payment}/events", after=told.id) as stream:
        assert stream.next("payment_status").data["state"] == "succeeded"


def _plain(doors: Deployment, fan: Person, payment: str) -> dict[str, Any]:
    return doors.payment(fan, payment)


def test_every_step_of_a_payment_is_told_in_order(doors: Deployment) -> None:
    fan = doors.fan()
    payment = doors.pay(fan, doors.creator())
    with listening(doors.api, fan, f"/payments/{payment}/events") as stream:
        first = stream.next("payment_status")
        cancelled = doors.api.send(fan, "POST", f"/payments/{payment}/cancel", key=str(uuid4()))
        assert cancelled.status_code == 200
        second = stream.next("payment_status")
        # The fan paid all the same.
        doors.api.deliver(doors.callback(payment))
        third = stream.next("payment_status")
    assert [told.data["state"] for told in (first, second, third)] == [
        "initiated",
        "cancelled",
        "succeeded",
    ]
    assert third.data["late"]


def test_anothers_payment_is_not_found_and_an_early_position_refused(doors: Deployment) -> None:
    fan = doors.fan()
    payment = doors.pay(fan, doors.creator())
    for caller, path in (
        (doors.fan(), f"/payments/{payment}/events"),
        (doors.creator(), f"/payments/{payment}/events"),
        (fan, f"/payments/{uuid4()}/events"),
    ):
        answer = doors.api.send(caller, "GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_not_found")
    for after, status in (("zqzq", 400), (10**12, 409)):
        with listening(doors.api, fan, f"/payments/{payment}/events", after=after) as stream:
            assert stream.response.status_code == status
