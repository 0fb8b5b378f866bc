"""The cpp backend: kernels compiled by the host's C++ compiler with OpenMP, opened with ctypes."""

import ctypes
import hashlib
import time
from pathlib import Path

from ekm3d.backends.base import Backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.cpp_compiler import FLAGS, cache_folder, compile_library, cpu, find_compiler
from ekm3d.backends.kernel_signature import contraction, declared, defines, pasted
from ekm3d.backends.openmp_wait_policy import choose_waiting


class CppBackend(Backend):
    """NumPy arrays; kernels compiled by the host's C++ compiler, the reference for the rest."""

    name = "cpp"

    def __init__(self, why, flags=FLAGS):
        self.compiler, version = find_compiler()
        self.flags = flags
        self.stamp = (version, cpu())
        self.compiling = 0.0                # s spent on compiling
        super().__init__(f"{why}; {version}; {choose_waiting()}; operators without a kernel run in "
                         "NumPy")

    def __repr__(self):
        once = f"; kernels compiled, once, in {self.compiling:.1f} s" if self.compiling else ""
        return f"{self.name} ({self.why}{once})"

    def kernel(self, source, name, **constants):
        text, parameters = declared(source, name, constants)
        if not parameters:
            return None
        library = self.library(source, text, constants)
        return CompiledOperator(name, getattr(library, name), parameters, constants)

    def prepare(self, bound, *values):
        if isinstance(bound, CompiledOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def library(self, source, text, constants):
        """The kernels of one file as an opened shared library, compiled unless cached."""
        options = (*self.flags, *contraction(text), *defines(constants))
        whole = pasted(source, text)
        digest = hashlib.sha256(repr((whole, options, self.stamp)).encode()).hexdigest()[:24]
        path = cache_folder() / f"{Path(source).stem}-{digest}.so"
        if not path.exists():
            begun = time.monotonic()
            compile_library(self.compiler, options, whole, path)
            self.compiling += time.monotonic() - begun
        return ctypes.CDLL(str(path))
