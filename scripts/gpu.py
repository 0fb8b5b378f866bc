"""One call on a machine with a GPU: what is there, all tests of the device, speeds, a profile.

    python scripts/gpu.py [--sizes 64 128 256] [--spacing 10 5] [--no-tests] [--write FILE]

About ten minutes. The tests are those marked `gpu`: every kernel beside its NumPy twin, and steps
of whole blocks beside the host's compiler. Bandwidth: a copy of 1 GB within the device, read and
write counted. Transport: as in bench.py, by events around launches. Elliptic solver: the problem
of bench_elliptic.py, wall time with everything that a solve asks of the host. Profile: device time
of every kernel in a step of the field block, by events, beside the step's wall time; what is left
are CuPy's own array operations, the chemistry's part on the host, and copies. Where Nsight Systems
is installed, a time line of the same steps is kept beside FILE.
"""

import argparse
import datetime
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bench
import bench_elliptic
import numpy as np

from ekm3d import backend, transport
from ekm3d.case import Case
from ekm3d.cuda import CudaBackend
from ekm3d.grid import Grid
from ekm3d.provenance import checkout
from ekm3d.resources import case_path
from ekm3d.simulation import Simulation

ROOT = Path(__file__).resolve().parent.parent
STEPS = 5


class Watched(CudaBackend):
    """A backend that notes when every launch begins and ends on the device: all one by one."""

    sequence = backend.Backend.sequence

    def __init__(self, why, cupy):
        self.launches = []
        super().__init__(why, cupy)

    def library(self, source, text, constants):
        return Module(super().library(source, text, constants), self)

    def spent(self):
        """{kernel: (launches, seconds)} since the last call."""
        found = {}
        for name, begun, ended in self.launches:
            ended.synchronize()
            count, seconds = found.get(name, (0, 0.0))
            found[name] = count + 1, seconds + 1e-3 * self.xp.cuda.get_elapsed_time(begun, ended)
        self.launches.clear()
        return found


class Module:
    """A CuPy module whose kernels tell a Watched backend."""

    def __init__(self, module, backend):
        self.module, self.backend = module, backend

    def get_function(self, name):
        return Kernel(name, self.module.get_function(name), self.backend)


class Kernel:
    """A kernel with an event before and behind every launch."""

    def __init__(self, name, kernel, backend):
        self.name, self.kernel, self.backend = name, kernel, backend
        self.max_threads_per_block = kernel.max_threads_per_block

    def __call__(self, *launch):
        begun, ended = (self.backend.xp.cuda.Event() for _ in range(2))
        begun.record()
        self.kernel(*launch)
        ended.record()
        self.backend.launches.append((self.name, begun, ended))


def waited(cupy, call):
    """Wall seconds of a call and of all that it left to the device."""
    stream = cupy.cuda.get_current_stream()
    stream.synchronize()
    begun = time.perf_counter()
    call()
    stream.synchronize()
    return time.perf_counter() - begun


def copy_bandwidth(cupy, count=125_000_000):
    """GB/s of a copy within the device, of bytes read and written."""
    a, b = cupy.zeros(count), cupy.zeros(count)
    b[...] = a
    return 16e-9 * count / min(waited(cupy, lambda: b.__setitem__(Ellipsis, a)) for _ in range(5))


def transport_speed(device, n, name):
    """ns per voxel, species and step."""
    species, components = bench.PROBLEMS[name]
    grid, *given = bench.problem(n, name)
    tables = {"z", "diffusion", "nu"}
    bound = device.bind(transport.component_gain, NS=species, NK=components, NF=1)
    moved = [v if p.name in tables or not p.array else device.from_numpy(v)
             for p, v in zip(bound.parameters[1:], given)]
    for _ in range(6):
        bound(grid, *moved)
    count, seconds = device.spent()["component_gain"]
    return 1e9 * seconds / count / (species * n**3)


def elliptic_speed(device, n):
    """(millions of unknowns per second, iterations) cold and warm."""
    grid = Grid((n, n, n), (1.0, 1.0, 1.0))
    sigma, other = bench_elliptic.conductivity(n)
    mask, volts = bench_elliptic.wells(n)
    problems = [[device.from_numpy(a) for a in bench_elliptic.equations(grid, s, mask, volts)]
                for s in (sigma, sigma * np.exp(0.02 * other))]
    found = bench_elliptic.solve(grid, device, *problems, time.perf_counter, 3)
    return [(1e-6 * (~mask).sum() / seconds, its) for seconds, its in found.values()]


def simulation(device, spacing):
    """The field block on this very backend, a few steps into its run."""
    backend.BUILDERS["watched"] = lambda why: device
    case = Case.read(case_path("field_block"), [f"grid.spacing={spacing:g} cm"])
    sim = Simulation(case, "watched")
    for _ in range(3):
        sim.step()
    return sim


def profile(device, spacing):
    """(wall seconds of a step, {kernel: (launches, seconds)} of a step), means over STEPS."""
    sim = simulation(device, spacing)
    device.spent()
    wall = waited(device.xp, lambda: [sim.step() for _ in range(STEPS)]) / STEPS
    return wall, {name: (count / STEPS, seconds / STEPS)
                  for name, (count, seconds) in device.spent().items()}


def report(device, sizes, spacings):
    """Lines of Markdown."""
    yield f"{device}; {datetime.date.today()}, commit {checkout()[0][:12]}."
    yield f"\nCopy within the device: {copy_bandwidth(device.xp):.0f} GB/s."
    yield "\n## Transport, ns per voxel, species and step\n"
    yield "| voxels | " + " | ".join(bench.PROBLEMS) + " |\n|---|" + "---|" * len(bench.PROBLEMS)
    for n in sizes:
        yield f"| {n}^3 | " + " | ".join(f"{transport_speed(device, n, name):.4f}"
                                         for name in bench.PROBLEMS) + " |"
    yield "\n## Elliptic solver, millions of unknowns per second (iterations)\n"
    yield "| voxels | cold | warm |\n|---|---|---|"
    for n in sizes:
        yield f"| {n}^3 | " + " | ".join(f"{rate:.1f} ({its})"
                                         for rate, its in elliptic_speed(device, n)) + " |"
    for spacing in spacings:
        wall, kernels = profile(device, spacing)
        inside = sum(seconds for _, seconds in kernels.values())
        yield (f"\n## A step of the field block at {spacing:g} cm: {1e3 * wall:.2f} ms, "
               f"{1e3 * inside:.2f} ms of it in kernels\n")
        yield "| kernel | launches | ms | share |\n|---|---|---|---|"
        for name, (count, s) in sorted(kernels.items(), key=lambda item: -item[1][1]):
            yield f"| {name} | {count:.0f} | {1e3 * s:.3f} | {s / wall:.1%} |"


def told(*words):
    """Run a program with its output in ours; its exit code."""
    print("$ " + " ".join(words), flush=True)
    return subprocess.run(words, cwd=ROOT).returncode


def timeline(path):
    """Nsight Systems on a few steps, where it is installed."""
    if shutil.which("nsys"):
        told("nsys", "profile", "--force-overwrite=true", "-o", str(path), sys.executable,
             str(Path(__file__)), "--steps-only")


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--sizes", nargs="+", type=int, default=[64, 128, 256])
    parse.add_argument("--spacing", nargs="+", type=float, default=[10, 5])
    parse.add_argument("--no-tests", action="store_true")
    parse.add_argument("--steps-only", action="store_true", help="what Nsight Systems looks at")
    parse.add_argument("--write", type=Path, metavar="FILE")
    given = parse.parse_args()
    try:
        backend.choose_backend("cuda")
    except backend.BackendError as error:
        raise SystemExit(str(error)) from None
    import cupy
    if given.steps_only:
        sim = simulation(CudaBackend("profile", cupy), given.spacing[0])
        for _ in range(STEPS):
            sim.step()
        return
    told("nvidia-smi")
    failed = 0 if given.no_tests else told(sys.executable, "-m", "pytest", "-q", "-m", "gpu")
    lines = [] if given.no_tests else [f"Tests of the device: {'failed' if failed else 'passed'}."]
    for line in report(Watched("asked for", cupy), given.sizes, given.spacing):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        given.write.write_text("# On a GPU\n\n" + "\n".join(lines) + "\n")
        timeline(given.write.with_suffix(""))
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
