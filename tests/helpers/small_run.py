"""One small finished run for the tests of pictures and reports: 72 voxels of ore, 6 hours.

Two strips of anode, a cathode, an idle electrode, a feed and a collector, LREE and HREE, pulses of
nothing; the same in another folder with changes is a second run to compare with.
"""

import shutil
from pathlib import Path

import h5py
from helpers.salt_block import ORE, salt_case

from ekm3d import Case, Simulation

RUN = (*ORE, "output.snapshot_every=2 h", "schedule.max_step=20 min",
       "well.0.rate=4e-7 m3/s")        # enough that leachate comes


def finished(folder, *overrides):
    """Return the directory of a case with results in its out/ (NumPy)."""
    case = salt_case(folder)
    Simulation(Case.read(case, [*RUN, *overrides]), backend="numpy").run(out=case / "out",
                                                                         quiet=True)
    return case


def without_facts(folder, results):
    """Return a copy of results as a version made them that noted no facts of the case."""
    old = Path(folder) / "old"
    shutil.copytree(results, old)
    with h5py.File(old / "fields.vtkhdf", "r+") as file:
        del file["provenance/facts.json"]
    return old
