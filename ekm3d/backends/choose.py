"""Choice of the backend: numpy | cpp | cuda, or auto.

    numpy   the reference, a NumPy function
    cpp     the kernel, compiled by the host's C++ compiler with OpenMP; the reference for operators
            without a kernel
    cuda    the kernel on a GPU, through CuPy (`cuda`); for operators without a kernel the
            reference, which NumPy dispatches to CuPy
    auto    cuda if a GPU answers and passes the caller's trial, else cpp if the compiler works,
            else numpy; the log says why not the others

A backend that was asked for and cannot run is an error, never a silent fall-back.
"""

from collections.abc import Callable

from ekm3d.backends.base import Backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.kernel_signature import TRIAL
from ekm3d.errors import BackendError

BACKENDS = ("auto", "numpy", "cpp", "cuda")
AUTOMATIC = ("cuda", "cpp")           # candidates of "auto", best first
TRIED = ("cuda",)                     # of these, what "auto" takes only after a trial
Trial = Callable[[Backend], str]      # what is wrong with a backend, "" if nothing


def choose_backend(name: str | Backend = "auto", trial: Trial | None = None) -> Backend:
    """Return the backend of that name; BackendError with the reason if it cannot run here.

    trial: of a GPU that "auto" may take; without one it takes none. A Backend is returned as it is.
    """
    if isinstance(name, Backend):
        return name
    if name == "auto":
        return automatic(trial)
    if name not in BUILDERS:
        raise BackendError(f"backend {name!r} is unknown: one of {', '.join(BACKENDS)}")
    try:
        return BUILDERS[name]("asked for")
    except BackendError as error:
        others = " or ".join(other for other in ("numpy", "cpp") if other != name)
        raise BackendError(f"{error}; use --backend {others}") from error


def automatic(trial: Trial | None) -> Backend:
    """Return the first of AUTOMATIC that runs here, else numpy with the reasons in `why`."""
    missing: list[str] = []
    for name in AUTOMATIC:
        if name in TRIED and trial is None:
            continue
        try:
            backend = BUILDERS[name]("; ".join(["chosen by auto", *missing]))
            backend.library("trial.cu", TRIAL, {})
            if name in TRIED and trial and (wrong := trial(backend)):
                raise BackendError(f"backend {name!r} is not taken: {wrong}")
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
