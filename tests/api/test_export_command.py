"""A file that could not be finished is not left behind: it could be taken for the whole book."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from api.export_command import opened

if TYPE_CHECKING:
    from pathlib import Path


def begin_and_fail(output: str) -> None:
    with opened(output) as half:
        half.write(b"the first half")
        raise ConnectionError


@pytest.mark.parametrize("name", ["book.journal", "book.journal.gz"])
def test_half_a_book_is_removed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConnectionError):
        begin_and_fail(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_left_alone() -> None:
    with pytest.raises(ConnectionError):
        begin_and_fail("/dev/null")
    with opened("/dev/null") as nothing:
        nothing.write(b"all of it")


def test_a_whole_book_is_kept(tmp_path: Path) -> None:
    for name in ("book.journal", "book.journal.gz"):
        with opened(str(tmp_path / name)) as file:
            file.write(b"all of it")
    assert (tmp_path / "book.journal").read_bytes() == b"all of it"
    assert gzip.decompress((tmp_path / "book.journal.gz").read_bytes()) == b"all of it"
