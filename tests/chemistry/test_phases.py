"""Minerals that compete, gases at fixed pressure: who forms, what is taken up, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.field_voxels import check
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
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.chemistry.equations import PivotOrder
from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites, acidity_from_neutrality
from ekm3d.chemistry.phases import Phases

AIR = 10**-3.4            # atm of CO2
RIVALS = with_minerals(BATCH, *POLYMORPHS)
OPEN = with_gas(RIVALS, *CARBON_DIOXIDE, AIR)
RIVAL_CARBONATES = (("magnesite", {"Mg+2": 1, "CO3-2": 1}, 0, -8.029),       # wateq4f.dat
                    ("hydromagnesite", {"Mg+2": 5, "CO3-2": 4, "H+": -2}, 6, -8.762))
MAGNESIUM = with_minerals(BATCH, *RIVAL_CARBONATES)      # with brucite: three of Mg and CO3 alone
ENGINE, OPEN_ENGINE = EquilibriumSolver(RIVALS), EquilibriumSolver(OPEN)


def brew(chem, n=1, **amounts):
    """Neutral totals [mol/m3] of named components, acidity following; (K, n)."""
    total = np.zeros((len(chem.components), n))
    for name, value in amounts.items():
        total[chem.components.index(name)] = value
    total[chem.hydrogen] = acidity_from_neutrality(chem, total)
    return total


def amount(chem, found, name):
    return found.solid[chem.minerals.index(name)]


# --- minerals -------------------------------------------------------------------------------

def test_of_two_polymorphs_the_stable_one_forms():
    """Gibbsite (log K 8.11) and Al(OH)3(a) (10.8), goethite (-1) and ferrihydrite (4.89),
    calcite (-8.48) and aragonite (-8.336): same components, so the smaller product rules."""
    total = brew(RIVALS, **{"Al+3": 5.0, "Fe+3": 3.0, "Ca+2": 8.0, "CO3-2": 8.0, "Na+": 30.0,
                            "Cl-": 20.0})
    found = ENGINE.solve_numpy(total, 1.0)
    for stable, other in (("gibbsite", "Al(OH)3(a)"), ("goethite", "Ferrihydrite"),
                          ("Calcite", "aragonite")):
        assert amount(RIVALS, found, stable) > 1 and amount(RIVALS, found, other) == 0
    check(RIVALS, total, 1.0, Sites(), found)


def test_the_stable_polymorph_takes_over_from_a_start_with_the_other():
    """A start that holds the same amount as aragonite, or as both: calcite in the end."""
    total = brew(RIVALS, **{"Ca+2": 8.0, "CO3-2": 8.0, "Na+": 10.0, "Cl-": 10.0})
    found = ENGINE.solve_numpy(total, 1.0)
    first = ENGINE.equations.B
    calcite, aragonite = (first + RIVALS.minerals.index(m) for m in ("Calcite", "aragonite"))
    for share in (0.0, 0.5):
        warm_start = found.warm_start.copy()
        amount_there = warm_start[calcite].copy()
        warm_start[aragonite] = (1 - share) * amount_there
        warm_start[calcite] = share * amount_there
        warm_start[0] += 0.01
        again = ENGINE.solve_numpy(total, 1.0, warm_start=warm_start)
        assert not again.restarts.any()
        assert again.solid == pytest.approx(found.solid, rel=1e-9, abs=1e-12)


def test_slight_oversaturation_precipitates():
    """A solution saturated with gypsum, 1e-4 less of it, then 1e-3 more: what is beyond saturation
    precipitates, though ln Omega would be 1e-3 only; from the state before, without a restart."""
    total = brew(RIVALS, **{"Ca+2": 40.0, "SO4-2": 40.0})
    gypsum = RIVALS.minerals.index("Gypsum")
    found = ENGINE.solve_numpy(total, 1.0)
    full = total - RIVALS.nu_m[[gypsum]].T * found.solid[gypsum]
    before = ENGINE.solve_numpy(full * (1 - 1e-4), 1.0)
    assert found.solid[gypsum, 0] > 20 and not before.solid.any()
    after = ENGINE.solve_numpy(full * (1 + 1e-3), 1.0, warm_start=before.warm_start)
    assert after.solid[gypsum] == pytest.approx(1e-3 * full[RIVALS.components.index("Ca+2")],
                                                rel=1e-6)
    assert not after.restarts.any()


def test_calcite_gives_way_to_dolomite_as_magnesium_comes():
    """Ideal. K_dol = a_Ca a_Mg a_CO3^2 = 10^-17.09, K_cal = a_Ca a_CO3 = 10^-8.48: with both
    present a_Mg/a_Ca = 10^(16.96 - 17.09) = 0.741, whatever the amounts; less Mg: calcite alone;
    more than there is calcite: dolomite alone.
    """
    chem = RIVALS.ideal()
    magnesium = np.array([1e-3, 5.0, 10.0, 21.0])
    total = brew(chem, 4, **{"Ca+2": 20.0, "Mg+2": magnesium, "CO3-2": 20.0 + magnesium})
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0)
    dolomite, calcite = (amount(chem, found, name) for name in ("dolomite", "Calcite"))
    assert dolomite[0] == 0 and calcite[-1] == 0
    both = (calcite > 1) & (dolomite > 1)
    assert both.tolist() == [False, True, True, False]
    Mg, Ca = (found.c[chem.components.index(name), both] for name in ("Mg+2", "Ca+2"))
    assert Mg / Ca == pytest.approx(np.full(both.sum(), 10**-0.13), rel=1e-9)
    check(chem, total, 1.0, Sites(), found)


def test_three_minerals_of_two_metals_never_stand_together():
    """Brucite + 4 magnesite = hydromagnesite + 2 H2O...: one is a sum of the others, so at most
    two of the three are present; over all ratios of CO2 to Mg each is met."""
    carbon = np.linspace(0.05, 3.0, 60) * 100.0
    total = brew(MAGNESIUM, 60, **{"Mg+2": 100.0, "CO3-2": carbon, "Na+": 300.0, "Cl-": 300.0})
    for acid in (0.0, 100.0):
        moved = total.copy()
        moved[MAGNESIUM.components.index("Cl-")] += acid
        moved[MAGNESIUM.hydrogen] += acid
        found = EquilibriumSolver(MAGNESIUM).solve_numpy(moved, 1.0)
        check(MAGNESIUM, moved, 1.0, Sites(), found)
        held = found.solid[[MAGNESIUM.minerals.index(m) for m in
                            ("Brucite", "magnesite", "hydromagnesite")]] > 0
        assert held.sum(axis=0).max() <= 2
        if acid == 0.0:
            assert held[:2].any(axis=1).all()


def test_entering_mineral_replaces_the_exhausted_one():
    """Hydromagnesite = brucite + 4 magnesite. 3 and 20 mol of these are there: t = min(3/1, 20/4)
    = 3 form, 8 magnesite stay, no component is made or lost. It stays out where it is less stable
    than they (ln Omega below 1 x 0.1 + 4 x 0.1), and where nothing is there it just comes in;
    of two polymorphs wanted at once, whichever is listed first, the stable one does."""
    phases = Phases(MAGNESIUM)
    hydro, brucite, magnesite = (MAGNESIUM.minerals.index(m) for m in
                                 ("hydromagnesite", "Brucite", "magnesite"))
    active, wanted = np.zeros((2, phases.count, 3), bool)
    active[[brucite, magnesite], :2] = True
    wanted[hydro] = True
    amount, saturation = np.zeros((2, phases.count, 3))
    amount[brucite, :2], amount[magnesite, :2] = 3.0, 20.0
    saturation[[brucite, magnesite]] = 0.1
    saturation[hydro] = 0.51, 0.49, 0.2
    before = phases.nu.T @ amount
    phases.enter(active, wanted, amount, saturation)
    assert phases.nu.T @ amount == pytest.approx(before, abs=1e-12)
    assert amount[[brucite, magnesite, hydro], 0] == pytest.approx([0.0, 8.0, 3.0])
    assert active[[brucite, magnesite, hydro]].T.tolist() == [
        [False, True, True], [True, True, False], [False, False, True]]
    for pair in (("Calcite", "aragonite"), ("Al(OH)3(a)", "gibbsite")):
        phases, two = Phases(RIVALS), [RIVALS.minerals.index(m) for m in pair]
        active, wanted = np.zeros((2, phases.count, 1), bool)
        wanted[two] = True
        saturation = (5.0 - phases.constant)[:, None]
        phases.enter(active, wanted, np.zeros((phases.count, 1)), saturation)
        assert active.sum() == 1 and active[min(two, key=lambda p: phases.constant[p]), 0]


def test_minerals_of_every_kind_come_and_go_and_come_back(rng):
    """From one random water to another in 8 steps and back, warm all the way, closed and open, with
    a Vanselow exchanger: every equation at each end, and the first water again at the last. Which
    minerals formed on the way leaves no trace."""
    chem = with_exchangers(with_minerals(OPEN, *RIVAL_CARBONATES), "vanselow")
    total, site = (1e3 * v for v in totals(chem, rng, 10))
    other, least = (1e3 * v for v in totals(chem, rng, 10))
    X = 0.3 * np.minimum(site, least)
    engine, warm_start, states = EquilibriumSolver(chem), None, []
    for share in [*np.linspace(0, 1, 9), *np.linspace(0.875, 0, 8)]:
        mixed = (1 - share) * total + share * other
        mixed[chem.hydrogen] = 0.0
        mixed[chem.hydrogen] = X.sum(axis=0) - chem.charge @ mixed
        found = engine.solve_numpy(mixed, 1.0, Sites(X), warm_start)
        warm_start = found.warm_start
        states.append(found)
        if share in (0.0, 1.0):
            check(chem, mixed, 1.0, Sites(X), found)
    held = np.array([state.solid > 0 for state in states])
    assert (held[1:] != held[:-1]).any(axis=(0, 2)).sum() >= 6      # minerals that came or went
    assert states[-1].c == pytest.approx(states[0].c, rel=1e-7, abs=1e-12)
    assert states[-1].solid == pytest.approx(states[0].solid, rel=1e-7, abs=1e-8)


SALT_VAPOUR = with_gas(with_minerals(                  # what no water holds, but algebra may meet
    BATCH, ("a double salt", {"Na+": 1, "Cl-": 1, "Ca+2": 1, "SO4-2": 1}, 0, 0.0)),
    "NaCl(g)", {"Na+": 1, "Cl-": 1}, 0, 0.0, 1.0)


@pytest.mark.parametrize("chem", [BATCH, RIVALS, OPEN, MAGNESIUM, SALT_VAPOUR])
def test_masters_are_sound_for_every_subset_of_minerals(chem):
    """Every principal minor of nu[phases, masters] differs from 0, so any of these phases may be
    present and elimination without pivoting is sound; so too where some must be among them,
    unless they stay together, when the leading minors suffice."""
    phases, rng = Phases(chem), np.random.default_rng(77)
    for attempt in range(40):
        must = phases.gas.copy()
        for p in rng.permutation(phases.M)[:attempt % 6]:
            must[p] = True
            must[p] = np.linalg.matrix_rank(phases.nu[must]) == must.sum()
        held, masters, together = phases.masters(must if attempt else None)
        assert set(np.flatnonzero(must)) <= set(held) and chem.hydrogen not in masters
        square, each = phases.nu[np.ix_(held, masters)], np.arange(len(held))
        sets = [each[:k] for k in each + 1] if together else [
            np.flatnonzero((rng.random(len(held)) < 0.5) | phases.gas[held]) for _ in range(60)]
        assert all(abs(np.linalg.det(square[np.ix_(some, some)])) > 0.5 for some in sets)
        assert not together or set(held) == set(np.flatnonzero(must))


def test_default_masters_leave_out_the_least_stable_minerals():
    """All twelve minerals of the data at once; of rivals the more stable, dolomite least of all."""
    assert len(Phases(BATCH).masters()[0]) == 12
    left = set(RIVALS.minerals) - {RIVALS.minerals[p] for p in Phases(RIVALS).masters()[0]}
    assert left == {"Al(OH)3(a)", "Ferrihydrite", "aragonite", "dolomite"}


def test_a_pivot_order_that_needs_all_its_phases_fits_no_others():
    """Brucite takes Mg; calcite and dolomite then share Ca and CO3 alike: all three or none. The
    usual one serves any of its own, and no other."""
    equations = EquilibriumSolver(RIVALS).equations
    trio = np.array([name in ("Brucite", "Calcite", "dolomite") for name in RIVALS.minerals])
    some = PivotOrder(equations, *equations.phases.masters(trio))
    fewer, more, alone = trio.copy(), trio.copy(), np.zeros_like(trio)
    fewer[RIVALS.minerals.index("Brucite")] = False
    more[RIVALS.minerals.index("Gypsum")] = alone[RIVALS.minerals.index("Calcite")] = True
    assert some.together
    assert some.fits(np.column_stack([trio, fewer, more])).tolist() == [True, False, False]
    usual = equations.pivot_order
    assert usual.fits(np.column_stack([trio, alone, ~trio & False])).tolist() == [
        False, True, True]


def test_dependent_minerals_of_a_start_are_removed():
    """Calcite with aragonite: gone, gases stay; calcite with gypsum is left as it was."""
    phases = Phases(OPEN)
    calcite, aragonite, gypsum = (OPEN.minerals.index(m) for m in
                                  ("Calcite", "aragonite", "Gypsum"))
    active = np.repeat(phases.gas[:, None], 2, axis=1)
    active[[calcite, aragonite], 0] = active[[calcite, gypsum], 1] = True
    amount = 3.0 * active
    phases.remove_dependent(active, amount)
    assert active[:, 0].tolist() == phases.gas.tolist() and not amount[:, 0].any()
    assert active[[calcite, gypsum], 1].all() and amount[:, 1].sum() == 9.0


# --- gases ----------------------------------------------------------------------------------

def test_water_in_air_has_pH_5_6():
    """Pure water under CO2: a_H+ a_HCO3- = K_H K_1 P, neutral: ideal, a_H^2 = K_H K_1 P + K_w to
    the part of CO3-2. log K_H K_1 = -18.149 + 10.329: pH 5.61 at 10^-3.4 atm."""
    chem = OPEN.ideal()
    total = np.zeros((len(chem.components), 1))
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0)
    acid = np.sqrt(10**(-18.149 + 10.329) * AIR + 1e-14)
    assert found.pH[0] == pytest.approx(-np.log10(acid), abs=1e-4)
    carbon = [s for s, name in enumerate(chem.species)
              if chem.nu[s, chem.components.index("CO3-2")]]
    assert found.gas[0, 0] == pytest.approx(found.c[carbon].sum(), rel=1e-10)


def test_gas_uptake_belongs_to_the_totals(rng):
    """Totals with what was taken up, in a closed vessel: the same water, to the digits of the
    solver. And open once more: nothing more is taken up."""
    total, _ = totals(OPEN, rng, 20)
    total = brew(OPEN, 20, **dict(zip(OPEN.components, 1e3 * total, strict=True)))
    found = OPEN_ENGINE.solve_numpy(total, 1.0)
    assert np.abs(found.gas).max() > 1 and found.gas.min() < 0 < found.gas.max()
    full = total + OPEN.nu_g.T @ found.gas
    assert OPEN.charge @ full == pytest.approx(OPEN.charge @ total, abs=1e-9)
    closed = ENGINE.solve_numpy(full, 1.0)
    assert closed.c == pytest.approx(found.c, rel=1e-7, abs=1e-12)
    assert closed.solid == pytest.approx(found.solid, rel=1e-7, abs=1e-8)
    again = OPEN_ENGINE.solve_numpy(full, 1.0, warm_start=found.warm_start)
    assert np.abs(again.gas).max() < 1e-10 * np.abs(full).max()
    assert not again.restarts.any()


def test_a_gas_leaves_acid_and_enters_base():
    """Carbonate in acid: all of it goes, to the CO2 that P dissolves (K_H P = 10^(-18.149 +
    16.681 - 3.4) mol/l). Base without carbonate: it takes up CO2 until HCO3- rules."""
    total = brew(OPEN, 2, **{"Na+": [10.0, 10.0], "CO3-2": [5.0, 0.0], "Cl-": [50.0, 0.0]})
    found = OPEN_ENGINE.solve_numpy(total, 1.0)
    dissolved = 1e3 * 10**(-18.149 + 16.681 - 3.4)
    assert found.gas[0, 0] == pytest.approx(dissolved - 5.0, rel=1e-3)
    assert 9.0 < found.gas[0, 1] < 10.0
    check(OPEN, total, 1.0, Sites(), found)


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_open_system_of_rivals_is_solved(seed):
    """Totals over twelve decades, acidity of either sign, polymorphs, CO2 and two exchangers of
    unlike conventions: every equation holds, recomputed from the results alone."""
    rng = np.random.default_rng(seed)
    chem = with_exchangers(with_sizes(OPEN, rng), "vanselow", "gapon")
    n, K = 24, len(chem.components)
    total = 1e3 * 10 ** rng.uniform(-12, np.log10(5), (K, n)) * (rng.random((K, n)) < 0.9)
    salts = [chem.components.index(name) for name in ("Na+", "K+", "NH4+")]
    cec = np.minimum(10 ** rng.uniform(-1.3, 2.2, (2, n)), 0.4 * total[salts].sum(axis=0))
    acid = 1e3 * 10 ** rng.uniform(-7, 0, n)
    total[chem.hydrogen] = 0.0
    total[chem.hydrogen] = np.choose(np.arange(n) % 3, [cec.sum(axis=0) - chem.charge @ total,
                                                        acid, -acid])
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0, Sites(cec))
    check(chem, total, 1.0, Sites(cec), found)


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neither_the_start_nor_the_order_of_components_matters(seed):
    """Another voxel's state, or a shaken one in which all minerals at once have amounts (which
    cannot be); components in another order: the same water, minerals and gas."""
    rng = np.random.default_rng(seed)
    chem = with_exchangers(OPEN, "vanselow", "gapon")
    total, site = (1e3 * v for v in totals(chem, rng, 12))
    engine = EquilibriumSolver(chem)
    found = engine.solve_numpy(total, 1.0, Sites(site))
    shaken = found.warm_start + 0.3 * rng.normal(size=found.warm_start.shape)
    shaken[engine.equations.B:] = rng.uniform(0, 5, found.solid.shape)
    again = [engine.solve_numpy(total, 1.0, Sites(site), warm_start)
             for warm_start in (found.warm_start[:, ::-1], shaken)]
    K = len(chem.components)
    order = rng.permutation(K)
    rows = np.append(order, np.arange(K, len(chem.species)))
    turned = replace(
        chem, components=tuple(chem.components[k] for k in order), charge=chem.charge[order],
        species=tuple(chem.species[s] for s in rows), z=chem.z[rows], nu=chem.nu[rows][:, order],
        water=chem.water[rows], log_k=chem.log_k[rows], size=chem.size[rows],
        linear=chem.linear[rows], nu_x=chem.nu_x[:, order], nu_m=chem.nu_m[:, order],
        nu_g=chem.nu_g[:, order])
    other = EquilibriumSolver(turned).solve_numpy(total[order], 1.0, Sites(site))
    back = replace(other, c=other.c[np.argsort(rows)])
    for result in (*again, back):
        for name in ("c", "exchanged", "solid", "gas"):
            assert getattr(result, name) == pytest.approx(getattr(found, name), rel=1e-7, abs=1e-9)


# --- refusals -------------------------------------------------------------------------------

def test_gases_that_fix_the_same_thing_are_refused():
    twice = with_gas(OPEN, "CO2 again", *CARBON_DIOXIDE[1:], 0.1)
    with pytest.raises(ValueError, match="'CO2 again': the gases at fixed pressure leave it no"):
        EquilibriumSolver(twice)


def test_a_mineral_of_nothing_but_a_gas_is_refused():
    ice = with_minerals(OPEN, ("dry ice", *CARBON_DIOXIDE[1:]))
    with pytest.raises(ValueError, match="'dry ice': the gases .* leave it out"):
        EquilibriumSolver(ice)


@pytest.mark.parametrize("pressure", [0.0, -1.0, np.nan])
def test_a_gas_needs_a_pressure(pressure):
    with pytest.raises(ValueError, match="gases CO2.g.: each needs a pressure above 0 atm"):
        EquilibriumSolver(with_gas(BATCH, *CARBON_DIOXIDE, pressure))
