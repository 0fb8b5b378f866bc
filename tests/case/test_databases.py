"""Cases on PHREEQC databases: what is used of them, and what is refused or told."""

from pathlib import Path

import numpy as np
import pytest

from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites, acidity_from_neutrality

DATA = Path(__file__).parents[1] / "data" / "phreeqc"
HEAD = """title = "two voxels at rest"
[physics]
potential = false
flow = false
[grid]
size = ["2 m", "1 m", "1 m"]
spacing = "1 m"
[ore]
density = "1000 kg/m3"
porosity = 1.0
water_content = 1.0
tortuosity = 1.0
[[schedule.stage]]
name = "rest"
duration = "1 s"
"""
CLAY = """[ore.exchangeable]
"Ca+2" = "42.5 mmol/kg"
"La+3" = "5 mmol/kg"
[chemistry]
database = "clay.dat"
components = ["H+", "Ca+2", "La+3", "AmmH+", "Cl-"]
minerals = []
[water]
composition = { "AmmH+" = "300 mmol/l", "Cl-" = "300 mmol/l" }
"""
BRINE = """[ore.minerals]
"Gypsum" = "1 mol/kg"
[chemistry]
database = "brine.dat"
components = ["H+", "Ca+2", "Na+", "SO4-2", "Cl-"]
minerals = ["Gypsum"]
[water]
composition = { "Na+" = "3 mol/l", "Cl-" = "3 mol/l" }
"""
FRAGMENT = """[ore.exchangeable]
"La+3" = "5 mmol/kg"
[chemistry]
database = "base.dat"
extend = ["fragment.dat"]
components = ["H+", "La+3", "AmmH+", "Cl-"]
minerals = ["La(OH)3(am)"]
exchange = ["AmmHX", "LaX3"]
[water]
composition = { "AmmH+" = "100 mmol/l", "Cl-" = "100 mmol/l" }
"""


def write(folder, text, **files):
    """Write a case of HEAD and `text` with the database files of tests/data and others."""
    for path in DATA.glob("*.dat"):
        (folder / path.name).write_text(path.read_text())
    for name, content in files.items():
        (folder / f"{name}.dat").write_text(content)
    (folder / "case.toml").write_text(HEAD + text)
    return folder


def equilibrium(case):
    """Return (chem, Result) of a voxel of a case: what it holds, at equilibrium."""
    chem, total = case.chemistry, np.zeros(len(case.chemistry.components))
    for k, name in enumerate(chem.components):
        total[k] = sum(case.inventory()[name]) / 2
    cec = float(case.ore.fixed_charge.max())
    total[chem.hydrogen] = acidity_from_neutrality(chem, total, cec)
    return chem, EquilibriumSolver(chem).solve_numpy(total[:, None], 1.0, Sites(cec))


@pytest.mark.parametrize("overrides, on_clay, dissolved", [
    ((), (1.3710, 8.5621, 78.763), 3.6290),
    (("chemistry.exchange_gammas=false",), (0.8183, 7.2816, 82.982), 4.1817)])
def test_exchange_coefficients_are_those_of_phreeqc(tmp_path, overrides, on_clay, dissolved):
    """LaX3, CaX2, AmmHX and La+3 of PHREEQC 3.7.3 on the file, with -exchange_gammas true (its
    default) and false, mmol/l. Tolerance: the references' digits and litres for kilograms, 2e-4."""
    chem, found = equilibrium(Case.read(write(tmp_path, CLAY), overrides))
    moles = [found.exchanged[chem.exchange.index(name), 0] for name in ("LaX3", "CaX2", "AmmHX")]
    assert moles == pytest.approx(on_clay, rel=3e-4)
    assert found.c[chem.species_index("La+3"), 0] == pytest.approx(dissolved, rel=3e-4)


@pytest.mark.parametrize("block", ["PITZER", "SIT"])
def test_models_that_are_not_computed_are_refused(tmp_path, block):
    """In words, unless the case chooses another model itself."""
    text = (DATA / "brine.dat").read_text().replace("PITZER", block)
    case = write(tmp_path, BRINE, brine=text)
    with pytest.raises(CaseError) as refused:
        Case.read(case)
    assert "chemistry.database" in str(refused.value) and f"its {block} block" in str(refused.value)
    chem = Case.read(case, ["chemistry.activity=davies"]).chemistry
    assert chem.debye_A == 0.51002 and (chem.size == 1).all() and chem.valid_strength == 0.5
    assert not np.any(Case.read(case, ["chemistry.activity=ideal"]).chemistry.debye_A)


def test_a_pitzer_block_of_an_extension_is_refused_too(tmp_path):
    more = "PITZER\n-B0\n Na+ Cl- 0.0765\nPHASES\nHalite\n NaCl = Na+ + Cl-\n log_k 1.57\n"
    case = write(tmp_path, CLAY.replace("minerals = []", 'minerals = []\nextend = ["more.dat"]'),
                 more=more)
    with pytest.raises(CaseError, match="chemistry.extend: more.dat: its activity coefficients"):
        Case.read(case)


def test_a_fragment_sees_the_species_of_what_it_extends(tmp_path):
    """The same chemistry as of both files in one, as PHREEQC would read them."""
    case = Case.read(write(tmp_path, FRAGMENT))
    assert case.chemistry.exchange == ("AmmHX", "LaX3")
    both = (DATA / "base.dat").read_text() + (DATA / "fragment.dat").read_text()
    one = Case.read(write(tmp_path, FRAGMENT.replace("base.dat", "both.dat").replace(
        'extend = ["fragment.dat"]', ""), both=both.replace("END", "", 1)))
    for name, value in vars(one.chemistry).items():
        np.testing.assert_array_equal(getattr(case.chemistry, name), value, err_msg=name)


def test_a_fragment_may_build_on_complexes_and_on_the_package(tmp_path):
    """Reactions over a base's complex (AlOH+2: log K -5 + 2 = -3) and over the package's species;
    what names an unknown species is told where the case could form it."""
    more = ("SOLUTION_SPECIES\nLaOH+2 + Cl- = LaOHCl+\n log_k 2\n"
            "La+3 + OH- = LaHO+2\n log_k 5\nLa+3 + Q- = LaQ+2\n log_k 1\n"
            "La+3 + Cl- = LaCl+2\n -llnl_gamma 4\n log_k 1\n"
            "EXCHANGE_SPECIES\nLaOH+2 + 2X- = LaOHX2\n log_k 1\n")
    text = """[chemistry]
database = "package"
extend = ["more.dat"]
components = ["H+", "La+3", "Cl-"]
minerals = []
exchange = ["LaX3"]
[water]
composition = { "La+3" = "1 mmol/l", "Cl-" = "3 mmol/l" }
"""
    case = Case.read(write(tmp_path, text, more=more))
    chem = case.chemistry
    first = chem.log_k[chem.species_index("LaOH+2")]
    assert chem.log_k[chem.species_index("LaOHCl+")] == pytest.approx(first + 2)
    assert chem.log_k[chem.species_index("LaHO+2")] == pytest.approx(-14 + 5, abs=0.01)
    remarks = "\n".join(case.remarks)
    assert "more.dat, not taken over: line 12: exchange 'LaOHX2': H2O" in remarks
    assert "line 8: species 'LaCl+2': gamma = 'llnl' needs [activity]" in remarks
    assert "LaQ+2" not in remarks                       # it holds an element that the case lacks


def test_what_a_case_does_not_use_is_told(tmp_path):
    """Lost reactions of its elements, options, blocks and assumed coefficients; no others."""
    text = (DATA / "clay.dat").read_text().replace("H2O = OH- + H+", """Ca+2 + Cl- = CaCl+
 log_k 1
 -mole_balance CaCl2
La+3 + H2O = LaOH+2 + H+
 log_k -8.5
 -activity_water
Ca+2 + SO4-2 = CaSO4
 log_k 2.3
H2O = OH- + H+""") + "SURFACE_MASTER_SPECIES\nHfo_w Hfo_wOH\n"
    told = "\n".join(Case.read(write(tmp_path, CLAY, clay=text)).remarks)
    assert "clay.dat, not taken over: line 27: Ca+2 + Cl- = CaCl+: -mole_balance" in told
    assert "not used: -activity_water of LaOH+2" in told and "SURFACE_MASTER_SPECIES" in told
    assert "1e-9 m2/s assumed: H+, Ca+2, AmmH+" in told and "CaSO4" not in told


def test_a_name_that_was_not_taken_over_is_told_with_the_reason(tmp_path):
    text = (DATA / "rare_earths.dat").read_text() + (
        "PHASES\nEuOHCl\n EuOHCl = Eu+3 + Cl-\n log_k 1\n")
    words = """[chemistry]
database = "ree.dat"
components = ["H+", "Eu+3", "Cl-"]
minerals = ["EuOHCl"]
"""
    with pytest.raises(CaseError, match="no mineral 'EuOHCl'; not taken over: mineral"):
        Case.read(write(tmp_path, words, ree=text))


def test_components_are_grouped_by_name_or_by_the_case(tmp_path):
    case = Case.read(write(tmp_path, CLAY))
    assert case.chemistry.groups == ("", "impurity", "REE", "ammonium", "")
    assert "AmmH+" in next(line for line in case.describe().splitlines() if "ammonium" in line)
    chosen = Case.read(tmp_path, ["chemistry.groups={impurity=['Cl-'], REE=[]}"]).chemistry
    assert chosen.groups == ("", "", "", "ammonium", "impurity")
    with pytest.raises(CaseError, match="chemistry.groups: unknown component 'Zn'"):
        Case.read(tmp_path, ["chemistry.groups={impurity=['Zn']}"])


def test_suspect_constants_are_told_where_the_case_uses_them(tmp_path):
    text = (DATA / "rare_earths.dat").read_text().replace(
        "La+3 + H2O = LaOH+2 + H+\n log_k -8.5", "La+3 + Cl- = LaCl+2\n log_k 0.3\n"
        "Er+3 + Cl- = ErCl+2\n log_k -3.2\nEu+3 + Cl- = EuCl+2\n log_k 0.3\n"
        "La+3 + 2 Cl- = LaCl2+\n log_k -255.7")
    words = """[chemistry]
database = "ree.dat"
components = ["H+", "Na+", "La+3", "Er+3", "Cl-"]
minerals = []
[water]
composition = { "La+3" = "1 mmol/l", "Cl-" = "3 mmol/l" }
"""
    told = "\n".join(Case.read(write(tmp_path, words, ree=text)).remarks)
    assert "suspect constant: LaCl2+: log K = -255.7" in told
    assert "suspect constant: ErCl+2: log K = -3.2, but 0.3 for EuCl+2" in told
    without = Case.read(tmp_path, ["chemistry.components=['H+', 'Na+', 'Cl-']",
                                   "water.composition={'Na+'='1 mmol/l', 'Cl-'='1 mmol/l'}"])
    assert "suspect" not in "\n".join(without.remarks)
