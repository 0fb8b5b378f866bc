"""Nanoseconds per voxel, species and step of `component_gain`, for two problems.

"weak": drift below a thermal voltage per voxel and no water, every species its own component, as
in a hand-written program (called as PROGRAM N SPECIES STEPS FILE; it prints
{"peer": "cpp_fused", "ns_min": ...}, first-order upwind). "field": drift of many thermal voltages,
water and dispersion, 24 species of 10 components, so that every limiter works.
"""

import json
import os
import subprocess
import time

import numpy as np
from bench_elliptic import best

from ekm3d.grid.grid import Grid
from ekm3d.physics.transport import component_gain

PROBLEMS = {"weak": (12, 12), "field": (24, 10)}            # species, components


def least(threads, repeats, call):
    """Return the least seconds of a call: process time for one thread, wall time for several."""
    return best(time.process_time if threads == 1 else time.perf_counter, repeats, call)[0]


def problem(n, name, seed=7):
    """Return the grid, arguments of component_gain and its output, for n^3 voxels of 0.25 m."""
    species, components = PROBLEMS[name]
    strong = name == "field"
    rng, grid = np.random.default_rng(seed), Grid((n, n, n), (0.25, 0.25, 0.25))
    inside = np.zeros(grid.padded)
    inside[grid.inner] = 1.0
    c = (1 + rng.random((species, *grid.padded))) * inside
    transport_factor = (0.05 + 0.4 * rng.random(grid.padded)) * inside
    _, j, i = np.indices(grid.padded)
    phi = (1.0 if strong else 1e-3) * (2 * i + j)
    water = 1e-9 * strong * rng.normal(size=(3, *grid.padded))
    nu = np.zeros((species, components))
    for s in range(species):
        nu[s, s % components] = 1.0
        nu[s, rng.integers(components)] += s >= components
    return (grid, c, transport_factor[None], phi, phi.copy(), 1e3 * inside,
            np.zeros(water.shape, np.uint8), water, 0.05 * strong * inside,
            np.arange(species) % 5 - 2.0, 1e-9 * (1 + 0.1 * np.arange(species)), nu, 1.0, 1.0,
            np.zeros((components, *grid.padded)))


def bound(backend, n, name):
    """Return the call, bound to its arrays on the backend's device."""
    species, components = PROBLEMS[name]
    call = backend.bind(component_gain, NS=species, NK=components, NF=1, NT=1)
    grid, *arguments = problem(n, name)
    on_device = [backend.from_numpy(a) if np.ndim(a) > 2 else a for a in arguments]
    return backend.prepare(call, grid, *on_device)


def speed(n, name, backend, threads):
    """Return ns per voxel, species and step."""
    call = bound(backend, n, name)
    call()
    species, _ = PROBLEMS[name]
    repeats = 2 if backend.name == "numpy" else max(3, 200_000_000 // (species * n**3 * 10))
    return 1e9 * least(threads, repeats, call) / (species * n**3)


def plain(program, n, threads):
    """Time that the hand-written program reports [ns]."""
    species = PROBLEMS["weak"][0]
    answer = subprocess.run([program, str(n), str(species), "30", os.devnull], text=True,
                            capture_output=True, env=dict(os.environ, OMP_NUM_THREADS=str(threads)))
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    if answer.returncode or not lines:
        raise SystemExit(f"{program} failed:\n{answer.stderr}")
    return min(line["ns_min"] for line in lines)
