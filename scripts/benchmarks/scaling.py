"""Expected gain of many GPUs: a model from counted messages and stated machine constants.

    step = voxels' bytes / stream + messages latency + sent / bandwidth + reductions log2(P) hop

    python scripts/benchmarks/scaling.py            prints cases/verification/scaling.md
    python scripts/benchmarks/scaling.py --write    writes it

The page first lists the counts of short runs of the field block on 2, 4 and 8 processes (`ekm3d run
--profile`), which needs the mpich extra.
"""

import argparse
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ekm3d import Case
from ekm3d.resources import case_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "cases" / "verification" / "scaling.md"
MPIEXEC = Path(sys.executable).parent / "mpiexec"
SHORT = ("schedule.stage.0.duration=2 h", "schedule.stage.1.duration=1 s")

# The machine: data sheets of a GPU node with one 200 Gb/s port per GPU, and usual latencies.
STREAM = 3.35e12      # B/s, memory of one GPU
BANDWIDTH = 25e9      # B/s between two GPUs of different nodes
LATENCY = 10e-6       # s of a message, staged through the host
HOP = 5e-6            # s of a reduction per doubling of the number of processes

# The program: what a step of the field block does.
ITERATIONS = 18       # of both elliptic solvers in a step, about what the field block takes
REDUCTIONS = 71       # of a step, as counted in the field block
PER_STEP = 8 * 400    # bytes of a voxel that a step reads or writes besides the solvers
PER_ITERATION = 260   # the same of an iteration, multigrid's levels included
FILLS = 4             # of ghosts on a level of multigrid in a cycle, single precision
HEAD = ("GPUs", "10^6 voxels", "computing, ms", "sending, ms", "efficiency, %",
        "one visit per level, %")

WHOLE = 32768         # voxels of the level that every process holds as a whole


def sent(side, species, iterations=ITERATIONS):
    """Bytes sent in a step by a box of side^3 voxels in the middle of others.

    Two layers of species, mobility, turnover and potential, and in every iteration FILLS layers on
    each level and one of the direction; levels are a quarter in area and visited twice as often.
    """
    layers = 8 * 2 * (species + 3) + iterations * 4 * (2 * FILLS + 1)
    return 6 * side**2 * layers


def messages(side, count, iterations=ITERATIONS, twice=True):
    """Messages of such a box in a step; twice: W-cycle, each level visits the next one twice."""
    levels = max(math.ceil(math.log(max(side**3 * count / WHOLE, 1), 8)), 1)
    visits = 2**levels - 1 if twice else levels
    return 6 * (1 + iterations * (FILLS * visits + 1))


def step(side, count, species, twice=True):
    """Seconds of a step on `count` GPUs with side^3 voxels each: (computing, sending)."""
    computing = side**3 * (PER_STEP + ITERATIONS * PER_ITERATION) / STREAM
    if count == 1:
        return computing, 0.0
    sending = (messages(side, count, twice=twice) * LATENCY + sent(side, species) / BANDWIDTH
               + REDUCTIONS * HOP * math.log2(count))
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


def page():
    """The text of the page."""
    species = len(Case.read(case_path("field_saturated")).chemistry.species)
    counts = [(str(n), *(f"{v:.4g}" for v in counted(n))) for n in (2, 4, 8)]
    weak = []
    for p in (1, 4, 16, 64, 256, 1024, 4096):
        alone = sum(step(256, 1, species))
        computing, sending = step(256, p, species)
        weak.append((str(p), f"{p * 256**3 / 1e6:.0f}", f"{1e3 * computing:.1f}",
                     f"{1e3 * sending:.1f}", f"{100 * alone / (computing + sending):.0f}",
                     f"{100 * alone / sum(step(256, p, species, twice=False)):.0f}"))
    strong, whole = [], 512**3
    for p in (1, 8, 64, 512, 4096):
        side = round((whole / p) ** (1 / 3))
        total = sum(step(side, p, species))
        strong.append((str(p), f"{side}", f"{1e3 * total:.1f}",
                       f"{sum(step(512, 1, species)) / total:.1f}"))
    return f"""# Many processes: counted messages, and a model of the gain

Written by `scripts/benchmarks/scaling.py`. The first table is counted by the program; the others
are results of a **model**: no run on more than one GPU confirms them.

## Counted

The field block at 10 cm (6 000 voxels, {species} species), per step, on the process that sends the
most (`ekm3d run --profile`). A gather at boundary faces, wells or points counts as one message to
every other process. Neither the number of reductions nor that of iterations depends on the number
of processes: the results are the same to the last bit.

{table(("processes", "messages", "MB sent", "reductions"), counts)}

## Model

A step takes the time to read and write its voxels once, {PER_STEP / 8:.0f} numbers of each and
{PER_ITERATION} bytes in each of {ITERATIONS} iterations, at
{STREAM / 1e12:g} TB/s (data sheet of one GPU); {LATENCY * 1e6:g} microseconds for a message, which
passes through the host; {BANDWIDTH / 1e9:g} GB/s for the data sent; {HOP * 1e6:g} microseconds for
a reduction and doubling of the processes. Nothing overlaps. The computations of the chemistry,
apart from its memory traffic, are left out: they need no messages and would only raise the
efficiencies below.

A box of n^3 voxels among others sends 6 n^2 x [16 (species + 3) + 4 x {2 * FILLS + 1} x iterations]
bytes in a step: two ghost layers of species, transport factor, pore turnover and potential, and
single layers of multigrid's levels. For 256^3 voxels that is {sent(256, species) / 1e6:.0f} MB.

Weak scaling, 256^3 voxels on each GPU:

{table(HEAD, weak)}

Strong scaling of 512^3 voxels:

{table(("GPUs", "voxels along a box's side", "step, ms", "speed-up"), strong)}

In this model the latency of multigrid's coarse levels limits the gain from many GPUs, not the
amount of data: every level visits the next one twice, so that messages double with each level. The
last column of the weak scaling has single visits with the same number of iterations, although more
of them would be needed. Give each GPU as many voxels as its memory holds; several smaller runs side
by side do better than one run on many GPUs with few voxels each.
"""


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
