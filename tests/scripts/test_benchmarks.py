"""The benchmarks' scripts: small sizes, the stand-in for a device, and parts that take too long."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.case_files import ROOT
from helpers.quick_flags import QUICK, quick_backend

from ekm3d.backends import choose
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.case.case import Case
from ekm3d.grid.grid import Grid
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path, folder
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


def test_no_list_of_faces_or_openings_crosses_in_a_step(script):
    """Rows every metre of 4 m, 1 024 and 2 048 faces, each an opening of a well. What crosses is
    sums over rows, components and bins, and what the catholytes' chemistry takes: the largest is
    the same for both, less than a fifth of the faces, and there are no more of them."""
    contacts = script("bench_contacts")
    few, many = (contacts.measured(*size) for size in ((4.0, 2.0), (4.0, 4.0)))
    assert (few[0], many[0]) == (1024, 2048)
    assert many[2] == few[2] < few[0] / 5 and many[3] < few[3] + 10


def test_every_kernel_is_timed_and_its_bytes_are_counted(script):
    """Each kernel of every file once; the copy that one takes at its size, in a second a GB.

    Nobody knows the seconds, so least() says 1 for all: GB/s is then the size in GB.
    """
    kernels = script("bench_kernels")
    on = kernels.watched(CppBackend)("test", QUICK)
    rows = cells(kernels.table(on, 0.5e-3, lambda call, before=None: call() or 1.0, 25, 66))[1:]
    every = {name for path in folder("kernels").rglob("*.cu")
             for name in kernel_names(path.read_text())}
    assert {row[0] for row in rows} == every and len(rows) == len(every)
    for name, size, ms, _, share in rows:
        assert float(ms) == 1000.0
        assert float(share) == pytest.approx(1e-3 * float(size) / 0.5e-3, abs=0.2), name
    # p, Ap, x, r, scaled_r of 66^3 voxels in 70^3 with ghosts: 3 x 8 + 2 x 4 bytes each
    size = dict((row[0], float(row[1])) for row in rows)["update_solution"]
    assert size == pytest.approx(1e-6 * 70**3 * 32, rel=0.02)


def test_the_largest_call_of_a_kernel_is_the_one_that_is_kept(script):
    """Not the first, not the last; arguments as they were given."""
    kernels = script("bench_kernels")
    on = kernels.watched(CppBackend)("test", QUICK)
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


# ---- gpu.py: the parts on the stand-in ---------------------------------------------------------

OPTIONS = SimpleNamespace(small=True, folder=None)


def made(script, part, **options):
    """Rows and lines that a part yields on the stand-in."""
    given = SimpleNamespace(**{**vars(OPTIONS), **options})
    out = list(script("gpu_parts").PARTS[part](cuda_stand_in, given))
    return [x for x in out if isinstance(x, dict)], [x for x in out if not isinstance(x, dict)]


def test_every_part_has_a_limit_and_all_of_them_fit_into_one_call(script):
    """The same parts in the same order in both files; ten minutes with some seconds to spare."""
    limits = script("gpu").PARTS
    assert set(limits) == set(script("gpu_parts").PARTS) == set(script("gpu_page").TITLES)
    assert next(iter(limits)) == script("gpu").REQUIRED and sum(limits.values()) <= 590


@pytest.mark.parametrize("part, column", [
    ("bandwidth", "GB/s nominal"), ("transport", "ps per voxel, species and step"),
    ("chemistry", "voxels per second"), ("hectare", "264 h, min")])
def test_a_part_that_measures_yields_positive_numbers(script, part, column):
    rows, _ = made(script, part)
    assert rows[0][column] > 0 and all(row["table"] for row in rows)


def test_steps_are_timed_with_graphs_and_kernels_one_by_one(script, monkeypatch):
    """An event is 1 ms on the stand-in, whatever ran: a kernel's ms are its launches."""
    monkeypatch.setattr(script("gpu_speed"), "STEPS", 1)
    rows, _ = made(script, "steps")
    step, *kernels = rows
    assert step["voxels"] == 384 and step["ms"] > 0
    assert step["launches"] == sum(row["launches"] for row in kernels) == pytest.approx(
        step["ms in kernels"])
    assert {row["kernel"]: row["ms"] for row in kernels}["component_gain"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("part", ["kernels", "elliptic"])
def test_the_longer_parts_that_measure_run_on_the_stand_in(script, part):
    rows, _ = made(script, part)
    if part == "kernels":
        every = {name for path in folder("kernels").rglob("*.cu")
                 if not re.search("^// host only: ", path.read_text(), flags=re.M)
                 for name in kernel_names(path.read_text())}
        assert {row["kernel"] for row in rows} == every and min(row["ms"] for row in rows) > 0
        assert all(row["of nominal"] == pytest.approx(row["GB/s"] / 16) for row in rows)
    else:
        assert rows[0]["cold, iterations"] >= rows[0]["warm, iterations"] > 0


@pytest.mark.slow
def test_one_call_on_the_stand_in_and_the_page_made_of_it(script, tmp_path):
    """All parts, small, as on a machine with a GPU; then the second command.

    CuPy is the stand-in there, by a module of its name; of tests, that of one launch is run. The
    reference of the field block comes from gpu_prepare.py.
    """
    gpu, shim, out = script("gpu"), tmp_path / "shim", tmp_path / "out"
    shim.mkdir()
    (shim / "cupy.py").write_text("import sys\nfrom helpers import cuda_stand_in\n"
                                  "sys.modules['cupy'] = cuda_stand_in\n")
    environ = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, (shim, ROOT / "tests", ROOT))))
    words = [sys.executable, str(ROOT / "scripts" / "benchmarks" / "gpu.py"), "--small",
             "--folder", str(tmp_path / "gpu"), "--out", str(out), "--limit", "3000"]
    subprocess.run([sys.executable, str(ROOT / "scripts" / "benchmarks" / "gpu_prepare.py"),
                    "--no-wheels", "--small", "--folder", str(tmp_path / "gpu")], check=True,
                   env=environ, capture_output=True)
    answer = subprocess.run(words, env=environ, text=True, capture_output=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    parts = json.loads((out / "gpu.json").read_text())["parts"]
    assert list(parts) == list(gpu.PARTS)
    assert {part["status"] for part in parts.values()} == {"done"}
    tested, = parts["twins"]["rows"]
    assert tested["passed"] == 1
    again = subprocess.run(words, env=environ, text=True, capture_output=True)
    assert "All parts are done" in again.stdout and "at most" not in again.stdout
    page = subprocess.run([sys.executable, str(ROOT / "scripts" / "benchmarks" / "gpu_page.py"),
                           str(out / "gpu.json"), "--write", str(tmp_path / "page.md")],
                          check=True, text=True, capture_output=True)
    text = (tmp_path / "page.md").read_text()
    assert not page.stdout and text == (out / "gpu.md").read_text()
    for name in gpu.PARTS:
        assert f"| {name} | done |" in text
    assert "| newton | " in text and "## A hectare" in text and "nan" not in text


def test_a_run_that_differs_from_the_reference_fails(script, tmp_path):
    """One number of the summary off by 1e-5, ten times what is allowed: its name is told."""
    wanted = {"steps": 8, "wall_s": 1.0, "energy_kWh": 2.0, "mass_balance_max": 1e-16,
              "title": "x", "recovery_X": 0.0}
    for off, fails in ((1e-7, False), (1e-5, True)):
        found = dict(wanted, energy_kWh=2.0 * (1 + off), wall_s=9.0, mass_balance_max=3e-16)
        far = script("gpu_parts").apart(found, wanted)
        assert far["energy_kWh"] == pytest.approx(off / (1 + off), rel=1e-6)
        assert (max(far.values()) > script("gpu_parts").CLOSE) == fails
    assert "wall_s" not in far and "mass_balance_max" not in far
    assert script("gpu_parts").apart({"a": 1.0}, {"a": 1.0, "b": 2.0})["b"] == 1.0
    with pytest.raises(SystemExit, match="field_25.json is missing"):
        made(script, "field", folder=tmp_path)


def test_longest_launches_are_read_from_what_ncu_writes(script):
    """Its raw page: lines of its own, names, units, then a record for every launch."""
    head = ["ID", "Kernel Name", "gpu__time_duration.sum", "dram__bytes.sum",
            "launch__registers_per_thread"]
    records = [["", "", "ns", "Mbyte", "register/thread"], ["0", "newton", "1,500", "2.5", "255"],
               ["1", "newton", "4,000", "7.5", "255"], ["2", "smooth", "900", "0.5", "72"]]
    text = "==PROF== Connected\n" + "\n".join(
        ",".join(f'"{cell}"' for cell in record) for record in [head, *records])
    first, second = script("gpu_parts").longest(text)
    assert (first["kernel"], first["us"], first["MB of memory"]) == ("newton", 4.0, 7.5)
    assert second["kernel"] == "smooth" and second["registers"] == 72
    assert list(script("gpu_parts").longest("==ERROR== no permission\n")) == []


def test_newton_is_timed_on_voxels_that_have_not_converged(script):
    """As its arrays were before the call: each repeat takes as many steps as the first one did.

    A call on what the last one left does not: it extrapolates the same time once more.
    """
    kernels = script("bench_kernels")
    on = kernels.watched(CppBackend)("test", QUICK)
    efforts = []

    def least(call, before=None):
        if before is None:
            return 1.0
        for _ in range(3):
            before()
            call()
            efforts.append(int(steps().sum()))
        call()
        efforts.append(int(steps().sum()))
        return 1.0

    def steps():
        _, bound, values, _ = on.calls["newton"]
        names = [p.name for p in bound.parameters]
        return values[names.index("steps")][:values[names.index("n")]]

    assert any(name == "newton" for name, _, _ in kernels.measured(on, least, 25, 16))
    assert efforts[0] == efforts[1] == efforts[2] != efforts[3]


@pytest.mark.parametrize("spacing", [1.25, 1.0])
def test_steps_of_a_hectare_are_bounded_by_the_ore(script, spacing):
    """Neither tanks nor contacts: a step is as long as the schedule allows, 1 h.

    With the catholyte of the field block, a third, the tank would stop it at 1.25 m (2 900 s).
    """
    hectare = script("hectare")
    case = Case.read(case_path("field_saturated"), hectare.overrides(spacing, 10, 5))
    assert [Simulation(case, quick_backend()).step() for _ in range(2)] == [3600.0, 3600.0]


# ---- gpu.py: parts in turn ---------------------------------------------------------------------

def turn(script, tmp_path, text, limits, seconds=900):
    """Results of parts that a script of this text runs, and what was said."""
    gpu = script("gpu")
    (tmp_path / "parts.py").write_text(text)
    results, lines = gpu.Results(tmp_path / "out"), []
    gpu.in_turn(list(limits), limits, time.monotonic() + seconds, results,
                [sys.executable, "-u", str(tmp_path / "parts.py")], dict(os.environ), lines.append)
    return results.parts, "\n".join(lines)


class WhenThere(threading.Thread):
    """A timer that acts once a file is there, however slow the machine is."""

    file = None

    def __init__(self, seconds, action):
        super().__init__(daemon=True)
        self.action, self.cancelled = action, threading.Event()

    def run(self):
        while not self.file.exists():
            if self.cancelled.wait(0.05):
                return
        self.file.unlink()
        self.action()

    def cancel(self):
        self.cancelled.set()


def test_a_part_that_takes_too_long_is_ended_and_the_next_one_runs(script, tmp_path, monkeypatch):
    """Its output so far stays; its child process ends with it; the next part runs.

    Time is over once the part has said that it begins; it would take 900 s.
    """
    monkeypatch.setattr(WhenThere, "file", tmp_path / "begun")
    monkeypatch.setattr(script("gpu").threading, "Timer", WhenThere)
    begun = time.monotonic()
    parts, _ = turn(script, tmp_path, f"""
import subprocess, sys
print(sys.argv[1], "begins")
print('{{"table": "T", "n": 1}}')
if sys.argv[1] == "twins":
    open({str(tmp_path / "begun")!r}, "w").close()
    subprocess.run(["sleep", "900"])
print(sys.argv[1], "ends")
""", {"twins": 60, "steps": 300})
    assert time.monotonic() - begun < 600.0
    assert parts["twins"]["status"] == "cut off" and parts["twins"]["lines"] == ["twins begins"]
    assert parts["twins"]["rows"] == [{"table": "T", "n": 1}]
    assert parts["steps"]["status"] == "done" and parts["steps"]["lines"][-1] == "steps ends"


def test_a_call_without_time_left_begins_no_part(script, tmp_path):
    parts, said = turn(script, tmp_path, "", {"twins": 60, "steps": 300}, seconds=0.5)
    assert parts == {} and said.count("no time was left") == 2


def test_nothing_runs_behind_a_smoke_part_that_fails(script, tmp_path):
    """Others may fail; a part's words stay, whatever they are."""
    text = "import sys\nprint('{not a row')\nprint('{}')\nsys.exit(1)\n"
    parts, said = turn(script, tmp_path, text, {"smoke": 300, "steps": 300})
    assert list(parts) == ["smoke"] and "The call ends here" in said
    assert parts["smoke"]["status"] == "failed" and parts["smoke"]["lines"] == ["{not a row", "{}"]
    parts, _ = turn(script, tmp_path, text, {"twins": 300, "steps": 300})
    assert [parts[name]["status"] for name in ("smoke", "twins", "steps")] == ["failed"] * 3
    results = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert results["parts"] == parts
    assert "twins | failed" in (tmp_path / "out" / "gpu.md").read_text()


def test_wheels_are_installed_beside_the_checkout_once(script, tmp_path):
    """With no network: a wheel of one module, made here."""
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "carried-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried.py", "HERE = True\n")
        wheel.writestr("carried-1.0.dist-info/METADATA",
                       "Metadata-Version: 2.1\nName: carried\nVersion: 1.0\n")
        wheel.writestr("carried-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\n"
                       "Root-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("carried-1.0.dist-info/RECORD", "")
    for _ in range(2):
        environ = script("gpu").installed(tmp_path, dict(os.environ))
    words = [sys.executable, "-c", "import carried, ekm3d; print(carried.HERE)"]
    assert subprocess.run(words, env=environ, text=True, capture_output=True,
                          check=True).stdout == "True\n"


def test_without_a_gpu_the_script_says_why(tmp_path):
    """The first part; the files are there all the same."""
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed")
    gpu = ROOT / "scripts" / "benchmarks" / "gpu.py"
    answer = subprocess.run([sys.executable, str(gpu), "--out", str(tmp_path), "--folder",
                             str(tmp_path)], text=True, capture_output=True)
    assert answer.returncode == 1 and "backend 'cuda' cannot run" in answer.stdout
    assert "backend 'cuda' cannot run" in (tmp_path / "gpu.md").read_text()
    assert "| smoke | failed |" in (tmp_path / "gpu.md").read_text()


@pytest.mark.slow
def test_the_whole_benchmark_runs_with_small_sizes(script):
    """Every section with numbers that are positive; no peers given, PHREEQC where it is."""
    bench = script("bench")
    given = bench.parser().parse_args(["--quick", "--threads", "1"])
    bench.smaller(given)
    text = "\n".join(bench.tables(given))
    for section in ("Elliptic", "Transport", "Chemistry", "Every kernel", "Whole step"):
        assert f"## {section}" in text
    assert re.search(r"\| 25 cm \| cpp \| 1 \| \d+\.\d+ \|", text) and "nan" not in text


def test_a_peer_that_fails_is_told_with_its_words(script):
    transport = script("bench_transport")
    with pytest.raises(SystemExit, match="false failed"):
        transport.plain("false", 8, 1)
