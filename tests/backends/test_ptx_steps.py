"""Steps with the kernels as NVRTC compiles them, and every access to memory looked at."""

import numpy as np
import pytest
from helpers.elliptic_problems import conductances, couplings
from helpers.salt_block import ORE, salt_case
from helpers.slow_options import MEDIUM, SLOW, STILL

from ekm3d.backends import choose
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.case.case import Case
from ekm3d.grid.grid import Grid
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.domain import Domain
from ekm3d.resources import case_path
from ekm3d.solvers.elliptic import EllipticSolver

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_nvrtc")]
RUNS = {"salt": (), "slow": (*ORE, *SLOW, STILL, MEDIUM), "second order": (
    *ORE, "schedule.order=2")}


def simulations(monkeypatch, case, watch):
    """The same case on the host's compiler and on PTX, and the module that counts its launches."""
    from helpers.ptx_modules import OnPtx
    module = OnPtx(watch)
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, module))
    return Simulation(case, "cpp"), Simulation(case, "cuda"), module


def compare(one, other, steps):
    """As on a GPU: fused products end a solver elsewhere, within its tolerance; 1e-9 of the largest
    value."""
    for _ in range(steps):
        assert abs(one.step() / other.step() - 1) < 1e-9
    apart = {"kinetic_minerals", "slow_sites", "immobile"} & one.state.fields.keys()
    for name in ("totals", "c", "exchanged", "solid", *apart, "phi", "head", "catholyte_totals",
                 "plate_totals", "leachate", "electrode_acid"):
        mine, theirs = getattr(one.state, name), other.backend.to_numpy(getattr(other.state, name))
        assert np.abs(mine - theirs).max(initial=0.0) <= 1e-9 * np.abs(mine).max(initial=0.0), name
    assert other.balances.mass_errors().max() < 1e-13


@pytest.mark.parametrize("run", RUNS)
def test_a_block_takes_the_same_steps_on_ptx(monkeypatch, tmp_path, run):
    case = Case.read(salt_case(tmp_path), RUNS[run])
    *pair, module = simulations(monkeypatch, case, watch=False)
    compare(*pair, steps=3)
    assert module.launches > 100


def test_the_field_block_takes_the_same_steps_on_ptx(monkeypatch):
    """Rows of electrodes, wells and all of the chemistry."""
    case = Case.read(case_path("field_saturated"), ("grid.spacing=25 cm",))
    *pair, _ = simulations(monkeypatch, case, watch=False)
    compare(*pair, steps=3)


def test_no_kernel_of_a_step_races_or_leaves_its_arrays(monkeypatch):
    """The coarse field block, order 2: every kernel, with blocks and threads in random order.

    A fault raises PtxFault. Launches of a graph are made one by one here, too.
    """
    case = Case.read(case_path("field_saturated"), (
        "grid.spacing=['25 cm', '50 cm', '50 cm']", "schedule.order=2"))
    *pair, module = simulations(monkeypatch, case, watch=True)
    compare(*pair, steps=2)
    assert module.launches > 200


def test_multigrid_solves_on_ptx(needs_nvrtc, rng):
    """Several levels, the small ones within one block with barriers; each access looked at."""
    from helpers.ptx_modules import OnPtx
    grid = Grid((37, 12, 9), (0.1, 0.1, 0.2))
    a, _ = conductances(rng, grid, 100.0)
    b, f = couplings(rng, grid, 0.1), np.zeros(grid.padded)
    f[grid.inner] = rng.normal(size=grid.shape)
    found = []
    for backend in (choose_backend("numpy"), CudaBackend("test", OnPtx(watch=True))):
        solver, x = EllipticSolver(grid, backend, Domain(grid, backend), 1e-10), backend.zeros(
            grid.padded)
        solver.solve(*map(backend.from_numpy, (a, b, f)), x)
        found.append((backend.to_numpy(x), solver.iterations))
    (here, count), (there, other) = found
    assert abs(count - other) <= 1
    np.testing.assert_allclose(there, here, atol=1e-8 * np.abs(here).max())
