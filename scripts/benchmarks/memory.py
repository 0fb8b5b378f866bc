"""Peak memory of short runs beside the prediction of `ekm3d check`, and the fitted rules.

    python scripts/benchmarks/memory.py [--backends numpy cpp] [--quick]

Every run is a process of its own and takes a few steps; Linux reports its maximum resident set.
The last lines are the values for RULES in ekm3d/model/memory_estimate.py, to which the copy of the
state is added.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace

import numpy as np

from ekm3d.case.case import Case
from ekm3d.model import memory_estimate
from ekm3d.resources import case_path

SLOW = ("ore.immobile={share=0.3, rate='1e-5 1/s'}",
        "chemistry.kinetics=[{mineral='CaCO3', rate='1e-5 1/s'}, {sites=0.4, rate='2e-5 1/s'}]")
STAGE = ("schedule.stage=[{{name='short', duration='{} min', gradient='0.3 V/cm', "
         "anodes=['row 1'], cathodes=['row 2']}}]")
BOX = "schedule.stage=[{name='short', duration='20 s'}]", "schedule.max_step=10 s"
# VmHWM instead of getrusage, which on Linux starts from the peak of the parent process.
PROCESS = """
import sys
from pathlib import Path
from ekm3d.cli.main import main
code = main(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line for line in lines if line.startswith("VmHWM")).split()[1])
sys.exit(code)
"""
# (case, overrides): chemistry of the field, also with rate laws, and two ions in a box
RUNS = {"field 10 cm": ("field_saturated", ("grid.spacing=10 cm", STAGE.format(90))),
        "field 5 cm": ("field_saturated", ("grid.spacing=5 cm", STAGE.format(60))),
        "field 2.5 cm": ("field_saturated", ("grid.spacing=2.5 cm", STAGE.format(6))),
        "slow 10 cm": ("field_saturated", (*SLOW, "grid.spacing=10 cm", STAGE.format(90))),
        "slow 5 cm": ("field_saturated", (*SLOW, "grid.spacing=5 cm", STAGE.format(60))),
        "box 0.25 mm": ("verification/coupled_3d", ("grid.spacing=0.25 mm", *BOX)),
        "box 0.16 mm": ("verification/coupled_3d", ("grid.spacing=0.15625 mm", *BOX))}


def measured(case, overrides, backend):
    """Return the peak memory [bytes] of a run in its own process, without that of the compiler."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", PROCESS, "run", str(case_path(case)), "--out", folder,
                 "--force", "--quiet", "--backend", backend]
        for change in overrides:
            words += ["-o", change]
        answer = subprocess.run(words, text=True, capture_output=True,
                                env=dict(os.environ, OPENBLAS_NUM_THREADS="1"))
    if answer.returncode:
        raise SystemExit(f"{case} {' '.join(overrides)} failed:\n{answer.stderr}")
    return 1024 * int(answer.stdout.split()[-1])


def fitted(rows):
    """Return the Rule with the least relative errors: peak = base + voxels (a state + b)."""
    peak, voxels, state = np.array(rows).T
    columns = np.stack([np.ones_like(peak), voxels * state, voxels], axis=1) / peak[:, None]
    return memory_estimate.Rule(*np.linalg.lstsq(columns, np.ones_like(peak), rcond=None)[0])


def with_slow(rule, rows):
    """Return the rule with the additional memory of runs with slow parts, per byte of state."""
    return replace(rule, slow=float(np.mean([
        ((peak - rule.base) / voxels - rule.other) / state - rule.state
        for peak, voxels, state in rows])))


def main():
    """Measure all runs and print the table and the rules."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--backends", nargs="+", default=["numpy", "cpp"])
    parse.add_argument("--quick", action="store_true", help="omit the largest")
    given = parse.parse_args()
    rules = {}
    print("| run | backend | voxels | measured, MiB | predicted, MiB | predicted / measured |\n"
          "|---|---|---:|---:|---:|---:|")
    for backend in given.backends:
        rows = {False: [], True: []}
        for name, (where, overrides) in RUNS.items():
            if given.quick and "2.5 cm" in name:
                continue
            case = Case.read(case_path(where), overrides)
            peak = measured(where, overrides, backend)
            processes = case.processes
            of_run = case.grid, case.chemistry
            copy = memory_estimate.copied(*of_run, processes)
            wanted = memory_estimate.predicted(*of_run, backend, processes) + copy
            rows[bool(processes)].append((peak - copy, np.prod(case.grid.padded),
                               memory_estimate.per_voxel(case.chemistry, backend, processes)[0]))
            print(f"| {name} | {backend} | {np.prod(case.grid.cells):,} | {peak / 2**20:.0f} | "
                  f"{wanted / 2**20:.0f} | {wanted / peak:.2f} |", flush=True)
        rules[backend] = with_slow(fitted(rows[False]), rows[True])
    print()
    for backend, rule in rules.items():
        print(f'"{backend}": Rule({rule.base:.3g}, {rule.state:.3g}, {rule.other:.4g}, '
              f'{rule.slow:.3g})')


if __name__ == "__main__":
    main()
