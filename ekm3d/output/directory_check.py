"""Check of a result directory before a run: may it write there, and what would go."""

import json
import tempfile
from pathlib import Path

from ekm3d.errors import OutputError
from ekm3d.output import checkpoints
from ekm3d.output.results import STATUS_FILE, SUMMARY_FILE
from ekm3d.output.run_lock import check_mark
from ekm3d.output.run_owner import is_written

CASE_FILE = "case.toml"


def check_directory(path: str | Path, force: bool = False) -> None:
    """Raise OutputError if a run may not write here; nothing is created or changed.

    force: results of an earlier run, finished or not, are replaced or gone on with.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; --out takes a directory")
    if (path / CASE_FILE).exists():
        raise OutputError(f"{path} holds a case, whose files a run could replace; give --out DIR "
                          "with a directory of its own")
    check_mark(path)
    if (path / SUMMARY_FILE).exists() and not force:
        raise OutputError(f"{path} holds a finished run; give --force to replace it, "
                          "or --out DIR to write elsewhere")
    if is_written(path, STATUS_FILE):
        raise OutputError(f"another run is writing into {path}; wait for its end, "
                          "or give --out DIR to write elsewhere")
    if (state := _unfinished(path)) and not force:
        ways = "`ekm3d resume` goes on with it, " if checkpoints.files(path) else ""
        raise OutputError(f"{path} holds a run that is not finished (its state is \"{state}\"); "
                          f"{ways}--force replaces it, --out DIR writes elsewhere")
    existing = path
    while not existing.exists():
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {existing}: {error.strerror}; "
                          "give --out DIR with a directory that you may write to") from None


def _unfinished(path: Path) -> str:
    """Return the state of a run whose results are not complete; "" for any other, or none."""
    try:
        state = json.loads((path / STATUS_FILE).read_text(encoding="utf-8"))["state"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if state == "done" else str(state)
