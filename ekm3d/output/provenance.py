"""Where a result comes from: program, case, packages, machine and times, in the result itself.

    /provenance             attributes: ekm3d, commit, dirty, backend, host, packages, ...
    /provenance/case.toml   the text of the case

Lists and tables are JSON text. ParaView ignores what lies outside /VTKHDF.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py

from ekm3d.output.vtkhdf import opened
from ekm3d.version import __version__

PACKAGES = ("numpy", "scipy", "h5py", "pydantic", "pint", "rich")


def now():
    """This moment in UTC, to the second, as ISO 8601 text."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_provenance(path, case, backend, started, ended=""):
    """Write, or write again, the group /provenance of a VTKHDF file.

    case: has `path` (directory), `text` (of case.toml) and `overrides`; started, ended: `now()`.
    """
    commit, dirty = checkout()
    facts = {
        "ekm3d": __version__,
        "commit": commit,
        "dirty": dirty,
        "command": json.dumps(sys.argv),
        "overrides": json.dumps([str(override) for override in case.overrides]),
        "case_directory": str(Path(case.path).resolve()),
        "case_files_sha256": json.dumps(digests(case.path)),
        "packages": json.dumps(packages()),
        "python": platform.python_version(),
        "backend": backend.name,
        "backend_why": backend.why,
        "host": platform.node(),
        "platform": platform.platform(),
        "processors": os.cpu_count() or 0,
        "started_utc": started,
        "ended_utc": ended,
    }
    with opened(path) as file:
        group = file.require_group("provenance")
        group.attrs.update(facts)
        if "case.toml" not in group:
            group["case.toml"] = case.text


def checkout():
    """(commit, dirty) of the git checkout that the program runs from; ("", False) elsewhere.

    A virtual environment may lie inside a checkout of something else: only a repository whose
    top is the folder of this package's own tree counts.
    """
    root = Path(__file__).resolve().parent.parent

    def git(*words):
        answer = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    try:
        top = git("rev-parse", "--show-toplevel")
        if not top or Path(top).resolve() != root:
            return "", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except FileNotFoundError:
        return "", False


def digests(folder):
    """{name: SHA-256} of the files that lie in a case directory, results not included."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).iterdir()) if path.is_file()}


def packages():
    """{package: version} of what the program is built on."""
    found = {"HDF5": h5py.version.hdf5_version}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
