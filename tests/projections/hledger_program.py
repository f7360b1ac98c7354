"""hledger, from the machine or from its Debian package, unpacked where nobody needs to be root.

It is looked for in PATH, then in a directory that git ignores, then fetched into that directory by
apt: with the lists of packages that the machine has, or else with lists of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
CACHE: Final = REPOSITORY / ".cache" / "hledger"
PACKAGE: Final = "hledger"
SECONDS_MAX: Final = 100


class NoHledger(Exception):
    """hledger is not here and cannot be fetched; install it: apt install hledger."""

    def __str__(self) -> str:
        return self.__doc__ or ""


@dataclass(frozen=True, slots=True)
class Hledger:
    """The program, and where the libraries are that came with it."""

    program: Path
    libraries: list[Path] = field(default_factory=list)

    def run(self, *arguments: str, time_zone: str = "UTC") -> subprocess.CompletedProcess[str]:
        """What it says; journals are UTF-8, whatever the machine speaks."""
        places = {"LD_LIBRARY_PATH": ":".join(map(str, self.libraries))} if self.libraries else {}
        return subprocess.run(
            [str(self.program), *arguments],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": time_zone, **places},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=SECONDS_MAX,
        )


def find_hledger(cache: Path = CACHE) -> Hledger:
    """The one on the machine, or the cached one, or one that is fetched. Raises `NoHledger`."""
    if (found := shutil.which("hledger")) is not None:
        return _working(Hledger(Path(found)))
    if not (cache / "root").is_dir():
        _fetch(cache)
    root = cache / "root"
    libraries = [path for path in root.glob("**/lib/*-linux-gnu*") if path.is_dir()]
    return _working(Hledger(root / "usr" / "bin" / "hledger", libraries))


def _working(hledger: Hledger) -> Hledger:
    try:
        if hledger.run("--version").returncode == 0:
            return hledger
    except OSError as error:
        raise NoHledger from error
    raise NoHledger


def _fetch(cache: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NoHledger
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            _unpack_all(Path(name))
            # Whoever else fetched it meanwhile has the same.
            if not (cache / "root").exists():
                (Path(name) / "root").rename(cache / "root")
    except (OSError, subprocess.SubprocessError) as error:
        if not (cache / "root").is_dir():
            raise NoHledger from error


def _unpack_all(place: Path) -> None:
    """By the lists that the machine has; if there are none, or old ones, by lists of our own."""
    options: list[str] = []
    try:
        _unpack(place, PACKAGE, options)
    except subprocess.CalledProcessError:
        options = _own_lists(place)
        _unpack(place, PACKAGE, options)
    for package in _missing_libraries(place, options):
        _unpack(place, package, options)


def _own_lists(place: Path) -> list[str]:
    """What apt is told to use them, once they are there."""
    (place / "lists" / "partial").mkdir(parents=True)
    (place / "cache" / "archives" / "partial").mkdir(parents=True)
    directories = (f"Dir::State::lists={place / 'lists'}", f"Dir::Cache={place / 'cache'}")
    options = [word for directory in directories for word in ("-o", directory)]
    _run(place, "apt-get", *options, "update")
    return options


def _missing_libraries(place: Path, options: list[str]) -> list[str]:
    """The packages of libraries, if the machine lacks one of those that hledger is linked to."""
    if "not found" not in _run(place, "ldd", "root/usr/bin/hledger"):
        return []
    told = _run(place, "apt-cache", *options, "depends", PACKAGE)
    needed = [line.split(":")[1].strip() for line in told.splitlines() if "Depends:" in line]
    return [package for package in needed if package != "libc6"]


def _unpack(place: Path, package: str, options: list[str]) -> None:
    _run(place, "apt-get", *options, "download", package)
    [archive] = place.glob(f"{package}_*.deb")
    _run(place, "dpkg", "-x", archive.name, "root")


def _run(place: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=SECONDS_MAX,
    )
    return done.stdout
