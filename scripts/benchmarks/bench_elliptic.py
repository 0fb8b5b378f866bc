"""Speed of the elliptic solver: unknowns per second, beside memory bandwidth and other programs.

    python scripts/benchmarks/bench_elliptic.py 64 96 128 [--threads 1 2] [--pfmg PROGRAM]
                                                          [--probe PROGRAM]

Problem: N^3 voxels of log-normal conductivity (standard deviation 1.5 of the logarithm,
correlated over 4 voxels), 15 vertical wells in three rows at -1, +1 and -1 V, closed sides; from
zero to a residual of 1e-8 of the source, set-up included (cold), and again after every
conductivity has changed by some per cent, from the last solution (warm).

Bandwidth is that of a triad, a = b + s c, measured in between; `header` is the time of the
7-point operator written with the macros of kernels/ekm.cuh over that of the same loops in plain
C++. Other programs are called as PROGRAM N FILE ... on the same problem (float64: conductivity,
mask of the wells, their voltage) and print {"MDOFs_total": ..., "its": ...}. One thread is timed
by process time, several by wall time: best of --repeats.
"""

import argparse
import ctypes
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp_compiler import FLAGS, compile_library, find_compiler
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import EllipticSolver, apply_operator

LARGEST = 256       # voxels along an edge of a random field; larger ones repeat it
PLAIN = r"""
extern "C" void triad(long n, double s, const double* b, const double* c, double* a)
{
    #pragma omp parallel for simd schedule(static)
    for (long i = 0; i < n; i++) a[i] = b[i] + s * c[i];
}

extern "C" void plain(int nx, int ny, int nz, const double* __restrict__ face,
                      const double* __restrict__ b, const double* __restrict__ x,
                      double* __restrict__ y)
{
    const long sy = nx + 4, sz = sy * (ny + 4), all = sz * (nz + 4);
    const double *az = face, *ay = face + all, *ax = face + 2 * all;
    #pragma omp parallel for collapse(2) schedule(static)
    for (int k = 0; k < nz; k++)
        for (int j = 0; j < ny; j++)
            #pragma omp simd
            for (int i = 0; i < nx; i++) {
                const long c = (k + 2) * sz + (j + 2) * sy + i + 2;
                y[c] = b[c] * x[c]
                     + ax[c] * (x[c] - x[c + 1]) + ax[c - 1] * (x[c] - x[c - 1])
                     + ay[c] * (x[c] - x[c + sy]) + ay[c - sy] * (x[c] - x[c - sy])
                     + az[c] * (x[c] - x[c + sz]) + az[c - sz] * (x[c] - x[c - sz]);
            }
}
"""


def conductivity(n, seed=7):
    """Return a log-normal conductivity [S/m] (n, n, n) and a second field to change it by [1]."""
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(n)
    kz, ky, kx = np.meshgrid(k, k, np.fft.rfftfreq(n), indexing="ij", sparse=True)
    smear = np.exp(-2 * (np.pi * 4.0)**2 * (kx**2 + ky**2 + kz**2))
    fields = []
    for _ in range(2):
        field = np.fft.irfftn(np.fft.rfftn(rng.standard_normal((n, n, n))) * smear, s=(n, n, n),
                               axes=(0, 1, 2))
        fields.append((field - field.mean()) / field.std())
    return 0.05 * np.exp(1.5 * fields[0]), fields[1]


def wells(n):
    """Return (mask, volts): 5 wells in each of three rows, three quarters of the height."""
    mask, volts = np.zeros((n, n, n), bool), np.zeros((n, n, n))
    for i, level in ((n // 6, -1.0), (n // 2, 1.0), (5 * n // 6, -1.0)):
        for j in np.linspace(n // 8, n - 1 - n // 8, 5).astype(int):
            mask[:3 * n // 4, j, i], volts[:3 * n // 4, j, i] = True, level
    return mask, volts


def equations(grid, sigma, mask, volts, zeros=np.zeros):
    """Return face (3, padded), b, f: harmonic means; voxels of wells are no unknowns.

    zeros: of the device that holds the other arrays.
    """
    face, b, f = zeros((3, *grid.padded)), zeros(grid.padded), zeros(grid.padded)
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        low, high = tuple(low), tuple(high)
        g = 2 * sigma[low] * sigma[high] / (sigma[low] + sigma[high])
        face[axis][grid.inner][low] = g * ~(mask[low] | mask[high])
        for here, neighbour in ((low, high), (high, low)):
            coupling = g * (~mask[here] & mask[neighbour])
            b[grid.inner][here] += coupling
            f[grid.inner][here] += coupling * volts[neighbour]
    return face, b, f


def best(clock, repeats, call):
    """Return the least time of several calls [s], and the result of the last one."""
    times = []
    for _ in range(repeats):
        start = clock()
        result = call()
        times.append(clock() - start)
    return min(times), result


def plain_library(folder):
    """Return the library of the loops of PLAIN, compiled as kernels are."""
    path = Path(folder) / "plain.so"
    compile_library(find_compiler()[0], FLAGS, PLAIN, path)
    return ctypes.CDLL(str(path))


def bandwidth(library, clock, repeats):
    """Return the bandwidth of a triad over 3 x 240 MB [GB/s]; its writes count once."""
    n = 30_000_000
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    pointers = [ctypes.c_void_p(v.ctypes.data) for v in (b, c, a)]
    seconds, _ = best(clock, repeats + 1, lambda: library.triad(
        ctypes.c_long(n), ctypes.c_double(3.0), *pointers))
    return 24e-9 * n / seconds


def header_cost(library, backend, grid, arrays, clock, repeats):
    """Return the time of the shared-source operator over the plain one's, measured in turns."""
    x = np.random.default_rng(3).normal(size=grid.padded)
    y = np.zeros((2, *grid.padded))
    shared = backend.prepare(backend.bind(apply_operator), grid, *arrays, x, y[0])
    pointers = [ctypes.c_void_p(v.ctypes.data) for v in (*arrays, x, y[1])]
    times = np.array([[best(clock, 1, call)[0] for call in (
        shared, lambda: library.plain(*grid.cells, *pointers))] for _ in range(5 * repeats)])
    assert np.allclose(y[0], y[1], rtol=1e-12, atol=1e-12)
    return times[:, 0].min() / times[:, 1].min()


def solve(grid, backend, arrays, changed, clock, repeats):
    """Return {cold, warm: (seconds, iterations)} of one thread count."""
    solver = EllipticSolver(grid, backend, Domain(grid, backend), tolerance=1e-8)

    def run(problem, x):
        solver.solve(*problem, x)
        return x

    run(arrays, np.zeros_like(arrays[1]))                        # compiles, touches memory
    seconds, x = best(clock, repeats, lambda: run(arrays, np.zeros_like(arrays[1])))
    cold = seconds, solver.iterations
    seconds, _ = best(clock, repeats, lambda: run(changed, x.copy()))
    return {"cold": cold, "warm": (seconds, solver.iterations)}


def peer(name, command):
    """Return the result that another program prints as one line of JSON."""
    process = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in process.stdout.splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        raise SystemExit(f"{name}: {' '.join(command)} failed:\n{process.stderr}")
    return json.loads(lines[-1])


def fields(n):
    """Return (conductivity, the same after a small change, mask and voltage of the wells)."""
    tiles = -(-n // LARGEST)                         # fields are periodic: large ones repeat
    sigma, other = conductivity(n // tiles)
    changed = sigma * np.exp(0.02 * other)
    return *(np.tile(field, (tiles,) * 3) for field in (sigma, changed)), *wells(n)


def problem(n):
    """Return grid, equations, equations after a small change, input of peers, number of unknowns.
    """
    grid = Grid((n, n, n), (1.0, 1.0, 1.0))
    sigma, changed, mask, volts = fields(n)
    return (grid, equations(grid, sigma, mask, volts), equations(grid, changed, mask, volts),
            np.concatenate([v.astype(float).ravel() for v in (sigma, mask, volts)]),
            int((~mask).sum()))


def problem_on(backend, n):
    """Return grid, equations, changed equations and number of unknowns, made on a device.

    On the host, 512^3 would take longer than all the solves.
    """
    grid = Grid((n, n, n), (1.0, 1.0, 1.0))
    *sigmas, mask, volts = fields(n)
    unknowns = int((~mask).sum())
    mask, volts = backend.from_numpy(mask), backend.from_numpy(volts)
    return (grid, *(equations(grid, backend.from_numpy(sigma), mask, volts, backend.zeros)
                    for sigma in sigmas), unknowns)


def peers(programs, n, raw, threads, repeats):
    """Return {name: result} of the other programs that are given."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    commands = {"pfmg": ["mpirun", "--allow-run-as-root", "--bind-to", "none", "-np", str(threads),
                         programs.get("pfmg"), str(n), str(raw), "0", "2", "3"],
                "probe": [programs.get("probe"), str(n), str(raw), "0.5", "1", "0.5", "2", "1",
                          str(repeats)]}
    return {name: peer(name, commands[name]) for name, path in programs.items() if path}


def measured(sizes, threads, backend, repeats, programs):
    """Yield one dictionary for every size and number of threads, with peers in the same run."""
    with tempfile.TemporaryDirectory() as folder:
        library, raw = plain_library(folder), Path(folder) / "problem.raw"
        for n in sizes:
            grid, arrays, changed, numbers, unknowns = problem(n)
            numbers.tofile(raw)
            for count in threads:
                clock = time.process_time if count == 1 else time.perf_counter
                with threadpool_limits(count):
                    triad = bandwidth(library, clock, repeats)
                    header = header_cost(library, backend, grid, arrays[:2], clock, repeats)
                    results = solve(grid, backend, arrays, changed, clock, repeats)
                yield {"n": n, "threads": count, "triad": triad, "header": header, **{
                    start: (1e-6 * unknowns / s, s, its) for start, (s, its) in results.items()},
                    "peers": peers(programs, n, raw, count, repeats)}


def main():
    """Print one line for every size and number of threads."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("sizes", nargs="*", type=int, default=[64, 96, 128])
    parse.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parse.add_argument("--repeats", type=int, default=5)
    parse.add_argument("--backend", default="cpp")
    parse.add_argument("--pfmg", help="hypre's PFMG with conjugate gradients, an MPI program")
    parse.add_argument("--probe", help="another multigrid program")
    options = parse.parse_args()
    for row in measured(options.sizes, options.threads, choose_backend(options.backend),
                        options.repeats, {"pfmg": options.pfmg, "probe": options.probe}):
        print(f"{row['n']}^3, {row['threads']} thread(s), load {os.getloadavg()[0]:.1f}: "
              + ", ".join(f"{start} {s:.3f} s, {its} iterations, {rate:.2f} MDOF/s"
                          for start in ("cold", "warm") for rate, s, its in [row[start]])
              + f"; triad {row['triad']:.1f} GB/s, which moves "
              f"{row['triad'] / row['cold'][0]:.2f} kB per unknown meanwhile; header "
              f"{row['header']:.2f}", flush=True)
        for name, theirs in row["peers"].items():
            print(f"    {name}: {theirs['MDOFs_total']:.2f} MDOF/s in {theirs['its']} iterations; "
                  f"cold / {name} = {row['cold'][0] / theirs['MDOFs_total']:.2f}", flush=True)


if __name__ == "__main__":
    main()
