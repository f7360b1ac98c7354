"""Endpoints over HTTP: made, changed and deleted by their owners, and by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from tests.api.endpoint_requests import CHANGES, OF_PLATFORM, QUEUE, URL
from tests.databases import rows, value

if TYPE_CHECKING:
    from tests.api.deployment import Deployment, Person


def _own(creator: Person) -> str:
    return f"/creators/{creator.id}/webhook-endpoints"


def _send(
    doors: Deployment,
    who: Person,
    method: str,
    path: str,
    **more: Any,  # noqa: ANN401 - of httpx
) -> httpx.Response:
    more.setdefault("key", str(uuid4()))
    return doors.api.send(who, method, path, **more)


def _create(doors: Deployment, creator: Person, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any body
    answer = _send(doors, creator, "POST", _own(creator), json={"url": URL, **body})
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_secret_is_shown_once_and_lies_sealed(doors: Deployment) -> None:
    creator = doors.creator()
    made = _create(doors, creator)
    assert made["secret"].startswith("whsec_")
    assert made["state"] == "enabled"
    path = f"{_own(creator)}/{made['id']}"
    assert "secret" not in _send(doors, creator, "GET", path).json()["data"]
    assert "secret" not in _send(doors, creator, "GET", _own(creator)).json()["data"]["items"][0]
    [(ciphertext,)] = rows(
        doors.database, "SELECT ciphertext FROM webhook_secrets WHERE endpoint_id = %s", made["id"]
    )
    assert made["secret"].encode() not in ciphertext
    rotated = _send(doors, creator, "POST", f"{path}/rotate-secret").json()["data"]
    assert rotated["secret"] != made["secret"]
    [[valid]] = rows(
        doors.database,
        "SELECT array_agg(valid_until IS NULL ORDER BY created_at) FROM webhook_secrets "
        "WHERE endpoint_id = %s",
        made["id"],
    )
    assert valid == [False, True]


def test_a_repetition_makes_no_second_endpoint_and_shows_the_secret_for_a_while(
    doors: Deployment,
) -> None:
    creator, key = doors.creator(), str(uuid4())
    first, again = (
        _send(doors, creator, "POST", _own(creator), key=key, json={"url": URL}) for _ in range(2)
    )
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["data"] == again.json()["data"]
    assert first.headers["cache-control"] == "no-store"
    other = _send(doors, creator, "POST", _own(creator), key=key, json={"url": f"{URL}/2"})
    assert _code(other) == (422, "idempotency_key_reused")
    assert len(_send(doors, creator, "GET", _own(creator)).json()["data"]["items"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://2130706433/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com:22/",
        "https://db.internal/",
    ],
)
def test_a_url_that_is_not_called_cannot_be_registered(doors: Deployment, url: str) -> None:
    creator = doors.creator()
    made = _create(doors, creator)
    change = {"url": url, "types": ["*"], "enabled": True}
    for method, path, body in (
        ("POST", _own(creator), {"url": url}),
        ("PUT", f"{_own(creator)}/{made['id']}", change),
    ):
        answer = _send(doors, creator, method, path, json=body)
        assert _code(answer) == (400, "validation_error")
        assert [each["field"] for each in answer.json()["error"]["details"]] == ["url"]
        assert url not in answer.text


@pytest.mark.parametrize("types", [["payment.done"], ["payout.approved"], ["*", "PAYOUT.PAID"], []])
def test_a_creator_cannot_ask_for_what_is_not_for_them(doors: Deployment, types: list[str]) -> None:
    creator = doors.creator()
    answer = _send(doors, creator, "POST", _own(creator), json={"url": URL, "types": types})
    assert _code(answer) == (400, "validation_error")


def test_a_creator_sees_no_endpoint_of_another_nor_of_the_platform(doors: Deployment) -> None:
    one, another = doors.creator(), doors.creator()
    made = _create(doors, one)
    platform = _send(doors, doors.admin, "POST", OF_PLATFORM, json={"url": URL}).json()["data"]
    change = {"url": URL, "types": ["*"], "enabled": False}
    for endpoint_id in (made["id"], platform["id"], uuid4()):
        own = f"{_own(another)}/{endpoint_id}"
        for method, path, body in (
            ("GET", own, None),
            ("PUT", own, change),
            ("DELETE", own, None),
            ("POST", f"{own}/rotate-secret", None),
            ("POST", f"{own}/test", None),
            ("POST", f"{own}/replay", {"after_position": 0}),
            ("GET", f"{own}/deliveries", None),
            ("POST", f"{own}/deliveries/1/redeliver", None),
        ):
            answer = _send(doors, another, method, path, json=body)
            assert _code(answer) == (404, "webhook_endpoint_not_found"), (method, path)
        theirs = f"{_own(one)}/{endpoint_id}"
        assert _send(doors, another, "GET", theirs).status_code == 403
    # An admin finds a creator's where they are, and not among the platform's.
    assert _send(doors, doors.admin, "GET", f"{_own(one)}/{made['id']}").status_code == 200
    assert _send(doors, doors.admin, "GET", f"{OF_PLATFORM}/{made['id']}").status_code == 404


def test_another_endpoints_message_cannot_be_sent_again(doors: Deployment) -> None:
    one, another = doors.creator(), doors.creator()
    endpoints = {creator.id: _create(doors, creator)["id"] for creator in (one, another)}
    path = f"{_own(one)}/{endpoints[one.id]}"
    sent = _send(doors, one, "POST", f"{path}/test").json()["data"]
    assert (sent["type"], sent["state"], sent["position"]) == ("webhook.test", "waiting", None)
    theirs = f"{_own(another)}/{endpoints[another.id]}/deliveries/{sent['id']}/redeliver"
    answer = _send(doors, another, "POST", theirs)
    assert _code(answer) == (404, "webhook_delivery_not_found")
    assert _send(doors, one, "POST", f"{path}/deliveries/{sent['id']}/redeliver").is_success


def test_who_did_what_to_which_endpoint_stays(doors: Deployment) -> None:
    creator = doors.creator()
    made = _create(doors, creator)
    path = f"{_own(creator)}/{made['id']}"
    changed = {"url": f"{URL}/other", "types": ["payout.paid"], "enabled": False}
    _send(doors, creator, "PUT", path, json=changed)
    _send(doors, doors.admin, "DELETE", path)
    found = _send(doors, doors.auditor, "GET", f"{CHANGES}?limit=3").json()["data"]["items"]
    told = [(each["change"], each["actor"], each["url"]) for each in found]
    assert told == [
        ("deleted", f"admin:{doors.admin.id}", None),
        ("disabled", f"creator:{creator.id}", f"{URL}/other"),
        ("created", f"creator:{creator.id}", URL),
    ]
    assert {each["endpoint_id"] for each in found} == {made["id"]}
    assert _send(doors, creator, "GET", path).status_code == 404
    secrets = "SELECT count(*) FROM webhook_secrets WHERE endpoint_id = %s"
    assert value(doors.database, secrets, made["id"]) == 0


def test_pages_of_deliveries_lead_through_all_of_them_once(doors: Deployment) -> None:
    creator = doors.creator()
    path = f"{_own(creator)}/{_create(doors, creator)['id']}"
    sent = [_send(doors, creator, "POST", f"{path}/test").json()["data"]["id"] for _ in range(5)]
    for where in (f"{path}/deliveries", f"{QUEUE}?state=waiting"):
        caller = creator if where.startswith("/creators") else doors.admin
        found: list[int] = []
        cursor = None
        while cursor is not None or not found:
            url = httpx.URL(where).copy_merge_params(
                {"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
            data = _send(doors, caller, "GET", str(url)).json()["data"]
            found += [each["id"] for each in data["items"]]
            cursor = data["next_cursor"]
        assert [each for each in found if each in sent] == sent[::-1]
        assert len(set(found)) == len(found)


def test_an_admin_gives_a_message_up_for_good(doors: Deployment) -> None:
    creator = doors.creator()
    path = f"{_own(creator)}/{_create(doors, creator)['id']}"
    sent = _send(doors, creator, "POST", f"{path}/test").json()["data"]
    ignored = _send(doors, doors.admin, "POST", f"{QUEUE}/{sent['id']}/ignore")
    assert ignored.json()["data"]["state"] == "ignored"
    again = _send(doors, doors.admin, "POST", f"{QUEUE}/{sent['id']}/redeliver")
    assert again.json()["data"]["state"] == "waiting"
    assert _code(_send(doors, doors.admin, "POST", f"{QUEUE}/{2**40}/ignore")) == (
        404,
        "webhook_delivery_not_found",
    )


def test_there_is_one_replay_at_a_time_and_none_of_what_is_not_there(doors: Deployment) -> None:
    creator = doors.creator()
    path = f"{_own(creator)}/{_create(doors, creator)['id']}/replay"
    beyond = _send(doors, creator, "POST", path, json={"after_position": 2**40})
    assert _code(beyond) == (409, "position_not_reached")
    key = str(uuid4())
    first, same = (
        _send(doors, creator, "POST", path, key=key, json={"after_position": 0}) for _ in range(2)
    )
    assert first.json()["data"] == same.json()["data"]
    second = _send(doors, creator, "POST", path, json={"after_position": 0})
    assert _code(second) == (409, "webhook_replay_under_way")


def test_an_owner_has_so_many_endpoints_and_no_more(doors: Deployment) -> None:
    creator = doors.creator()
    for _ in range(20):
        _create(doors, creator)
    answer = _send(doors, creator, "POST", _own(creator), json={"url": URL})
    assert _code(answer) == (409, "too_many_webhook_endpoints")


def test_an_endpoint_of_nobody_cannot_be_made(doors: Deployment) -> None:
    path = f"/creators/{uuid4()}/webhook-endpoints"
    answer = _send(doors, doors.admin, "POST", path, json={"url": URL})
    assert _code(answer) == (404, "creator_not_found")
    ahead = _send(
        doors, doors.admin, "POST", OF_PLATFORM, json={"url": URL, "after_position": 2**40}
    )
    assert _code(ahead) == (409, "position_not_reached")
