"""Share of the memory bandwidth that every kernel reaches, called as real steps call it.

Steps of the field block and a solve of bench_elliptic's problem are watched: of every kernel the
call with the most bytes is kept, the last one of several, and then repeated with the very same
arguments; the arrays of Newton's method, which would have converged, are restored before each call.
Bytes are compulsory ones: every array of the call once, whatever the cache keeps and however often
a neighbour is read again. So a share of the bandwidth above 1 is the cache's (small arrays), one
far below 1 belongs to a kernel that computes or to one that reads voxels again and again.
"""

import bench_transport
import numpy as np
from bench_elliptic import problem, solve

from ekm3d.backends import choose
from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path, folder

RESTORED = {"newton"}                # kernels whose effort depends on what they left behind


def watched(kind):
    """Return a kind of backend whose `calls` hold what `calls` returns."""

    class Watched(kind):

        def kernel(self, source, name, **constants):
            bound = super().kernel(source, name, **constants)
            if bound is not None:
                given = bound._arguments
                bound._arguments = lambda values: self.note(bound, values) or given(values)
            return bound

        def note(self, bound, values):
            """Keep the call if none of its kernel is larger, and the arrays of RESTORED ones."""
            size = sum(v.nbytes for p, v in zip(bound.parameters, values, strict=True) if p.array)
            name = bound.__name__
            if size >= self.calls.get(name, (0,))[0]:
                arrays = [v for p, v in zip(bound.parameters, values, strict=True)
                          if p.array and not p.table] if name in RESTORED else []
                self.calls[name] = size, bound, values, [(v, v.copy()) for v in arrays]

    Watched.calls = {}
    return Watched


def calls(backend, spacing, n):
    """Return {kernel: (bytes, operator, arguments, [(array, its values)])} of a Watched backend.

    Values are kept of RESTORED kernels alone.

    Three steps of the field block of `spacing` [cm]; on a coarse one two of second order, two of
    unsaturated ore and two of immobile water, clay and a tensor of dispersion, the last of each
    with all fluxes; and the elliptic problem of n^3 voxels.
    """
    def steps(count, *changes):
        case = Case.read(case_path("field_saturated"), changes)
        choose.BUILDERS["watched"] = lambda why: backend
        sim = Simulation(case, "watched")
        for _ in range(count - 1):
            sim.step()
        sim.transport.keep_flux()
        sim.step()

    grid, *equations, _, _ = problem(n)
    equations = [[backend.from_numpy(a) for a in arrays] for arrays in equations]
    own = backend.sweeps_levels
    for backend.sweeps_levels in {False, own}:              # the single steps, which a GPU takes
        solve(grid, backend, *equations, lambda: 0.0, 1)
    backend.sweeps_levels = own
    bench_transport.bound(backend, n // 2, "field")()
    steps(2, "grid.spacing=25 cm", "schedule.order=2")
    steps(2, "grid.spacing=25 cm", "physics.unsaturated=true")
    steps(2, "grid.spacing=25 cm", "ore.transverse_dispersivity=5 mm", "ore.surface_mobility=0.01",
          "ore.immobile.share=0.3", "ore.immobile.rate=1e-6 1/s")
    steps(3, f"grid.spacing={spacing:g} cm")
    return backend.calls


def measured(backend, least, spacing, n):
    """Yield (kernel, bytes, least seconds), the most bytes first; least: of best_of."""
    found = calls(backend, spacing, n)
    for name, (size, bound, values, kept) in sorted(found.items(), key=lambda item: -item[1][0]):
        def restore(kept=kept):
            for array, values in kept:
                array[...] = values
        call = backend.prepare(bound, *values)
        yield name, size, least(call, restore) if kept else least(call)


def table(backend, roof, least, spacing, n):
    """Yield lines of Markdown; roof [GB/s]; least(call): least seconds of some calls."""
    yield "| kernel | MB | ms | GB/s | share of the bandwidth |\n|---|---:|---:|---:|---:|"
    found = set()
    for name, size, seconds in measured(backend, least, spacing, n):
        rate = 1e-9 * size / seconds
        found.add(name)
        yield (f"| {name} | {1e-6 * size:.1f} | {1e3 * seconds:.3f} | {rate:.2f} | "
               f"{rate / roof:.2f} |")
    every = {name for path in sorted(folder("kernels").rglob("*.cu"))
             for name in kernel_names(path.read_text())}
    rest = sorted(every - found)
    if rest:
        yield f"\nNot called in these runs: {', '.join(rest)}."


def best_of(clock, repeats=7, shortest=2e-3):
    """Return a `least`, which times batches of calls that take at least `shortest` s.

    With `before`, which is called before every call and not timed, calls are timed one by one.
    """
    def least(call, before=None):
        if before:
            return min(alone(call, before) for _ in range(repeats))
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

    def alone(call, before):
        before()
        begun = clock()
        call()
        return clock() - begun
    return least
