"""Factors on the diffusion of species."""

import numpy as np
import pytest
from helpers.slow_voxels import OWN, TABLES

from ekm3d.chemistry.diffusion import by_size, radii, with_factors
from ekm3d.thermodata.build import build

CHEM = build(dict(TABLES, species=[
    *TABLES["species"],
    dict(OWN, name="MCl+", reaction={"M+2": 1, "Cl-": 1}, log_k=1.0),
    dict(OWN, name="MOH+", reaction={"M+2": 1, "H+": -1, "H2O": 1}, log_k=-9.0)]))


def changed(factors):
    """Return {species: new over old diffusion} of those that changed."""
    ratio = with_factors(CHEM, factors).diffusion / CHEM.diffusion
    return {name: pytest.approx(r) for name, r in zip(CHEM.species, ratio, strict=True) if r != 1.0}


def test_a_factor_holds_for_an_ion_and_its_complexes():
    """M and its complexes; OH- and MOH+ hold no proton, they lack one: H+ leaves them alone."""
    assert changed({"M+2": 1.2}) == {"M+2": 1.2, "MCl+": 1.2, "MOH+": 1.2}
    assert changed({"H+": 0.5}) == {"H+": 0.5}
    assert changed({}) == {}


def test_two_factors_multiply_and_a_complex_can_have_its_own():
    """MCl+ of both; its own factor takes the place of 1.2 x 0.9."""
    assert changed({"M+2": 1.2, "Cl-": 0.9}) == {"M+2": 1.2, "Cl-": 0.9, "MCl+": 1.08, "MOH+": 1.2}
    assert changed({"M+2": 1.2, "MCl+": 1.0}) == {"M+2": 1.2, "MOH+": 1.2}


def test_nothing_else_of_the_chemistry_changes():
    new = with_factors(CHEM, {"M+2": 1.2})
    for name in ("z", "nu", "log_k", "nu_m", "nu_x", "log_k_x"):
        assert getattr(new, name) is getattr(CHEM, name)


def test_small_ions_are_faster_for_a_positive_exponent():
    """(r/r_ref)^-a: Lu over La is (1.032/1.216)^-3 = 1.636 (Shannon's radii), La itself 1."""
    found = by_size(("La+3", "Lu+3"), 3.0, "La+3", radii())
    assert found["La+3"] == 1.0 and found["Lu+3"] == pytest.approx(1.6359, abs=1e-4)


def test_the_radii_contract_along_the_lanthanides():
    """The lanthanide contraction: every ion is smaller than the one before, yttrium by holmium."""
    r = radii()
    series = [r[f"{e}+3"] for e in "La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu".split()]
    assert (np.diff(series) < 0).all() and len(r) == 16
    assert r["Er+3"] < r["Y+3"] < r["Dy+3"]
