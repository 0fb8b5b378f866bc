"""Tables and picture of a study, from outcomes made by hand."""

import csv
import sys
from pathlib import Path

import pytest

from ekm3d.study import picture, tables
from ekm3d.study.points import points
from ekm3d.study.refinement import Refinement
from ekm3d.study.runs import Outcome

SUMMARIES = [{"title": "t", "recovery_REE": 0.0903, "energy_kWh_per_kg_REE": 14.13, "wall_s": 2.0},
             {"title": "t", "recovery_REE": 0.2, "energy_kWh_per_kg_REE": None, "wall_s": 3.0}]


def outcomes():
    """Three runs over a voltage: two have finished, one has failed."""
    first, second, third = points(["a.gradient=0.2 V/cm, 0.3 V/cm, 0.4 V/cm"])
    return [Outcome(first, Path("x"), SUMMARIES[0]), Outcome(second, Path("y"), SUMMARIES[1]),
            Outcome(third, Path("z"), {}, "it | broke")]


def test_the_table_of_the_terminal_has_words_units_and_failures():
    keys = tables.known(outcomes(), tables.DEFAULT)
    assert keys == ["recovery_REE", "energy_kWh_per_kg_REE", "wall_s"]
    text = tables.terminal(outcomes(), keys)
    rows = [line.split() for line in text.splitlines()]
    assert ["0.2", "V/cm", "9.03", "14.13", "2"] in rows and ["0.3", "V/cm", "20", "-", "3"] in rows
    assert ["0.4", "V/cm", "failed", "failed", "failed"] in rows
    assert text.endswith("a.gradient = 0.4 V/cm: failed: it | broke")
    assert "computing s" in text and "kWh/kg" in text and "%" in text


def test_csv_has_every_number_under_the_keys_of_the_summary():
    rows = list(csv.reader(tables.comma_separated(outcomes()).splitlines()))
    assert rows[0] == ["a.gradient", "recovery_REE", "energy_kWh_per_kg_REE", "wall_s", "directory",
                       "failure"]
    assert rows[1] == ["0.2 V/cm", "0.0903", "14.13", "2", "x", ""]
    assert rows[3] == ["0.4 V/cm", "", "", "", "z", "it | broke"]


def test_markdown_is_a_table():
    lines = tables.markdown(outcomes(), ["recovery_REE"]).splitlines()
    assert lines[0] == "| a.gradient | REE recovered [%] | state |"
    assert lines[1] == "| --- | --- | --- |" and lines[2] == "| 0.2 V/cm | 9.03 | done |"
    assert lines[4] == r"| 0.4 V/cm | failed | failed: it \| broke |"


def test_refinements_are_shown_in_the_unit_of_the_table():
    text = tables.refinements({"recovery_REE": Refinement(1.5, 0.1, 0.002),
                               "leachate_L": Refinement(remark="not monotone")})
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "REE recovered 1.50 10 0.2 %" in rows
    assert "leachate - - - not monotone" in rows


@pytest.mark.parametrize("given", [["a=1 V, 2 V"], ["a=x, y"], ["a=1 V, 2 V", "b=p, q"],
                                   ["a=1,2", "b=1,2", "c=1,2"]])
def test_the_picture_is_drawn_for_numbers_words_and_several_keys(tmp_path, given):
    """A PNG of a few thousand pixels; a failed run leaves a gap."""
    pytest.importorskip("matplotlib")
    todo = points(given)
    found = [Outcome(p, tmp_path, {"recovery_REE": 0.1 * n, "pH_min": None, "wall_s": 1.0})
             for n, p in enumerate(todo)] + [Outcome(todo[0], tmp_path, {}, "failed")]
    assert picture.draw(found, ["recovery_REE", "pH_min", "wall_s"], tmp_path / "a.png") == ""
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_a_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    told = picture.draw(outcomes(), ["recovery_REE"], tmp_path / "a.png")
    assert "pip install 'ekm3d[viz]'" in told and not (tmp_path / "a.png").exists()


def test_one_run_makes_no_picture(tmp_path):
    assert "two runs" in picture.draw(outcomes()[:1], ["recovery_REE"], tmp_path / "a.png")
