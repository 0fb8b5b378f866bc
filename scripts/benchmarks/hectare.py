"""A hectare of ore, 100 x 100 x 10 m: rows of electrodes every 5 m, the field's chemistry.

The finest grid and the largest set of species that fit into the backend's memory are chosen and
some steps are timed. The time of the field's 264 h is extrapolated from these with the length of
the last step, which underestimates the number of steps where gradients become steeper later.
"""

import numpy as np

from ekm3d.backends import choose
from ekm3d.case.case import Case
from ekm3d.grid.grid import Grid
from ekm3d.model import memory_estimate
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path

HOURS = 264
ROW_SPACING, GRADIENT = 5.0, 30.0                    # m between rows of opposite sign, V/m
STRIP_AREA = 0.1 * 1.1                               # m2, of a strip of the field block
OHM, LITRES = 18.0, 2.0                              # contact and catholyte of such a strip
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
            f'electrodes.contact_resistance="{OHM / strips:g} ohm"',
            f'electrodes.catholyte_volume="{LITRES * strips:g} l"', 'schedule.max_step="1 h"')


def fitting(on, small):
    """Return (spacing [m], name of the set, overrides) of the first choice that fits into memory.

    Finer grids are tried first, and for each the larger set of species.
    """
    length, depth = (10, 5) if small else (100, 10)
    for spacing in (2.5,) if small else (0.1, 0.125, 0.2, 0.25):
        cells = tuple(round(n / spacing) for n in (length, length, depth))
        for name, chemistry in SETS:
            chem = Case.read(case_path("field_block"), chemistry).chemistry
            needed = memory_estimate.predicted(Grid(cells, (spacing,) * 3), chem, on.name)
            if needed <= (on.free_memory() or np.inf):
                return spacing, name, (*overrides(spacing, length, depth), *chemistry)
    raise SystemExit("a hectare does not fit into this memory")


def report(on, clock, small=False):
    """Yield the report as lines of Markdown; clock: function that returns seconds."""
    spacing, name, changes = fitting(on, small)
    case = Case.read(case_path("field_block"), changes)
    yield f"{np.prod(case.grid.cells):,} voxels of {spacing:g} m; species: {name}."
    choose.BUILDERS["watched"] = lambda why: on
    begun = clock()
    sim = Simulation(case, "watched")
    memory = memory_estimate.text(case.grid, case.chemistry, on)
    yield f"\nSet up in {clock() - begun:.0f} s. {memory}.\n"
    times = []
    for n in range(2 if small else 12):
        begun = clock()
        dt = sim.step()
        times.append(clock() - begun)
        yield f"step {n + 1}: {times[-1]:.3f} s, dt = {dt:.0f} s"
    each, count = np.median(times[len(times) // 2:]), HOURS * 3600 / dt
    yield (f"\n{HOURS} h, extrapolated from the later half of these steps: {count:.0f} steps of "
           f"{each:.3f} s, {each * count / 60:.1f} minutes.")
