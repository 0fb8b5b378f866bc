"""Expected gain of many GPUs: a model from counted messages and stated machine constants.

    step = voxels' bytes / stream + exchanges latency + sent / bandwidth + reductions log2(P) hop

    python scripts/benchmarks/scaling.py            prints cases/verification/scaling.md
    python scripts/benchmarks/scaling.py --write    writes it

The page first lists the counts of short runs of the field block on 2, 4 and 8 processes (`ekm3d run
--profile`), which needs the mpich extra, and iterations with both kinds of cycle.
"""

import argparse
import math
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
from bench_elliptic import conductivity, equations, wells

from ekm3d import Case
from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import Grid
from ekm3d.parallel.decomposition import SMALL
from ekm3d.parallel.domain import Domain
from ekm3d.resources import case_path
from ekm3d.solvers.agglomeration import SMALL_ON
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.solvers.multigrid import FROM_ZERO, PROLONG, RESTRICT, SMOOTH
from ekm3d.solvers.multigrid_cycle import cycle_steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "cases" / "verification" / "scaling.md"
TRAFFIC = ROOT / "kernels" / "traffic.md"
MPIEXEC = Path(sys.executable).parent / "mpiexec"
SHORT = ("schedule.stage.0.duration=2 h", "schedule.stage.1.duration=1 s")

# The machine: data sheets of a GPU node with one 200 Gb/s port per GPU, and usual latencies.
STREAM = 3.35e12      # B/s, memory of one GPU
BANDWIDTH = 25e9      # B/s between two GPUs of different nodes
WAIT, LAUNCH, FLIGHT = 10e-6, 3e-6, 5e-6    # s: of the host for a GPU, of a kernel, of a message
HOP = 5e-6            # s of a reduction per doubling of the number of processes

# The program: what a step of the field block does. An exchange with six neighbours gathers and
# scatters the slabs of a field in three launches and waits twice; its messages travel together.
EXCHANGE = 3 * LAUNCH + 2 * WAIT + FLIGHT
ITERATIONS = 14       # of both elliptic solvers in a step, as in kernels/traffic.md
REDUCTIONS = 78       # of a step, as counted in the field block
OF_ITERATIONS = ("smooth_from_zero", "restrict_residual", "prolong", "smooth", "smooth_and_sum",
                 "apply_to_direction", "update_solution", "update_direction")
FILLS = {FROM_ZERO: 1, RESTRICT: 1, PROLONG: 0, SMOOTH: 2}      # of ghosts, in a step of the cycle
SWEPT = {FROM_ZERO: 28, RESTRICT: 24, PROLONG: 4, SMOOTH: 64}   # bytes of a voxel, likewise
INSIDE = 32           # bytes of a voxel that a sweep moves while ghosts are on their way
SIDES = (256, 464)    # voxels along a box's side: 1.7e7, and 1e8, as an H200 holds
HEAD = ("GPUs", "10^6 voxels", "computing, ms", "sending, ms", "efficiency, %", "overlapped, %",
        "single visits, %", "both, %")
TRIED = (64, 128)     # voxels along an edge, for iterations of both cycles


def traffic():
    """(bytes of a voxel in a step but for the iterations, in each of these)."""
    page = TRAFFIC.read_text(encoding="utf-8").partition("<!-- begin: traffic -->")[2]
    rows = re.findall(r"^\| `?(\w+)`? \|.*\| (\d+) \|$", page.partition(
        "<!-- end: traffic -->")[0], flags=re.M)
    of = {name: float(moved) for name, moved in rows}
    iterations = sum(of[name] for name in OF_ITERATIONS)
    return of["all"] - iterations, iterations / ITERATIONS


def iterations(n):
    """Iterations of a solution from zero with W- and with V-cycles: wells in n^3 voxels."""
    grid, backend, found = Grid((n, n, n), (0.1,) * 3), choose_backend("cpp"), []
    arrays = equations(grid, conductivity(n)[0], *wells(n))
    for single in (False, True):
        solver = EllipticSolver(grid, backend, Domain(grid, backend), 1e-8)
        if single:
            solver.multigrid.v_cycles.add("potential")
        solver.solve(*arrays, np.zeros(grid.padded))
        found.append(solver.iterations)
    return found


def cycle(side, count, twice=True, overlapped=False):
    """(seconds of ghosts in a cycle, exchanges, gathers of the level that every GPU holds).

    side: voxels along a GPU's box; overlapped: an exchange takes what a sweep of the inner voxels
    leaves of it.
    """
    sizes = [side**3 * count]
    while sizes[-1] > 8:
        sizes.append(sizes[-1] // 8)
    whole, small = (next(n for n, size in enumerate(sizes) if n and size <= limit)
                    for limit in (SMALL_ON["cuda"], SMALL))
    seconds, exchanges, gathers = 0.0, 0, 0
    for step, n in cycle_steps(sizes, 0, twice, small):
        if n < whole:
            along = side / 2**n
            each = EXCHANGE + 6 * 4 * along**2 / BANDWIDTH
            hidden = INSIDE * along**3 / STREAM if overlapped else 0.0
            seconds += FILLS[step] * max(each - hidden, 0.0)
            exchanges += FILLS[step]
            gathers += step == RESTRICT and n + 1 == whole
        elif n < small:
            seconds += SWEPT[step] * sizes[n] / STREAM
    gather = 2 * WAIT + HOP * math.log2(count) + 4 * sizes[whole] / BANDWIDTH
    return seconds + gathers * gather, exchanges, gathers


def layer_bytes(side, species):
    """Bytes sent to one neighbour before a step: two layers of species, factor, turnover, phi."""
    return 8 * 2 * side**2 * (species + 3)


def step(side, count, species, twice=True, overlapped=False, more=1.0):
    """Seconds of a step on `count` GPUs with side^3 voxels each: (computing, sending).

    twice: W-cycle; more: iterations over those of the W-cycle.
    """
    rest, each = traffic()
    number = ITERATIONS * more
    computing = side**3 * (rest + number * each) / STREAM
    if count == 1:
        return computing, 0.0
    layers = 6 * layer_bytes(side, species) / BANDWIDTH + 3 * EXCHANGE
    direction = EXCHANGE + 6 * 4 * side**2 / BANDWIDTH
    sending = (number * (cycle(side, count, twice, overlapped)[0] + direction) + layers
               + REDUCTIONS * more * HOP * math.log2(count))
    return computing, sending


def counted(processes):
    """(messages, MB, reductions) per step that the program counts."""
    with tempfile.TemporaryDirectory() as folder:
        words = [MPIEXEC, "-n", str(processes), sys.executable, "-m", "ekm3d", "run",
                 case_path("field_saturated"), "--out", folder, "--quiet", "--profile"]
        for override in SHORT:
            words += ["-o", override]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    line = next(line for line in text.splitlines() if "per step:" in line)
    return tuple(map(float, re.findall(r"([\d.]+) (?:messages|MB|reductions)", line)))


def table(head, rows):
    """Return a Markdown table; cells are text."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def weak(side, species, more):
    """Rows of the table of weak scaling."""
    alone, rows = sum(step(side, 1, species)), []
    for p in (1, 8, 64, 512, 4096):
        computing, sending = step(side, p, species)
        shares = [100 * alone / sum(step(side, p, species, twice, overlapped, more_now))
                  for twice, overlapped, more_now in ((True, False, 1.0), (True, True, 1.0),
                                                      (False, False, more), (False, True, more))]
        if p == 1:
            shares[2:] = [100.0, 100.0]             # one GPU keeps its W-cycles
        rows.append((str(p), f"{p * side**3 / 1e6:.0f}", f"{1e3 * computing:.1f}",
                     f"{1e3 * sending:.1f}", *(f"{share:.0f}" for share in shares)))
    return rows


def page():
    """The text of the page."""
    species = len(Case.read(case_path("field_saturated")).chemistry.species)
    counts = [(str(n), *(f"{v:.4g}" for v in counted(n))) for n in (2, 4, 8)]
    tried = [(f"{n}^3", *iterations(n)) for n in TRIED]
    more = tried[-1][2] / tried[-1][1]
    tables = "\n\n".join(f"Weak scaling, {side}^3 voxels on each GPU:\n\n"
                         f"{table(HEAD, weak(side, species, more))}" for side in SIDES)
    strong, whole = [], 512**3
    for p in (1, 8, 64, 512, 4096):
        side = round((whole / p) ** (1 / 3))
        total = sum(step(side, p, species))
        strong.append((str(p), f"{side}", f"{1e3 * total:.1f}",
                       f"{sum(step(512, 1, species)) / total:.1f}"))
    rest, each = traffic()
    _, exchanges, gathers = cycle(256, 64)
    few, many = (weak(side, species, more)[2] for side in SIDES)
    text = f"""# Many processes: counted messages, and a model of the gain

Written by `scripts/benchmarks/scaling.py`. The first two tables are counted by the program; the
others are results of a **model**: no run on more than one GPU confirms them.

## Counted

The field block at 10 cm (6 000 voxels, {species} species), per step, on the process that sends the
most (`ekm3d run --profile`). A gather at boundary faces, wells or points counts as one message to
every other process. Neither the number of reductions nor that of iterations depends on the number
of processes: the results are the same to the last bit.

{table(("processes", "messages", "MB sent", "reductions"), counts)}

Iterations from zero to 1e-8, wells in a log-normal medium, with coarse levels of multigrid visited
twice (W-cycle, what the program does) and once (V-cycle, to which it turns where a W-cycle is not
positive):

{table(("voxels", "twice", "once"), [tuple(map(str, row)) for row in tried])}

## Model

A step moves {rest:.0f} bytes of every voxel and {each:.0f} in each of {ITERATIONS} iterations
([kernels/traffic.md](../../kernels/traffic.md)), at {STREAM / 1e12:g} TB/s (data sheet of one GPU).
An exchange of ghosts takes {EXCHANGE * 1e6:.0f} microseconds: three launches of {LAUNCH * 1e6:g} to
pack and unpack all messages, two waits of the host of {WAIT * 1e6:g}, {FLIGHT * 1e6:g} on the way,
as the messages travel at the same time; {BANDWIDTH / 1e9:g} GB/s for the data; {HOP * 1e6:g}
microseconds for a reduction and doubling of the processes. Levels of at most 64^3 voxels are
gathered and held whole by every GPU. A W-cycle of 64 GPUs with 256^3 voxels each has {exchanges}
exchanges and {gathers} gathers. What the kernels compute beyond their memory traffic is left out:
it needs no messages and would only raise the efficiencies below.

Nothing overlaps in the program, and coarse levels are visited twice: the efficiency is that of the
fifth column. The others are what could be had: where ghosts travel while the inner voxels are swept
(hidden on the finest levels, not on the coarse ones, which a GPU sweeps sooner than a message
arrives); with single visits, which take {more:.2g} times the iterations; with both.

{tables}

Strong scaling of 512^3 voxels:

{table(("GPUs", "voxels along a box's side", "step, ms", "speed-up"), strong)}

In this model the latency of multigrid's coarse levels limits the gain from many GPUs, not the
amount of data: every level visits the next one twice, so that exchanges double with each level. Of
64 GPUs with 1.7e7 voxels each {few[4]} % is left, with 1e8, which an H200 holds, {many[4]} %.
Ghosts that travel while the inner voxels are swept would leave {few[5]} and {many[5]} %; single
visits gain at few voxels only. Give each GPU as many voxels as its memory holds;
several smaller runs side by side do better than one run on many GPUs with few voxels each.
"""
    return "\n\n".join(part if part.startswith(("|", "#")) else textwrap.fill(part, 100)
                       for part in text.rstrip().split("\n\n")) + "\n"


def main():
    """Print or write the page."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--write", action="store_true", help="write scaling.md")
    text = page()
    if options.parse_args().write:
        PAGE.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
