"""Provenance of a result, stored with it: program, case, packages, machine and times.

    /provenance             attributes: ekm3d, commit, dirty, backend, host, packages, ...
    /provenance/case.toml   the text of the case

Lists and tables are JSON text. ParaView ignores what lies outside /VTKHDF.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

import h5py

from ekm3d.backends.base import Backend
from ekm3d.hdf5_file import opened
from ekm3d.version import __version__

PACKAGES = ("numpy", "scipy", "h5py", "pydantic", "pint", "rich")


class CaseSource(Protocol):
    """The parts of a case that are recorded."""

    @property
    def path(self) -> Path:
        """Directory of the case."""

    @property
    def text(self) -> str:
        """Text of case.toml."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """"key=value" given on the command line."""

    @property
    def digests(self) -> dict[str, str]:
        """{name: SHA-256} of the files in its directory, as they were read."""


def now() -> str:
    """Return the present time in UTC, to the second, as ISO 8601 text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_provenance(path: Path, case: CaseSource, backend: Backend, started: str) -> None:
    """Write the group /provenance of a VTKHDF file; started: from `now()`."""
    commit, dirty = checkout()
    facts = {
        "ekm3d": __version__,
        "commit": commit,
        "dirty": dirty,
        "command": json.dumps(sys.argv),
        "overrides": json.dumps([str(override) for override in case.overrides]),
        "case_directory": str(Path(case.path).resolve()),
        "case_files_sha256": json.dumps(case.digests),
        "packages": json.dumps(packages()),
        "python": platform.python_version(),
        "backend": backend.name,
        "backend_why": backend.why,
        "host": platform.node(),
        "platform": platform.platform(),
        "processors": os.cpu_count() or 0,
        "started_utc": started,
        "ended_utc": "",
    }
    with opened(path, "r+") as file:
        group = file.require_group("provenance")
        group.attrs.update(facts)
        if "case.toml" not in group:
            group["case.toml"] = case.text


def write_end(path: Path, ended: str) -> None:
    """Add the time at which a run has ended, from `now()`."""
    with opened(path, "r+") as file:
        file["provenance"].attrs["ended_utc"] = ended


def checkout() -> tuple[str, bool]:
    """Return (commit, dirty) of the program's own git checkout; ("", False) without one.

    A virtual environment may lie inside the checkout of another project: only a repository whose
    top is the folder that holds this package counts.
    """
    root = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str:
        answer = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    try:
        top = git("rev-parse", "--show-toplevel")
        if not top or Path(top).resolve() != root:
            return "", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except FileNotFoundError:
        return "", False


def packages() -> dict[str, str]:
    """Return {package: version} of the packages that the program uses."""
    versions = {"HDF5": h5py.version.hdf5_version}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions
