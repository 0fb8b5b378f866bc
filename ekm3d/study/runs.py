"""Runs of a study, each in a process and a directory of its own, some at a time.

    OUT/study.json              case, its digest, and the values of every run
    OUT/runs/NAME/              results of one run
    OUT/runs/NAME.log           what its process has printed; none where its input is wrong

A run that has finished is kept; one with a checkpoint goes on; any other begins anew. A process of
its own keeps the failure of one run, lack of memory included, from ending the others.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ekm3d.case.extends import bases
from ekm3d.errors import InputError, OutputError
from ekm3d.output.results import STATUS_FILE, SUMMARY_FILE
from ekm3d.study.points import Point

STUDY_FILE, RUNS = "study.json", "runs"
READ_BY_CASES = (".toml", ".csv", ".dat", ".npy", ".h5", ".hdf5", ".hdf", ".vtkhdf")
# The command line, found where this process has found it, in a bare checkout too.
START = "import sys; sys.path.append(sys.argv.pop(1)); from ekm3d.cli.main import main; \
sys.exit(main())"
GREATEST = 1 << 27      # bytes of a file whose contents are compared; of larger ones the size


@dataclass(frozen=True)
class Outcome:
    """End of a run; summary: {} and a reason where it has failed."""

    point: Point
    directory: Path
    summary: dict[str, Any]
    failure: str = ""
    kept: bool = False              # it had been finished before
    refused: bool = False           # its input is wrong: it has not begun


@dataclass(frozen=True)
class Plan:
    """Plan of a study; threads: of each run, 0 as the environment says."""

    case: Path
    out: Path
    backend: str = "auto"
    jobs: int = 1
    force: bool = False
    threads: int = 0


def run_all(plan: Plan, points: Sequence[Point],
            tell: Callable[[Outcome, int], None]) -> list[Outcome]:
    """Make all runs, `plan.jobs` at a time; return their outcomes in the order of the points.

    tell(outcome, number of runs done) is called after each. OutputError where the directory holds
    something else, or another state of the case. An interruption ends the processes first.
    """
    _prepare(plan, points)
    running: set[subprocess.Popen] = set()
    pool = ThreadPoolExecutor(plan.jobs)
    try:
        tasks = {pool.submit(_run, plan, point, running): n for n, point in enumerate(points)}
        outcomes: dict[int, Outcome] = {}
        for task in as_completed(tasks):
            outcomes[tasks[task]] = task.result()
            tell(outcomes[tasks[task]], len(outcomes))
        return [outcomes[n] for n in range(len(points))]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            process.terminate()                 # a run ends its step, and resumes from there
        raise
    finally:
        pool.shutdown()


def _prepare(plan: Plan, points: Sequence[Point]) -> None:
    """Create OUT with its study.json, or check that it is of this case."""
    file, now = plan.out / STUDY_FILE, digest(plan.case)
    facts: dict[str, Any] = {"runs": {}}
    if file.exists():
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            changed = facts["digest"] != now
            facts["runs"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(f"{file} cannot be read: {error}; give --out DIR") from None
        if changed and not plan.force:
            raise InputError(f"{plan.case} has changed since the runs in {plan.out} were made; "
                             "give --force to make them again, or --out DIR")
    elif plan.out.exists() and (not plan.out.is_dir() or any(plan.out.iterdir())):
        raise OutputError(f"{plan.out} exists and holds no study; give --out DIR with a directory "
                          "of its own")
    (plan.out / RUNS).mkdir(parents=True, exist_ok=True)
    facts["runs"] |= {point.name: point.overrides for point in points}
    text = json.dumps({"case": str(plan.case), "digest": now, "runs": facts["runs"]}, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def digest(case: Path) -> str:
    """Return a digest of the files of a case directory that a case reads."""
    total = hashlib.sha256()
    files = sorted(case.iterdir())
    for path in [*files, *(base / "case.toml" for base in bases(case))]:
        if path.suffix.lower() in READ_BY_CASES and path.is_file():
            size = path.stat().st_size
            total.update(f"{path.name}\0{size}\0".encode())
            total.update(path.read_bytes() if size < GREATEST else b"")
    return total.hexdigest()


def finished(directory: Path) -> dict[str, Any]:
    """Return the summary of a run that has come to its end; {} for any other."""
    try:
        status = json.loads((directory / STATUS_FILE).read_text(encoding="utf-8"))
        summary = json.loads((directory / SUMMARY_FILE).read_text(encoding="utf-8"))
        return summary if status["state"] == "done" else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _run(plan: Plan, point: Point, running: set[subprocess.Popen]) -> Outcome:
    """Make one run, unless it is there."""
    directory = plan.out / RUNS / point.name
    done = {} if plan.force else finished(directory)
    if done:
        return Outcome(point, directory, done, kept=True)
    log = directory.with_name(directory.name + ".log")
    command = [sys.executable, "-c", START, str(Path(__file__).resolve().parents[2]), "run",
               str(plan.case), "--out", str(directory), "--quiet", "--backend", plan.backend,
               *(["--force"] if plan.force else ["--resume", "auto"])]
    for override in point.overrides:
        command += ["-o", override]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    if plan.threads:
        environment.setdefault("OMP_NUM_THREADS", str(plan.threads))
    begun = time.time()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=environment)
        running.add(process)
        code = process.wait()
        running.discard(process)
    summary = finished(directory)
    if code == 0 and summary:
        return Outcome(point, directory, summary)
    reason, refused = _reason(log, code, time.time() - begun), code == InputError.exit_code
    if refused:                     # it has not begun, and the table says why
        log.unlink()
    return Outcome(point, directory, {}, reason, refused=refused)


def _reason(log: Path, code: int, seconds: float) -> str:
    """Return in one line why a process has ended with this exit code."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
             if line.strip() and not line.startswith("warning: ")]
    if code < 0:
        return f"killed by signal {-code} after {seconds:.0f} s"
    first = lines[0] if code == InputError.exit_code and lines else (lines or ["no message"])[-1]
    return first.removeprefix("ekm3d: the run failed: ")
