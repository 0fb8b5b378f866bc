"""Result directory of a run: fields.vtkhdf, series.csv, summary.json, log.txt, status.json.

A directory that holds a finished run is not touched unless forced. Files are replaced or
appended to such that readers never see an incomplete one. A snapshot is copied and then written
while the run goes on, one at a time; the end of the run, or its failure, waits for it.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.diagnostics.derived_fields import dynamic_fields, snapshot, static_fields
from ekm3d.errors import ConvergenceError, OutputError
from ekm3d.output import checkpoints
from ekm3d.output.background_writer import BackgroundWriter
from ekm3d.output.provenance import now, write_provenance
from ekm3d.output.results import FIELDS_FILE, SERIES_FILE, STATUS_FILE, SUMMARY_FILE
from ekm3d.output.run_lock import RunLock, check_mark, mark
from ekm3d.output.run_owner import claim, is_claimed, is_written, owner, release
from ekm3d.output.vtkhdf_per_rank import remove_boxes, snapshots

CASE_FILE, LOG_FILE = "case.toml", "log.txt"
Simulation = Any            # of `model`, on a higher floor


class SnapshotError(OutputError):
    """A snapshot could not be written; the run ends, what was written before stays."""

    exit_code = ConvergenceError.exit_code


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


def write_atomically(path: Path, text: str) -> None:
    """Replace the contents of a file in one step, so that readers see the old or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


@dataclass(frozen=True)
class Position:
    """Place in the files of a run: what a checkpoint counts as written, and a run goes on after."""

    snapshots: int
    series_bytes: int
    started: str            # when the run began, UTC


def open_outputs(sim: Simulation, path: str | Path, force: bool = False,
                 kept: Position | None = None) -> "NonRootOutput":
    """Return the writer of a run's files: a RunDirectory on rank 0, else a NonRootOutput.

    kept: go on with the files of an earlier process. Collective. OutputError if the run may not
    write to `path`.
    """
    check_directory(path, force or kept is not None)
    if kept is not None:
        _check_series(Path(path) / SERIES_FILE, kept.series_bytes)
    sim.domain.barrier()                   # all ranks have checked before one of them writes
    if not sim.domain.is_root:
        with sim.domain.collective_errors(OutputError):
            pass
        return NonRootOutput(sim, Path(path), kept)
    with sim.domain.collective_errors(OutputError):
        lock = _locked(Path(path))
    try:
        return RunDirectory(sim, Path(path), kept, lock)
    except BaseException:
        lock.release()
        raise


def _locked(path: Path) -> RunLock:
    """Create the directory, lock it for this run and mark it."""
    path.mkdir(parents=True, exist_ok=True)
    lock = RunLock(path)
    lock.acquire(is_claimed(path))
    mark(path)
    return lock


def _check_series(path: Path, size: int) -> None:
    """OutputError where a series is shorter than a checkpoint has counted."""
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        raise OutputError(f"{path} is not the file that the run has written: it has {found} "
                          f"bytes and had {size}")


class NonRootOutput:
    """Output of a rank that takes part in snapshots and writes no other file."""

    def __init__(self, sim: Simulation, path: Path, kept: Position | None = None) -> None:
        self.sim, self.path = sim, path
        fields = dynamic_fields(sim)
        self.snapshots = snapshots(path / FIELDS_FILE, sim.domain, static_fields(sim), fields,
                                   sim.case.output.mode, kept=kept.snapshots if kept else None)
        self.writer = BackgroundWriter()
        self.copies = {field.name: sim.backend.host_buffer(field.shape(sim.grid), np.float32)
                       for field in fields}

    def snapshot(self) -> None:
        """Add the present block to fields.vtkhdf, from a copy, while the run goes on.

        A writer that exchanges messages between ranks writes before this returns.
        SnapshotError, also of the last snapshot, where it could not be written.
        """
        self.finish_snapshot()
        for name, array in snapshot(self.sim):
            self.sim.backend.copy_to_host_async(array, self.copies[name])
            del array                # before the next one is made
        time, wait_for_copies = self.sim.state.time, self.sim.backend.copies_done()
        if self.snapshots.communicates:
            self._write(time, wait_for_copies)
        else:
            self.writer.start(self._write, time, wait_for_copies)

    def _write(self, time: float, wait_for_copies: Callable[[], Any]) -> None:
        """Write the copies, once complete, as the block at `time` [s]."""
        wait_for_copies()
        try:
            self.snapshots.append(time, self.copies)
        except OSError as error:
            raise SnapshotError(f"{self.snapshots.path}: the snapshot at t = {time:g} s was not "
                                f"written: {error}") from error

    def finish_snapshot(self) -> None:
        """Wait until the last snapshot of all ranks is on disk; collective."""
        self.writer.wait()
        self.snapshots.publish()

    def position(self) -> dict[str, Any]:
        """Return the Position of the files now, as data for JSON, with all of it on the disk."""
        return {}

    def step_taken(self) -> None:
        """Show that the run goes on."""

    def log(self, text: str) -> None:
        """Append to log.txt."""

    def series(self, row: Mapping[str, float | None]) -> None:
        """Append a row {name[unit]: value} to series.csv, a header before the first.

        None is an empty cell.
        """
        self.writer.check()

    def status(self, state: str, **facts: Any) -> None:
        """Replace status.json by the present time and step, with further facts."""

    def interrupted(self, why: str) -> None:
        """Record in status and log that the run was asked to stop and can be resumed."""
        self.status("interrupted", reason=why)
        self.log(f"interrupted at t = {self.sim.state.time:g} s {why}")

    def failed(self, error: BaseException) -> None:
        """Record the reason of a failure in status and log, after waiting for the writer."""
        reasons = [str(error) or type(error).__name__]
        try:
            self.writer.wait()
        except Exception as another:
            reasons.append(str(another))
        self.status("failed", reason="; ".join(reasons))
        self.log(f"failed at t = {self.sim.state.time:g} s: {'; '.join(reasons)}")

    def finish(self, summary: Mapping[str, Any], report: str) -> None:
        """Write summary.json and then "done" into status.json, the last change; collective.

        report: lines for the log.
        """
        self.finish_snapshot()
        self._write_summary(summary, report)
        self.sim.domain.barrier()          # every rank may read the files now

    def _write_summary(self, summary: Mapping[str, Any], report: str) -> None:
        """Write the files that end a run."""


class RunDirectory(NonRootOutput):
    """Output of rank 0: the files of one run."""

    def __init__(self, sim: Simulation, path: Path, kept: Position | None = None,
                 lock: RunLock | None = None) -> None:
        """lock: of the directory, which is given back at the end."""
        self.lock = lock
        self.started = kept.started if kept else now()
        path.mkdir(parents=True, exist_ok=True)
        if kept:
            os.truncate(path / SERIES_FILE, kept.series_bytes)
        else:
            for name in (SUMMARY_FILE, SERIES_FILE, STATUS_FILE, LOG_FILE):
                (path / name).unlink(missing_ok=True)
            remove_boxes((path / FIELDS_FILE).with_suffix(""))
            checkpoints.remove_all(path)
            _remove_drafts(path)
        claim(path)
        super().__init__(sim, path, kept)
        (path / SUMMARY_FILE).unlink(missing_ok=True)
        write_provenance(path / FIELDS_FILE, sim.case, sim.backend, self.started)
        self.log(f"resumed {now()}, backend {sim.backend}\n" if kept else
                 f"{sim.case.title}\nstarted {self.started}, backend {sim.backend}\n")
        self.log(sim.case.describe())
        if sim.begun:
            self.log(sim.begun)
        for line in sim.case.warnings:
            self.log(f"warning: {line}")
        self.status("running")

    def position(self) -> dict[str, Any]:
        series = self.path / SERIES_FILE
        for path in (series, self.path / FIELDS_FILE):
            with path.open("r+b") as file:         # Windows flushes no file read alone
                os.fsync(file.fileno())
        return asdict(Position(self.snapshots.rows, series.stat().st_size, self.started))

    def log(self, text: str) -> None:
        with (self.path / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def series(self, row: Mapping[str, float | None]) -> None:
        super().series(row)
        path = self.path / SERIES_FILE
        text = ",".join(map(cell, row.values())) + "\n"
        if not path.exists():
            text = ",".join(row) + "\n" + text
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    def status(self, state: str, **facts: Any) -> None:
        s = self.sim.state
        facts = {"state": state, "time_s": s.time, "of_s": self.sim.schedule.end, "step": s.step,
                 "updated_utc": now(), **owner(), **facts}
        write_atomically(self.path / STATUS_FILE, json.dumps(facts, indent=1))

    def _write_summary(self, summary: Mapping[str, Any], report: str) -> None:
        write_provenance(self.path / FIELDS_FILE, self.sim.case, self.sim.backend, self.started,
                         now())
        self.log("\n" + table(summary))
        self.log("\n" + report)
        write_atomically(self.path / SUMMARY_FILE, json.dumps(summary, indent=1, allow_nan=False))
        self.status("done")
        self._release()

    def interrupted(self, why: str) -> None:
        super().interrupted(why)
        self._release()

    def failed(self, error: BaseException) -> None:
        """Record the reason; where the disk is full it is told by the exit alone."""
        with suppress(OSError):
            super().failed(error)
        self._release()

    def step_taken(self) -> None:
        if self.lock is not None:
            self.lock.touch()

    def _release(self) -> None:
        release(self.path)
        if self.lock is not None:
            self.lock.release()


def _remove_drafts(path: Path) -> None:
    """Remove what processes that were killed had begun to write."""
    for name in (SUMMARY_FILE, STATUS_FILE, FIELDS_FILE):
        for draft in path.glob(f".{name}.*"):
            if draft.suffix[1:].isdigit() or draft.suffix in (".journal", ".draft"):
                draft.unlink(missing_ok=True)


def cell(value: float | None) -> str:
    """Return a cell of series.csv, empty where a value is unknown or undefined."""
    return "" if value is None or math.isnan(value) else f"{value:.10g}"


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary as aligned text, one key a line; unknown values are "-"."""
    width = max(map(len, summary))
    texts = {key: "-" if value is None else f"{value:.5g}" if isinstance(value, float)
             else str(value)
             for key, value in summary.items()}
    return "\n".join(f"{key:<{width}}  {text}" for key, text in texts.items())
