"""Rules of CuPy that NumPy does not have, as a first GPU would have met them; on the stand-in."""

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.elliptic_problems import conductances

from ekm3d.backends import choose
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import CudaBackend, CudaGraph
from ekm3d.case.case import Case
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.domain import Domain
from ekm3d.resources import case_path
from ekm3d.solvers.elliptic import EllipticSolver


def test_a_solve_without_coupling_runs_on_the_device(cuda, rng):
    """Resolved pulses and idle stages end in such a solve: its mean is removed without `where`."""
    grid = Grid((6, 5, 4), (0.1, 0.1, 0.1))
    a, _ = conductances(rng, grid, 10.0)
    f = np.zeros(grid.padded)
    f[grid.inner] = rng.normal(size=grid.shape)
    zero = np.zeros(grid.padded)
    here, there = zero.copy(), cuda.zeros(grid.padded)
    EllipticSolver(grid, choose_backend("numpy"), Domain(grid), 1e-10).solve(a, zero, f, here)
    EllipticSolver(grid, cuda, Domain(grid, cuda), 1e-10).solve(
        *map(cuda.from_numpy, (a, zero, f)), there)
    np.testing.assert_allclose(cuda.to_numpy(there), here, atol=1e-9 * np.abs(here).max())


def test_copies_of_views_leave_the_stream_in_use(cuda):
    """CuPy's own `get` of such a view makes the default stream current."""
    view = cuda.zeros((4, 5, 6))[:, 1:3]
    for copy in (lambda: cuda.to_numpy(view),
                 lambda: cuda.copy_to_host_async(view, np.empty((4, 2, 6), np.float32))):
        copy()
        cuda.check_stream()
    view.get()
    with pytest.raises(BackendError, match="another CUDA stream has become current"):
        cuda.copies_done()
    cuda.stream.use()


def test_arrays_arrive_in_c_order(cuda, rng):
    array = rng.random((3, 4)).T
    assert cuda.from_numpy(array).flags.c_contiguous
    assert np.array_equal(cuda.to_numpy(cuda.from_numpy(array)), array)


def test_a_multigrid_cycle_is_one_graph(cuda, rng, monkeypatch):
    """One process has no ghosts to update: nothing stands between the launches of a cycle."""
    grid = Grid((40, 36, 33), (0.1, 0.1, 0.1))
    solver = EllipticSolver(grid, cuda, Domain(grid, cuda), 1e-10)
    a, _ = conductances(rng, grid, 10.0)
    b = np.zeros(grid.padded)
    b[grid.inner] = 1.0
    solver.solve(*map(cuda.from_numpy, (a, b, b)), cuda.zeros(grid.padded))
    calls, call = [], CudaGraph.__call__
    monkeypatch.setattr(CudaGraph, "__call__", lambda self: (calls.append(1), call(self)))
    solver.multigrid.apply()
    assert len(calls) <= 2, "the cycle, and the sum behind it"


def test_read_only_indices_are_copied_once_without_a_look_at_them(cuda):
    index = np.arange(5)
    index.setflags(write=False)
    assert cuda.cached(index) is cuda.cached(index)
    assert cuda.cached(index.copy()) is cuda.cached(index)             # by content


def test_launches_and_waits_of_a_step_are_few(monkeypatch):
    """Launches cost some microseconds each on a GPU, most of a step of 6 000 voxels; waits more.

    The field block's third step: 61 graphs for 14 iterations of both solvers, and 96 kernels that
    are launched one by one. Bounds leave room for a fifth more. Beside the solvers' the host waits
    for 9 copies: conductances of contacts, heads at wells, potential at contacts, flagged faces,
    rates with what passed contacts, voxels that did not converge, the tanks twice, net charge; and
    for the count of `flatnonzero`, of the voxels to be solved. Species at contacts do not cross.
    """
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    coarse = "grid.spacing=['25 cm', '50 cm', '50 cm']"
    sim = Simulation(Case.read(case_path("field_saturated"), [coarse]), "cuda")
    for _ in range(2):
        sim.step()
    graphs, single = [], []
    call, run = CudaGraph.__call__, cuda_stand_in.RawKernel.run
    inside = []

    def graph(self):
        graphs.append(1)
        inside.append(1)
        call(self)
        inside.pop()

    def kernel(self, *given):
        if not inside:
            single.append(self.name)
        run(self, *given)

    monkeypatch.setattr(CudaGraph, "__call__", graph)
    monkeypatch.setattr(cuda_stand_in.RawKernel, "run", kernel)
    waits, inside_solver, solve = [], [], EllipticSolver.solve
    get, flatnonzero = cuda_stand_in.ndarray.get, np.flatnonzero

    def solved(self, *given, **options):
        inside_solver.append(1)
        residual = solve(self, *given, **options)
        inside_solver.pop()
        return residual

    def wait(function):
        def call(array, *given, **options):
            if not inside_solver and isinstance(array, cuda_stand_in.ndarray):
                waits.append(function)
            return function(array, *given, **options)
        return call

    monkeypatch.setattr(EllipticSolver, "solve", solved)
    monkeypatch.setattr(cuda_stand_in.ndarray, "get", wait(get))
    monkeypatch.setattr(np, "flatnonzero", wait(flatnonzero))
    sim.step()
    assert 0 < len(waits) <= 10
    iterations = sim.potential.iterations + sim.flow.iterations
    assert 0 < len(graphs) <= 5 * iterations + 6
    assert len(single) <= 115
