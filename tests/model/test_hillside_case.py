"""The hillside: files of a mine, unsaturated ore below air, rods in turn; coarse, for some days.

Voxels of 3 x 5 x 2 m, 320 of them: every part of the case acts, and its numbers mean nothing more.
"""

import csv

import numpy as np
import pytest
from helpers import mpi
from helpers.case_files import ROOT
from helpers.rank_comparison import LOCKSTEP
from helpers.runs_in_pieces import assert_equal_results, in_pieces

from ekm3d import Case, Simulation, open_results

HILLSIDE = ROOT / "cases" / "hillside"
COARSE = ("grid.spacing=[3, 5, 2]", "schedule.stage.0.duration=1 d", "output.series_every=12 h",
          "schedule.stage.1.duration=3 d", "schedule.stage.3.duration=12 h",
          "output.snapshot_every=1 d")
HOURS = ("schedule.stage.0.duration=20 min", "schedule.stage.1.duration=80 min",
         "schedule.stage.1.rotate.every=40 min", "schedule.stage.2.duration=20 min",
         "schedule.stage.3.duration=20 min", "schedule.max_step=20 min",
         "output.series_every=20 min", "output.snapshot_every=1 h")
WAYS = ("well_ditch 1", "well_ditch 2", "well_ditch 3", "well_gallery", "boundary_rain",
        "boundary_bedrock", "boundary_crest", "boundary_valley", "boundary_left", "boundary_right")


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Results of 5 days on the coarse grid."""
    out = tmp_path_factory.mktemp("hillside") / "out"
    Simulation(Case.read(HILLSIDE, COARSE), "cpp").run(out, quiet=True)
    return out


def test_recorded_numbers(days):
    """Those of water that carries its load with second order.

    1e-3: a step of water may leave 1e-5 of a voxel to the next. Another order of iterations moved
    them by 3e-5.
    """
    summary = open_results(days).summary
    assert {key: summary[key] for key in RECORDED} == pytest.approx(RECORDED, rel=1e-3)
    assert summary["audit_warnings"] == 0


def test_water_and_every_component_are_where_the_books_say(days):
    """ore + tanks + plates = what was there + in - out, by all ways and faces, to rounding.

    Rain is offered at its rate: what enters and what runs off are all of it, and of the ditches
    what they are given. The water of the ore is that of its voxels.
    """
    with open(days / "series.csv", newline="") as file:
        first, *_, last = [{k: float(v or 0) for k, v in row.items()}
                           for row in csv.DictReader(file)]
    for label in ("NH4", "SO4", "LREE", "HREE", "Al", "Ca", "K", "Na", "HCO3"):
        came = sum(sign * last.get(f"{way}_{to}_{label}[mol]", 0.0)
                   for way in WAYS for to, sign in (("in", 1), ("out", -1)))
        held = sum(sign * value for row, sign in ((last, 1), (first, -1))
                   for name, value in row.items() if name.endswith(f"_{label}[mol]")
                   and name.startswith(("ore_", "tanks_", "plate_cathodes")))
        assert held == pytest.approx(
            came, rel=1e-8, abs=1e-9 * first[f"ore_{label}[mol]"]), label
    results = open_results(days)
    voxel = results.grid.voxel_volume
    water = [float(np.nansum(results.field("water_content", n).astype(float))) for n in (0, -1)]
    came = sum(sign * last.get(f"{way}_{to}_water[L]", 0.0)
               for way in WAYS for to, sign in (("in", 1), ("out", -1)))
    assert 1e3 * voxel * (water[1] - water[0]) == pytest.approx(came, rel=1e-5)     # float32
    rain = 1e-3 * (2.0 * 4.5 + 300.0 * 0.5) * 600.0
    assert last["boundary_rain_in_water[L]"] + last["boundary_rain_runoff_water[L]"] \
        == pytest.approx(1e3 * rain, rel=1e-9)
    assert last["boundary_rain_runoff_water[L]"] > 1e3
    assert 0.9 * 12e3 < last["well_ditch 2_in_NH4[mol]"] <= 12e3         # it is full at times


def test_a_run_in_pieces_has_the_bits_of_a_whole_one(tmp_path):
    """Resumed in the middle of every third, in unsaturated ground, with rods that resist.

    Steps of 10 min, two to a third.
    """
    case = Case.read(HILLSIDE, (COARSE[0], *HOURS, "schedule.stage.1.duration=40 min",
                                "schedule.stage.1.rotate.every=20 min",
                                *(f"schedule.stage.{n}.duration=10 min" for n in (2, 3))))
    Simulation(case, "cpp").run(tmp_path / "whole", quiet=True)
    assert in_pieces(case, "cpp", tmp_path / "pieces") >= 7
    assert_equal_results(tmp_path / "whole", tmp_path / "pieces")


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_every_array_of_every_step_is_the_same_on_ranks(count):
    code, out, errors = mpi.run(count, LOCKSTEP, "cpp", 6, HILLSIDE, COARSE[0], *HOURS)
    assert (code, errors) == (0, ""), out + errors
    assert out.endswith("the same\n")


@pytest.mark.slow
def test_backends_agree(tmp_path):
    """1e-7 of numpy: rounding, which unsaturated ground and its stopping rules magnify."""
    found = []
    for backend in ("cpp", "numpy"):
        case = Case.read(HILLSIDE, (COARSE[0], *HOURS))
        Simulation(case, backend).run(tmp_path / backend, quiet=True)
        found.append(open_results(tmp_path / backend).summary)
    for key in ("energy_kWh", "charge_C", "leachate_L", "nh4_added_mol", "pH_min", "water_lost_L"):
        assert found[0][key] == pytest.approx(found[1][key], rel=1e-7), key


RECORDED = {
    "energy_kWh": 9.342160820766994,
    "charge_C": 560529.6492460199,
    "leachate_L": 9686.387691718066,
    "water_lost_L": 1690.3335618987064,
    "nh4_added_mol": 31439.70863077662,
    "nh4_out_mol": 51.599624673259164,
    "pH_min": 4.542656143868835,
    "boundary_rain_runoff_water_L": 60787.72321987844,
    "exchangeable_N_mg_per_kg": 16.973607072278664,
}
