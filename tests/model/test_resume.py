"""Runs in pieces: every step by a simulation of its own, with the results of one."""

import pytest
from helpers import slow_options as slow
from helpers.quick_flags import quick_backend
from helpers.runs_in_pieces import assert_equal_results, in_pieces
from helpers.salt_block import ORE, PULSE, salt_case

from ekm3d import Case, Simulation
from ekm3d.model.loop import Control
from ekm3d.output import checkpoints

SHORT = ("schedule.stage.0.duration=30 min", "output.snapshot_every=15 min",
         "output.series_every=10 min")
CURRENT = ('voltage = "20 V"', 'current = "0.3 A"\nlimit = "18 V"')


def compare(folder, backend, *overrides):
    """At least three pieces, and the bits of the whole."""
    case = Case.read(folder, (*SHORT, *overrides))
    Simulation(case, backend).run(folder / "whole", quiet=True)
    assert in_pieces(case, backend, folder / "pieces") >= 3
    assert_equal_results(folder / "whole", folder / "pieces")


@pytest.mark.parametrize("backend", [
    "cpp", pytest.param("numpy", marks=pytest.mark.slow)], indirect=True)
def test_a_run_in_pieces_has_the_bits_of_a_whole_one(tmp_path, backend):
    """Exchanger, minerals, catholytes, electro-osmosis; nothing is tolerated: the same numbers go
    through the same operations."""
    compare(salt_case(tmp_path), backend, *ORE)


@pytest.mark.slow
@pytest.mark.parametrize("name, overrides", [
    ("Heun", (*ORE, "schedule.order=2")),
    ("pulses", (PULSE.format(20, 10), "schedule.pulses=resolved")),
    ("skipped voxels", (*ORE, "physics.skip=1e-3")),
    ("air and acid", (*ORE, 'electrodes.air={ species="CO2(aq)", saturation="0.014 mmol/l", '
                      'velocity="1e-4 m/s", area="1 m2" }',
                      'electrodes.conditioning={ pH=6.0, acid="SO4-2" }')),
    ("salt in the permeability", (*ORE, 'physics.medium={ salt={ "NH4+"=[["0 mol/l", 1], '
                                  '["0.1 mol/l", 0.5]] } }')),
    ("no current", (*ORE, "physics.potential=false")),
    ("rate laws", (*ORE, slow.SURFACE, slow.LIME)),
    ("osmosis by zeta", (*ORE, slow.ZETA, slow.NO_OSMOSIS)),
    ("both waters, clay, tensor", (*ORE, *slow.CARRIERS, "schedule.order=2")),
    ("all that is slow", (*ORE, *slow.SLOW, slow.STILL, slow.MEDIUM, "schedule.order=2"))])
def test_every_process_goes_on_as_it_was(tmp_path, backend, name, overrides):
    """Guesses of solvers, slow stores, the rock: whatever a step reads before it writes it."""
    compare(salt_case(tmp_path), backend, *overrides)


@pytest.mark.slow
def test_a_current_goes_on_from_its_level_and_unit_responses(tmp_path, backend):
    """Current control keeps levels and responses as starts of the next solution."""
    folder = salt_case(tmp_path)
    file = folder / "case.toml"
    file.write_text(file.read_text().replace(*CURRENT))
    compare(folder, backend, *ORE)


def test_checkpoints_change_no_step_and_two_are_kept(tmp_path):
    """Due every 7 min of simulated time, no mark of the steps of 10 min; every step has one."""
    folder = salt_case(tmp_path)
    with_them = Case.read(folder, (*SHORT, "output.checkpoint=7 min"))
    Simulation(with_them, quick_backend()).run(folder / "a", quiet=True)
    Simulation(Case.read(folder, SHORT), quick_backend()).run(folder / "b", quiet=True)
    assert_equal_results(folder / "a", folder / "b")
    found = [checkpoints.Checkpoint(path, checkpoints.checkpoint_file.facts_of(path)).time
             for path in checkpoints.files(folder / "a")]
    assert len(found) == 2 and found[-1] == 1800.0 and not checkpoints.files(folder / "b")


def test_a_finished_run_goes_on_where_its_case_is_longer(tmp_path):
    """One row for every 10 min, none twice: the series counts on from its last."""
    folder = salt_case(tmp_path)
    options = (*SHORT, "output.checkpoint=20 min")
    Simulation(Case.read(folder, options), quick_backend()).run(folder / "out", quiet=True)
    longer = Case.read(folder, (*options, "schedule.stage.0.duration=50 min"))
    resumed = checkpoints.newest(folder / "out", pytest.fail)
    results = Simulation(longer, quick_backend()).run(
        folder / "out", quiet=True, control=Control(resumed=resumed))
    assert [round(60 * t) for t in results.series["time"]] == [*range(0, 60, 10)]
    assert [round(t / 60) for t in results.times] == [0, 15, 30, 45, 50]
    assert results.status["state"] == "done"


def test_a_file_of_each_process_goes_on(tmp_path):
    """output.mode = "per-rank": the files of the boxes and the image of all of them."""
    compare(salt_case(tmp_path), quick_backend(), "output.mode=per-rank")


@pytest.mark.slow
def test_floating_metal_goes_on_as_it_split_water(tmp_path, backend):
    """Its place is found from where it was, by iteration."""
    compare(salt_case(tmp_path), backend, "schedule.stage.0.floating=['middle']",
            "schedule.stage.0.voltage=60 V")
