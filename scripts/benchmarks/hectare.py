"""A hectare of ore, 100 x 100 x 10 m: rows of electrodes every 5 m, the field's chemistry.

    python scripts/benchmarks/hectare.py [--backend cpp] [--small]

From a coarse grid to the finest that fits into the backend's memory, each with the largest set of
species that does, some steps are timed. The time of the field's 264 h is extrapolated from these
with the length of the last step, which underestimates the number of steps where gradients become
steeper later.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from ekm3d.backends import choose
from ekm3d.case.case import Case
from ekm3d.grid.grid import Grid
from ekm3d.model import memory_estimate
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path

HOURS = 264
POINTS = Path(__file__).with_name("hectare_points.csv")     # midway between rows
ROW_SPACING, GRADIENT = 5.0, 30.0                    # m between rows of opposite sign, V/m
STRIP_AREA = 0.1 * 1.1                               # m2, of a strip of the field block
# Contact of such a strip, and catholyte: three times as much as in the field block, since here ions
# enter the tank on both sides. With 2 l it would bound the step (2 900 s), not the ore (5 000 s).
OHM, LITRES = 18.0, 6.0
# (name, overrides), the largest set first
SETS = (
    ("all of the field's", ('ore.exchangeable={LREE="400 mg/kg", HREE="400 mg/kg", Al="400 mg/kg", '
                            'Ca="192 mg/kg", K="35 mg/kg", Na="10 mg/kg"}',)),
    ("REE, ammonium, sodium, sulfate", (
        'ore.exchangeable={LREE="400 mg/kg", HREE="400 mg/kg", Na="10 mg/kg"}',
        'chemistry.components=["H+", "NH4+", "SO4-2", "Na+", "LREE+3", "HREE+3"]',
        'chemistry.minerals=["LREE(OH)3", "HREE(OH)3"]',
        'water.composition={"Na+"="1.2 mmol/l", "SO4-2"="0.6 mmol/l"}')))


def overrides(spacing, length, depth):
    """Overrides that enlarge the field block to a length and depth [m], rows every 5 m along x.

    An electrode has the contact resistance and the catholyte of as many strips of the field block
    as its area holds; the step is bounded by transport alone.
    """
    strips = length * depth / STRIP_AREA
    rows = [f'{{name="row {n}", strips={{x="{x:g} m", y=["{length / 2:g} m"], bottom="0 m", '
            f'top="{depth:g} m", width="{length:g} m", thickness="5 mm", facing="x"}}}}'
            for n, x in enumerate(np.arange(0.0, length + 1e-9, ROW_SPACING))]
    anodes, cathodes = ([f"row {n}" for n in range(start, len(rows), 2)] for start in (0, 1))
    return (f'grid.size=["{length:g} m", "{length:g} m", "{depth:g} m"]',
            f'grid.spacing="{spacing:g} m"', f"electrodes.row=[{', '.join(rows)}]",
            f'schedule.stage=[{{name="all", duration="{HOURS} h", anodes={anodes}, '
            f'cathodes={cathodes}, voltage="{GRADIENT * ROW_SPACING:g} V"}}]', "probe=[]",
            f"sampling.file={str(POINTS)!r}",
            f'electrodes.contact_resistance="{OHM / strips:g} ohm"',
            f'electrodes.catholyte_volume="{LITRES * strips:g} l"', 'schedule.max_step="1 h"')


def fitting(on, small):
    """Yield (spacing [m], name of the set, overrides) of what fits into memory, coarse grids first.
    """
    length, depth = (10, 5) if small else (100, 10)
    for spacing in (1.25,) if small else (0.5, 0.25, 0.2, 0.125, 0.1):
        cells = tuple(round(n / spacing) for n in (length, length, depth))
        for name, chemistry in SETS:
            chem = Case.read(case_path("field_saturated"), chemistry).chemistry
            needed = memory_estimate.predicted(Grid(cells, (spacing,) * 3), chem, on.name)
            if needed <= (on.free_memory() or np.inf):
                yield spacing, name, (*overrides(spacing, length, depth), *chemistry)
                break


def rows(on, clock, small=False, steps=8):
    """Yield a row for every size that fits; clock: function that returns seconds."""
    choose.BUILDERS["hectare"] = lambda why: on
    for spacing, name, changes in fitting(on, small):
        case = Case.read(case_path("field_saturated"), changes)
        begun = clock()
        sim = Simulation(case, "hectare")
        ready = clock() - begun
        times = []
        for _ in range(2 if small else steps):
            begun = clock()
            dt = sim.step()
            times.append(clock() - begun)
        each, count = float(np.median(times[len(times) // 2:])), HOURS * 3600 / dt
        yield {"table": f"100 x 100 x 10 m, {HOURS} h extrapolated from {len(times)} steps",
               "spacing, m": spacing, "voxels": int(np.prod(case.grid.cells)), "species": name,
               "set-up, s": ready, "first step, s": times[0], "later ones, s": each,
               "length of the last, s": dt, "iterations": sim.potential.iterations,
               f"{HOURS} h, min": each * count / 60}
        del sim


def main():
    """Print the rows on the host."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--backend", default="cpp")
    parse.add_argument("--small", action="store_true", help="10 x 10 x 5 m, 256 voxels")
    given = parse.parse_args()
    for row in rows(choose.choose_backend(given.backend), time.perf_counter, given.small):
        print("; ".join(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
                        for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
