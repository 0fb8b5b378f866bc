"""Every verification case on its quick grids, and what `ekm3d verify` says when one fails."""

import shutil
from argparse import ArgumentParser

import numpy as np
import pytest

from ekm3d.case.toml_text import CaseError
from ekm3d.grid.grid import Grid
from ekm3d.verification import comparison, runner
from ekm3d.verification.quantities import Sample
from ekm3d.verification.spec import Verification

CASES = runner.available()
# Of eight junctions those with three ions, with a steep profile and with an ion of charge 3.
FEW = {"c4": ("HCl 10 to KCl 10", "KCl 100 to 1", "LaCl3 10 to 1")}

def command(*arguments):
    """Exit code of `ekm3d verify ...` in this process."""
    parser = ArgumentParser()
    runner.add_parser(parser.add_subparsers())
    return runner.command(parser.parse_args(["verify", *map(str, arguments), "--jobs", "1"]))


@pytest.fixture
def copy(tmp_path):
    """A copy of the quickest case, to spoil."""
    return shutil.copytree(CASES["plates"], tmp_path / "plates")


def spoil(directory, old, new):
    """Replace a text that occurs in runner.toml."""
    path = directory / "verify.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# ---- the cases -----------------------------------------------------------------------------

def trimmed(directory, target, studies):
    """A copy of a case with some of its studies, and of its comparisons those that use them."""
    shutil.copytree(directory, target)
    head, *parts = (directory / "verify.toml").read_text().split("\n[[")
    kept = [part for part in parts if any(f' = "{name}"\n' in part for name in studies)]
    (target / "verify.toml").write_text("\n[[".join([head, *kept]))
    return target


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] * (name in FEW)) for name in CASES])
def test_case(name, quick_kernels):
    """Errors and orders as runner.toml requires, each with its reason there."""
    passes(CASES[name])


@pytest.mark.parametrize("name", FEW)
def test_case_in_part(name, tmp_path, quick_kernels):
    """Some studies of those cases that prove the same of many solutions."""
    assert len(passes(trimmed(CASES[name], tmp_path / name, FEW[name]))) == len(FEW[name])


def passes(directory):
    """Outcomes of a case, all of which have to pass."""
    (outcomes,) = runner.verify([directory])
    assert outcomes
    missed = [runner.line(o) for o in outcomes if not o.passed]
    assert not missed, "\n".join(missed)
    return outcomes


@pytest.mark.parametrize("name", CASES)
def test_case_says_what_it_is(name):
    """Every number has a reason, every case a README that names the source."""
    v = Verification.read(CASES[name])
    assert len(v.file.proves) > 20 and v.file.family
    assert all(len(compare.reason) > 30 for compare in v.file.compare)
    readme = (CASES[name] / "README.md").read_text()
    assert "Source" in readme and "Accuracy" in readme


def test_the_references_of_the_issue_are_all_there():
    assert set("a b c1 c2a c2b c3 c4 d1 d2 d3 d4 e g".split()) <= set(CASES)


# ---- the command ---------------------------------------------------------------------------

def test_a_passed_case_exits_with_0(capsys):
    assert command("plates") == 0
    assert "3 of 3 passed" in capsys.readouterr().out


def test_a_wrong_reference_fails_with_1(copy, capsys):
    """0.45 m of ore as 0.46 m: the current is 2 % off, and the row says so."""
    spoil(copy, "10/(2 + 4 + 0.45", "10/(2 + 4 + 0.46")
    assert command(copy) == 1
    out = capsys.readouterr().out
    assert "2 of 3 passed" in out
    assert [line for line in out.splitlines() if "east row" in line][0].endswith("FAIL")


def test_an_order_that_is_not_reached_fails(copy, capsys):
    """A study of two runs of the same grid has no order; one was required."""
    spoil(copy, 'what = "west row"', 'what = "west row"\norder = 1.5')
    assert command(copy) == 1


def test_a_case_that_cannot_run_is_one_line(copy, capsys):
    """No traceback: what is wrong with case.toml, and the others still run."""
    spoil(copy, 'name = "voltage"', 'name = "voltage"\nalways = ["grid.spacing=7 cm"]')
    assert command(copy) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert len(lines) == 2 and "whole number of voxels" in lines[0]


def test_an_unknown_quantity_is_named(copy, capsys):
    spoil(copy, "current:row:west", "current:row:vest")
    assert command(copy) == 1
    assert "has no row 'vest'; did you mean 'west'?" in capsys.readouterr().out


def test_an_unknown_case_is_bad_input(capsys):
    assert command("plaits") == 2
    assert "no verification case 'plaits'; did you mean 'plates'?" in capsys.readouterr().err


def test_mistakes_in_verify_toml_are_bad_input(copy, capsys):
    spoil(copy, "error = 1e-8", "eror = 1e-8")
    assert command(copy) == 2
    err = capsys.readouterr().err
    assert "verify.toml" in err and "did you mean 'error'?" in err


def test_the_list_runs_nothing(capsys):
    assert command("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CASES)
    assert any(line.startswith("plates ") and "resistances" in line for line in lines)


def test_two_processes_give_the_same(capsys):
    """The runs of a case in two processes, in the order that the table needs."""
    one, two = (next(runner.verify([CASES["plates"]], jobs=jobs)) for jobs in (1, 2))
    assert [o.errors for o in one] == [o.errors for o in two]


# ---- comparing -----------------------------------------------------------------------------

def field(values):
    """A row of voxels of 1 m along x."""
    values = np.asarray(values, dtype=float).reshape(1, 1, -1)
    return Sample(values, np.ones(values.shape, bool), Grid((values.size, 1, 1), (1.0,) * 3))


def test_averages_meet_on_the_cells_that_both_have():
    """12 voxels and 18 rows: 6 cells of 2 m; the averages of x over them are exact."""
    x = (np.arange(18) + 0.5) * 12 / 18
    found, expected, places = comparison.against_rows(
        field(np.arange(12) + 0.5), {"x": x}, x, averages=True)
    np.testing.assert_allclose(places["x"], [1, 3, 5, 7, 9, 11])
    np.testing.assert_allclose(found, places["x"])
    np.testing.assert_allclose(expected, places["x"])


def test_averages_over_another_length_are_refused():
    x = np.arange(10) + 0.5
    with pytest.raises(ValueError, match="voxels reach from 0 to 12 m along x"):
        comparison.against_rows(field(np.zeros(12)), {"x": x}, x, averages=True)


def test_points_are_interpolated_linearly():
    """Between centres and beyond the outermost; a straight line is met exactly."""
    where = {"x": np.array([0.0, 2.25, 12.0])}
    found, _, _ = comparison.against_rows(field(3 * (np.arange(12) + 0.5)), where,
                                          np.zeros(3), averages=False)
    np.testing.assert_allclose(found, [0.0, 6.75, 36.0], atol=1e-12)


def test_a_finer_run_is_averaged():
    found, expected, _ = comparison.against_sample(field([1, 2, 3]), field([0, 2, 1, 3, 2, 4]), 1.0)
    np.testing.assert_array_equal(found, expected)


def test_norms_and_scales():
    """Differences 0.1 and 0.3 of expected values 1 and 2."""
    pair = comparison.Pairs("q", 0.0, np.array([1.1, 2.3]), np.array([1.0, 2.0]), None)
    for norm, scale, value in (("max", None, 0.15), ("max", 1.0, 0.3), ("mean", None, 0.1),
                               ("rms", 1.0, np.sqrt(0.05)), ("relative", 1e-9, 0.15)):
        assert comparison.error([pair], norm, scale)[0] == pytest.approx(value)


def test_nan_is_never_an_error_of_zero():
    pairs = [comparison.Pairs("q", t, np.array([v]), np.array([1.0]), None)
             for t, v in ((0.0, 1.0), (1.0, np.nan), (2.0, 1.1))]
    outcome = runner.Outcome("c", "f", "w", required=1.0,
                             errors=[comparison.error(pairs, "max", None)[0]])
    assert np.isnan(outcome.error) and not outcome.passed


def test_order_between_the_last_two_runs():
    assert comparison.order([1.0, 0.4, 0.1], [1.0, 0.5, 0.25]) == pytest.approx(2.0)
    assert np.isnan(comparison.order([0.1], [1.0]))


def test_a_peer_that_is_closer_fails_a_case():
    outcome = runner.Outcome("c", "f", "w", required=1.0, errors=[0.2], peers=[("p", 50, 0.1, 0.2)])
    assert not outcome.passed


def test_a_formula_may_hold_the_time_and_constants():
    text = comparison.with_numbers("v*t + 2*vt", {"t": 2.0, "v": -3.0})
    assert text == "(-3.0)*(2.0) + 2*vt"


@pytest.mark.parametrize("old, new, says", [
    ('{ formula = "10/(2 + 4 + 0.45/(0.05*0.02))" }', "{ factor = 2.0 }", "hold one of file"),
    ('study = "current"', 'study = "amps"', "no study 'amps'"),
    ('{ formula = "10/(2 + 4 + 0.45/(0.05*0.02))" }', '{ file = "no.csv" }', "there is no file"),
    ("error = 1e-8", "error = { quick = 1e-8 }", "one value for all sets"),
])
def test_verify_toml_is_checked(copy, old, new, says):
    spoil(copy, old, new)
    with pytest.raises(CaseError, match=says):
        Verification.read(copy)
