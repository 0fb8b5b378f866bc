"""Parts of gpu.py that measure: bandwidth, kernels, elliptic solver, steps, chemistry, a hectare.

Each is a function of CuPy and the options that yields rows of tables (gpu_parts.py). Sizes grow
within a part: what its time limit cuts off is the largest.
"""

import time

import bench_elliptic
import bench_kernels
import bench_transport
import hectare
import numpy as np
from watched_device import Watched

from ekm3d.backends import base, choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path

STEPS = 5
NAME = "benchmark"                          # of the backend that `offer` offers
CLOCK, BUS = 36, 37                         # attributes of a device: memory clock [kHz], bits


def offer(on):
    """Let `choose` know a backend by NAME."""
    choose.BUILDERS[NAME] = lambda why: on


def waiting(cupy):
    """Return a wall clock [s] that first waits until the device has finished all its work."""
    stream = cupy.cuda.get_current_stream()

    def clock():
        stream.synchronize()
        return time.perf_counter()
    return clock


def simulation(on, spacing, steps=3, case="field_saturated", overrides=()):
    """Return the field block of a spacing [cm] on a backend, after some steps."""
    offer(on)
    case = Case.read(case_path(case), [f"grid.spacing={spacing:g} cm", *overrides])
    sim = Simulation(case, NAME)
    for _ in range(steps):
        sim.step()
    return sim


def copied(cupy, small):
    """Bandwidth [GB/s] of a copy of 1 GB within the device, bytes read and written."""
    count = 1000 if small else 125_000_000
    a, b = cupy.zeros(count), cupy.zeros(count)
    least = bench_kernels.best_of(waiting(cupy), shortest=2e-2)
    return 16e-9 * count / least(lambda: b.__setitem__(Ellipsis, a))


def nominal(cupy):
    """Bandwidth [GB/s] of the memory by its clock and its bus, two transfers a cycle."""
    runtime = cupy.cuda.runtime
    clock, bits = (runtime.deviceGetAttribute(n, runtime.getDevice()) for n in (CLOCK, BUS))
    return 2e3 * clock * bits / 8 * 1e-9


def bandwidth(cupy, given):
    """Yield the bandwidth of a copy within the device, and of copies from and to the host."""
    on = CudaBackend("benchmark", cupy)
    yield {"table": "Memory of the device", "GB/s of a copy": copied(cupy, given.small),
           "GB/s nominal": nominal(cupy)}
    count = 1000 if given.small else 125_000_000
    device, buffer = on.zeros(count), on.host_buffer(count, float)
    least = bench_kernels.best_of(waiting(cupy), repeats=3)
    for name, call in (("to pinned memory", lambda: on.to_host_buffers([(device, buffer)])),
                       ("from pinned memory", lambda: on.to_device_buffers([(device, buffer)])),
                       ("to NumPy", lambda: on.to_numpy(device))):
        yield {"table": "To and from the host", "copy": name, "GB/s": 8e-9 * count / least(call)}


def kernels(cupy, given):
    """Yield the bandwidth of every kernel; CUDA graphs are off, so that each is launched alone."""
    spacing, n = (25, 16) if given.small else (2, 256)
    plain = bench_kernels.watched(CudaBackend)
    plain.sequence = base.Backend.sequence
    on = plain("benchmark", cupy)
    roof, peak = copied(cupy, given.small), nominal(cupy)
    for name, size, seconds in bench_kernels.measured(
            on, bench_kernels.best_of(waiting(cupy)), spacing, n):
        rate = 1e-9 * size / seconds
        yield {"table": "Every kernel at its largest call", "kernel": name, "MB": 1e-6 * size,
               "ms": 1e3 * seconds, "GB/s": rate, "of the copy": rate / roof,
               "of nominal": rate / peak}


def elliptic(cupy, given):
    """Yield unknowns per second of the elliptic solver, set-up included."""
    on = CudaBackend("benchmark", cupy)
    for n in (16,) if given.small else (64, 128, 256, 512):
        grid, *equations, unknowns = bench_elliptic.problem_on(on, n)
        found = bench_elliptic.solve(grid, on, *equations, waiting(cupy), 3)
        row = {"table": "log-normal conductivity, residual 1e-8", "voxels": f"{n}^3"}
        for start, (seconds, iterations) in found.items():
            row |= {f"{start}, ms": 1e3 * seconds, f"{start}, MDOF/s": 1e-6 * unknowns / seconds,
                    f"{start}, iterations": iterations}
        yield row


def transport(cupy, given):
    """Yield the time of transport per voxel and species."""
    on, least = CudaBackend("benchmark", cupy), bench_kernels.best_of(waiting(cupy))
    for n in (16,) if given.small else (128, 192):
        for name, (species, _) in bench_transport.PROBLEMS.items():
            seconds = least(bench_transport.bound(on, n, name))
            yield {"table": "component_gain", "voxels": f"{n}^3", "problem": name,
                   "ps per voxel, species and step": 1e12 * seconds / (species * n**3)}


def chemistry(cupy, given):
    """Yield equilibria per second: totals of the field block moved by 1e-3, from the last ones."""
    for spacing in (25,) if given.small else (5, 2):
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
        yield {"table": "Totals moved by 1e-3", "voxels": voxels,
               "voxels per second": voxels / min(times)}


def steps(cupy, given):
    """Yield wall time of a step and, launched one by one, time of its kernels: the rest is the
    host's.
    """
    for spacing in (25,) if given.small else (10, 5, 2, 1):
        begun = time.perf_counter()
        on = Watched("benchmark", cupy, watching=False)
        sim, clock = simulation(on, spacing), waiting(cupy)
        ready = clock() - begun
        begun = clock()
        for _ in range(STEPS):
            sim.step()
        wall = (clock() - begun) / STEPS
        on.watching = True
        for _ in range(STEPS):
            sim.step()
        found = {name: (count / STEPS, seconds / STEPS)
                 for name, (count, seconds) in on.spent().items()}
        inside = sum(seconds for _, seconds in found.values())
        yield {"table": "A step of the field block", "spacing, cm": spacing,
               "voxels": int(np.prod(sim.grid.cells)), "ms": 1e3 * wall,
               "ms in kernels": 1e3 * inside, "share of the host": 1 - inside / wall,
               "launches": sum(count for count, _ in found.values()),
               "s of set-up and 3 steps": ready}
        for name, (count, seconds) in sorted(found.items(), key=lambda item: -item[1][1]):
            yield {"table": f"Kernels of a step at {spacing:g} cm", "kernel": name,
                   "launches": count, "ms": 1e3 * seconds, "share of the step": seconds / wall}
        del sim, on


def whole_hectare(cupy, given):
    """Yield what hectare.rows yields."""
    yield from hectare.rows(CudaBackend("benchmark", cupy), waiting(cupy), given.small)


PARTS = {"bandwidth": bandwidth, "kernels": kernels, "elliptic": elliptic, "steps": steps,
         "chemistry": chemistry, "transport": transport, "hectare": whole_hectare}
