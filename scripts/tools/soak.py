"""Soak: 20,000 steps of one run, and 200 runs in one process; memory, threads and files stay flat.

    python scripts/tools/soak.py                     both; some 40 minutes of one core
    python scripts/tools/soak.py --steps 2000 --runs 20 --backend numpy

Steps are those of a salt block of 72 voxels, with rows, snapshots and checkpoints as a long run
has. At ten moments the resident set, the threads and the open files of the process are counted.
Exit code 1 where memory grows by more than LEAK after the second look (the first has caches still
to fill), or the second half of the looks finds more threads or files than the first half; a file
may be written at any of them.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from ekm3d import Case, Simulation
from ekm3d.errors import ConvergenceError
from ekm3d.model.loop import Control

LEAK = 8.0          # MB; threads and files may not grow at all
LOOKS = 10
CASE = Path(__file__).resolve().parents[2] / "tests" / "data" / "case_salt"
STEP = 2.0          # s


def counted() -> tuple[float, int, int]:
    """Return the resident set [MB], the threads and the open files of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return (pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/task")),
            len(os.listdir("/proc/self/fd")))


class Watch:
    """Counts at moments of a soak, printed as they come."""

    def __init__(self, name: str) -> None:
        self.name, self.begun = name, time.monotonic()
        self.found: list[tuple[float, int, int]] = []

    def look(self, at: str) -> None:
        """Count now."""
        self.found.append(counted())
        memory, threads, files = self.found[-1]
        print(f"{self.name} {at:>8}: {memory:7.1f} MB, {threads} threads, {files} files, "
              f"{time.monotonic() - self.begun:.0f} s", flush=True)

    def is_flat(self) -> bool:
        """Return True where nothing has grown since the second look."""
        memory, *numbers = zip(*self.found[1:], strict=True)
        half = len(memory) // 2
        return memory[-1] <= memory[0] + LEAK and all(
            max(some[half:]) <= max(some[:half]) + 1 for some in numbers)


def steps(count: int, backend: str, folder: Path) -> bool:
    """Take `count` steps in one run; return True where nothing grows."""
    watch, every = Watch("steps"), max(count // LOOKS, 1)
    case = Case.read(CASE, (f"schedule.max_step={STEP} s",
                            f"schedule.stage.0.duration={STEP * count} s",
                            f"output.series_every={20 * STEP} s",
                            f"output.snapshot_every={STEP * every} s",
                            f"output.checkpoint={10 * STEP * every} s"))
    sim = Simulation(case, backend)
    step = sim.step

    def watched(until: float | None = None) -> float:
        if sim.state.step % every == 0:
            watch.look(str(sim.state.step))
        return step(until)

    sim.step = watched                      # type: ignore[method-assign]
    sim.run(folder / "out", quiet=True, control=Control(checkpoint=5.0))
    watch.look(str(sim.state.step))
    return watch.is_flat()


def runs(count: int, backend: str, folder: Path) -> bool:
    """Make `count` runs in this process, every third of which fails; True where nothing grows."""
    watch, every = Watch("runs"), max(count // LOOKS, 1)
    for n in range(count):
        if n % every == 0:
            watch.look(str(n))
        case = Case.read(CASE, ("schedule.stage.0.duration=20 min",))
        sim = Simulation(case, backend)
        if n % 3 == 2:
            sim.reactions.engine.newton_steps = sim.reactions.engine.rounds = 0
        try:
            sim.run(folder / "out", force=True, quiet=True, control=Control(checkpoint=60.0))
        except ConvergenceError:
            if n % 3 != 2:
                raise
    watch.look(str(count))
    return watch.is_flat()


def main() -> int:
    """Soak as the command line says; 0 where nothing grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--backend", default="cpp")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        flat = [soak(count, given.backend, Path(folder)) for soak, count in (
            (steps, given.steps), (runs, given.runs)) if count]
    return 0 if all(flat) else 1


if __name__ == "__main__":
    sys.exit(main())
