"""Who may read what the supervisor writes? The owner of the directory, and nobody else."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by the owner of its directory only.

    Callers hold the lock, so what a killed writer left behind can be removed.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with (
        open_private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor,
        open(descriptor, "w", encoding="utf-8", closefd=False) as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(path)


@contextlib.contextmanager
def open_private(path: Path, flags: int) -> Iterator[int]:
    """Open a file, made for the owner of its directory only. A link is refused."""
    # Root may work in another user's directory, who must be able to go on without root.
    descriptor = os.open(path, flags | os.O_NOFOLLOW, mode=0o600)
    try:
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        yield descriptor
    finally:
        os.close(descriptor)
