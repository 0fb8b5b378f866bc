"""How fast each part of a step is on this machine, beside its memory and hand-written C++.

    python scripts/bench.py [--plain PROGRAM] [--sizes 32 64] [--spacing 10 5] [--write]

Elliptic: the problem of bench_elliptic, which also takes peers.

Transport: nanoseconds per voxel, species and step of `component_gain`, for two problems. "weak":
drift below a thermal voltage per voxel and no water, every species its own component, which is
what PROGRAM does (called as PROGRAM N SPECIES STEPS FILE; it prints {"peer": "cpp_fused", "ns_min":
...}, first-order upwind). "field": drift of many thermal voltages, water and dispersion, 24
species of 10 components, so that every limiter works.

Chemistry: voxels per second of the field block after ten steps, each total moved by 1e-3 of itself,
from their last equilibrium.

Whole step: wall seconds per step of the field block. Bandwidth: a triad, a = b + s c, in between.
One thread is timed by the process's clock, several by the wall's: best of some repeats. --write
puts the tables into cases/verification/benchmarks.md.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

import bench_elliptic
import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d.backend import choose_backend
from ekm3d.case import Case
from ekm3d.chemistry import Sites, acidity_from_neutrality
from ekm3d.grid import Grid
from ekm3d.provenance import checkout
from ekm3d.resources import case_path
from ekm3d.simulation import Simulation
from ekm3d.transport import component_gain

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "cases" / "verification" / "benchmarks.md"
PROBLEMS = {"weak": (12, 12), "field": (24, 10)}            # species, components


def least(threads, repeats, call):
    """Least seconds of a call."""
    return bench_elliptic.best(time.process_time if threads == 1 else time.perf_counter, repeats,
                               call)[0]


def bandwidth(threads):
    """GB/s of a triad over three arrays of 240 MB; its writes count once."""
    with tempfile.TemporaryDirectory() as folder:
        library = bench_elliptic.plain_library(folder)
        return bench_elliptic.bandwidth(
            library, time.process_time if threads == 1 else time.perf_counter, 5)


def elliptic(n, backend, threads):
    """{cold, warm: (millions of unknowns per second, iterations)}."""
    grid = Grid((n, n, n), (1.0, 1.0, 1.0))
    sigma, other = bench_elliptic.conductivity(n)
    mask, volts = bench_elliptic.wells(n)
    arrays, changed = (bench_elliptic.equations(grid, sigma * f, mask, volts)
                       for f in (1.0, np.exp(0.02 * other)))
    found = bench_elliptic.solve(grid, backend, arrays, changed,
                                 time.process_time if threads == 1 else time.perf_counter, 3)
    return {what: (1e-6 * (~mask).sum() / s, its) for what, (s, its) in found.items()}


def chemistry(backend, seed=11):
    """Voxels per second, one thread."""
    sim = Simulation(Case.read(case_path("field_block")), backend.name)
    for _ in range(10):
        sim.step()
    reactions, chem = sim.reactions, sim.chem
    rng = np.random.default_rng(seed)
    total, cec = (reactions.voxels.take(values) for values in (sim.state.T, reactions.rock["cec"]))
    total *= 1 + 1e-3 * rng.normal(size=total.shape)
    total[chem.hydrogen] = acidity_from_neutrality(chem, total, cec)
    warm = reactions.voxels.take(sim.state.warm)
    theta = reactions.voxels.take(reactions.rock["water_content"])
    sites = Sites(cec, reactions.voxels.take(reactions.rock["cec_slope"]),
                  reactions.rock["reference_pH"])
    return theta.size / least(1, 5, lambda: sim.engine.solve(total, theta, sites, warm))


def problem(n, name, seed=7):
    """Grid, arguments of component_gain and its output, for n^3 voxels of 0.25 m."""
    species, components = PROBLEMS[name]
    strong = name == "field"
    rng, grid = np.random.default_rng(seed), Grid((n, n, n), (0.25, 0.25, 0.25))
    inside = np.zeros(grid.padded)
    inside[grid.inner] = 1.0
    c = (1 + rng.random((species, *grid.padded))) * inside
    mobility = (0.05 + 0.4 * rng.random(grid.padded)) * inside
    _, j, i = np.indices(grid.padded)
    phi = (1.0 if strong else 1e-3) * (2 * i + j)
    water = 1e-9 * strong * rng.normal(size=(3, *grid.padded))
    nu = np.zeros((species, components))
    for s in range(species):
        nu[s, s % components] = 1.0
        nu[s, rng.integers(components)] += s >= components
    return (grid, c, mobility, phi, phi.copy(), 1e3 * inside,
            np.zeros(water.shape, np.uint8), water, 0.05 * strong * inside,
            np.arange(species) % 5 - 2.0, 1e-9 * (1 + 0.1 * np.arange(species)), nu, 1.0,
            np.zeros((components, *grid.padded)))


def transport(n, name, backend, threads):
    """ns per voxel, species and step."""
    arguments = problem(n, name)
    species, components = PROBLEMS[name]
    call = backend.bind(component_gain, NS=species, NK=components, NF=1)
    call(*arguments)
    repeats = 2 if backend.name == "numpy" else max(3, 200_000_000 // (species * n**3 * 10))
    return 1e9 * least(threads, repeats, lambda: call(*arguments)) / (species * n**3)


def plain(program, n, threads):
    """What the hand-written program says of itself, ns."""
    species = PROBLEMS["weak"][0]
    answer = subprocess.run([program, str(n), str(species), "30", os.devnull], text=True,
                            capture_output=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    if answer.returncode or not lines:
        raise SystemExit(f"{program} failed:\n{answer.stderr}")
    return min(line["ns_min"] for line in lines)


def whole_step(spacing, backend, threads, steps):
    """(wall seconds per step, of these in potential and flow, transport, chemistry)."""
    case = Case.read(case_path("field_block"), [f"grid.spacing={spacing} cm"])
    sim = Simulation(case, backend.name)
    spent = dict.fromkeys(("potential", "flow", "transport", "reactions"), 0.0)

    def timed(part, call):
        def run(*given):
            begun = time.perf_counter()
            answer = call(*given)
            spent[part] += time.perf_counter() - begun
            return answer
        return run

    for part, verb in (("potential", "solve"), ("flow", "solve"), ("transport", "prepare"),
                       ("reactions", "advance")):
        module = getattr(sim, part)
        setattr(module, verb, timed(part, getattr(module, verb)))
    with threadpool_limits(threads, "openmp"), threadpool_limits(1, "blas"):
        for _ in range(3):
            sim.step()
        spent.update(dict.fromkeys(spent, 0.0))
        begun = time.perf_counter()
        for _ in range(steps):
            sim.step()
        return [(time.perf_counter() - begun) / steps, *(s / steps for s in spent.values())]


def tables(given):
    """Lines of Markdown."""
    backends = {name: choose_backend(name) for name in ("numpy", "cpp")}
    yield (f"{processor()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} when begun; "
           f"{datetime.date.today()}, commit {checkout()[0][:12]}.")
    yield ""
    yield "| threads | triad, GB/s |\n|---|---|"
    for threads in given.threads:
        with threadpool_limits(threads):
            yield f"| {threads} | {bandwidth(threads):.1f} |"
    yield "\n## Elliptic solver, millions of unknowns per second (iterations)\n"
    yield "| voxels | threads | cold | warm |\n|---|---|---|---|"
    for n in given.sizes:
        for threads in given.threads:
            with threadpool_limits(threads):
                found = elliptic(n, backends["cpp"], threads)
            yield f"| {n}^3 | {threads} | " + " | ".join(
                f"{rate:.2f} ({its})" for rate, its in found.values()) + " |"
    yield "\n## Chemistry, voxels per second on one thread\n"
    yield "| numpy | cpp |\n|---|---|"
    with threadpool_limits(1):
        yield "| " + " | ".join(f"{chemistry(b):.0f}" for b in backends.values()) + " |"
    yield "\n## Transport, ns per voxel, species and step\n"
    yield "| voxels | problem | numpy | " + " | ".join(
        f"cpp, {t} thread(s)" for t in given.threads) + " | hand-written, 1 thread |"
    yield "|---|---|---|" + "---|" * (len(given.threads) + 1)
    for n in given.sizes:
        for name in PROBLEMS:
            row = [transport(n, name, backends["numpy"], 1)]
            for threads in given.threads:
                with threadpool_limits(threads):
                    row.append(transport(n, name, backends["cpp"], threads))
            theirs = f"{plain(given.plain, n, 1):.2f}" if given.plain and name == "weak" else "-"
            yield f"| {n}^3 | {name} | " + " | ".join(f"{v:.2f}" for v in row) + f" | {theirs} |"
    yield "\n## Whole step of the field block, wall seconds\n"
    yield "| spacing | backend | threads | step | potential | flow | transport | chemistry |"
    yield "|---|---|---|---|---|---|---|---|"
    for spacing in given.spacing:
        for name, threads in [("numpy", 1), *(("cpp", t) for t in given.threads)]:
            found = whole_step(spacing, backends[name], threads, 10 if spacing >= 10 else 4)
            yield f"| {spacing:g} cm | {name} | {threads} | " + " | ".join(
                f"{s:.4f}" for s in found) + " |"


def processor():
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")),
                platform.machine())


def main():
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--sizes", nargs="+", type=int, default=[32, 64, 96])
    parse.add_argument("--spacing", nargs="+", type=float, default=[10, 5])
    parse.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parse.add_argument("--plain", help="hand-written C++ of the weak problem")
    parse.add_argument("--write", action="store_true")
    given = parse.parse_args()
    lines = []
    for line in tables(given):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        text = "\n\n".join(__doc__.split("\n\n")[2:])
        head = "# Speed\n\nWritten by `scripts/bench.py --write`: one run, one machine.\n\n"
        PAGE.write_text(head + text.strip() + "\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
