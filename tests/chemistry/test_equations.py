"""Equations of equilibrium and their solution: properties that hold for any totals."""

import numpy as np
import pytest
from helpers.field_voxels import CHEM, ENGINE, FIELD, THETA, H, anything, check, ore
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.chemistry.equations import Equations
from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites, acidity_from_neutrality
from ekm3d.thermodata.build import read_database

# --- properties -----------------------------------------------------------------------------

@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_system_is_solved_and_balances(seed):
    """Every equation holds to 1e-10, whatever the totals, from a start without history.

    The equations are recomputed from the results alone. Net charge over all phases then equals
    sum z_k total_k - cec, because the exchanger's protons count in total_H.
    """
    total, sites = anything(np.random.default_rng(seed), 60)
    found = ENGINE.solve_numpy(total, THETA, sites)
    assert found.converged.all()
    check(CHEM, total, THETA, sites, found)
    charge = THETA * CHEM.z @ found.c + (CHEM.nu_x @ CHEM.charge) @ found.exchanged - found.site
    ions = THETA * np.abs(CHEM.z) @ found.c + found.site + np.abs(CHEM.charge) @ np.abs(total)
    assert np.abs(charge - (CHEM.charge @ total - sites.cec)).max() < 1e-10 * ions.max()


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equilibrium_does_not_depend_on_the_start(seed):
    """From another voxel's state, from a perturbed one, or from none: the same equilibrium.

    1e-7: where a component sits almost wholly in one mineral or on the exchanger, residuals of
    1e-12 leave its trace in water uncertain by more.
    """
    rng = np.random.default_rng(seed)
    total, sites = ore(rng, 50)
    found = ENGINE.solve_numpy(total, THETA, sites)
    others = found.warm_start[:, rng.permutation(50)]
    shaken = found.warm_start + 0.3 * rng.normal(size=found.warm_start.shape)
    for warm_start in (others, shaken):
        again = ENGINE.solve_numpy(total, THETA, sites, warm_start)
        assert again.c == pytest.approx(found.c, rel=1e-7, abs=1e-15)
        assert again.solid == pytest.approx(found.solid, rel=1e-7, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_solving_again_takes_no_step(seed):
    """Solving again from the solution takes no step and changes no unknown, not by a bit.

    (Species may differ by the rounding of a matrix product of another width.)
    """
    total, sites = ore(np.random.default_rng(seed), 20)
    found = ENGINE.solve_numpy(total, THETA, sites)
    again = ENGINE.solve_numpy(total, THETA, sites, found.warm_start)
    assert not again.iterations.any()
    assert np.array_equal(again.warm_start, found.warm_start)
    assert again.c == pytest.approx(found.c, rel=1e-12)


def test_the_order_of_components_does_not_matter(rng):
    """Components reversed: rows move, values stay."""
    reverse = read_database(FIELD, CHEM.components[::-1])
    total, sites = ore(rng, 20)
    found = ENGINE.solve_numpy(total, THETA, sites)
    turned = EquilibriumSolver(reverse).solve_numpy(total[::-1], THETA, sites)
    rows = [reverse.species_index(name) for name in CHEM.species]
    assert turned.c[rows] == pytest.approx(found.c, rel=1e-7, abs=1e-15)
    assert turned.solid == pytest.approx(found.solid, rel=1e-7, abs=1e-9)


def test_chunk_size_does_not_matter(rng):
    """Alone, in company, or at a chunk's end: the same to rounding."""
    total, sites = ore(rng, 30)
    engine = EquilibriumSolver(CHEM)
    engine.chunk = 7
    together = ENGINE.solve_numpy(total, THETA, sites)
    apart = engine.solve_numpy(total, THETA, sites)
    assert apart.c == pytest.approx(together.c, rel=1e-7, abs=1e-15)


def test_a_bulk_twice_as_large_holds_twice_as_much(rng):
    """Totals, water and exchanger doubled: the same concentrations."""
    total, sites = ore(rng, 10)
    double = Sites(2 * sites.cec, 2 * sites.slope, sites.reference_pH)
    found = ENGINE.solve_numpy(total, 0.3, sites)
    more = ENGINE.solve_numpy(2 * total, 0.6, double)
    assert more.c == pytest.approx(found.c, rel=1e-7, abs=1e-15)
    assert more.exchanged == pytest.approx(2 * found.exchanged, rel=1e-7, abs=1e-12)


# --- numerics -------------------------------------------------------------------------------

def test_a_small_change_takes_few_steps(rng):
    """Totals moved by 1 %: Newton is quadratic, so three steps reach 1e-12 in most voxels."""
    total, sites = ore(rng, 300)
    warm_start = ENGINE.solve_numpy(total, THETA, sites).warm_start
    moved = total * (1 + 0.01 * rng.uniform(-1, 1, total.shape))
    moved[H] = acidity_from_neutrality(CHEM, moved, sites.cec)
    found = ENGINE.solve_numpy(moved, THETA, sites, warm_start)
    assert np.median(found.iterations) <= 3 and np.percentile(found.iterations, 95) <= 5


def test_the_jacobian_is_the_derivative(rng):
    """Along Newton's change d, the residual changes at the rate -residual: J d = -F.

    Central difference of the residual along d at states off the solution, minerals on and off;
    h = 1e-5 leaves about 1e-8. Components' balances are taken in the form Newton uses, P ln(P/T).
    """
    equations = Equations(CHEM)
    total, sites = ore(rng, 40)
    found = ENGINE.solve_numpy(total, THETA, sites)
    y = found.warm_start + 0.05 * rng.normal(size=found.warm_start.shape)
    y[13:] = np.where(found.solid > 0, y[13:], 0.0)
    active = found.solid > 0
    voxels = ENGINE._inputs(total, THETA, sites)
    at = equations.residual(y, voxels)
    d = equations.step(y, active, voxels, at)
    d *= 1e-5 / np.abs(d).max(axis=0)
    scale = equations.step(y, active, voxels, at)[0] / d[0]
    up, down = equations.residual(y + d, voxels), equations.residual(y - d, voxels)
    rate = (up.error - down.error) / 2 * scale
    rhs = -equations._logarithmic(at, active, voxels)
    assert np.abs((rate - rhs) / at.scale).max() < 1e-6
    rate = (up.saturation - down.saturation) / 2 * scale
    assert np.abs((rate + at.saturation)[active]).max() < 1e-6
