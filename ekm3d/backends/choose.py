"""Choice of the backend: numpy | cpp | cuda, or auto.

    numpy   the NumPy function itself
    cpp     the kernel through the host's C++ compiler and OpenMP, where one is written,
            and the function itself where none is
    cuda    the kernel on a GPU, by way of CuPy (cuda.py); the function, which NumPy hands on to
            CuPy, where none is written
    auto    cpp where the compiler works, else numpy; cuda is taken by its name only

What cannot be had is an error where it was asked for, never a silent fall-back.
"""

from ekm3d.backends.base import Backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.kernel_signature import TRIAL
from ekm3d.errors import BackendError

BACKENDS = ("auto", "numpy", "cpp", "cuda")
AUTOMATIC = ("cpp",)      # of "auto", best first; cuda has yet to run on a device


def choose_backend(name="auto"):
    """The backend of that name; BackendError with the reason if it cannot run here."""
    if name == "auto":
        return automatic()
    if name not in BUILDERS:
        raise BackendError(f"backend {name!r} is unknown: one of {', '.join(BACKENDS)}")
    try:
        return BUILDERS[name]("asked for")
    except BackendError as error:
        others = " or ".join(other for other in ("numpy", "cpp") if other != name)
        raise BackendError(f"{error}; use --backend {others}") from error


def automatic():
    """The first of AUTOMATIC that runs here, else numpy; it says why it is not a faster one."""
    missing = []
    for name in AUTOMATIC:
        try:
            backend = BUILDERS[name]("; ".join(["chosen by auto", *missing]))
            backend.library("trial.cu", TRIAL, {})
            return backend
        except BackendError as error:
            missing.append(" ".join(str(error).split())[:300])
    return Backend("chosen by auto, though slower, for there is no other: " + "; ".join(missing))


def cuda(why):
    """The cuda backend; CuPy is looked for here, where it is asked for, and nowhere else."""
    from ekm3d.backends.cuda import CudaBackend
    try:
        import cupy
    except ImportError as error:
        first = str(error).strip().split("\n")[0]
        raise BackendError("backend 'cuda' cannot run: CuPy is not installed, or not complete "
                           f"({first}); pip install 'ekm3d[cuda12]' or 'ekm3d[cuda13]'") from None
    return CudaBackend(why, cupy)


BUILDERS = {"numpy": Backend, "cpp": CppBackend, "cuda": cuda}
