"""The result directory of a run: fields.vtkhdf, series.csv, summary.json, log.txt, status.json.

A directory that holds a finished run is not touched unless forced. Files are replaced or
appended to such that a reader never sees half of anything. A snapshot is copied and then written
while the run goes on, one at a time; whatever ends the run waits for it.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from ekm3d.diagnostics.derived_fields import dynamic_fields, snapshot, static_fields
from ekm3d.errors import OutputError
from ekm3d.output.background_writer import Writer
from ekm3d.output.provenance import now, write_provenance
from ekm3d.output.results import FIELDS_FILE, SERIES_FILE, STATUS_FILE, SUMMARY_FILE
from ekm3d.output.vtkhdf_per_rank import snapshots

LOG_FILE = "log.txt"





def check_directory(path, force=False):
    """Raise OutputError if a run may not write here; nothing is created or changed."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; --out takes a directory")
    if (path / SUMMARY_FILE).exists() and not force:
        raise OutputError(f"{path} holds a finished run; give --force to replace it, "
                          "or --out DIR to write elsewhere")
    existing = path
    while not existing.exists():
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {existing}: {error.strerror}; "
                          "give --out DIR with a directory that you may write to") from None


def write_atomically(path, text):
    """Replace a file as a whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    os.replace(draft, path)


def open_outputs(sim, path, force=False):
    """What writes the files of a run: Outputs in the process that leads, else a Bystander."""
    check_directory(path, force)
    sim.domain.barrier()                   # nobody has begun to write before all have looked
    return (RunDirectory if sim.domain.is_root else NonRootOutput)(sim, Path(path))


class NonRootOutput:
    """A process that takes part in snapshots and writes nothing else."""

    def __init__(self, sim, path):
        self.sim, self.path = sim, path
        self.open_snapshots()

    def open_snapshots(self):
        sim, fields = self.sim, dynamic_fields(self.sim)
        self.snapshots = snapshots(self.path / FIELDS_FILE, sim.domain, static_fields(sim), fields,
                                   sim.case.output.mode)
        self.writer, self.copies = Writer(), {
            field.name: sim.backend.host_buffer(field.shape(sim.grid), np.float32)
            for field in fields}

    def snapshot(self):
        """Add the block as it is now to fields.vtkhdf; from its copy, while the run goes on.

        What takes messages between processes is done here and now.
        """
        self.settle()
        for name, array in snapshot(self.sim):
            self.sim.backend.copy_to_host_async(array, self.copies[name])
        work = self._write, self.sim.state.time, self.sim.backend.copies_done()
        if self.snapshots.sends:
            work[0](*work[1:])
        else:
            self.writer.start(*work)

    def _write(self, time, wait):
        """The copies, once they are there, as the block at `time` [s]."""
        wait()
        try:
            self.snapshots.append(time, self.copies)
        except OSError as error:
            raise OSError(f"{self.snapshots.path}: the snapshot at t = {time:g} s was not written: "
                          f"{error}") from error

    def settle(self):
        """Wait until the last snapshot is on the disk, of all processes."""
        self.writer.wait()
        self.snapshots.settle()

    def log(self, text):
        """Append to log.txt."""

    def series(self, row):
        """Append a row {name[unit]: value} to series.csv, with a header before the first."""
        self.writer.check()

    def status(self, state, **facts):
        """Replace status.json: how far the run is."""

    def failed(self, error):
        """Say what ended the run, once the writer has ended too."""
        reasons = [str(error) or type(error).__name__]
        try:
            self.writer.wait()
        except Exception as another:
            reasons.append(str(another))
        self.status("failed", reason="; ".join(reasons))
        self.log(f"failed at t = {self.sim.state.time:g} s: {'; '.join(reasons)}")

    def finish(self, summary, report):
        """Write summary.json, then "done" into status.json: whoever waits for it finds all.

        report: lines for the log.
        """
        self.settle()
        self._conclude(summary, report)
        self.sim.domain.barrier()          # whoever reads on finds it, in every process

    def _conclude(self, summary, report):
        """The last words of the run."""


class RunDirectory(NonRootOutput):
    """The files of one run, by the process that leads."""

    def __init__(self, sim, path):
        self.started = now()
        path.mkdir(parents=True, exist_ok=True)
        for name in (SUMMARY_FILE, SERIES_FILE, STATUS_FILE, LOG_FILE):
            (path / name).unlink(missing_ok=True)
        shutil.rmtree((path / FIELDS_FILE).with_suffix(""), ignore_errors=True)
        super().__init__(sim, path)
        write_provenance(path / FIELDS_FILE, sim.case, sim.backend, self.started)
        self.log(f"{sim.case.title}\nstarted {self.started}, backend {sim.backend}\n")
        self.log(sim.case.describe())
        self.status("running")

    def log(self, text):
        with (self.path / LOG_FILE).open("a") as file:
            file.write(text + "\n")

    def series(self, row):
        super().series(row)
        path = self.path / SERIES_FILE
        text = ",".join(f"{v:.10g}" for v in row.values()) + "\n"
        if not path.exists():
            text = ",".join(row) + "\n" + text
        with path.open("a") as file:
            file.write(text)

    def status(self, state, **facts):
        s = self.sim.state
        facts = {"state": state, "time_s": s.time, "of_s": self.sim.schedule.end, "step": s.step,
                 "updated_utc": now(), **facts}
        write_atomically(self.path / STATUS_FILE, json.dumps(facts, indent=1))

    def _conclude(self, summary, report):
        write_provenance(self.path / FIELDS_FILE, self.sim.case, self.sim.backend, self.started,
                         now())
        self.log("\n" + table(summary))
        self.log("\n" + report)
        write_atomically(self.path / SUMMARY_FILE, json.dumps(summary, indent=1))
        self.status("done")


def table(summary):
    """The summary as aligned text, one key a line."""
    width = max(map(len, summary))
    texts = {key: f"{value:.5g}" if isinstance(value, float) else str(value)
             for key, value in summary.items()}
    return "\n".join(f"{key:<{width}}  {text}" for key, text in texts.items())
