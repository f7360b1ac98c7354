"""An auditor asks why, what changed, and what if: over HTTP, and by command on the server."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.deployment import GROSS, NET, Deployment
from tests.api.processes import REPOSITORY, clean_environment
from tests.databases import rows, superuser, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.deployment import Person

HEAD = "SELECT max(position) FROM turns"
OTHER_NET = GROSS - 6_250 - 1_000
"""Five per cent are the platform's, and sixteen per cent of that are VAT."""


@pytest.fixture
def small(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """A book of its own, with little patience."""
    with deploy(WHAT_IF_EVENTS_MAX="12", DIFFERENCES_POSITIONS_MAX="10").add_apis(1) as running:
        yield running


def _paid(doors: Deployment) -> tuple[Person, Person, str]:
    """A fan has paid a creator; the provider has called back."""
    fan, creator = doors.fan(), doors.creator()
    payment = doors.pay(fan, creator)
    assert doors.api.deliver(doors.callback(payment)).status_code == 200
    return fan, creator, payment


def _asked(doors: Deployment, path: str, **params: object) -> dict[str, Any]:
    answer = doors.api.send(doors.auditor, "GET", path, params=params)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def _supposed(doors: Deployment, **body: object) -> dict[str, Any]:
    answer = doors.api.send(doors.auditor, "POST", "/audit/what-if", json=body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def _command(doors: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(doors.environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _tamper(doors: Deployment, account: str) -> None:
    with superuser(doors.database) as connection:
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(
            "UPDATE journal_lines_odd SET amount = amount - 1 WHERE account_id = "
            "(SELECT account_id FROM balances WHERE account = %s)",
            [account],
        )
        assert changed.rowcount == 1


def test_a_balance_leads_to_the_callback_that_came_in_by_the_door(doors: Deployment) -> None:
    fan, creator, payment = _paid(doors)
    account = f"creator:{creator.id}:pending"
    page = _asked(doors, f"/audit/accounts/{account}/explanation", currency="KES")
    [line] = page["items"]
    assert (line["amount"], line["balance"], page["balance"]) == (-NET, -NET, -NET)
    assert (page["opening_balance"], page["closing_balance"]) == (0, -NET)
    assert page["sums_match"]
    assert page["evidence_matches"]
    assert page["mismatches"] == []
    assert line["belongs_to"] == {
        "kind": "payment",
        "id": payment,
        "creator_id": str(creator.id),
        "fan_id": str(fan.id),
        "subscription_id": None,
        "invoice_id": None,
    }
    [proof] = line["evidence"]
    [(inbox_id, body_hash)] = rows(
        doors.database, "SELECT inbox_id::text, body_hash FROM inbox WHERE position = %s",
        line["position"],
    )  # fmt: skip
    assert (proof["inbox_id"], proof["sha256"], proof["body"]) == (inbox_id, body_hash, "matches")
    [(_, succeeded)] = [each for each in doors.events(payment) if each[0] == line["topic"]]
    assert succeeded["evidence"] == body_hash


def test_a_balance_is_explained_as_it_was(doors: Deployment) -> None:
    _, creator, _ = _paid(doors)
    head = value(doors.database, HEAD)
    doors.api.deliver(doors.callback(doors.pay(doors.fan(), creator)))
    path = f"/audit/accounts/creator:{creator.id}:pending/explanation"
    assert _asked(doors, path, currency="KES")["balance"] == -2 * NET
    was = _asked(doors, path, currency="KES", position=head)
    assert (was["balance"], was["position"], len(was["items"])) == (-NET, head, 1)
    answer = doors.api.send(
        doors.auditor, "GET", path, params={"currency": "KES", "position": 10**9}
    )
    assert answer.status_code == 409
    answer = doors.api.send(doors.auditor, "GET", path, params={"currency": "USD"})
    assert answer.status_code == 404


def test_what_changed_is_said_an_account_a_line(doors: Deployment) -> None:
    before = value(doors.database, HEAD)
    _, creator, _ = _paid(doors)
    head = value(doors.database, HEAD)
    found = _asked(doors, "/audit/differences", **{"from": before, "to": head})
    pending = next(each for each in found["items"] if each["account"].endswith(":pending"))
    assert pending == {
        "account": f"creator:{creator.id}:pending",
        "currency": "KES",
        "side": "liability",
        "before": 0,
        "debits": 0,
        "credits": NET,
        "after": -NET,
        "lines": 1,
    }
    assert len(found["items"]) == 4
    assert found["totals"] == [
        {
            "currency": "KES",
            "accounts": 4,
            "debits": GROSS,
            "credits": GROSS,
            "lines": 4,
            "balanced": True,
        }
    ]
    nothing = _asked(doors, "/audit/differences", **{"from": head, "to": head})
    assert (nothing["items"], nothing["totals"], nothing["sums_match"]) == ([], [], True)
    reverse = doors.api.send(
        doors.auditor, "GET", "/audit/differences", params={"from": 1, "to": 0}
    )
    assert (reverse.status_code, reverse.json()["error"]["code"]) == (400, "positions_reversed")


def test_another_fee_is_supposed_and_nothing_is_written(doors: Deployment) -> None:
    before = value(doors.database, HEAD)
    _, creator, _ = _paid(doors)
    recorded = doors.recorded()
    found = _supposed(doors, platform_fee_basis_points=500, from_position=before + 1)
    assert doors.recorded() == recorded
    assert found["creators"] == [
        {
            "creator_id": str(creator.id),
            "currency": "KES",
            "payments": 1,
            "net_as_it_was": NET,
            "net_as_it_would_be": OTHER_NET,
            "difference": OTHER_NET - NET,
        }
    ]
    [total] = found["totals"]
    assert total["as_it_was"] == {"net": NET, "fees": 12_500, "vat": 2_000, "expenses": 0}
    assert total["as_it_would_be"] == {"net": OTHER_NET, "fees": 6_250, "vat": 1_000, "expenses": 0}
    assert (found["payments"], found["left_as_they_were"]) == (1, [])
    head = value(doors.database, HEAD)
    assert (found["position"], found["events"]) == (head, head - before)


def test_a_what_if_begins_at_a_position_or_a_time(doors: Deployment) -> None:
    _paid(doors)
    [[head, then]] = rows(
        doors.database, "SELECT position, recorded_at FROM turns ORDER BY position DESC LIMIT 1"
    )
    time.sleep(0.01)
    _, second, _ = _paid(doors)
    for begins in ({"from_position": head + 1}, {"from_time": f"{then.isoformat()}"}):
        found = _supposed(doors, platform_fee_basis_points=0, **begins)
        assert [each["creator_id"] for each in found["creators"]] == [str(second.id)]
    found = _supposed(doors, platform_fee_basis_points=0, from_time="2100-01-01T00:00:00Z")
    assert (found["payments"], found["creators"]) == (0, [])


def test_one_creators_fee_is_supposed(doors: Deployment) -> None:
    before = value(doors.database, HEAD)
    _, first, _ = _paid(doors)
    _paid(doors)
    found = _supposed(
        doors,
        platform_fee_basis_points=0,
        creator_id=str(first.id),
        from_position=before + 1,
    )
    assert [each["creator_id"] for each in found["creators"]] == [str(first.id)]


def test_what_would_take_long_is_refused_and_the_command_named(small: Deployment) -> None:
    while value(small.database, HEAD) <= 12:
        _paid(small)
    body = {"platform_fee_basis_points": 500}
    many = small.api.send(small.auditor, "POST", "/audit/what-if", json=body)
    assert (many.status_code, many.json()["error"]["code"]) == (409, "too_many_events")
    assert "hesabu what-if" in many.json()["error"]["message"]
    far = small.api.send(small.auditor, "GET", "/audit/differences", params={"from": 0, "to": 11})
    assert (far.status_code, far.json()["error"]["code"]) == (409, "too_many_events")
    assert "hesabu diff" in far.json()["error"]["message"]
    # The commands have no such limit.
    assert _command(small, "diff", "0", "12").returncode == 0
    assert _command(small, "what-if", "--platform-fee-basis-points", "500").returncode == 0


def test_a_what_if_leaves_others_their_answers(doors: Deployment) -> None:
    for _ in range(5):
        _paid(doors)
    first = max(1, value(doors.database, HEAD) - 5_000)
    body = {"platform_fee_basis_points": 500, "from_position": first}
    with ThreadPoolExecutor(4) as pool:
        supposing = [
            pool.submit(doors.api.send, doors.auditor, "POST", "/audit/what-if", json=body)
            for _ in range(4)
        ]
        answered = [doors.api.client.get("/healthz").status_code for _ in range(20)]
        found = [each.result().json()["data"] for each in supposing]
    assert set(answered) == {200}
    assert all(each == found[0] for each in found)


def test_whoever_asks_what_if_is_recorded_or_not_answered(small: Deployment) -> None:
    _supposed(small, platform_fee_basis_points=500)
    recorded = rows(small.database, "SELECT method, route, status FROM access_records")
    assert recorded == [("POST", "/audit/what-if", 200)]
    with superuser(small.database) as connection:
        connection.execute("ALTER TABLE access_records RENAME TO elsewhere")
    body = {"platform_fee_basis_points": 500}
    answer = small.api.send(small.auditor, "POST", "/audit/what-if", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "access_not_recorded")


def test_the_commands_say_the_same_as_the_routes(small: Deployment) -> None:
    _, creator, payment = _paid(small)
    account, head = f"creator:{creator.id}:pending", str(value(small.database, HEAD))
    explained = _command(small, "explain", account, "--currency", "KES", "--all")
    assert explained.returncode == 0, explained.stderr
    [line] = _asked(small, f"/audit/accounts/{account}/explanation", currency="KES")["items"]
    for told in (payment, line["evidence"][0]["sha256"], line["evidence"][0]["inbox_id"]):
        assert told in explained.stdout
    assert "the kept body has this hash" in explained.stdout
    assert "opening 0 + lines -110,500 = closing -110,500" in explained.stdout
    assert explained.stdout.endswith("GOOD: the sums match\n")
    changed = _command(small, "diff", "0", head)
    assert changed.returncode == 0, changed.stderr
    assert "KES: 4 accounts, 4 lines, debits 125,000, credits 125,000: sums to zero" in (
        changed.stdout
    )
    supposed = _command(small, "what-if", "--platform-fee-basis-points", "500")
    assert supposed.returncode == 0, supposed.stderr
    [row] = [each for each in supposed.stdout.splitlines() if each.startswith(str(creator.id))]
    assert row.split()[1:] == ["KES", "1", "110,500", "117,750", "+7,250"]
    assert "creators would have +7,250" in supposed.stdout

    small.api.deliver(small.callback(small.pay(small.fan(), creator)))
    explained = _command(small, "explain", account, "--currency", "KES", "--limit", "1")
    assert explained.returncode == 0
    assert "opening -110,500 + lines -110,500 = closing -221,000" in explained.stdout
    assert "1 lines shown; there are older ones" in explained.stdout


def test_what_was_tampered_with_is_said_loudly(small: Deployment) -> None:
    _, creator, _ = _paid(small)
    account, head = f"creator:{creator.id}:pending", value(small.database, HEAD)
    _tamper(small, account)
    page = _asked(small, f"/audit/accounts/{account}/explanation", currency="KES")
    assert page["sums_match"] is False
    assert [each["what"] for each in page["mismatches"]] == [
        "0 and -110501 are not -110500",
        f"its event posted -110500 to {account}",
    ]
    assert _asked(small, "/audit/differences", **{"from": 0, "to": head})["sums_match"] is False
    explained = _command(small, "explain", account, "--currency", "KES")
    assert explained.returncode == 1
    assert "WRONG: position" in explained.stdout
    assert explained.stdout.endswith("WRONG: something does not add up\n")
    changed = _command(small, "diff", "0", str(head))
    assert changed.returncode == 1
    assert changed.stdout.endswith("WRONG: something does not add up\n")


def test_a_command_that_cannot_be_answered_says_why(doors: Deployment) -> None:
    unknown = _command(doors, "explain", "creator:nobody", "--currency", "KES")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no line in KES" in unknown.stderr
    ahead = _command(doors, "diff", "0", "1000000")
    assert (ahead.returncode, ahead.stdout) == (2, "")
    assert "is not there yet" in ahead.stderr
