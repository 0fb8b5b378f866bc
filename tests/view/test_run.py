"""Runs as pictures need them: blanked electrodes, roles, stages, components, older results."""

import json

import numpy as np
import pytest
from helpers.small_run import without_facts

from ekm3d.output.results import ResultsError, open_results
from ekm3d.view.quality import warnings
from ekm3d.view.run import Component, Run


@pytest.fixture
def run(small_run):
    return Run.of(small_run)


def test_a_case_and_its_results_are_the_same_run(small_run):
    """CASE, CASE/out: one place; another is refused with a hint."""
    assert Run.of(small_run).directory == Run.of(small_run / "out").directory
    with pytest.raises(ResultsError, match="no fields.vtkhdf"):
        Run.of(small_run.parent)


def test_fields_are_blank_inside_electrodes_and_nowhere_else(run):
    """Values that the file has there would pull colours towards them."""
    metal = run.rows_of_metal > 0
    assert metal.any()
    for name in ("phi", "pH", "LREE_dissolved", "conductivity"):
        assert np.array_equal(np.isnan(run.field(name)), metal)


def test_electrodes_are_the_strips_of_the_case(run):
    """Two plates of the left row, one of the right, one idle in the middle, by their voxels."""
    assert run.rows == ("left", "right", "middle")
    assert [electrode.row for electrode in run.electrodes] == [0, 0, 1, 2]
    count = np.zeros(run.grid.shape, int)
    for electrode in run.electrodes:
        count[electrode.box] += 1
    assert np.array_equal(count, run.rows_of_metal > 0)


def test_roles_follow_the_stages_and_without_them_the_currents(run, small_run, tmp_path):
    roles = ("anode", "cathode", "idle")
    assert run.roles(0.0) == run.roles(6.0) == roles
    old = Run.of(without_facts(tmp_path, small_run / "out"))
    assert old.roles(0.0) == old.roles(6.0) == roles


def test_the_role_at_the_end_of_a_stage_is_that_of_the_next(run, monkeypatch):
    """Fields of a snapshot are those of the step that begins then."""
    stages = [{"name": "one", "duration": 3600.0, "anodes": ["left"], "cathodes": ["right"]},
              {"name": "two", "duration": 3600.0, "anodes": ["middle"], "cathodes": ["left"]}]
    monkeypatch.setattr(run, "facts", {**run.facts, "stages": stages})
    assert run.roles(0.99) == ("anode", "cathode", "idle")
    assert run.roles(1.0) == run.roles(2.0) == ("cathode", "idle", "anode")
    assert run.stage_ends() == [(1.0, "two")]


def test_facts_of_the_case_are_in_the_results(small_run):
    """Charges and molar masses as the case has them; acidity is among them, and named."""
    facts = open_results(small_run / "out").provenance["facts"]
    names = {entry["label"]: entry for entry in facts["components"]}
    assert names["LREE"]["charge"] == 3 and names["LREE"]["group"] == "REE"
    assert names["NH4"]["molar_mass"] == pytest.approx(18.04e-3, rel=1e-3)
    assert facts["hydrogen"] == "H+"
    assert {o["way"]: o["kind"] for o in facts["openings"]} == {
        "well_feed": "injection", "well_leachate": "collector"}
    assert all(o["words"] == o["kind"] for o in facts["openings"])
    json.dumps(facts)


def test_results_of_an_older_version_say_what_is_not_known(small_run, tmp_path):
    old = Run.of(without_facts(tmp_path, small_run / "out"))
    assert old.components == () and any("molar masses" in line for line in warnings(old))


@pytest.mark.parametrize("name, factor", [("La+3", 1.17277), ("Ce+3", 1.22838), ("Pr+3", 1.20817),
                                          ("Nd+3", 1.16638), ("Tb+3", 1.17619), ("Y+3", 1.26994)])
def test_oxides_are_the_customary_ones(name, factor):
    """Mass of oxide over mass of metal as tables of geochemistry list it (La2O3, CeO2, Pr6O11...).
    """
    mass = {"La": 138.905, "Ce": 140.116, "Pr": 140.908, "Nd": 144.242, "Tb": 158.925,
            "Y": 88.906}[name[:-2]] * 1e-3
    c = Component(name, name, "REE", 3.0, mass)
    assert c.oxide_mass / mass == pytest.approx(factor, rel=2e-4)
