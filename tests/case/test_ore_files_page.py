"""The page cases/ore_files.md: its example is a case, and its output is that of the program."""

import re
import shutil
import tomllib

import pytest
from helpers.case_files import ROOT

from ekm3d.case.case import Case
from ekm3d.case.schema_ore_files import BlockModelSource
from ekm3d.export.blocks import SHARES

PAGE = (ROOT / "cases" / "ore_files.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def example(tmp_path):
    """A directory with the files of the page, and the holes of tests/data."""
    shutil.copytree(ROOT / "tests" / "data" / "ore_files", tmp_path / "case")
    for _, text in FENCES:
        if match := re.match(r"# (\S+\.\w+)\n", text):
            (tmp_path / "case" / match[1]).write_text(text)
    return tmp_path / "case"


def test_the_example_is_read_and_told_as_the_page_says(example):
    """Every line of the table on the page stands in the description of the case."""
    case = Case.read(example)
    told = case.describe().splitlines()
    (shown,) = (text.splitlines() for language, text in FENCES if language == "text")
    assert len(shown) > 5 and [line for line in shown if line not in told] == []
    assert len(case.warnings) == 2 and all("metal" in line for line in case.warnings)


def test_the_holes_of_the_page_are_a_source(example):
    pytest.importorskip("gstools", reason="pip install 'ekm3d[geo]'")
    holes = tomllib.loads((example / "holes.toml").read_text())
    text = (example / "case.toml").read_text()
    old = re.search(r'^"La\+3" = .*$', text, re.MULTILINE)[0]
    source = (example / "holes.toml").read_text().partition('[ore.exchangeable."La+3"]\n')
    new = '"La+3" = { ' + ", ".join(source[2].strip().splitlines()) + " }"
    (example / "case.toml").write_text(text.replace(old, new).replace("[ore]", source[0] + "[ore]"))
    assert holes["drill_holes"][0]["name"] == "holes"
    read = Case.read(example)
    assert (read.ore.exchangeable["La+3"] > 0).all()
    assert "azimuth" not in read.describe() and "exponential, range 60 x 40 x 2 m" in \
        read.describe()


def test_the_page_names_the_words_of_the_program():
    words = set(re.findall(r"`([^`\n]+)`", PAGE))
    assert {'"nearest"', '"mean"', '"skip"', *(f"time_to_{n}_percent_h" for n in SHARES)} <= words
    assert set(BlockModelSource.model_fields) & {"fill", "outside"} <= {
        word.strip('"') for word in words}
