"""Timed cuda backend: an event before and behind every launch gives each kernel's time."""

from ekm3d.backends.base import Backend
from ekm3d.backends.cuda import CudaBackend


class Watched(CudaBackend):
    """CUDA backend that, while `watching`, records start and end of every launch.

    Then CUDA graphs are off: sequences are launched one by one.
    """

    def __init__(self, why, cupy, watching=True):
        self.launches, self.watching = [], watching
        super().__init__(why, cupy)

    def sequence(self, calls):
        calls = list(calls)
        graphs, single = super().sequence(calls), Backend.sequence(self, calls)
        return lambda: single() if self.watching else graphs()

    def library(self, source, text, constants):
        return Module(super().library(source, text, constants), self)

    def spent(self):
        """Return {kernel: (launches, seconds)} since the last call."""
        result = {}
        for name, begun, ended in self.launches:
            ended.synchronize()
            count, seconds = result.get(name, (0, 0.0))
            result[name] = count + 1, seconds + 1e-3 * self.xp.cuda.get_elapsed_time(begun, ended)
        self.launches.clear()
        return result


class Module:
    """CuPy module whose kernels are timed."""

    def __init__(self, module, backend):
        self.module, self.backend = module, backend

    def get_function(self, name):
        return Kernel(name, self.module.get_function(name), self.backend)


class Kernel:
    """Kernel with an event before and behind every launch."""

    def __init__(self, name, kernel, backend):
        self.name, self.kernel, self.backend = name, kernel, backend
        self.max_threads_per_block = kernel.max_threads_per_block

    def __call__(self, *launch):
        if not self.backend.watching:
            return self.kernel(*launch)
        begun, ended = (self.backend.xp.cuda.Event() for _ in range(2))
        begun.record()
        self.kernel(*launch)
        ended.record()
        self.backend.launches.append((self.name, begun, ended))
