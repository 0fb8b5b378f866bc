"""The kernels on a GPU, by way of CuPy: arrays in its memory, each kernel one launch.

The text that is compiled is the one that every compiler gets (kernelsource.pasted), by NVRTC
through CuPy, which keeps what it compiled by that text. How many threads a launch needs follows
from the word that its kernel loops with:

    EKM_ROWS(j, k, grid)    a warp for every row of voxels of `grid`
    EKM_BLOCK_ROWS          one block, as large as the kernel's registers allow
    all others              a thread for every voxel of the first grid, and for one more layer
                            along every axis: the faces on the lower side of the box

Everything goes into CuPy's current stream, in order: a stream of its own, since the default one
can neither be captured into a CUDA graph nor leave the host alone. What is small stays NumPy's:
tables of numbers are copied to the device the first time that they are seen, and places of
electrode faces and wells with them, since both repeat from step to step.

Fields are allocated once; what array expressions need for a moment comes from CuPy's pool, which
keeps it: after the first steps nothing is asked of the driver. Output leaves through buffers of
page-locked host memory, which the device fills while the host goes on.
"""

import re
from itertools import groupby

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.gpu_devices import chosen
from ekm3d.backends.kernel_signature import (
    KINDS,
    TRIAL,
    declared,
    defines,
    pasted,
    signature,
    without_comments,
)
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid, PackedGrid
from ekm3d.grid.stencil import flat

OPTIONS = ("-std=c++17",)
WARP = 32
ROWS = 8             # warps of a block, where registers allow as many
BLOCK_ROWS = 32      # warps of the block that does all by itself
REMEMBERED = 4096    # arrays that are kept on the device, for they will be asked for again


class CudaBackend(Backend):
    """CuPy arrays; kernels compiled by NVRTC, the reference through CuPy for the rest."""

    name = "cuda"

    def __init__(self, why, cupy, options=OPTIONS):
        """cupy: the module; BackendError with the reason if it finds no device that works."""
        self.xp, self.options, self.known = cupy, options, {}
        super().__init__(f"{why}; {self._device()}")

    def _device(self):
        """Name of the device and versions, once a kernel has run on it."""
        cuda = self.xp.cuda
        try:
            count = cuda.runtime.getDeviceCount()
            if (number := chosen(count)) is not None:
                cuda.runtime.setDevice(number)
            number = cuda.runtime.getDevice()
            about = cuda.runtime.getDeviceProperties(number)
            if not cuda.get_current_stream().ptr:               # the default one
                cuda.Stream(non_blocking=True).use()
            self._try()
        except Exception as error:       # CuPy's own, of many kinds; libraries that are missing
            first = (str(error).strip().split("\n") or [""])[0]
            raise BackendError(f"backend 'cuda' cannot run: {type(error).__name__}: {first}. It "
                               "needs an NVIDIA GPU, a driver as new as CuPy's CUDA version, and "
                               "CuPy with its CUDA libraries") from error
        self.device = bytes(about.get("uuid", b"")) or number
        return (f"{about['name'].decode()}, compute capability {about['major']}.{about['minor']}, "
                f"{about['totalGlobalMem'] / 2**30:.0f} GiB, device {number} of {count}, CUDA "
                f"driver {cuda.runtime.driverGetVersion()}, CuPy {self.xp.__version__}")

    def _try(self):
        """Compile a kernel, launch it, and wait for it."""
        module = self.library("trial.cu", TRIAL, {})
        trial = LaunchedOperator(self, module, TRIAL, "trial", signature(TRIAL, "trial"), {})
        trial(Grid((1, 1, 1), (1.0, 1.0, 1.0)))
        self.xp.cuda.get_current_stream().synchronize()

    def library(self, source, text, constants):
        """The kernels of one file as a CuPy module."""
        options = (*self.options, *defines(constants))
        return self.xp.RawModule(code=pasted(source, text), options=options)

    def kernel(self, source, name, **constants):
        text, parameters = declared(source, name, constants)
        if not parameters:
            return None
        module = self.library(source, text, constants)
        return LaunchedOperator(self, module, text, name, parameters, constants)

    def prepare(self, bound, *values):
        if isinstance(bound, LaunchedOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def sequence(self, calls):
        """Launches that follow one another become one; what else is among them stays as it is."""
        there = [call for call in calls if call is not None]
        together = [(launched, super(CudaBackend, self).sequence(part))
                    for launched, part in groupby(there, lambda call: hasattr(call, "launch"))]
        return super().sequence(CudaGraph(self.xp.cuda, part) if launched else part
                                for launched, part in together)

    def free_memory(self):
        """What the device has left, and what the pool keeps or is limited to."""
        pool, (free, _) = self.xp.get_default_memory_pool(), self.xp.cuda.runtime.memGetInfo()
        free += pool.free_bytes()
        limit = pool.get_limit()
        return min(free, limit - pool.used_bytes()) if limit else free

    def host_buffer(self, shape, dtype):
        """Page-locked, without which the device cannot write there by itself."""
        count = int(np.prod(shape))
        memory = self.xp.cuda.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def copy_to_host_async(self, array, buffer):
        array.astype(buffer.dtype, order="C", copy=False).get(out=buffer, blocking=False)

    def copies_done(self):
        event = self.xp.cuda.Event(block=True, disable_timing=True)
        event.record()
        return event.synchronize

    def staging_buffers(self, count, direct=bool):
        near = self.zeros((count,), np.uint8)
        return near, near if direct() else self.host_buffer((count,), np.uint8)

    def to_host_buffer(self, near, far):
        if far is not near:
            self.copy_to_host_async(near, far)
        self.copies_done()()

    def to_device_buffer(self, near, far):
        if far is not near:
            near.set(far)
            self.copies_done()()

    def to_numpy(self, array):
        """A copy on the host; waits until the device has made it."""
        return self.xp.asnumpy(array)

    def from_numpy(self, array):
        """A copy on the device."""
        return self.xp.asarray(array)

    def cached(self, array):
        """The copy of a small NumPy array on the device, made when its content is first seen."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[key] = self.from_numpy(array)
        return self.known[key]

    def weighted_sum(self, weights, array):
        return np.tensordot(self.cached(weights), array, 1)

    def gather(self, array, voxel):
        return self.to_numpy(flat(array)[..., self.cached(voxel)])

    def add_at(self, array, voxel, values):
        """What goes to one voxel is added up here first: the device has no order of additions."""
        places, number = np.unique(voxel, return_inverse=True)
        sums = np.zeros((*values.shape[:-1], places.size))
        for index in np.ndindex(values.shape[:-1]):
            np.add.at(sums[index], number, values[index])
        flat(array)[..., self.cached(places)] += self.from_numpy(sums)


class CudaGraph:
    """Launches that are always the same: made one by one once, from then on as one CUDA graph.

    A graph holds the kernels' arguments; the calls, which own the arrays, are kept beside it. The
    driver loads a kernel when it is first launched, and that is better not recorded.
    """

    def __init__(self, cuda, calls):
        self.cuda, self.calls, self.loaded, self.graph = cuda, calls, False, None

    def __call__(self):
        if self.graph is not None:
            self.graph.launch()
        elif self.loaded:
            self.graph = self._record()
            self.graph.launch()
        else:
            self.calls()
            self.loaded = True

    def _record(self):
        stream = self.cuda.get_current_stream()
        stream.begin_capture()
        try:
            self.calls()
        finally:
            graph = stream.end_capture()
        return graph


class LaunchedOperator(CompiledOperator):
    """A kernel on the device, called with the arguments of its NumPy twin and checked alike.

    Scalars and tables come from the host, arrays from CuPy.
    """

    def __init__(self, backend, module, text, name, parameters, constants):
        self.backend = backend
        self.word, self.over = loop(text, name, parameters)
        super().__init__(name, module.get_function(name), parameters, constants)

    def _declare(self):
        """The types that arguments travel in, and the size of a block."""
        self.types = [np.uint64 if p.array else packed if p.kind == "Grid" else KINDS[p.kind].type
                      for p in self.parameters]
        most = self.function.max_threads_per_block // WARP
        self.warps = min(most, BLOCK_ROWS if self.word == "EKM_BLOCK_ROWS" else ROWS)

    def _launch(self, values):
        """(blocks, threads of a block, arguments) of a call, after all checks."""
        given = [kind(value) for kind, value in zip(self.types, self._addresses(values))]
        block = WARP, self.warps, 1
        if self.word == "EKM_BLOCK_ROWS":
            return (1, 1, 1), block, tuple(given)
        nx, ny, nz = values[self.over].cells
        if self.word == "EKM_ROWS":
            return (1, blocks(ny, self.warps), nz), block, tuple(given)
        high = min(ny, self.warps)
        wide = WARP * (self.warps // high)
        return (blocks(nx + 1, wide), blocks(ny + 1, high), nz + 1), (wide, high, 1), tuple(given)

    def __call__(self, *values):
        self.function(*self._launch(values))

    def prepared(self, *values):
        launch = self._launch(values)

        def call(function=self.function, kept=values):
            function(*launch)
        call.launch = launch
        return call

    def _address(self, p, value, wanted):
        if p.table:
            super()._check(p, value, f"{self.__name__}: {p.name}")
            value = self.backend.cached(value)
        return super()._address(p, value, wanted)

    def _check(self, p, value, where):
        there = isinstance(value, self.backend.xp.ndarray)
        if not there or value.dtype != KINDS[p.kind]:
            raise TypeError(f"{where} should be a CuPy array of {KINDS[p.kind]}, not "
                            f"{value.dtype if there else f'from {type(value).__module__}'}")

    @staticmethod
    def _place(value):
        return value.data.ptr


def packed(grid):
    """The C structure as CuPy takes one by value: an array of a single record."""
    return np.frombuffer(grid, np.dtype(PackedGrid))


def blocks(count, length):
    """Number of blocks of `length` that hold `count`."""
    return -(-count // length)


def loop(text, name, parameters):
    """(word that kernel `name` loops with, place of the grid that it loops over)."""
    text = without_comments(text)
    begin = re.search(rf"\bKERNEL\s+{name}\s*\(.*?\)\s*\{{", text, flags=re.S).end()
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    grids = [n for n, p in enumerate(parameters) if p.kind == "Grid"]
    found = re.search(r"\b(EKM_ROWS|EKM_BLOCK_ROWS)\(\w+, \w+, ([\w.]+)\)", text[begin:end])
    word, over = found.groups() if found else ("EKM_VOXELS", None)
    return word, next((n for n in grids if parameters[n].name == over), grids[0])
