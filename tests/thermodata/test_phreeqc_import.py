"""Import of PHREEQC databases: records read, rewritten, rejected, and PHREEQC's own results."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.chemistry.solution import speciate
from ekm3d.constants import TEMPERATURE
from ekm3d.thermodata.build import build, log_k
from ekm3d.thermodata.phreeqc_import import ASSUMED_DIFFUSION, Constant, read_phreeqc
from ekm3d.thermodata.phreeqc_parser import logical_lines, parse
from ekm3d.thermodata.records import problems

SMALL = Path(__file__).parents[1] / "data" / "small.dat"
DATA = SMALL.parent / "phreeqc"
REJECTED = """SOLUTION_SPECIES
Lump+3 + Cl- = LumpCl+2
    log_k 0.3; -llnl_gamma 4.0
Fe+3 + Cl- = FeCl+2
SO4-2 + 9 H+ + 8 e- = HS- + 4 H2O
    log_k 33.65
SO4-2 + H+ = HSO4-3
    log_k 1.99
2 Ca+2 = Ca3+6
    log_k 1.0; -no_check
Cl- + H+ = HCl
    log_k -3.0; -mole_balance HCl2
Ca+2 + Unknown- = CaUnknown+
    log_k 1.0
PHASES
Halite
    NaCl = Na+ + SO4-2
    log_k 1.57
Na+
    Na2SO4 = 2Na+ + SO4-2
    log_k -0.18
EXCHANGE_SPECIES
FeOH+2 + 2X- = FeOHX2
    log_k 0.5
SURFACE_MASTER_SPECIES
Hfo_w    Hfo_wOH
RATES
Calcite
-start
10 SAVE 0
-end
"""


@pytest.fixture(scope="module")
def small():
    return read_phreeqc(SMALL)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Return (reading, lines) of the same with entries that cannot be imported."""
    path = tmp_path_factory.mktemp("dat") / "spoilt.dat"
    path.write_text(SMALL.read_text() + REJECTED)
    return read_phreeqc(path), path.read_text().splitlines()


def records(reading, kind):
    return {record["name"]: record for record in reading.tables[kind]}


def test_comments_semicolons_and_continued_lines():
    """Numbers are those of the line on which a logical line begins."""
    text = "a # one\nb; c ;\nd \\\n e\n\n  # nothing\nf"
    assert list(logical_lines(text)) == [(1, "a"), (2, "b"), (2, "c"), (3, "d   e"), (7, "f")]


@pytest.mark.parametrize("side, terms", [
    ("2 H2O", ((2, "H2O"),)), ("2H2O + 0.5Hg2+2", ((2, "H2O"), (0.5, "Hg2+2"))),
    ("K+ +3Al+3 +4.5 H4SiO4", ((1, "K+"), (3, "Al+3"), (4.5, "H4SiO4"))),
    ("Mg2Si3O7.5OH:3H2O+0.5H2O+4H+", ((1, "Mg2Si3O7.5OH:3H2O"), (0.5, "H2O"), (4, "H+"))),
    ("Cu+1 + SO4-- + La+++", ((1, "Cu+"), (1, "SO4-2"), (1, "La+3"))),
    ("A+3 - 2 H+", ((1, "A+3"), (-2, "H+"))), ("[Fe+2]+2 + e-", ((1, "[Fe+2]+2"), (1, "e-")))])
def test_reactions_as_people_write_them(side, terms):
    """With and without blanks; a sign after a name is its charge, and charges have one form."""
    entry, = parse(f"SOLUTION_SPECIES\n{side} = Z").entries
    assert entry.left == terms and not entry.wrong


def test_energies_volumes_and_diffusion_have_units():
    """1 kcal = 4.184 kJ; kJ without a unit; -Vm in cm3 or dm3; -dw takes its first number."""
    text = ("SOLUTION_SPECIES\nA = B\nlog_k 1\ndelta_h -2 kcal\n-dw 1e-9 5 6\nA = C\nlog_k 2\n"
            "-delta_h 7\nPHASES\nP\nB = A\n-Vm 0.05 dm3/mol\nQ\nC = A\n-Vm 30\n-delta_h 9 kcals\n")
    b, c, p, q = parse(text).entries
    assert (b.delta_h, b.diffusion, c.delta_h) == (-8.368, 1e-9, 7.0)
    assert (p.volume, p.name, q.volume) == (50.0, "P", 30.0)
    assert "must be kJ, kcal, J or cal" in q.wrong


def test_masters_become_components(small):
    """Every valence by itself; water, the electron and alkalinity are none. An element that the
    periodic table lacks counts by the file's weight; charges and masses are those of the formulas
    (carbonate 12.011 + 3 x 15.999 = 60.008)."""
    found = records(small, "component")
    assert list(found) == ["H+", "H2", "O2", "Na+", "Ca+2", "Fe+2", "Fe+3", "CO3-2", "SO4-2",
                           "Cl-", "Lump+3"]
    assert found["CO3-2"]["molar_mass"] == pytest.approx(60.008) and found["CO3-2"]["charge"] == -2
    assert found["Lump+3"]["molar_mass"] == 150 and found["Lump+3"]["elements"] == {"Lump": 1}
    assert (found["Na+"]["size"], found["Na+"]["linear"], found["Na+"]["diffusion"]) == \
        (4.08, 0.082, 1.33e-9)
    assert found["Fe+3"]["size"] == 9.0 and found["Cl-"]["diffusion"] == ASSUMED_DIFFUSION


def test_reactions_are_rewritten_over_components(small):
    """log K of the chain is the sum of its links, written out here by hand.

    HCO3-: 107.8871 + 0.03252849 T - 5151.79/T - 38.92561 log10 T + 563713.9/T2 = 10.3288 at 25 C.
    CO2 = HCO3- + H+ - H2O: + 6.352. (CaHCO3)2SO4: twice 10.3288 + 1.106, + 0.5. Calcium
    bicarbonate, dissolved to 2 HCO3-: 1.5 - 2 x 10.3288. CO2(g): -1.468 less that of CO2.
    NaSO4-: 0.45 and the named expression's 0.25.
    """
    T = 298.15
    bicarbonate = 107.8871 + 0.03252849 * T - 5151.79 / T - 38.92561 * np.log10(T) + 563713.9 / T**2
    species = records(small, "species")
    assert species["HCO3-"]["log_k"] == pytest.approx(bicarbonate, abs=1e-9)
    assert species["CO2"]["log_k"] == pytest.approx(bicarbonate + 6.352, abs=1e-9)
    assert species["CO2"]["reaction"] == {"CO3-2": 1, "H+": 2, "H2O": -1}
    pair = species["(CaHCO3)2SO4"]
    assert pair["reaction"] == {"Ca+2": 2, "CO3-2": 2, "H+": 2, "SO4-2": 1}
    assert pair["log_k"] == pytest.approx(2 * (bicarbonate + 1.106) + 0.5, abs=1e-9)
    assert species["NaSO4-"]["log_k"] == pytest.approx(0.7)
    mineral, gas = records(small, "mineral"), records(small, "gas")
    assert mineral["Bicarbonate"]["log_k"] == pytest.approx(1.5 - 2 * bicarbonate, abs=1e-9)
    assert gas["CO2(g)"]["log_k"] == pytest.approx(-1.468 - bicarbonate - 6.352, abs=1e-9)
    assert mineral["Calcite"]["molar_volume"] == 36.9
    assert mineral["Calcite"]["delta_h"] == pytest.approx(-2.297 * 4.184)


def test_reactions_of_several_products_are_of_one(tmp_path):
    """2 Ca + 2 SO4 = 2 CaSO4 with log K 4.6 is 2.3 for one; so for 3 KX and 2 halite."""
    path = tmp_path / "twice.dat"
    path.write_text(SMALL.read_text() + "SOLUTION_SPECIES\n2 Ca+2 + 2 SO4-2 = 2 CaSO4\nlog_k 4.6\n"
                    "PHASES\nHalite\n2 NaCl = 2 Na+ + 2 Cl-\nlog_k 3.14\nEXCHANGE_SPECIES\n"
                    "3 Fe+2 + 6 X- = 3 FeX2\nlog_k 1.32; delta_h 3\n")
    reading = read_phreeqc(path)
    assert reading.skipped == []
    pair, halite = records(reading, "species")["CaSO4"], records(reading, "mineral")["Halite"]
    assert pair["reaction"] == {"Ca+2": 1, "SO4-2": 1} and pair["log_k"] == pytest.approx(2.3)
    assert halite["reaction"] == {"Na+": 1, "Cl-": 1} and halite["log_k"] == pytest.approx(1.57)
    iron = records(reading, "exchange")["FeX2"]
    assert iron["reaction"] == {"Fe+2": 1, "X-": 2}
    assert (iron["log_k"], iron["delta_h"]) == pytest.approx((0.44, 1.0))


def test_heats_add_up_like_constants(small):
    """CO2 at 15 C: the analytic expression of HCO3- there, and van 't Hoff with -2.247 kcal/mol
    on 6.352: -dH/(R ln 10) (1/T - 1/T0)."""
    T = 288.15
    bicarbonate = 107.8871 + 0.03252849 * T - 5151.79 / T - 38.92561 * np.log10(T) + 563713.9 / T**2
    step = 6.352 + 2247 * 4.184 / (8.314462618 * np.log(10)) * (1 / T - 1 / TEMPERATURE)
    assert log_k(records(small, "species")["CO2"], T) == pytest.approx(bicarbonate + step, abs=1e-9)


def test_activity_parameters_are_taken_by_the_letter(small):
    """-gamma 0 0 is size 0 and slope 0 (found with IPhreeqc itself), not its absence."""
    species = records(small, "species")
    assert (species["CaHCO3+"]["size"], species["CaHCO3+"]["linear"]) == (0, 0)
    assert (species["CO2"]["size"], species["CO2"]["linear"]) == (0, 0.05)
    assert "size" not in species["FeOH+2"]


def test_constants_add_up():
    """Sums of plain and of analytic constants; one without heat counts as constant."""
    sum_ = Constant(2.0, 10.0).plus(Constant(1.0), -2.0)
    assert (sum_.log_k, sum_.delta_h, sum_.coefficients) == (0.0, 10.0, ())
    assert Constant(1.0).plus(Constant(2.0), 3.0) == Constant(7.0)
    mixed = Constant(1.0, None, (1.0,)).plus(Constant(2.0, 5.708), 1.0)
    assert np.dot(mixed.coefficients, [1, 298.15, 1 / 298.15, 0, 0, 0]) == pytest.approx(3.0)
    assert mixed.coefficients[2] == pytest.approx(-5708 / (8.314462618 * np.log(10)))


def test_what_cannot_be_taken_over_is_named_with_its_line(spoilt):
    """No entry is lost in silence: the rejected ones, each at its line and with its reason."""
    reading, lines = spoilt
    told = {lines[n - 1].strip(): text for n, text in reading.skipped}
    words = {"Fe+3 + Cl- = FeCl+2": "no log_k",
             "SO4-2 + 9 H+ + 8 e- = HS- + 4 H2O": "needs electrons",
             "SO4-2 + H+ = HSO4-3": "has charge -3, but the reaction gives -1",
             "2 Ca+2 = Ca3+6": "Ca 3, but the reaction gives 2",
             "Cl- + H+ = HCl": "-mole_balance",
             "Ca+2 + Unknown- = CaUnknown+": "Unknown- is not defined",
             "NaCl = Na+ + SO4-2": "the reaction has charge -1, must be 0",
             "FeOH+2 + 2X- = FeOHX2": "H2O cannot take part in exchange",
             "Lump+3 + Cl- = LumpCl+2": "gamma = 'llnl' needs [activity] with model = \"llnl\"",
             "SURFACE_MASTER_SPECIES": "the block is not read", "RATES": "the block is not read"}
    assert set(told) == set(words)
    for entry, text in words.items():
        assert text in told[entry], entry
    assert any("have no -dw: 1e-9 m2/s assumed" in text for text in reading.remarks)


def test_nothing_is_rejected_of_a_sound_file(small):
    """All of the file is there: 13 reactions less the identities and redox are 8 species."""
    assert small.skipped == []
    assert len(small.tables["species"]) == 8 and len(small.tables["mineral"]) == 2


def test_names_stay_unique_and_lumps_balance(spoilt):
    """The phase called Na+ as the ion is gets an (s); LumpSO4+ is one lump and one sulfate."""
    reading, _ = spoilt
    assert "Na+(s)" in records(reading, "mineral")
    assert "LumpSO4+" in records(reading, "species")
    assert problems(reading.tables) == []


def test_a_file_without_master_species_is_no_database(tmp_path):
    path = tmp_path / "x.dat"
    path.write_text("PHASES\nCalcite\nCaCO3 = Ca+2 + CO3-2\n")
    with pytest.raises(ValueError, match="x.dat: no SOLUTION_MASTER_SPECIES"):
        read_phreeqc(path)


def test_a_species_defined_by_way_of_itself_is_named(tmp_path):
    path = tmp_path / "loop.dat"
    path.write_text("SOLUTION_MASTER_SPECIES\nNa Na+ 0 Na 22.99\nSOLUTION_SPECIES\nNa+ = Na+\n"
                    "NaB = NaC\nlog_k 1\nNaC = NaB\nlog_k 2\n")
    told = [text for _, text in read_phreeqc(path).skipped]
    assert len(told) == 2 and all("is defined by way of itself" in text for text in told)


def test_a_log_k_without_a_number_is_none(tmp_path):
    """PHREEQC stops there; it counted as 0."""
    path = tmp_path / "blank.dat"
    path.write_text(SMALL.read_text() + "SOLUTION_SPECIES\nCa+2 + Cl- = CaCl+\n -log_k\n")
    (_, text), = read_phreeqc(path).skipped
    assert "log_k without a number" in text


@pytest.mark.parametrize("reaction, words", [
    ("Ca+2 + Cl- =", "an empty side"), ("= CaCl+", "an empty side"),
    ("0 Ca+2 + Cl- = CaCl-", "coefficient 0 of Ca+2"), ("Ca+2 + , = CaCl+", "is not defined"),
    ("Ca+2 Cl- = CaCl+", "cannot read 'Cl-' as species"), ("Ca+2 + 3 = CaCl+", "cannot read")])
def test_what_is_no_reaction_is_named(tmp_path, reaction, words):
    path = tmp_path / "wrong.dat"
    path.write_text(SMALL.read_text() + f"SOLUTION_SPECIES\n{reaction}\nlog_k 1\n")
    (line, text), = read_phreeqc(path).skipped
    assert line == len(path.read_text().splitlines()) - 1 and words in text


def test_no_file_leads_to_a_traceback(tmp_path):
    """Pieces cut out of a sound file, doubled or exchanged at random: read, with what it rejects
    named, or refused by a ValueError."""
    draw, path, text = np.random.default_rng(20261), tmp_path / "spoilt.dat", SMALL.read_text()
    read = 0
    for _ in range(300):
        spoilt = text
        for _ in range(draw.integers(1, 6)):
            a, b = sorted(draw.integers(0, len(spoilt), 2))
            b = min(b, a + draw.integers(1, 40))
            piece = ["", spoilt[a:b] * 2, spoilt[a:b][::-1], "=", "+ -", "\n", "9e999 "][
                draw.integers(7)]
            spoilt = spoilt[:a] + piece + spoilt[b:]
        path.write_text(spoilt)
        try:
            reading = read_phreeqc(path)
        except ValueError as error:
            assert "spoilt.dat: " in str(error)
            continue
        assert problems(reading.tables) == []
        read += 1
    assert read > 200


SOLUTIONS = {
    "calcium sulfate and iron": " pH 4.6\n pe 12\n Na 30\n Ca 4\n S 12\n C 1\n Fe(3) 0.02\n"
                                " Cl 30 charge\n",
    "bicarbonate": " pH 7.9\n pe 8\n Na 20\n Ca 3\n C 5\n S 4\n Cl 40 charge\n"}


def speciation(path, solution, celsius=25.0):
    """Return (system, molalities by IPhreeqc, by ekm3d), all with the same file."""
    pytest.importorskip("phreeqpy")
    from phreeqpy.iphreeqc.phreeqc_dll import IPhreeqc

    chem = build(read_phreeqc(path).tables, minerals=[], exchange=[], temperature=celsius + 273.15)
    program = IPhreeqc()
    program.load_database(str(path))
    program.run_string(
        f"KNOBS\n -convergence_tolerance 1e-12\nSOLUTION 1\n temp {celsius}\n units mmol/kgw\n"
        f"{solution}SELECTED_OUTPUT 1\n -reset false\n -high_precision true\n -molalities "
        + " ".join(chem.species) + "\nEND\n")
    heads, *rows = program.get_selected_output_array()
    row = dict(zip(heads, rows[-1], strict=True))
    theirs = np.array([row[f"m_{name}(mol/kgw)"] for name in chem.species])
    total = 1000 * chem.nu.T @ theirs
    ours = EquilibriumSolver(chem).solve_numpy(total[:, None], np.ones(1)).c[:, 0] / 1000
    return chem, theirs, ours


def agree(chem, theirs, ours, tolerance):
    present = theirs > 1e-12
    worst = np.argmax(np.abs(ours / np.where(present, theirs, np.inf) - 1) * present)
    assert np.all(np.abs(ours[present] / theirs[present] - 1) < tolerance), chem.species[worst]
    assert present.sum() > 10


@pytest.mark.oracle
@pytest.mark.parametrize("celsius", [25.0, 12.0])
@pytest.mark.parametrize("solution", SOLUTIONS)
def test_phreeqc_speciates_alike_with_the_same_file(solution, celsius):
    """The same totals, the same file: 5e-5 at 25 C, as A comes with five digits, 1e-4 elsewhere, as
    PHREEQC has A(T) from other equations of state."""
    agree(*speciation(SMALL, SOLUTIONS[solution], celsius), 5e-5 if celsius == 25 else 1e-4)


def test_elements_that_begin_with_a_lump_are_read():
    """Er and Eu beside the electron's element E: pH and complexes of PHREEQC 3.7.3 on the file.

    Tolerance 5e-5: the reference has five digits.
    """
    tables = read_phreeqc(DATA / "rare_earths.dat").tables
    chem = build(tables, components=["H+", "Na+", "La+3", "Er+3", "Eu+3", "Cl-"])
    water = speciate(chem, {"La+3": 1, "Er+3": 1, "Eu+3": 1, "Cl-": 9})
    assert water.pH == pytest.approx(5.4231, abs=6e-5)
    for name, molar in (("ErOH+2", 1.7158e-6), ("EuOH+2", 2.1591e-6)):
        assert water.c[chem.species_index(name)] / 1e3 == pytest.approx(molar, rel=5e-5)
    assert water.saturation["Er(OH)3(am)"] == pytest.approx(-5.25, abs=0.006)


def test_masses_come_from_the_file_where_symbols_are_its_own(tmp_path):
    """Amm is NH3 and AmmH+ 18.04; `Ac` with the weight of acetate is not actinium."""
    text = (DATA / "clay.dat").read_text().replace(
        "La   La+3", "Ac   Ac-   0   59.04   59.04\nLa   La+3")
    (tmp_path / "own.dat").write_text(text)
    mass = {r["name"]: r["molar_mass"]
            for r in read_phreeqc(tmp_path / "own.dat").tables["component"]}
    assert mass["AmmH+"] == pytest.approx(18.04, abs=0.005)
    assert (mass["Ac-"], mass["La+3"]) == (59.04, 138.91)


def real(name):
    """A database that comes with PHREEQC, from EKM3D_PHREEQC_DATA or the package phreeqpython."""
    folders = [os.environ.get("EKM3D_PHREEQC_DATA")]
    package = importlib.util.find_spec("phreeqpython")
    if package:
        folders.append(Path(package.origin).parent / "database")
    for folder in filter(None, folders):
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    pytest.skip(f"no {name}: set EKM3D_PHREEQC_DATA to its folder or install phreeqpython")


@pytest.mark.oracle
@pytest.mark.parametrize("celsius, tolerance", [(25.0, 5e-5), (10.0, 1e-4)])
@pytest.mark.parametrize("solution", [
    " pH 4.3\n pe 12\n Na 30\n Ca 4\n Mg 2\n S(6) 15\n Al 0.05\n F 0.02\n Cl 30 charge\n",
    " pH 7.8\n pe 8\n Na 30\n Ca 4\n C(4) 3\n P 0.02\n Fe(2) 0.01\n K 3\n Cl 30 charge\n",
    " pH 5\n pe 8\n Na 90\n N(5) 20\n S(6) 30\n Zn 0.1\n Mn(2) 0.1\n Pb 0.01\n Cd 0.1\n"
    " Cl 30 charge\n"])
def test_the_real_phreeqc_dat_speciates_alike(solution, celsius, tolerance):
    """phreeqc.dat as it is distributed, with its own ion sizes and analytic constants."""
    agree(*speciation(real("phreeqc.dat"), solution, celsius), tolerance)


@pytest.mark.parametrize("name, least", [
    ("phreeqc.dat", dict(component=30, species=150, mineral=40, exchange=12, gas=5)),
    ("wateq4f.dat", dict(component=30, species=200, mineral=200, exchange=10, gas=3))])
def test_real_databases_are_read(name, least):
    """Nearly everything is taken over: what is rejected is redox, surfaces and rates, and less
    than a tenth of the whole."""
    reading = read_phreeqc(real(name))
    for kind, count in least.items():
        assert len(reading.tables[kind]) >= count
    taken = sum(len(v) for v in reading.tables.values() if isinstance(v, list))
    assert len(reading.skipped) < 0.12 * taken
    assert problems(reading.tables) == []
