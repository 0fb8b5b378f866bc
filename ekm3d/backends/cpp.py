"""The cpp backend: kernels compiled by the host's C++ compiler with OpenMP, opened with ctypes."""

import ctypes
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ekm3d.backends.base import NONE, Backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.cpp_compiler import FLAGS, cache_folder, compile_library, cpu, find_compiler
from ekm3d.backends.kernel_signature import contraction, declared, defines, pasted
from ekm3d.backends.openmp_wait_policy import set_wait_policy


class CppBackend(Backend):
    """NumPy arrays; kernels compiled by the host's C++ compiler, the reference for the rest."""

    name = "cpp"

    def __init__(self, why: str, flags: Sequence[str] = FLAGS) -> None:
        """flags: of the compiler. BackendError if there is none."""
        self.compiler, version = find_compiler()
        self.flags = flags
        self.stamp = (version, cpu())
        self.compile_time = 0.0             # s spent on compiling
        super().__init__(f"{why}; {version}; {set_wait_policy()}; operators without a kernel run "
                         "in NumPy")

    def __repr__(self) -> str:
        once = ""
        if self.compile_time:
            once = f"; kernels compiled, once, in {self.compile_time:.1f} s"
        return f"{self.name} ({self.why}{once})"

    def kernel(self, source: str, name: str, fixed: Mapping[str, Any] = NONE, **constants: Any
               ) -> CompiledOperator | None:
        """Return a compiled kernel; fixed arguments stay arguments, as they gain nothing here."""
        text, parameters = declared(source, name, constants)
        if not text or not parameters:
            return None
        library = self.library(source, text, constants)
        return CompiledOperator(name, getattr(library, name), parameters, constants)

    def prepare(self, bound: Callable, *values: Any) -> Callable[[], None]:
        if isinstance(bound, CompiledOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def library(self, source: str, text: str, constants: Mapping[str, Any]) -> ctypes.CDLL:
        """Return the kernels of one file as an opened shared library, compiled unless cached."""
        options = (*self.flags, *contraction(text), *defines(constants))
        whole = pasted(source, text)
        digest = hashlib.sha256(repr((whole, options, self.stamp)).encode()).hexdigest()[:24]
        path = cache_folder() / f"{Path(source).stem}-{digest}.so"
        if not path.exists():
            start = time.monotonic()
            compile_library(self.compiler, options, whole, path)
            self.compile_time += time.monotonic() - start
        return ctypes.CDLL(str(path))
