"""Fuzzing of all that a case consists of: mutated files, read in child processes.

    python scripts/tools/fuzz.py --count 20000 --seed 7 --keep /tmp/found
    python scripts/tools/fuzz.py --only database.toml --check 0.2

Every input is a case of the repository with one or two of its files mutated (TOML, CSV, .dat, HDF5,
.npy). It must be read, or refused by one error with exit code 2: at most 101 lines of at most 700
characters without control characters or internals, nothing written, within limits of time and
memory. A share of those that are read (`--check`) go through `ekm3d check` as well, which may end
with 0, 2 or 3. What does otherwise is kept as a directory, once per kind: exception and place. The
same seed and count give the same inputs. Exit code 1 if anything was found.
"""

import argparse
import contextlib
import io
import mmap
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import fuzz_mutations
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ekm3d.case.case import Case  # noqa: E402
from ekm3d.cli.main import main as command_line  # noqa: E402
from ekm3d.errors import Ekm3dError  # noqa: E402

LIMIT, MEMORY = 20, 4 * 2**30           # s and bytes for one input
LINES, COLUMNS, VOXELS = 101, 700, 5000
INTERNALS = re.compile(r"UNREAD|Unread|object at 0x|numpy\.(?!save)|np\.float|pydantic|Traceback"
                       r"|MISSING|\[type=|NoneType|<class|lambda|ekm3d/")
CASES = ("tests/data/case_small", "tests/data/case_open", "tests/data/case_salt", "tests/data/c1",
         "cases/field_block", "cases/verification/*")


def seeds(folder: Path) -> list[Path]:
    """Return copies of the repository's cases, below `folder`, and cases of more kinds of files."""
    found = []
    for pattern in CASES:
        for path in sorted(ROOT.glob(pattern)):
            if (path / "case.toml").is_file():
                copy = folder / path.name
                shutil.copytree(path, copy, ignore=shutil.ignore_patterns("out", "*.md", "*.png"))
                database = ROOT / "cases/field_block/database.toml"
                if not (copy / "database.toml").exists() and "database.toml" in \
                        (copy / "case.toml").read_text():
                    shutil.copy(database, copy)
                found.append(copy)
    return [*found, *_made(folder, folder / "case_small")]


def _made(folder: Path, small: Path) -> list[Path]:
    """Return cases with arrays, samples, a PHREEQC database and one with every kind of record."""
    import h5py

    text, made = (small / "case.toml").read_text(), []
    for name, source in (
            ("array", '{ table = "t.npy" }'), ("chunks", '{ table = "t.h5", dataset = "g/v" }'),
            ("samples", '{ samples = "s.csv", column = "porosity", unit = "" }'),
            ("voxels", '{ table = "v.csv", column = "porosity" }')):
        copy = folder / name
        shutil.copytree(small, copy)
        (copy / "case.toml").write_text(text.replace("porosity = 0.45", f"porosity = {source}"))
        values = np.linspace(0.43, 0.5, 120).reshape(6, 4, 5)
        np.save(copy / "t.npy", values)
        with h5py.File(copy / "t.h5", "w") as file:
            file.create_dataset("g/v", data=values, chunks=(3, 2, 5), compression="gzip")
        places = [(x, y, z) for z in np.arange(0.25, 3, 0.5) for y in np.arange(0.1, 0.8, 0.2)
                  for x in np.arange(0.05, 0.5, 0.1)]
        rows = [f"{x:g},{y:g},{z:g},{v:g}" for (x, y, z), v in
                zip(places, values.flat, strict=True)]
        (copy / "v.csv").write_text("\n".join(["x_m,y_m,z_m,porosity", *rows]) + "\n")
        (copy / "s.csv").write_text("\n".join(["x_m,y_m,z_m,porosity", *rows[::17]]) + "\n")
        made.append(copy)
    data = ROOT / "tests/data"
    for number, path in enumerate([data / "small.dat", data / "every_key.toml",
                                   *sorted((data / "phreeqc").glob("*.dat"))]):
        copy = folder / f"database_{number}"
        shutil.copytree(folder / "case_salt", copy)
        shutil.copy(path, copy)
        (copy / "salt.toml").unlink()
        (copy / "case.toml").write_text((copy / "case.toml").read_text().replace(
            '"salt.toml"', f'"{path.name}"\ncomponents = ["H+", "Na+", "Cl-"]\nminerals = []'))
        made.append(copy)
    return made


def make(number: int, seed: int, cases: list[Path], only: str, target: Path) -> str:
    """Write input `number` to the folder `target`; return what it was made of."""
    rng = random.Random(f"{seed}/{number}")
    case = rng.choice(cases)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(case, target)
    names = sorted(path.name for path in target.iterdir() if path.is_file())
    names = [name for name in names if not only or only in name] or ["case.toml"]
    chosen = rng.sample(names, min(len(names), rng.choice((1, 1, 1, 2))))
    for name in chosen:
        path = target / name
        path.write_bytes(fuzz_mutations.of_file(name)(rng, path.read_bytes()))
    return f"{case.name}: {', '.join(chosen)}"


def complaint(text: str) -> str:
    """Return what is wrong with the text of an error, or ""."""
    rows = text.split("\n")
    if len(rows) > LINES or max(map(len, rows)) > COLUMNS:
        return f"an error of {len(rows)} lines, {max(map(len, rows))} characters"
    if not all(c.isprintable() or c in "\n\u00a0" for c in text):
        return "an error with control characters"
    found = INTERNALS.search(text)
    return f"an error that shows {found[0]!r}" if found else "an error without text" * (not text)


def listing(folder: Path) -> list[tuple[str, int]]:
    """Return names and sizes of all files below a folder."""
    return sorted((str(path), path.lstat().st_size) for path in folder.rglob("*"))


def judge(folder: Path, check: bool) -> tuple[str, str]:
    """Read a case; return (result, what is wrong with it, "" if nothing)."""
    before = listing(folder)
    try:
        case = Case.read(folder)
        case.describe()
    except Ekm3dError as error:
        result, wrong = "refused", complaint(str(error))
        if error.exit_code != 2:
            wrong = f"exit code {error.exit_code}"
    else:
        result, wrong = "read", ""
        if check and np.prod(case.grid.cells, dtype=float) <= VOXELS:
            result, wrong = checked(folder)
    if listing(folder) != before:
        wrong = "files were written"
    return result, wrong


def checked(folder: Path) -> tuple[str, str]:
    """Return the result of `ekm3d check` as `judge` does."""
    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(io.StringIO()):
        code = command_line(["check", str(folder), "--backend", "numpy"])
    said = text.getvalue().strip()
    wrong = "" if code in (0, 2, 3) else f"exit code {code}"
    return f"check {code}", wrong or (complaint(said) if code else "")


def kind_of(error: BaseException) -> str:
    """Return the kind of an unexpected error: its class and the innermost place in ekm3d."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/ekm3d/" in f.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "outside"
    return f"{type(error).__name__} in {place}"


def child(numbers: range, options: argparse.Namespace, cases: list[Path], scratch: Path,
          progress: mmap.mmap, answers: int) -> None:
    """Judge inputs one after the other; write a line on each to `answers`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    np.seterr(all="ignore")
    with os.fdopen(answers, "w", buffering=1) as out:
        for number in numbers:
            progress[:8] = number.to_bytes(8, "little")
            made = make(number, options.seed, cases, options.only, scratch / "case")
            deep = random.Random(number).random() < options.check
            signal.alarm(LIMIT * (5 if deep else 1))
            try:
                result, wrong = judge(scratch / "case", deep)
            except BaseException as error:
                result, wrong = "failed", kind_of(error)
            signal.alarm(0)
            out.write(f"{number}\t{result}\t{wrong}\t{made}\n")


def watch(options: argparse.Namespace, cases: list[Path], scratch: Path,
          seconds: float) -> tuple[Counter[str], Counter[str]]:
    """Judge all inputs, in one child after the other where they end; return results and faults."""
    results: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    progress, begin, next_one = mmap.mmap(-1, 8), time.monotonic(), options.first
    end = options.first + options.count
    while next_one < end and time.monotonic() - begin < seconds:
        reader, writer = os.pipe()
        part = range(next_one, min(end, next_one + 500))       # a new child now and then
        process = os.fork()
        if not process:
            code = 1
            try:
                os.close(reader)
                child(part, options, cases, scratch, progress, writer)
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        next_one = part.stop
        with os.fdopen(reader) as lines:
            for line in lines:
                number, result, wrong, made = line.rstrip("\n").split("\t", 3)
                results[result] += 1
                if wrong:
                    keep(options, cases, int(number), wrong, made, faults)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status:
            number = int.from_bytes(progress[:8], "little")
            next_one = number + 1
            results["ended the process"] += 1
            name = signal.Signals(-status).name if status < 0 else f"exit {status}"
            keep(options, cases, number, f"{name} (a limit of time is SIGALRM)", "", faults)
    return results, faults


def keep(options: argparse.Namespace, cases: list[Path], number: int, wrong: str, made: str,
         faults: Counter[str]) -> None:
    """Count a fault; the first of its kind is printed and its input kept."""
    faults[wrong] += 1
    if faults[wrong] > 1:
        return
    folder = options.keep / f"{len(faults):02d}-{number}"
    made = make(number, options.seed, cases, options.only, folder)
    (folder / "fault.txt").write_text(f"{wrong}\n{made}\nseed {options.seed}, input {number}\n")
    print(f"{folder}: {wrong} ({made})", flush=True)


def main() -> int:
    """Fuzz as the command line says; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of cases.")
    parser.add_argument("--count", type=int, default=1000, help="inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="mutate files alone whose names hold this")
    parser.add_argument("--check", type=float, default=0.05, help="share of what is read that goes "
                        "through `ekm3d check`")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after these")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="folder of faults")
    options = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        scratch = Path(folder)
        cases = seeds(scratch / "seeds")
        Case.read(cases[0])                 # what is made once, for all children
        begin = time.monotonic()
        results, faults = watch(options, cases, scratch, options.seconds)
    print(f"{sum(results.values())} inputs in {time.monotonic() - begin:.0f} s: "
          + ", ".join(f"{name} {count}" for name, count in sorted(results.items())))
    for wrong, count in faults.most_common():
        print(f"{count:8d}  {wrong}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
