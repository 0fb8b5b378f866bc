"""Hostile and careless cases: read, or refused by clear lines of bounded length.

Each kind of input here once ended in a traceback, a signal, an endless loop, or a message that
showed what only programmers know. scripts/tools/fuzz.py looks for more of them.
"""

import json
import re

import pytest
from helpers.case_files import OPEN, ROOT, SMALL, complaints, copy, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.case.units import SIZES, QuantityKind, factor, positive

INTERNALS = re.compile(r"UNREAD|object at 0x|numpy\.|np\.|pydantic|Traceback|\[type=|NoneType")
KEYS = ("title", "description", "folders", "grid.size", "grid.spacing", "grid.origin",
        "ore.porosity", "ore.dispersivity", "ore.exchangeable", "ore.exchangeable.LREE",
        "ore.minerals", "chemistry.database", "chemistry.components", "chemistry.extend",
        "chemistry.exchanger.cec", "chemistry.gases", "chemistry.temperature", "chemistry.groups",
        "chemistry.kinetics", "water.composition", "water.region", "electrodes.deposition",
        "electrodes.row.0.name", "electrodes.row.0.strips.x", "electrodes.row.1.plates",
        "well.0.kind", "well.0.flux", "well.1.box", "well.1.head", "side", "schedule.stage",
        "schedule.stage.0.anodes", "schedule.stage.0.repeat", "schedule.stage.0.pulse",
        "schedule.stage.0.duration", "physics.medium", "physics.mobility", "sampling.file",
        "probe.0.position", "output.mode", "start.run", "unknown", "ore")
LEAVES = st.one_of(
    st.booleans(), st.integers(-2**63, 2**63 - 1), st.floats(allow_nan=True), st.text(max_size=30),
    st.sampled_from(["1 m", "-1 m", "1e400 m", "9" * 300, "left", "Na+", "H+", "../x.csv", "a/b",
                     "x" * 5000, "\x1b[2J", "50 %", "1 mmol/l", "3 h", 1e308, 5e-324, -0.0]))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.sampled_from(["x", "LREE", "Na+", "name", "table", "column", "formula", "layers", "rate",
                     "on", "", "é"]), inner, max_size=3), max_leaves=8)


def text_of(value):
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {text_of(v)}" for k, v in value.items()) + "}"
    return json.dumps(value) if isinstance(value, str) else str(value)


def clear(lines):
    """Fail unless every line is legible, short, and without internals."""
    assert len(lines) <= 101
    for line in lines:
        assert len(line) <= 700 and not INTERNALS.search(line), line
        assert all(c.isprintable() or c.isspace() for c in line) and "\x1b" not in line, repr(line)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("hostile"), SMALL)


@given(st.sampled_from(KEYS), VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_type_in_any_place_is_read_or_refused_clearly(small, key, value):
    before = sorted(path.name for path in small.rglob("*"))
    try:
        Case.read(small, [f"{key}={text_of(value)}"])
    except CaseError as error:
        clear(error.lines)
    assert sorted(path.name for path in small.rglob("*")) == before


@pytest.mark.parametrize("key, value, message", [
    ("well.0.flux", '"1e200 m/s"', "at most 1 m/s"),
    ("schedule.stage.0.gradient", '"1e9 V/m"', "at most 1e+06 V/m"),
    ("electrodes.overpotential", '"1e6 V"', "at most 100000 V"),
    ("ore.dispersivity", '"1e6 m"', "at most 1000 m"),
    ("well.1.head", '"1e9 m"', "at least -10000 m and at most 10000 m"),
    ("physics.mobility", '{ size_exponent = 1e9 }', "at least -20 and at most 20"),
    ("grid.size", "[1e308, 1, 1]", "at most 1e+06 m"),
    ("schedule.stage.0.duration", '"1e-300 s"', "must be at least 1e-06 s"),
    ("grid.spacing", '"1 m^9^9^9"', "is not a unit"),
    ("grid.spacing", '"' + "9" * 5000 + ' m"', "it has 5002 characters"),
    ("grid.spacing", "9" * 390, "too large for an integer of TOML"),
    ("grid.spacing", "0x" + "f" * 300, "too large for an integer of TOML"),
    ("chemistry.groups", "{ x = false }", "should be 'REE', 'impurity' or 'ammonium', not 'x'"),
    ("chemistry.groups", "{ REE = false }", "should be a list in brackets, not False"),
    ("description", "[1]", "should be text in quotes, not [1]"),
    ("electrodes.row.0.name", '"a\\u0000b"', "cannot name a row"),
    ("electrodes.row.0.name", '"' + "n" * 101 + '"', "over 100 letters"),
    ("probe.0.name", '".."', "cannot name a probe"),
    ("well.0.kind", "[[[[[1]]]]]", "not [[[...]]]")])
def test_values_beyond_what_can_be_are_refused_by_key(tmp_path, key, value, message):
    lines = complaints(copy(tmp_path, SMALL), f"{key}={value}")
    assert any(f"{key}" in line and message in line for line in lines), lines
    clear(lines)


def test_a_table_of_units_bounds_every_quantity():
    """The least of what must be above 0, and the greatest size; a kind may be narrower."""
    for unit, (least, most) in SIZES.items():
        kind = positive(unit, "x")
        assert kind.holds(least) and kind.holds(most) and least < 1 <= most or unit in (
            "m2/V/s", "m3/mol")
        assert not kind.holds(0.99 * least) and not kind.holds(1.01 * most)
        both = QuantityKind(unit, "x")
        assert both.holds(-most) and not both.holds(-1.01 * most) and both.holds(0.0)
    assert QuantityKind("m", "x", 2.0, 3.0).limits == (2.0, 3.0)


def test_the_page_on_inputs_has_the_same_table():
    rows = re.findall(r"(?m)^\|.*\|$", (ROOT / "cases" / "inputs.md").read_text())
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    told_sizes = {}
    for row in (row for row in cells if len(row) == 6):
        for units, least, most in (row[:3], row[3:]):
            for unit in units.split(", "):
                if unit not in ("unit", "---"):
                    told_sizes[unit.replace("1", "", unit == "1")] = (float(least), float(most))
    assert told_sizes == SIZES


@pytest.mark.parametrize("unit", ["9^99^99", "m**9**9**9", "(m^9)^9^9", "m^99", "2**(9)**9"])
def test_powers_of_powers_are_no_unit(unit):
    """pint would compute 9^(99^99); a power of one digit is one."""
    with pytest.raises(ValueError, match="is not a unit"):
        factor(unit, "m")
    assert factor("m^2*m^-1", "m") == 1.0 and factor("m^(2)/m**1", "m") == 1.0


def test_many_problems_are_counted(tmp_path):
    case = copy(tmp_path, SMALL)
    path = case / "case.toml"
    path.write_text("\n".join(f"key_{n} = 1" for n in range(500)) + "\n" + path.read_text())
    lines = complaints(case)
    assert len(lines) == 101 and lines[-1] == "case.toml: and 400 more problems"
    clear(lines)


@pytest.mark.parametrize("text, message", [
    ("name,x,y,z\na,0.1,0.1," + "9" * 200_000, "a cell has more than 131,072 characters"),
    ("sep=1\nname1x1y1z\na10.110.110.1\n", "cannot separate cells"),
    ("," * 5000 + "\n" + "," * 5000, "5001 columns"),
    ("name,x,y,z\n\"a\n", "values under 4 columns"),
    ("name,x,y,z\na\0b,0.1,0.1,0.1\n", "cannot name a point"),
    ("name,x,y,z\n../a,0.1,0.1,0.1\n", "cannot name a point"),
    ("name,x,y,z\n" + "a,0.1,0.1,0.1\n" * 30_000, "is listed 30000 times")],
    ids=["cell", "separator", "columns", "quote", "null", "path", "repeated"])
def test_hostile_tables_are_refused_by_line(tmp_path, text, message):
    case = copy(tmp_path, SMALL)
    (case / "points.csv").write_text(text)
    clear([told(case, "sampling.file", message)])


def record(kind, name, **keys):
    """A record of a database."""
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join([f"\n[[{kind}]]", f"name = {json.dumps(name)}", 'source = "x"', *lines]) + "\n"


ION = dict(charge=1, molar_mass=20.0, diffusion=1e-9)


@pytest.mark.parametrize("name, message", [
    ("(aq)", "is no name"), ("+" * 300, "is no name"), ("a\0b", "is no name"),
    ("A" * 300, "is no name")])
def test_names_without_an_element_end_no_loop(tmp_path, name, message):
    """A lump of no letters stood everywhere in a formula, and reading it never came to an end."""
    case = copy(tmp_path, SMALL)
    path = case / "database.toml"
    path.write_text(path.read_text() + record("component", name, **ION))
    clear([told(case, "chemistry.database", message)])


def test_a_mineral_with_a_slash_is_refused_before_output_is_opened(tmp_path):
    case = copy(tmp_path, OPEN)
    (case / "own.toml").write_text(record(
        "mineral", "Na/Cl", reaction='{ "Na+" = 1, "Cl-" = 1 }', log_k=1.6))
    lines = complaints(case, "chemistry.extend=['own.toml']", "chemistry.minerals=['Na/Cl']")
    assert any("'Na/Cl' cannot name one of the minerals" in line for line in lines), lines


def test_too_many_components_are_refused(tmp_path):
    """500 ended in SIGSEGV; a table of 5000 took memory in their square and cube."""
    case = copy(tmp_path, SMALL)
    path, text = case / "database.toml", (case / "database.toml").read_text()
    for count, message in ((150, "components take part, more than the 100"),
                           (1001, "more than the 1000 that are read")):
        path.write_text(text + "".join(record("component", f"Q{n}x+", **ION)
                                       for n in range(count)))
        assert any(message in line for line in complaints(case))
