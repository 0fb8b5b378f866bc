"""`ekm3d new`: every template is a case that runs as it is; nothing is overwritten."""

import re
import tomllib

import pytest
from helpers.command_line import call, contents
from helpers.quick_flags import quick_backend

from ekm3d import Case, Simulation
from ekm3d.cli.new import TEMPLATES
from ekm3d.model.plan import drive_later, plan_of, warnings
from ekm3d.resources import folder


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_valid_case_that_takes_steps(tmp_path, capsys, template, monkeypatch):
    """Read without a warning, small enough for minutes, two steps; comments name it.

    Its plan has nothing to warn of either; that of the column was 285 K a day.
    """
    monkeypatch.chdir(tmp_path)
    code, text, errors = call(capsys, "new", "my site", "--template", template)
    assert (code, errors) == (0, "") and 'ekm3d run "my site"' in text
    source = (tmp_path / "my site" / "case.toml").read_text(encoding="utf-8")
    assert 'ekm3d run "my site"  ' in source and " NAME" not in source
    assert source.count("#") > 25
    case = Case.read("my site")
    assert case.warnings == () and case.grid.shape[0] * case.grid.shape[1] < 500
    sim = Simulation(case, "numpy" if max(case.grid.shape) < 25 else quick_backend())
    sim.step(), sim.step()
    assert sim.state.time > 0.0
    plan = plan_of(sim)
    drive_later(sim, plan)
    assert plan.voltage and warnings(plan) == []


@pytest.mark.slow
@pytest.mark.parametrize("template", [name for name in TEMPLATES if name != "hillside"])
def test_a_template_runs_to_its_end(tmp_path, capsys, template):
    """With REE in the leachate, and balances that close to rounding and the solvers' tolerance.

    The hillside, of minutes, has tests of its own (`test_hillside_case.py`).
    """
    assert call(capsys, "new", tmp_path / "case", "--template", template)[0] == 0
    code, text, errors = call(capsys, "run", tmp_path / "case", "--quiet")
    assert code == 0 and "warning" not in errors and "What came out" in text
    from ekm3d import open_results
    summary = open_results(tmp_path / "case" / "out").summary
    assert summary["recovery_REE"] > 0.01 and summary["audit_warnings"] == 0
    assert summary["mass_balance_max"] < 1e-9 and summary["charge_balance_max"] < 1e-8


def test_a_shipped_case_becomes_one_that_stands_alone(tmp_path, capsys, monkeypatch):
    """The industrial case: the database beside it, no way out of its folder, its own variants."""
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "new", "pit", "--template", "industrial")[0] == 0
    assert {f.name for f in (tmp_path / "pit").iterdir()} == {"case.toml", "database.toml",
                                                              "variants.toml", "README.md"}
    for name in ("case.toml", "variants.toml", "README.md"):
        text = (tmp_path / "pit" / name).read_text(encoding="utf-8")
        assert "../" not in text and "cases/" not in text and "ekm3d study pit" in text


def test_a_template_brings_the_files_of_the_mine(tmp_path, capsys):
    """And its page, whose links lead to what is there."""
    assert call(capsys, "new", tmp_path / "hill", "--template", "hillside")[0] == 0
    assert {f.name for f in (tmp_path / "hill").iterdir()} == {
        "case.toml", "database.toml", "blocks.csv", "topography.csv", "bedrock.csv", "collar.csv",
        "survey.csv", "assay.csv", "README.md"}
    page = (tmp_path / "hill" / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# A hillside") and f"ekm3d run {tmp_path / 'hill'} " in page
    assert set(re.findall(r"\]\((.*?)\)", page)) == {"case.toml"} and "../" not in page
    text = (tmp_path / "hill" / "case.toml").read_text(encoding="utf-8")
    assert "../" not in text and "cases/" not in text and f"ekm3d export {tmp_path}" in text


def test_nothing_is_overwritten(tmp_path, capsys):
    """Neither a directory, empty or not, nor a file; nothing is left behind."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    for name in ("empty", "file", "file/below"):
        code, text, errors = call(capsys, "new", tmp_path / name)
        assert (code, text) == (2, "") and "give another NAME" in errors
    assert contents(tmp_path) == before


def test_the_list_and_a_missing_name(capsys):
    code, text, _ = call(capsys, "new", "--list")
    assert code == 0 and [line.split()[0] for line in text.splitlines()] == list(TEMPLATES)
    code, _, errors = call(capsys, "new")
    assert code == 2 and "give NAME" in errors


def test_every_template_is_shipped_and_listed():
    found = {path.parent.name for path in (folder("cases") / "templates").glob("*/case.toml")}
    assert found | {"industrial", "hillside"} == set(TEMPLATES)
    for name in found:
        text = (folder("cases") / "templates" / name / "case.toml").read_text(encoding="utf-8")
        assert tomllib.loads(text)["title"]
