"""The columns of Wang et al. 2022 as cylinders in three dimensions: the same as in one."""

import pytest
from helpers.case_files import ROOT

from ekm3d import Case, Simulation, open_results

CASES = ROOT / "cases"
SHORT = ["schedule.stage.0.duration=30 min", "schedule.stage.1.duration=5 min",
         "output.series_every=5 min"]
SAME = ("charge_C", "water_fed_L", "energy_kWh", "pH_min", "pH_max", "REE_initial_mg_per_kg",
        "current_start_A", "nh4_added_mol")


@pytest.mark.parametrize("name", ["bench_ekm", "scaled_ekm"])
def test_a_cylinder_has_the_section_of_its_column(name):
    """32 of 36 voxels in every one of 22 layers, whose area is that of the column in one dimension
    to 1e-3: the rounding of the lengths in both files."""
    one, many = Case.read(CASES / name), Case.read(CASES / f"{name}_3d")
    assert many.active.sum(axis=(1, 2)).tolist() == [32] * many.grid.shape[0] == [32] * 22
    area = [case.grid.spacing[0] * case.grid.spacing[1] for case in (one, many)]
    assert 32 * area[1] == pytest.approx(area[0], rel=1e-3)


@pytest.mark.slow
def test_a_cylinder_of_voxels_is_its_column_in_one_dimension(tmp_path):
    """Half an hour of wetting and five minutes of current; all that differs is the area, by 1e-4.

    Amounts go with the area, so 1e-3 holds them; a face too many, or one that leaks beside the
    cylinder, is a fortieth of the section.
    """
    found = []
    for name in ("bench_ekm", "bench_ekm_3d"):
        Simulation(Case.read(CASES / name, SHORT), "numpy").run(out=tmp_path / name, quiet=True)
        found.append(open_results(tmp_path / name).summary)
    one, many = found
    assert many["cells"] == 36 * one["cells"]
    for key in SAME:
        assert many[key] == pytest.approx(one[key], rel=1e-3), key
    for key, limit in (("mass_balance_max", 1e-9), ("charge_balance_max", 1e-6),
                       ("faraday_error", 1e-6), ("water_balance_max", 1e-7)):
        assert many[key] < limit, key
