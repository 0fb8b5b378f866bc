"""Parts of gpu.py that tell right from wrong: smoke, twins, field, sanitizer; and ncu's profile.

    python scripts/benchmarks/gpu_parts.py NAME [--folder .gpu] [--small]

A part is a function of CuPy and the options that yields lines of text, and dictionaries: rows of
the table that their key `table` names. It raises SystemExit with the reason where it fails. Those
that measure are in gpu_speed.py.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import gpu_prepare
import gpu_speed
import numpy as np

from ekm3d import errors
from ekm3d.backends import choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.output.provenance import checkout
from ekm3d.solvers.elliptic import update_direction

ROOT = Path(__file__).resolve().parents[2]
CLOSE = 1e-6                 # of a number of the summary, relative: solvers end at 1e-11
ROUNDING = ("balance", "error")                 # names of numbers that are rounding alone
FIELDS = ("totals", "c", "exchanged", "solid", "phi", "head")
OTHERS = (("unsaturated", "field_block", ()), ("both waters, clay, tensor", "field_saturated", (
    "ore.immobile={share=0.4, rate='1e-6 1/s'}", "ore.surface_mobility=0.02",
    "ore.dispersivity='5 cm'", "ore.transverse_dispersivity='1 cm'")))
# Of the longest launch of every kernel: time, memory, FP64 pipe, warps, registers, local memory.
METRICS = {"us": "gpu__time_duration.sum", "MB of memory": "dram__bytes.sum",
           "memory, %": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
           "FP64 pipe, %": "sm__pipe_fp64_cycles_active.avg.pct_of_peak_sustained_active",
           "warps, %": "sm__warps_active.avg.pct_of_peak_sustained_active",
           "registers": "launch__registers_per_thread",
           "local loads": "smsp__sass_inst_executed_op_local_ld.sum"}


def smoke(cupy, given):
    """Yield the machine; a launch, a graph, a copy and two steps of the field block beside NumPy.

    The block is one of 25 cm (50 with --small); every field agrees to 1e-9 of its largest value.
    """
    yield f"{sys.version.split()[0]} on {os.cpu_count()} processors, commit {checkout()[0][:12]}"
    if tool := shutil.which("nvidia-smi"):
        yield from told([tool, "--query-gpu=name,driver_version,memory.total,clocks.max.sm,"
                         "power.limit", "--format=csv"])
    on = CudaBackend("benchmark", cupy)
    yield str(on)
    graph_and_copy(on)
    yield "a launch, a graph and an asynchronous copy: right"
    spacing = 25
    here, there = (gpu_speed.simulation(backend, spacing, 0)
                   for backend in (choose.choose_backend("numpy"), on))
    for _ in range(2):
        steps = here.step(), there.step()
    wrong = abs(steps[1] / steps[0] - 1) > 1e-9
    for name in FIELDS:
        mine, theirs = getattr(here.state, name), on.to_numpy(getattr(there.state, name))
        far = np.abs(mine - theirs).max() / max(np.abs(mine).max(), 1e-300)
        wrong = wrong or not far <= 1e-9
        yield {"table": "After two steps", "field": name, "largest difference": float(far)}
    if wrong:
        raise SystemExit("the step differs from NumPy's")


def graph_and_copy(on):
    """Call p = z + p / 2 three times, the third one as a graph, and copy p asynchronously."""
    from ekm3d.grid.grid import Grid
    grid = Grid((50, 40, 30), (1.0, 1.0, 1.0))
    z, p = (on.zeros(grid.padded, np.float32) for _ in range(2))
    z[...] = 1.0
    call = on.sequence([on.prepare(on.bind(update_direction), grid, z, 0.5, p)])
    for _ in range(3):
        call()
    buffer = on.host_buffer(grid.padded, np.float32)
    on.copy_to_host_async(p, buffer)
    on.copies_done()()
    if not (buffer[grid.inner] == 1.75).all():
        raise SystemExit("a graph of launches gave wrong numbers")


def twins(cupy, given):
    """Yield the output of all tests that need a device: each kernel beside its NumPy twin."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--maxfail=30"]
    if find_spec("xdist"):
        words += ["-n", str(max(1, min(12, (os.cpu_count() or 1) - 2)) if not given.small else 0)]
    words += ["-k", "voxels_fills", "tests/backends/test_cuda.py"] if given.small else [
        "-m", "gpu", "tests"]
    last = ""
    for line in told(words, fails="tests failed"):
        last = line if re.search(r"\d+ (passed|failed)", line) else last
        yield line
    yield {"table": "Tests", **{word: int(n) for n, word in re.findall(
        r"(\d+) (passed|failed|skipped|errors?)", last)}}


def field(cupy, given):
    """Yield the numbers of the field block's summary that differ most from those of `cpp`."""
    wrong = yield from beside_numpy(CudaBackend("benchmark", cupy))
    for spacing in gpu_prepare.SMALL if given.small else gpu_prepare.SPACINGS:
        file = given.folder / f"field_{spacing}.json"
        if not file.exists():
            raise SystemExit(f"{file} is missing: gpu_prepare.py makes it")
        wanted = json.loads(file.read_text())
        found = gpu_prepare.summary(spacing, given.small, gpu_speed.NAME)
        far = apart(found, wanted)
        worst = max(far, key=far.get)
        yield {"table": f"The field block beside cpp (allowed: {CLOSE:g})",
               "spacing, cm": spacing, "steps": found["steps"], "s": found["wall_s"],
               "s on cpp, elsewhere": wanted["wall_s"], "numbers": len(far),
               "farthest": worst, "relative": far[worst]}
        wrong += [f"{spacing} cm: {name} {found.get(name)}, cpp {wanted.get(name)}"
                  for name, distance in far.items() if not distance <= CLOSE]
        wrong += [f"{spacing} cm: {name} is {found[name]}" for name in found
                  if "mass_balance" in name and not found[name] < 1e-12]
    yield from wrong
    if wrong:
        raise SystemExit("the field block differs from cpp's")


def beside_numpy(on):
    """Yield the largest differences after two steps of cases with other physics; return the faults.

    Unsaturated ore that is being wetted; ions in immobile water and along the clay, dispersion as a
    tensor: a quarter of what such a block has in kernels is in no step of the saturated one.
    """
    wrong = []
    for name, case, overrides in OTHERS:
        here, there = (gpu_speed.simulation(backend, 25, 2, case, overrides)
                       for backend in (choose.choose_backend("numpy"), on))
        for field in FIELDS:
            mine, theirs = getattr(here.state, field), on.to_numpy(getattr(there.state, field))
            least = 0.025 if field == "phi" else 1e-300     # V, RT/F: no power yet, rounding alone
            far = float(np.abs(mine - theirs).max() / max(np.abs(mine).max(), least))
            yield {"table": "After two steps of other cases", "case": name, "field": field,
                   "largest difference": far}
            if not far <= CLOSE:
                wrong.append(f"{name}: {field} differs by {far:.2g}")
    return wrong


def apart(found, wanted):
    """Return {name: relative difference} of two summaries; of text and of missing ones 0 or 1."""
    far = {}
    for name in {**wanted, **found}:
        one, other = found.get(name), wanted.get(name)
        if name == "wall_s" or any(word in name for word in ROUNDING):
            continue
        if not all(isinstance(v, (int, float)) for v in (one, other)):
            far[name] = float(one != other)
        elif abs(one - other) > 1e-12:
            far[name] = abs(one - other) / max(abs(one), abs(other))
        else:
            far[name] = 0.0
    return far


def told(words, fails=""):
    """Yield the output lines of a program; `fails`: what SystemExit says of a non-zero exit code.
    """
    with subprocess.Popen(list(map(str, words)), cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        yield from (line.rstrip() for line in process.stdout)
    if process.returncode and fails:
        raise SystemExit(f"{fails}, exit code {process.returncode}")


def workload(cupy, given):
    """Yield one line behind two steps of a coarse field block: what the two tools below watch."""
    sim = gpu_speed.simulation(CudaBackend("benchmark", cupy), 50 if given.small else 25, 2)
    yield f"{sim.state.step} steps"


def own(name, given):
    """Return the command of a part of this file."""
    return [sys.executable, __file__, name, *["--small"] * given.small]


def sanitizer(cupy, given):
    """Yield what compute-sanitizer's memcheck says of two steps."""
    tool = shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path="/usr/local/cuda/bin")
    if tool is None:
        yield "compute-sanitizer is not installed"
        return
    yield from told([tool, "--tool", "memcheck", "--error-exitcode", "9", *own("workload", given)],
                    fails="compute-sanitizer found errors")


def ncu(cupy, given):
    """Yield what Nsight Compute counts in the longest launch of every kernel."""
    tool = shutil.which("ncu") or shutil.which("ncu", path="/usr/local/cuda/bin")
    if tool is None:
        yield "ncu is not installed"
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ncu.csv"
        words = [tool, "--csv", "--page", "raw", "--clock-control", "none", "--log-file", log,
                 "--metrics",
                 ",".join(METRICS.values()), "--launch-count", "600", *own("workload", given)]
        yield from told(words)
        text = log.read_text() if log.exists() else ""
    rows = list(longest(text))
    yield from rows or text.splitlines()[-20:]
    if not rows:
        raise SystemExit("ncu counted nothing")


def longest(text):
    """Yield a row for the longest launch of every kernel of ncu's raw page.

    Lines before the table begin with ==; the first record holds the units.
    """
    lines = [line for line in text.splitlines() if line.startswith('"')]
    units, *records = list(csv.DictReader(lines)) or [{}]
    scale = {"ns": 1e-3, "nsecond": 1e-3, "us": 1, "usecond": 1, "ms": 1e3, "msecond": 1e3,
             "s": 1e6, "second": 1e6, "byte": 1e-6, "Kbyte": 1e-3, "Mbyte": 1, "Gbyte": 1e3}
    best = {}
    for record in records:
        row = {"table": "The longest launch of every kernel", "kernel": record["Kernel Name"]}
        for title, metric in METRICS.items():
            value = (record.get(metric) or "nan").replace(",", "")
            row[title] = float(value) * (scale.get(units.get(metric, ""), 1) if
                                         title in ("us", "MB of memory") else 1)
        if row["us"] > best.get(row["kernel"], {"us": 0})["us"]:
            best[row["kernel"]] = row
    yield from sorted(best.values(), key=lambda row: -row["us"])


PARTS = {"smoke": smoke, "twins": twins, "field": field, **gpu_speed.PARTS,
         "sanitizer": sanitizer, "ncu": ncu}


def main():
    """Run one part; its rows are printed as JSON."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("part", choices=[*PARTS, "workload"])
    parse.add_argument("--folder", type=Path, default=ROOT / ".gpu")
    parse.add_argument("--small", action="store_true")
    given = parse.parse_args()
    try:
        choose.choose_backend("cuda")
    except errors.BackendError as error:
        raise SystemExit(str(error)) from None
    import cupy
    for line in {**PARTS, "workload": workload}[given.part](cupy, given):
        print(json.dumps(line) if isinstance(line, dict) else line, flush=True)


if __name__ == "__main__":
    main()
