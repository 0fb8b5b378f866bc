"""Voxels that take no part: what is left is the same ore, and balances close as everywhere."""

import csv

import h5py
import numpy as np
import pytest
from helpers.case_files import ROOT, copy
from helpers.hill import FAR_AIR, SHORT, hill_case
from helpers.quick_flags import quick_backend
from helpers.rank_comparison import assert_same_steps, compare
from helpers.runs_in_pieces import assert_equal_results, in_pieces
from helpers.salt_block import ORE, salt_case

from ekm3d import Case, Simulation

SALT = ROOT / "tests" / "data" / "case_salt"
FIELDS = ("totals", "c", "phi", "head", "pH", "charge")


def row(low, high):
    """Text of two rows that fill the section from low to high [m], with a feed and an outlet."""
    return "".join(f"""
[[electrodes.row]]
name = "{name}"
plates = [[["{x} m", "{low} m", "{low} m"], ["{x + 0.1:g} m", "{high} m", "{high} m"]]]
""" for name, x in (("a", 0.0), ("k", 0.9)))


def a_column(folder, size, low, high, active=""):
    """Return the case of a column of 10 voxels, or of one cut out of a wider block."""
    folder.mkdir()
    (folder / "case.toml").write_text(f"""
[grid]
size = ["1 m", "{size} m", "{size} m"]
spacing = "10 cm"
[ore]
{active}
density = "1500 kg/m3"
porosity = 0.45
water_content = 0.42
tortuosity = 0.67
permeability = "3.5e-7 m/s"
electroosmotic_permeability = "1.5e-8 m2/V/s"
dispersivity = "5 cm"
[ore.exchangeable]
"La+3" = {{ formula = "500 + 300*x", unit = "mg/kg" }}
"Al+3" = "100 mg/kg"
[chemistry]
database = "package"
components = ["H+", "NH4+", "Al+3", "La+3", "SO4-2"]
minerals = ["Al(OH)3(a)"]
[water]
composition = {{ "NH4+" = "100 mmol/l", "SO4-2" = "50 mmol/l" }}
[electrodes]
overpotential = "2.5 V"
contact_resistance = "18 ohm"
catholyte_volume = "1 l"
{row(low, high)}
[[well]]
name = "feed"
kind = "injection"
at = "anodes"
rate = "5 ml/h"
composition = {{ "NH4+" = "100 mmol/l", "SO4-2" = "50 mmol/l" }}
[[well]]
name = "leachate"
kind = "collector"
at = "cathodes"
head = "0 m"
[schedule]
fixed_step = "5 min"
tolerance = 1e-13
[[schedule.stage]]
name = "all"
duration = "40 min"
anodes = ["a"]
cathodes = ["k"]
voltage = "30 V"
""")
    return Case.read(folder)


def test_a_column_cut_out_of_a_block_is_the_column(tmp_path, backend):
    """Shape of one voxel across in a block of 3 x 3: every field as of the plain column.

    8 steps with exchange, a mineral, electro-osmosis and a feed. The column is solved directly, the
    block by conjugate gradients to 1e-13, so that 1e-10 is rounding.
    """
    plain = Simulation(a_column(tmp_path / "plain", 0.1, 0.0, 0.1), backend)
    box = 'active = { box = [["0 m", "0.1 m", "0.1 m"], ["1 m", "0.2 m", "0.2 m"]] }'
    cut = Simulation(a_column(tmp_path / "cut", 0.3, 0.1, 0.2, box), backend)
    for sim in (plain, cut):
        for _ in sim.steps():
            pass
    assert cut.voxels.index.size == plain.voxels.index.size == 8
    for name in FIELDS:
        one, other = (np.array(getattr(sim.state, name))[sim.grid.inner] for sim in (plain, cut))
        size = np.abs(one).max() if name != "charge" else 100.0
        assert np.abs(other[..., 1:2, 1:2, :] - one).max() <= 1e-10 * size, name
        outside = np.ones(other.shape[-3:], bool)
        outside[1, 1] = False
        if name in ("totals", "c", "charge"):
            assert not other[..., outside].any()
    assert np.isclose(cut.case.mass, plain.case.mass)
    for name, amounts in plain.case.inventory().items():
        assert cut.case.inventory()[name] == pytest.approx(amounts), name


@pytest.fixture(scope="module")
def hill(tmp_path_factory):
    """Run of the hillside: (simulation, rows of its series)."""
    folder = tmp_path_factory.mktemp("hill")
    sim = Simulation(Case.read(hill_case(folder)), "numpy")
    sim.run(folder / "out", quiet=True)
    with open(folder / "out" / "series.csv", newline="") as file:
        return sim, [{k: float(v or 0) for k, v in row.items()} for row in csv.DictReader(file)]


def test_rain_on_a_hillside_closes_every_balance(hill):
    """Water and components: in - out is what the ore gained, to 1e-10; rain = taken + run-off.

    The rain falls on the highest voxel of each of the 12 x 3 columns, 9 m2 in plan, but for that of
    the metal that stands out; water leaves at the foot and into the rock below.
    """
    sim, (first, *_, last) = hill
    surface = sim.wells.surfaces[0].openings
    assert surface.voxel.size == 36
    offered = surface.area.sum() * 0.04 * 4 * 1e3
    taken = last["boundary_rain_in_water[L]"] + last["boundary_rain_runoff_water[L]"]
    assert abs(taken - offered) < 1e-10 * offered and surface.area.sum() == pytest.approx(9.0)
    inner = sim.grid.inner
    held = (sim.state.water_content[inner].sum()
            - (0.30 * sim.holds_ore).sum()) * sim.grid.voxel_volume * 1e3
    came = sum((1 if "_in_" in name else -1) * value for name, value in last.items()
               if name.startswith("boundary") and name.endswith("_water[L]")
               and "runoff" not in name)
    assert last["boundary_rock_out_water[L]"] > 1.0 and came > 100.0
    assert abs(held - came) < 1e-10 * came
    for label in ("NH4", "SO4", "La"):
        came = sum((1 if "_in_" in name else -1) * value for name, value in last.items()
                   if name.startswith("boundary") and name.endswith(f"_{label}[mol]")
                   and "runoff" not in name)
        gained = sum(row[f"{store}_{label}[mol]"] * sign for store in ("ore", "tanks")
                     for row, sign in ((last, 1), (first, -1)))
        assert abs(gained - came) <= 1e-9 * max(abs(came), last[f"ore_{label}[mol]"]), label
    assert sim.balances.mass_errors().max() < 1e-12 and sim.balances.water_max < 1e-13


def test_air_holds_nothing_and_is_blank(hill):
    """State zero, fields NaN and hidden in every voxel whose middle is above 3.6 - 0.4 x."""
    sim, _ = hill
    z, x = sim.grid.centres(0)[:, None, None], sim.grid.centres(2)
    air = np.broadcast_to(z > 3.6 - 0.4 * x + 1e-9, sim.grid.shape)
    assert np.array_equal(air, ~(sim.holds_ore | sim.electrodes.solid))
    for name in ("totals", "c", "water_content", "transport_factor", "exchanged"):
        assert not getattr(sim.state, name)[sim.grid.inner][..., air].any(), name
    for name in ("pH", "phi", "REE_mg_per_kg", "head", "water_flux"):
        values = sim.field(name)
        assert np.isnan(values[air]).all() and np.isfinite(values[sim.holds_ore]).all(), name


def test_the_hillside_in_pieces_has_the_bits_of_a_whole_one(tmp_path):
    case = Case.read(hill_case(tmp_path), SHORT)
    Simulation(case, quick_backend()).run(tmp_path / "whole", quiet=True)
    assert in_pieces(case, quick_backend(), tmp_path / "pieces") >= 2
    assert_equal_results(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.slow
def test_the_hillside_has_the_same_bits_on_3_processes(tmp_path):
    """Every array of every step, and all files; some of the boxes are nearly all air."""
    case = hill_case(tmp_path)
    assert_same_steps(3, ("cpp", 3, case, *SHORT))
    compare(tmp_path, case, (3,), (*SHORT, "output.mode=per-rank", "grid.rotation=30 deg"),
            "--backend", "numpy")


def test_numpy_and_cpp_agree_on_the_hillside(tmp_path, hill, quick_kernels):
    sim = Simulation(Case.read(hill_case(tmp_path)), "cpp")
    sim.run(tmp_path / "out", quiet=True)
    for name in ("totals", "head", "phi", "water_content"):
        one, other = (getattr(s.state, name)[s.grid.inner] for s in (hill[0], sim))
        assert np.abs(one - other).max() < 1e-9 * np.abs(one).max(), name


POCKET = ('ore.active={ union = [{ box = [[0, 0, 0], [0.6, 0.45, 0.4]] }, '
          '{ box = [[0.1, 0, 0.6], [0.5, 0.45, 0.8]] }] }')
FLAT = (POCKET, "electrodes.row.0.plates=[[[0, 0, 0], [0.1, 0.45, 0.2]]]",
        "electrodes.row.1.plates=[[[0.5, 0, 0], [0.6, 0.45, 0.2]]]",
        "electrodes.row.2.plates=[[[0.3, 0, 0], [0.4, 0.15, 0.2]]]", "probe=[]")
LEFT = ('water.region=[{ box = [[0, 0, 0.6], [0.3, 0.45, 0.8]], composition = '
        '{ "Na+" = "10 mmol/l", "SO4-2" = "5 mmol/l" } }]')


def test_a_pocket_that_nothing_reaches_keeps_what_it_has(tmp_path, backend):
    """Ore above a layer of air: no potential is given to it, its equation is singular by itself.

    4 x 3 voxels, half of them with dilute water, so that a diffusion potential builds up: their
    sums stay to rounding, and the ions in them mix.
    """
    case = Case.read(salt_case(tmp_path), (*ORE, *FLAT, LEFT, "schedule.stage.0.duration=1 h"))
    assert any("cut off by electrodes or air" in line for line in case.warnings)
    sim = Simulation(case, backend)
    pocket = np.zeros(sim.grid.shape, bool)
    pocket[3:] = sim.holds_ore[3:]
    assert pocket.sum() == 12
    before = sim.state.totals[sim.grid.inner][:, pocket].copy()
    for _ in sim.steps():
        pass
    after = sim.state.totals[sim.grid.inner][:, pocket]
    assert np.abs(after.sum(1) - before.sum(1)).max() <= 1e-12 * np.abs(before).sum(1).max()
    assert np.abs(after - before).max() > 1e-4 * np.abs(before).max()
    assert np.ptp(sim.state.phi[sim.grid.inner][pocket]) > 1e-4
    assert np.isfinite(sim.state.phi).all() and np.isfinite(sim.state.head).all()
    assert sim.balances.mass_errors().max() < 1e-11


def test_a_mask_of_everything_changes_no_bit(tmp_path):
    """A shape that holds the whole block is no mask at all."""
    case = copy(tmp_path, SALT)
    plain, masked = (Simulation(Case.read(case, (*ORE, *more)), quick_backend()) for more in (
        (), ("ore.active={ below = '5 m' }",)))
    assert masked.case.active is None
    for sim in (plain, masked):
        sim.step()
    assert np.array_equal(plain.state.totals, masked.state.totals)


def test_a_run_begins_where_a_hillside_ended(tmp_path):
    """[start] takes over the ore; another shape is told, on another grid nothing comes from air."""
    case = hill_case(tmp_path)
    keep = (*SHORT, "output.checkpoint=10 min")
    first = Simulation(Case.read(case, keep), quick_backend())
    first.run(case / "first", quiet=True)
    second = Simulation(Case.read(case, (*SHORT, "start.run=first")), quick_backend())
    assert np.array_equal(second.state.totals[second.grid.inner],
                          first.state.totals[first.grid.inner])
    assert not second.state.totals[second.grid.inner][:, ~second.holds_ore].any()


def test_the_snapshot_hides_air_and_tells_the_rocks(tmp_path):
    """vtkGhostType is 32 in air, rock_type 1 in laterite; VTK 9 makes cells blank by the former."""
    case = Case.read(hill_case(tmp_path), SHORT)
    sim = Simulation(case, quick_backend())
    sim.run(tmp_path / "out", quiet=True)
    with h5py.File(tmp_path / "out" / "fields.vtkhdf") as file:
        cells = file["VTKHDF/CellData"]
        assert cells["vtkGhostType"].dtype == np.uint8
        hidden, rock = cells["vtkGhostType"][0] == 32, cells["rock_type"][0]
        assert "1 laterite" in cells["rock_type"].attrs["long_name"]
    assert np.array_equal(hidden, ~(sim.holds_ore | sim.electrodes.solid))
    assert set(np.unique(rock)) == {0, 1}
    assert (rock == 1).sum() == case.ore.ground.masks["laterite"].sum() > 10


@pytest.mark.slow
def test_a_process_whose_box_is_all_air_takes_part(tmp_path):
    """Ore in the first 2 of 6 m: the last of 3 processes has none, and sums are the same.

    By default with kernels at -Og, among others, in test_ranks.
    """
    assert_same_steps(3, ("cpp", 3, hill_case(tmp_path, *FAR_AIR), *SHORT))


@pytest.mark.slow
def test_arrays_on_a_device_are_blanked_alike(tmp_path, cuda):
    """A step and a snapshot by the stand-in for CuPy: NaN where NumPy has it, values alike."""
    case = Case.read(salt_case(tmp_path), (*ORE, *FLAT))
    sims = [Simulation(case, backend) for backend in ("numpy", cuda)]
    for sim in sims:
        sim.step()
    for name in ("phi", "pH", "water_flux", "REE_mg_per_kg"):
        one, other = (sim.field(name) for sim in sims)
        assert np.array_equal(np.isnan(one), np.isnan(other)), name
        assert np.nanmax(np.abs(one - other)) <= 1e-8 * np.nanmax(np.abs(one)), name
