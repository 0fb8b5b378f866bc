"""Equilibria of random systems beside PHREEQC: 20 in every run, 500 with -m slow."""

import importlib.util

import numpy as np
import pytest
from helpers import phreeqc
from helpers.random_systems import (
    BATCH,
    CARBON_DIOXIDE,
    POLYMORPHS,
    totals,
    with_exchangers,
    with_gas,
    with_minerals,
    with_sizes,
)

from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites

pytestmark = [pytest.mark.oracle, pytest.mark.skipif(
    importlib.util.find_spec("phreeqpy") is None, reason="phreeqpy not installed")]


def davies(rng):
    """Davies; one Gaines-Thomas exchanger; twelve minerals."""
    return BATCH


def wateq(rng):
    """Ion sizes of their own; a Gaines-Thomas and a Gapon exchanger; minerals."""
    return with_exchangers(with_sizes(BATCH, rng), "gaines-thomas", "gapon")


def open_to_air(rng):
    """CO2 at 10^-4.5 to 10^-0.5 atm; polymorphs that compete; an exchanger."""
    chem = with_minerals(BATCH, *POLYMORPHS)
    return with_gas(chem, *CARBON_DIOXIDE, 10 ** rng.uniform(-4.5, -0.5))


def vanselow(rng):
    """A Vanselow and a Gaines-Thomas exchanger, ion sizes, polymorphs."""
    chem = with_minerals(with_sizes(BATCH, rng), *POLYMORPHS)
    return with_exchangers(chem, "vanselow", "gaines-thomas")


def beside(chem, total, site, folder):
    """Compare every voxel with PHREEQC: 1e-6 relative, or 1e-12 mol/l.

    Its redox anchor of 1e-6 mol/l of O2 moves a_w by 3e-8 and I not at all; both programs solve
    to 1e-10 or better; 1e-6 is a hundredth of what Davies' numbers are asked to agree to.
    """
    found = EquilibriumSolver(chem).solve_numpy(1e3 * total, 1.0, Sites(1e3 * site))
    program = phreeqc.Phreeqc(chem, folder)
    for i in range(total.shape[1]):
        factor = np.ones(len(chem.exchange))
        for x, convention in enumerate(chem.conventions):
            if convention == "vanselow" and site[x, i] > 0:
                on = chem.site_of == x
                moles = found.exchanged[on, i].sum() / (1e3 * site[x, i])
                factor[on] = chem.z_x[on] * moles
        c, exchanged, solid, pH, gas = program.solve(total[:, i], site[:, i], factor)
        assert found.c[:, i] / 1e3 == pytest.approx(c, rel=1e-6, abs=1e-12)
        assert found.exchanged[:, i] / 1e3 == pytest.approx(exchanged, rel=1e-6, abs=1e-12)
        assert found.solid[:, i] / 1e3 == pytest.approx(solid, rel=1e-6, abs=1e-8)
        assert found.gas[:, i] / 1e3 == pytest.approx(gas, rel=1e-6, abs=1e-8)
        assert found.pH[i] == pytest.approx(pH, abs=1e-6)
    return found


@pytest.mark.parametrize("count", [5, pytest.param(125, marks=pytest.mark.slow)])
@pytest.mark.parametrize("system", [davies, wateq, open_to_air, vanselow])
def test_phreeqc_agrees_on_random_systems(system, count, rng, tmp_path):
    """Random components, amounts, pH, exchangers and gas pressures, all from one set of data."""
    chem = system(rng)
    total, site = totals(chem, rng, count)
    found = beside(chem, total, site, tmp_path)
    if count > 5:
        assert (found.solid > 0).any(axis=1).sum() >= 6 and np.ptp(found.pH) > 6
