"""Cases that begin at the end of another run."""

import numpy as np
import pytest
from helpers.salt_block import ORE, salt_case

from ekm3d import Case, Simulation
from ekm3d.errors import InputError

STEPS = ("schedule.fixed_step=5 min", "output.series_every=10 min", *ORE)
HALF, WHOLE = ("schedule.stage.0.duration=20 min",), ("schedule.stage.0.duration=40 min",)
LEAVES = ("output.checkpoint=1 h",)


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def run(case, out, *overrides):
    sim = Simulation(Case.read(case, (*STEPS, *overrides)), "numpy")
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
    """The grid and the species are named."""
    run(case, "first", *HALF, *LEAVES)
    with pytest.raises(InputError) as error:
        Simulation(Case.read(case, (*STEPS, "start.run=first", 'grid.spacing="5 cm"')), "numpy")
    lines = str(error.value).splitlines()
    assert "is a run of another block" in lines[0]
    assert lines[1] == "  voxels: [6, 3, 4] there, [12, 9, 16] here"


def test_a_run_without_a_checkpoint_is_refused(case):
    with pytest.raises(InputError, match="start.*holds no checkpoint"):
        Simulation(Case.read(case, ("start.run=nowhere",)), "numpy")
