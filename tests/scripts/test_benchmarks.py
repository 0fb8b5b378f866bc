"""The benchmarks' scripts: small sizes, the stand-in for a device, and parts that take too long."""

import importlib.util
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.case_files import ROOT

from ekm3d.backends import choose
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.grid.grid import Grid
from ekm3d.resources import folder
from ekm3d.solvers.elliptic import update_solution


@pytest.fixture
def script(monkeypatch):
    """Imports a script by its name; whatever it registers as a backend is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "benchmarks"))
    monkeypatch.setattr(choose, "BUILDERS", dict(choose.BUILDERS))
    return importlib.import_module


def cells(lines):
    """The rows of the tables among lines of Markdown, as lists of text."""
    rows = "\n".join(lines).splitlines()
    return [row.strip("| ").split(" | ") for row in rows if row.startswith("| ")]


def test_every_kernel_is_timed_and_its_bytes_are_counted(script):
    """Each kernel of every file once; the copy that one takes at its size, in a second a GB.

    Nobody knows the seconds, so least() says 1 for all: GB/s is then the size in GB.
    """
    kernels = script("bench_kernels")
    on = kernels.watched(CppBackend)("test")
    rows = cells(kernels.table(on, 0.5e-3, lambda call: call() or 1.0, 25, 16))[1:]
    every = {name for path in folder("kernels").rglob("*.cu")
             for name in kernel_names(path.read_text())}
    assert {row[0] for row in rows} == every and len(rows) == len(every)
    for name, size, ms, _, share in rows:
        assert float(ms) == 1000.0
        assert float(share) == pytest.approx(1e-3 * float(size) / 0.5e-3, abs=0.2), name
    # p, Ap, x, r, scaled_r of 16^3 voxels in 20^3 with ghosts: 3 x 8 + 2 x 4 bytes each; sums
    size = dict((row[0], float(row[1])) for row in rows)["update_solution"]
    assert size == pytest.approx(1e-6 * (20**3 * 32 + 16**3 * 8), abs=0.06)


def test_the_largest_call_of_a_kernel_is_the_one_that_is_kept(script):
    """Not the first, not the last; arguments as they were given."""
    kernels = script("bench_kernels")
    on = kernels.watched(CppBackend)("test")
    bound = on.bind(update_solution)
    for n in (2, 5, 3):
        grid = Grid((n, n, n), (1.0, 1.0, 1.0))
        wide, thin = (on.zeros((4, *grid.padded), kind) for kind in (float, np.float32))
        on.prepare(bound, grid, thin[0], wide[0], 0.5, 1.0, wide[1], wide[2], thin[1],
                   on.zeros((*grid.shape[:2], grid.segments)))
    assert on.calls["update_solution"][2][0].cells == (5, 5, 5)


def test_the_clock_is_looked_at_less_often_than_short_calls_are_made(script):
    """A call of 1 ms by a clock of its own, 10 ms between looks: 1 ms, from 10 calls a time."""
    now, calls = [0.0], []

    def call():
        calls.append(1)
        now[0] += 1e-3

    least = script("bench_kernels").best_of(lambda: now[0], repeats=3, shortest=10.5e-3)
    assert least(call) == pytest.approx(1e-3) and len(calls) == 1 + 3 * 11


def test_large_problems_repeat_a_periodic_one(script, monkeypatch):
    """Twice along every axis, without a seam: neighbours across it as like as any others."""
    elliptic = script("bench_elliptic")
    monkeypatch.setattr(elliptic, "LARGEST", 16)
    *_, numbers, unknowns = elliptic.problem(32)
    sigma = np.log(numbers[:32**3].reshape(32, 32, 32))
    assert np.array_equal(sigma[:16], sigma[16:]) and unknowns < 32**3
    jumps = np.abs(np.diff(sigma, axis=0)).mean(axis=(1, 2))
    assert jumps[15] < 2 * np.median(jumps)


@pytest.mark.parametrize("part, told", [
    ("device", "GB/s"), ("transport", "| 16^3 | field | "), ("chemistry", "per second"),
    ("steps", "| component_gain | 1 | 1.000 |"), ("hectare", "264 h, extrapolated")])
def test_the_parts_of_the_script_for_a_gpu_run_on_the_stand_in(script, monkeypatch, part, told):
    """An event is 1 ms there, whatever ran."""
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "STEPS", 1)
    assert told in "\n".join(gpu.PARTS[part][0](cuda_stand_in, True))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kernels", "elliptic"])
def test_the_longer_parts_run_on_the_stand_in(script, part):
    rows = cells(script("gpu").PARTS[part][0](cuda_stand_in, True))
    assert len(rows) > 20 if part == "kernels" else rows[1][0] == "16^3"


def test_a_part_that_takes_too_long_is_ended_and_the_next_one_runs(script, monkeypatch, tmp_path):
    """Its output so far stays; its child process ends with it; the next part runs."""
    gpu = script("gpu")
    (tmp_path / "parts.py").write_text(
        "import subprocess, sys\nname = sys.argv[2]\nprint(name, 'begins', flush=True)\n"
        "if name == 'tests':\n    subprocess.run(['sleep', '900'])\nprint(name, 'ends')\n")
    monkeypatch.setattr(gpu, "__file__", str(tmp_path / "parts.py"))
    monkeypatch.setattr(gpu, "PARTS", {"tests": (None, 5.5), "steps": (None, 300)})
    lines, begun = [], time.monotonic()
    gpu.in_turn(["tests", "steps"], 900, lines.append, True)
    text = "\n".join(lines)
    assert time.monotonic() - begun < 600.0
    assert "tests begins" in text and "tests ends" not in text and "cut off after 6 s" in text
    assert "steps ends" in text and "exit code 0" in text
    lines.clear()
    gpu.in_turn(["tests", "steps"], 1, lines.append, True)
    assert "\n".join(lines).count("No time was left") == 2


def test_without_a_gpu_the_script_says_why(tmp_path):
    """Every part for itself; the file is there all the same."""
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed")
    gpu = ROOT / "scripts" / "benchmarks" / "gpu.py"
    answer = subprocess.run([sys.executable, str(gpu), "--parts", "device",
                             "--write", str(tmp_path / "gpu.md")], text=True, capture_output=True)
    assert answer.returncode == 0 and "backend 'cuda' cannot run" in answer.stdout
    assert (tmp_path / "gpu.md").read_text() == answer.stdout


@pytest.mark.slow
def test_the_whole_benchmark_runs_with_small_sizes(script):
    """Every section with numbers that are positive; no peers given, PHREEQC where it is."""
    bench = script("bench")
    given = bench.parser().parse_args(["--quick", "--threads", "1"])
    bench.smaller(given)
    text = "\n".join(bench.tables(given))
    for section in ("Elliptic", "Transport", "Chemistry", "Every kernel", "Whole step"):
        assert f"## {section}" in text
    assert "| 25 cm | cpp | 1 | 0.0" in text and "nan" not in text


def test_a_peer_that_fails_is_told_with_its_words(script):
    transport = script("bench_transport")
    with pytest.raises(SystemExit, match="false failed"):
        transport.plain("false", 8, 1)
