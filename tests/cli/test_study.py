"""`ekm3d study`: runs in processes of their own, kept when finished, rows that say why they failed.

The salt case for 20 minutes on NumPy: a run takes a second, most of it the start of Python.
"""

import csv
import json

import pytest
from helpers.command_line import SHORT, call
from helpers.salt_block import salt_case

from ekm3d import open_results

VOLTS = ("-o", "schedule.stage.0.duration=20 min, 10 min, walk", "--backend", "numpy", "--jobs",
         "2", "--show", "charge_C,steps,wall")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A case with a study of three runs, one of which cannot be."""
    return salt_case(tmp_path_factory.mktemp("study"))


def rows(case, out="study"):
    with (case / out / "table.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_study_makes_a_table_and_a_picture_though_a_run_fails(study, capsys):
    """Exit code 3; the rows of the others are there, with the numbers of their own summaries."""
    code, text, errors = call(capsys, "study", study, *VOLTS)
    assert code == 3 and errors == ""
    assert "  3 of 3  " in text and "duration = walk: failed: -o schedule." in text
    assert "no run has the value 'wall'; did you mean 'wall_s'?" in text
    found = rows(study)
    names = [row["directory"] for row in found]
    for row in found[:2]:
        summary = open_results(study / "study" / "runs" / row["directory"]).summary
        assert float(row["charge_C"]) == pytest.approx(summary["charge_C"], rel=1e-9)
        assert (study / "study" / "runs" / row["directory"] / ".ekm3d").is_file()
    assert float(found[0]["charge_C"]) > 1.9 * float(found[1]["charge_C"]) > 0
    assert "cannot read 'walk' as s" in found[2]["failure"] and found[2]["charge_C"] == ""
    assert len(set(names)) == 3 and (study / "study" / "table.md").is_file()
    kept = {path.name for path in (study / "study" / "runs").iterdir()}
    assert kept == {*names[:2], *(f"{name}.log" for name in names[:2])}


def test_called_again_it_keeps_what_has_finished(study, capsys):
    """Files of finished runs are not touched; one that was lost is made again."""
    first, second, _ = (study / "study" / "runs" / row["directory"] for row in rows(study))
    (second / "summary.json").unlink()
    before = (first / "summary.json").stat().st_mtime_ns
    code, text, _ = call(capsys, "study", study, *VOLTS)
    assert code == 3 and text.count(": kept") == 1
    assert (first / "summary.json").stat().st_mtime_ns == before
    assert (second / "summary.json").is_file()


def test_a_case_that_has_changed_is_refused(study, capsys):
    """A comment is enough; --force would make all runs again."""
    file = study / "case.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + "# another\n", encoding="utf-8")
    code, _, errors = call(capsys, "study", study, *VOLTS)
    file.write_text(text, encoding="utf-8")
    assert code == 2 and "has changed since" in errors and "--force" in errors


@pytest.mark.slow
def test_refinement_of_the_grid(tmp_path, capsys):
    """Three grids: their order and limit are told; the picture is there."""
    case = salt_case(tmp_path)
    grids = ", ".join(f'["{x} cm", "15 cm", "40 cm"]' for x in (10, 5, 2.5))
    code, text, _ = call(capsys, "study", case, "--grid", f"[{grids}]", *SHORT,
                         "--show", "charge_C,energy_kWh", "--out", tmp_path / "s")
    assert code == 0 and "Refinement of the grid" in text and "study.png" in text
    facts = json.loads((tmp_path / "s" / "study.json").read_text(encoding="utf-8"))
    assert len(facts["runs"]) == 3


@pytest.mark.parametrize("words, said", [
    ((), "give values"), (("-o", "a"), "write -o KEY=A,B,C"), (("--jobs", "0"), "--jobs"),
    (("-o", "a=1,2", "-o", "b=1,2,3", "--zip"), "2 of a, 3 of b")])
def test_wrong_studies_are_refused(tmp_path, capsys, words, said):
    case = salt_case(tmp_path)
    code, _, errors = call(capsys, "study", case, *words)
    assert code == 2 and said in errors and not (case / "study").exists()


def test_what_is_no_case_and_what_holds_no_study_is_refused(tmp_path, capsys):
    """A directory with other files is left alone."""
    assert "no case.toml" in call(capsys, "study", tmp_path, "-o", "schedule.order=1,2")[2]
    case = salt_case(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    code, _, errors = call(capsys, "study", case, "-o", "schedule.order=1,2", "--out",
                           tmp_path / "mine")
    assert code == 2 and "holds no study" in errors
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_where_no_run_can_begin_nothing_is_written(tmp_path, capsys):
    """Exit code 2, not 3, as for a single run of that input."""
    case = salt_case(tmp_path)
    code, _, errors = call(capsys, "study", case, "-o", "nope.key=1,2", "--out", tmp_path / "s")
    assert code == 2 and "unknown key" in errors and not (tmp_path / "s").exists()
