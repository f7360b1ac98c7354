"""Whatever is asked, by whomever: no defect, and no answer that the document does not know.

The requests come from the document itself: as it says, against it, and at the edges of every
schema, sent by everybody, most of them mixed with what would be right. The same seed makes the
same requests; TESTS_SEED chooses others.
"""

from __future__ import annotations

import os
from copy import deepcopy
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from api.auth import Role
from tests.api.any_answers import wrongs
from tests.api.any_cases import Cases
from tests.api.any_request import AnyRequest
from tests.api.deployment import API
from tests.api.documentation import Documentation, Operation
from tests.invariants import assert_book_is_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.any_request import Tally
    from tests.api.deployment import Deployment

SEED: Final = int(os.environ.get("TESTS_SEED", "20261125"))
CASES: Final = 32
CASES_SLOW: Final = 450
TOTAL_SLOW_MIN: Final = 50_000
ASKING: Final = ("anonymous", *Role)

NOT_DONE: Final = {Operation("POST", f"{API}/creators/{{creator_id}}/documents")}
"""Nobody in a new book has earned anything in a month that is over."""

SETTINGS: Final = {
    # A day is too long to wait for a destination to cool, and a comment for a second.
    "DESTINATION_COOLING_SECONDS": "0",
    "EVENT_STREAM_HEARTBEAT_SECONDS": "0.05",
    "EVENT_STREAMS_OF_SUBJECT_MAX": "100",
}


@pytest.fixture(scope="module")
def crowded(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Two API processes, and read models that follow."""
    with deploy(**SETTINGS).add_apis(2).add_projectors(1) as running:
        yield running


def _ask(crowded: Deployment, documentation: Documentation, count: int) -> Tally:
    """Ask every route so often; what holds for all of it is checked."""
    print(f"TESTS_SEED={SEED}")  # noqa: T201 - shown where it fails
    crowd, cases = AnyRequest(crowded, SEED), Cases(documentation, SEED)
    crowd.fill()
    for operation in documentation.operations:
        crowd.send_all(operation, cases.of(operation, count))
    tally = crowd.tally
    print(f"{tally.total} answers: {sorted(tally.statuses.items())}")  # noqa: T201 - as above
    assert not tally.findings, "\n".join(f"{at}\n    {it}" for at, it in tally.findings.items())
    for operation in documentation.operations:
        for role in ASKING:
            assert tally.asked[operation, role] >= count // 16, (operation, role)
    assert_book_is_sound(crowded.database)
    return tally


@pytest.mark.timeout(600)
def test_whatever_is_asked_is_answered_as_it_is_documented(
    crowded: Deployment, documentation: Documentation
) -> None:
    tally = _ask(crowded, documentation, CASES)
    assert tally.total >= CASES * len(documentation.operations)
    # Most routes are not only refused.
    assert len(tally.succeeded) > 0.9 * len(documentation.operations)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_fifty_thousand_requests_meet_no_defect(
    crowded: Deployment, documentation: Documentation
) -> None:
    tally = _ask(crowded, documentation, CASES_SLOW)
    assert tally.total >= TOTAL_SLOW_MIN
    assert set(documentation.operations) - tally.succeeded <= NOT_DONE


GOOD: Final = {"status": "success", "data": {}}
BAD: Final = {"status": "error", "error": {"code": "internal_error", "request_id": "1"}}


@pytest.mark.parametrize(
    ("status", "body", "headers", "what"),
    [
        (200, GOOD, {}, []),
        (404, BAD, {}, []),
        (500, BAD, {}, ["a defect"]),
        (503, BAD, {}, ["a defect"]),
        (200, {**GOOD, "phone": "+254709481000"}, {}, ["personal data"]),
        (200, {**GOOD, "name": "Wanjiku"}, {}, ["personal data"]),
        (200, GOOD, {"location": "/fans/254709481000"}, ["personal data"]),
        (200, {**GOOD, "token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln"}, {}, ["a token"]),
        (200, GOOD, {"x-request-id": ""}, ["no request id"]),
        (400, {**BAD, "status": "fine"}, {}, ["not the error's shape"]),
        (400, BAD, {"x-request-id": "2"}, ["not the error's shape"]),
    ],
)
def test_what_no_answer_may_be_is_noticed(
    status: int, body: dict[str, object], headers: dict[str, str], what: list[str]
) -> None:
    request = httpx.Request("GET", "http://127.0.0.1/")
    given = {"x-request-id": "1", **headers}
    answer = httpx.Response(status, json=body, headers=given, request=request)
    assert wrongs(answer, answer.text, served=True) == what
    if answer.is_success and not what:
        assert wrongs(answer, answer.text, served=False) == ["another method"]


def test_a_request_that_the_document_forbids_must_not_be_done(
    crowded: Deployment, documentation: Documentation
) -> None:
    """The negative control: by a document that asks for more than the route does."""
    operation = Operation("GET", f"{API}/audit/accounts")
    document = deepcopy(documentation.document)
    needed = {"name": "needed", "in": "query", "required": True, "schema": {"type": "integer"}}
    document["paths"][operation.path]["get"]["parameters"].append(needed)
    # Some caller who may ask must happen to leave it out, in an otherwise right request.
    crowd = AnyRequest(crowded, SEED)
    for seed in range(SEED, SEED + 10):
        crowd.send_all(operation, Cases(Documentation(document), seed).of(operation, 200))
        if crowd.tally.findings:
            break
    assert [place.rpartition(" ")[2] for place in crowd.tally.findings] == ["AcceptedNegativeData"]
