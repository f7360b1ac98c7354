"""Receipts over HTTP: kept by whoever wrote, and held against an export of the log offline."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

import hesabu_verify
from tests.api.deployment import payment_body
from tests.api.payout_steps import Payee
from tests.api.processes import REPOSITORY, clean_environment
from tests.databases import superuser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.api.deployment import Deployment

HEADER = "Hesabu-Receipt"
LATER = """
    UPDATE ledger_events SET state = convert_to(
        replace(convert_from(state, 'UTF8'), 'fan:', 'fam:'), 'UTF8')
    WHERE notification_id = %s
"""


@pytest.fixture(scope="module")
def doors(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    with deploy(DESTINATION_COOLING_SECONDS="0").add_apis(2) as running:
        yield running


def _initiate(doors: Deployment) -> httpx.Response:
    return doors.initiate(doors.fan(), doors.creator())


def _receipt(answer: httpx.Response) -> dict[str, Any]:
    receipt: dict[str, Any] = json.loads(answer.headers[HEADER])
    return receipt


class Auditor:
    """Somebody with the public keys, an export and hesabu-verify."""

    def __init__(
        self, doors: Deployment, directory: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._doors = doors
        self._directory = directory
        self._capsys = capsys
        printed = subprocess.run(
            [sys.executable, "-m", "api.cli", "verifier-keys"],
            cwd=REPOSITORY,
            env=clean_environment(doors.environment()),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        self.keys = printed.stdout.split()

    def verify(self, *receipts: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Of an export that is made now."""
        self._doors.seal()
        export = self._directory / "export.ndjson"
        answer = self._doors.api.send(self._doors.auditor, "GET", "/audit/exports")
        export.write_bytes(answer.content)
        options = [f"--key={key}" for key in self.keys]
        for receipt in receipts:
            path = self._directory / f"{uuid4()}.json"
            path.write_text(json.dumps(receipt))
            options.append(f"--receipt={path}")
        self._capsys.readouterr()
        status = hesabu_verify.main([str(export), "--json", *options])
        return status, json.loads(self._capsys.readouterr().out)


@pytest.fixture
def auditor(doors: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(doors, tmp_path, capsys)


def test_the_answer_to_a_write_carries_a_receipt_that_an_auditor_accepts(
    doors: Deployment, auditor: Auditor
) -> None:
    answer = _initiate(doors)
    receipt = _receipt(answer)
    assert receipt["position"] == answer.json()["data"]["position"]
    assert "/receipts+" in receipt["key"]
    status, report = auditor.verify(receipt)
    assert (status, report["receipts"]) == (0, 1)


def test_many_writes_in_one_turn_have_receipts_under_one_signature(
    doors: Deployment, auditor: Auditor
) -> None:
    creator, fans = doors.creator(), [doors.fan() for _ in range(144)]
    with ThreadPoolExecutor(48) as threads:
        answers = list(threads.map(lambda fan: doors.initiate(fan, creator), fans))
    receipts = [_receipt(answer) for answer in answers if answer.status_code == 202]
    assert len(receipts) == len(answers)
    assert len({receipt["signature"] for receipt in receipts}) < len(receipts)
    assert max(receipt["turn"]["count"] for receipt in receipts) > 1
    status, report = auditor.verify(*receipts)
    assert (status, report["receipts"]) == (0, len(receipts))


def test_a_write_that_is_repeated_gets_a_receipt_of_the_same_event(
    doors: Deployment, auditor: Auditor
) -> None:
    key, fan, body = str(uuid4()), doors.fan(), payment_body(doors.creator())
    first, again = (
        api.send(fan, "POST", "/payments", key=key, json=body) for api in doors.apis[:2]
    )
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    before, after = _receipt(first), _receipt(again)
    assert (after["position"], after["leaf"]) == (before["position"], before["leaf"])
    status, report = auditor.verify(before, after)
    assert (status, report["receipts"]) == (0, 2)


def test_what_was_refused_has_no_receipt(doors: Deployment) -> None:
    body = payment_body(doors.creator()) | {"creator_id": str(uuid4())}
    answer = doors.api.send(doors.fan(), "POST", "/payments", key=str(uuid4()), json=body)
    assert answer.status_code == 404
    assert HEADER not in answer.headers


def test_a_fan_has_receipts_of_what_the_provider_did_to_their_payment(
    doors: Deployment, auditor: Auditor
) -> None:
    fan, creator = doors.fan(), doors.creator()
    payment = doors.pay(fan, creator)
    doors.api.deliver(doors.callback(payment))
    path = f"/payments/{payment}/signed-receipts"
    items: list[dict[str, Any]] = []
    for person in (fan, creator):
        items = doors.api.send(person, "GET", path).json()["data"]["items"]
        topics = [item["topic"] for item in items]
        assert topics == [topic for topic, _ in doors.events(payment)]
        assert "payment.succeeded.v2" in topics
        assert [item["version"] for item in items] == list(range(1, len(items) + 1))
        status, report = auditor.verify(*(item["receipt"] for item in items))
        assert (status, report["receipts"]) == (0, len(items))
    later = doors.api.send(fan, "GET", path, params={"after_version": 1}).json()["data"]["items"]
    assert [item["version"] for item in later] == list(range(2, len(items) + 1))


def test_a_creator_has_receipts_of_a_payout(doors: Deployment, auditor: Auditor) -> None:
    payee = Payee(doors)
    answer = payee.request()
    receipt = _receipt(answer)
    payout = answer.json()["data"]["id"]
    path = f"{payee.path}/payouts/{payout}/signed-receipts"
    items = doors.api.send(payee.creator, "GET", path).json()["data"]["items"]
    assert items[0]["topic"] == doors.events(payout)[0][0]
    assert items[0]["receipt"]["leaf"] == receipt["leaf"]
    status, _ = auditor.verify(receipt, *(item["receipt"] for item in items))
    assert status == 0


def test_an_event_that_was_changed_before_it_was_ever_sealed_is_found_by_its_receipt(
    deploy: Callable[..., Deployment], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with deploy().add_apis(1) as doors:
        receipt = _receipt(_initiate(doors))
        with superuser(doors.database) as connection:
            connection.execute("SET session_replication_role = replica")
            changed = connection.execute(LATER, (receipt["position"],)).rowcount
        assert changed == 1
        status, report = Auditor(doors, tmp_path, capsys).verify(receipt)
        assert status == 1
        assert report["findings"][0]["position"] == receipt["position"]
