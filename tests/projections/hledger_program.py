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
            place = Path(name)
            options = _options(place)
            for package in (PACKAGE, *_missing_libraries(place, options)):
                _unpack(place, package, options)
            # Whoever else fetched it meanwhile has the same.
            if not (cache / "root").exists():
                (place / "root").rename(cache / "root")
    except (OSError, subprocess.SubprocessError) as error:
        if not (cache / "root").is_dir():
            raise NoHledger from error


def _options(place: Path) -> list[str]:
    """For apt: none where the machine knows the package; else lists of our own, brought first."""
    if _apt(place, ["apt-cache", "show", PACKAGE], check=False).returncode == 0:
        return []
    directories = {"Dir::State::lists": place / "lists", "Dir::Cache": place / "cache"}
    options: list[str] = []
    for option, directory in directories.items():
        (directory / "partial").mkdir(parents=True)
        options += ["-o", f"{option}={directory}"]
    (place / "cache" / "archives" / "partial").mkdir(parents=True)
    _apt(place, ["apt-get", *options, "update"])
    return options


def _missing_libraries(place: Path, options: list[str]) -> list[str]:
    """The packages of libraries, if the machine lacks one of those that hledger is linked to."""
    _unpack(place, PACKAGE, options)
    program = place / "root" / "usr" / "bin" / "hledger"
    if "not found" not in _apt(place, ["ldd", str(program)], check=False).stdout:
        return []
    told = _apt(place, ["apt-cache", *options, "depends", PACKAGE]).stdout
    needed = [line.split(":")[1].strip() for line in told.splitlines() if "Depends:" in line]
    return [package for package in needed if package != "libc6"]


def _unpack(place: Path, package: str, options: list[str]) -> None:
    if not list(place.glob(f"{package}_*.deb")):
        _apt(place, ["apt-get", *options, "download", package])
    [archive] = place.glob(f"{package}_*.deb")
    _apt(place, ["dpkg", "-x", str(archive), str(place / "root")])


def _apt(
    place: Path, command: list[str], *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        encoding="utf-8",
        check=check,
        timeout=SECONDS_MAX,
    )
