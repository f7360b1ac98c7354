"""The sandbox operator's API: keys, bad input, double prompts, retries, load, start and stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from api.sandbox_operator.behaviours import DESCRIPTIONS, Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.api.sandbox_operator.conftest import OperatorProcess, Receiver

GOOD_PROMPT = {
    "reference": "payment-1",
    "phone": "+254700000000",
    "amount": "1250.00",
    "currency": "KES",
    "description": "A tip",
    "expires_in_seconds": 60,
}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic abc", "Bearer", "Bearer é"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/prompts"),
        ("POST", "/v1/charges"),
        ("GET", "/v1/prompts/payment-1"),
        ("GET", "/v1/statistics/prompts"),
        ("GET", "/v1/statistics/deliveries"),
        ("POST", "/v1/refunds"),
        ("GET", "/v1/refunds/refund-1"),
        ("POST", "/v1/payouts"),
        ("GET", "/v1/payouts/payout-1"),
        ("POST", "/v1/disputes"),
        ("POST", "/v1/disputes/fees"),
        ("POST", "/v1/fees"),
        ("POST", "/v1/settlements"),
        ("POST", "/v1/reversals"),
        ("POST", "/v1/till/payments"),
    ],
)
def test_a_wrong_key_is_refused(
    operator: OperatorProcess, authorization: str | None, method: str, path: str
) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    with httpx.Client(base_url=operator.client.base_url, trust_env=False) as stranger:
        answer = stranger.request(
            method, path, headers=headers, json=GOOD_PROMPT if method == "POST" else None
        )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reference", ""),
        ("reference", "a/b"),
        ("reference", "a" * 129),
        ("reference", 7),
        ("phone", "0700000000"),
        ("phone", "+254 700 000 000"),
        ("phone", "+25470000000\u0660"),
        ("amount", 1250),
        ("amount", 1250.0),
        ("amount", "0.00"),
        ("amount", "-1.00"),
        ("amount", "+1.00"),
        ("amount", "1e3"),
        ("amount", "1,250.00"),
        ("amount", "1250.000"),
        ("amount", "1250."),
        ("amount", "01.00"),
        ("amount", "NaN"),
        ("amount", "\u0661.00"),
        ("amount", "1.00\n"),
        ("amount", "9999999999999.00"),
        ("currency", "kes"),
        ("currency", "ZZZ"),
        ("currency", "XAU"),
        ("currency", "UGX"),
        ("description", "d" * 256),
        ("expires_in_seconds", 0),
        ("expires_in_seconds", "60"),
        ("expires_in_seconds", True),
        ("surprise", "field"),
    ],
)
def test_bad_input_is_refused_without_being_echoed(
    operator: OperatorProcess, field: str, value: object
) -> None:
    answer = operator.client.post("/v1/prompts", json=GOOD_PROMPT | {field: value})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "invalid_request"
    for secret in ("surprise", "ZZZ", "0700000000"):
        assert secret not in error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 20_000,
        b'{"\\ud800": 1}',
        b'{"expires_in_seconds": NaN}',
        b'{"expires_in_seconds": 1e999}',
    ],
)
def test_a_body_that_is_no_prompt_is_refused(operator: OperatorProcess, body: bytes) -> None:
    answer = operator.client.post(
        "/v1/prompts", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("amount", "currency", "normalised"),
    [("1250", "KES", "1250.00"), ("0.5", "KES", "0.50"), ("1250", "UGX", "1250")],
)
def test_amounts_are_answered_with_all_decimals_of_their_currency(
    operator: OperatorProcess, reference: str, amount: str, currency: str, normalised: str
) -> None:
    operator.push(reference, "010", amount=amount, currency=currency)
    assert operator.status(reference)["amount"] == normalised


def test_two_pushes_of_one_reference_are_two_prompts(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "000")
    second = operator.push(reference, "000").json()
    assert operator.prompts(reference) == 2
    callbacks = receiver.wait_for(reference, 2)
    assert len({callback.data["transaction"] for callback in callbacks}) == 2
    assert operator.status(reference)["operator_reference"] == second["operator_reference"]


def test_statistics_tell_all_references_and_deliveries(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    operator.push(reference, "000")
    [callback] = receiver.wait_for(reference, 1)
    prompts = operator.client.get("/v1/statistics/prompts").json()["prompts"]
    assert prompts[reference] == 1
    deliveries = operator.client.get("/v1/statistics/deliveries").json()["deliveries"]
    [delivery] = [each for each in deliveries if each["reference"] == reference]
    assert datetime.fromisoformat(delivery.pop("attempted_at")).tzinfo is not None
    assert delivery == {
        "webhook_id": callback.webhook_id,
        "type": "payment.succeeded",
        "reference": reference,
        "attempt": 1,
        "status_code": 200,
        "error": None,
    }


def test_a_callback_is_delivered_again_until_it_is_acknowledged(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    receiver.answers[reference] = [500, 302]
    operator.push(reference, "000")
    callbacks = receiver.wait_for(reference, 3)
    assert {callback.type for callback in callbacks} == {"payment.succeeded"}
    assert len({callback.webhook_id for callback in callbacks}) == 1
    assert len({callback.body for callback in callbacks}) == 1
    attempts = operator.attempts(reference)
    assert [attempt["status_code"] for attempt in attempts] == [500, 302, 200]


def test_a_callback_is_given_up_after_its_retries(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]], reference: str
) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        settings = {
            "CALLBACK_URL": f"http://127.0.0.1:{port}/callbacks",
            "CALLBACK_RETRIES": "2",
            "RETRY_BACKOFF_SECONDS": "0.01",
        }
        with start_operator(**settings) as operator:
            assert operator.push(reference, "011").status_code == 202
            attempts = operator.attempts(reference)
            assert [each["error"] for each in attempts] == ["ConnectError"] * 3
            assert operator.status(reference)["status"] == "succeeded"
        assert "gave up callback" in operator.errors.read_text()


def test_two_hundred_prompts_at_once_are_all_called_back(
    operator: OperatorProcess, receiver: Receiver, reference: str
) -> None:
    references = [f"{reference}-{number}" for number in range(200)]

    async def push_all() -> list[int]:
        async with httpx.AsyncClient(
            base_url=operator.client.base_url,
            headers=operator.client.headers,
            limits=httpx.Limits(max_connections=50),
            timeout=30,
            trust_env=False,
        ) as client:
            answers = await asyncio.gather(
                *(
                    client.post("/v1/prompts", json=GOOD_PROMPT | {"reference": each})
                    for each in references
                )
            )
        return [answer.status_code for answer in answers]

    assert asyncio.run(push_all()) == [202] * len(references)
    deadline = time.monotonic() + 10
    while any(not receiver.deliveries[each] for each in references):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(len(receiver.deliveries[each]) == 1 for each in references)


def test_behaviours_are_a_table_that_anybody_may_read(operator: OperatorProcess) -> None:
    with httpx.Client(base_url=operator.client.base_url, trust_env=False) as stranger:
        table = stranger.get("/v1/behaviours").json()["behaviours"]
        assert stranger.get("/healthz").json() == {"status": "ok"}
    documented = [*range(19), *range(20, 38)]
    assert [row["digits"] for row in table] == [f"{number:03}" for number in documented]
    assert table[1]["name"] == "insufficient_funds"
    assert set(DESCRIPTIONS) == set(Behaviour)


def test_an_unknown_path_answers_in_the_same_error_shape(operator: OperatorProcess) -> None:
    answer = operator.client.get("/v2/anything")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_sigterm_stops_the_operator_even_while_a_push_hangs(
    start_operator: Callable[..., AbstractContextManager[OperatorProcess]],
    receiver: Receiver,
    reference: str,
) -> None:
    with start_operator(HANG_SECONDS="60") as operator:
        answers: list[httpx.Response] = []
        hanging = threading.Thread(target=lambda: answers.append(operator.push(reference, "014")))
        hanging.start()
        receiver.wait_for(reference, 1)
        operator.push(f"{reference}-open", "006")
        operator.process.send_signal(signal.SIGTERM)
        assert operator.process.wait(timeout=5) == 0
        hanging.join()
    assert answers[0].status_code == 202
    assert operator.errors.read_text() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_KEY", "short"),
        ("WEBHOOK_SECRET", "whsec_"),
        ("WEBHOOK_SECRET", "c2FuZGJveC1vcGVyYXRvcg=="),
        ("CALLBACK_URL", "not a url"),
    ],
)
def test_bad_settings_end_the_start_without_showing_them(name: str, value: str) -> None:
    environment = {
        "SANDBOX_OPERATOR_API_KEY": "sandbox-key-for-tests",
        "SANDBOX_OPERATOR_WEBHOOK_SECRET": "whsec_c2FuZGJveC1vcGVyYXRvcg==",
        f"SANDBOX_OPERATOR_{name}": value,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "api.sandbox_operator"],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    assert ended.returncode == 2
    assert name.lower() in ended.stderr
    assert f"'{value}'" not in ended.stderr
    assert ended.stdout == ""
