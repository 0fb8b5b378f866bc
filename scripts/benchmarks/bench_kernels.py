"""Share of the memory bandwidth that every kernel reaches, called as real steps call it.

Steps of the field block and a solve of bench_elliptic's problem are watched: of every kernel the
call with the most bytes is kept and then repeated with the very same arguments. Bytes are
compulsory ones: every array of the call once, whatever the cache keeps and however often a
neighbour is read again. So a share of the bandwidth above 1 is the cache's (small arrays), one far
below 1 belongs to a kernel that computes or to one that reads voxels again and again.
"""

import bench_transport
import numpy as np
from bench_elliptic import problem, solve

from ekm3d.backends import choose
from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path, folder


def watched(kind):
    """Return a kind of backend whose `calls` hold {kernel: (bytes, operator, arguments)}."""

    class Watched(kind):

        def kernel(self, source, name, **constants):
            bound = super().kernel(source, name, **constants)
            if bound is not None:
                given = bound._arguments
                bound._arguments = lambda values: self.note(bound, values) or given(values)
            return bound

        def note(self, bound, values):
            """Keep the call if it is the largest of its kernel."""
            size = sum(v.nbytes for p, v in zip(bound.parameters, values, strict=True) if p.array)
            if size > self.calls.get(bound.__name__, (0,))[0]:
                self.calls[bound.__name__] = size, bound, values

    Watched.calls = {}
    return Watched


def calls(backend, spacing, n):
    """Return {kernel: (bytes, operator, arguments)} of a Watched backend.

    Three steps of the field block of `spacing` [cm] and two of second order on a coarse one, the
    last of each with all fluxes, and the elliptic problem of n^3 voxels.
    """
    def steps(count, *changes):
        case = Case.read(case_path("field_block"), changes)
        choose.BUILDERS["watched"] = lambda why: backend
        sim = Simulation(case, "watched")
        for _ in range(count - 1):
            sim.step()
        sim.transport.keep_flux()
        sim.step()

    grid, *equations, _, _ = problem(n)
    equations = [[backend.from_numpy(a) for a in arrays] for arrays in equations]
    solve(grid, backend, *equations, lambda: 0.0, 1)
    bench_transport.bound(backend, n // 2, "field")()
    steps(2, "grid.spacing=25 cm", "schedule.order=2")
    steps(3, f"grid.spacing={spacing:g} cm")
    return backend.calls


def table(backend, roof, least, spacing, n):
    """Yield lines of Markdown; roof [GB/s]; least(call): least seconds of some calls."""
    found = calls(backend, spacing, n)
    yield "| kernel | MB | ms | GB/s | share of the bandwidth |\n|---|---:|---:|---:|---:|"
    for name, (size, bound, values) in sorted(found.items(), key=lambda item: -item[1][0]):
        seconds = least(backend.prepare(bound, *values))
        rate = 1e-9 * size / seconds
        yield (f"| {name} | {1e-6 * size:.1f} | {1e3 * seconds:.3f} | {rate:.2f} | "
               f"{rate / roof:.2f} |")
    every = {name for path in sorted(folder("kernels").rglob("*.cu"))
             for name in kernel_names(path.read_text())}
    rest = sorted(every - set(found))
    if rest:
        yield f"\nNot called in these runs: {', '.join(rest)}."


def best_of(clock, repeats=7, shortest=2e-3):
    """Return a `least`, which times batches of calls that take at least `shortest` s."""
    def least(call):
        begun = clock()
        call()
        count = int(np.ceil(shortest / max(clock() - begun, 1e-7)))
        times = []
        for _ in range(repeats):
            begun = clock()
            for _ in range(count):
                call()
            times.append((clock() - begun) / count)
        return min(times)
    return least
