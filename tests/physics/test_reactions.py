"""Equilibrium chemistry of a run: skipped voxels, mass conservation, error reports."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.field_voxels import CHEM, ENGINE, FIELD, THETA, H, ore
from helpers.random_systems import CARBON_DIOXIDE, with_gas
from helpers.salt_medium import rock_of

from ekm3d.backends.base import Backend
from ekm3d.backends.choose import choose_backend
from ekm3d.chemistry.equilibrium import (
    ChemistryError,
    EquilibriumSolver,
    Sites,
    acidity_from_neutrality,
)
from ekm3d.errors import BackendError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import flat
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.reactions import Reactions, needs_solve, update_dependents
from ekm3d.state import FIELDS
from ekm3d.thermodata.build import read_database

PLAIN = Backend("plain arrays")
GRID = Grid((4, 3, 2), (0.5, 0.25, 0.1), (10.0, 20.0, 30.0))


def block(rng, skip=0.0, chem=CHEM, engine=ENGINE, backend=PLAIN):
    """(Reactions, State, numbers of the ore voxels): 24 voxels of field ore but two."""
    shape = GRID.padded
    place = np.ones(GRID.shape, bool)
    place[0, 0, 0] = place[1, 2, 3] = False
    inside = np.zeros(shape, bool)
    inside[GRID.inner] = place
    total, sites = ore(rng, 22)
    total[H] = acidity_from_neutrality(chem, total, sites.cec)
    rock = rock_of(**{name: np.where(inside, value, 0.0) for name, value in (
        ("water_content", THETA), ("tortuosity", 0.6), ("cec", sites.cec),
        ("cec_slope", sites.slope))}, reference_pH=5.3)
    counts = {
        "totals": len(chem.components),
        "totals_at_last_solve": len(chem.components),
        "c": len(chem.species),
        "exchanged": len(chem.exchange),
        "warm_start": chem.unknowns,
        "warm_start_rate": chem.unknowns - len(chem.minerals),
    }
    s = SimpleNamespace(step=0, time=0.0, processes=(), gas_uptake=np.zeros(len(chem.components)),
                        **{name: np.zeros((count, *shape), FIELDS[name].kind)
                           for name, count in counts.items()},
                        **{name: np.zeros(shape) for name in ("pH", "transport_factor", "charge")})
    s.solid = s.warm_start[counts["warm_start_rate"]:]
    reactions = Reactions(OreVoxels(GRID, place, backend), chem, engine, rock, skip)
    reactions.voxels.put(s.totals, total)
    reactions.advance(s)
    s.step = 1
    return reactions, s, reactions.voxels.index


def at(array, voxels):
    return flat(array)[..., voxels]


def test_species_are_the_equilibrium_of_the_totals(rng):
    """Results of a call equal those of the solver for the same voxels, to the bit; ghosts
    and electrodes stay empty; the charge is sum z T - CEC."""
    reactions, s, voxels = block(rng)
    cec = at(reactions.rock.cec, voxels)
    found = ENGINE.solve_numpy(at(s.totals, voxels), np.full(22, THETA),
                         Sites(cec, at(reactions.rock.cec_slope, voxels), 5.3))
    for name in ("c", "exchanged", "solid", "warm_start", "pH"):
        assert np.array_equal(at(getattr(s, name), voxels), getattr(found, name))
    assert np.array_equal(at(s.transport_factor, voxels),
                          THETA * 0.6 * CHEM.mobility(found.ionic_strength))
    assert np.count_nonzero(s.c.any(axis=0)) == 22
    assert np.abs(s.charge).max() < 1e-10 * cec[0]
    flat(s.totals)[H, voxels[4]] += 3.0
    reactions.advance(s)
    assert at(s.charge, voxels)[4] == pytest.approx(3.0, rel=1e-10)


def test_totals_are_untouched_for_any_tolerance(rng):
    """The engine's remainder is in the species: at a tolerance of 1e-4 it is seen there, and the
    totals, which are what is transported and counted, are the same to the bit."""
    reactions, s, voxels = block(rng, engine=EquilibriumSolver(CHEM, tolerance=1e-4))
    flat(s.totals)[:, voxels] *= 1 + 1e-3 * rng.uniform(-1, 1, (10, 22))
    before = s.totals.copy()
    reactions.advance(s)
    assert np.array_equal(s.totals, before)
    inside = (THETA * CHEM.nu.T @ at(s.c, voxels) + CHEM.nu_x.T @ at(s.exchanged, voxels)
              + CHEM.nu_m.T @ at(s.solid, voxels))
    off = np.abs(inside - at(s.totals, voxels))[1:] / at(s.totals, voxels)[1:]
    assert 1e-12 < off.max() < 2e-4


def test_skipping_keeps_its_bound(rng):
    """Random walks of all totals by 4e-8 a step, skip = 1e-7, 20 steps: always each total lies
    within 1e-7 of the one that its voxel was solved for, whose equilibrium the species are.

    Steps add up to 1e-7 after 3 at the soonest: some voxels are skipped, none for good.
    """
    skip = 1e-7
    reactions, s, voxels = block(rng, skip)
    often = np.zeros(22, int)
    sites = Sites(at(reactions.rock.cec, voxels), at(reactions.rock.cec_slope, voxels), 5.3)
    for _ in range(20):
        flat(s.totals)[:, voxels] *= 1 + 4e-8 * rng.choice([-1, 1], (10, 22))
        before = at(s.totals_at_last_solve, voxels).copy()
        reactions.advance(s)
        total, solved = at(s.totals, voxels), at(s.totals_at_last_solve, voxels)
        assert np.all(np.abs(total - solved) <= skip * np.abs(solved))
        anew = np.any(solved != before, axis=0)
        assert np.array_equal(solved[:, anew], total[:, anew])
        often += anew
        found = ENGINE.solve_numpy(solved, np.full(22, THETA), sites)
        assert at(s.c, voxels) == pytest.approx(found.c, rel=1e-8, abs=1e-15)
    assert often.min() >= 1 and often.max() <= 10
    assert reactions.asked == 20 * 22 and reactions.skipped == 20 * 22 - often.sum()


def test_skipped_changes_are_summed(rng):
    """One total of one voxel grows by 0.4 of the bound a step: solved in every third."""
    reactions, s, voxels = block(rng, 1e-6)
    solved = []
    for _ in range(9):
        flat(s.totals)[CHEM.index("Ca"), voxels[7]] *= 1 + 0.4e-6
        before = reactions.skipped
        reactions.advance(s)
        solved.append(22 - (reactions.skipped - before))
    assert solved == [0, 0, 1] * 3


def test_absent_component_is_skipped_until_it_appears(rng):
    """Total 0 that stays 0 is unmoved; any trace of it is a change of more than any share."""
    reactions, s, voxels = block(rng, 1e-6)
    flat(s.totals)[CHEM.index("Al"), voxels] = 0.0
    reactions.advance(s)
    assert reactions.skipped == 0
    reactions.advance(s)
    assert reactions.skipped == 22
    flat(s.totals)[CHEM.index("Al"), voxels[3]] = 1e-20
    reactions.advance(s)
    assert reactions.skipped == 22 + 21


def test_skip_none_solves_every_voxel(rng):
    """skip = None: unmoved voxels too; one call more changes no unknown, to the bit."""
    reactions, s, voxels = block(rng, None)
    before = at(s.warm_start, voxels).copy()
    reactions.advance(s)
    assert reactions.skipped == 0 and reactions.asked == 22 and not s.totals_at_last_solve.any()
    assert np.array_equal(at(s.warm_start, voxels), before)


def test_skip_0_leaves_unchanged_voxels(rng):
    """One total of one voxel moves by its last digit: that voxel is solved and no other, and the
    block is what it would be if all had been, but for the rounding of products of other sizes."""
    (some, s, voxels), (every, all_s, _) = (block(np.random.default_rng(77), skip)
                                            for skip in (0.0, None))
    for state in (s, all_s):
        flat(state.totals)[3, voxels[5]] = np.nextafter(flat(state.totals)[3, voxels[5]], 1e9)
    some.advance(s)
    every.advance(all_s)
    assert (some.skipped, every.skipped) == (21, 0)
    for name in ("c", "exchanged", "solid", "warm_start", "pH"):
        np.testing.assert_allclose(getattr(s, name), getattr(all_s, name), rtol=1e-12, err_msg=name)


def test_gas_uptake_enters_totals_and_balances(rng):
    """Open to CO2: the totals gain what was taken up, the charge nothing, and `absorbed` is its
    sum over the voxels times their volume; once more, and nothing moves."""
    name, parts, water, log_k = CARBON_DIOXIDE
    parts = {"HCO3-": 1, "H+": parts["H+"] - 1}
    chem = with_gas(read_database(FIELD), name, parts, water, log_k + 10.329, 0.01)
    rng, same = np.random.default_rng(914), np.random.default_rng(914)
    total, _ = ore(same, 22)
    reactions, s, voxels = block(rng, 1e-9, chem, EquilibriumSolver(chem))
    gained = at(s.totals, voxels) - total
    carbon = chem.index("HCO3-")
    assert np.abs(gained[carbon]).min() > 1e-3
    assert gained[H] == pytest.approx(gained[carbon], rel=1e-12)
    others = [k for k in range(10) if k not in (H, carbon)]
    assert not gained[others].any()
    assert s.gas_uptake == pytest.approx(gained.sum(axis=1) * 0.5 * 0.25 * 0.1, rel=1e-12)
    assert np.array_equal(at(s.totals_at_last_solve, voxels), at(s.totals, voxels))
    assert np.abs(s.charge).max() < 1e-10 * 100
    before = s.gas_uptake.copy()
    reactions.advance(s)
    assert reactions.skipped == 22 and np.array_equal(s.gas_uptake, before)


def test_unsolvable_voxel_is_named_by_its_place(rng):
    """A negative total, which no transport makes: the message gives the centre of the voxel, its
    number among the ore's and its totals, though all the others were skipped."""
    reactions, s, voxels = block(rng, 1e-9)
    flat(s.totals)[3, voxels[9]] = -1.0
    with pytest.raises(ChemistryError) as caught:
        reactions.advance(s)
    k, j, i = np.unravel_index(voxels[9], GRID.padded)
    x, y, z = (10.25 + 0.5 * (i - GHOST), 20.125 + 0.25 * (j - GHOST), 30.05 + 0.1 * (k - GHOST))
    assert f"in 1 voxel(s), the first is voxel 9 with totals [mol/m3] {CHEM.components[0]}" in str(
        caught.value)
    assert str(caught.value).endswith(f"; at ({x:.3f}, {y:.3f}, {z:.3f}) m")
    assert caught.value.voxels.tolist() == [9]


def test_hardest_voxel_is_recorded(rng):
    """A voxel whose aluminium is multiplied takes the most steps; a call without history does
    not count, and a record stays until it is beaten."""
    reactions, s, voxels = block(rng, 1e-9)
    assert reactions.struggled is None and reactions.restarted == 0 and reactions.asked == 0
    s.time = 77.0
    flat(s.totals)[CHEM.index("Al"), voxels[5]] *= 3
    reactions.advance(s)
    worst = reactions.struggled
    assert worst.steps == reactions.iterations >= 3 and worst.time == 77.0
    k, j, i = np.unravel_index(voxels[5], GRID.padded)
    assert worst.place == f"({10.25 + 0.5 * (i - 2):.3f}, {20.125 + 0.25 * (j - 2):.3f}, " \
                          f"{30.05 + 0.1 * (k - 2):.3f}) m"
    s.time = 99.0
    reactions.advance(s)
    assert reactions.iterations == 0 and reactions.struggled is worst
    flat(s.warm_start)[:, voxels[2]] = 200.0                    # no history to speak of
    flat(s.totals)[:, voxels[2]] *= 1.001
    reactions.advance(s)
    assert reactions.restarted == 1 and reactions.struggled.restarts >= 1
    assert reactions.struggled.steps > worst.steps


# ---- starts that are carried on ------------------------------------------------------------

def engines():
    """The reference, and the compiled code where there is a compiler."""
    try:
        host = choose_backend("cpp")
    except BackendError:
        return [(PLAIN, ENGINE)]
    return [(PLAIN, ENGINE), (host, EquilibriumSolver(CHEM, backend=host))]


@pytest.mark.parametrize("which", [0, 1], ids=["numpy", "cpp"])
def test_extrapolated_start_saves_iterations(rng, which):
    """Totals that grow by the same factor every 60 s: the logarithms of dilute ore move almost
    straight, and starts carried on take about half the steps to the same equilibrium, to 1e-9.

    warm_rate is what the logarithms changed by, per second, to the bit of its own definition.
    """
    if which >= len(engines()):
        pytest.skip("no compiler")
    backend, engine = engines()[which]
    steps = {}
    for elapsed in (0.0, 60.0):
        reactions, s, voxels = block(np.random.default_rng(515), 0.0, CHEM, engine, backend)
        drift = 1 + 1e-4 * np.random.default_rng(31).uniform(-1, 1, (10, 22))
        for _ in range(6):
            before = at(s.warm_start, voxels).copy()
            flat(s.totals)[:, voxels] *= drift
            reactions.advance(s, elapsed)
            steps.setdefault(elapsed, []).append(reactions.iterations)
        change = (at(s.warm_start, voxels) - before)[:len(s.warm_start_rate)]
        if elapsed:
            assert np.array_equal(at(s.warm_start_rate, voxels),
                                  (change / elapsed).astype(np.float32))
            assert np.abs(change).max() > 1e-6
        else:
            assert not s.warm_start_rate.any()
        found = engine.solve_numpy(at(s.totals, voxels), np.full(22, THETA), Sites(
            at(reactions.rock.cec, voxels), at(reactions.rock.cec_slope, voxels), 5.3))
        assert at(s.c, voxels) == pytest.approx(found.c, rel=1e-9, abs=1e-15)
    assert max(steps[60.0][2:]) < min(steps[0.0][2:])


@pytest.mark.parametrize("which", [0, 1], ids=["numpy", "cpp"])
def test_large_changes_are_not_extrapolated(rng, which):
    """A logarithm that would move by 1.01 is not carried on, nor are the others of its voxel: the
    unmoved solution is met without a step. By 0.99 it is, and Newton has to come back."""
    if which >= len(engines()):
        pytest.skip("no compiler")
    backend, engine = engines()[which]
    for share, still in ((1.01, True), (0.99, False)):
        reactions, s, voxels = block(np.random.default_rng(516), None, CHEM, engine, backend)
        reactions.advance(s)                          # to where one call more changes nothing
        flat(s.warm_start_rate)[4, voxels] = -share / 50.0
        flat(s.warm_start_rate)[2, voxels] = 1e-3 / 50.0
        before = at(s.warm_start, voxels).copy()
        reactions.advance(s, 50.0)
        assert (reactions.iterations == 0) == still
        if still:
            assert np.array_equal(at(s.warm_start, voxels), before) and not s.warm_start_rate.any()


def test_compiled_and_numpy_agree_over_many_calls(rng):
    """Ten moves of 1e-3 with starts carried on, some voxels without aluminium: equal steps and
    the same state to 1e-9, ghosts and electrodes untouched."""
    if len(engines()) < 2:
        pytest.skip("no compiler")
    runs = []
    for backend, engine in engines():
        draw = np.random.default_rng(517)
        reactions, s, voxels = block(draw, 0.0, CHEM, engine, backend)
        flat(s.totals)[CHEM.index("Al"), voxels[::7]] = 0.0
        taken = []
        for _ in range(10):
            flat(s.totals)[:, voxels] *= 1 + 1e-3 * draw.uniform(-1, 1, (10, 22))
            reactions.advance(s, 30.0)
            taken.append(reactions.iterations)
        outside = np.ones(flat(s.c).shape[1], bool)
        outside[voxels] = False
        assert not any(
            flat(getattr(s, name))[..., outside].any()
            for name in (
                "c",
                "exchanged",
                "warm_start",
                "warm_start_rate",
                "totals_at_last_solve",
                "transport_factor",
            )
        )
        runs.append((s, taken, reactions.restarted))
    (one, *mine), (other, *theirs) = runs
    assert mine == theirs
    for name in (
        "c",
        "exchanged",
        "solid",
        "pH",
        "transport_factor",
        "charge",
        "totals_at_last_solve",
    ):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name, value", [("totals", -1.0), ("totals", np.inf), ("rock", 0.0)])
def test_compiled_code_raises_the_same_errors(rng, name, value):
    """A negative or infinite total, no water: one voxel is named, as in NumPy, not solved."""
    for backend, engine in engines():
        reactions, s, voxels = block(np.random.default_rng(518), None, CHEM, engine, backend)
        array = s.totals[3] if name == "totals" else reactions.rock.water_content
        array.reshape(-1)[voxels[9]] = value
        with pytest.raises(ChemistryError, match="a negative total, no water.*voxel 9 with"):
            reactions.advance(s, 10.0)


# ---- operators beside their kernels ------------------------------------------------------------

@pytest.mark.parametrize("cells", [(7, 5, 3), (1, 6, 4), (1, 1, 1), (37, 28, 30)], ids=str)
def test_kernels_are_their_twins(host, rng, cells):
    """Same flags of needs_solve where totals lie on the bound, are 0, or are no numbers;
    update_dependents to twelve roundings of the sum of absolute terms. Ghosts are not written."""
    grid, counts = Grid(cells, (0.1, 0.2, 0.3)), dict(NK=5, NX=2)
    solved = rng.normal(0, 3, (5, *grid.padded)) * (rng.random(grid.padded) < 0.8)
    total = solved * (1 + 1e-3 * rng.choice([0, 0, 0, 0, 0.9, 1.1], solved.shape))
    total[0][rng.random(grid.padded) < 0.05] = np.nan
    total[1][rng.random(grid.padded) < 0.05] = 1e-20
    for skip in (0.0, 1e-3):
        flags = []
        for body in (needs_solve, host.bind(needs_solve, **counts)):
            flags.append(np.full(grid.padded, 7, np.uint8))
            body(grid, total, solved, skip, flags[-1])
        assert np.array_equal(*flags)
        assert set(np.unique(flags[0][grid.inner])) <= {0, 1} and (flags[0] == 7).sum() == (
            flags[0].size - np.prod(cells))
    total = np.nan_to_num(total)
    anew = (rng.random(grid.padded) < 0.5).astype(np.uint8)
    cec, (theta, tau, strength) = rng.random((2, *grid.padded)), rng.random((3, *grid.padded))
    z, made = np.array([1.0, -1, 3, 0, -2]), []
    for body in (update_dependents, host.bind(update_dependents, **counts)):
        outputs = [solved.copy(), *np.full((2, *grid.padded), np.nan)]
        body(grid, anew, total, cec, theta, tau, strength, z, 0.7, *outputs)
        made.append(outputs)
    (one, mobility, charge), (other, *rest) = made
    assert np.array_equal(one, other)
    assert np.array_equal(one[grid.inner],
                          np.where(anew[grid.inner], total[grid.inner], solved[grid.inner]))
    terms = np.tensordot(abs(z), abs(total), 1) + cec.sum(0)
    for wanted, given, size in zip((mobility, charge), rest, (mobility, terms), strict=True):
        inside = np.isfinite(wanted)
        assert np.array_equal(inside, np.isfinite(given)) and inside.sum() == np.prod(cells)
        assert (abs(wanted - given)[inside] <= 12 * 2.3e-16 * size[inside]).all()
