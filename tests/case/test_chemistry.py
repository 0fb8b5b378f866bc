"""[chemistry]: databases in files and in the case, choices from them, ideal activities."""

import tomllib

import numpy as np
import pytest
from helpers.case_files import FIELD, OPEN, ROOT, SMALL, complaints, copy, told, told_with_line

from ekm3d.case.case import Case
from ekm3d.thermodata.build import DatabaseError, build, read_database

TABLES = tomllib.loads((OPEN / "case.toml").read_text())["chemistry"]["inline"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("open"), OPEN)


def test_inline_tables_equal_a_database_file(opened):
    """The field's database written into the case gives the very same chemistry."""
    case = copy(opened / "field", SMALL)
    data = (case / "database.toml").read_text().replace("[meta]", "[chemistry.inline.meta]")
    for kind in ("component", "species", "exchange", "mineral"):
        data = data.replace(f"[[{kind}]]", f"[[chemistry.inline.{kind}]]")
    for table in ("activity", "mobility"):
        data = data.replace(f"[{table}]", f"[chemistry.inline.{table}]")
    (case / "database.toml").unlink()
    text = (case / "case.toml").read_text().replace('database = "database.toml"', "")
    (case / "case.toml").write_text(text + data)
    inline, file = Case.read(case).chemistry, read_database(FIELD / "database.toml")
    for name, value in vars(file).items():
        same = getattr(inline, name)
        assert np.array_equal(same, value) or np.array_equal(same, value, equal_nan=True), name


def test_components_are_chosen_from_inline_tables(opened):
    chem = Case.read(opened, ["chemistry.components=['Cl-', 'Na+']", "electrodes.row=[]",
                              "schedule.stage=[{name='a', duration=9}]"]).chemistry
    assert chem.species == ("Cl-", "Na+") and chem.hydrogen is None


def test_ideal_activity(opened):
    """Coefficients and the activity of water become 1; the rest of the data stays."""
    ideal = Case.read(opened).chemistry
    assert (ideal.debye_A, ideal.linear.any(), ideal.water_activity) == (0.0, False, 0.0)
    davies = Case.read(opened, [f"chemistry={{inline={_toml(TABLES)}}}"]).chemistry
    assert (davies.debye_A, davies.water_activity) == (0.51, 0.017)
    assert (davies.log_k == ideal.log_k).all()
    told(opened, "chemistry.activity", "should be 'davies' or 'ideal', not 'none'",
         "chemistry.activity=none")


def _toml(value):
    """Return parsed TOML as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def test_chemistry_has_one_source(opened, tmp_path):
    both = "needs either database = \"database.toml\", a file in the case directory, or the same"
    told(opened, "chemistry", both, "chemistry.database=database.toml")
    told(copy(tmp_path), "chemistry", both, "chemistry={}")
    told(opened, "chemistry.inline", "should be a table, not 5", "chemistry.inline=5")


@pytest.mark.parametrize("old, new, key, message", [
    ('log_k = -14.0', "", "chemistry.inline.species.0", "species 'OH-': log_k is missing"),
    ('log_k = -14.0', 'log_k = "x"', "chemistry.inline.species.0", "log_k = 'x', must be a number"),
    ('{ "H2O" = 1, "H+" = -1 }', '{ "H2O" = 1, "H" = -1 }', "chemistry.inline.species.0",
     "unknown component 'H', did you mean 'H+'?"),
    ('name = "Cl-"', 'name = "Na+"', "chemistry.inline.component.2",
     "component 'Na+': the name is already taken"),
    ('name = "Cl-"', "", "chemistry.inline.component.2", "component 3: has no name"),
    ("diffusion = 2.03e-9", "diffusion = -1e-9", "chemistry.inline.component.2",
     "diffusion = -1e-09 m2/s, must not be negative"),
    ('[chemistry.inline.mobility]', "[chemistry.inline.nobility]", "chemistry.inline.nobility",
     "unknown table 'nobility', did you mean 'mobility'?"),
    ('A = 0.51', "A = -1", "chemistry.inline.activity", "A = -1, must be a number >= 0"),
    ('model = "davies"', "model = []", "chemistry.inline.activity", "model = [], must be"),
    ("molar_mass = 35.45", "molar_mass = 1e-9", "chemistry.inline.component.2",
     "molar_mass = 1e-09, must be at most 1e+06 and not below 0.001"),
    ("log_k = -14.0", "log_k = 1e9", "chemistry.inline.species.0", "must be at most 300"),
])
def test_wrong_inline_record_is_refused_with_its_line(tmp_path, old, new, key, message):
    """The line of the record's header, or of its table."""
    case = copy(tmp_path, OPEN, (old, new))
    line = told(case, key, message)
    shown = (case / "case.toml").read_text().splitlines()[int(line.split(":")[1]) - 1]
    assert shown.startswith("[") and key.split(".")[2] in shown


def test_wrong_database_file_is_refused_by_its_name(tmp_path):
    case = copy(tmp_path)
    text = (case / "database.toml").read_text()
    (case / "database.toml").write_text(text.replace("charge = 1\n", "charge = 'one'\n", 1))
    told(case, "chemistry.database", "database.toml: component 'H+': charge = 'one', must be a")
    (case / "database.toml").write_bytes(b'title = "\xff"')
    assert "database.toml: byte 0xff is not UTF-8 text" in complaints(case)[0]


def test_zero_diffusion_is_permitted():
    """A column in which water alone moves things; only below zero is refused."""
    parts = [record | {"diffusion": 0} for record in TABLES["component"]]
    chem = build(TABLES | {"component": parts})
    assert (chem.diffusion[:3] == 0).all() and chem.diffusion[3] == 5.27e-9


@pytest.mark.parametrize("garbage", [[], {}, "x", -1, True, 10**400, float("nan"), [[1]], 1e-320])
def test_garbage_in_a_database_is_refused_without_traceback(garbage):
    """Garbage in place of every table, record and value in turn: a Chemistry or DatabaseError."""
    def spoilt(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            changed = dict(node) if isinstance(node, dict) else list(node)
            changed[key] = garbage
            yield changed
            if isinstance(node[key], (dict, list)):
                for inner in spoilt(node[key]):
                    changed = dict(node) if isinstance(node, dict) else list(node)
                    changed[key] = inner
                    yield changed

    for tables in spoilt(TABLES):
        try:
            build(tables)
        except DatabaseError as error:
            assert error.problems and all(text for _, text in error.problems)


def package(choice="", **replaced):
    """Return an override that takes the open case's chemistry from the package's database."""
    keys = {"database": "'package'", "components": "['H+', 'Na', 'Cl-']", "minerals": "[]"}
    keys |= {key: value for key, value in replaced.items()}
    return "chemistry={" + ", ".join(f"{k}={v}" for k, v in keys.items() if v) + choice + "}"


def test_package_database_is_narrowed_to_the_named_parts(opened):
    """Components by name or label, in the case's order; what they form; the named minerals."""
    chem = Case.read(opened, [package(components="['H+', 'Na', 'Cl', 'La', 'NO3']",
                                      minerals="['La(OH)3(am)']")]).chemistry
    assert chem.components == ("H+", "Na+", "Cl-", "La+3", "NO3-")
    assert chem.minerals == ("La(OH)3(am)",) and "LaNO3+2" in chem.species
    assert "CO2" not in chem.species and chem.exchange == ("NaX", "HX", "LaX3")
    assert chem.gases == () and chem.debye_A == 0.51002
    assert np.isnan(chem.volume_m[0])


def test_components_without_database_select_the_package(opened):
    assert Case.read(opened, [package(database="")]).chemistry.components == ("H+", "Na+", "Cl-")


def test_package_database_requires_components_and_minerals(opened):
    """Its minerals include polymorphs and slow ones: no default would be right."""
    told(opened, "chemistry.components", "is missing: name those of the database that take part, "
         "of H+, NH4+", package(components=""))
    told(opened, "chemistry.minerals", "is missing: name those that may form in the time of the "
         "case, or []; these components can form Halite", package(minerals=""))


@pytest.mark.parametrize("key, value, place, message", [
    ("minerals", "['Halit']", "chemistry.minerals.0", "has no mineral 'Halit'; did you mean 'Hal"),
    ("components", "['H+', 'Na', 'Na+', 'Cl-']", "chemistry.components.2", "is named twice"),
    ("exchange", "['NaY']", "chemistry.exchange.0", "has no exchange species 'NaY'; did you mean"),
    ("exchange", "['LaX3']", "chemistry", "exchange 'LaX3': needs La+3, which the chosen"),
    ("minerals", "['Calcite']", "chemistry", "mineral 'Calcite': needs CO3-2, Ca+2, which"),
    ("gases", "{'CO2'='4e-4 atm'}", "chemistry.gases.CO2", "no gas 'CO2'; did you mean 'CO2(g)'"),
    ("gases", "{'CO2(g)'='4e-4 mol'}", "chemistry.gases.CO2(g)", "cannot read '4e-4 mol' as atm"),
    ("gases", "{'CO2(g)'='0 atm'}", "chemistry.gases.CO2(g)", "must be above 0 atm"),
    ("gases", "{'CO2(g)'='1 atm'}", "chemistry", "gas 'CO2(g)': needs CO3-2, which the chosen"),
    ("temperature", "'150 C'", "chemistry.temperature", "must be at least 0 C and at most 100 C"),
    ("temperature", "'15'", "chemistry.temperature", "write e.g. '25 C'"),
    ("temperature", "true", "chemistry.temperature", "cannot read True as C; write e.g. '25 C'"),
    ("temperature", "15", "chemistry.temperature", "15 K, as a bare number is in K, is out of"),
    ("temperature", "'x C'", "chemistry.temperature", "cannot read 'x C' as a temperature"),
    ("extend", "'no.toml'", "chemistry.extend.0", "cannot read 'no.toml': No such file"),
    ("database", "'no.dat'", "chemistry.database", "cannot read 'no.dat': No such file"),
    ("extend", "5", "chemistry.extend", "should be a list in brackets, not 5"),
])
def test_wrong_choice_is_refused_by_its_key(opened, key, value, place, message):
    told(opened, place, message, package(**{key: value}))


def test_gases_are_read_with_their_pressures(opened):
    """In atm, whatever the unit; in the database's order."""
    chem = Case.read(opened, [package(
        components="['H+', 'Na', 'Cl-', 'CO3', 'NH4']",
        gases="{'NH3(g)' = '1e-6 atm', 'CO2(g)' = '101.325 Pa'}")]).chemistry
    assert chem.gases == ("CO2(g)", "NH3(g)")
    assert chem.pressure_g == pytest.approx([1e-3, 1e-6])
    assert chem.nu_g @ chem.charge == pytest.approx([0, 0])
    assert chem.water_g.tolist() == [-1, 0]


def test_a_bare_pressure_is_in_pascal(opened):
    """40 Pa = 3.948e-4 atm, whether written with its unit or without."""
    bare, written = (Case.read(opened, [package(
        components="['H+', 'Na', 'Cl-', 'CO3']", gases=f"{{'CO2(g)' = {value}}}")]
        ).chemistry.pressure_g for value in ("40", "'40 Pa'"))
    assert bare == pytest.approx([40 / 101325]) and bare == pytest.approx(written, rel=1e-14)


def test_exchange_species_are_chosen(opened):
    chem = Case.read(opened, [package(exchange="['HX']")]).chemistry
    assert chem.exchange == ("HX",) and chem.exchangers == ("X-",)
    assert Case.read(opened, [package(exchange="[]")]).chemistry.exchangers == ()


@pytest.mark.parametrize("text", ["'15 C'", "'288.15 K'", "288.15"])
def test_constants_at_another_temperature(opened, text):
    """pKw 14.35 at 15 C (Harned and Owen: 14.346); ions move by T/eta: 0.756 as fast."""
    chem = Case.read(opened, [package(temperature=text)]).chemistry
    assert chem.log_k[chem.species_index("OH-")] == pytest.approx(-14.346, abs=0.01)
    cold = chem.diffusion[0] / 9.31e-9
    assert cold == pytest.approx(288.15 / 298.15 * 0.8901 / 1.138, rel=3e-3)


def test_extensions_override_and_add_records(opened, tmp_path):
    """Later files win; a record that overrides replaces the whole one."""
    case = copy(tmp_path, OPEN)
    head = '[[exchange]]\nname = "HX"\nreaction = { "H+" = 1, "X-" = 1 }\nsource = "own"\n'
    (case / "one.toml").write_text(head + "log_k = 2.5\n")
    (case / "two.toml").write_text(head + "log_k = 3.5\n" + '[[mineral]]\nname = "Salt"\n'
                                   'reaction = { "Na+" = 1, "Cl-" = 1 }\nlog_k = 1.6\n'
                                   'formula = "NaCl"\nsource = "own"\nmolar_volume = 27.0\n')
    chem = Case.read(case, [package(extend="['one.toml', 'two.toml']",
                                    minerals="['Salt']")]).chemistry
    assert chem.log_k_x[chem.exchange.index("HX")] == 3.5
    assert chem.minerals == ("Salt",) and chem.volume_m == pytest.approx([27e-6])
    chem = Case.read(case, [package(extend="'one.toml'")]).chemistry
    assert chem.log_k_x[chem.exchange.index("HX")] == 2.5


def test_wrong_extension_is_refused_by_its_name(tmp_path):
    case = copy(tmp_path, OPEN)
    (case / "own.toml").write_text('[[mineral]]\nname = "NaCl"\nreaction = { "Na+" = 1 }\n'
                                   'log_k = 1.6\nsource = "own"\n')
    told(case, "chemistry.extend", "own.toml: mineral 'NaCl': the reaction has charge 1",
         package(extend="'own.toml'"))
    (case / "own.toml").write_text("[[mineral\n")
    told(case, "chemistry.extend.0", "own.toml:", package(extend="'own.toml'"))


def test_extension_of_inline_tables(tmp_path):
    """The case's own tables with a file on top; mistakes are told where they are."""
    case = copy(tmp_path, OPEN)
    (case / "own.toml").write_text('[[species]]\nname = "NaCl"\nreaction = { "Na+" = 1, "Cl-" = 1 '
                                   '}\nlog_k = -0.5\ndiffusion = 1e-9\nsource = "own"\n')
    chem = Case.read(case, ["chemistry.extend=own.toml"]).chemistry
    assert chem.species[-1] == "NaCl" and chem.debye_A == 0
    text = (case / "own.toml").read_text()
    (case / "own.toml").write_text(text.replace("log_k", "logk"))
    told(case, "chemistry.extend", "own.toml: species 'NaCl': log_k is missing",
         "chemistry.extend=own.toml")


def test_phreeqc_database_in_a_case(tmp_path):
    """small.dat by its name; its minerals, too, must be named."""
    case = copy(tmp_path, OPEN)
    (case / "small.dat").write_text((ROOT / "tests" / "data" / "small.dat").read_text())
    chem = Case.read(case, [package(database="'small.dat'",
                                    components="['H+', 'Na+', 'Cl-', 'SO4-2']")]).chemistry
    assert chem.species == ("H+", "Na+", "Cl-", "SO4-2", "OH-", "NaSO4-")
    assert chem.size[1] == pytest.approx(4.08 * 0.3285, rel=1e-4) and chem.linear[1] == 0.082
    told(case, "chemistry.minerals", "these components can form none",
         package(database="'small.dat'", components="['H+', 'Na+', 'Cl-']", minerals=""))
    (case / "small.dat").write_text("nothing")
    told(case, "chemistry.database", "small.dat: no SOLUTION_MASTER_SPECIES",
         package(database="'small.dat'"))


# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('database = "database.toml"', 'database = "data.toml"', "chemistry.database",
     "cannot read 'data.toml'"),
    ('database = "database.toml"', 'database = "points.csv"', "chemistry.database", "points.csv"),
    ('database = "database.toml"', 'database = "database.toml"\ncomponents = ["H+", "Fe+3"]',
     "chemistry.components.1", "the database has no component 'Fe+3'"),
    ('database = "database.toml"', 'database = "database.toml"\nminerals = ["CaCO4"]',
     "chemistry.minerals.0", "the database has no mineral 'CaCO4'; did you mean 'CaCO3'?"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_choice_of_database_is_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


def test_components_and_minerals_are_chosen_from_the_database(tmp_path):
    """By name or label; what is left out takes its species along."""
    chosen = '["H+", "NH4", "SO4", "Na+", "Ca", "LREE+3", "Al"]'
    case = Case.read(copy(tmp_path), [f"chemistry.components={chosen}",
                                      'chemistry.minerals=["Al(OH)3"]'])
    assert case.chemistry.components == ("H+", "NH4+", "SO4-2", "Na+", "Ca+2", "LREE+3", "Al+3")
    assert case.chemistry.minerals == ("Al(OH)3",) and "KX" not in case.chemistry.exchange


def test_constants_of_the_case_replace_those_of_the_database(tmp_path):
    """log_k of one exchange species and one mineral; all other numbers stay."""
    case = copy(tmp_path, SMALL)
    old = Case.read(case).chemistry
    new = Case.read(case, ["chemistry.log_k={LREEX3=1.25, \"Al(OH)3\"=8.1}"]).chemistry
    assert new.species == old.species and (new.log_k == old.log_k).all()
    changed = [(getattr(old, name), getattr(new, name)) for name in vars(old)
               if isinstance(getattr(old, name), np.ndarray)
               and not np.array_equal(getattr(old, name), getattr(new, name), equal_nan=True)]
    assert sum(int((a != b).sum()) for a, b in changed) == 2


def test_a_constant_of_an_unknown_record_is_refused(tmp_path):
    told(copy(tmp_path, SMALL), "chemistry.log_k.LREX3", "did you mean 'LREEX3'?",
         "chemistry.log_k.LREX3=1")
