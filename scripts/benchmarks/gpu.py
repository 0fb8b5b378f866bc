"""Tests, timings and profiles on a machine with a GPU, in one call.

    python scripts/benchmarks/gpu.py [--parts NAME ...] [--limit SECONDS] [--write FILE] [--small]

    device      name, memory, bandwidth of a copy      kernels     share of that bandwidth
    tests       all tests marked `gpu`                 elliptic    256^3, 384^3, 512^3
    steps       profile of a step, 5, 2 and 1 cm       chemistry   voxels per second
    hectare     100 x 100 x 10 m at 10 cm, 264 h       transport   ps per voxel, species and step
    verify      `ekm3d verify --backend cuda`          timeline    Nsight Systems, where installed

Parts run in the order of PARTS, the most important first. Each part is a process with its own time
limit, and its lines are written as they come, so that a call that is interrupted leaves the results
up to then. Ten minutes are enough for all but perhaps the last; `--parts` continues such a call.
"""

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import bench
import bench_elliptic
import bench_kernels
import bench_transport
import hectare
import numpy as np
from watched_device import Watched

from ekm3d import errors
from ekm3d.backends import base, choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.output.provenance import checkout
from ekm3d.resources import case_path

ROOT = Path(__file__).resolve().parents[2]
STEPS = 5


def waiting(cupy):
    """Return a wall clock [s] that first waits until the device has finished all its work."""
    stream = cupy.cuda.get_current_stream()

    def clock():
        stream.synchronize()
        return time.perf_counter()
    return clock


def copy_bandwidth(cupy, small):
    """Bandwidth [GB/s] of a copy of 1 GB within the device, bytes read and written."""
    count = 1000 if small else 125_000_000
    a, b = cupy.zeros(count), cupy.zeros(count)
    least = bench_kernels.best_of(waiting(cupy), shortest=2e-2)
    return 16e-9 * count / least(lambda: b.__setitem__(Ellipsis, a))


def device(cupy, small):
    """Yield the device, the commit and the bandwidth of a copy."""
    yield f"{CudaBackend('benchmark', cupy)}; {datetime.date.today()}, commit {checkout()[0][:12]}."
    yield f"\nCopy within the device: {copy_bandwidth(cupy, small):.0f} GB/s."


def kernels(cupy, small):
    """Yield the bandwidth of every kernel; CUDA graphs are off, so that each is launched alone."""
    spacing, n = (25, 16) if small else (2, 256)
    roof = copy_bandwidth(cupy, small)
    plain = bench_kernels.watched(CudaBackend)
    plain.sequence = base.Backend.sequence
    yield from bench_kernels.table(plain("benchmark", cupy), roof,
                                   bench_kernels.best_of(waiting(cupy)), spacing, n)


def elliptic(cupy, small):
    """Yield unknowns per second of the elliptic solver."""
    yield "| voxels | cold, MDOF/s (iterations) | warm |\n|---|---|---|"
    on = CudaBackend("benchmark", cupy)
    for n in (16,) if small else (256, 384, 512):
        grid, *equations, _, unknowns = bench_elliptic.problem(n)
        arrays = [[on.from_numpy(a) for a in problem] for problem in equations]
        found = bench_elliptic.solve(grid, on, *arrays, waiting(cupy), 3)
        yield f"| {n}^3 | " + " | ".join(f"{1e-6 * unknowns / seconds:.1f} ({its})"
                                         for seconds, its in found.values()) + " |"


def transport(cupy, small):
    """Yield the time of transport per voxel and species."""
    yield "| voxels | problem | ps per voxel, species and step |\n|---|---|---|"
    on, least = CudaBackend("benchmark", cupy), bench_kernels.best_of(waiting(cupy))
    for n in (16,) if small else (128, 192):
        for name, (species, _) in bench_transport.PROBLEMS.items():
            seconds = least(bench_transport.bound(on, n, name))
            yield f"| {n}^3 | {name} | {1e12 * seconds / (species * n**3):.2f} |"


def simulation(on, spacing):
    """Return the field block on the given backend, after three steps."""
    choose.BUILDERS["watched"] = lambda why: on
    case = Case.read(case_path("field_block"), [f"grid.spacing={spacing:g} cm"])
    sim = Simulation(case, "watched")
    for _ in range(3):
        sim.step()
    return sim


def chemistry(cupy, small):
    """Yield equilibria per second: totals of the field block changed by 1e-3, warm start."""
    yield "| voxels | per second |\n|---|---|"
    for spacing in (25,) if small else (5, 2):
        on = CudaBackend("benchmark", cupy)
        sim, clock, rng = simulation(on, spacing), waiting(cupy), np.random.default_rng(11)
        change = on.from_numpy(1 + 1e-3 * rng.normal(size=sim.state.totals.shape))
        times = []
        for _ in range(3):
            sim.state.totals[...] = sim.state.totals * change
            begun = clock()
            sim.reactions.advance(sim.state)
            times.append(clock() - begun)
        voxels = int(sim.electrodes.ore.sum())
        yield f"| {voxels:,} | {voxels / min(times):.3g} |"


def steps(cupy, small):
    """Yield wall time of a step and event time of its kernels; the difference is the host's."""
    for spacing in (50,) if small else (5, 2, 1):
        plain = simulation(CudaBackend("benchmark", cupy), spacing)
        clock = waiting(cupy)
        begun = clock()
        for _ in range(STEPS):
            plain.step()
        wall = (clock() - begun) / STEPS
        voxels = np.prod(plain.grid.cells)
        del plain
        on = Watched("benchmark", cupy)
        sim = simulation(on, spacing)
        on.spent()
        for _ in range(STEPS):
            sim.step()
        found = on.spent()
        del sim
        inside = sum(seconds for _, seconds in found.values()) / STEPS
        yield (f"\n{spacing:g} cm, {voxels:,} voxels: {1e3 * wall:.2f} ms a step, "
               f"{1e3 * inside:.2f} ms of it in kernels when they are launched one by one.\n")
        yield "| kernel | launches | ms | share of the step |\n|---|---|---|---|"
        for name, (count, seconds) in sorted(found.items(), key=lambda item: -item[1][1]):
            each = seconds / STEPS
            yield f"| {name} | {count / STEPS:.0f} | {1e3 * each:.3f} | {each / wall:.1%} |"


def whole_hectare(cupy, small):
    """Yield the lines of hectare.report."""
    yield from hectare.report(CudaBackend("benchmark", cupy), waiting(cupy), small)


def told(*words):
    """Yield the output lines of a program as they come; the last has its exit code."""
    yield "$ " + " ".join(map(str, words)) + "\n\n```"
    with subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        yield from (line.rstrip() for line in process.stdout)
    yield f"```\n\nexit code {process.returncode}"


def tests(cupy, small):
    """Yield the output of the tests that need a device."""
    what = ["-k", "voxels_fills"] if small else ["-m", "gpu"]
    yield from told(sys.executable, "-m", "pytest", "-q", *what,
                    "tests/backends/test_cuda.py" if small else "tests")


def verify(cupy, small):
    """Yield the output of the verification cases."""
    yield from told(sys.executable, "-m", "ekm3d", "verify", *(["--list"] if small else [
        "--backend", "cuda", "--jobs", "1"]))


def timeline(cupy, small):
    """Yield the output of a profile of the transport part by Nsight Systems."""
    if not shutil.which("nsys"):
        yield "nsys is not installed."
        return
    yield from told("nsys", "profile", "--force-overwrite=true", "-o", "gpu-timeline",
                    sys.executable, __file__, "--part", "transport")


# The most important first; with the time limit of each [s].
PARTS = {"device": (device, 40), "tests": (tests, 150), "kernels": (kernels, 80),
         "elliptic": (elliptic, 90), "steps": (steps, 80), "hectare": (whole_hectare, 200),
         "chemistry": (chemistry, 40), "transport": (transport, 30), "verify": (verify, 200),
         "timeline": (timeline, 60)}


def in_turn(names, limit, say, small):
    """Run each part as a process of its own, ended at its own or at the total time limit."""
    end = time.monotonic() + limit
    for name in names:
        allowed = min(PARTS[name][1], end - time.monotonic())
        say(f"\n## {name}\n")
        if allowed < 5:
            say("No time was left for this part.")
            continue
        words = [sys.executable, __file__, "--part", name, *["--small"] * small]
        process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        begun, over = time.monotonic(), []
        timer = threading.Timer(allowed, stop, [process, over, allowed])
        timer.start()
        for line in process.stdout:
            say(line.rstrip())
        process.wait()
        timer.cancel()
        spent = time.monotonic() - begun
        say(f"\n{name}: {spent:.0f} s, exit code {process.returncode}{''.join(over)}.")


def stop(process, over, allowed):
    """Kill a part and all its child processes, and note it in `over`."""
    over.append(f"; cut off after {allowed:.0f} s")
    os.killpg(process.pid, 9)


def main():
    """Run the parts named on the command line; with --part, one of them in this process."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parse.add_argument("--limit", type=float, default=580, help="seconds for all of it")
    parse.add_argument("--write", type=Path, metavar="FILE")
    parse.add_argument("--small", action="store_true", help="small sizes, to see that it runs")
    parse.add_argument("--part", choices=PARTS, help="this one, in this process")
    given = parse.parse_args()
    if given.part:
        try:
            choose.choose_backend("cuda")
        except errors.BackendError as error:
            raise SystemExit(str(error)) from None
        import cupy
        for line in PARTS[given.part][0](cupy, given.small):
            print(line, flush=True)
        return
    file = given.write and given.write.open("w")

    def say(line):
        for place in (sys.stdout, file):
            if place:
                print(line, file=place, flush=True)

    say(f"# On a GPU\n\n{bench.processor()}, {os.cpu_count()} processors.")
    in_turn(given.parts, given.limit, say, given.small)


if __name__ == "__main__":
    main()
