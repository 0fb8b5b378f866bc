"""Runs by many processes: the same to the last bit as by one, and over as soon as one of them ends.

Compared are the files that users read; `lockstep` compares every array of every step.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import mpi
from helpers.hill import FAR_AIR, hill_case
from helpers.rain_block import rain_case
from helpers.rank_comparison import FIELD, assert_same_steps, compare
from helpers.rod_cases import SUPPLIES, rod_case
from helpers.salt_block import ORE, salt_case

from ekm3d.resources import case_path

BOTH_WATERS = (
    "grid.spacing=['12 cm', '9 cm', '10 cm']", "ore.immobile={share=0.4, rate='1e-6 1/s'}",
    "ore.tortuosity=[0.6, 0.4, 0.2]", "ore.surface_mobility=0.02",
    "ore.permeability=['3e-7 m/s', '2e-7 m/s', '1e-7 m/s']", "ore.dispersivity='5 cm'",
    "ore.transverse_dispersivity='1 cm'")


@pytest.mark.parametrize("backend", [pytest.param("numpy", marks=pytest.mark.slow), "cpp"])
def test_the_coarse_field_case_on_3_processes(tmp_path, backend):
    """8 x 6 x 8 voxels, both stages, electrodes, wells and sampling points on every border."""
    compare(tmp_path, case_path("field_saturated"), (3,), FIELD, "--backend", backend)


@pytest.mark.slow
def test_the_electrode_rows_of_d4_on_4_processes(tmp_path):
    """The reference solution of the potential between rows: solver, contacts and probes alone."""
    compare(tmp_path, case_path("verification/d4_electrode_rows"), (4,), (), "--backend", "cpp")


def test_one_file_of_each_process_holds_the_same(tmp_path):
    """output.mode = "per-rank", and the boxes' files that fields.vtkhdf is put together from."""
    case = salt_case(tmp_path)
    compare(tmp_path, case, (2,), ("output.mode=per-rank", "schedule.stage.0.duration=20 min",
                                   "output.snapshot_every=10 min"), "--backend", "numpy")
    assert len(list((tmp_path / "2" / "fields").iterdir())) == 2
    assert len(list((tmp_path / "1" / "fields").iterdir())) == 1


def test_every_array_of_every_step_is_the_same_in_blocks_of_every_kind(tmp_path):
    """Eight cases in one start of three processes; by other backends and numbers in the slow suite.

    Exchange, minerals, wells, an idle row; both waters, clay, directions and a tensor; a column
    with rates, cut across x; boxes of one layer, thinner than the ghosts are deep; rain on
    unsaturated ore; a box that is all air; rods with supplies; the first equilibria from those of
    representative voxels. That last one with the flags of production, which its kernels have in
    other tests, too; each other number of species would take 15 s to compile with them.
    """
    folders = [tmp_path / name for name in ("rain", "rods")]
    for folder in folders:
        folder.mkdir()
    salt = salt_case(tmp_path)
    assert_same_steps(
        3, ("quick", 3, salt, *ORE), ("quick", 2, salt, *ORE, *BOTH_WATERS),
        ("quick", 2, case_path("verification/slow_dissolution")),
        ("quick", 2, salt, "grid.spacing=['12 cm', '15 cm', '20 cm']"),
        ("quick", 2, rain_case(folders[0])), ("quick", 2, hill_case(tmp_path, *FAR_AIR)),
        ("quick", 2, rod_case(folders[1], True), *ORE, SUPPLIES),
        ("cpp", 1, case_path("field_saturated"), "grid.spacing=12.5 cm"))


def test_the_cuda_backend_takes_the_same_steps_on_two_processes(tmp_path):
    """On the stand-in for CuPy, whose copies come late and whose threads come in any order: the
    bits of one process, and cpp's results but for rounding. Ghosts go by way of the host."""
    assert_same_steps(2, ("stand-in", 2, salt_case(tmp_path), *ORE))


@pytest.mark.slow
def test_the_cuda_backend_takes_the_same_steps_on_three_processes(tmp_path):
    """Rows of electrodes, wells, both waters, clay, and a tensor whose cross terms read edges; rods
    with supplies; rain on unsaturated ore; the field block."""
    folders = [tmp_path / name for name in ("rain", "rods")]
    for folder in folders:
        folder.mkdir()
    salt = salt_case(tmp_path)
    assert_same_steps(3, ("stand-in", 2, salt, *ORE, *BOTH_WATERS),
                      ("stand-in", 2, rain_case(folders[0])),
                      ("stand-in", 2, rod_case(folders[1], True), *ORE, SUPPLIES),
                      ("stand-in", 2, case_path("field_saturated"), "grid.spacing=25 cm"))


@pytest.mark.slow
@pytest.mark.parametrize("backend, count", [("numpy", 3), ("numpy", 8), ("cpp", 4), ("cpp", 8)])
def test_every_array_of_every_step_is_the_same(tmp_path, backend, count):
    """Exchange, minerals, wells, an idle row: 72 voxels, in boxes of 9 if eight."""
    assert_same_steps(count, (backend, 4, salt_case(tmp_path), *ORE))


@pytest.mark.slow
def test_both_waters_directions_and_a_tensor_of_dispersion(tmp_path):
    """Ions in immobile water and on clay, rock with three values, cross terms that read edges."""
    assert_same_steps(4, ("numpy", 3, salt_case(tmp_path), *ORE, *BOTH_WATERS))


@pytest.mark.slow
@pytest.mark.parametrize("backend, case, steps", [
    ("numpy", "slow_dissolution", 3), ("cpp", "osmosis", 2), ("numpy", "dual_porosity", 3),
    ("cpp", "e_electrolysis_fronts", 3)])
def test_columns_with_sides_rates_and_immobile_water(backend, case, steps):
    """100 x 1 x 1 voxels and the like, which three processes cut across x."""
    assert_same_steps(3, (backend, steps, case_path(f"verification/{case}")))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [271, 828, 1845, 9045])
def test_odd_shapes_in_any_number_of_boxes(tmp_path, seed):
    """The salt block on a grid at random, 5 to 12 by 3 or 5 by 4 to 8, in 2 to 6 boxes.

    Electrodes and wells cross the borders; a box of one layer is thinner than the ghosts are deep.
    """
    rng = np.random.default_rng(seed)
    spacing = [f'"{rng.choice(some)} cm"' for some in ((12, 10, 6, 5), (15, 9), (20, 16, 10))]
    count = int(rng.integers(2, 7))
    assert_same_steps(count, ("numpy", 2, salt_case(tmp_path),
                              f"grid.spacing=[{', '.join(spacing)}]"))


def test_too_many_processes_for_a_grid_are_told_how_many_can_be(tmp_path):
    """2 x 1 x 1 voxels in 3 boxes: refused, by one process, with exit code 2."""
    code, out, errors = mpi.ekm3d(3, "run", case_path("verification/osmosis"), "--out",
                                  tmp_path / "out", "-o", "grid.spacing=0.5 m")
    assert (code, out) == (2, "") and not (tmp_path / "out").exists()
    assert errors.count("cannot be cut into 3 boxes") == 1 and "start 2 processes" in errors


def wait_until(reached):
    """Return once reached() is true; fail after a time that no busy machine needs."""
    begun = time.monotonic()
    while not reached():
        assert time.monotonic() - begun < mpi.PATIENCE
        time.sleep(0.1)


def children(pid):
    """Numbers of a process's children and theirs."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [n for child in listed for n in (int(child), *children(int(child)))]


def test_killing_one_process_ends_the_run(tmp_path):
    """kill -9 in mid-run: the launcher ends, with an error, and so do all other processes."""
    case, status = salt_case(tmp_path), tmp_path / "out" / "status.json"
    job = mpi.start(2, "-m", "ekm3d", "run", case, "--out", tmp_path / "out", "--backend",
                      "numpy", "-o", "schedule.stage.0.duration=2000 h")
    wait_until(lambda: job.poll() is not None or status.exists()
               and json.loads(status.read_text())["step"] > 2)
    assert job.poll() is None
    workers = [n for n in children(job.pid)
               if b"ekm3d" in Path(f"/proc/{n}/cmdline").read_bytes().split(b"\0")]
    os.kill(workers[-1], signal.SIGKILL)
    try:
        job.communicate(timeout=mpi.PATIENCE)
    except subprocess.TimeoutExpired:
        job.kill()
        pytest.fail("the run goes on without one of its processes")
    assert job.returncode != 0
    wait_until(lambda: not any(Path(f"/proc/{n}").exists() for n in workers))


def test_a_failure_in_one_box_ends_all_with_one_message(tmp_path):
    """A voxel without equilibrium, in one process's box: all stop together and say it once.

    The status file, which another process writes, holds the reason.
    """
    text = f"""
import sys
import numpy as np
from ekm3d.cli.main import main
from ekm3d.chemistry.equilibrium import ChemistryError, EquilibriumSolver
solve = EquilibriumSolver.solve
def broken(self, cells, where, elapsed):
    from mpi4py import MPI
    if MPI.COMM_WORLD.rank == 1 and elapsed:
        raise ChemistryError("no equilibrium", ["Na"], np.array([where[0]]), np.ones((1, 1)))
    return solve(self, cells, where, elapsed)
EquilibriumSolver.solve = broken
sys.exit(main(["run", {str(salt_case(tmp_path))!r}, "--quiet", "--backend", "numpy"]))
"""
    code, out, errors = mpi.script(2, text)
    assert (code, out) == (3, "") and errors.count("the run failed: no equilibrium in 1 voxel") == 1
    status = json.loads((tmp_path / "case" / "out" / "status.json").read_text())
    assert status["state"] == "failed" and "no equilibrium" in status["reason"]
