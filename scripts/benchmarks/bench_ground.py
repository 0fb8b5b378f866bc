"""Processor time of a step of `cases/hillside` over that of its saturated twin.

The twin has the same grid, voids, chemistry and electrodes, full pores, no boundaries of the
ground and no storage; both step in turns in one process, each by its own clock. 20 cm has 1.2
million voxels, of which 0.91 million are ore (8 GB of memory).
"""

import argparse
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d import Case, Simulation

CASE = Path(__file__).resolve().parents[2] / "cases" / "hillside"
TWIN = ("physics.unsaturated=false", "boundary=[]", "schedule.stage.2.boundary=[]",
        "ore.water_content=0.35", "ore.storage=0 1/m")


def timed(sim: Simulation) -> float:
    """Take a step; return its processor time [s]."""
    start = time.process_time()
    sim.step()
    return time.process_time() - start


def main() -> None:
    """Print one line for each pair of steps, then the median and the sum of the unsaturated ones.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", default="20 cm")
    parser.add_argument("--skip", type=int, default=2, help="steps before those that are timed")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--backend", default="cpp")
    parser.add_argument("-o", "--override", action="append", default=[],
                        help="of both cases, as of ekm3d run: schedule.stage.0.duration=\"2 h\" "
                             "comes to the rods soon")
    args = parser.parse_args()
    given = (f"grid.spacing={args.spacing}", *args.override)
    with threadpool_limits(1, "blas"):
        full, wet = (Simulation(Case.read(CASE, (*given, *more)), args.backend)
                     for more in (TWIN, ()))
        print(f"{np.prod(wet.grid.shape):,} voxels, {int(wet.case.active.sum()):,} of ore")
        for sim in (full, wet):
            for _ in range(args.skip):
                sim.step()
        times = np.zeros((args.steps, 2))
        print("      h   twin s     wet s   ratio  sub-steps  CG of the head")
        for pair in times:
            pair[:] = timed(full), timed(wet)
            print(f"{wet.state.time / 3600:7.2f} {pair[0]:8.2f}  {pair[1]:8.2f} "
                  f"{pair[1] / pair[0]:7.2f}  {wet.flow.substeps:9d}  {wet.flow.iterations:14d}",
                  flush=True)
    ratio = times[:, 1] / times[:, 0]
    print(f"ratio: median of the steps {np.median(ratio):.2f}, {ratio.min():.2f} to "
          f"{ratio.max():.2f}; of the sums {times[:, 1].sum() / times[:, 0].sum():.2f}; "
          f"of the medians {np.median(times[:, 1]) / np.median(times[:, 0]):.2f}")


if __name__ == "__main__":
    main()
