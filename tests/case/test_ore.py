"""Ore body: the inventory and capacity of [ore], its optional properties, the field's samples."""

import csv

import numpy as np
import pytest
from helpers.case_files import FIELD, OPEN, ROOT, SMALL, copy, told, told_with_line

from ekm3d.case.case import Case
from ekm3d.grid.rasterise import rasterise


def test_inventory_per_kg_becomes_moles_per_volume(tmp_path):
    """1500 kg/m3: 142 mg/kg LREE (142 g/mol) is 1.5 mol/m3, 10 meq/kg Ca 7.5 mol/m3.

    CEC = 3 x 1.5 + 2 x 7.5 + 4.5 = 24 eq/m3; 6 meq/kg per pH unit is 9 eq/m3.
    """
    ore = Case.read(copy(tmp_path)).ore
    assert {k: v.ravel()[0] for k, v in ore.exchangeable.items()} == pytest.approx(
        {"LREE+3": 1.5, "Ca+2": 7.5, "Na+": 4.5})
    assert ore.cec == pytest.approx(24.0) and ore.cec_slope == pytest.approx(9.0)
    assert ore.minerals["Al(OH)3"] == pytest.approx(300.0) and ore.reference_pH == 5.3
    for values in (ore.density, ore.hydraulic_conductivity, ore.cec, ore.minerals["Al(OH)3"]):
        assert values.shape == (6, 4, 5) and values.dtype == np.float64


def test_protons_fill_the_rest_of_a_given_cec(tmp_path):
    """20 meq/kg on 1500 kg/m3 is 30 eq/m3, 6 more than the inventory of 24; see OreBody."""
    ore = Case.read(copy(tmp_path), ["chemistry.exchanger.cec=20 meq/kg"]).ore
    assert ore.cec == pytest.approx(30.0)


@pytest.mark.parametrize("spacing", ["5 cm", "10 cm", "12.5 cm", "25 cm"])
def test_inventory_does_not_depend_on_the_spacing(tmp_path, spacing):
    """400 mg/kg Al on 9000 kg: 3.6 kg = 133.43 mol; rounding is all that may differ."""
    case = Case.read(copy(tmp_path, FIELD), [f"grid.spacing={spacing}"])
    assert case.inventory()["Al+3"][0] == pytest.approx(3.6 / 26.98e-3, rel=1e-12)


def test_mineral_given_by_its_mass(tmp_path):
    """780 mg/kg of Al(OH)3, 26.982 + 3 x (18.015 - 1.008) = 78.0 g/mol: 0.01 mol/kg."""
    case = copy(tmp_path, SMALL, ('"Al(OH)3" = "0.2 mol/kg"', '"Al(OH)3" = "780 mg/kg"'))
    ore = Case.read(case).ore
    assert ore.minerals["Al(OH)3"] / ore.density == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("given, message", [
    ({"cec": "60 meq/kg"}, "no exchange species of H+ takes part"),
    ({"cec": "60 meq/kg", "exchange": []}, "no exchange species of the chosen components"),
])
def test_cec_requires_exchange_species(tmp_path, given, message):
    """More sites than the inventory's charge, and nothing that protons could sit on."""
    chosen = given.get("exchange", ["LREEX3", "HREEX3", "AlX3", "CaX2", "KX", "NaX", "NH4X"])
    inventory = [] if chosen else ["ore.exchangeable={}"]
    told(copy(tmp_path), "chemistry.exchanger.cec", message,
         f"chemistry.exchange={chosen}", f"chemistry.exchanger.cec={given['cec']}",
         "chemistry.exchanger.variable_charge=0", *inventory)


# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('density = "1.5 g/cm3"', 'densty = "1.5 g/cm3"', "ore.densty",
     "unknown key; did you mean 'density'?"),
    ('density = "1.5 g/cm3"', "density = true", "ore.density", "cannot read True as kg/m3"),
    ('density = "1.5 g/cm3"', "density = nan", "ore.density", "not a finite number"),
    ("porosity = 0.45", 'porosity = "a lot"', "ore.porosity", "it does not begin with a number"),
    ("porosity = 0.45", "porosity = 1.2", "ore.porosity", "must be above 0 and at most 1"),
    ('water_content = "42 %"', "water_content = 0.46", "ore.water_content",
     "0.46 is above the porosity 0.45 in 120 of 120 voxels, the first at (0.05, 0.1, 0.25) m"),
    ('LREE = "142 mg/kg"', 'LRE = "142 mg/kg"', "ore.exchangeable.LRE",
     "unknown component; did you mean 'LREE'?"),
    ('LREE = "142 mg/kg"', 'LREE = "-142 mg/kg"', "ore.exchangeable.LREE",
     "must be at least 0 mol/kg"),
    ('LREE = "142 mg/kg"', 'SO4 = "142 mg/kg"', "ore.exchangeable.SO4",
     "only cations can be exchangeable"),
    ('LREE = "142 mg/kg"', 'Ca = "142 mg/kg"', "ore.exchangeable.Ca+2", "is given twice"),
    ('"Al(OH)3" = "0.2 mol/kg"', '"Al(OH)2" = "0.2 mol/kg"', "ore.minerals.Al(OH)2",
     "unknown mineral; did you mean 'Al(OH)3'?"),
    ('cec = "from inventory"', 'cec = "12 meq/kg"', "chemistry.exchanger.cec",
     "12 meq/kg cannot hold the exchangeable inventory of 16 meq/kg"),
    ('cec = "from inventory"', 'cec = "from nowhere"', "chemistry.exchanger.cec",
     "cannot read 'from nowhere' as eq/kg"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_ore_is_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


# --- properties that may be left out ----------------------------------------------------------

def test_optional_properties_are_none_by_default(tmp_path):
    case = copy(tmp_path)
    ore = Case.read(case).ore
    assert (ore.electric_conductivity, ore.current_source, ore.storage) == (None, None, None)
    ore = Case.read(case, ["ore.current_source={formula='x - 0.25', unit='A/m3'}",
                           "ore.storage=2e-3 1/m", "physics.transport=false"]).ore
    assert ore.current_source[0, 0] == pytest.approx([-0.2, -0.1, 0.0, 0.1, 0.2], abs=1e-15)
    assert (ore.storage == 2e-3).all()


def test_free_water_has_porosity_one(tmp_path):
    ore = Case.read(copy(tmp_path), ["ore.porosity=1", "ore.water_content=1",
                                     "ore.tortuosity=1"]).ore
    assert ore.water_content.min() == ore.porosity.min() == ore.tortuosity.min() == 1.0


def test_permeability_is_optional_without_flow(tmp_path):
    case = copy(tmp_path, OPEN, ('permeability = { formula = "1 + z", unit = "um/s" }', ""))
    told(case, "ore.permeability", "is missing; write e.g. permeability = '3.5e-7 m/s'")
    assert not Case.read(case, ["physics.flow=false"]).ore.hydraulic_conductivity.any()


@pytest.mark.parametrize("override", [
    "water.prewetting={'Na+'='1 mmol/kg', 'Cl-'='1 mmol/kg'}", "chemistry.exchanger.cec=1 meq/kg",
    "chemistry.exchanger.variable_charge=1 meq/kg"])
def test_density_is_optional_without_amounts_per_kg(tmp_path, override):
    """Reports per kg then count 1000 kg/m3, a round number; with amounts it must be given."""
    case = copy(tmp_path, OPEN)
    assert (Case.read(case).ore.density == 1000.0).all()
    told(case, "ore.density", "is missing; write e.g. density = '1500 kg/m3'", override)


def test_inventory_requires_density(tmp_path):
    case = copy(tmp_path, SMALL, ('density = "1.5 g/cm3"', ""))
    told(case, "ore.density", "is missing")
    told(case, "ore.density", "is missing", "ore.exchangeable={}",
         "chemistry.exchanger.variable_charge=0.0", "water.prewetting={}")


# --- the field's samples ----------------------------------------------------------------------

def field_samples():
    """Return the numbers of cases/field_block/samples.csv: (24, 6) x, y, z, LREE, HREE, water."""
    text = (FIELD / "samples.csv").read_text().splitlines()
    rows = list(csv.reader(line for line in text if not line.startswith("#")))
    return np.array([row[1:] for row in rows[1:]], dtype=float)


def test_field_samples_honour_the_papers_means_and_trend():
    """24 points; 878 mg/kg REE and 14 % water to the printed tenth, LREE/HREE from 4 to 1."""
    rows = field_samples()
    assert rows.shape == (24, 6)
    assert rows[:, 3:5].sum() == pytest.approx(24 * 878.0, abs=1e-6)
    assert rows[:, 5].sum() == pytest.approx(24 * 14.0, abs=1e-6)
    ratio = rows[:, 3] / rows[:, 4]
    for low, high, expected in ((0.0, 0.5, 1.0), (1.5, 2.0, 4.0)):
        level = (rows[:, 2] > low) & (rows[:, 2] < high)
        assert level.sum() == 6 and ratio[level].mean() == pytest.approx(expected, rel=0.1)
    text = (FIELD / "samples.csv").read_text()
    assert "SYNTHETIC" in text and "positions and the scatter were made up" in text


def test_make_samples_reproduces_the_field_samples(tmp_path, monkeypatch):
    """The script gives the shipped file, letter by letter."""
    import runpy
    import sys

    monkeypatch.setattr(sys, "argv", ["make_samples.py", str(tmp_path / "again.csv")])
    runpy.run_path(str(ROOT / "scripts" / "tools" / "make_samples.py"), run_name="__main__")
    assert (tmp_path / "again.csv").read_text() == (FIELD / "samples.csv").read_text()


@pytest.mark.parametrize("spacing", ["5 cm", "10 cm", "12.5 cm", "25 cm"])
def test_field_ore_keeps_the_mean_and_range_of_the_samples(tmp_path, spacing):
    """The block's mean REE lies within 3 % of the samples' (they weigh 24 places, it weighs all);
    no sample or probe lies in metal, where there is no ore to look at."""
    case = Case.read(copy(tmp_path, FIELD), [f"grid.spacing={spacing}"])
    inventory, chem = case.inventory(), case.chemistry
    content = sum(inventory[c][0] * chem.molar_mass[chem.index(c)] for c in ("LREE+3", "HREE+3"))
    assert content / case.mass * 1e6 == pytest.approx(878, rel=0.03)
    light = case.ore.exchangeable["LREE+3"] * 0.142 / 1500 * 1e6
    assert light.min() >= field_samples()[:, 3].min() - 1e-9
    assert light.max() <= field_samples()[:, 3].max() + 1e-9
    metal = np.zeros(case.grid.shape, bool)
    for row in case.electrodes.rows:
        for box in row.boxes:
            metal[rasterise(box, case.grid)] = True
    for point in case.sampling + case.probes:
        assert not metal[case.grid.voxel_at(point.position)]
