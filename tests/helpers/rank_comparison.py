"""Runs by many processes beside the same run by one: all files that users read are compared."""

import json

import h5py
from helpers import mpi

from ekm3d.cli.main import main

FIELD = ("grid.spacing=25 cm", "schedule.stage.0.duration=3 h", "schedule.stage.1.duration=1 h",
         "output.snapshot_every=2 h")
LOCKSTEP = mpi.TESTS / "helpers" / "lockstep.py"


def options(overrides):
    return [word for override in overrides for word in ("-o", override)]


def results(folder):
    """(summary but for the time it took, series as text, {name: bytes} of all fields)."""
    summary = json.loads((folder / "summary.json").read_text())
    del summary["wall_s"]
    found = {}
    with h5py.File(folder / "fields.vtkhdf") as file:
        file["VTKHDF"].visititems(
            lambda name, node: found.update({name: node[()].tobytes()})
            if isinstance(node, h5py.Dataset) else None)
    return summary, (folder / "series.csv").read_text(), found


def compare(folder, case, counts, overrides, *words):
    """Run a case by one process and by many; all results are to be equal."""
    words = ["run", case, "--quiet", *words, *options(overrides)]
    assert main([*map(str, words), "--out", str(folder / "1")]) == 0
    wanted = results(folder / "1")
    assert len(wanted[2]) > 20 and len(wanted[1].splitlines()) > 1
    for count in counts:
        code, out, errors = mpi.ekm3d(count, *words, "--out", folder / str(count))
        assert (code, errors) == (0, "")
        assert out.count("charge_balance_max") == 1                  # the table, printed once
        for mine, other in zip(results(folder / str(count)), wanted):
            assert mine == other
