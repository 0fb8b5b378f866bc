"""Choice of the backend: numpy | cpp | cuda, or auto.

    numpy   the reference, a NumPy function
    cpp     the kernel, compiled by the host's C++ compiler with OpenMP; the reference for operators
            without a kernel
    cuda    the kernel on a GPU, through CuPy (`cuda`); for operators without a kernel the
            reference, which NumPy dispatches to CuPy
    auto    cpp if the compiler works, else numpy; cuda must be asked for by name

A backend that was asked for and cannot run is an error, never a silent fall-back.
"""

from collections.abc import Callable

from ekm3d.backends.base import Backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cpp_compiler import TRIAL_LIMIT
from ekm3d.backends.kernel_signature import TRIAL
from ekm3d.errors import BackendError

BACKENDS = ("auto", "numpy", "cpp", "cuda")
AUTOMATIC = ("cpp",)      # candidates of "auto", best first; cuda has yet to run on a device


def choose_backend(name: str = "auto") -> Backend:
    """Return the backend of that name; BackendError with the reason if it cannot run here."""
    if name == "auto":
        return automatic()
    if name not in BUILDERS:
        raise BackendError(f"backend {name!r} is unknown: one of {', '.join(BACKENDS)}")
    try:
        return BUILDERS[name]("asked for")
    except BackendError as error:
        others = " or ".join(other for other in ("numpy", "cpp") if other != name)
        raise BackendError(f"{error}; use --backend {others}") from error


def automatic() -> Backend:
    """Return the first of AUTOMATIC that runs here, else numpy with the reasons in `why`."""
    missing: list[str] = []
    for name in AUTOMATIC:
        try:
            backend = BUILDERS[name]("; ".join(["chosen by auto", *missing]))
            backend.library("trial.cu", TRIAL, {}, TRIAL_LIMIT)
            return backend
        except BackendError as error:
            missing.append(" ".join(str(error).split())[:300])
    return Backend("chosen by auto, though slower, for there is no other: " + "; ".join(missing))


def cuda(why: str) -> Backend:
    """Return the cuda backend; the only place where CuPy is imported."""
    from ekm3d.backends.cuda import CudaBackend
    try:
        import cupy
    except ImportError as error:
        first = str(error).strip().split("\n")[0]
        raise BackendError("backend 'cuda' cannot run: CuPy is not installed, or not complete "
                           f"({first}); pip install 'ekm3d[cuda12]' or 'ekm3d[cuda13]'") from None
    return CudaBackend(why, cupy)


BUILDERS: dict[str, Callable] = {"numpy": Backend, "cpp": CppBackend, "cuda": cuda}
