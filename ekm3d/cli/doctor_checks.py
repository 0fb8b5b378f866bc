"""Checks of `ekm3d doctor`: what is installed, what works here, and the remedy in one line.

What may hang or end a process (MPI, rendering, srun) is tried in a process of its own.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py

from ekm3d.backends.choose import BUILDERS
from ekm3d.backends.cpp_compiler import cache_folder, cache_remark
from ekm3d.backends.host_memory import free_memory
from ekm3d.backends.kernel_signature import TRIAL
from ekm3d.case.case import Case
from ekm3d.cli.self_test import CASE, fault
from ekm3d.errors import BackendError
from ekm3d.hdf5_file import can_lock
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import usable_cores
from ekm3d.resources import case_path
from ekm3d.version import __version__

WORKS, LIMITED, MISSING, BROKEN = "works", "limited", "missing", "broken"
PACKAGES = ("numpy", "scipy", "h5py", "pydantic", "pint", "rich", "threadpoolctl")
PATIENCE = 120.0        # s for a process that tries something
RENDER = """
import pyvista
plotter = pyvista.Plotter(off_screen=True, window_size=(64, 64))
plotter.add_mesh(pyvista.Sphere(), color="red")
image = plotter.screenshot(None, return_img=True)
assert image.max() > image.min(), "an empty picture"
print(pyvista.__version__, plotter.render_window.GetClassName())
"""
MPI = "from mpi4py import MPI; import mpi4py; print(mpi4py.__version__, MPI.Get_library_version())"


@dataclass(frozen=True)
class Check:
    """Outcome of one check: its state, what was found, and what to do about it."""

    name: str
    state: str
    found: str
    remedy: str = ""


def checks() -> list[Check]:
    """Return all checks, the one that matters most first."""
    return [program(), packages(), compiler(), gpu(), mpi(), srun(), rendering(), hdf5(), memory(),
            threads(), cache()]


def program() -> Check:
    """Take two steps of a coarse field block in NumPy."""
    here = f"ekm3d {__version__}, Python {platform.python_version()}, {platform.platform()}"
    try:
        simulation = Simulation(Case.read(case_path("field_saturated"), [CASE]), "numpy")
        simulation.step(), simulation.step()
    except Exception as error:              # of any kind: this is what is asked
        return Check("ekm3d", BROKEN, f"{here}: two steps of a small case fail: "
                     f"{type(error).__name__}: {_first(str(error))}",
                     "pip install --force-reinstall ekm3d, in a virtual environment of its own")
    return Check("ekm3d", WORKS, f"{here}; two steps of a small case on numpy")


def packages() -> Check:
    """Versions of what ekm3d needs."""
    found = {name: _version(name) for name in PACKAGES}
    lacking = [name for name, number in found.items() if not number]
    return Check("packages", BROKEN if lacking else WORKS,
                 ", ".join(f"{name} {number or 'missing'}" for name, number in found.items()),
                 f"pip install {' '.join(lacking)}" if lacking else "")


def compiler() -> Check:
    """C++ compiler, by a kernel that it compiles and runs."""
    try:
        backend = BUILDERS["cpp"]("doctor")
        backend.library("trial.cu", TRIAL, {})
    except BackendError as error:
        return Check("compiler", LIMITED, _first(str(error)), "runs take several times longer; "
                     "apt-get install g++ (macOS: xcode-select --install)")
    return Check("compiler", WORKS, str(backend))


def gpu() -> Check:
    """GPU, by the self-test that `--backend auto` makes."""
    try:
        backend = BUILDERS["cuda"]("doctor")
        backend.library("trial.cu", TRIAL, {})
        wrong = fault(backend)
    except BackendError as error:
        absent = shutil.which("nvidia-smi") is None
        return Check("GPU", MISSING, _first(str(error)), "none needed; with an NVIDIA GPU and its "
                     "driver: pip install 'ekm3d[cuda13]' (or cuda12, by the driver, never both)"
                     if absent or not _version("cupy-cuda13x", "cupy-cuda12x", "cupy")
                     else "see whether nvidia-smi lists the GPU, and update the driver")
    if wrong:
        return Check("GPU", BROKEN, f"{backend}: {wrong}", "runs take the processor; please report "
                     "this line")
    return Check("GPU", WORKS, f"{backend}; self-test passed")


def mpi() -> Check:
    """Library of MPI behind mpi4py, and the launcher beside this Python or on the path."""
    code, out = _tried([sys.executable, "-c", MPI])
    if code:
        return Check("MPI", MISSING, f"mpi4py: {_last(out)}", "one process per run; for many: "
                     "pip install 'ekm3d[mpich]', or 'ekm3d[mpi]' with the computer's own MPI")
    own = Path(sysconfig.get_path("scripts"))
    launcher = shutil.which("mpiexec", path=str(own)) or shutil.which("mpiexec")
    found = f"mpi4py {_first(out)}; launcher {launcher or 'none'}"
    return Check("MPI", WORKS if launcher else LIMITED, found, "" if launcher else
                 "start runs by srun, or install the mpiexec of this library")


def srun() -> Check:
    """Kinds of MPI that Slurm can start, and the one for this mpi4py."""
    if shutil.which("srun") is None:
        return Check("Slurm", MISSING, "no srun", "none needed outside of a cluster")
    code, out = _tried(["srun", "--mpi=list"])
    kinds = [word for word in out.replace(",", " ").split()
             if word.startswith(("pmi", "cray", "none", "openmpi"))]
    library = _tried([sys.executable, "-c", MPI])[1]
    wanted = ("pmix", "cray_shasta") if "Open MPI" in library else ("cray_shasta", "pmi2", "pmix")
    fit = next((kind for name in wanted for kind in kinds if kind.startswith(name)), "")
    if code or not fit:
        return Check("Slurm", LIMITED, f"srun --mpi=list: {_last(out)}",
                     "ask the site which --mpi its MPI needs")
    return Check("Slurm", WORKS, f"srun knows {', '.join(kinds)}; start runs by srun --mpi={fit}")


def rendering() -> Check:
    """Picture off the screen by pyvista; without it pictures are made by matplotlib."""
    if not _version("pyvista"):
        return Check("pictures", MISSING if not _version("matplotlib") else LIMITED,
                     "pyvista is not installed", "for pictures in 3D: pip install 'ekm3d[viz]'")
    code, out = _tried([sys.executable, "-c", RENDER])
    if code:
        return Check("pictures", LIMITED, f"pyvista cannot draw off the screen ({_last(out)})",
                     "apt-get install libegl1 libgl1-mesa-dri, or libosmesa6")
    return Check("pictures", WORKS, f"pyvista {_last(out)}, off the screen")


def hdf5() -> Check:
    """HDF5 library, and a file with and without locks in this directory."""
    parallel = "with" if h5py.get_config().mpi else "without"
    found = f"HDF5 {h5py.version.hdf5_version}, {parallel} MPI"
    try:
        with tempfile.TemporaryDirectory(dir=".") as place:
            if not can_lock(Path(place)):
                return Check("files", LIMITED, f"{found}; this file system has no locks",
                             "runs need none; other programs: export HDF5_USE_FILE_LOCKING=FALSE")
    except OSError as error:
        return Check("files", LIMITED, f"{found}; nothing can be written into {Path.cwd()}: "
                     f"{error.strerror or _first(str(error))}", "run in a directory that is yours")
    return Check("files", WORKS, f"{found}; files and locks work in {Path.cwd()}")


def memory() -> Check:
    """Memory that a run may take."""
    free = free_memory()
    if free is None:
        return Check("memory", LIMITED, "its size is unknown on this system",
                     "`ekm3d check CASE` tells what a case needs")
    voxels = free / 2.0e3               # bytes per voxel of the field case, README.md
    return Check("memory", WORKS, f"{free / 2**30:.1f} GiB free, enough for about "
                 f"{voxels / 1e6:.2g} million voxels of the field case with compiled kernels")


def threads() -> Check:
    """Cores that this process may use, and OMP_NUM_THREADS."""
    count, usable = os.cpu_count() or 1, len(usable_cores())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    found = f"{usable} of {count} cores usable" + (f", OMP_NUM_THREADS={asked}" if asked else "")
    if asked.isdigit() and int(asked) > usable:
        return Check("threads", LIMITED, found, f"export OMP_NUM_THREADS={usable}")
    return Check("threads", WORKS, found)


def cache() -> Check:
    """Folder for compiled kernels."""
    remark = cache_remark()
    return Check("cache", LIMITED if remark else WORKS, remark or f"kernels in {cache_folder()}",
                 "export EKM3D_CACHE=DIR" if remark else "")


def _tried(command: list[str]) -> tuple[int, str]:
    """Return (exit code, output) of a command; 124 where it takes too long."""
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=PATIENCE, encoding="utf-8",
                                errors="replace")
    except subprocess.TimeoutExpired:
        return 124, f"no answer within {PATIENCE:.0f} s"
    except OSError as error:
        return 127, str(error)
    if answer.returncode < 0:
        return answer.returncode, f"the process was ended by signal {-answer.returncode}"
    return answer.returncode, answer.stdout


def _version(*names: str) -> str:
    """Return the version of the first of these packages that is installed, or ""."""
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def _first(text: str) -> str:
    return next((" ".join(line.split())[:300] for line in text.splitlines() if line.strip()), "")


def _last(text: str) -> str:
    return _first("\n".join(reversed(text.splitlines()))) or "no message"
