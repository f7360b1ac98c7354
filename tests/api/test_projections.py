"""How read models stand is visible, and admins have them built anew, by HTTP and command line."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from ledger.application import Ledger
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from projections.models import EVERY_MODEL
from tests.api.deployment import Deployment
from tests.api.processes import wait_until
from tests.databases import rows, superuser, value
from tests.projections.projecting import insert_raw, pay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.databases import Databases

NAMES = sorted(model.name for model in EVERY_MODEL)


@pytest.fixture(scope="module")
def projected(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """An API process and two projectors."""
    with deploy().add_apis(1).add_projectors(2) as running:
        yield running


def ready(projected: Deployment) -> dict[str, Any]:
    answer = projected.api.client.get("/readyz")
    assert answer.status_code == httpx.codes.OK
    data: dict[str, Any] = answer.json()["data"]
    return data


def shown(projected: Deployment) -> dict[str, dict[str, Any]]:
    """The read models as admins see them, by name."""
    answer = projected.api.send(projected.admin, "GET", "/admin/projections")
    assert answer.status_code == httpx.codes.OK, answer.text
    return {each["name"]: each for each in answer.json()["data"]["items"]}


def ask_to_rebuild(projected: Deployment, name: str, key: str) -> httpx.Response:
    path = f"/admin/projections/{name}/rebuild"
    return projected.api.send(projected.admin, "POST", path, key=key)


def wait_until_caught_up(projected: Deployment) -> None:
    wait_until(
        lambda: all(each["lag_events"] == 0 for each in ready(projected)["projections"]),
        what="every read model is at the head",
    )


def hesabu(projected: Deployment, *arguments: str) -> Result:
    """The command line, in this process: an interpreter of its own would take seconds to start."""
    return CliRunner().invoke(app, arguments, env=projected.environment())


def test_what_is_written_is_soon_in_every_read_model(projected: Deployment) -> None:
    projected.pay(projected.fan(), projected.creator())
    wait_until_caught_up(projected)
    told = ready(projected)
    assert [each["name"] for each in told["projections"]] == NAMES
    for each in told["projections"]:
        assert each["position"] == told["position"]
        assert (each["lag_seconds"], each["parked_at"], each["error"]) == (0, None, None)
    assert {model["live"]["number"] for model in shown(projected).values()} == {1}


def test_an_admin_has_a_read_model_built_anew(projected: Deployment) -> None:
    projected.pay(projected.fan(), projected.creator())
    key, before = str(uuid4()), shown(projected)["payments"]["live"]["number"]
    asked = ask_to_rebuild(projected, "payments", key)
    assert asked.status_code == httpx.codes.ACCEPTED
    request_id = asked.json()["data"]["id"]
    wait_until(
        lambda: shown(projected)["payments"]["request"]["state"] == "done", what="it is built"
    )
    told = shown(projected)["payments"]
    assert told["live"]["number"] == before + 1 == told["request"]["generation"]
    assert (told["request"]["id"], told["request"]["differences"]) == (request_id, 0)
    assert told["building"] is None
    again = ask_to_rebuild(projected, "payments", key)
    assert again.json() == asked.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert ask_to_rebuild(projected, "invoices", key).status_code == 422
    nothing = ask_to_rebuild(projected, "nothing", str(uuid4()))
    assert nothing.json()["error"]["code"] == "projection_not_found"


def test_the_command_line_lists_compares_and_rebuilds(projected: Deployment) -> None:
    wait_until_caught_up(projected)
    listed = hesabu(projected, "projections", "list")
    assert listed.exit_code == 0
    assert all(name in listed.output for name in NAMES)
    assert hesabu(projected, "projections", "status").exit_code == 0
    same = hesabu(projected, "projections", "diff", "payments")
    assert (same.exit_code, "payments is what the log says." in same.output) == (0, True)
    live = shown(projected)["payments"]["live"]["number"]
    with superuser(projected.database) as connection:
        connection.execute(f"UPDATE payments_g{live} SET state = 'tampered'")
    differing = hesabu(projected, "projections", "diff", "payments")
    assert differing.exit_code == 1
    assert "is not what the log says" in differing.output
    rebuilt = hesabu(projected, "projections", "rebuild", "payments")
    assert rebuilt.exit_code == 0, rebuilt.output
    assert f"Generation {live + 1} of payments is read" in rebuilt.output
    assert hesabu(projected, "projections", "diff", "payments").exit_code == 0
    unknown = hesabu(projected, "projections", "rebuild", "nothing")
    assert (unknown.exit_code, "There are: " in unknown.output) == (2, True)


def test_balances_and_the_journal_are_built_anew_and_replaced_only_when_told_to(
    projected: Deployment,
) -> None:
    with closing(Ledger(BookLocation(projected.database, DatabaseRole.APP))) as ledger:
        pay(ledger, 3)
    live = shown(projected)["journal"]["live"]["number"]
    ask_to_rebuild(projected, "journal", str(uuid4()))
    wait_until(
        lambda: shown(projected)["journal"]["request"]["state"] == "done", what="it is built"
    )
    told = shown(projected)["journal"]
    assert (told["live"]["number"], told["live"]["lag_events"]) == (live + 1, 0)
    assert told["request"]["differences"] == 0
    side = "odd" if (live + 1) % 2 else "even"
    with superuser(projected.database) as connection:
        connection.execute(f"UPDATE balances_{side} SET currency = 'UGX' WHERE account_id = 1")
    ask_to_rebuild(projected, "journal", str(uuid4()))
    wait_until(
        lambda: shown(projected)["journal"]["request"]["state"] == "failed", what="it is refused"
    )
    assert "Rows that differ: 2." in shown(projected)["journal"]["request"]["error"]
    assert shown(projected)["journal"]["live"]["number"] == live + 1
    refused = hesabu(projected, "projections", "rebuild", "journal")
    assert (refused.exit_code, "--accept-differences" in refused.output) == (1, True)
    accepted = hesabu(projected, "projections", "rebuild", "journal", "--accept-differences")
    assert accepted.exit_code == 0, accepted.output
    assert f"Generation {live + 2} of journal is read" in accepted.output
    assert hesabu(projected, "projections", "diff", "journal").exit_code == 0


def test_a_parked_read_model_is_told_of_and_fails_no_readiness(
    deploy: Callable[..., Deployment],
) -> None:
    with deploy().add_apis(1).add_projectors(1) as projected:
        projected.pay(projected.fan(), projected.creator())
        broken = insert_raw(projected.database, "payment.succeeded.v2", b'{"nonsense":1}')
        wait_until(
            lambda: shown(projected)["payments"]["live"]["parked"] is not None, what="it is parked"
        )
        projected.pay(projected.fan(), projected.creator())
        wait_until(
            lambda: shown(projected)["proposals"]["live"]["lag_events"] == 0, what="others go on"
        )
        parked = shown(projected)["payments"]["live"]
        assert parked["position"] == broken - 1
        assert parked["parked"]["position"] == broken
        assert "ValidationError" in parked["parked"]["trace"]
        assert parked["lag_events"] > 0
        [told] = [each for each in ready(projected)["projections"] if each["name"] == "payments"]
        assert (told["parked_at"], told["error"]) == (broken, "ValidationError")
        assert "nonsense" not in projected.api.client.get("/readyz").text
        status = hesabu(projected, "projections", "status")
        assert status.exit_code == 1
        assert f"payments is parked before the event at {broken}" in status.output
        assert "Traceback" in status.output
        failing = hesabu(projected, "projections", "rebuild", "payments")
        assert failing.exit_code == 1
        assert f"The event at {broken} cannot be applied" in failing.output


def test_migrating_begins_the_read_models(databases: Databases, tmp_path: Path) -> None:
    database = databases.create_without_a_book()
    environment = {
        "DATABASE_URL": database.owner_conninfo(),
        "HESABU_DATA_DIRECTORY": str(tmp_path),
    }
    for _ in range(2):
        assert CliRunner().invoke(app, ["migrate"], env=environment).exit_code == 0
    begun = rows(database, "SELECT name, generation, state FROM read_models ORDER BY name")
    assert begun == [(name, 1, "live") for name in NAMES]


def test_projectors_that_are_told_to_stop_stop(projected: Deployment) -> None:
    assert [process.terminate() for process in projected.projectors] == [0, 0]
    for process in projected.projectors:
        assert '"level":"error"' not in process.log_text()
    assert (
        value(projected.database, "SELECT count(*) FROM rebuild_requests WHERE ended_at IS NULL")
        == 0
    )
