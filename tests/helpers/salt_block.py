"""The block of tests/data/case_salt as a running simulation, for tests that follow every mole.

72 voxels: anodes on the left, a cathode on the right, an idle electrode in the middle, acid in
the feed. SALT is sodium sulfate alone; ORE has an exchanger and minerals as well.
"""

from helpers.case_files import ROOT, copy
from helpers.quick_flags import quick_backend

from ekm3d import Case, Simulation
from ekm3d.grid.grid import GHOST

SALT = ()
ORE = ("chemistry.database=database.toml", "chemistry.exchanger.reference_pH=5.3",
       "chemistry.exchanger.variable_charge=6 meq/kg", "electrodes.plate_capture=1.84e-8 m3/(A s)",
       'ore.exchangeable={LREE="500 mg/kg", HREE="200 mg/kg", Al="100 mg/kg", K="35 mg/kg"}',
       'water.prewetting={"NH4+"="22.5 meq/kg", "SO4-2"="22.5 meq/kg"}',
       'water.composition={"Na+"="100 mmol/l", "Ca+2"="2 mmol/l", "SO4-2"="51 mmol/l", '
       '"HCO3-"="2 mmol/l"}')
PULSE = "schedule.stage.0.pulse={{on='{} min', off='{} min'}}"


def salt_case(folder):
    """A copy of the case in `folder`, with the field's database beside its own."""
    return copy(folder, ROOT / "tests" / "data" / "case_salt")


def simulation(folder, *overrides):
    """Return the block with these overrides on the backend that is soonest done."""
    sim = Simulation(Case.read(folder, overrides), quick_backend())
    sim.transport.keep_flux()
    return sim


def advance(sim, end, watch=None):
    """Step to the time `end` [s], calling watch(dt) after every step."""
    while sim.state.time < end * (1 - 1e-9):
        dt = sim.step(end)
        if watch:
            watch(dt)
    return sim


def through_wall(sim, wall, values):
    """Sum over the section between the voxels i = wall - 1 and wall of flows across faces of x."""
    inner = slice(GHOST, -GHOST)
    return values[..., inner, inner, GHOST + wall - 1].sum((-2, -1))
