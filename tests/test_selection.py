"""The chemistry of a case: from a file or written in the case, chosen from, made ideal."""

import tomllib

import numpy as np
import pytest
from cases_for_tests import FIELD, OPEN, SMALL, complaints, copy, told

from ekm3d.case import Case
from ekm3d.database import DatabaseError, build, read_database

TABLES = tomllib.loads((OPEN / "case.toml").read_text())["chemistry"]["inline"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("open"), OPEN)


def test_tables_in_the_case_are_a_database(opened):
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
        assert np.array_equal(getattr(inline, name), value), name


def test_components_are_chosen_from_tables_in_the_case(opened):
    chem = Case.read(opened, ["chemistry.components=['Cl-', 'Na+']", "electrodes.row=[]",
                              "schedule.stage=[{name='a', duration=9}]"]).chemistry
    assert chem.species == ("Cl-", "Na+") and chem.hydrogen is None


def test_activities_may_be_switched_off(opened):
    """Coefficients and the activity of water become 1; the rest of the data stays."""
    ideal = Case.read(opened).chemistry
    assert (ideal.debye_A, ideal.linear.any(), ideal.water_activity) == (0.0, False, 0.0)
    davies = Case.read(opened, [f"chemistry={{inline={_toml(TABLES)}}}"]).chemistry
    assert (davies.debye_A, davies.water_activity) == (0.51, 0.017)
    assert (davies.log_k == ideal.log_k).all()
    told(opened, "chemistry.activity", "should be 'ideal', not 'none'", "chemistry.activity=none")


def _toml(value):
    """Parsed TOML as inline TOML again."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {_toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def test_a_case_has_one_source_of_chemistry(opened, tmp_path):
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
def test_a_wrong_record_in_the_case_has_its_line(tmp_path, old, new, key, message):
    """The line of the record's header, or of its table."""
    case = copy(tmp_path, OPEN, (old, new))
    line = told(case, key, message)
    shown = (case / "case.toml").read_text().splitlines()[int(line.split(":")[1]) - 1]
    assert shown.startswith("[") and key.split(".")[2] in shown


def test_a_mistake_in_a_file_keeps_the_files_name(tmp_path):
    case = copy(tmp_path)
    text = (case / "database.toml").read_text()
    (case / "database.toml").write_text(text.replace("charge = 1\n", "charge = 'one'\n", 1))
    told(case, "chemistry.database", "database.toml: component 'H+': charge = 'one', must be a")
    (case / "database.toml").write_bytes(b'title = "\xff"')
    assert "database.toml: 'utf-8'" in complaints(case)[0]


def test_diffusion_may_be_zero():
    """A column in which water alone moves things; only below zero is refused."""
    parts = [record | {"diffusion": 0} for record in TABLES["component"]]
    chem = build(TABLES | {"component": parts})
    assert (chem.diffusion[:3] == 0).all() and chem.diffusion[3] == 5.27e-9


@pytest.mark.parametrize("garbage", [[], {}, "x", -1, True, 10**400, float("nan"), [[1]], 1e-320])
def test_no_database_leads_to_a_traceback(garbage):
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
