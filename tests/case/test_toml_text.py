"""Text of case.toml: TOML errors, overrides, and the line of every key."""

import tomllib

import pytest
from helpers.case_files import complaints, copy

from ekm3d.case.case import Case
from ekm3d.case.toml_text import key_lines


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("small"))


def test_override_value_is_toml_or_text(small):
    case = Case.read(small, ["grid.spacing=[0.05, '10 cm', 0.5]", "title=plain words",
                             "schedule.stage.1.duration=45 min", "ore.exchangeable.K=39.1 mg/kg",
                             'ore.exchangeable."Al+3"="0 mg/kg"', "schedule.pulses=averaged"])
    assert case.grid.spacing == (0.05, 0.1, 0.5) and case.title == "plain words"
    assert case.schedule.stages[1].duration == 2700.0 and case.schedule.pulses == "averaged"
    assert case.ore.exchangeable["K+"] == pytest.approx(1.5)
    assert case.overrides[1] == "title=plain words"


@pytest.mark.parametrize("override, expected", [
    ("grid.spacng=5 cm", "-o grid.spacng: unknown key; did you mean 'spacing'?"),
    ("stage.1.duration=1 h", "-o stage: unknown key; did you mean 'schedule.stage.1'?"),
    ("spacing=1 m", "-o spacing: unknown key; did you mean 'grid.spacing'?"),
    ("exchangeable.K=1", "-o exchangeable: unknown key; did you mean 'ore.exchangeable'?"),
    ("strat.run=x", "-o strat: unknown key; did you mean 'start'?"),
    ("nothing.at.all=1", "-o nothing: unknown key; known: title, "),
    ("grid.size.x=1", "-o grid.size.x=1: grid.size is a list of 3, numbered from 0"),
    ("schedule.stage.2.duration=1 h", "schedule.stage is a list of 2, numbered from 0: '2'"),
    ("title.x=1", "-o title.x=1: title is 'small', not a table"),
    ("spacing", "-o spacing: write key=value"),
    ("=5", "-o =5: write key=value"),
    ("ore.density=2 V", "-o ore.density: cannot read '2 V' as kg/m3"),
    ("title=5", "-o title: should be text in quotes, not 5"),
    ("grid=5", "-o grid: should be a table, not 5"),
    ("well=[5]", "-o well.0: should be a table, not 5"),
    ("schedule.stage=3", "-o schedule.stage: should be a list in brackets, not 3"),
    ("schedule.stage.0.anodes=[3]", "-o schedule.stage.0.anodes.0: should be text in quotes"),
])
def test_wrong_override_is_refused_by_its_key(small, override, expected):
    lines = complaints(small, override)
    assert expected in lines[0] and len(lines) == 1


@pytest.mark.parametrize("content, message", [
    (b'title = "x\n', "case.toml:1: column 11: Illegal character"),
    (b"title = 1\n\nsize = = 3\n", "case.toml:3: column 8: Invalid value"),
    (b"a = 1\na = 2\n", "case.toml:2: column"),
    (b'title = "a"\ntitle2 = "\xff"', "case.toml:2: byte 0xff is not UTF-8 text"),
    (b"", "case.toml:1: grid: is missing; the case needs a table [grid]"),
    (b"[" * 5000, "case.toml:"),
])
def test_invalid_toml_is_refused_with_its_line(tmp_path, content, message):
    (tmp_path / "case.toml").write_bytes(content)
    assert any(message in line for line in complaints(tmp_path))


NASTY = '''# a comment with = and [brackets]
a.b."c.d" = "x # no comment = 1"
list = [ # of tables
  { q = 1, r.s = [2, 3] },  # comment ]
  { q = """
two lines ] } =
""" },
]
'single quoted' = \'\'\'
x = 1\'\'\'
when = 1979-05-27 07:32:00
[t."u v"] # header
k = { }
[[rows]]
n = 1
[rows.sub]
m = 2
[[rows.deep]]
o = 3
[[rows]]
[[rows.deep]]
o = 4
[[rows.deep]]
o = 5
'''


def test_key_lines_of_nested_toml():
    """Every path of the parsed data is found, on the line where an editor shows it."""
    def paths(node, path=()):
        items = node.items() if isinstance(node, dict) else \
            enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            yield (*path, key)
            yield from paths(value, (*path, key))

    lines = key_lines(NASTY)
    assert set(paths(tomllib.loads(NASTY))) == set(lines)
    assert lines["a", "b", "c.d"] == 2 and lines["list", 0, "r", "s", 1] == 4
    assert lines["list", 1, "q"] == 5 and lines["single quoted",] == 9 and lines["when",] == 11
    assert lines["rows", 0, "sub", "m"] == 17 and lines["rows", 0, "deep", 0, "o"] == 19
    assert lines["rows", 1] == 20 and lines["rows", 1, "deep", 1, "o"] == 24
    assert key_lines(NASTY.replace("\n", "\r\n")) == lines
