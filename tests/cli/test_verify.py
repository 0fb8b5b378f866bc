"""`ekm3d verify`: the table, its exit codes, and refusals."""

import pytest
from helpers.verification_copy import CASES, plates_copy, spoil

from ekm3d.cli.main import main

pytestmark = pytest.mark.usefixtures("quick_kernels")


def command(*arguments):
    """Return the exit code of `ekm3d verify ...` in this process."""
    return main(["verify", *map(str, arguments), "--jobs", "1"])


@pytest.fixture
def copy(tmp_path):
    """A copy of the quickest case, to spoil."""
    return plates_copy(tmp_path)


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


def test_a_missed_order_fails(copy, capsys):
    """A study of two runs of the same grid has no order; one was required."""
    spoil(copy, 'what = "west row"', 'what = "west row"\norder = 1.5')
    assert command(copy) == 1


def test_a_case_with_mistakes_fails_in_one_line(copy, capsys):
    """No traceback: the first mistake in case.toml; the other studies still run."""
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


def test_a_letter_is_enough(capsys):
    """The part of a folder's name before the underscore; the whole name is printed."""
    assert command("--list", "g", "d2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["g_consolidation", "d2_two_layers"]


def test_the_list_runs_nothing(capsys):
    assert command("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CASES)
    assert any(line.startswith("plates ") and "resistances" in line for line in lines)
