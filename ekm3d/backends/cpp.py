"""The cpp backend: kernels compiled by the host's C++ compiler with OpenMP, opened with ctypes."""

import ctypes
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ekm3d.backends.base import NONE, Backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.cpp_compiler import (
    COMPILE_LIMIT,
    FLAGS,
    SEAL,
    TRIAL_LIMIT,
    cache_folder,
    cache_remark,
    compile_library,
    cpu,
    find_compiler,
    intact,
    trusted,
    user_cache,
)
from ekm3d.backends.kernel_signature import TRIAL, contraction, declared, defines, pasted
from ekm3d.backends.openmp_wait_policy import set_wait_policy
from ekm3d.errors import BackendError

OPENMP, WITHOUT = "-fopenmp", "-fopenmp-simd"
_opened: list[ctypes.CDLL] = []         # the first library of this process


class CppBackend(Backend):
    """NumPy arrays; kernels compiled by the host's C++ compiler, the reference for the rest."""

    name = "cpp"
    sweeps_levels = True

    def __init__(self, why: str, flags: Sequence[str] = FLAGS) -> None:
        """flags: of the compiler. BackendError if there is none."""
        self.compiler, version = find_compiler()
        self.flags = flags
        self.stamp = (version, cpu())
        self.compile_time = 0.0             # s spent on compiling
        self._libraries: dict[tuple, ctypes.CDLL] = {}      # of files and constants, as opened
        remarks = "".join(f"; {text}" for text in (set_wait_policy(), cache_remark()) if text)
        super().__init__(f"{why}; {version}{remarks}; operators without a kernel run in NumPy")

    def __repr__(self) -> str:
        once = ""
        if self.compile_time:
            once = f"; kernels compiled, once, in {self.compile_time:.1f} s"
        return f"{self.name} ({self.why}{once})"

    def kernel(self, source: str, name: str, fixed: Mapping[str, Any] = NONE,
               written: Mapping[str, str] = NONE, **constants: Any) -> CompiledOperator | None:
        """Return a compiled kernel; fixed arguments stay arguments, as they gain nothing here."""
        text, parameters = declared(source, name, constants, written)
        if not text or not parameters:
            return None
        key = (pasted(source, text), self.stamp, tuple(self.flags), *sorted(constants.items()))
        if key not in self._libraries:
            self._libraries[key] = self.library(source, text, constants)
        library = self._libraries[key]
        return CompiledOperator(name, getattr(library, name), parameters, constants)

    def prepare(self, bound: Callable, *values: Any) -> Callable[[], None]:
        if isinstance(bound, CompiledOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def library(self, source: str, text: str, constants: Mapping[str, Any]) -> ctypes.CDLL:
        """Return the kernels of one file as an opened shared library, compiled unless cached.

        BackendError where the compiler cannot compile them in good time, or only to what cannot be
        opened; one that lacks OpenMP compiles them for one thread.
        """
        try:
            return self._library(source, text, constants)
        except BackendError as error:
            if OPENMP not in self.flags:
                raise
            flags, self.flags = self.flags, tuple(
                WITHOUT if flag == OPENMP else flag for flag in self.flags)
            try:
                library = self._library(source, text, constants)
            except BackendError:
                self.flags = flags
                raise error from None
            self.why += "; one thread only, as the compiler has no OpenMP"
            return library

    def _library(self, source, text, constants):
        """The library of the present flags; a cached one that is damaged is compiled anew."""
        options = (*dict.fromkeys((*self.flags, *contraction(text))), *defines(constants))
        whole = pasted(source, text)
        digest = hashlib.sha256(repr((whole, options, self.stamp, SEAL)).encode()).hexdigest()[:24]
        name = f"{Path(source).stem}-{digest}.so"
        folders = (user_cache(), cache_folder())
        for path in (folder / name for folder in folders if trusted(folder)):
            if intact(path):
                try:
                    return opened(path)
                except OSError:             # made for another system that shares the folder
                    continue
        path = folders[-1] / name
        path.unlink(missing_ok=True)
        start = time.monotonic()
        limit = TRIAL_LIMIT if text == TRIAL else COMPILE_LIMIT
        compile_library(self.compiler, options, whole, path, limit)
        self.compile_time += time.monotonic() - start
        try:
            return opened(path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise BackendError(f"{self.compiler} makes libraries that cannot be opened: {error}"
                               ) from error


def opened(path: Path) -> ctypes.CDLL:
    """Open a library; OSError if the system refuses it."""
    library = ctypes.CDLL(str(path))
    if not _opened:
        _opened.append(library)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_one_thread)
    return library


def _one_thread() -> None:
    """Compute with one thread in a forked process: OpenMP's others exist in its parent only.

    Waiting for them would take for ever. Results do not depend on the number of threads.
    """
    set_threads = getattr(_opened[0], "omp_set_num_threads", None)
    if set_threads is not None:
        set_threads(1)
