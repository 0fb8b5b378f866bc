"""Exchange in three conventions, several exchangers, charge that follows pH."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.field_voxels import CHEM, ENGINE, THETA, H, check, ore
from helpers.random_systems import BATCH, totals, with_exchangers

from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites, acidity_from_neutrality
from ekm3d.chemistry.ion_exchange import Voxels

NA, CA, AL = (BATCH.components.index(name) for name in ("Na+", "Ca+2", "Al+3"))
CONVENTIONS = ["gaines-thomas", "vanselow", "gapon"]


def bare_ions(chem):
    """The same chemistry, ideal, without complexes: what is dissolved is free."""
    K = len(chem.components)
    return replace(chem.ideal(), species=chem.species[:K], z=chem.z[:K], nu=chem.nu[:K],
                   diffusion=chem.diffusion[:K], water=chem.water[:K], log_k=chem.log_k[:K],
                   size=chem.size[:K], linear=chem.linear[:K] * 0, minerals=(),
                   nu_m=np.zeros((0, K)), water_m=np.zeros(0), log_k_m=np.zeros(0))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_heterovalent_exchange_by_hand(convention):
    """Na, Ca and Al free at known concentrations; their amounts on 0.1 eq/l chosen so that the
    definition holds, with x the empty site's activity:

        Gaines-Thomas  z n/X = K a x^z       Vanselow  n/sum n = K a x^z
        Gapon          z n/X = (K a)^(1/z) x

    x is found by bisection here, from sum z n = X. Solving from the sums gives all of it back.
    """
    chem = bare_ions(with_exchangers(BATCH, convention))
    free = np.array([0.03, 0.002, 1e-4])                          # mol/l
    rows = [chem.exchange.index(name) for name in ("NaX 0", "CaX2 0", "AlX3 0")]
    K, z, X = 10 ** chem.log_k_x[rows], np.array([1, 2, 3]), 0.1

    def fractions(x):
        return (K * free) ** (1 / z) * x if convention == "gapon" else K * free * x**z

    low, high = 0.0, 1e4
    for _ in range(200):
        x = 0.5 * (low + high)
        low, high = (low, x) if fractions(x).sum() > 1 else (x, high)
    if convention == "vanselow":
        held = fractions(x) * X / (z @ fractions(x))
    else:
        held = fractions(x) * X / z
    total = np.zeros((len(chem.components), 1))
    total[[NA, CA, AL], 0] = 1e3 * (free + held)
    total[chem.hydrogen] = 1e-4               # no OH- here: acid of its own, 1e-7 mol/l
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0, Sites(1e3 * X))
    assert found.c[[NA, CA, AL], 0] / 1e3 == pytest.approx(free, rel=1e-9)
    assert found.exchanged[rows, 0] / 1e3 == pytest.approx(held, rel=1e-9)


def test_equal_charges_need_no_convention():
    """Na, K and NH4: all three conventions are the same equation."""
    total = np.zeros((len(BATCH.components), 1))
    for name in ("Na+", "K+", "NH4+"):
        total[BATCH.components.index(name)] = 20.0
    total[BATCH.components.index("Cl-")] = 35.0
    total[BATCH.hydrogen] = acidity_from_neutrality(BATCH, total, 25.0)
    results = [EquilibriumSolver(with_exchangers(BATCH, name)).solve_numpy(
        total, 1.0, Sites(25.0)).exchanged
               for name in CONVENTIONS]
    assert results[1] == pytest.approx(results[0], rel=1e-10)
    assert results[2] == pytest.approx(results[0], rel=1e-10)


def test_gapon_may_be_written_by_the_equivalent(rng):
    """Ca + 2 X- = CaX2 with K, and 1/2 Ca + X- = Ca.5X with sqrt K: one equation; the record's own
    species is counted, so there are twice as many of the half."""
    chem = with_exchangers(BATCH, "gapon")
    z = chem.z_x
    halves = replace(chem, nu_x=chem.nu_x / z[:, None], z_x=np.ones_like(z),
                     log_k_x=chem.log_k_x / z)
    total, site = (1e3 * v for v in totals(chem, rng, 8))
    whole = EquilibriumSolver(chem).solve_numpy(total, 1.0, Sites(site))
    parts = EquilibriumSolver(halves).solve_numpy(total, 1.0, Sites(site))
    assert parts.exchanged == pytest.approx(whole.exchanged * z[:, None], rel=1e-9, abs=1e-12)
    assert parts.c == pytest.approx(whole.c, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_two_exchangers_of_one_kind_are_one(convention, rng):
    """X split in two with equal constants: the same water, the exchange species split alike."""
    one = with_exchangers(BATCH, convention)
    two = with_exchangers(BATCH, convention, convention)
    two = replace(two, log_k_x=np.tile(one.log_k_x, 2))
    total, site = (1e3 * v for v in totals(one, rng, 8))
    whole = EquilibriumSolver(one).solve_numpy(total, 1.0, Sites(site))
    split = EquilibriumSolver(two).solve_numpy(
        total, 1.0, Sites(np.vstack([0.3 * site, 0.7 * site])))
    assert split.c == pytest.approx(whole.c, rel=1e-8, abs=1e-12)
    E = len(one.exchange)
    assert split.exchanged[:E] == pytest.approx(0.3 * whole.exchanged, rel=1e-8, abs=1e-12)
    assert split.exchanged[E:] == pytest.approx(0.7 * whole.exchanged, rel=1e-8, abs=1e-12)


def test_charges_of_several_exchangers_follow_pH(rng):
    """Field ore whose exchanger comes in two kinds, one with a variable charge, one of each
    convention; where pH takes the charge to a limit too. Every equation and the warm start."""
    kinds = with_exchangers(CHEM, "gaines-thomas", "vanselow")
    total, sites = ore(rng, 30)
    total[CHEM.index("Na")] += np.linspace(0, 150, 30)
    cec = np.broadcast_to([[0.6 * sites.cec], [0.4 * sites.cec]], (2, 30))
    two = Sites(cec, np.broadcast_to([[sites.slope], [3.0]], (2, 30)), [[5.3], [8.0]])
    total[H] = acidity_from_neutrality(kinds, total, sites.cec)
    engine = EquilibriumSolver(kinds)
    found = engine.solve_numpy(total, THETA, two)
    assert found.site.shape == (2, 30) and np.ptp(found.pH) > 4
    check(kinds, total, THETA, two, found)
    assert len(found.warm_start) == kinds.unknowns == CHEM.unknowns + 2
    again = engine.solve_numpy(total, THETA, two, found.warm_start)
    assert not again.iterations.any()
    moved = total * (1 + 1e-3 * rng.uniform(-1, 1, total.shape))
    moved[H] = acidity_from_neutrality(kinds, moved, sites.cec)
    warm_start = engine.solve_numpy(moved, THETA, two, found.warm_start)
    check(kinds, moved, THETA, two, warm_start)
    assert not warm_start.restarts.any() and np.percentile(warm_start.iterations, 90) <= 4


def test_an_exchanger_without_charge_is_as_if_it_were_not_there(rng):
    """Of two exchangers one is bare: the same as one alone, and nothing on the other."""
    kinds = with_exchangers(CHEM, "gaines-thomas", "vanselow")
    total, sites = ore(rng, 6)
    cec = np.vstack([np.full(6, sites.cec), np.zeros(6)])
    found = EquilibriumSolver(kinds).solve_numpy(total, THETA, Sites(cec, cec * 0.08, 5.3))
    alone = ENGINE.solve_numpy(total, THETA, Sites(cec[0], cec[0] * 0.08, 5.3))
    E = len(CHEM.exchange)
    assert found.c == pytest.approx(alone.c, rel=1e-8, abs=1e-15)
    assert found.exchanged[:E] == pytest.approx(alone.exchanged, rel=1e-8, abs=1e-12)
    assert not found.exchanged[E:].any() and not found.site[1].any()


def test_protons_given_off_by_a_line_with_ends():
    """X - cec = slope (pH - pH_ref) = 2 x (8 - 6) = 4; at pH 1 and 14 the limits -3 and 5."""
    row = np.ones((1, 3))
    given = Voxels(total=np.zeros((1, 3)), water=np.ones(3), cec=10 * row, slope=2 * row,
                   reference_pH=6 * row, least=-3 * row, most=5 * row)
    charge, follows = given.released(np.array([1.0, 8.0, 14.0]))
    assert charge.tolist() == [[-3.0, 4.0, 5.0]] and follows.tolist() == [[False, True, False]]


# --- refusals -------------------------------------------------------------------------------

def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="exchanger 'clay 0': convention = 'kerr', must be gaines"):
        EquilibriumSolver(with_exchangers(BATCH, "kerr"))


def test_several_exchangers_need_a_capacity_each():
    chem = with_exchangers(BATCH, "gapon", "vanselow")
    with pytest.raises(ValueError, match="cec: there are 2 exchangers, give a row for each"):
        EquilibriumSolver(chem).solve_numpy(np.ones((18, 3)), 1.0, Sites(np.ones(3)))


def test_an_exchanger_without_species_is_refused_where_it_has_charge():
    chem = replace(BATCH, exchangers=("clay", "humus"), conventions=("gapon", "gapon"))
    with pytest.raises(ValueError, match="an exchanger 'humus' .* no exchange species for it"):
        EquilibriumSolver(chem).solve_numpy(np.ones((18, 3)), 1.0, Sites(np.ones((2, 3))))
