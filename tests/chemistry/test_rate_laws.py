"""Rate laws against numbers worked out by hand."""

import numpy as np
import pytest

from ekm3d.chemistry.rate_laws import FirstOrder, Term, TransitionState, relaxed

ACID, NEUTRAL, BASE = Term(2e-5, 0.5), Term(3e-9), Term(4e-14, -0.7)


def law(terms=(ACID, NEUTRAL, BASE), area=6.0, exponent=2 / 3, seed=0.0, p=1.0, q=1.0):
    return TransitionState(terms, area, exponent, np.asarray(seed, float), p, q)


def test_first_order_lambda_is_constant():
    """lambda = k whatever the amounts and the water."""
    n, other = np.array([3.0, 0.0]), np.array([1.0, 2.0])
    np.testing.assert_array_equal(FirstOrder(7e-6).constant(n, other, other, None, None), 7e-6)
    assert not FirstOrder(7e-6).depends


@pytest.mark.parametrize("pH, speed", [
    (3.0, 2e-5 * 10**-1.5 + 3e-9 + 4e-14 * 10**2.1),
    (7.3, 2e-5 * 10**-3.65 + 3e-9 + 4e-14 * 10**5.11),
    (12.1, 2e-5 * 10**-6.05 + 3e-9 + 4e-14 * 10**8.47)])
def test_acid_neutral_and_base_terms_add_up(pH, speed):
    """Far below saturation r = A sum k a_H^order; A = 6 m2/mol x 5 mol/m3 at the start.

    By hand at pH 3: 6.3246e-7 + 3e-9 + 5e-12; the acid, the neutral and the base term each lead
    at one of the three. Tolerance: rounding.
    """
    n = np.array([5.0])
    r = law().dissolution(n, n, np.array([pH]), np.array([-np.inf]))
    np.testing.assert_allclose(r, 30.0 * speed, rtol=1e-13)


def test_the_affinity_has_its_powers_and_its_sign():
    """(1 - Omega^p)^q with Omega = e^s: dissolution below, precipitation above saturation.

    p = 1/2, q = 2: (1 - e^(-1/2))^2 at s = -1, -(e^(1/2) - 1)^2 at s = 1, 0 at s = 0.
    """
    n, pH = np.full(3, 5.0), np.full(3, 7.0)
    found = law((NEUTRAL,), p=0.5, q=2.0).dissolution(n, n, pH, np.array([-1.0, 0.0, 1.0]))
    pull = np.array([(1 - np.exp(-0.5))**2, 0.0, -(np.exp(0.5) - 1)**2])
    np.testing.assert_allclose(found, 30.0 * 3e-9 * pull, rtol=1e-13)


def test_far_above_saturation_the_rate_is_finite():
    """ln Omega = 1e4 would overflow; nothing that is not a number may come of it."""
    n = np.array([5.0, 0.0])
    found = law((NEUTRAL,)).dissolution(n, n, np.full(2, 7.0), np.full(2, 1e4))
    assert np.isfinite(found).all() and found[0] < -1e20 and found[1] == 0.0


@pytest.mark.parametrize("exponent, area", [(0.0, 30.0), (2 / 3, 30.0 * 0.3**(2 / 3)), (1.0, 9.0)])
def test_the_surface_follows_what_is_left(exponent, area):
    """30 m2/m3 at n_0 = 5; at n = 1.5, 0.3 of it: A_0 n_0 0.3^m."""
    found = law(exponent=exponent).surface(np.array([1.5]), np.array([5.0]))
    np.testing.assert_allclose(found, area, rtol=1e-14)


def test_a_seed_is_the_least_surface():
    """Seed 0.2 mol/m3: its 6 x 0.2 m2/m3 where there was nothing; grown to 1.6, 8^(2/3) = 4 of it.

    Below the seed the surface does not shrink. Without a seed there is none at all.
    """
    seeded = law(seed=[0.2, 0.2, 0.2, 0.0])
    found = seeded.surface(np.array([0.0, 1.6, 0.05, 0.0]), np.array([0.0, 0.0, 0.1, 0.0]))
    np.testing.assert_allclose(found, [1.2, 4.8, 1.2, 0.0], rtol=1e-14)


def test_lambda_is_the_rate_over_the_distance_to_equilibrium():
    """r/(n - n_eq), the same from above and below, 0 at the target, never below 0."""
    n, target = np.array([5.0, 5.0, 5.0, 5.0]), np.array([3.0, 6.0, 5.0, 3.0])
    saturation = np.array([-1.0, 0.7, 0.3, 0.4])       # the last has the wrong sign: rounding
    pH = np.full(4, 7.0)
    found = law((NEUTRAL,)).constant(n, target, n, pH, saturation)
    r = 30.0 * 3e-9 * -np.expm1(saturation)
    np.testing.assert_allclose(found, [r[0] / 2.0, r[1] / -1.0, 0.0, 0.0], rtol=1e-14)


def test_seeds_are_those_of_the_ore_voxels():
    """at(take) turns the seeds of a block into those of the listed voxels."""
    block = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(law(seed=block).at(lambda a: a.reshape(-1)[[1, 4]]).seed, [1, 4])
    assert FirstOrder(1e-6).at(None) == FirstOrder(1e-6)


def test_relaxation_stays_between_amount_and_target():
    """Half-way after ln 2, at the target after ever so long, where it was after no time."""
    n, target = np.array([4.0, 0.0]), np.array([1.0, 2.0])
    np.testing.assert_allclose(relaxed(n, target, np.log(2.0)), [2.5, 1.0], rtol=1e-15)
    np.testing.assert_array_equal(relaxed(n, target, 1e12), target)
    np.testing.assert_array_equal(relaxed(n, target, 0.0), n)
