"""Shared fixtures: the backends that run here, the cache of kernels, the order of the tests."""

import gc
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from helpers import compile_once, cuda_stand_in, nvrtc
from helpers.processor_time import ProcessorTime
from helpers.quick_flags import QUICK

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cpp_compiler import FLAGS
from ekm3d.backends.cuda import OPTIONS, CudaBackend
from ekm3d.errors import BackendError
from ekm3d.output import provenance

# Several tests run at once: threads that wait for the next kernel are not to stay awake.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Files whose tests take longest, longest first: what is left for the end are short ones. First of
# all mypy, which nothing can divide, and those with one long run for several tests, which two
# workers would make twice.
LONGEST = ("test_style.py", "test_field_case.py", "test_backends_agree.py", "test_ranks.py",
           "test_runner.py", "test_full_disk.py", "test_resume.py", "test_unsaturated_runs.py",
           "test_cuda.py", "test_kinetics.py", "test_team.py", "test_twins.py", "test_pictures.py",
           "test_batches.py", "test_memory_estimate.py", "test_benchmarks.py", "test_domain.py",
           "test_rod_runs.py", "test_newton.py", "test_self_test.py", "test_study.py",
           "test_conservation.py", "test_kernels.py", "test_boxes.py", "test_phases.py")


def pytest_addoption(parser):
    parser.addoption("--processor-time", type=int, default=0, metavar="N",
                     help="show the N files and tests that take most processor time")


def pytest_configure(config):
    """Keep pytest's rewritten test modules for other workers and runs, and share that work.

    A second of a worker's collection in two is the rewriting of asserts. Every other worker begins
    with the last file, so that two of them rewrite half each. They are kept in __pycache__ also
    where PYTHONDONTWRITEBYTECODE is set, as in many containers.
    """
    sys.dont_write_bytecode = False
    if count := config.getoption("--processor-time"):
        config.pluginmanager.register(ProcessorTime(count))
    here = Path(__file__).parent
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    if int(worker[2:]) % 2 and [Path(name).resolve() for name in config.args] == [here]:
        config.args = sorted(map(str, here.rglob("test_*.py")), reverse=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage neither among what is collected, which all stays, nor meanwhile."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Put the files of LONGEST first, in that order, then all others by their names."""
    rank = {name: n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (rank.get(item.path.name, len(rank)), str(item.path)))


@pytest.fixture(scope="session", autouse=True)
def bytecode_cache():
    """Have the processes that tests start compile Python's modules once; each needs a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(kernel_cache_folder):
    """Let all workers share one cache of compiled kernels by digest; the user's is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EKM3D_CACHE", str(kernel_cache_folder))
        compile_once.install()
        yield kernel_cache_folder


@pytest.fixture(scope="session", autouse=True)
def own_commit():
    """Ask git once for the commit of this checkout, which every run notes: three processes each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "checkout", cache(provenance.checkout))
        yield


@pytest.fixture(scope="session")
def kernel_cache_folder():
    """Folder of what tests compile."""
    return cache_folder()


def cache_folder():
    """$EKM3D_TEST_CACHE, else a folder of this user and checkout in the system's temporary one."""
    folder = Path(os.environ.get("EKM3D_TEST_CACHE") or Path(
        tempfile.gettempdir(), f"ekm3d-tests-{os.getuid()}"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@pytest.fixture
def quick_kernels(monkeypatch):
    """Compile kernels with -Og, a tenth of the time, for runs whose bits are not compared.

    The twins (tests/kernels), the ranks and the command line keep the flags of production.
    """
    monkeypatch.setattr(CppBackend.__init__, "__defaults__", (QUICK,))


@pytest.fixture(params=["numpy", "cpp"])
def backend(request, quick_kernels):
    """Every backend of this version in turn."""
    try:
        return choose_backend(request.param)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def cuda():
    """The cuda backend on the stand-in."""
    try:
        return CudaBackend("test", cuda_stand_in)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def needs_nvrtc():
    """Skip without CUDA's compiler library."""
    if nvrtc.library() is None:
        pytest.skip(nvrtc.MISSING)


def on_a_gpu():
    """CUDA without fused multiply-add."""
    return cuda_stand_in.Carried(CudaBackend("twin test", pytest.importorskip("cupy"),
                                      (*OPTIONS, "--fmad=false")))


def on_ptx():
    """Kernels as NVRTC makes them, executed on the host, without fused multiply-add."""
    if nvrtc.library() is None:
        pytest.skip(nvrtc.MISSING)
    from helpers.ptx_modules import OnPtx
    return cuda_stand_in.Carried(CudaBackend("twin test", OnPtx(), (*OPTIONS, "--fmad=false")))


COMPILED = {"cpp": lambda: CppBackend("twin test", (*FLAGS, "-ffp-contract=off")),
            "quick": lambda: CppBackend("twin test", (*QUICK, "-ffp-contract=off")),
            "launched": lambda: cuda_stand_in.Carried(CudaBackend("twin test", cuda_stand_in)),
            "ptx": on_ptx, "gpu": on_a_gpu}


@pytest.fixture(scope="module", params=["cpp", "launched",
                                        pytest.param("ptx", marks=pytest.mark.slow),
                                        pytest.param("gpu", marks=pytest.mark.gpu)])
def host(request):
    """Kernels for NumPy arrays, without fused multiply-add, which rounds otherwise than NumPy.

    As the host's compiler sees them; as CUDA does, block by block on the host; NVRTC's PTX, run
    likewise; on a GPU.
    """
    try:
        return COMPILED[request.param]()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """A small case with results in its out/, made once; tests only read it."""
    from helpers.small_run import finished
    return finished(tmp_path_factory.mktemp("small_run"))


@pytest.fixture(scope="session")
def other_run(tmp_path_factory):
    """The same case at another voltage."""
    from helpers.small_run import finished
    return finished(tmp_path_factory.mktemp("other_run"), "schedule.stage.0.voltage=40 V")


@pytest.fixture
def rng():
    """Random numbers, the same in every run; the seed means nothing."""
    return np.random.default_rng(20231)
