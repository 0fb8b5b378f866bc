"""Checkpoints of a run: files in a folder of its results, the last two of which are kept.

    out/checkpoint/step_00001234.h5

A damaged file is passed over with a message, and the one before it is taken. Only files that say
that they are checkpoints are ever removed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.errors import OutputError
from ekm3d.output import checkpoint_file
from ekm3d.output.checkpoint_file import Damaged, Domain

FOLDER, NAME = "checkpoint", re.compile(r"step_(\d{8,})\.h5")
KEPT = 2


class Checkpoint:
    """A checkpoint that has been found whole: its path and its facts."""

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path, self.facts = path, facts

    @property
    def time(self) -> float:
        """Simulated time [s]."""
        return float(self.facts["memory"]["state"]["time"])


def files(directory: str | Path) -> list[Path]:
    """Return the checkpoints in a result directory, the newest last; unopened."""
    folder = Path(directory) / FOLDER
    found = [path for path in folder.glob("step_*.h5") if NAME.fullmatch(path.name)]
    return sorted(found, key=_step)


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def size(directory: Path) -> int:
    """Return the bytes of the newest checkpoint, 0 where there is none."""
    found = files(directory)
    return found[-1].stat().st_size if found else 0


def newest(directory: str | Path, tell: Callable[[str], Any]) -> Checkpoint:
    """Return the newest checkpoint in a result directory that is whole.

    tell: is given a line about every damaged one. OutputError if there is none.
    """
    found = files(directory)
    for path in reversed(found):
        try:
            return Checkpoint(path, checkpoint_file.facts_of(path))
        except Damaged as error:
            tell(f"{error}; it is passed over")
    why = (" that is whole" if found else "" if Path(directory).is_dir() else
           ": there is no such directory")
    raise OutputError(f"{directory} holds no checkpoint{why}; `ekm3d run CASE --checkpoint "
                      '"10 min"` writes them')


def save(directory: Path, step: int, domain: Domain, voxels: Iterable[tuple[str, np.ndarray]],
         small: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step and remove all but the last KEPT; collective.

    OSError on rank 0 where it cannot be written, which leaves the earlier ones as they are.
    """
    path = directory / FOLDER / f"step_{step:08d}.h5"
    checkpoint_file.write(path, domain, voxels, small, facts)
    if domain.is_root:
        for old in files(directory)[:-KEPT]:
            if checkpoint_file.is_checkpoint(old):
                old.unlink(missing_ok=True)
    return path


def remove_all(directory: Path) -> None:
    """Remove the checkpoints of an earlier run."""
    folder = directory / FOLDER
    for path in [*files(directory), *folder.glob(".step_*.h5.draft")]:
        if checkpoint_file.is_checkpoint(path) or path.name.startswith("."):
            path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
