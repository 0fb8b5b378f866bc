"""Elliptic solver on two ranks of one thread against one rank of two threads.

    python scripts/benchmarks/bench_ranks.py [--cells 96] [--repeats 7] [--ranks 2]

Wall time of an iteration of the solver on a random medium, best of several runs in turn, and the
messages, bytes and reductions of an iteration, counted by the program. On a machine that does other
things at the same time the figures say little.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces
from ekm3d.parallel.mpi_domain import domain_of
from ekm3d.parallel.team import join
from ekm3d.solvers.elliptic import EllipticSolver


def medium(whole, domain):
    """Return (face, b, f) of this rank: faces over two decades, a coupling in a thousand."""
    rng = np.random.default_rng(30817)
    face, b, f = np.zeros((3, *whole.padded)), *np.zeros((2, *whole.padded))
    inside = np.zeros(whole.padded, bool)
    inside[whole.inner] = True
    for axis in range(3):
        view = faces(face[axis], axis)
        index = [slice(None)] * 3
        index[axis] = slice(1, -1)
        view[tuple(index)] = 10.0 ** rng.uniform(-1, 1, view[tuple(index)].shape)
    b[whole.inner] = rng.random(whole.shape) < 1e-3
    f[whole.inner] = rng.normal(size=whole.shape)
    part = tuple(slice(n, n + m + 2 * GHOST) for n, m in zip(domain.start, domain.grid.shape,
                                                                   strict=True))
    return [np.ascontiguousarray(a[(..., *part)]) for a in (face, b, f)]


def measure(cells, solves):
    """Print seconds per iteration and counts per iteration of this rank."""
    team, backend = join(), choose_backend("cpp")
    whole = Grid((cells,) * 3, (0.1,) * 3)
    domain = domain_of(whole, backend, team.comm)
    *operator, f = medium(whole, domain)
    solver, x = EllipticSolver(domain.grid, backend, domain, 1e-10), np.zeros(domain.grid.padded)
    solver.solve(*operator, f, x)
    best, before = np.inf, dict(vars(domain.counters))
    for _ in range(solves):
        x[...] = 0.0
        begun = time.perf_counter()
        solver.solve(*operator, f, x, reuse=True)
        best = min(best, (time.perf_counter() - begun) / solver.iterations)
    each = {name: (count - before[name]) / solves / solver.iterations
            for name, count in vars(domain.counters).items()}
    if team.is_root:
        print(json.dumps({"seconds": best, "iterations": solver.iterations, **each}))


def launched(ranks, threads, cells):
    """Return the output of `measure` in processes of their own."""
    command = [sys.executable, __file__, "--measure", "--cells", str(cells)]
    if ranks > 1:
        command = ["mpiexec", "-n", str(ranks), *command]
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1", "PATH": path}
    return json.loads(subprocess.run(command, env=env, capture_output=True, text=True,
                                     check=True).stdout)


def main():
    """Print one line for both setups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="run as one of the ranks")
    options = parser.parse_args()
    if options.measure:
        return measure(options.cells, 3)
    setups = {f"1 process, {options.ranks} threads": (1, options.ranks),
              f"{options.ranks} processes, 1 thread": (options.ranks, 1)}
    results = {name: [launched(*setup, options.cells) for _ in range(options.repeats)]
               for name, setup in setups.items()}
    for name, runs in results.items():
        best = min(runs, key=lambda run: run["seconds"])
        print(f"{name}: {best['seconds'] * 1e3:.2f} ms per iteration of {best['iterations']:.0f}; "
              f"{best['messages']:.0f} messages, {best['bytes'] / 1e6:.2f} MB, "
              f"{best['reductions']:.1f} reductions each")


if __name__ == "__main__":
    main()
