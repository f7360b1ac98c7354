"""docs/walkthrough.http, played from the top: each request answers what is written beside it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.auth import Role
from tests.api.deployment import PHONE_PREFIX
from tests.api.http_file import Answers, Written, requests_of, variables_of
from tests.api.processes import REPOSITORY
from tests.api.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.deployment import Deployment
    from tests.api.documentation import Documentation

FILE = REPOSITORY / "docs" / "walkthrough.http"
AGAIN_SECONDS_MAX = 20.0
"""For so long what a provider or a read model does first is waited for."""


@pytest.fixture(scope="module")
def text() -> str:
    """The file."""
    return FILE.read_text(encoding="utf-8")


def _send(deployment: Deployment, written: Written, answers: Answers) -> httpx.Response:
    return deployment.api.client.request(
        written.method,
        answers.fill(written.url),
        headers={name: answers.fill(value) for name, value in written.headers.items()},
        content=answers.fill(written.body) or None,
    )


def _answered(deployment: Deployment, written: Written, answers: Answers) -> httpx.Response:
    give_up_at = time.monotonic() + AGAIN_SECONDS_MAX
    while True:
        answer = _send(deployment, written, answers)
        if answer.status_code == written.status or time.monotonic() > give_up_at:
            return answer
        time.sleep(0.1)


def test_every_request_of_the_walkthrough_answers_what_is_written_beside_it(
    text: str, deploy: Callable[..., Deployment]
) -> None:
    whole = deploy(PAYMENT_EXPIRY_SECONDS="60").add_operator().add_apis(1)
    with whole.add_dispatchers(1).add_projectors(1) as running:
        answers = Answers({**variables_of(text), **_given(running)})
        for written in requests_of(text):
            answer = _answered(running, written, answers)
            assert answer.status_code == written.status, (written.name, answer.text)
            if answer.headers["content-type"] == "application/json":
                answers.bodies[written.name] = json.loads(answer.text)


def _given(running: Deployment) -> dict[str, str]:
    """What a person puts in at the top; the phones are those that no test may leak."""
    # The story, too, has confirmed the phone.
    subscriber, creator = Subscriber(running), running.creator()
    return {
        "host": running.api.url,
        "admin_token": running.admin.token,
        "auditor_token": running.auditor.token,
        "creator_token": creator.token,
        "fan_token": subscriber.fan.token,
        "service_token": running.person(Role.SERVICE).token,
        "creator_id": str(creator.id),
        "fan_id": str(subscriber.fan.id),
        "phone": subscriber.phone,
        "new_phone": f"{PHONE_PREFIX}100",
    }


def test_the_walkthrough_goes_through_every_part_of_the_api(
    text: str, documentation: Documentation
) -> None:
    walked: set[str] = set()
    for written in requests_of(text):
        path = written.url.removeprefix("{{host}}").partition("?")[0]
        operation = documentation.operation(written.method, path)
        assert operation is not None, written.name
        described: Any = documentation.document["paths"][operation.path]
        walked.update(described[operation.method.lower()]["tags"])
    assert walked == {
        tag
        for methods in documentation.document["paths"].values()
        for operation in methods.values()
        for tag in operation["tags"]
    }


def test_every_place_in_the_walkthrough_is_filled_by_what_stands_above_it(text: str) -> None:
    requests, variables = requests_of(text), variables_of(text)
    names = [written.name for written in requests]
    assert len(set(names)) == len(names)
    for number, written in enumerate(requests):
        above = {name: {"data": _Anything()} for name in names[:number]}
        Answers(variables, above).fill(f"{written.url} {written.headers} {written.body}")


class _Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return key


def test_a_place_that_nothing_fills_is_noticed() -> None:
    """The negative control."""
    for place in ("nothing", "nobody.response.body.$.data.id"):
        with pytest.raises(LookupError):
            Answers({}).fill("{{" + place + "}}")
