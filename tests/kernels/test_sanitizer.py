"""The compiled kernels under the address and undefined-behaviour sanitizers, on small cases."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ekm3d import errors
from ekm3d.backends import cpp_compiler

SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RUN = """
import sys
import numpy as np
from ekm3d.backends import base, cpp, cpp_compiler
from ekm3d.case.case import Case
from ekm3d.resources import case_path
from ekm3d.model.simulation import Simulation
cpp_compiler.FLAGS = tuple(f for f in cpp_compiler.FLAGS if f != "-O3") + tuple(sys.argv[3:])
cpp.CppBackend.__init__.__defaults__ = (cpp_compiler.FLAGS,)
sim = Simulation(Case.read(case_path(sys.argv[1]), sys.argv[2].split(";")), "cpp")
for _ in range(3):
    sim.step()
assert np.isfinite(sim.state.totals).all()
print("steps taken:", sim.state.step)
"""


def runtime(compiler):
    """Path of the compiler's address sanitizer, which has to be loaded before anything else."""
    names = ("libasan.so", "libclang_rt.asan-x86_64.so")
    for name in names:
        path = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True,
                              text=True).stdout.strip()
        if Path(path).is_absolute():
            return path
    pytest.skip(f"{compiler} has no address sanitizer")


def sanitized(arguments, folder, code=RUN):
    """A Python process whose kernels are compiled with sanitizers."""
    try:
        compiler, _ = cpp_compiler.find_compiler()
    except errors.BackendError as error:
        pytest.skip(str(error))
    environment = dict(os.environ, LD_PRELOAD=runtime(compiler), EKM3D_CACHE=str(folder),
                       ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1",
                       OMP_NUM_THREADS="2", PYTHONPATH=os.pathsep.join(sys.path))
    return subprocess.run([sys.executable, "-c", code, *arguments, *SANITIZE], text=True,
                          env=environment, capture_output=True, timeout=900)


@pytest.mark.slow
@pytest.mark.parametrize("case, change", [
    ("field_saturated", "grid.spacing='25 cm'"),
    ("field_saturated", "grid.spacing='12.5 cm'"),
    ("field_column", "physics.scheme='blended'")])
def test_kernels_stay_within_their_arrays(case, change, tmp_path):
    """Three steps of small cases: no read or write beyond an array, no undefined arithmetic."""
    answer = sanitized([case, change], tmp_path)
    assert answer.returncode == 0 and "steps taken: 3" in answer.stdout, answer.stderr[:3000]


@pytest.mark.slow
def test_the_sanitizers_are_awake(tmp_path):
    """The same way of compiling finds a read one number too far: silence above means something."""
    code = RUN.split("sim =")[0] + """
from ekm3d.backends import kernel_signature
given = kernel_signature.kernel_text
kernel_signature.kernel_text = lambda name: given(name) if name != "own.cu" else (
    "KERNEL far(Grid g, const real* x, real* y)"
    "{ EKM_VOXELS(i, j, k, g) y[at(i, j, k, g)] = x[volume(g)]; }")
from ekm3d.grid.grid import Grid
@base.operator
def far(g, x, y):
    "y = x"
g = Grid((40, 40, 40), (1.0, 1.0, 1.0))
far.source = "own.cu"
cpp.CppBackend("test").bind(far)(g, np.ones(g.padded), np.ones(g.padded))
"""
    answer = sanitized(["-", "-"], tmp_path, code)
    assert answer.returncode != 0 and "AddressSanitizer" in answer.stderr
