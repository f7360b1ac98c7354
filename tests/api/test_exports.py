"""The book as a file, by command and over HTTP: the same, and what its programs believe."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pyarrow.parquet import read_table  # type: ignore[import-untyped]

from projections.exports.formats import KINDS, ExportFormat
from tests.api.processes import REPOSITORY, clean_environment
from tests.projections.export_readers import by_beancount, read_cloud_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.deployment import Deployment

TOO_FAR = 10**9
MEDIA_TYPES = {
    ExportFormat.BUNDLE: "application/x-ndjson",
    ExportFormat.CLOUD_EVENTS: "application/x-ndjson",
    ExportFormat.HLEDGER: "text/plain; charset=utf-8",
    ExportFormat.BEANCOUNT: "text/plain; charset=utf-8",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


@pytest.fixture(scope="module")
def paid(deploy: Callable[..., Deployment]) -> Iterator[Deployment]:
    """An API process, and a book in which three payments succeeded."""
    with deploy().add_apis(1) as running:
        creator = running.creator()
        for _ in range(3):
            running.api.deliver(running.callback(running.pay(running.fan(), creator)))
        yield running


def asked(paid: Deployment, **params: object) -> httpx.Response:
    return paid.api.send(paid.auditor, "GET", "/audit/exports", params=params)


def head(paid: Deployment) -> int:
    answer = paid.api.send(paid.auditor, "GET", "/audit/trial-balance")
    return int(answer.json()["data"]["position"])


def command(paid: Deployment, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "export", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(paid.environment()),
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("which", ExportFormat)
def test_the_command_and_the_route_write_the_same(
    paid: Deployment, tmp_path: Path, which: ExportFormat
) -> None:
    until = head(paid) - 3
    file = tmp_path / "book"
    options = ("--format", which, "--until", str(until), "--output", str(file))
    finished = command(paid, *options)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.decode() == f"{until} events.\n"
    answer = asked(paid, format=which.value, until=until)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert file.read_bytes() == answer.content
    assert answer.headers["content-type"] == MEDIA_TYPES[which]
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="hesabu-{until}.{KINDS[which].suffix}"'
    )


@pytest.mark.parametrize("which", ExportFormat)
def test_without_a_position_it_ends_at_the_head(paid: Deployment, which: ExportFormat) -> None:
    whole = asked(paid, format=which.value).content
    assert whole == asked(paid, format=which.value, until=head(paid)).content
    assert whole != asked(paid, format=which.value, until=head(paid) - 3).content


def test_without_a_format_it_is_the_bundle(paid: Deployment) -> None:
    assert asked(paid).content == asked(paid, format="bundle").content


def test_each_format_tells_the_same_sum(paid: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "book.beancount"
    file.write_bytes(asked(paid, format="beancount").content)
    complaints, balances = by_beancount(file)
    assert complaints == []
    collected = balances["provider:sandbox:collection", "KES"]
    events = read_cloud_events(asked(paid, format="cloudevents").content)
    states: list[Any] = [event.get_data() for event in events]
    rows = read_table(io.BytesIO(asked(paid, format="parquet").content)).to_pylist()
    assert collected > 0
    assert collected == sum(
        posting["amount"]
        for state in states
        for posting in (state.get("entry") or {"postings": []})["postings"]
        if posting["account"] == "provider:sandbox:collection"
    )
    assert collected == sum(
        row["amount"] for row in rows if row["account"] == "provider:sandbox:collection"
    )


def test_what_ends_with_gz_is_compressed(paid: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "book.journal.gz"
    assert command(paid, "--format", "hledger", "--output", str(file)).returncode == 0
    assert gzip.decompress(file.read_bytes()) == asked(paid, format="hledger").content


def test_a_dash_is_standard_output(paid: Deployment) -> None:
    assert command(paid, "--format", "parquet").stdout == asked(paid, format="parquet").content


def test_parquet_is_not_compressed_twice(paid: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "book.parquet.gz"
    finished = command(paid, "--format", "parquet", "--output", str(file))
    assert finished.returncode == 2
    assert b"compressed in itself" in finished.stderr
    assert not file.exists()


@pytest.mark.parametrize("which", ExportFormat)
def test_a_position_that_is_not_there_yet_is_refused(
    paid: Deployment, tmp_path: Path, which: ExportFormat
) -> None:
    answer = asked(paid, format=which.value, until=TOO_FAR)
    assert answer.status_code == httpx.codes.CONFLICT
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == "position_not_reached"
    file = tmp_path / "book"
    options = ("--format", which, "--until", str(TOO_FAR), "--output", str(file))
    finished = command(paid, *options)
    assert finished.returncode == 1
    assert finished.stderr.decode() == f"{error['message']}\n"
    assert not file.exists()


def test_a_format_that_there_is_not_is_named(paid: Deployment) -> None:
    answer = asked(paid, format="ledger")
    assert answer.status_code == httpx.codes.BAD_REQUEST
    [detail] = answer.json()["error"]["details"]
    assert detail["field"] == "format"
    assert json.dumps(detail).count("hledger") == 1
