"""`ekm3d calibrate`: parameters found again from values that the program itself has made.

The salt case for ten minutes on NumPy, a second per run. Charge and heat in the contacts tell the
ore's resistance, that is tortuosity, from the overpotential.
"""

import csv
import json

import pytest
from helpers.command_line import call
from helpers.salt_block import salt_case

SHORT = ("-o", "schedule.stage.0.duration=6 min", "--backend", "numpy", "--jobs", "2")
TRUE = 0.5
PARAMETERS = """
[[parameter]]
name = "tau"
mean = 0.6
sd = 0.15
lower = 0.1
upper = 1.0
set = { "ore.tortuosity" = "x" }

[[parameter]]
name = "storage"                    # has no effect in full pores
prior = "log-normal"
median = 1e-3
factor = 2
lower = 1e-6
upper = 0.1
unit = "1/s"
set = { "electrodes.deposition" = "x" }
"""


def files(folder, parameters=PARAMETERS, value="1", extra=""):
    (folder / "parameters.toml").write_text(parameters, encoding="utf-8")
    (folder / "targets.csv").write_text(
        "name,case,quantity,time,value,sd,source\n"
        f"charge,{folder.name}/,charge_C,,{value},5,made\n".replace("/,", ",") + extra,
        encoding="utf-8")
    return folder / "targets.csv"


def truth(case, capsys):
    """The charge that a run with the true tortuosity passes [C]."""
    code, _, errors = call(capsys, "run", case, "--out", case / "true", "--backend", "numpy",
                           "--quiet", "-o", "schedule.stage.0.duration=6 min", "-o",
                           f"ore.tortuosity={TRUE}")
    assert code == 0, errors
    return json.loads((case / "true" / "summary.json").read_text())["charge_C"]


@pytest.mark.slow
def test_a_known_parameter_is_found_again_and_one_without_effect_is_told(tmp_path, capsys):
    """The prior draws the fit away from the truth by sd^2/(sd^2 + (dQ/dtau prior sd)^2) of their
    distance; with 0.5 % of the charge that is below 0.005. Called again it runs nothing and writes
    the same fit; with half of its journal it ends at the same numbers."""
    case = salt_case(tmp_path)
    charge = truth(case, capsys)
    targets = files(case, value=f"{charge:.6f}").read_text().replace(",5,", f",{charge / 200:.4f},")
    (case / "targets.csv").write_text(targets)
    words = ("calibrate", case, "--targets", case / "targets.csv", *SHORT, "--ensemble", "2")
    code, text, errors = call(capsys, *words)
    assert code == 0, errors
    out = case / "calibration"
    first = (out / "fit.json").read_bytes()
    fit = json.loads(first)
    assert fit["values"]["tau"] == pytest.approx(TRUE, abs=0.01)
    with (out / "parameters.csv").open(encoding="utf-8") as file:
        rows = {row["parameter"]: row for row in csv.DictReader(file)}
    assert rows["tau"]["data"] == "fixed by the data"
    assert rows["storage"]["data"].startswith("not identified")
    assert "not identified" in text and fit["evaluations"]["failed"] == 0
    code, text, _ = call(capsys, *words)
    assert code == 0 and "\nsets run now: 0;" in text and (out / "fit.json").read_bytes() == first
    journal = (out / "journal.jsonl").read_text().splitlines(keepends=True)
    (out / "journal.jsonl").write_text("".join(journal[:3]) + journal[3][:20])
    code, text, _ = call(capsys, *words)
    assert code == 0 and f"\nsets run now: {len(journal) - 3};" in text
    assert (out / "fit.json").read_bytes() == first


@pytest.mark.slow
def test_a_set_whose_run_fails_does_not_end_the_calibration(tmp_path, capsys):
    """Steps above 8,700 s are too long for positive concentrations: the slope at 8,000 s is taken
    from the shorter side, and the page counts the failed run."""
    parameters = """
[[parameter]]
name = "step"
mean = 8000
sd = 60000
lower = 10
upper = 100000
unit = "s"
set = { "schedule.fixed_step" = "x" }
"""
    case = salt_case(tmp_path)
    files(case, parameters, "1000")
    code, text, errors = call(capsys, "calibrate", case, "--targets", case / "targets.csv",
                              "-o", "schedule.stage.0.duration=10 h", "--backend", "numpy",
                              "--most", "2")
    fit = json.loads((case / "calibration" / "fit.json").read_text())
    assert code == 0 and errors == "" and fit["evaluations"]["failed"] >= 1
    assert "failed: " in text and "is longer than" in text and fit["slopes"][0][0] != 0


@pytest.mark.parametrize("change, said", [
    (('name = "tau"', 'name = "t a u"'), "name: 't a u' is no name"),
    (("sd = 0.15", "sd = 0"), "sd: 0 should be above 0"),
    (("sd = 0.15", "sdd = 0.15"), "unknown key 'sdd'; did you mean 'sd'?"),
    (("factor = 2", "factor = 0.5"), "a factor above 1, not 0.001 and 0.5"),
    (("lower = 0.1", "lower = 2"), "should be in order"),
    (("mean = 0.6", "mean = 6"), "the search would begin at 6, outside of its bounds"),
    (('"ore.tortuosity" = "x"', '"ore.tortuosity" = "y"'), "ore.tortuosity: 'y' in the formula"),
    (('"ore.tortuosity" = "x"', '"ore.tortuosit" = "x"'), "unknown key"),
    (('prior = "log-normal"', 'prior = "flat"'), "prior: 'flat' is neither"),
    (('name = "storage"', 'name = "tau"'), "two parameters have the name 'tau'")])
def test_wrong_parameters_end_with_one_message(tmp_path, capsys, change, said):
    case = salt_case(tmp_path)
    files(case, PARAMETERS.replace(*change))
    code, _, errors = call(capsys, "calibrate", case, "--targets", case / "targets.csv", *SHORT)
    assert code == 2 and said in errors and not (case / "calibration").exists()


@pytest.mark.parametrize("change, said", [
    (("charge_C,,1,5", "charge_C,,1,0"), "sd: 0 should be above 0"),
    (("charge_C,,1,5", "charge_C,,a,5"), "should be numbers"),
    (("charge_C,,1,5", "charge_C,1 m,1,5"), "time: "),
    (("quantity,", "quality,"), "column quantity is missing"),
    (("charge,", "charge,other"), "case: 'other")])
def test_wrong_targets_end_with_one_message(tmp_path, capsys, change, said):
    case = salt_case(tmp_path)
    file = files(case)
    file.write_text(file.read_text().replace(*change))
    code, _, errors = call(capsys, "calibrate", case, "--targets", file, *SHORT)
    assert code == 2 and said in errors and not (case / "calibration").exists()


def test_a_wrong_quantity_ends_with_one_message_and_leaves_nothing(tmp_path, capsys):
    """The first run is told before its results are read; a column is no key of the summary."""
    case = salt_case(tmp_path)
    file = files(case)
    file.write_text(file.read_text().replace("charge_C", "charge"))
    code, text, errors = call(capsys, "calibrate", case, "--targets", file, *SHORT)
    assert code == 2 and f"    run 1 of 1: {case.name}, " in text
    assert "quantity: 'charge' is a column of series.csv, which needs a time" in errors
    assert not (case / "calibration").exists()
