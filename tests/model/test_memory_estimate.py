"""Memory of a run: predicted, measured, and refused where it does not fit."""

import gc
import importlib

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.case_files import ROOT
from helpers.salt_block import salt_case

from ekm3d import Case, Simulation
from ekm3d.backends import choose, host_memory
from ekm3d.backends.base import Backend
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.cli.main import main
from ekm3d.grid.grid import Grid
from ekm3d.model import memory_estimate
from ekm3d.resources import case_path

MANY = ("-o", "grid.spacing=['1 cm', '1 cm', '1 cm']")


def bench(monkeypatch):
    """scripts/benchmarks/memory.py."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "benchmarks"))
    spec = importlib.util.spec_from_file_location(
        "peaks", ROOT / "scripts" / "benchmarks" / "memory.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("run, backend", [
    ("field 10 cm", "numpy"), ("box 0.25 mm", "cpp"),
    *(pytest.param(*pair, marks=pytest.mark.slow) for pair in (
        ("slow 10 cm", "cpp"), ("field 10 cm", "cpp"), ("field 5 cm", "cpp"),
        ("slow 10 cm", "numpy"), ("slow 5 cm", "cpp"), ("box 0.25 mm", "numpy")))])
def test_the_peak_is_predicted_within_15_percent(monkeypatch, backend, run):
    """Maximum resident set of a run in a process of its own: the kernel counts, not we."""
    peaks = bench(monkeypatch)
    where, overrides = peaks.RUNS[run]
    case = Case.read(case_path(where), overrides)
    wanted = memory_estimate.predicted(case.grid, case.chemistry, backend, case.processes)
    wanted += memory_estimate.copied(case.grid, case.chemistry, case.processes)
    assert wanted == pytest.approx(peaks.measured(where, overrides, backend), rel=0.15)


@pytest.mark.parametrize("run, spacing", [
    ("field 10 cm", "25 cm"),
    pytest.param("box 0.25 mm", "1.25 mm", marks=pytest.mark.slow)])
def test_the_peak_on_a_device_is_predicted_within_15_percent(monkeypatch, tmp_path, run, spacing):
    """Bytes of all device arrays that are alive, counted by the stand-in through a short run.

    Set-up with its audit, steps, rows of the series, snapshots and the summary; what a driver
    reserves is not among them. Lists of slow reactions are as long as there is ore, of which a
    block as small as this one has a quarter of its voxels and ghosts: no rule for large ones.
    """
    gc.collect()
    held = cuda_stand_in.memory
    before = held.peak = held.now
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    where, overrides = bench(monkeypatch).RUNS[run]
    case = Case.read(case_path(where), (*overrides, f"grid.spacing={spacing}"))
    Simulation(case, "cuda").run(tmp_path, quiet=True)
    wanted = (memory_estimate.predicted(case.grid, case.chemistry, "cuda", case.processes)
              - memory_estimate.RULES["cuda"].base)
    assert wanted == pytest.approx(held.peak - before, rel=0.15)


def test_a_hectare_at_10_cm_fits_on_a_gpu_of_139_gib():
    """1e8 voxels of the field's own components and species: at most 1 200 bytes at the peak."""
    chem = Case.read(case_path("field_saturated")).chemistry
    hectare = Grid((1000, 1000, 100), (0.1, 0.1, 0.1))
    _, each = memory_estimate.per_voxel(chem, "cuda")
    assert each < 1200 and memory_estimate.predicted(hectare, chem, "cuda") < 139 * 2**30


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["numpy", "cpp"])
@pytest.mark.parametrize("run", ["field 5 cm", "field 2.5 cm", "box 0.16 mm"])
def test_the_peak_of_large_blocks_is_predicted_within_15_percent(monkeypatch, backend, run):
    """Gigabytes: what Python itself takes plays no part any more."""
    test_the_peak_is_predicted_within_15_percent(monkeypatch, backend, run)


def test_the_rule_is_fitted_to_what_is_measured(monkeypatch):
    """Three runs that obey a rule give it back."""
    rule = memory_estimate.Rule(1e8, 2.0, 700.0)
    rows = [(rule.base + v * (rule.state * s + rule.other), v, s)
            for v, s in ((1e4, 100), (1e6, 1500), (3e5, 400), (5e4, 1500))]
    peaks = bench(monkeypatch)
    found = peaks.fitted(rows)
    assert [found.base, found.state, found.other] == pytest.approx([1e8, 2.0, 700.0], rel=1e-6)
    slow = [(peak + 1.5 * v * s, v, s) for peak, v, s in rows]
    assert peaks.with_slow(found, slow).slow == pytest.approx(1.5, rel=1e-6)


def test_the_state_is_counted_as_it_is_allocated(tmp_path):
    """Bytes of state per voxel times voxels with ghosts: the arrays of a State on voxels."""
    sim = Simulation(Case.read(salt_case(tmp_path)), "numpy")
    arrays = [getattr(sim.state, name) for name, field in sim.state.fields.items()
              if field.where == "voxels" and not field.last_of]
    state, whole = memory_estimate.per_voxel(sim.chem, "numpy")
    assert sum(a.nbytes for a in arrays) == state * np.prod(sim.grid.padded) and whole > state


@pytest.mark.parametrize("share, fits", [(1.001, True), (0.999, False)])
def test_what_does_not_fit_is_refused_before_it_is_allocated(tmp_path, monkeypatch, share, fits):
    case = Case.read(salt_case(tmp_path))
    needed = memory_estimate.predicted(case.grid, case.chemistry, "numpy")
    monkeypatch.setattr(Backend, "free_memory", lambda self: share * needed)
    if fits:
        Simulation(case, "numpy")
        return
    with pytest.raises(memory_estimate.InsufficientMemory,
                       match=r"case.toml: grid.spacing: 72 voxels take "
                       r"0.1\d GiB on backend numpy, and 0.1\d GiB are free; voxels of 0.1"):
        Simulation(case, "numpy")


def test_the_voxels_that_are_said_to_fit_do_and_smaller_ones_do_not():
    """The edge grows by the root of the share; ghosts are few on a large grid: 3 per cent."""
    case = Case.read(case_path("field_saturated"))
    large = Grid((400, 400, 400), (0.01, 0.02, 0.005))
    needed = memory_estimate.predicted(large, case.chemistry, "cpp")
    edge = memory_estimate.fitting(large, case.chemistry, "cpp", needed / 8)
    assert edge == pytest.approx(2.0, rel=0.03)
    fewer = Grid((int(400 / edge),) * 3, (1.0,) * 3)
    assert 0.9 < memory_estimate.predicted(fewer, case.chemistry, "cpp") / (needed / 8) <= 1.03
    assert memory_estimate.fitting(large, case.chemistry, "cpp", 1e6) is None


def test_the_command_line_refuses_with_numbers_and_code_2(tmp_path, monkeypatch, capsys):
    """Nothing is written; check tells the same and what is free."""
    folder = salt_case(tmp_path)
    monkeypatch.setattr(Backend, "free_memory", lambda self: 0.2 * 2**30)
    assert main(["run", str(folder), "--backend", "numpy", *MANY]) == 2
    told = capsys.readouterr().err
    assert str(folder) in told and "grid.spacing" in told and "0.20 GiB are free" in told
    assert "would fit" in told and not (folder / "out").exists()
    assert main(["check", str(folder), "--backend", "numpy"]) == 0
    assert "GiB at the peak" in (out := capsys.readouterr().out) and "0.20 GiB are free here" in out


def test_memory_that_runs_out_on_the_way_is_told_too(tmp_path, monkeypatch, capsys):
    def exhausted(self, until=None):
        raise MemoryError("Out of memory allocating 512 bytes")
    monkeypatch.setattr(Simulation, "step", exhausted)
    assert main(["run", str(salt_case(tmp_path)), "--quiet", "--backend", "numpy"]) == 2
    told = capsys.readouterr().err
    assert "memory is exhausted (Out of memory allocating 512 bytes)" in told
    assert "Traceback" not in told


# ---- what is free ----------------------------------------------------------------------------

def test_the_least_of_system_and_container_counts(tmp_path):
    """8 GiB free; a container of 3 GB with 2 GB in use, half a GB of them files: 1.5 GB."""
    meminfo, group = tmp_path / "meminfo", tmp_path / "cgroup"
    meminfo.write_text("MemTotal: 9000000 kB\nMemAvailable:  8388608 kB\n")
    group.mkdir()
    assert host_memory.free_memory(meminfo, group) == 8 * 2**30
    (group / "memory.max").write_text("3000000000\n")
    (group / "memory.current").write_text("2000000000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 500000000\nslab 7\n")
    assert host_memory.free_memory(meminfo, group) == 1_500_000_000
    (group / "memory.max").write_text("max\n")
    assert host_memory.free_memory(meminfo, group) == 8 * 2**30
    assert host_memory.free_memory(tmp_path / "no", tmp_path / "none") is None


def test_limits_of_the_groups_above_count(tmp_path):
    """A job of a batch system: 4 GB for its step, of which 1 is used, 3 GB for the job with 1.5."""
    group, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/job/step\n9:cpu,memory:/old\n")
    for name, most, used in (("job", 3_000_000_000, 1_500_000_000), ("job/step", 4 * 10**9, 10**9)):
        (group / name).mkdir(parents=True)
        (group / name / "memory.max").write_text(f"{most}\n")
        (group / name / "memory.current").write_text(f"{used}\n")
        (group / name / "memory.stat").write_text("inactive_file 0\n")
    assert host_memory.container(group, own) == [3 * 10**9, 1_500_000_000]
    old = group / "memory" / "old"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("700\n")
    (old / "memory.usage_in_bytes").write_text("900\n")
    (old / "memory.stat").write_text("total_inactive_file 50\n")
    assert min(host_memory.container(group, own)) == 0


class Ranks:
    """Communicator of ranks on the computers that it is told of, each with the same needs."""

    def __init__(self, nodes):
        self.nodes = nodes

    def allgather(self, value):
        return [(node, *value[1:]) for node in self.nodes]


@pytest.mark.parametrize("nodes, fits", [
    ("a", True), ("ab", True), ("aa", True), ("aaa", False), ("abbb", False), ("abab", True)])
def test_processes_of_one_computer_share_its_memory(tmp_path, monkeypatch, nodes, fits):
    """Each needs 1, each computer has 2.5 free."""
    case = Case.read(salt_case(tmp_path))
    needed = memory_estimate.predicted(case.grid, case.chemistry, "numpy")
    monkeypatch.setattr(Backend, "free_memory", lambda self: 2.5 * needed)
    arguments = ("case", case.grid, case.chemistry, choose_backend("numpy"), (), Ranks(nodes))
    if fits:
        memory_estimate.require(*arguments)
        return
    with pytest.raises(memory_estimate.InsufficientMemory,
                       match=f"216 voxels take 0.* GiB in 3 processes on {nodes[-1]} on backend"):
        memory_estimate.require(*arguments)


def test_a_limit_of_the_shell_counts(monkeypatch):
    monkeypatch.setattr(host_memory.resource, "getrlimit", lambda _: (2**40, 2**40))
    left, = host_memory.shell()
    assert 0.9 * 2**40 < left < 2**40


def test_a_device_tells_what_it_has_left(monkeypatch):
    """Free memory and what the pool keeps; with a limit on the pool, what that leaves."""
    cuda = CudaBackend("test", cuda_stand_in)
    assert cuda.free_memory() == 2**30 + 1000
    monkeypatch.setattr(cuda_stand_in.pool, "get_limit", lambda: 10_300)
    assert cuda.free_memory() == 10_000
    assert choose_backend("numpy").free_memory() > 0
