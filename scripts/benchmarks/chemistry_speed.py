"""Speed of the chemistry of the field case on one core, in voxels per second, beside PHREEQC's.

    python scripts/benchmarks/chemistry_speed.py [--voxels N] [--write]

The same systems in the same run: field ore, its totals varied, then moved by 1e-3 of themselves as
transport does in a step. --write puts the table into cases/verification/chemistry.md.
"""

import argparse
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (threads are counted when it is loaded)

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from helpers.field_voxels import CHEM, THETA, H, ore  # noqa: E402
from helpers.phreeqc import Phreeqc, comparable  # noqa: E402

from ekm3d.backends.choose import choose_backend  # noqa: E402
from ekm3d.chemistry.equilibrium import EquilibriumSolver, acidity_from_neutrality  # noqa: E402

PAGE = ROOT / "cases" / "verification" / "chemistry.md"
REPEATS, PEER = 5, 200


def clocked(work):
    """Return the least processor time [s] of REPEATS calls, and the last result."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        answer = work()
        times.append(time.process_time() - begun)
    return min(times), answer


def measure(count):
    """Return rows of the table: (name, voxels per second, steps per voxel)."""
    rng = np.random.default_rng(61)
    chem = comparable(CHEM)
    reference = EquilibriumSolver(chem)
    solvers = {"NumPy": reference,
               "compiled": EquilibriumSolver(chem, backend=choose_backend("cpp"))}
    total, sites = ore(rng, count)

    def moved(share):
        near = total * (1 + share * rng.uniform(-1, 1, total.shape))
        near[H] = acidity_from_neutrality(chem, near, sites.cec)
        return near

    slow, found = clocked(lambda: reference.solve_numpy(total, THETA, sites))
    rows = [("ekm3d, without history (NumPy)", count / slow, found.iterations.mean())]
    for share in (1e-1, 1e-3, 1e-6, 0.0):
        near = moved(share) if share else total
        for name, solver in solvers.items():
            solve = partial(solver.solve_numpy, near, THETA, sites, found.warm_start)
            wall, after = clocked(solve)
            rows.append((f"ekm3d, totals moved by {share:g} ({name})", count / wall,
                         after.iterations.mean()))
    return rows + beside(chem, total, sites, found)


def beside(chem, total, sites, found):
    """Return PHREEQC's rows: the first voxels from input text, and as stored cells that change."""
    litres, peers = 1e3 * THETA, min(PEER, total.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        program = Phreeqc(chem, Path(folder))
        program.solve(total[:, 0] / litres, found.site[0] / litres)
        run = program.program.run_string
        texts = [program.input(total[:, i] / litres, found.site[i] / litres)
                 for i in range(peers)]
        slow, _ = clocked(lambda: [run(text) for text in texts])
        for i, text in enumerate(texts, 2):
            run("PRINT\n -selected_output false\n" + text.removesuffix("END") + "\n".join(
                f"SAVE {what} {i}" for what in ("solution", "exchange", "equilibrium_phases"))
                + "\nEND")
        cells = f"2-{peers + 1}"
        moved = 1e-3 * total[CHEM.index("NH4")].mean() / litres
        salt = program.neutral(CHEM.index("NH4"))
        run(f"DELETE\n -reaction 1\nREACTION {cells}\n {salt} {moved:.6g}\n 1 mol in 1\nEND")
        fast, _ = clocked(lambda: run(f"RUN_CELLS\n -cells {cells}\nEND"))
    return [("PHREEQC, cells it keeps, ammonium moved by 0.001", peers / fast, np.nan),
            ("PHREEQC, each from its input", peers / slow, np.nan)]


def page(rows, count):
    """Return the page's text."""
    peer = max(speed for name, speed, _ in rows if name.startswith("PHREEQC"))
    lines = [
        "# Speed of the chemistry", "",
        f"Field ore: {len(CHEM.components)} components, {len(CHEM.species)} species, "
        f"{len(CHEM.exchange)} exchange species on an exchanger of variable charge, "
        f"{len(CHEM.minerals)} minerals; {count} voxels, each varied by e^0.5. One core, "
        f"processor time, the shortest of {REPEATS} repetitions, balances to 1e-12. Both programs "
        "solve the same voxels in the same run; their results agree to 1e-6 "
        "(tests/chemistry/test_equilibrium.py). PHREEQC is given the exchanger's charge and finds "
        'pH from neutrality. "Each from its input": it reads each voxel as text and solves for a '
        'water first. "Cells it keeps": it starts from the last state of each cell, as in a '
        "coupled run. Written by "
        "`python scripts/benchmarks/chemistry_speed.py --write`.", "",
        "| | voxels per second | steps per voxel | against PHREEQC's faster |",
        "|---|---:|---:|---:|"]
    for name, speed, steps in rows:
        number = "" if np.isnan(steps) else f"{steps:.1f}"
        lines.append(f"| {name} | {speed:,.0f} | {number} | {speed / peer:,.1f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, default=6000)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    text = page(measure(options.voxels), options.voxels)
    print(text)
    if options.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
