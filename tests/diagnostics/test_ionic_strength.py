"""Largest ionic strength of a run, and its warning."""

import json

import pytest

from ekm3d.cli.main import main


@pytest.mark.parametrize("molar, warned", [(0.2, False), (0.8, True)])
def test_summary_and_check_tell_of_strong_water(tmp_path, capsys, molar, warned):
    """0.8 mol/l of a salt is above Davies' 0.5: check, summary and log say so, with the value."""
    case = tmp_path / "case"
    case.mkdir()
    (case / "case.toml").write_text(f"""
[physics]
potential = false
flow = false
[grid]
size = ["2 m", "1 m", "1 m"]
spacing = "1 m"
[ore]
density = "1000 kg/m3"
porosity = 0.4
water_content = 0.4
tortuosity = 0.5
[chemistry]
components = ["H+", "Na+", "Cl-"]
minerals = []
exchange = []
[water]
composition = {{ "Na+" = "{molar} mol/l", "Cl-" = "{molar} mol/l" }}
[[schedule.stage]]
name = "rest"
duration = "1 h"
""")
    assert main(["check", str(case), "--backend", "numpy"]) == 0
    assert ("warning: the ionic strength reaches 0.8" in capsys.readouterr().err) == warned
    assert main(["run", str(case), "--backend", "numpy", "--quiet"]) == 0
    summary = json.loads((case / "out" / "summary.json").read_text())
    assert summary["ionic_strength_max_mol_per_l"] == pytest.approx(molar, rel=0.02)
    assert ("warning" in summary) == warned
    assert ("up to about 0.5 mol/l" in (case / "out" / "log.txt").read_text()) == warned
