"""The list of erasures outside of the database: it only grows, and a crash cuts off no more."""

from __future__ import annotations

import multiprocessing
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.erasure_list import Erasure, ErasureList, UnreadableErasureListError

if TYPE_CHECKING:
    from pathlib import Path


def _erasure(*, keys: int = 2) -> Erasure:
    return Erasure(
        erasure_id=uuid4(),
        person_id=uuid4(),
        recorded_at=datetime(2026, 11, 5, 9, tzinfo=UTC),
        erased_by="operator",
        reason="They asked: „forget me“.",
        key_ids=tuple(uuid4() for _ in range(keys)),
    )


@pytest.fixture
def listed(tmp_path: Path) -> ErasureList:
    return ErasureList(tmp_path / "keys" / "erasures.ndjson")


def test_what_is_appended_is_read_again_in_its_order(listed: ErasureList) -> None:
    assert listed.read() == []
    erasures = [_erasure(keys=keys) for keys in (0, 1, 300)]
    for erasure in erasures:
        listed.append(erasure)
    assert listed.read() == erasures == ErasureList(listed.path).read()


def test_only_its_owner_may_read_it(listed: ErasureList) -> None:
    listed.append(_erasure())
    assert stat.S_IMODE(listed.path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_off_anywhere_is_none_and_the_next_one_is_whole(
    listed: ErasureList,
) -> None:
    first, lost, second = _erasure(), _erasure(), _erasure()
    listed.append(first)
    whole = listed.path.read_bytes()
    for length in range(len(lost.line())):
        listed.path.write_bytes(whole + lost.line()[:length])
        assert listed.read() == [first]
        listed.append(second)
        assert listed.read() == [first, second]


@pytest.mark.parametrize("line", [b"{}", b"nothing", b"[]", b"\xff", b""])
def test_a_line_that_is_no_erasure_is_named_and_never_passed_over(
    listed: ErasureList, line: bytes
) -> None:
    listed.append(_erasure())
    with listed.path.open("ab") as file:
        file.write(line + b"\n")
    listed.append(_erasure())
    with pytest.raises(UnreadableErasureListError, match=r"erasures\.ndjson, line 2"):
        listed.read()


def _append_many(path: Path, answers: multiprocessing.Queue[list[UUID]]) -> None:
    erasures = [_erasure(keys=50) for _ in range(20)]
    for erasure in erasures:
        ErasureList(path).append(erasure)
    answers.put([erasure.erasure_id for erasure in erasures])


def test_processes_that_write_at_once_lose_no_line(listed: ErasureList) -> None:
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[list[UUID]] = context.Queue()
    processes = [
        context.Process(target=_append_many, args=(listed.path, answers)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    written = {each for _ in processes for each in answers.get(timeout=60)}
    for process in processes:
        process.join()
    assert {erasure.erasure_id for erasure in listed.read()} == written
    assert len(written) == 80
