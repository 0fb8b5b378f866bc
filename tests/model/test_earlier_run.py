"""Cases that begin at the end of another run."""

import numpy as np
import pytest
from helpers import slow_options as slow
from helpers.quick_flags import quick_backend
from helpers.rain_block import rain_case
from helpers.salt_block import ORE, salt_case

from ekm3d import Case, Simulation
from ekm3d.diagnostics.inventory import by_total
from ekm3d.errors import InputError
from ekm3d.grid.grid import Grid
from ekm3d.model.regrid import AMOUNTS, GUESSES, Regridding, same_extent
from ekm3d.state import FIELDS, UNSATURATED

STEPS = ("schedule.fixed_step=5 min", "output.series_every=10 min", *ORE)
HALF, WHOLE = ("schedule.stage.0.duration=20 min",), ("schedule.stage.0.duration=40 min",)
LEAVES = ("output.checkpoint=1 h",)


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def run(case, out, *overrides):
    sim = Simulation(Case.read(case, (*STEPS, *overrides)), quick_backend())
    return sim, sim.run(case / out, quiet=True)


def test_two_halves_are_a_whole(case):
    """Contents, pH and potential after 20 + 20 min are those after 40 min.

    The second half begins with one more solution for the potential, from which the next takes the
    drift that chooses face concentrations: as with another interval of snapshots, 1.5e-7 here.
    Contents that were not taken over would differ by 1e-3 and more.
    """
    whole, of_all = run(case, "whole", *WHOLE)
    run(case, "first", *HALF, *LEAVES)
    second, of_second = run(case, "second", *HALF, "start.run=first")
    for name in ("totals", "c", "pH", "phi"):
        ours, theirs = (getattr(sim.state, name)[sim.grid.inner] for sim in (second, whole))
        assert np.abs(ours - theirs).max() < 1e-6 * np.abs(theirs).max(), name
    assert second.state.time == 1200.0 and whole.state.time == 2400.0
    assert "begins from the contents at t = 0.333333 h" in (
        case / "second" / "log.txt").read_text()
    assert of_second.summary["mass_balance_max"] < 1e-12
    assert of_second.summary["charge_C"] < of_all.summary["charge_C"]


def test_another_block_is_refused_with_its_differences(case):
    """Components and species are named; full pores and others, with the keys that decide."""
    run(case, "first", *HALF, *LEAVES)
    with pytest.raises(InputError) as error:
        Simulation(Case.read(case, ("start.run=first",)), quick_backend())
    lines = str(error.value).splitlines()
    assert "is a run of another block" in lines[0]
    assert lines[1].startswith("  components: [") and "here" in lines[1]
    with pytest.raises(InputError) as error:
        Simulation(Case.read(case, (*HALF, "start.run=first", "ore.retention={alpha=2.0,n=1.4}")),
                   quick_backend())
    assert "give both [ore.retention] and the same physics.unsaturated" in str(error.value)


COARSE, FINE = (), ("grid.spacing=['5 cm', '7.5 cm', '10 cm']",)


def amounts(sim):
    """Moles of every component in ore and tanks."""
    return by_total(sim) + sim.state.catholyte_totals.sum(1)


@pytest.mark.parametrize("before, now", [(COARSE, FINE), (FINE, COARSE)])
def test_another_grid_takes_the_contents_over_by_volume(case, before, now):
    """72 voxels to 576 and back: every component is conserved to rounding, and the log says so. The
    run goes on and balances.
    """
    first, _ = run(case, "first", *HALF, *LEAVES, *before)
    second = Simulation(Case.read(case, (*STEPS, *HALF, *now, "start.run=first")), quick_backend())
    old, new = amounts(first), amounts(second)
    assert np.abs(new - old).max() < 1e-14 * np.abs(old).max()
    assert np.abs(new / old - 1).max() < 1e-11           # acidity is a difference of larger amounts
    assert "regridded from" in second.begun and "amounts are conserved" in second.begun
    summary = second.run(case / "second", quiet=True).summary
    assert summary["mass_balance_max"] < 1e-12 and summary["charge_balance_max"] < 1e-9
    assert "amounts are conserved" in (case / "second" / "log.txt").read_text()


@pytest.mark.slow
def test_slow_stores_are_taken_over_too(case):
    """Minerals with a rate, slow sites and immobile water: by volume as well."""
    extra = (*slow.SLOW, slow.STILL)
    first, _ = run(case, "first", *HALF, *LEAVES, *extra)
    second = Simulation(Case.read(case, (*STEPS, *HALF, *FINE, *extra, "start.run=first")),
                        quick_backend())
    old, new = amounts(first), amounts(second)
    assert np.abs(new - old).max() < 1e-13 * np.abs(old).max()
    for name in ("kinetic_minerals", "slow_sites", "immobile"):
        one, other = (getattr(sim.state, name)[sim.grid.inner].sum((1, 2, 3))
                      * sim.grid.voxel_volume for sim in (first, second))
        assert np.allclose(one, other, rtol=1e-13, atol=1e-13 * np.abs(one).max())


def test_electrodes_that_fill_other_voxels_keep_contents_per_volume(case):
    """Spacing 12 cm along x: the metal is 10 cm wide there and 12 cm here, and the log says so."""
    run(case, "first", *HALF, *LEAVES)
    second = Simulation(Case.read(case, (
        *STEPS, "start.run=first", "grid.spacing=['12 cm', '15 cm', '20 cm']")), quick_backend())
    assert "contents per volume of ore are kept" in second.begun and "are metal now" in second.begun
    summary = second.run(case / "second", quiet=True).summary
    assert summary["charge_balance_max"] < 1e-9


def test_every_field_of_the_voxels_has_a_way_to_another_grid():
    """Amounts by volume, guesses from the nearest voxel; the rest is solved for at the start.

    The water of unsaturated ore has none: such a run is refused another grid.
    """
    solved = {"totals_at_last_solve", "c", "exchanged", "warm_start_rate", "pH", "transport_factor",
              "charge", "phi", "phi_trend", "head_trend", "immobile_c", "immobile_content",
              "immobile_factor", "immobile_charge"}
    kept = {name for name, field in FIELDS.items()
            if field.where == "voxels" and field.restart and field.process != UNSATURATED}
    assert kept == {*AMOUNTS, *GUESSES} | solved


def test_unsaturated_ore_is_refused_another_grid_and_pores_that_cannot_hold_its_water(tmp_path):
    """Its water follows curves of the rock, which a mean over voxels does not.

    Water beyond full pores ended in steps of milliseconds and a message about the voltage.
    """
    case, short = rain_case(tmp_path), [f"schedule.stage.{n}.duration=5 min" for n in (0, 1)]
    Simulation(Case.read(case, (*short, *LEAVES)), quick_backend()).run(case / "first", quiet=True)
    with pytest.raises(InputError, match="unsaturated ore goes on with the same voxels only"):
        Simulation(Case.read(case, ("start.run=first", "grid.spacing=15 cm")), quick_backend())
    for *other, said in (
            ("ore.water_content=0.2", "ore.retention.saturated=0.21", "more than .*saturated"),
            ("ore.water_content=0.3", "ore.retention.residual=0.25", "less than .*residual")):
        with pytest.raises(InputError, match=f"of water {said}; give the pores of that run"):
            Simulation(Case.read(case, ("start.run=first", *other)), quick_backend())


def test_overlaps_conserve_whatever_the_two_grids_are():
    """7 x 3 x 5 voxels to 4 x 5 x 9 of the same box, without metal: sums to rounding."""
    chance = np.random.default_rng(7121)
    values, size = chance.random((2, 5, 3, 7)), np.array([0.7, 0.6, 1.5])
    block = {"origin [m]": [0.1, 0, -1], "voxels": [7, 3, 5], "spacing [m]": size / [7, 3, 5]}
    grid = Grid((4, 5, 9), tuple(size / [4, 5, 9]), (0.1, 0, -1))
    assert same_extent(block, grid)
    assert not same_extent({**block, "origin [m]": [0.1, 0, -1.01]}, grid)
    found = Regridding(block, np.ones((5, 3, 7)), grid, np.ones(grid.shape, bool)).means(values)
    assert np.allclose(found.sum((1, 2, 3)) / found[0].size, values.sum((1, 2, 3)) / values[0].size,
                       rtol=1e-14)


def test_a_run_without_a_checkpoint_is_refused(case):
    with pytest.raises(InputError, match="start.*holds no checkpoint: there is no such"):
        Simulation(Case.read(case, ("start.run=nowhere",)), quick_backend())
