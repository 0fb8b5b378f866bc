"""Chemistry: against two other programs, against what can be worked out by hand, and refusals."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from helpers import phreeqc
from helpers.field_voxels import CHEM, ENGINE, FIELD, THETA, H, check, ore

from ekm3d.chemistry.equilibrium import (
    ChemistryError,
    EquilibriumSolver,
    Sites,
    acidity_from_neutrality,
)
from ekm3d.constants import F_RT, FARADAY
from ekm3d.thermodata.build import read_database

DATA = Path(__file__).parents[1] / "data"


# --- against other programs -----------------------------------------------------------------

def table(name):
    with open(DATA / name) as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key] or 0) for row in rows]) for key in rows[0]}


@pytest.mark.parametrize("model, relative", [("ideal", 1e-6), ("davies", 1e-4)])
@pytest.mark.parametrize("minerals", [0, 1])
def test_batch_equilibria(model, relative, minerals):
    """64 systems of 17 components and 116 species from an independent solver and from PHREEQC.

    Both tables are good to 1.1e-7 for species above 1e-12 mol/l; no exchange of H+ here, so
    nothing fills an exchanger that finds too few cations. Started without history.
    """
    chem = read_database(DATA / "chemistry_batch.toml", minerals=None if minerals else [])
    chem = chem.ideal() if model == "ideal" else chem
    given, expected = table("chemistry_batch_inputs.csv"), table(f"chemistry_batch_{model}.csv")
    chosen = given["minerals_allowed"] == minerals
    total = 1e3 * np.array([given["T_" + name][chosen] for name in chem.components])
    cec = 1e3 * given["CEC_eq_per_kgw"][chosen]
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0, Sites(cec))

    m = np.array([expected["m_" + name][chosen] for name in chem.species])
    assert np.all(np.abs(found.c / 1e3 - m) < relative * m + 1e-12)
    fraction = found.exchanged * chem.z_x[:, None] / np.where(cec > 0, cec, 1)
    beta = np.array([expected["beta_" + name][chosen] for name in chem.exchange])
    assert np.abs(fraction - beta).max() < 1e-7
    if minerals:
        amount = np.array([expected["n_" + name][chosen] for name in chem.minerals])
        assert np.abs(found.solid / 1e3 - amount).max() < 1e-8
        assert (amount > 0).any(axis=1).sum() >= 8          # most minerals do appear
    assert found.pH == pytest.approx(expected["pH"][chosen], abs=1e-6)


@pytest.mark.oracle
@pytest.mark.skipif(importlib.util.find_spec("phreeqpy") is None, reason="phreeqpy not installed")
def test_phreeqc_agrees_on_field_ore(rng, tmp_path):
    """20 voxels of ore, pH 2 to 11, with H+ on a variable exchanger, solved by PHREEQC too.

    PHREEQC knows no variable charge: it is given the X found here, whose line is checked
    elsewhere. Acidity it finds from neutrality. 1e-6 mol/l of redox anchor (3e-8 of a_w) and
    1e-12 mol/l for traces: 1e-6 is far below the 1e-4 asked for.
    """
    chem = phreeqc.comparable(CHEM)
    total, sites = ore(rng, 20)
    total[CHEM.index("Na")] += np.concatenate([np.zeros(10), np.linspace(20, 250, 10)])
    total[CHEM.index("HCO3")] += np.concatenate([np.zeros(14), np.linspace(5, 20, 6)])
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    found = EquilibriumSolver(chem).solve_numpy(total, THETA, sites)
    assert found.pH.min() < 3 and found.pH.max() > 10 and (found.solid > 0).any(axis=1).all()
    program = phreeqc.Phreeqc(chem, tmp_path)
    litres = 1e3 * THETA
    for i in range(20):
        c, exchanged, solid, pH, _ = program.solve(total[:, i] / litres, found.site[i] / litres)
        assert found.c[:, i] / 1e3 == pytest.approx(c, rel=1e-6, abs=1e-12)
        assert found.exchanged[:, i] / litres == pytest.approx(exchanged, rel=1e-6, abs=1e-12)
        assert found.solid[:, i] / litres == pytest.approx(solid, rel=1e-6, abs=1e-9)
        assert found.pH[i] == pytest.approx(pH, abs=1e-6)


# --- chemistry that can be worked out by hand -----------------------------------------------

def test_pure_water_has_pH_7():
    """a_H = a_OH = 1e-7; no other component: all other species exactly 0."""
    found = ENGINE.solve_numpy(np.zeros((10, 1)), 1.0)
    assert found.pH[0] == pytest.approx(7, abs=1e-9)
    others = [s for s, name in enumerate(CHEM.species) if name not in ("H+", "OH-")]
    assert not found.c[others].any() and not found.solid.any() and not found.exchanged.any()


def test_acid_and_base_without_anything_else():
    """Ideal, total_H = +-0.01 mol/l: pH 2 and 12, to 1e-10 (the other ion is 1e-12 mol/l)."""
    total = np.zeros((10, 2))
    total[H] = [10, -10]
    found = EquilibriumSolver(CHEM.ideal()).solve_numpy(total, 1.0)
    assert found.pH == pytest.approx([2, 12], abs=1e-9)


def test_two_ions_on_an_exchanger():
    """Gaines-Thomas by hand: 1 meq/l X; K = 10^1.14 against Na with equal activities 1 mmol/l.

    beta_K/beta_Na = K a_K/a_Na. Totals are chosen so that the solution is known: free 1 mmol/l
    each, beta_K = K/(1 + K).
    """
    chem = read_database(FIELD, ["K+", "Na+"]).ideal()
    K = 10 ** 1.14
    beta = np.array([K, 1]) / (1 + K)
    found = EquilibriumSolver(chem).solve_numpy((1.0 + beta)[:, None], 1.0, Sites(1.0))
    assert found.c[:, 0] == pytest.approx([1.0, 1.0], rel=1e-10)
    assert dict(zip(chem.exchange, found.exchanged[:, 0], strict=True)) == pytest.approx(
        {"KX": beta[0], "NaX": beta[1]}, rel=1e-10)
    assert np.isnan(found.pH[0])


def test_conductivity_of_ammonium_sulfate():
    """sigma = F^2/RT f(I) sum z^2 D c of 0.1 M (NH4)2SO4 in free water is 1.9 to 2.0 S/m.

    A third of the sulfate is in the pair NH4SO4- (log K 1.03), so I = 0.230 mol/l, not 0.3; at
    infinite mobility sigma = 2.40 S/m, and f = 1/(1 + 0.5 sqrt I) = 0.81 gives 1.94.
    """
    total = np.zeros((10, 1))
    total[CHEM.index("NH4")], total[CHEM.index("SO4")] = 200, 100
    found = ENGINE.solve_numpy(total, 1.0)
    f = CHEM.mobility(found.ionic_strength)
    sigma = FARADAY * F_RT * f * (CHEM.z**2 * CHEM.diffusion) @ found.c
    assert 1.9 < sigma[0] < 2.0
    assert found.ionic_strength[0] == pytest.approx(0.2304, abs=1e-4)


def test_acidity_from_neutrality(rng):
    """Net charge 0 by construction; and an electroneutral salt with its exchanger needs none."""
    total, sites = ore(rng, 5)
    assert CHEM.charge @ total == pytest.approx(sites.cec, rel=1e-12)
    salt = np.zeros((10, 1))
    salt[CHEM.index("NH4")], salt[CHEM.index("SO4")] = 200 + 7, 100
    assert acidity_from_neutrality(CHEM, salt, 7.0) == pytest.approx([0.0])


# --- minerals, exhaustion, absence ----------------------------------------------------------

def test_hydroxide_redissolves(rng):
    """NaOH in, then out: Al(OH)3, then the REE hydroxides form and vanish, warm all the way.

    At the top Al(OH)3 has gone again, as Al(OH)4-. The last state equals the first: no memory
    but the totals.
    """
    total, sites = ore(rng, 10, spread=0.1)
    total[CHEM.index("SO4")] += 30
    total[H] += 60
    first = ENGINE.solve_numpy(total, THETA, sites)
    assert not first.solid.any()
    amounts, warm_start = [], first.warm_start
    for base in [*range(0, 360, 10), *range(350, -10, -10)]:
        total_now = total.copy()
        total_now[CHEM.index("Na")] += base
        total_now[H] -= base
        found = ENGINE.solve_numpy(total_now, THETA, sites, warm_start)
        check(CHEM, total_now, THETA, sites, found)
        warm_start = found.warm_start
        amounts.append(found.solid.sum(axis=1))
    aluminium, light, heavy = np.array(amounts)[:, :3].T
    assert min(aluminium.max(), light.max(), heavy.max()) > 10
    assert aluminium[35] == 0 and light[35] > 10 and not np.any([aluminium, light, heavy], 0)[-1]
    assert found.c == pytest.approx(first.c, rel=1e-7, abs=1e-15)


def test_an_exhausted_exchanger_fills_with_protons():
    """No cations but H+: X = HX exactly, whatever its charge; pH falls below the ore's 5.3."""
    total = np.zeros((10, 1))
    sites = Sites(100.0, 6.0, 5.3)
    total[H] = 100.0
    found = ENGINE.solve_numpy(total, THETA, sites)
    assert found.exchanged[CHEM.exchange.index("HX")] == pytest.approx(found.site, rel=1e-12)
    assert found.exchanged.sum() == pytest.approx(found.site[0], rel=1e-12)
    check(CHEM, total, THETA, sites, found)


def test_a_depleted_exchanger_is_solved(rng):
    """Cations cover 1e-6 to 1 of the exchanger; protons make up the rest."""
    total, sites = ore(rng, 40, spread=0.0)
    total *= np.logspace(-6, 0, 40)
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    found = ENGINE.solve_numpy(total, THETA, sites)
    check(CHEM, total, THETA, sites, found)
    protons = found.exchanged[CHEM.exchange.index("HX")] / found.site
    assert protons[0] > 0.99 and protons[-1] < 0.01 and (np.diff(protons) < 0).all()


def test_the_exchanger_keeps_its_limits():
    """Far above and below the reference pH, X stops at 2.5 and 0.3 of cec."""
    total = np.zeros((10, 2))
    total[CHEM.index("Na")] = [0, 600]
    total[CHEM.index("SO4")] = [200, 0]
    sites = Sites(10.0, 10.0, 7.0)
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    found = ENGINE.solve_numpy(total, THETA, sites)
    assert found.site == pytest.approx([3.0, 25.0])
    check(CHEM, total, THETA, sites, found)


def test_absent_components_are_exactly_absent(rng):
    """Total 0: every species with it is 0, and the rest is as if it had never been listed."""
    total, sites = ore(rng, 6)
    gone = [CHEM.index(label) for label in ("Al", "HCO3", "LREE")]
    total[gone] = 0.0
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    found = ENGINE.solve_numpy(total, THETA, sites)
    touched = (CHEM.nu[:, gone] != 0).any(axis=1)
    assert not found.c[touched].any()
    kept = [k for k in range(10) if k not in gone]
    small = read_database(FIELD, [CHEM.components[k] for k in kept])
    alone = EquilibriumSolver(small).solve_numpy(total[kept], THETA, sites)
    rows = [CHEM.species_index(name) for name in small.species]
    assert found.c[rows] == pytest.approx(alone.c, rel=1e-7, abs=1e-15)


def test_a_component_may_arrive_and_leave(rng):
    """Warm starts across total 0 in either direction."""
    total, sites = ore(rng, 6)
    without = total.copy()
    without[CHEM.index("Al")] = 0.0
    without[H] = acidity_from_neutrality(CHEM, without, sites.cec)
    full, empty = ENGINE.solve_numpy(total, THETA, sites), ENGINE.solve_numpy(without, THETA, sites)
    assert ENGINE.solve_numpy(total, THETA, sites, empty.warm_start).c == pytest.approx(
        full.c, rel=1e-7, abs=1e-15)
    assert ENGINE.solve_numpy(without, THETA, sites, full.warm_start).c == pytest.approx(
        empty.c, rel=1e-7, abs=1e-15)
    without[CHEM.index("Al")] = 1e-6               # a front's first trace, 2e-9 mol/l
    assert ENGINE.solve_numpy(without, THETA, sites, empty.warm_start).iterations.max() <= 8


# --- refusals -------------------------------------------------------------------------------

def test_no_equilibrium_is_an_error_with_places():
    """Without H+ on the exchanger, 1 eq of sites and 0.5 mol of Na have no solution."""
    chem = read_database(FIELD, ["Na+", "SO4-2"])
    total = np.array([[2.0, 0.5, 2.0], [1.0, 0.25, 1.0]])
    with pytest.raises(ChemistryError, match=r"no equilibrium .*voxel 1 .*Na\+ 0.5") as caught:
        EquilibriumSolver(chem).solve_numpy(total, 1.0, Sites(1.0))
    assert caught.value.voxels.tolist() == [1]
    assert caught.value.total.tolist() == [[0.5], [0.25]]


@pytest.mark.parametrize("spoil", [
    lambda total: total.__setitem__((3, 2), -1e-9),
    lambda total: total.__setitem__((3, 2), np.nan),
])
def test_impossible_totals_are_refused_not_clipped(rng, spoil):
    total, sites = ore(rng, 4)
    spoil(total)
    with pytest.raises(ChemistryError) as caught:
        ENGINE.solve_numpy(total, THETA, sites)
    assert caught.value.voxels.tolist() == [2]


def test_an_exchanger_needs_exchange_species():
    chem = read_database(FIELD, ["SO4-2"])
    with pytest.raises(ValueError, match="no exchange species"):
        EquilibriumSolver(chem).solve_numpy(np.ones((1, 1)), 1.0, Sites(1.0))


def test_traces_of_a_mineral_s_metal_do_not_matter(rng):
    """Catholytes of a run without water: pH 12.7, REE down to 1e-22 mol/m3, all below or at
    saturation with their hydroxides. Every one of 500 has an equilibrium; which side a trace is
    on must not hang on the rounding of its saturation index.
    """
    total = np.repeat(np.array([[0.0], [139.6], [0.67], [1e-14], [6e-17], [0.65], [30.2], [2.4],
                                [10.1], [8e-4]]), 500, axis=1)
    total *= 10.0 ** rng.normal(0, 0.02, total.shape)
    total[3:5] = 10.0 ** rng.uniform(-22, 1, (2, 500))
    total[H] = acidity_from_neutrality(CHEM, total)
    found = ENGINE.solve_numpy(total, np.ones(500))
    assert found.converged.all() and found.iterations.max() < 100
    assert (found.pH > 12).all()
