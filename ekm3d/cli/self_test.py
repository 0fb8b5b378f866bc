"""Self-test of a GPU that "auto" may take: two steps of the coarse field block, beside NumPy.

Every operator of such a step takes part. The first time, compiling takes some seconds; a GPU that
passes is remembered in the cache of kernels by its name, its driver, CuPy and the kernels' text.
"""

import hashlib
from pathlib import Path

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp_compiler import cache_folder
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import ALONE, Alone
from ekm3d.resources import case_path, folder
from ekm3d.version import __version__

CASE = "grid.spacing=['25 cm', '50 cm', '50 cm']"
FIELDS = ("totals", "c", "exchanged", "solid", "phi", "head")
ALLOWED = 1e-9              # of a field's largest value; both solvers end at 1e-11 of the source


def backend_of(name: str, team: Alone = ALONE) -> Backend:
    """Return the backend of a run; "auto" takes a GPU that passes, for one process."""
    return choose_backend(name, fault if team is ALONE else None)


def fault(backend: Backend) -> str:
    """Return what is wrong with a backend, "" if nothing."""
    passed = _mark(backend)
    if passed.exists():
        return ""
    try:
        wrong = _difference(backend)
    except Exception as error:          # CuPy's own, of many classes; the project's
        first = (str(error).strip().split("\n") or [""])[0]
        return f"its self-test failed: {type(error).__name__}: {first}"
    if not wrong:
        passed.touch()
    return wrong


def _difference(backend):
    """Compare two steps; "" where all fields agree to ALLOWED."""
    case = Case.read(case_path("field_saturated"), [CASE])
    here, there = Simulation(case, Backend("self-test")), Simulation(case, backend)
    for _ in range(2):
        here.step(), there.step()
    for name in FIELDS:
        mine, theirs = getattr(here.state, name), backend.to_numpy(getattr(there.state, name))
        far = np.abs(mine - theirs).max() / max(np.abs(mine).max(), 1e-300)
        if not far <= ALLOWED:
            return (f"its self-test failed: after two steps {name} differs from NumPy's by "
                    f"{far:.1g} of the largest value")
    return ""


def _mark(backend: Backend) -> Path:
    """Return the path of the file that remembers a passed test."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder("kernels").rglob("*.cu*"))]
    inputs = repr((backend.why, __version__, CASE, FIELDS, ALLOWED, texts))
    return cache_folder() / f"self-test-{hashlib.sha256(inputs.encode()).hexdigest()[:24]}"
