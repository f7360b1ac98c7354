"""Payouts, refunds and money at tills, through all of it: API, dispatcher, and a Daraja."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from ledger.manual_references import new_reference
from ledger.receipt import receipt_id
from tests.api.payout_steps import AVAILABLE, Payee, admins
from tests.api.processes import wait_until
from tests.api.providers.fake import Behaviour
from tests.api.providers.fakes.daraja import FakeDaraja, confirmation
from tests.databases import rows

if TYPE_CHECKING:
    from tests.api.deployment import Deployment
    from tests.api.providers.fake import FakeProvider, Sent

NET_SECONDS_MAX = 30.0


@pytest.fixture(scope="module")
def daraja(fakes: dict[str, FakeProvider], platform: Deployment) -> FakeDaraja:
    fake = fakes["daraja"]
    assert isinstance(fake, FakeDaraja)
    assert fake.callbacks_begin_with.startswith(platform.api.url)

    async def register() -> None:
        adapter = fake.adapter()
        await adapter.register_tills()
        await adapter.close()

    asyncio.run(register())
    return fake


class Creditor(Payee):
    """A creator who is paid by Daraja."""

    def destination_at(self, phone: str) -> str:
        body = {"phone": phone, "provider": "daraja"}
        destination = str(self.done(self.creator, "POST", "/destinations", body)["id"])
        self.verify_destination(destination)
        return destination

    def paid_to(self, phone: str, amount: int = 50_000) -> str:
        """A payout that was asked for and approved; its id."""
        answer = self.request(amount, destination=self.destination_at(phone))
        assert answer.is_success, answer.text
        payout = answer.json()["data"]
        if payout["state"] == "requested":
            self.approve(payout["id"], *admins(self.doors, 2))
        return str(payout["id"])

    def state(self, payout: str) -> str:
        return str(self.done(self.creator, "GET", f"/payouts/{payout}")["state"])

    def wait_for(self, payout: str, state: str) -> None:
        wait_until(
            lambda: self.state(payout) == state,
            seconds_max=NET_SECONDS_MAX,
            what=f"the payout is {state}, it is {self.state(payout)}",
        )


def transactions(doors: Deployment) -> dict[str, UUID]:
    """Every name of a transaction of Daraja's, and whose it is."""
    found = rows(
        doors.database,
        "SELECT key, stream_id FROM idempotency_keys WHERE scope = 'transaction:daraja'",
    )
    return dict(found)


def topics(doors: Deployment, stream: UUID | str) -> list[str]:
    return [topic for topic, _ in doors.events(str(stream))]


@pytest.mark.parametrize("behaviour", [Behaviour.SUCCEEDS, Behaviour.SILENT])
def test_a_payout_reaches_its_creator(
    platform: Deployment, daraja: FakeDaraja, behaviour: Behaviour
) -> None:
    creditor = Creditor(platform)
    payout = creditor.paid_to(daraja.phone(behaviour))
    creditor.wait_for(payout, "paid")
    assert sum(topic.startswith("payout.paid") for topic in topics(platform, payout)) == 1


def test_a_payout_to_nobody_fails_and_is_available_again(
    platform: Deployment, daraja: FakeDaraja
) -> None:
    creditor = Creditor(platform)
    payout = creditor.paid_to(daraja.phone(Behaviour.DECLINED))
    creditor.wait_for(payout, "failed")
    assert creditor.funds()["available"] == AVAILABLE


def test_a_payment_goes_back_by_the_receipt_that_its_callback_told(
    platform: Deployment, daraja: FakeDaraja
) -> None:
    fan, creator = platform.fan(), platform.creator()
    payment = daraja.pay(platform, fan, creator, Behaviour.SUCCEEDS)
    charge_of = daraja.reference_of(payment)
    wait_until(lambda: platform.payment(fan, payment)["state"] == "succeeded", what="it is paid")
    receipt = daraja.receipt_of(daraja.charges[charge_of])
    wait_until(lambda: receipt in transactions(platform), what="its receipt is known")
    answer = platform.api.send(
        platform.admin,
        "POST",
        f"/payments/{payment}/refunds",
        key=str(uuid4()),
        json={"reason": "it was called off"},
    )
    assert answer.is_success, answer.text
    wait_until(
        lambda: any(topic.startswith("refund.succeeded") for topic in topics(platform, payment)),
        seconds_max=NET_SECONDS_MAX,
        what=f"it went back: {topics(platform, payment)}",
    )
    [reversal] = [body for path, body in daraja.requests if path.endswith("reversal/v1/request")]
    assert reversal["TransactionID"] == receipt


def test_money_at_a_till_is_in_the_books_once(platform: Deployment, daraja: FakeDaraja) -> None:
    receipt = daraja.pay_at_till("750.00", new_reference())
    stream = receipt_id(provider="daraja", transaction=receipt)
    wait_until(
        lambda: transactions(platform).get(receipt) == stream,
        seconds_max=NET_SECONDS_MAX,
        what="it waits in suspense",
    )
    # The confirmation is settled by what is there, and so is another copy of it.
    hints = [sent for sent in daraja.sent if receipt.encode() in sent.body]
    again = daraja.send(hints[0])
    assert again.json() == {"ResultCode": 0, "ResultDesc": "Accepted"}
    wait_until(lambda: not waiting(platform), seconds_max=NET_SECONDS_MAX, what="it is settled")
    assert verdict_of(platform, daraja, hints[0]) == "duplicate"
    assert topics(platform, stream) == ["receipt.unmatched_recorded.v1"]


def test_what_the_payer_of_a_prompt_pays_is_not_taken_again_at_the_till(
    platform: Deployment, daraja: FakeDaraja
) -> None:
    fan, creator = platform.fan(), platform.creator()
    payment = daraja.pay(platform, fan, creator, Behaviour.SUCCEEDS)
    wait_until(lambda: platform.payment(fan, payment)["state"] == "succeeded", what="it is paid")
    charge = daraja.charges[daraja.reference_of(payment)]
    receipt = daraja.receipt_of(charge)
    wait_until(lambda: receipt in transactions(platform), what="its receipt is known")
    url = daraja.registered["ConfirmationURL"]
    body: dict[str, Any] = confirmation(receipt, "1250.00", charge.reference)
    before = topics(platform, payment)
    told = daraja.callback(charge, "succeeded")._replace(
        path="/" + url.rpartition("/")[2], body=json.dumps(body).encode()
    )
    assert daraja.send(told).is_success
    wait_until(lambda: not waiting(platform), seconds_max=NET_SECONDS_MAX, what="it is settled")
    assert verdict_of(platform, daraja, told) == "duplicate"
    assert topics(platform, payment) == before
    assert transactions(platform)[receipt] == UUID(payment)


def verdict_of(doors: Deployment, daraja: FakeDaraja, sent: Sent) -> str:
    """What became of a callback."""
    key = daraja.adapter().verify(daraja.delivery(sent)).natural_key
    query = "SELECT verdict FROM inbox WHERE provider = 'daraja' AND natural_key = %s"
    [(verdict,)] = rows(doors.database, query, key)
    return str(verdict)


def waiting(doors: Deployment) -> list[tuple[Any, ...]]:
    """Callbacks that are not settled."""
    return rows(
        doors.database,
        "SELECT verdict, reason FROM inbox WHERE provider = 'daraja' AND verdict = 'retrying'",
    )
