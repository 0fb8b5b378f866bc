"""Result directory of a run: fields.vtkhdf, series.csv, summary.json, log.txt, status.json.

A directory that holds a finished run is not touched unless forced. Files are replaced or
appended to such that readers never see an incomplete one. A snapshot is copied and then written
while the run goes on, one at a time; the end of the run, or its failure, waits for it.
"""

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from ekm3d.diagnostics.derived_fields import snapshot, static_fields, written_fields
from ekm3d.errors import ConvergenceError, OutputError
from ekm3d.output import earlier_results
from ekm3d.output.background_writer import BackgroundWriter
from ekm3d.output.case_facts import case_facts
from ekm3d.output.console import tell
from ekm3d.output.directory_check import check_directory
from ekm3d.output.failed_writes import WAITS, FailedWrites, append, write_atomically
from ekm3d.output.followed_directory import FollowedDirectory
from ekm3d.output.geometry import write_geometry
from ekm3d.output.provenance import now, write_end, write_provenance
from ekm3d.output.real_space import summary_entries, write_reference
from ekm3d.output.results import FIELDS_FILE, SERIES_FILE, STATUS_FILE, SUMMARY_FILE
from ekm3d.output.run_lock import RunLock, mark
from ekm3d.output.run_owner import claim, is_claimed, owner, release
from ekm3d.output.vtkhdf_per_rank import snapshots
from ekm3d.output.xdmf import XdmfFile

LOG_FILE = earlier_results.LOG_FILE
Simulation = Any            # of `model`, on a higher floor


class WriteError(OutputError):
    """A snapshot or a row was not written; the run ends, what was written before stays."""

    exit_code = ConvergenceError.exit_code


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
    """Output of a rank that takes part in snapshots and writes no other file.

    last_snapshot: time of the last one [s]; failures: writes that have failed.
    """

    def __init__(self, sim: Simulation, path: Path, kept: Position | None = None) -> None:
        self.sim, self.folder = sim, FollowedDirectory(path)
        self.failures, self.grown = FailedWrites(), 0
        fields = written_fields(sim)
        self.snapshots = snapshots(path / FIELDS_FILE, sim.domain, static_fields(sim), fields,
                                   sim.case.output.mode, kept=kept.snapshots if kept else None)
        self.writer, self.last_snapshot = BackgroundWriter(), -math.inf
        self.copies = {field.name: sim.backend.host_buffer(
            field.shape(sim.grid), np.dtype(field.precision))
                       for field in fields}

    @property
    def path(self) -> Path:
        """Directory of the results, where it is now."""
        return self.folder.now()

    def ask_space(self, needed: float) -> None:
        """OSError where the disk of the results has less room than so many bytes."""
        free = earlier_results.free_space(self.path)
        if free is not None and free < needed:
            raise OSError(errno.ENOSPC, f"{needed / 1e6:.3g} MB are needed and {free / 1e6:.3g} MB "
                          "are free", str(self.path))

    def snapshot(self) -> None:
        """Add the present block to fields.vtkhdf, from a copy, while the run goes on.

        A writer that exchanges messages between ranks writes before this returns.
        WriteError, also of the last snapshot, where it could not be written.
        """
        self.finish_snapshot()
        for name, array in snapshot(self.sim, self.copies):
            self.sim.backend.copy_to_host_async(array, self.copies[name])
            del array                # before the next one is made
        self.last_snapshot = self.sim.state.time
        time, wait_for_copies = self.sim.state.time, self.sim.backend.copies_done()
        if self.snapshots.communicates:
            self._write(time, wait_for_copies)
        else:
            self.writer.start(self._write, time, wait_for_copies)

    def _write(self, time: float, wait_for_copies: Callable[[], Any]) -> None:
        """Write the copies, once complete, as the block at `time` [s]."""
        wait_for_copies()
        for wait in (None,) if self.snapshots.communicates else (*WAITS, None):
            try:
                self._append(time)
                return
            except OSError as error:
                what = f"{self.snapshots.path}: the snapshot at t = {time:g} s"
                self.failures.note(what, error, "it is tried again" if wait else "the run ends")
                if wait is None:
                    raise WriteError(f"{what} was not written: {error}") from error
                sleep(wait)

    def _append(self, time: float) -> None:
        """Write the copies once; the last snapshot tells how much room they need."""
        self.snapshots.move(self.path / FIELDS_FILE)
        if not self.snapshots.communicates:             # else one rank alone would give up
            self.ask_space(self.grown)
        file = self.snapshots.path
        before = file.stat().st_size if file.exists() else 0
        self.snapshots.append(time, self.copies)
        self.grown = max(0, file.stat().st_size - before) if file.exists() else 0

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
        self._close()

    def failed(self, error: BaseException) -> None:
        """Record the reason of a failure in status and log, after waiting for the writer."""
        reasons = [str(error) or type(error).__name__]
        try:
            self.writer.wait()
        except Exception as another:
            reasons.append(str(another))
        self.status("failed", reason="; ".join(reasons))
        self.log(f"failed at t = {self.sim.state.time:g} s: {'; '.join(reasons)}")
        self._close()

    def _close(self) -> None:
        """Let the directory go."""
        self.folder.close()

    def finish(self, summary: Mapping[str, Any], report: str) -> None:
        """Write summary.json and then "done" into status.json, the last change; collective.

        report: lines for the log.
        """
        self.finish_snapshot()
        self._write_summary({**summary, **summary_entries(self.sim.case.reference)}, report)
        self.sim.domain.barrier()          # every rank may read the files now
        self._close()

    def _write_summary(self, summary: Mapping[str, Any], report: str) -> None:
        """Write the files that end a run."""


class RunDirectory(NonRootOutput):
    """Output of rank 0: the files of one run."""

    def __init__(self, sim: Simulation, path: Path, kept: Position | None = None,
                 lock: RunLock | None = None) -> None:
        """lock: of the directory, which is given back at the end."""
        self.lock, self.resumed, self.unwritten = lock, kept is not None, ""
        self.vain = False               # it has failed before its first step
        self.started = kept.started if kept else now()
        path.mkdir(parents=True, exist_ok=True)
        self.claimed = path.resolve()
        claim(path)
        try:
            if kept:
                os.truncate(path / SERIES_FILE, kept.series_bytes)
            else:
                earlier_results.set_aside(path)
                _remove_drafts(path)
            self._begin(sim, path, kept)
        except BaseException as error:
            self._bring_back(path)
            release(path)
            if hasattr(self, "folder"):
                self.folder.close()
            if isinstance(error, OSError) and error.filename is None:
                raise OSError(error.errno, error.strerror or str(error), str(path)) from error
            raise

    def _begin(self, sim: Simulation, path: Path, kept: Position | None) -> None:
        """Create the files, or open those that there are, and describe the run in them."""
        super().__init__(sim, path, kept)
        self.xdmf = XdmfFile(path / FIELDS_FILE)
        write_geometry(path, sim.case)
        (path / SUMMARY_FILE).unlink(missing_ok=True)
        write_reference(path / FIELDS_FILE, sim.case.reference)
        write_provenance(path / FIELDS_FILE, sim.case, sim.backend, self.started,
                         about=case_facts(sim.case))
        self.log(f"resumed {now()}, backend {sim.backend}\n" if kept else
                 f"{sim.case.title}\nstarted {self.started}, backend {sim.backend}\n")
        self.log(sim.case.describe())
        if sim.begun:
            self.log(sim.begun)
        for line in sim.case.warnings:
            self.log(f"warning: {line}")
        self.status("running")

    def finish_snapshot(self) -> None:
        super().finish_snapshot()
        try:
            self.xdmf.move(self.path / FIELDS_FILE)
            self.xdmf.update(self.snapshots.rows)
        except OSError as error:
            self.failures.note(self.xdmf.path.name, error, "it is tried again with the next "
                               "snapshot")

    def position(self) -> dict[str, Any]:
        series = self.path / SERIES_FILE
        for path in (series, self.path / FIELDS_FILE):
            with path.open("r+b") as file:         # Windows flushes no file read alone
                os.fsync(file.fileno())
        return asdict(Position(self.snapshots.rows, series.stat().st_size, self.started))

    def log(self, text: str) -> None:
        """Append to log.txt; what cannot be written is tried again with the next lines."""
        self.unwritten += text + "\n"
        try:
            append(self.path / LOG_FILE, self.unwritten)
            self.unwritten = ""
        except OSError as error:
            self.failures.note(LOG_FILE, error, "it is tried again with the next lines")

    def series(self, row: Mapping[str, float | None]) -> None:
        super().series(row)
        try:
            try:
                self._append_row(row)
            except FileNotFoundError:               # the directory was moved at this moment
                self._append_row(row)
        except OSError as error:
            raise WriteError(f"{self.path / SERIES_FILE}: the row at t = "
                             f"{self.sim.state.time:g} s was not written: {error}") from error

    def _append_row(self, row: Mapping[str, float | None]) -> None:
        path = self.path / SERIES_FILE
        text = ",".join(map(cell, row.values())) + "\n"
        append(path, text if path.exists() else ",".join(row) + "\n" + text)

    def status(self, state: str, **facts: Any) -> None:
        s = self.sim.state
        facts = {"state": state, "time_s": s.time, "of_s": self.sim.schedule.end, "step": s.step,
                 "updated_utc": now(), **owner(), **facts}
        try:
            write_atomically(self.path / STATUS_FILE, json.dumps(facts, indent=1))
        except OSError as error:
            self.failures.note(STATUS_FILE, error, "the next one is tried again")

    def _write_summary(self, summary: Mapping[str, Any], report: str) -> None:
        write_end(self.path / FIELDS_FILE, now())
        self.log("\n" + table(summary))
        self.log("\n" + report)
        write_atomically(self.path / SUMMARY_FILE, json.dumps(summary, indent=1, allow_nan=False))
        self.status("done")
        earlier_results.remove_aside(self.path)

    def failed(self, error: BaseException) -> None:
        """Record the reason; where the disk is full it is told by the exit alone.

        Before the first step is complete, the results that the run was to replace come back.
        """
        self.vain = self.sim.state.step == 0
        with suppress(OSError):
            super().failed(error)

    def _bring_back(self, path: Path) -> None:
        """Have the results back that were to be replaced, if there were any."""
        if self.resumed:
            return
        try:
            if earlier_results.bring_back(path):
                tell(f"the results that were in {path} are there again", sys.stderr)
        except OSError as error:
            tell(f"warning: {path / earlier_results.ASIDE} keeps the earlier results: {error}",
                 sys.stderr)

    def step_taken(self) -> None:
        if self.lock is not None:
            self.lock.touch()

    def _close(self) -> None:
        if self.vain:
            self._bring_back(self.path)
        release(self.claimed)
        if self.lock is not None:
            self.lock.path = self.path / self.lock.path.name
            self.lock.release()
        super()._close()


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
