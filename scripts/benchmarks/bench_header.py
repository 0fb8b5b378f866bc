"""Cost of the shared kernel text: component_gain beside the same algorithm written by hand.

    python scripts/benchmarks/bench_header.py [--sizes 32 64 96] [--threads 1] [--plain PROGRAM]

The "weak" problem of bench_transport.py, ns per voxel, species and step. plain_transport.cpp is
that part of component_gain which the problem needs, without kernels/ekm.cuh, compiled with the same
options; both give the same numbers to 1e-12, or the script exits. They take turns within one
process: the least of all turns, in process time on one thread, else in wall time. PROGRAM: see
there.
"""

import argparse
import ctypes
import tempfile
import time
from pathlib import Path

import bench_transport
import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp_compiler import FLAGS, compile_library, find_compiler
from ekm3d.physics.transport import component_gain

SECONDS = 6.0                           # of taking turns


def by_hand(folder, arguments):
    """Return the hand-written twin as a call without arguments, and the array that it writes."""
    grid, c, transport_factor, phi, _, pore_turnover, _, _, _, z, diffusion = arguments[:11]
    gained = np.zeros_like(arguments[-1])
    path = Path(folder) / "plain_transport.so"
    compile_library(find_compiler()[0], FLAGS,
                    Path(__file__).with_name("plain_transport.cpp").read_text(), path)
    function = ctypes.CDLL(str(path)).plain_gain
    function.restype = None
    arrays = [ctypes.c_void_p(a.ctypes.data) for a in
              (c, transport_factor, phi, pore_turnover, z, diffusion, gained)]
    counts = [*grid.cells, (grid.padded[0] - grid.cells[2]) // 2]
    return lambda: function(*counts, ctypes.c_double(0.25), len(c), *arrays), gained


def compare(n, threads):
    """Return (ns of the kernel, ns of the hand-written one)."""
    species, components = bench_transport.PROBLEMS["weak"]
    arguments = bench_transport.problem(n, "weak")
    backend = choose_backend("cpp")
    bound = backend.bind(component_gain, NS=species, NK=components, NF=1, NT=1)
    kernel = backend.prepare(bound, *arguments)
    clock = time.process_time if threads == 1 else time.perf_counter
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(threads):
        hand, gained = by_hand(folder, arguments)
        least = dict.fromkeys((kernel, hand), np.inf)
        kernel(), hand()
        wanted = arguments[-1]
        if not (abs(gained - wanted) <= 1e-12 * abs(wanted).max()).all():
            raise SystemExit("the hand-written program gives other numbers")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for call in least:
                begun = clock()
                call()
                least[call] = min(least[call], clock() - begun)
    return [1e9 * s / (species * n**3) for s in least.values()]


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--sizes", nargs="+", type=int, default=[32, 64, 96])
    parse.add_argument("--threads", nargs="+", type=int, default=[1])
    parse.add_argument("--plain", help="hand-written C++ of the weak problem, first-order upwind")
    given = parse.parse_args()
    print("| voxels | threads | kernel | by hand | kernel / by hand | first-order program |")
    print("|---|---|---|---|---|---|")
    for n in given.sizes:
        for threads in given.threads:
            kernel, hand = compare(n, threads)
            other = f"{bench_transport.plain(given.plain, n, threads):.2f}" if given.plain else "-"
            print(f"| {n}^3 | {threads} | {kernel:.2f} | {hand:.2f} | {kernel / hand:.2f} | "
                  f"{other} |", flush=True)


if __name__ == "__main__":
    main()
