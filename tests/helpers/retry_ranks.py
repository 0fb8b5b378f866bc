"""A run with steps that fail, by many processes: mpiexec -n 3 python retry_ranks.py CASE OUT.

The chemistry of the ore has few iterations, as in tests/model/test_retries.py.
"""

import sys

from ekm3d import Case, Simulation
from ekm3d.parallel.team import join

PLAN = ("schedule.stage.0.duration=30 min", "output.snapshot_every=30 min",
        "output.series_every=10 min")


def main(folder, out):
    """Run the case into a directory."""
    sim = Simulation(Case.read(folder, PLAN), "numpy", join())
    sim.catholytes.engine = type(sim.engine)(sim.chem, backend=sim.backend)
    sim.reactions.engine.newton_steps, sim.reactions.engine.rounds = 6, 0
    sim.run(out, quiet=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
