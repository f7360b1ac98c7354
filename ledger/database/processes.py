"""Is that process alive, and still the same one? And once it is dead, who collects it."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

PROCESSES: Final = Path("/proc")
"""Where the kernel tells of processes; absent on macOS."""


def process_start(process_id: int) -> str | None:
    """Identify a living process: its start, which a later process of that id does not share.

    Returns None for one that is dead, also when nobody has collected it yet.
    """
    if not PROCESSES.exists():
        answer = _ask_ps(process_id, "state=,lstart=")
        return None if answer.startswith("Z") else answer or None
    try:
        status = (PROCESSES / str(process_id) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in parentheses, may hold spaces; proc_pid_stat(5) counts from there.
    state, *fields = status.rpartition(b")")[2].decode().split()
    boot = (PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
    return None if state in {"Z", "X"} else f"{boot} {fields[18]}"


def is_live_postgres(process_id: int) -> bool:
    """Tell whether a living process of that id runs the server's program."""
    if process_start(process_id) is None:
        return False
    if not PROCESSES.exists():
        return Path(_ask_ps(process_id, "comm=")).name == "postgres"
    try:
        command = (PROCESSES / str(process_id) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return Path(os.fsdecode(command.partition(b"\0")[0])).name == "postgres"


def _ask_ps(process_id: int, columns: str) -> str:
    question = ["/bin/ps", "-o", columns, "-p", str(process_id)]
    return subprocess.run(question, capture_output=True, check=False, text=True).stdout.strip()


def collect(process_id: int, *, wait: bool) -> None:
    """Collect a dead server if we are process 1, as in a container: init's duty is then ours."""
    if os.getpid() == 1:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process_id, 0 if wait else os.WNOHANG)
