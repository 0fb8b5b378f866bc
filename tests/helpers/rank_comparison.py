"""Comparison of runs on many ranks with a run on one: all files that users read."""

import json

import h5py
from helpers import mpi

from ekm3d.cli.main import main

FIELD = ("grid.spacing=25 cm", "schedule.stage.0.duration=40 min",
         "schedule.stage.1.duration=20 min", "output.snapshot_every=30 min")
LOCKSTEP = mpi.TESTS / "helpers" / "lockstep.py"


def assert_same_steps(count, *runs):
    """Assert that all arrays of all steps are the same on `count` ranks as on one.

    runs: (backend, steps, case, overrides...) each, in one start of the processes.
    """
    words = [word for run in runs for word in (*run, "--")]
    code, out, errors = mpi.run(count, LOCKSTEP, *words[:-1])
    assert (code, errors) == (0, ""), out + errors
    assert out.count(": the same\n") == len(runs)


def options(overrides):
    return [word for override in overrides for word in ("-o", override)]


def results(folder):
    """(summary without the wall time, series as text, {name: bytes} of all fields)."""
    summary = json.loads((folder / "summary.json").read_text())
    del summary["wall_s"]
    fields = {}
    with h5py.File(folder / "fields.vtkhdf") as file:
        file["VTKHDF"].visititems(
            lambda name, node: fields.update({name: node[()].tobytes()})
            if isinstance(node, h5py.Dataset) else None)
    return summary, (folder / "series.csv").read_text(), fields


def compare(folder, case, counts, overrides, *words):
    """Run a case on one rank and on many, and assert that all results are equal."""
    words = ["run", case, "--quiet", *words, *options(overrides)]
    assert main([*map(str, words), "--out", str(folder / "1")]) == 0
    expected = results(folder / "1")
    assert len(expected[2]) > 20 and len(expected[1].splitlines()) > 1
    for count in counts:
        code, out, errors = mpi.ekm3d(count, *words, "--out", folder / str(count))
        assert (code, errors) == (0, "")
        assert out.count("net charge, worst voxel") == 1             # the table, printed once
        for result, single in zip(results(folder / str(count)), expected, strict=True):
            assert result == single
