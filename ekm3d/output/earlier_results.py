"""Results that a new run replaces: kept aside until it has worked.

    out/.replaced       what an earlier run has left, from the beginning of the new run to its end

They come back when the new run fails before its first step is complete, and are removed when it is
done. Of a run that was killed or failed later both are there: the new one, unfinished, and the old
one aside, which the next forced run does not touch. While they are moved, in either direction, the
folder has the name out/.replaced.moving: from a process that is killed there the next one brings
them back.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ekm3d.output import checkpoints
from ekm3d.output.geometry import GEOMETRY_FILES
from ekm3d.output.results import FIELDS_FILE, SERIES_FILE, STATUS_FILE, SUMMARY_FILE
from ekm3d.output.vtkhdf_per_rank import box_files, remove_boxes
from ekm3d.output.xdmf import XDMF_SUFFIX

ASIDE, MOVING, LOG_FILE = ".replaced", ".replaced.moving", "log.txt"
FILES = (SUMMARY_FILE, SERIES_FILE, STATUS_FILE, LOG_FILE, FIELDS_FILE,
         Path(FIELDS_FILE).with_suffix(XDMF_SUFFIX).name, *GEOMETRY_FILES)


def _results(path: Path) -> Iterator[Path]:
    """Yield the files that a run has written into a directory, as far as they are there."""
    yield from (path / name for name in FILES if (path / name).is_file())
    yield from box_files((path / FIELDS_FILE).with_suffix(""))
    yield from checkpoints.files(path)


def _move(source: Path, target: Path) -> None:
    """Move the results in a directory into another one, but for those that are there."""
    for one in list(_results(source)):
        place = target / one.relative_to(source)
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            os.rename(one, place)
    for name in (Path(FIELDS_FILE).stem, checkpoints.FOLDER):
        folder = source / name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def set_aside(path: Path) -> None:
    """Make room for a new run; OSError. Finished results aside stay, and unfinished ones go."""
    aside, moving = path / ASIDE, path / MOVING
    _take_back(path)
    if aside.exists() and not (aside / SUMMARY_FILE).exists() and any(_results(path)):
        remove_aside(path)
    if aside.exists():
        remove(path)
        return
    if any(_results(path)):
        moving.mkdir()
        _move(path, moving)
        os.rename(moving, aside)


def bring_back(path: Path) -> bool:
    """Replace what a new run has begun to write by what was there; False where nothing was."""
    aside = path / ASIDE
    if not aside.is_dir():
        return False
    remove(path)
    os.rename(aside, path / MOVING)
    _take_back(path)
    return True


def _take_back(path: Path) -> None:
    """Move what is on its way back into the directory."""
    moving = path / MOVING
    if moving.is_dir():
        _move(moving, path)
        moving.rmdir()


def remove_aside(path: Path) -> None:
    """Remove what was kept aside."""
    aside = path / ASIDE
    if aside.is_dir():
        remove(aside)
        if not any(aside.iterdir()):
            aside.rmdir()


def remove(path: Path) -> None:
    """Remove the results of a run, and nothing else, from a directory."""
    for name in FILES:
        (path / name).unlink(missing_ok=True)
    remove_boxes((path / FIELDS_FILE).with_suffix(""))
    checkpoints.remove_all(path)


def kept_aside(path: Path) -> str:
    """Return a line about results aside, "" where there are none."""
    aside = path / ASIDE
    if not aside.is_dir():
        return ""
    state = "finished" if (aside / SUMMARY_FILE).exists() else _state(aside)
    return f"{aside} keeps the {state} run that this one replaces"


def _state(path: Path) -> str:
    try:
        return str(json.loads((path / STATUS_FILE).read_text(encoding="utf-8"))["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return "earlier"


def free_space(path: Path) -> int | None:
    """Return the bytes that may still be written at a place; None if unknown."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
