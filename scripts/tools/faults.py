"""Faults at random moments of real runs, and what was lost: disks that fill up, processes that die.

    python scripts/tools/faults.py full 20           needs the right to mount a tmpfs
    python scripts/tools/faults.py kill 20           kill -9 of a run, and again of those that go on
    python scripts/tools/faults.py force 20          kill -9 of a forced run over a finished one

Every trial ends in a run that is compared with one that nothing has stopped: series, summary and
all fields must have the same bits. Prints a line for each and a summary; exit code 1 where any
differs.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import h5py

CASE = Path(__file__).resolve().parents[2] / "tests" / "data" / "case_salt"
PLAN = ("-o", "schedule.stage.0.duration=40 min", "-o", "schedule.max_step=1 min",
        "-o", "output.series_every=1 min", "-o", "output.snapshot_every=2 min", "--quiet",
        "--backend", "numpy")


def ekm3d(*words: object) -> "subprocess.Popen[str]":
    """Start the program."""
    return subprocess.Popen([sys.executable, "-m", "ekm3d", *map(str, words)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def bits(out: Path) -> tuple[object, ...]:
    """Return what two runs must have in common."""
    facts = json.loads((out / "summary.json").read_text())
    for name in ("wall_s", "failed_writes"):
        facts.pop(name)
    with h5py.File(out / "fields.vtkhdf") as file:
        fields = {name: data[()].tobytes() for name, data in file["VTKHDF/CellData"].items()}
    return (out / "series.csv").read_bytes(), facts, fields


def full(out: Path, chance: random.Random, old: Path, longest: float) -> str:
    """Fill the disk at some moment; when the run has ended or goes on, free it and resume."""
    disk = out.parent / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        job = ekm3d("run", CASE, "--out", disk / "out", "--checkpoint", "0.5 s", *PLAN)
        time.sleep(chance.uniform(0.0, longest))
        with suppress(OSError), open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        _, errors = job.communicate()
        (disk / "ballast").unlink()
        if job.returncode not in (0, 3) or "Traceback" in errors or "Segmentation" in errors:
            raise SystemExit(f"exit code {job.returncode}: {errors}")
        if job.returncode == 3:
            again = ekm3d("run", CASE, "--out", disk / "out", "--resume", "auto", "--force", *PLAN)
            if again.communicate() and again.returncode:
                raise SystemExit(f"resumed: exit code {again.returncode}")
        subprocess.run(["cp", "-r", disk / "out", out], check=True)
        last = errors.splitlines()[-1] if errors else "done before"
        return next((name for name in ("series.csv", "fields.vtkhdf", "summary.json", "done before")
                     if name in last), last[-60:])
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def kill(out: Path, chance: random.Random, old: Path, longest: float) -> str:
    """Kill a run and those that go on with it, until one comes to its end."""
    for count in range(1000):
        job = ekm3d("run", CASE, "--out", out, "--resume", "auto", "--checkpoint", "0.2 s", *PLAN)
        with suppress(subprocess.TimeoutExpired):
            job.wait(chance.uniform(0.0, longest))
        if job.poll() is not None:
            return f"{count} kills"
        job.kill()
        job.communicate()
    raise SystemExit("it never came to its end")


def force(out: Path, chance: random.Random, old: Path, longest: float) -> str:
    """Kill a forced run over a finished one; the finished one must still be there, whole."""
    subprocess.run(["cp", "-r", old, out], check=True)
    job = ekm3d("run", CASE, "--out", out, "--force", *PLAN)
    with suppress(subprocess.TimeoutExpired):
        job.wait(chance.uniform(0.0, longest))
    job.kill()
    job.communicate()
    kept = next(folder for folder in (out / ".replaced", out / ".replaced.moving", out)
                if (folder / "summary.json").exists())
    if kept.name != ".replaced.moving" and bits(kept) != bits(old):
        raise SystemExit(f"{kept} is not what it was")
    last = ekm3d("run", CASE, "--out", out, "--force", *PLAN)
    if last.communicate() and last.returncode:
        raise SystemExit(f"the second forced run: exit code {last.returncode}")
    return f"old results in {kept.name}"


def main() -> int:
    """Carry out the trials of the command line; 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("fault", choices=("full", "kill", "force"))
    parser.add_argument("trials", type=int)
    parser.add_argument("--longest", type=float, default=12.0, help="seconds until a fault")
    given = parser.parse_args()
    trial = {"full": full, "kill": kill, "force": force}[given.fault]
    chance, found, wrong = random.Random(4711), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        if ekm3d("run", CASE, "--out", whole, *PLAN).wait():
            return 1
        wanted = bits(whole)
        for n in range(given.trials):
            place = Path(folder) / str(n)
            place.mkdir()
            what = trial(place / "out", chance, whole, given.longest)
            same = bits(place / "out") == wanted
            found[what], wrong = found[what] + 1, wrong + (not same)
            print(f"{given.fault} {n}: {what}; {'the same bits' if same else 'OTHER BITS'}",
                  flush=True)
    print(f"{given.trials} trials: {dict(found)}; {wrong} with other bits")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
