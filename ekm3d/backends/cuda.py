"""The cuda backend: arrays in a GPU's memory through CuPy, one launch per kernel call.

The text that every compiler gets (`kernel_signature.pasted`) is compiled by NVRTC through CuPy,
which caches by that text. The number of threads of a launch follows from the macro of the kernel's
loop:

    EKM_ROWS(j, k, grid)    a warp for every row of voxels of `grid`
    EKM_BLOCK_ROWS          one block, as large as the kernel's registers allow
    all others              a thread for every voxel of the first grid, and for one more layer
                            along every axis: the faces on the lower side of the box

Everything is queued in order in CuPy's current stream, which is not the default one: that one can
neither be captured into a CUDA graph nor run asynchronously to the host. Small arrays stay NumPy
arrays: tables of numbers, indices of electrode faces and of wells are copied to the device when
their content is first seen, since they repeat from step to step.

Fields are allocated once; temporaries of array expressions come from CuPy's memory pool, which
keeps them: after the first steps nothing is allocated by the driver. Output leaves through buffers
of page-locked host memory, filled asynchronously.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ekm3d.backends.base import NONE, Backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.fixed_parameters import with_constants
from ekm3d.backends.gpu_devices import chosen
from ekm3d.backends.kernel_signature import (
    KINDS,
    TRIAL,
    Parameter,
    declared,
    defines,
    pasted,
    signature,
    without_comments,
)
from ekm3d.backends.read_only_memo import ReadOnlyMemo
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Array, Grid, PackedGrid

OPTIONS = ("-std=c++17",)
WARP = 32
ROWS = 8             # warps of a block, where registers allow as many
BLOCK_ROWS = 32      # warps of the only block of an EKM_BLOCK_ROWS kernel
CACHED_ARRAYS = 4096     # small arrays kept on the device for later calls


class CudaBackend(Backend):
    """CuPy arrays; kernels compiled by NVRTC, the reference through CuPy for the rest."""

    name, bundles_slabs = "cuda", True

    def __init__(self, why: str, cupy: Any, options: Sequence[str] = OPTIONS) -> None:
        """cupy: the module; BackendError with the reason if it finds no device that works."""
        self.xp, self.options = cupy, options
        self.cache: dict[tuple, Array] = {}         # of `cached`, by content
        self.copies = ReadOnlyMemo(self._cached_by_content)
        super().__init__(f"{why}; {self._open_device()}")

    def _open_device(self):
        """Select the device, run a kernel on it, and return its name and versions."""
        cuda = self.xp.cuda
        try:
            count = cuda.runtime.getDeviceCount()
            if (number := chosen(count)) is not None:
                cuda.runtime.setDevice(number)
            number = cuda.runtime.getDevice()
            about = cuda.runtime.getDeviceProperties(number)
            self.stream = cuda.get_current_stream()
            if not self.stream.ptr:                             # the default one
                self.stream = cuda.Stream(non_blocking=True)
                self.stream.use()
            self._run_trial()
        except Exception as error:       # CuPy's own, of many classes; missing libraries
            first = (str(error).strip().split("\n") or [""])[0]
            raise BackendError(f"backend 'cuda' cannot run: {type(error).__name__}: {first}. It "
                               "needs an NVIDIA GPU, a driver as new as CuPy's CUDA version, and "
                               "CuPy with its CUDA libraries") from error
        self.device = bytes(about.get("uuid", b"")) or number
        return (f"{about['name'].decode()}, compute capability {about['major']}.{about['minor']}, "
                f"{about['totalGlobalMem'] / 2**30:.0f} GiB, device {number} of {count}, CUDA "
                f"driver {cuda.runtime.driverGetVersion()}, CuPy {self.xp.__version__}")

    def _run_trial(self):
        """Compile a kernel, launch it, and wait for it."""
        module = self.library("trial.cu", TRIAL, {})
        trial = LaunchedOperator(self, module, TRIAL, "trial", signature(TRIAL, "trial"), {})
        trial(Grid((1, 1, 1), (1.0, 1.0, 1.0)))
        self.xp.cuda.get_current_stream().synchronize()

    def library(self, source: str, text: str, constants: Mapping[str, Any]) -> Any:
        """Return the kernels of one file as a CuPy module."""
        options = (*self.options, *defines(constants))
        return self.xp.RawModule(code=pasted(source, text), options=options)

    def kernel(self, source: str, name: str, fixed: Mapping[str, Any] = NONE,
               written: Mapping[str, str] = NONE, **constants: Any) -> "LaunchedOperator | None":
        """Return a kernel, its fixed arguments constants of the text."""
        text, parameters = declared(source, name, constants, written)
        if not text or not parameters:
            return None
        module = self.library(source, with_constants(text, fixed), constants)
        return LaunchedOperator(self, module, text, name, parameters, constants, fixed)

    def prepare(self, bound: Callable, *values: Any) -> Callable[[], None]:
        if isinstance(bound, LaunchedOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def sequence(self, calls: Iterable[Callable[[], Any] | None]) -> Callable[[], None]:
        """Return one function for these calls; launches in a row become a CUDA graph."""
        self.check_stream()
        present = [call for call in calls if call is not None]
        groups = [(launched, super(CudaBackend, self).sequence(part))
                  for launched, part in groupby(present, lambda call: hasattr(call, "launch"))]
        return super().sequence(CudaGraph(self.xp.cuda, part) if launched else part
                                for launched, part in groups)

    def free_memory(self) -> int:
        """Return free bytes of the device and of CuPy's pool, within the pool's limit."""
        pool, (free, _) = self.xp.get_default_memory_pool(), self.xp.cuda.runtime.memGetInfo()
        free += pool.free_bytes()
        limit = pool.get_limit()
        return min(free, limit - pool.used_bytes()) if limit else free

    def host_buffer(self, shape: int | Sequence[int], dtype: Any) -> np.ndarray:
        """Return an array in page-locked memory, which asynchronous copies need."""
        count = int(np.prod(shape))
        memory = self.xp.cuda.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def copy_to_host_async(self, array: Array, buffer: np.ndarray) -> None:
        self._contiguous(array.astype(buffer.dtype, copy=False)).get(out=buffer, blocking=False)

    def copies_done(self) -> Callable[[], None]:
        self.check_stream()
        event = self.xp.cuda.Event(block=True, disable_timing=True)
        event.record()
        return event.synchronize

    def staging_buffers(self, count: int, direct: Callable[[], bool] = bool) -> tuple[Array, Array]:
        device_buffer = self.zeros((count,), np.uint8)
        if direct():
            return device_buffer, device_buffer
        return device_buffer, self.host_buffer((count,), np.uint8)

    def to_host_buffers(self, buffers: Sequence[tuple[Array, Array]]) -> None:
        for device_buffer, host_buffer in buffers:
            if host_buffer is not device_buffer:
                self.copy_to_host_async(device_buffer, host_buffer)
        if buffers:
            self.copies_done()()

    def to_device_buffers(self, buffers: Sequence[tuple[Array, Array]]) -> None:
        copied = [pair for pair in buffers if pair[0] is not pair[1]]
        for device_buffer, host_buffer in copied:
            device_buffer.set(host_buffer)
        if copied:
            self.copies_done()()

    def to_numpy(self, array: Array) -> np.ndarray:
        """Return a copy on the host, complete on return."""
        return self._contiguous(array).get() if isinstance(array, self.xp.ndarray) else array

    def from_numpy(self, array: np.ndarray) -> Array:
        """Return a copy on the device, in C order, as kernels refuse any other; one there stays."""
        if isinstance(array, self.xp.ndarray):
            return array
        return self.xp.asarray(np.ascontiguousarray(array))

    def _contiguous(self, array):
        """Return the array, or a copy in C order.

        CuPy's `get` of any other enters `with stream:`, and leaving that makes the default stream
        current instead of the one in use (cupy issue 8377): launches would lose their order.
        """
        return self.xp.ascontiguousarray(array)

    def check_stream(self) -> None:
        """Raise BackendError where another stream than this backend's has become current."""
        if self.xp.cuda.get_current_stream().ptr != self.stream.ptr:
            raise BackendError("backend 'cuda': another CUDA stream has become current, so that "
                               "launches would not keep their order")

    def cached(self, array: np.ndarray) -> Array:
        """Return the copy of a small NumPy array on the device, made once per content.

        A read-only array is recognised without a look at its content.
        """
        return self.copies(array)

    def _cached_by_content(self, array):
        """Return the copy on the device of an array that is new or may change."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.cache:
            if len(self.cache) >= CACHED_ARRAYS:
                self.cache.clear()
            self.cache[key] = self.from_numpy(array)
        return self.cache[key]

    def weighted_sum(self, weights: np.ndarray, array: Array) -> Array:
        """As on the host, term after term: cuBLAS would add by the shape of the whole array."""
        rows = np.atleast_2d(weights)
        out = self.zeros((len(rows), *array.shape[1:]))
        for n, term in np.argwhere(rows):
            out[n, ...] += float(rows[n, term]) * array[term, ...]
        return out if np.ndim(weights) > 1 else out[0, ...]

    def sum_where(self, array: Array, mask: Array) -> Array:
        """As on the host; a list of entries would make it wait for their number."""
        return np.where(mask, array, 0.0).sum(-1)

    def to_numpy_all(self, arrays: Sequence[Array]) -> list[np.ndarray]:
        whole = self.to_numpy(np.concatenate([array.reshape(-1) for array in arrays]))
        ends = np.cumsum([array.size for array in arrays])
        return [values.reshape(array.shape)
                for values, array in zip(np.split(whole, ends[:-1]), arrays, strict=True)]


class CudaGraph:
    """Sequence of launches with fixed arguments: made one by one at first, then as a CUDA graph.

    A graph holds the kernels' arguments; the calls, which own the arrays, are kept beside it. The
    driver loads a kernel at its first launch, which must not be recorded.
    """

    def __init__(self, cuda: Any, calls: Callable[[], None]) -> None:
        """cuda: the module cupy.cuda; calls: makes the launches."""
        self.cuda, self.calls, self.loaded = cuda, calls, False
        self.graph: Any = None

    def __call__(self) -> None:
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
    """Kernel on the device, called with the arguments of its NumPy twin and checked alike.

    Scalars and tables are the host's, arrays CuPy's.
    """

    def __init__(self, backend: CudaBackend, module: Any, text: str, name: str,
                 parameters: Sequence[Parameter], constants: Mapping[str, Any],
                 fixed: Mapping[str, Any] = NONE) -> None:
        """module, text: compiled and source text of the kernel file; fixed: arguments that the
        compiled kernel holds as constants."""
        self.backend, self.fixed = backend, fixed
        self.word, self.over = loop(text, name, parameters)
        super().__init__(name, module.get_function(name), parameters, constants)

    def _declare(self):
        """Set the types of the arguments and the number of warps of a block."""
        self.types = [np.uint64 if p.array else packed if p.kind == "Grid" else KINDS[p.kind].type
                      for p in self.parameters]
        most = self.function.max_threads_per_block // WARP
        self.warps = min(most, BLOCK_ROWS if self.word == "EKM_BLOCK_ROWS" else ROWS)

    def _launch(self, values):
        """Check all values and return (blocks, threads of a block, arguments)."""
        arguments = tuple([kind(value) for p, kind, value in zip(
            self.parameters, self.types, self._arguments(values), strict=True)
            if p.name not in self.fixed])
        block = WARP, self.warps, 1
        if self.word == "EKM_BLOCK_ROWS":
            return (1, 1, 1), block, arguments
        nx, ny, nz = values[self.over].cells
        if self.word == "EKM_ROWS":
            return (1, blocks(ny, self.warps), nz), block, arguments
        high = min(ny, self.warps)
        wide = WARP * (self.warps // high)
        return (blocks(nx + 1, wide), blocks(ny + 1, high), nz + 1), (wide, high, 1), arguments

    def __call__(self, *values: Any) -> None:
        self.function(*self._launch(values))

    def prepared(self, *values: Any) -> Callable[[], None]:
        launch = self._launch(values)

        def call(function=self.function, values=values):
            function(*launch)
        call.launch = launch            # type: ignore[attr-defined]
        return call

    def _arguments(self, values):
        """Check all values; those that are fixed should be as they were when it was bound."""
        arguments = super()._arguments(values)
        for p, value in zip(self.parameters, values, strict=True):
            was = self.fixed.get(p.name, value)
            if was is not value and not np.array_equal(was, value):
                raise ValueError(f"{self.__name__}: {p.name} was bound with other values")
        return arguments

    def _known_address(self, n, p, value, shape):
        """Address of argument n; the copy of a table is its content's, whatever array has it."""
        return self._address(p, value, shape)

    def _address(self, p: Parameter, value: Array, shape: tuple) -> int:
        if p.table:
            super()._check_type(p, value, f"{self.__name__}: {p.name}")
            if p.name in self.fixed:
                return 0                        # it is in the text, and nowhere on the device
            value = self.backend.cached(value)
        return super()._address(p, value, shape)

    def _check_type(self, p: Parameter, value: Any, where: str) -> None:
        on_device = isinstance(value, self.backend.xp.ndarray)
        if not on_device or value.dtype != KINDS[p.kind]:
            raise TypeError(f"{where} should be a CuPy array of {KINDS[p.kind]}, not "
                            f"{value.dtype if on_device else f'from {type(value).__module__}'}")

    @staticmethod
    def _pointer(value: Array) -> int:
        return value.data.ptr


def packed(grid: PackedGrid) -> np.ndarray:
    """Return the C structure as CuPy takes one by value: an array of a single record."""
    return np.frombuffer(grid, np.dtype(PackedGrid))    # type: ignore[call-overload]


def blocks(count: int, length: int) -> int:
    """Return the number of blocks of `length` that hold `count`."""
    return -(-count // length)


def loop(text: str, name: str, parameters: Sequence[Parameter]) -> tuple[str, int]:
    """Return (loop macro of kernel `name`, index of the grid parameter that it loops over)."""
    text = without_comments(text)
    head = re.search(rf"\bKERNEL\s+{name}\s*\(.*?\)\s*\{{", text, flags=re.S)
    if head is None:
        raise ValueError(f"no kernel {name} in this text")
    begin = head.end()
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    grids = [n for n, p in enumerate(parameters) if p.kind == "Grid"]
    match = re.search(r"\b(EKM_ROWS|EKM_BLOCK_ROWS)\(\w+, \w+, ([\w.]+)\)", text[begin:end])
    word, over = match.groups() if match else ("EKM_VOXELS", None)
    return word, next((n for n in grids if parameters[n].name == over), grids[0])
