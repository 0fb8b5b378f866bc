"""Speed of each part of a step on this machine, beside its memory, hand-written C++ and peers.

    python scripts/benchmarks/bench.py [--write] [--quick] [--plain PROGRAM] [--pfmg PROGRAM]

Bandwidth: a triad, a = b + s c, over 3 x 240 MB; written numbers count once.

Kernels: bench_kernels.py calls every kernel with the arguments of real steps; the size of every
array counts once.

Elliptic: the problem of bench_elliptic.py, from zero (cold) and from the last solution after a
small change (warm), set-up included, to a residual of 1e-8. "header": time of the 7-point operator
written with the macros of kernels/ekm.cuh over that of plain C++. PFMG is hypre's, with conjugate
gradients.

Transport: bench_transport.py; "weak" has hand-written C++ of the same problem, which is of first
order, beside it, and in "field" every limiter is active.

Chemistry: chemistry_speed.py, with the same field voxels for PHREEQC in the same run where phreeqpy
is installed.

Whole step: wall time of a step of the field block, after three steps.

One thread is timed by processor time, several by wall time, which means little on a machine with
other work; the best of some repetitions counts. --write puts the page into
cases/verification/benchmarks.md. On a GPU: scripts/benchmarks/gpu.py.
"""

import argparse
import datetime
import os
import platform
import tempfile
import time
from pathlib import Path

import bench_elliptic
import bench_kernels
import bench_transport
from threadpoolctl import threadpool_limits

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.output.provenance import checkout
from ekm3d.resources import case_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "cases" / "verification" / "benchmarks.md"
PARTS = (("potential", "solve"), ("flow", "solve"), ("transport", "prepare"),
         ("reactions", "advance"))


def clock(threads):
    """The process's for one thread, the wall's for several."""
    return time.process_time if threads == 1 else time.perf_counter


def bandwidth(threads):
    """GB/s of the triad."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(threads):
        return bench_elliptic.bandwidth(bench_elliptic.plain_library(folder), clock(threads), 5)


def watched_step(sim):
    """({part: seconds so far}, step): the step, with its parts timed."""
    spent = dict.fromkeys((part for part, _ in PARTS), 0.0)

    def timed(part, call):
        def run(*given):
            begun = time.perf_counter()
            answer = call(*given)
            spent[part] += time.perf_counter() - begun
            return answer
        return run

    for part, verb in PARTS:
        module = getattr(sim, part)
        setattr(module, verb, timed(part, getattr(module, verb)))
    return spent, sim.step


def whole_step(spacing, backend, threads, steps):
    """Wall seconds per step, and of these in each part."""
    case = Case.read(case_path("field_saturated"), [f"grid.spacing={spacing:g} cm"])
    sim = Simulation(case, backend.name)
    with threadpool_limits(threads, "openmp"), threadpool_limits(1, "blas"):
        for _ in range(3):
            sim.step()
        spent, step = watched_step(sim)
        begun = time.perf_counter()
        for _ in range(steps):
            step()
        return [(time.perf_counter() - begun) / steps, *(s / steps for s in spent.values())]


def kernels(given, roofs):
    """Every kernel, on one thread."""
    with threadpool_limits(1):
        yield from bench_kernels.table(
            bench_kernels.watched(CppBackend)("benchmark"), roofs[1],
            bench_kernels.best_of(time.process_time), given.kernel_spacing, given.kernel_size)


def elliptic(given):
    yield "| voxels | threads | cold, MDOF/s (iterations) | warm | header | PFMG | cold / PFMG |"
    yield "|---|---|---|---|---|---|---|"
    for row in bench_elliptic.measured(given.sizes, given.threads, choose_backend("cpp"), 3,
                                       {"pfmg": given.pfmg}):
        own = [f"{rate:.2f} ({its})" for rate, _, its in (row["cold"], row["warm"])]
        peer = row["peers"].get("pfmg")
        theirs = [f"{peer['MDOFs_total']:.2f} ({peer['its']})",
                  f"{row['cold'][0] / peer['MDOFs_total']:.2f}"] if peer else ["-", "-"]
        yield " | ".join([f"| {row['n']}^3", str(row["threads"]), *own, f"{row['header']:.2f}",
                          *theirs]) + " |"


def transport(given):
    yield "| voxels | problem | threads | numpy | cpp | hand-written | cpp / hand-written |"
    yield "|---|---|---|---|---|---|---|"
    for n in given.sizes[:2]:
        for name in bench_transport.PROBLEMS:
            slow = bench_transport.speed(n, name, choose_backend("numpy"), 1)
            for threads in given.threads:
                with threadpool_limits(threads):
                    own = bench_transport.speed(n, name, choose_backend("cpp"), threads)
                theirs = given.plain and name == "weak" and bench_transport.plain(
                    given.plain, n, threads)
                yield (f"| {n}^3 | {name} | {threads} | {slow:.1f} | {own:.2f} | "
                       + (f"{theirs:.2f} | {own / theirs:.2f} |" if theirs else "- | - |"))


def chemistry(given):
    try:
        import chemistry_speed
    except ImportError as error:
        yield f"Not measured: {error}."
        return
    with threadpool_limits(1):
        rows = chemistry_speed.measure(given.voxels)
    text = chemistry_speed.page(rows, given.voxels)
    yield text[text.index("| |"):].rstrip()


def steps(given):
    yield "| spacing | backend | threads | step, s | " + " | ".join(p for p, _ in PARTS) + " |"
    yield "|---|---|---|---|" + "---|" * len(PARTS)
    for spacing in given.spacing:
        rows = [("cpp", threads) for threads in given.threads]
        if spacing >= 5:
            rows.insert(0, ("numpy", 1))
        for name, threads in rows:
            found = whole_step(spacing, choose_backend(name), threads, 5 if spacing >= 5 else 2)
            yield f"| {spacing:g} cm | {name} | {threads} | " + " | ".join(
                f"{s:.4f}" for s in found) + " |"


def tables(given):
    """Lines of Markdown."""
    yield (f"{processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} when begun; "
           f"{datetime.date.today()}, commit {checkout()[0][:12]}; {choose_backend('cpp')}.\n")
    roofs = {}
    yield "| threads | triad, GB/s |\n|---|---|"
    for threads in {1: 0, **dict.fromkeys(given.threads)}:
        roofs[threads] = bandwidth(threads)
        yield f"| {threads} | {roofs[threads]:.1f} |"
    for title, part in (("Elliptic solver", lambda: elliptic(given)),
                        ("Transport, ns per voxel, species and step", lambda: transport(given)),
                        ("Chemistry, one thread", lambda: chemistry(given)),
                        ("Every kernel, one thread", lambda: kernels(given, roofs)),
                        ("Whole step of the field block, wall seconds", lambda: steps(given))):
        begun = time.monotonic()
        yield f"\n## {title}\n"
        yield from part()
        yield f"\nMeasured in {time.monotonic() - begun:.0f} s."


def processor():
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")),
                platform.machine())


def parser():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--sizes", nargs="+", type=int, default=[64, 96, 128], help="voxels an edge")
    parse.add_argument("--spacing", nargs="+", type=float, default=[10, 5, 2],
                       help="of the field block, cm")
    parse.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parse.add_argument("--voxels", type=int, default=6000, help="of the chemistry")
    parse.add_argument("--plain", help="hand-written transport (bench_transport.py)")
    parse.add_argument("--pfmg", help="hypre's PFMG (bench_elliptic.py)")
    parse.add_argument("--quick", action="store_true", help="small sizes: does it run?")
    parse.add_argument("--write", action="store_true")
    return parse


def smaller(given):
    """Sizes of --quick."""
    given.sizes, given.spacing, given.voxels = [16, 24], [25], 300
    given.kernel_spacing, given.kernel_size = 25, 16


def main():
    given = parser().parse_args()
    given.kernel_spacing, given.kernel_size = 2.5, 128
    if given.quick:
        smaller(given)
    lines = []
    for line in tables(given):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        text = "\n\n".join(__doc__.split("\n\n")[2:])
        head = ("# Speed\n\nWritten by `python scripts/benchmarks/bench.py --write`: one run, "
                "one machine.\n\n")
        PAGE.write_text(head + text.strip() + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
