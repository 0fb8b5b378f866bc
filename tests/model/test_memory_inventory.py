"""Memory inventory: what a simulation keeps, each byte once, device and host told apart."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.salt_block import ORE, salt_case, simulation

from ekm3d import Case, Simulation
from ekm3d.backends import choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.grid.grid import Grid
from ekm3d.model.memory_inventory import device_bytes, inventory
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver


class Holder(SimpleNamespace):
    """Object of the package, as the inventory sees it."""


Holder.__module__ = "ekm3d.tests"


def holding(**parts):
    return Holder(backend=Holder(xp=np), **parts)


def found(sim):
    return {one.name: one.bytes for one in inventory(sim)}


def test_views_count_once_under_the_name_of_their_array():
    """1000 numbers, a view of 300, and a copy: 8000 and 2400 bytes."""
    whole = np.zeros(1000)
    sim = holding(part=whole[200:500], rate=Holder(whole=whole), other=whole[200:500].copy())
    assert found(sim) == {"rate.whole": 8000, "other": 2400}


def test_overlapping_views_count_what_is_new_in_each():
    """Numbers 0 to 600 and 400 to 1000 of an array that nobody else holds: 1000 in all."""
    whole = np.zeros(1000)
    assert sum(found(holding(a=whole[:600], b=whole[400:])).values()) == 8000
    assert sum(found(holding(a=whole[:300], b=whole[700:], c=whole[100:900])).values()) == 8000


def test_lists_and_what_calls_hold_are_looked_through():
    """A list of two, a dictionary and the closure of a function: 100 numbers each."""
    kept = np.zeros(100)
    sim = holding(pair=[np.zeros(100), np.zeros(100)], table={"x": np.zeros(100)},
                  call=lambda: kept)
    assert found(sim) == {"pair": 1600, "table": 800, "call": 800}


def test_every_state_array_and_solver_of_a_run_is_there(tmp_path):
    """By name, with the bytes that NumPy tells."""
    sim = simulation(salt_case(tmp_path))
    sim.step()
    names = found(sim)
    assert names["state.c"] == sim.state.c.nbytes and names["rock.cec"] == sim.rock.cec.nbytes
    assert names["transport.ore"] == sim.transport.ore.nbytes


def test_nothing_is_left_out(monkeypatch, tmp_path):
    """Bytes of the device's arrays that are alive after a step, as the stand-in counts them.

    The fields, the rock and what the solvers share have the same bytes on `numpy`.
    """
    gc.collect()
    before = cuda_stand_in.memory.now
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    case = Case.read(salt_case(tmp_path), ORE)
    sim = Simulation(case, "cuda")
    sim.step()
    gc.collect()
    alive = cuda_stand_in.memory.now - before
    assert device_bytes(sim) == pytest.approx(alive, rel=2e-3)
    other = Simulation(case, "numpy")
    other.step()
    names = {f"state.{name}" for name, field in sim.state.fields.items()
             if field.where == "voxels"} | {"rock.cec", "scratch.arrays", "transport.ore"}
    mine, theirs = ({one.name: one.bytes for one in inventory(run) if one.name in names}
                    for run in (sim, other))
    assert mine == theirs


def test_scratch_has_no_ghosts_and_minerals_no_memory(tmp_path):
    """After steps with every phase; minerals are the last unknowns, none inside electrodes."""
    sim = simulation(salt_case(tmp_path), *ORE)
    for _ in range(3):
        sim.step()
    assert len(sim.scratch.arrays) == 5
    for array in sim.scratch.arrays:
        array[sim.grid.inner] = 0.0
        assert not array.any()
    s = sim.state
    assert np.shares_memory(s.solid, s.warm_start) and len(s.solid) == len(sim.chem.minerals)
    assert s.solid[sim.grid.inner].any() and not s.solid[sim.grid.inner][:, ~sim.holds_ore].any()


def test_the_device_is_told_from_the_host():
    """On the stand-in the type tells; a solver's arrays are all on the device."""
    backend = CudaBackend("test", cuda_stand_in)
    grid = Grid((6, 5, 4), (1.0, 1.0, 1.0))
    sim = Holder(backend=backend, table=np.zeros(50),
                 solver=EllipticSolver(grid, backend, Domain(grid, backend)))
    told = {one.name: one.on_device for one in inventory(sim)}
    assert told["solver.r"] and told["solver.multigrid.finest.face"] and not told["table"]
    assert 3 * 8 * np.prod(grid.padded) < device_bytes(sim) < 200 * np.prod(grid.padded)
