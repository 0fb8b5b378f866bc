"""Slow minerals and slow exchange sites in single voxels, against solutions by hand and by ODE."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.quick_flags import QUICK
from helpers.random_systems import with_exchangers
from helpers.slow_voxels import chemistry, total_of, voxels
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites
from ekm3d.chemistry.rate_laws import FirstOrder, Term, TransitionState
from ekm3d.errors import BackendError

THETA = 0.4


def salt_left(m, cl):
    """n_eq [mol/m3] of salt, M Cl2 with K = 1e-5 mol3/l3, from all its M and Cl [mol/m3]."""
    def excess(n):
        return (m - n) / THETA * ((cl - 2 * n) / THETA)**2 - 1e-5 * 1e9
    return brentq(excess, 0.0, min(m, cl / 2), xtol=1e-15) if excess(0.0) > 0 else 0.0


def with_amounts(pair, *amounts):
    """The pair of `voxels` with amounts (n,) of the minerals laid beside the water."""
    kinetics, s = pair
    for m, amount in enumerate(amounts):
        kinetics.voxels.put(s.kinetic_minerals[m], np.asarray(amount, float))
    kinetics.start(s)
    return kinetics, s


def run(kinetics, s, steps):
    """Take the steps dt [s]; the amounts (M, n) at the end."""
    for dt in steps:
        kinetics.advance(s, dt)
        s.step += 1
    return kinetics.voxels.take(s.kinetic_minerals)


# --- first order ------------------------------------------------------------------------------

@pytest.mark.parametrize("steps", [[5000.0], [1.0, 999.0, 3700.0, 300.0], 50 * [100.0]])
def test_first_order_law_is_exact_for_any_step(steps):
    """Salt dissolving, growing from water with too much of it, and absent: n_eq + d exp(-k t).

    k = 3e-4 1/s, 5000 s. n_eq by hand from K = M Cl^2. Tolerance 1e-11: that of the equilibrium.
    """
    beside, m, cl = np.array([30.0, 2.0, 0.0]), np.array([0.0, 40.0, 0.02]), np.array([0, 80, 0.04])
    kinetics, s = with_amounts(
        voxels(chemistry("salt"), [0 * m, 0 * m, m, cl], {0: FirstOrder(3e-4)}), beside)
    goal = np.array([salt_left(*pair) for pair in zip(m + beside, cl + 2 * beside, strict=True)])
    assert goal[0] > 5 and goal[1] > 30 and goal[2] == 0.0
    found = run(kinetics, s, steps)[0]
    np.testing.assert_allclose(found, goal + (beside - goal) * np.exp(-1.5), rtol=1e-11, atol=0)
    for k, whole in ((2, m + beside), (3, cl + 2 * beside)):
        np.testing.assert_allclose(total_of(kinetics, s, k), whole, rtol=1e-14)


@pytest.mark.parametrize("dt", [1e-9, 1.0, 1e4, 1e9, 1e30])
def test_long_steps_never_overshoot(dt):
    """Two minerals that share M, one of them stiff: amounts and totals stay at 0 or above.

    The longest steps end at the equilibrium of both, found by the solver with both of them free.
    """
    chem = chemistry("salt", "base")
    laws = {0: FirstOrder(1e-6), 1: FirstOrder(3.0)}
    kinetics, s = with_amounts(voxels(chem, [[3.0], [1.0], [10.0], [24.0]], laws), [20.0], [5.0])
    charge = chem.charge @ kinetics.voxels.take(s.totals)
    found = run(kinetics, s, 60 * [dt])
    T = kinetics.voxels.take(s.totals)
    assert (found >= 0).all() and (T[1:] >= 0).all()
    np.testing.assert_allclose(chem.charge @ T, charge, atol=1e-12)
    if dt >= 1e9:
        total = T + chem.nu_m.T @ found
        free = EquilibriumSolver(chem).solve_numpy(total, np.full(1, THETA)).solid
        assert free.min() > 1.0
        np.testing.assert_allclose(found, free, rtol=1e-9)


def test_minerals_with_a_common_ion_converge_in_dt():
    """Salt and base dissolve together, k = 1e-4 and 3e-4 1/s, 8000 s, against 128 steps.

    Turning the order round makes pairs of steps symmetric: the error falls at least as dt^1.7. The
    last error lacks a tenth of itself, that of the 128 steps: 2^1.7 is seen as 2^1.8.
    """
    def end(steps):
        laws = {0: FirstOrder(1e-4), 1: FirstOrder(3e-4)}
        pair = with_amounts(voxels(chemistry("salt", "base"), [[3.0], [1.0], [10.0], [24.0]], laws),
                            [20.0], [5.0])
        return run(*pair, steps * [8000.0 / steps])[:, 0]

    best = end(128)
    errors = [np.abs(end(steps) - best).max() for steps in (8, 16, 32)]
    assert errors[0] < 0.3 and errors[1] > 1e-6
    assert errors[0] / errors[1] > 2**1.7 and errors[1] / errors[2] > 2**1.8


# --- transition state -------------------------------------------------------------------------

def surface_law(rate=2e-7, exponent=2 / 3, seed=0.0, p=1.0, q=1.0):
    return TransitionState((Term(rate),), 6.0, exponent, np.asarray(seed, float), p, q)


def test_grain_far_from_equilibrium_shrinks_evenly():
    """A ~ n^(2/3) and Omega ~ 0: n^(1/3) falls linearly, n = n_0 (1 - A_0 k t/3)^3.

    6 m2/mol x 2e-7 mol/m2/s: half of it in radius after 1.25e6 s. The mineral's K is raised to
    1e9, so that 30 mol/m3 in solution are 1e-11 of saturation. The method is of second order:
    2e-4 of n_0 with 20 steps, a quarter with 40.
    """
    chem = chemistry("salt")
    chem = replace(chem, log_k_m=np.array([9.0]))
    errors = []
    for steps in (20, 40):
        pair = with_amounts(voxels(chem, np.zeros((4, 1)), {0: surface_law()}), [30.0])
        found = run(*pair, steps * [1.25e6 / steps])[0, 0]
        errors.append(abs(found / 30.0 - 0.125))
    assert errors[0] < 2e-4 and 3.3 < errors[0] / errors[1] < 4.7


@pytest.mark.parametrize("beside, m, end", [(30.0, 0.0, 2e6), (5.0, 30.0, 2e4)])
def test_transition_state_law_is_second_order(beside, m, end):
    """Salt towards saturation from below and above, against an ODE solved to 1e-11.

    dn/dt = -A k (1 - Omega), Omega = M Cl^2/K in ideal water, the ODE written without any of the
    program's parts. Errors with 10, 20 and 40 steps fall as dt^2, to 1e-3 mol/m3.
    """
    whole = m + beside, 2 * (m + beside)

    def slope(t, n):
        omega = (whole[0] - n) / THETA * ((whole[1] - 2 * n) / THETA)**2 / 1e4
        return -6.0 * beside * (n / beside)**(2 / 3) * 1e-7 * (1 - omega)

    exact = solve_ivp(slope, (0, end), [beside], rtol=1e-11, atol=1e-11, method="LSODA").y[0, -1]
    assert abs(exact - beside) > 1.0
    errors = []
    for steps in (10, 20, 40):
        pair = with_amounts(voxels(chemistry("salt"), [[0.0], [0.0], [m], [2 * m]],
                                   {0: surface_law(1e-7)}), [beside])
        errors.append(abs(run(*pair, steps * [end / steps])[0, 0] - exact))
    assert errors[2] < 1e-3
    assert all(3.2 < a / b < 4.9 for a, b in zip(errors, errors[1:], strict=False)), errors


@pytest.mark.parametrize("q", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("dt", [1.0, 1e6, 1e15])
def test_transition_state_law_never_overshoots(q, dt):
    """From both sides, any step: always nearer to the equilibrium and never past it."""
    m = np.array([0.0, 40.0])
    kinetics, s = with_amounts(voxels(chemistry("salt"), [0 * m, 0 * m, m, 2 * m],
                                      {0: surface_law(q=q)}), [30.0, 2.0])
    goal = np.array([salt_left(30.0, 60.0), salt_left(42.0, 84.0)])
    gaps = [np.array([30.0, 2.0]) - goal]
    for _ in range(5):
        gaps.append(run(kinetics, s, [dt])[0] - goal)
    sides = np.array(gaps)
    slack = 1e-9
    assert (sides[:, 0] >= -slack).all() and (sides[:, 1] <= slack).all()
    assert (np.diff(np.abs(sides), axis=0) <= slack).all()


def test_absent_mineral_needs_a_seed():
    """Water ten times above saturation: nothing forms without a seed, all of it with one."""
    m = np.full(2, 40.0)
    kinetics, s = with_amounts(
        voxels(chemistry("salt"), [0 * m, 0 * m, m, 2 * m], {0: surface_law(seed=[0.0, 0.01])}),
        np.zeros(2))
    found = run(kinetics, s, 40 * [1e7])[0]
    np.testing.assert_allclose(found, [0.0, salt_left(40.0, 80.0)], rtol=1e-6)


def test_mineral_relaxes_with_the_others_frozen():
    """Salt reacts, base does not at all: salt sees all M of the water and none of the base.

    In acid water base would dissolve, in alkaline water form, and salt would end elsewhere, as
    the equilibrium of both shows. Salt ends at K = M Cl^2 of its own; base stays, to the bit.
    """
    laws = {0: FirstOrder(1e-3), 1: FirstOrder(1e-30)}
    total = np.array([[3.0, -12.0], [1.0, 1.0], [10.0, 15.0], [24.0, 19.0]])
    kinetics, s = with_amounts(voxels(chemistry("salt", "base"), total, laws), [20.0, 20.0],
                               [5.0, 5.0])
    found = run(kinetics, s, 20 * [1e4])
    alone = [salt_left(30.0, 64.0), salt_left(35.0, 59.0)]
    np.testing.assert_allclose(found[0], alone, rtol=1e-10)
    assert (found[1] == 5.0).all()
    whole = total + kinetics.chem.nu_m.T @ np.array([[20.0, 20.0], [5.0, 5.0]])
    both = EquilibriumSolver(kinetics.chem).solve_numpy(whole, np.full(2, THETA)).solid
    assert both[1, 0] < 4.9 and both[1, 1] > 5.1 and (np.abs(both[0] - alone) > 0.1).all()


def test_rounding_of_minerals_leaves_totals_positive():
    """1e4 to 1e6 mol/m3 of salt, 1e-9 to 1e-3 of M in the water, all of which wants to join it.

    The target's rounding, 1e-16 of the salt, can exceed what is dissolved: totals stay above 0.
    """
    rng = np.random.default_rng(70707)
    m, cl, beside = (10**rng.uniform(*range_, 64) for range_ in ((-9, -3), (-1, 2), (4, 6)))
    chem = replace(chemistry("salt"), log_k_m=np.array([-20.0]))
    kinetics, s = with_amounts(voxels(chem, [0 * m, cl - 2 * m, m, cl], {0: FirstOrder(1.0)}),
                               beside)
    for dt in (10.0, 1e3, 1e9):
        run(kinetics, s, [dt])
        assert (kinetics.voxels.take(s.totals)[1:] > 0).all()
    np.testing.assert_allclose(total_of(kinetics, s, 2), beside + m, rtol=1e-15)


def test_large_mineral_change_leaves_totals_positive():
    """1e5 mol/m3 of a base with next to no M in water, rates to take all of it: mass and sign.

    The equilibrium's own rounding, 1e-12 of 1e5, exceeds what is dissolved; nothing is overdrawn.
    """
    chem = replace(chemistry("base"), log_k_m=np.array([2.0]))
    kinetics, s = with_amounts(voxels(chem, [[-5e-6], [1.0], [3e-6], [1.0]], {0: FirstOrder(1.0)}),
                               [1e5])
    for dt in (1e-3, 1.0, 1e3, 1e9):
        run(kinetics, s, [dt])
        assert kinetics.voxels.take(s.totals)[2, 0] > 0.0
        np.testing.assert_allclose(total_of(kinetics, s, 2), 1e5 + 3e-6, rtol=1e-15)


# --- slow sites -------------------------------------------------------------------------------

def exchanger(share, rate, slope=0.0):
    """50 eq/m3 with M, Na and H on it, in neutral water of them and Cl."""
    chem, cec = chemistry(exchange=True), 50.0
    total = np.array([[0.0], [60.0], [15.0], [70.0]])
    total[0] = cec - chem.charge @ total
    return (*voxels(chem, total, cec=cec, slope=slope, slow=(share, rate)), total)


def test_slow_sites_start_in_equilibrium():
    """At rest all sites are alike: the parts make up the equilibrium of the whole exchanger."""
    kinetics, s, total = exchanger(0.3, 1e-5, slope=4.0)
    kinetics.start(s)
    whole = EquilibriumSolver(kinetics.chem).solve_numpy(
        total, np.full(1, THETA), Sites(50.0, 4.0)).exchanged
    np.testing.assert_allclose(kinetics.voxels.take(s.slow_sites), 0.3 * whole, rtol=1e-12)
    for k in range(4):
        np.testing.assert_allclose(total_of(kinetics, s, k), total[k], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("share, slope", [(0.3, 0.0), (0.3, 4.0), (1.0, 4.0)])
def test_slow_sites_relax_with_one_rate(share, slope):
    """20 mol/m3 of NaCl are added: every exchange species goes to its share as exp(-k t), exactly.

    k = 1e-5 1/s, 1.2e5 s in uneven steps; the goal from the solver with all sites alike, whose
    totals do not change. Net charge of what is in reach: that of the fast sites, to rounding.
    """
    kinetics, s, total = exchanger(share, 1e-5, slope)
    kinetics.start(s)
    salt = np.array([[0.0], [20.0], [0.0], [20.0]])
    kinetics.voxels.put(s.totals, kinetics.voxels.take(s.totals) + salt)
    begin = kinetics.voxels.take(s.slow_sites)
    run(kinetics, s, [2e4, 7e4, 1e3, 2.9e4])
    goal = share * EquilibriumSolver(kinetics.chem).solve_numpy(
        total + salt, np.full(1, THETA), Sites(50.0, slope)).exchanged
    assert (np.abs(goal - begin) > 1e-8).all()
    np.testing.assert_allclose(kinetics.voxels.take(s.slow_sites),
                               goal + (begin - goal) * np.exp(-1.2), rtol=1e-10)
    T = kinetics.voxels.take(s.totals)
    np.testing.assert_allclose(kinetics.chem.charge @ T, (1 - share) * 50.0, atol=1e-11)
    for k in range(4):
        np.testing.assert_allclose(total_of(kinetics, s, k), total[k] + salt[k], atol=1e-11)


def test_rounding_of_sites_leaves_totals_positive():
    """All sites slow and bound to take every M there is (K = 10^30): totals stay above 0."""
    chem = chemistry(exchange=True)
    chem = replace(chem, log_k_x=np.where(np.array(chem.exchange) == "MX2", 30.0, chem.log_k_x))
    rng, cec = np.random.default_rng(515), 50.0
    m = rng.uniform(5.0, 24.0, 64)
    total = np.array([0 * m, 60.0 + 0 * m, m, 60.0 + 0 * m])
    total[0] = cec - chem.charge @ total
    kinetics, s = voxels(chem, total, cec=cec, slow=(1.0, 1.0))
    kinetics.start(s)
    for dt in (1e-3, 1.0, 10.0, 1e9):
        grown = kinetics.voxels.take(s.totals) * np.array([[1], [1], [1 + 1e-9], [1]])
        kinetics.voxels.put(s.totals, grown)
        run(kinetics, s, [dt])
        assert (kinetics.voxels.take(s.totals)[1:] > 0).all()


def test_slow_sites_and_mineral_reach_full_equilibrium():
    """Base beside an exchanger of variable charge, both slow: the solver's equilibrium of all."""
    chem, cec = chemistry("base", exchange=True), 50.0
    total = np.array([[0.0], [88.0], [15.0], [70.0]])
    total[0] = cec - chem.charge @ total
    kinetics, s = with_amounts(voxels(chem, total, {0: FirstOrder(1e-5)}, cec=cec, slope=4.0,
                                      slow=(0.4, 3e-5)), [8.0])
    run(kinetics, s, 80 * [1e5])
    whole = total + 8.0 * chem.nu_m.T
    free = EquilibriumSolver(chem).solve_numpy(whole, np.full(1, THETA), Sites(cec, 4.0))
    assert 0.1 < free.solid[0, 0] < 7.9
    np.testing.assert_allclose(kinetics.voxels.take(s.kinetic_minerals), free.solid, rtol=1e-9)
    np.testing.assert_allclose(kinetics.voxels.take(s.slow_sites), 0.4 * free.exchanged, rtol=1e-9)


def test_saturation_includes_water_activity():
    """Base in brine, a_w below 0.9: water that has been in equilibrium with it has Omega = 1."""
    chem = replace(chemistry("base"), water_activity=0.017)
    total = np.array([[-4.0], [1400.0], [12.0], [1420.0]])
    found = EquilibriumSolver(chem).solve_numpy(total, THETA)
    assert found.solid[0, 0] > 1.0 and found.water_activity[0] < 0.9
    kinetics, s = voxels(chem, total - chem.nu_m.T @ found.solid, {0: surface_law()})
    process, = kinetics.processes
    pH, saturation = process._solution(kinetics.voxels.take(s.totals), Sites())
    np.testing.assert_allclose(pH, found.pH, atol=1e-9)
    np.testing.assert_allclose(saturation, 0.0, atol=1e-9)


# --- on other backends ------------------------------------------------------------------------

@pytest.fixture(scope="module", params=["cpp", "launched"])
def there(request):
    """Backends with compiled code; "launched": as CUDA reads it, on the host."""
    try:
        return CudaBackend("test", cuda_stand_in) if request.param == "launched" else \
            CppBackend("test", QUICK)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("conventions", [("gaines-thomas",), ("gaines-thomas", "gapon"),
                                         ("gaines-thomas", "vanselow")])
def test_kinetics_on_the_device(there, rng, conventions):
    """Both laws, slow sites on one exchanger or two: the amounts are those of NumPy's arrays.

    Five voxels, some without a mineral but for its seed. What does not change with the backend are
    the equations: 1e-9, since the two equilibria are each within 1e-12 of their balances. Compiled
    code does not know Vanselow's convention: its voxels are solved in NumPy wherever they lie. The
    charge of all that moves is that of the fast sites of all exchangers.
    """
    chem = with_exchangers(chemistry("salt", "base", exchange=True), *conventions)
    kinds = len(conventions)
    total = np.array([[0.0], [60.0], [15.0], [70.0]]) * np.exp(0.2 * rng.normal(size=(4, 5)))
    cec, slope = (np.outer(np.arange(1, kinds + 1), np.full(5, v / kinds)) for v in (30.0, 2.0))
    total[0] = cec.sum(axis=0) - chem.charge @ total
    ends = []
    for backend in (choose_backend("numpy"), there):
        seed = backend.from_numpy(np.array([0.0, 0.3, 0.0, 0.3, 2.0]))
        laws = {0: FirstOrder(1e-5), 1: replace(surface_law(), seed=seed)}
        kinetics, s = voxels(chem, total, laws, cec=cec, slope=slope, slow=(0.4, 3e-5),
                             backend=backend)
        slow = np.array([[3.0, 0.0, 1.0, 8.0, 0.0], [5.0, 1.0, 0.0, 0.0, 2.0]])
        kinetics.voxels.put(s.kinetic_minerals, backend.from_numpy(slow))
        kinetics.start(s)
        run(kinetics, s, 6 * [4e3])
        ends.append(
            [
                backend.to_numpy(kinetics.voxels.take(a))
                for a in (s.totals, s.kinetic_minerals, s.slow_sites)
            ]
        )
    for name, mine, theirs in zip(("totals", "kinetic_minerals", "slow_sites"), *ends, strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-9, atol=1e-9, err_msg=name)
    assert np.abs(ends[0][1] - slow).max() > 0.1 and ends[0][2].min() > 0
    np.testing.assert_allclose(chem.charge @ ends[1][0], 0.6 * cec.sum(axis=0), atol=1e-9)
