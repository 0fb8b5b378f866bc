"""The tutorial: every command of it, in its order, as a reader would type it."""

import csv
import json
import re
import shlex

import pytest
from helpers.case_files import ROOT
from helpers.command_line import call

PAGE = (ROOT / "cases" / "guide" / "tutorial.md").read_text(encoding="utf-8")


def commands():
    """Lines of the blocks of code, as words behind `ekm3d`."""
    return [shlex.split(line)[1:] for block in re.findall(r"```text\n(.*?)```", PAGE, re.S)
            for line in block.splitlines() if line.startswith("ekm3d ")]


def test_the_tutorial_has_the_commands_that_it_is_about():
    assert [words[0] for words in commands()] == [
        "doctor", "new", "check", "run", "status", "study", "study", "study", "run",
        "new", "check", "run", "export"]


@pytest.mark.slow
def test_every_command_of_the_tutorial_works(tmp_path, monkeypatch, capsys):
    """Exit code 0 of all; the numbers that the page bases its decision on are those of the runs."""
    monkeypatch.chdir(tmp_path)
    for words in commands():
        code, text, errors = call(capsys, *words)
        assert code == 0, errors + text
    with (tmp_path / "drive" / "table.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = re.findall(r"^\| (0\.\d V/cm) \| (\S+ m/s) \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.M)
    assert len(told) == len(rows) == 6
    for (gradient, flux, recovery, energy, purity), row in zip(told, rows, strict=True):
        assert (gradient, flux) == (row["schedule.stage.0.gradient"], row["well.0.flux"])
        assert f"{100 * float(row['recovery_REE']):.2f}" == recovery
        assert f"{float(row['energy_kWh_per_kg_REE']):.1f}" == energy
        assert f"{100 * float(row['purity_REE']):.1f}" == purity
    for name in ("drive", "salt", "grid"):
        assert (tmp_path / name / "table.md").is_file()
    summary = json.loads((tmp_path / "decided" / "summary.json").read_text(encoding="utf-8"))
    assert f"{100 * summary['recovery_REE']:.0f} %" in PAGE
    hill = json.loads((tmp_path / "hill" / "out" / "summary.json").read_text(encoding="utf-8"))
    assert f"Of the REE {100 * hill['recovery_REE']:.1f} % reach the gallery" in PAGE
