"""Tests, timings and profiles on a machine with an NVIDIA GPU, in one call.

    python scripts/benchmarks/gpu.py --out FOLDER [--parts NAME ...] [--limit SECONDS] [--small]

Parts run in the order of PARTS, each as a process of its own with its own time limit. If `smoke`
fails the call ends: the rest would only take the device's time. FOLDER gets gpu.json and gpu.md,
rewritten with every line, so that a call that is cut off leaves its results up to then. A further
call with the same FOLDER runs the parts that are not done; --parts runs those named, done or not,
and each may take all of --limit. `gpu_page.py` makes the page of the documentation from gpu.json.

This file needs Python alone. What the parts need is in the wheels of `gpu_prepare.py` (.gpu/wheels
of this checkout), which are installed beside them, with no network, before the first part.
README.md of this folder has all of it as one command.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import gpu_page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".gpu"                     # wheels and reference summaries; site: installed wheels

# In this order, with the time limit of each [s]: 580 s in all.
PARTS = {"smoke": 60, "twins": 90, "field": 70, "bandwidth": 20, "kernels": 50, "elliptic": 50,
         "steps": 60, "chemistry": 20, "transport": 15, "hectare": 60, "sanitizer": 45, "ncu": 40}
REQUIRED = "smoke"                         # nothing else is run where this fails


def installed(folder, environ):
    """Install the wheels of `folder` once; return the environment of the parts."""
    site, wheels = folder / "site", sorted((folder / "wheels").glob("*.whl"))
    if wheels and not site.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
                        "--no-compile", "--target", str(site), *map(str, wheels)], check=True)
    path = [str(ROOT), *([str(site)] if site.exists() else []), environ.get("PYTHONPATH", "")]
    return dict(environ, PYTHONPATH=os.pathsep.join(filter(None, path)), PYTHONUNBUFFERED="1")


class Results:
    """Results of all parts in gpu.json and gpu.md of a folder, complete after every line."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.json, self.page = folder / "gpu.json", folder / "gpu.md"
        self.parts = json.loads(self.json.read_text())["parts"] if self.json.exists() else {}

    def begin(self, name):
        self.parts[name] = {"status": "running", "begun": f"{datetime.now():%Y-%m-%d %H:%M}",
                            "rows": [], "lines": []}

    def add(self, name, line):
        """Add a line of a part and return it for the terminal.

        It is a row of a table if it is a JSON object with a `table`, else text.
        """
        row = None
        if line.startswith("{"):
            try:
                row = json.loads(line)
            except ValueError:
                pass
        if isinstance(row, dict) and "table" in row:
            self.parts[name]["rows"].append(row)
            line = "; ".join(f"{key}: {gpu_page.cell(value)}" for key, value in row.items())
        else:
            self.parts[name]["lines"].append(line)
        self.write()
        return line

    def end(self, name, status, seconds):
        """Set a part's status: "done", "failed" or "cut off"."""
        self.parts[name].update(status=status, seconds=round(seconds, 1))
        self.write()

    def write(self):
        """Rewrite both files; neither is ever incomplete."""
        results = {"format": 1, "parts": self.parts}
        for path, text in ((self.json, json.dumps(results, indent=1)),
                           (self.page, gpu_page.page(results))):
            draft = path.with_suffix(".tmp")
            draft.write_text(text)
            os.replace(draft, path)


def in_turn(names, limits, end, results, words, environ, say=print):
    """Run parts one after the other until `end` (monotonic); stop where a required part fails.

    limits: {part: seconds}; words: command to which a part's name is added.
    """
    for name in names:
        allowed = min(limits[name], end - time.monotonic())
        if allowed < 1:
            say(f"{name}: no time was left")
            continue
        results.begin(name)
        say(f"\n{name}, {allowed:.0f} s at most")
        begun = time.monotonic()
        code, over = one_part([*words, name], environ, allowed,
                              lambda line, name=name: say(results.add(name, line)))
        status = "cut off" if over else "failed" if code else "done"
        results.end(name, status, time.monotonic() - begun)
        say(f"{name}: {status} after {time.monotonic() - begun:.0f} s")
        if name == REQUIRED and status != "done":
            say(f"The call ends here: {name} is what all others need.")
            return


def one_part(words, environ, allowed, take):
    """Run a process, give its lines to `take`, and end it after `allowed` s: (exit code, over)."""
    over = []
    with subprocess.Popen(words, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        def stop():
            over.append(True)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        timer = threading.Timer(allowed, stop)
        timer.start()
        for line in process.stdout:
            take(line.rstrip())
        process.wait()
        timer.cancel()
    return process.returncode, bool(over)


def main():
    """Run the parts that are named or not done; exit code 1 if one of them is not done then."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--out", type=Path, default=FOLDER / "results", metavar="FOLDER")
    parse.add_argument("--parts", nargs="+", choices=PARTS, help="these, done or not")
    parse.add_argument("--limit", type=float, default=540, help="seconds for all of it")
    parse.add_argument("--folder", type=Path, default=FOLDER, help="of gpu_prepare.py")
    parse.add_argument("--small", action="store_true", help="small sizes, to see that it runs")
    given = parse.parse_args()
    end = time.monotonic() + given.limit
    results = Results(given.out)
    names = given.parts or [name for name in PARTS
                            if results.parts.get(name, {}).get("status") != "done"]
    limits = dict.fromkeys(PARTS, given.limit) if given.parts or given.small else PARTS
    words = [sys.executable, str(Path(__file__).with_name("gpu_parts.py")), "--folder",
             str(given.folder.resolve()), *["--small"] * given.small]
    in_turn(names, limits, end, results, words, installed(given.folder, os.environ))
    wanting = [n for n in names if results.parts.get(n, {}).get("status") != "done"]
    print("\nAll parts are done." if not wanting else f"\nNot done: {', '.join(wanting)}.")
    sys.exit(bool(wanting))


if __name__ == "__main__":
    main()
