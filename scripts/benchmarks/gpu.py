"""One call on a machine with a GPU: is it right, how fast is it, where does the time go.

    python scripts/benchmarks/gpu.py [--parts NAME ...] [--limit SECONDS] [--write FILE] [--small]

    device      what is there                          kernels     share of the copy's bandwidth
    tests       all that are marked `gpu`              elliptic    256^3, 384^3, 512^3
    steps       profile of a step, 5, 2 and 1 cm       chemistry   voxels per second
    hectare     100 x 100 x 10 m at 10 cm, 264 h       transport   ps per voxel, species and step
    verify      `ekm3d verify --backend cuda`          timeline    Nsight Systems, where installed

in the order of PARTS, what matters most first. Each part is a process with its own limit, and its
lines are written as they come, so that a call that is cut off leaves what there was until then.
Ten minutes are enough for all but perhaps the last; `--parts` takes up where a call ended.
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
    """Seconds on the wall once the device has done all that it was given."""
    stream = cupy.cuda.get_current_stream()

    def clock():
        stream.synchronize()
        return time.perf_counter()
    return clock


def copy_bandwidth(cupy, small):
    """GB/s of a copy of 1 GB within the device, of bytes read and written."""
    count = 1000 if small else 125_000_000
    a, b = cupy.zeros(count), cupy.zeros(count)
    least = bench_kernels.best_of(waiting(cupy), shortest=2e-2)
    return 16e-9 * count / least(lambda: b.__setitem__(Ellipsis, a))


def device(cupy, small):
    yield f"{CudaBackend('benchmark', cupy)}; {datetime.date.today()}, commit {checkout()[0][:12]}."
    yield f"\nCopy within the device: {copy_bandwidth(cupy, small):.0f} GB/s."


def kernels(cupy, small):
    spacing, n = (25, 16) if small else (2, 256)
    roof = copy_bandwidth(cupy, small)
    plain = bench_kernels.watched(CudaBackend)
    plain.sequence = base.Backend.sequence
    yield from bench_kernels.table(plain("benchmark", cupy), roof,
                                   bench_kernels.best_of(waiting(cupy)), spacing, n)


def elliptic(cupy, small):
    yield "| voxels | cold, MDOF/s (iterations) | warm |\n|---|---|---|"
    on = CudaBackend("benchmark", cupy)
    for n in (16,) if small else (256, 384, 512):
        grid, *equations, _, unknowns = bench_elliptic.problem(n)
        arrays = [[on.from_numpy(a) for a in problem] for problem in equations]
        found = bench_elliptic.solve(grid, on, *arrays, waiting(cupy), 3)
        yield f"| {n}^3 | " + " | ".join(f"{1e-6 * unknowns / seconds:.1f} ({its})"
                                         for seconds, its in found.values()) + " |"


def transport(cupy, small):
    yield "| voxels | problem | ps per voxel, species and step |\n|---|---|---|"
    on, least = CudaBackend("benchmark", cupy), bench_kernels.best_of(waiting(cupy))
    for n in (16,) if small else (128, 192):
        for name, (species, _) in bench_transport.PROBLEMS.items():
            seconds = least(bench_transport.bound(on, n, name))
            yield f"| {n}^3 | {name} | {1e12 * seconds / (species * n**3):.2f} |"


def simulation(on, spacing):
    """The field block on this very backend, three steps into its run."""
    choose.BUILDERS["watched"] = lambda why: on
    case = Case.read(case_path("field_block"), [f"grid.spacing={spacing:g} cm"])
    sim = Simulation(case, "watched")
    for _ in range(3):
        sim.step()
    return sim


def chemistry(cupy, small):
    """Every total of the field block moved by 1e-3 of itself, solved from the last equilibrium."""
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
    """Wall time of a step beside the events' time of its kernels; the rest is the host's share."""
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
    yield from hectare.report(CudaBackend("benchmark", cupy), waiting(cupy), small)


def told(*words):
    """Lines of a program's output as they come; the last tells how it ended."""
    yield "$ " + " ".join(map(str, words)) + "\n\n```"
    with subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        yield from (line.rstrip() for line in process.stdout)
    yield f"```\n\nexit code {process.returncode}"


def tests(cupy, small):
    what = ["-k", "voxels_fills"] if small else ["-m", "gpu"]
    yield from told(sys.executable, "-m", "pytest", "-q", *what, "tests/test_cuda.py" if small
                    else "tests")


def verify(cupy, small):
    yield from told(sys.executable, "-m", "ekm3d", "verify", *(["--list"] if small else [
        "--backend", "cuda", "--jobs", "1"]))


def timeline(cupy, small):
    if not shutil.which("nsys"):
        yield "nsys is not installed."
        return
    yield from told("nsys", "profile", "--force-overwrite=true", "-o", "gpu-timeline",
                    sys.executable, __file__, "--part", "transport")


# In the order of what they are worth; seconds that each may take.
PARTS = {"device": (device, 40), "tests": (tests, 150), "kernels": (kernels, 80),
         "elliptic": (elliptic, 90), "steps": (steps, 80), "hectare": (whole_hectare, 200),
         "chemistry": (chemistry, 40), "transport": (transport, 30), "verify": (verify, 200),
         "timeline": (timeline, 60)}


def in_turn(names, limit, say, small):
    """Every part as a process of its own, ended when its time or all time is over."""
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
    """End the part and all that it started, and say so in `over`."""
    over.append(f"; cut off after {allowed:.0f} s")
    os.killpg(process.pid, 9)


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parse.add_argument("--limit", type=float, default=580, help="seconds for all of it")
    parse.add_argument("--write", type=Path, metavar="FILE")
    parse.add_argument("--small", action="store_true", help="small sizes: does it run?")
    parse.add_argument("--part", choices=PARTS, help="this one, in this very process")
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
