"""Sealers as processes: what they sign is checked by the auditor's own program, offline."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import hesabu_verify
from api.signing_keys import checkpoint_signers
from ledger.application import Ledger
from ledger.checkpoints import SignedCheckpoint, Signer
from ledger.database.connections import BookLocation
from ledger.database.roles import DatabaseRole
from tests.api.processes import REPOSITORY, clean_environment, wait_until
from tests.builders import initiate_payment, register_creator
from tests.databases import rows, superuser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.deployment import Deployment


@pytest.fixture
def sealed(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    with deploy().add_apis(1).add_sealers(1) as running:
        yield running


def _money_moves(deployment: Deployment, count: int = 3) -> None:
    creator = deployment.creator()
    for _ in range(count):
        deployment.api.deliver(deployment.callback(deployment.pay(deployment.fan(), creator)))


def _head(deployment: Deployment) -> int:
    [(head,)] = rows(deployment.database, "SELECT max(notification_id) FROM ledger_events")
    return int(head)


def _sealed_size(deployment: Deployment) -> int:
    [(size,)] = rows(deployment.database, "SELECT coalesce(max(size), 0) FROM checkpoints")
    return int(size)


def _wait_until_sealed(deployment: Deployment) -> None:
    head = _head(deployment)
    wait_until(lambda: _sealed_size(deployment) >= head, seconds_max=20, what="it is sealed")


def _command(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(deployment.environment()),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _keys(deployment: Deployment) -> list[str]:
    directory = deployment.directory / "keys" / "checkpoints"
    return [str(signer.verifier_key) for signer in checkpoint_signers(directory, "hesabu/hesabu")]


def _verify(
    export: Path, keys: list[str], capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, Any]]:
    pinned = [f"--key={key}" for key in keys]
    capsys.readouterr()
    status = hesabu_verify.main([str(export), "--json", *pinned, *options])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("way", ["command", "compressed", "http"])
def test_an_auditor_checks_all_of_it_with_a_file_and_a_key(
    sealed: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    _money_moves(sealed)
    _wait_until_sealed(sealed)
    export = tmp_path / ("log.ndjson.gz" if way == "compressed" else "log.ndjson")
    if way == "http":
        export.write_bytes(sealed.api.send(sealed.auditor, "GET", "/audit/exports").content)
    else:
        finished = _command(sealed, "export", "--output", str(export))
        assert finished.returncode == 0, finished.stderr
    keys = _command(sealed, "verifier-keys").stdout.split() if way == "command" else _keys(sealed)
    status, report = _verify(export, keys, capsys)
    assert status == 0, report
    # With the key of somebody else nothing of it is believed.
    stranger = Signer("hesabu/hesabu", Ed25519PrivateKey.generate()).verifier_key
    assert hesabu_verify.main([str(export), f"--key={stranger}"]) != 0


def test_history_that_was_changed_is_sealed_no_more_and_found_offline(
    sealed: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _money_moves(sealed)
    _wait_until_sealed(sealed)
    keys = _keys(sealed)
    kept = tmp_path / "kept.checkpoint"
    note = sealed.api.send(sealed.auditor, "GET", "/audit/checkpoint").json()["data"]["note"]
    kept.write_text(note)
    sealer = sealed.sealers[0]
    sealer.terminate()
    with superuser(sealed.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET state = replace(convert_from(state, 'UTF8'), 'KES', 'UGX')"
            "::bytea WHERE notification_id = 4"
        )
        connection.execute("DELETE FROM merkle_tiles")
        connection.execute("DELETE FROM checkpoints")
    sealer.start()
    assert sealer.wait_for_end() == 1
    assert "History was changed" in sealer.log_text()
    assert _sealed_size(sealed) == 0
    export = tmp_path / "log.ndjson"
    assert _command(sealed, "export", "--output", str(export)).returncode == 0
    status, report = _verify(export, keys, capsys, f"--checkpoint={kept}")
    assert status == 1
    assert report["findings"]


def _many(deployment: Deployment) -> None:
    creator = uuid4()
    ledger = Ledger(BookLocation(deployment.database, DatabaseRole.APP))
    ledger.execute_one(register_creator(creator))
    ledger.execute([initiate_payment(creator) for _ in range(600)])
    ledger.close()


def test_an_old_event_that_is_changed_is_found_while_it_seals_and_no_restart_forgets_it(
    sealed: Deployment,
) -> None:
    _many(sealed)
    _wait_until_sealed(sealed)
    sealer = sealed.sealers[0]
    sealer.terminate()
    [(state,)] = rows(sealed.database, "SELECT state FROM ledger_events WHERE notification_id = 77")
    # The tiles are left as they are: at its start it goes on from them.
    _set_state(sealed, state + b" ")
    sealer.start()
    assert sealer.wait_for_end() == 1
    assert "first event that is not as it was sealed is at position 77." in sealer.log_text()
    before = _sealed_size(sealed)
    _many(sealed)
    sealer.start()
    assert sealer.wait_for_end() == 1, "nothing is signed as long as it is so"
    next((sealed.directory / "keys" / "sealed").glob("*.doubt")).unlink()
    told = _command(sealed, "sealer", "--recheck")
    assert (told.returncode, "is at position 77." in told.stderr) == (1, True), "nor when told"
    assert _sealed_size(sealed) == before
    _set_state(sealed, state)
    sealer.start()
    _wait_until_sealed(sealed)
    assert not list(sealed.directory.rglob("*.doubt"))


def _set_state(deployment: Deployment, state: bytes) -> None:
    with superuser(deployment.database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger_events SET state = %s WHERE notification_id = 77", (state,)
        )


def test_what_is_published_goes_on_over_restarts_and_kills(sealed: Deployment) -> None:
    sealer = sealed.sealers[0]
    for number in range(4):
        _money_moves(sealed, 1)
        _wait_until_sealed(sealed)
        sealer.kill() if number % 2 else sealer.terminate()
        sealer.start()
    _wait_until_sealed(sealed)
    published = [
        SignedCheckpoint.parse(json.loads(line))
        for path in sorted((sealed.directory / "checkpoints" / "hesabu").iterdir())
        for line in path.read_text().splitlines()
    ]
    sizes = [signed.checkpoint.size for signed in published]
    assert sizes == sorted(sizes)
    roots = {signed.checkpoint.size: signed.checkpoint.root for signed in published}
    assert {
        (size, root) for size, root in rows(sealed.database, "SELECT size, root FROM checkpoints")
    } <= set(roots.items())


def test_two_at_once_seal_the_same(deploy: Callable[..., Deployment]) -> None:
    with deploy().add_apis(1).add_sealers(2) as running:
        _money_moves(running, 5)
        _wait_until_sealed(running)
        for sealer in running.sealers:
            sealer.check()


def test_who_cannot_publish_does_not_sign(
    deploy: Callable[..., Deployment], tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no directory")
    with deploy(CHECKPOINTS_DIRECTORY=str(blocked)).add_apis(1).add_sealers(1) as running:
        _money_moves(running, 1)
        sealer = running.sealers[0]
        wait_until(lambda: "checkpoint_not_published" in sealer.log_text(), seconds_max=20)
        assert _sealed_size(running) == 0
        blocked.unlink()
        _wait_until_sealed(running)


def test_while_a_key_is_changed_both_sign(
    sealed: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _money_moves(sealed, 1)
    _wait_until_sealed(sealed)
    [old] = _keys(sealed)
    sealer, directory = sealed.sealers[0], sealed.directory / "keys" / "checkpoints"
    sealer.terminate()
    checkpoint_signers(tmp_path / "made elsewhere", "hesabu/hesabu")
    (tmp_path / "made elsewhere" / "first.pem").rename(directory / "second.pem")
    sealer.start()
    _money_moves(sealed, 1)
    _wait_until_sealed(sealed)
    both = _keys(sealed)
    assert len(both) == 2
    export = tmp_path / "log.ndjson"
    _command(sealed, "export", "--output", str(export))
    for keys in ([old], both):
        assert _verify(export, keys, capsys)[0] == 0
    # The old one goes; what it has signed stays checkable with it.
    sealer.terminate()
    (directory / "first.pem").unlink()
    sealer.start()
    _money_moves(sealed, 1)
    _wait_until_sealed(sealed)
    _command(sealed, "export", "--output", str(export))
    assert _verify(export, both, capsys)[0] == 0
    new = [key for key in both if key != old]
    assert _verify(export, [*new, old], capsys)[0] == 0


def test_a_key_that_others_may_read_is_not_used(sealed: Deployment) -> None:
    sealer = sealed.sealers[0]
    _money_moves(sealed, 1)
    _wait_until_sealed(sealed)
    sealer.terminate()
    path = sealed.directory / "keys" / "checkpoints" / "first.pem"
    path.chmod(0o644)
    sealer.start()
    assert sealer.wait_for_end() == 1
    assert "others may read it" in sealer.log_text()
    path.chmod(0o600)
