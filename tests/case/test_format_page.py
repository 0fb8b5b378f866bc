"""Format page cases/README.md: it lists every key of the schema, and no other.

Keys are compared with the pydantic models of the schema, both ways; defaults and examples are read
by these models; snippets and overrides are put into the small case of the page and read as a case.
"""

import json
import re
import shlex
import shutil
import tomllib
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Literal, Union, get_args, get_origin

import h5py
import numpy as np
import pytest
from helpers.case_files import ROOT

from ekm3d.case import expressions
from ekm3d.case.case import Case
from ekm3d.case.problems import Problems
from ekm3d.case.schema import (
    ArraySource,
    CaseFile,
    DatasetSource,
    FormulaSource,
    Layer,
    SamplesSource,
    TableSource,
)
from ekm3d.case.schema_ore_files import BlockModelSource, DrillHolesSource, VariogramEntry
from ekm3d.case.toml_tables import Table, parse
from ekm3d.cli.main import main
from ekm3d.model import run_estimate
from ekm3d.thermodata import records
from ekm3d.verification.spec import Verification, VerifyFile

PAGE = (ROOT / "cases" / "README.md").read_text()
CASE, VERIFY = PAGE.split("\n## verify.toml\n")
PARTS = {"case": (CASE, CaseFile), "verify": (VERIFY, VerifyFile)}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"`(\[+)([\w.]+)\]+`")
WORD = re.compile(r"`([^`]+)`")
HEAD = ["key", "meaning", "example", "default"]


# ---- the page --------------------------------------------------------------------------------

@cache
def sections(text):
    """Return [(brackets, dotted table, key rows, other rows)] by heading of a part of the page."""
    found = [("", "", [], [])]
    head = None
    for line in FENCE.sub("", text).splitlines():
        if line.startswith("#"):
            heading = HEADING.search(line)
            found.append((*heading.groups(), [], []) if heading else ("", "", [], []))
        cells = [c.strip() for c in line.split("|")[1:-1]] if line.startswith("|") else None
        if cells is None:
            head = None
        elif head is None:
            head = cells
        elif set(line) - set("|-"):
            found[-1][2 if head == HEAD else 3].append(cells)
    return found


@cache
def rows(text):
    """Return {dotted path of a key: cells of its row} of a part of the page."""
    found = {}
    for _, table, keys, _ in sections(text):
        for cells in keys:
            for key in WORD.findall(cells[0]):
                path = f"{table}.{key}".lstrip(".")
                assert path not in found, f"{path} is listed twice"
                found[path] = cells
    return found


def headings(text):
    """Return {dotted table: brackets} of the headings."""
    return {table: brackets for brackets, table, _, _ in sections(text) if table}


def other_rows(title):
    """Return the rows of a table that does not list keys, by its heading."""
    start = PAGE.index(title)
    return sections(PAGE[start:PAGE.index("\n#", start + 1)])[1][3]


def snippets():
    """Return the TOML blocks of the page: (those of a case, {name: those of another file})."""
    blocks = [text for language, text in FENCE.findall(PAGE) if language == "toml"]
    named = {match[1]: b for b in blocks if (match := re.match(r"# (\S+\.toml)\n", b))}
    return [b for b in blocks if b not in named.values()], named


# ---- the schema ------------------------------------------------------------------------------

def tables_in(annotation):
    """Return (model, True for a list of it) of an annotation, or None."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return (annotation, False) if issubclass(annotation, Table) else None
    inner = next((t for a in get_args(annotation) if (t := tables_in(a))), None)
    plain = get_origin(annotation) in (Union, UnionType, dict)      # [rocks.NAME]: {name: table}
    return inner and (inner[0], inner[1] or not plain)


@cache
def fields(model, path=()):
    """Return {dotted path: (model, field, (model below, True for a list) or None)}."""
    found = {}
    for key, field in model.model_fields.items():
        below = tables_in(field.annotation)
        found[".".join((*path, key))] = model, field, below
        if below:
            found |= fields(below[0], (*path, key))
    return found


def options(annotation):
    """Return the texts and numbers that a Literal allows."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [o for a in get_args(annotation) for o in options(a)]


def value_read(model, key, text):
    """Return the model's value of `key = text`; fail if the text is refused."""
    problems = Problems()
    table = parse(model, tomllib.loads(f"{key} = {text}"), problems)
    wrong = [line for line in problems.texts if f": {key}" in line and "missing" not in line]
    assert not wrong, wrong
    return getattr(table, key)


# ---- keys, defaults, examples ----------------------------------------------------------------

@pytest.mark.parametrize("part", PARTS)
def test_page_lists_exactly_the_keys_of_the_schema(part):
    """Both sets of dotted paths, from the models and from the page, must be the same."""
    text, model = PARTS[part]
    assert set(rows(text)) | set(headings(text)) - {"chemistry.inline"} == set(fields(model))


@pytest.mark.parametrize("part", PARTS)
def test_page_double_brackets_mark_lists_of_tables(part):
    text, model = PARTS[part]
    known = fields(model)
    lists = {path: known[path][2] for path in headings(text) if path != "chemistry.inline"}
    assert {path: b == "[[" for path, b in headings(text).items() if path in lists} == {
        path: below[1] for path, below in lists.items()}


@pytest.mark.parametrize("part, path", [(p, path) for p in PARTS for path in rows(PARTS[p][0])])
def test_page_defaults_examples_and_choices_match_the_schema(part, path):
    """A default in code is read by the model and must give its own; "required" is required.

    What only the reader requires says when ("required with ..."), which the models cannot see.
    """
    text, model = PARTS[part]
    model, field, _ = fields(model)[path]
    _, meaning, example, default = rows(text)[path]
    key, given = path.rpartition(".")[2], WORD.match(default)
    if example != "see below":
        value_read(model, key, WORD.match(example)[1])
    if field.is_required():
        assert default.startswith("required")
    else:
        assert default != "required"
        assert field.default is not None or not given or default != given[0]
        if field.default not in (None, {}, []):
            own = 2 / 3 if default == "2/3" else value_read(model, key, given[1])
            assert own == field.default
    for option in options(field.annotation):
        assert f"`{json.dumps(option)}`" in f"{meaning} {example} {default}" or (
            str(option) in meaning)


# ---- other tables ----------------------------------------------------------------------------

def test_page_lists_the_keys_of_sources():
    """Of a layer or a source, less the key that chooses it."""
    models = {"layers": Layer, ".csv": TableSource, ".npy": ArraySource, ".h5": DatasetSource,
              "formula": FormulaSource, "samples": SamplesSource,
              "block_model": BlockModelSource, "drill_holes": DrillHolesSource}
    found = other_rows("### Values that differ")
    assert len(found) == len(models)
    for (source, keys, _), (name, model) in zip(found, models.items(), strict=True):
        assert name in source
        chooses = WORD.findall(source)[0]
        assert set(WORD.findall(keys)) == set(model.model_fields) - {chooses}


def test_page_lists_the_keys_of_variograms():
    found = {key for cells in other_rows("### Variograms") for key in WORD.findall(cells[0])}
    assert found == set(VariogramEntry.model_fields)


def test_page_lists_the_keys_of_database_records():
    found = {WORD.match(name)[1]: tuple(set(re.findall(r"`([^`]+)`", cell)) for cell in cells)
             for name, *cells in other_rows("### `[chemistry.inline]`")}
    assert found == records.KEYS
    for word in (*records.CONVENTIONS, *records.MODELS["activity"], *records.MODELS["mobility"]):
        assert f'`"{word}"`' in PAGE
    for word in {k for m in records.MODELS.values() for keys in m.values() for k in keys}:
        assert f"`{word}`" in PAGE


def test_page_lists_the_functions_of_expressions():
    paragraph = PAGE[PAGE.index("A formula knows"):]
    words = set(re.findall(r"`(\w+)[(`]", paragraph[:paragraph.index("\n\n")]))
    assert words == set(expressions.KNOWN)


# ---- snippets --------------------------------------------------------------------------------

def toml(value):
    """Return a value as one line of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def put_into(base, snippet):
    """Merge the tables of a snippet into those of `base`; other values are replaced."""
    for key, value in snippet.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            put_into(base[key], value)
        else:
            base[key] = value
    return base


def with_snippet(text):
    """Return the small case of the page with a snippet merged in, as TOML."""
    base, snippet = tomllib.loads(snippets()[1]["case.toml"]), tomllib.loads(text)
    if "water" in snippet:
        del base["water"]                  # compositions do not mix
    if {"database", "inline", "components"} & set(snippet.get("chemistry", {})):
        del base["chemistry"], base["ore"]["exchangeable"]
        base.pop("water", None)
    return "\n".join(f"{key} = {toml(value)}" for key, value in put_into(base, snippet).items())


@pytest.fixture
def folder(tmp_path):
    """A directory with all files that the page's snippets name."""
    for name, text in snippets()[1].items():
        (tmp_path / name).write_text(text)
    shutil.copy(ROOT / "tests" / "data" / "small.dat", tmp_path / "mine.dat")
    shape = (6, 4, 12)
    z, y, x = (0.05 + 0.1 * index for index in np.indices(shape))
    lines = [f"{a:.9g},{b:.9g},{c:.9g},{0.5 + 0.1 * c:.9g}"
             for a, b, c in zip(x.flat, y.flat, z.flat, strict=True)]
    (tmp_path / "voxels.csv").write_text("x,y,z,porosity\n" + "\n".join(lines))
    np.save(tmp_path / "voxels.npy", 0.4 + 0.05 * x)
    with h5py.File(tmp_path / "voxels.h5", "w") as file:
        file["rock/K"] = 1e-6 * (1 + y)
    (tmp_path / "samples.csv").write_text(
        "name,x_m,y_m,z_m,La_mg_per_kg\na,0.3,0.1,0.2,500\nb,0.9,0.3,0.4,700\n")
    centres = "\n".join(f"{a:.9g},{b:.9g},{c:.9g},1.5,500" for a, b, c in zip(
        x.flat, y.flat, z.flat, strict=True))
    (tmp_path / "resource.csv").write_text("XC,YC,ZC,SG,LA_PPM\n" + centres)
    (tmp_path / "collar.csv").write_text("hole,x,y,z\na,0.3,0.1,0.6\nb,0.9,0.3,0.6\n")
    (tmp_path / "assay.csv").write_text(
        "hole,from,to,AL\na,0,0.2,300\na,0.2,0.4,350\nb,0,0.3,280\n")
    return tmp_path


NAMED = [line.strip() for block in snippets()[0] for line in block.splitlines()[:1]]


@pytest.mark.parametrize("text", snippets()[0], ids=NAMED)
def test_every_snippet_of_the_page_runs_one_step(folder, text, monkeypatch):
    """`ekm3d check` reads the case and makes one step, not all those that a forecast is made of."""
    monkeypatch.setattr(run_estimate, "MOST_STEPS", 1)
    (folder / "case.toml").write_text(with_snippet(text))
    assert main(["check", str(folder), "--backend", "numpy"]) == 0


def test_every_override_of_the_page_is_accepted(folder):
    commands = [line for language, block in FENCE.findall(PAGE) if language == "sh"
                for line in block.splitlines()]
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert words[:3] == ["ekm3d", "check", "CASE"]
        Case.read(folder, [w for before, w in pairwise(words[2:]) if before == "-o"])


def test_verification_of_the_page_passes(folder):
    assert len(Verification.read(folder).file.compare) == 1
    assert main(["verify", str(folder), "--backend", "numpy", "--jobs", "1"]) == 0


def test_page_lines_fit_a_screen():
    """Tables need their columns; the rest does not exceed 120."""
    assert [line for line in PAGE.splitlines() if len(line) > 120 and line[0] != "|"] == []
