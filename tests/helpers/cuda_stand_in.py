"""Stand-in for CuPy on the host: arrays that refuse to mix with NumPy's, launches, streams, graphs.

`CudaBackend("stand-in", cuda_stand_in)` executes the kernels as CUDA compiles them, thread by
thread, in the same grid of blocks (tests/data/launch.h). An array of the stand-in has only those
NumPy functions that CuPy 14 has for its own arrays, and raises where CuPy would: at a NumPy array
as an operand, as an index or to be stored in it, at np.asarray, and at `where` of a ufunc. It keeps
CuPy 14's order of axes (asarray keeps Fortran order) and its stack of streams: `get` of an array
that is not contiguous makes the default stream current (cupy issue 8377). `crossed` counts
transfers to the host and the numbers in them; `largest` is the largest transfer in either
direction. `memory` counts the bytes of all arrays that are alive, `now` and at the `peak`.

Launches are executed at once, one after the other, their blocks and threads in an order by chance,
another one in every launch; asynchronous copies as late as CUDA allows, when an event behind them
or their stream is synchronised, so that a read too early finds old values. A graph holds launches
with the arguments they were recorded with; everything else is refused while it is recorded: array
expressions, allocation, copies, waiting. Memory that is given back is poisoned (0xFF, NaN as a
number), and so are arrays that begin without values, as memory of CuPy's pool is another array's.
Not shown are properties of a GPU itself: speed, rounding, concurrency, memory, the time to load a
kernel; `ptx_modules` shows the rounding.
"""

import ctypes
import hashlib
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from helpers import device_memory, precompiled_header

from ekm3d.backends import base, cpp_compiler, kernel_signature
from ekm3d.backends.cuda import loop
from ekm3d.grid.grid import PackedGrid

__version__ = "0 (stand-in)"
MOST = 128              # threads of a block
# -Bsymbolic: a kernel may have the name of a function of the C library.
FLAGS = ("-std=c++17", "-O1", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-ffp-contract=off", "-x",
         "c++")
LAUNCH = Path(__file__).parents[1] / "data" / "launch.h"

# NumPy functions dispatched to the array, with the keywords that CuPy has.
FUNCTIONS = {
    "abs": "", "all": "axis keepdims", "any": "axis keepdims", "broadcast_to": "", "clip": "out",
    "concatenate": "axis", "copyto": "where", "count_nonzero": "axis", "einsum": "dtype",
    "empty_like": "dtype", "flatnonzero": "", "full_like": "dtype", "interp": "",
    "max": "axis keepdims", "amax": "axis keepdims",
    "min": "axis keepdims", "moveaxis": "", "nan_to_num": "", "ones_like": "dtype",
    "repeat": "axis", "roll": "axis", "stack": "axis", "sum": "axis dtype keepdims", "take": "axis",
    "tensordot": "axes", "where": "", "zeros_like": "dtype"}
NEW_ARRAYS = {"concatenate", "stack", "take", "tensordot", "where"}     # returned in C order
VIEWS = ("ravel", "reshape", "transpose", "view")       # methods that compute nothing
METHODS = {
    "all": "axis keepdims", "any": "axis keepdims", "argmax": "axis", "astype": "copy", "copy": "",
    "max": "axis keepdims", "min": "axis keepdims", "ravel": "", "repeat": "axis", "reshape": "",
    "sum": "axis dtype keepdims", "take": "axis", "transpose": "", "view": ""}

seeds = itertools.count(20231, 7919)     # of the order of every launch's blocks and threads
crossed = SimpleNamespace(times=0, numbers=0, largest=0)
memory = device_memory.used


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """Array on the device; `host` is the memory behind it."""

    def __init__(self, host):
        self.host = np.asarray(host)
        device_memory.own(self.host)

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    flags = property(lambda self: self.host.flags)
    T = property(lambda self: ndarray(self.host.T))
    data = property(lambda self: SimpleNamespace(ptr=self.host.__array_interface__["data"][0]))

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion of a device array to a NumPy array")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        stream.refuse_while_recording(ufunc.__name__)
        if method != "__call__" or set(options) - {"out", "dtype", "casting"}:     # no `where`
            raise TypeError(f"np.{ufunc.__name__}.{method}({', '.join(options)}) on a device array")
        out = options["out"] = tuple(hosted(a) for a in options.get("out", ())) or None
        return devised(ufunc(*map(hosted, inputs), **options), fresh=out is None)

    def __array_function__(self, function, types, given, options):
        name = function.__name__
        stream.refuse_while_recording(f"np.{name}")
        unknown = set(options) - set(FUNCTIONS.get(name, "").split())
        if name not in FUNCTIONS or unknown:
            raise TypeError(f"np.{name}({', '.join(unknown)}) is not there for device arrays")
        if name == "interp" and not given[0].flags.c_contiguous:
            raise NotImplementedError("np.interp of an array that is not contiguous")
        found = function(*map(hosted, given), **{k: hosted(v) for k, v in options.items()})
        if name == "empty_like":
            device_memory.poison(found)
        return devised(found, fresh=name in NEW_ARRAYS)

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        return devised(self.host[hosted(index)],
                       fresh=any(isinstance(part, ndarray) for part in parts))

    def __setitem__(self, index, value):
        stream.refuse_while_recording("an assignment")
        self.host[hosted(index)] = hosted(value)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[n] for n in range(len(self)))

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(f"device arrays have no {name!r} here")
        def method(*given, **options):
            if unknown := set(options) - set(METHODS[name].split()):
                raise TypeError(f"{name} of a device array takes no {', '.join(unknown)}")
            if name not in VIEWS:
                stream.refuse_while_recording(name)
            return devised(getattr(self.host, name)(
                *map(hosted, given), **{k: hosted(v) for k, v in options.items()}))
        return method

    def __copy__(self):
        return ndarray(self.host.copy())

    def get(self, stream=None, order="C", out=None, blocking=True):
        now = stream or globals()["stream"]
        now.refuse_while_recording("a copy to the host")
        crossed.times, crossed.numbers = crossed.times + 1, crossed.numbers + self.size
        crossed.largest = max(crossed.largest, self.size)
        if not self.host.flags.c_contiguous and self.size:
            default_stream.use()        # `with stream:` ends with the top of CuPy's stack
        if out is None:
            now.synchronize()
            return self.host.copy()
        assert isinstance(out, np.ndarray) and out.flags.c_contiguous
        assert out.shape == self.shape and out.dtype == self.dtype
        now.copies.append(Copy(self.host.copy(), out))
        if blocking:
            now.synchronize()
        return out

    def set(self, array):
        stream.refuse_while_recording("a copy from the host")
        crossed.largest = max(crossed.largest, self.size)
        assert isinstance(array, np.ndarray) and array.flags.c_contiguous
        assert array.shape == self.shape and array.dtype == self.dtype
        self.host[...] = array

    def item(self):
        return self.get().item()

    def tolist(self):
        return self.get().tolist()

    def __bool__(self):
        return bool(self.get())

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __repr__(self):
        return f"device{self.host!r}"


def hosted(value):
    """Memory behind an argument; TypeError for an array of the host."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, (tuple, list)) and any(isinstance(v, (ndarray, np.ndarray))
                                                for v in value):
        return type(value)(map(hosted, value))
    if isinstance(value, np.ndarray) or isinstance(value, list) and value and not isinstance(
            value[0], (int, np.integer)):
        raise TypeError(f"{type(value).__name__} of the host beside a device array")
    return value


def devised(result, fresh=False):
    """Result as a device array, single numbers included; fresh: in C order, as CuPy allocates."""
    if isinstance(result, tuple):
        return tuple(map(devised, result))
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    return ndarray(np.ascontiguousarray(result) if fresh and result.ndim else result)


def zeros(shape, dtype=float):
    stream.refuse_while_recording("allocation")
    return ndarray(np.zeros(shape, dtype))


def arange(stop, dtype=None):
    stream.refuse_while_recording("allocation")
    return ndarray(np.arange(stop, dtype=dtype))


def asarray(array):
    """Copy, as between two memories; a Fortran-ordered array stays one."""
    stream.refuse_while_recording("a copy to the device")
    crossed.largest = max(crossed.largest, np.size(array))
    return ndarray(np.array(array, order="K"))


def ascontiguousarray(array):
    """Array in C order, the same one if it is already."""
    if array.flags.c_contiguous:
        return array
    stream.refuse_while_recording("allocation")
    return ndarray(np.ascontiguousarray(array.host))


def get_default_memory_pool():
    return pool


def asnumpy(array):
    return array.get() if isinstance(array, ndarray) else np.asarray(array)


def _properties(_):
    return {"name": b"the host", "major": 0, "minor": 0, "totalGlobalMem": 2**30}


pool = SimpleNamespace(free_bytes=lambda: 1000, used_bytes=lambda: 300, get_limit=lambda: 0)
runtime = SimpleNamespace(getDeviceCount=lambda: 1, getDevice=lambda: 0, setDevice=[0].index,
                          memGetInfo=lambda: (2**30, 2**31),
                          getDeviceProperties=_properties, driverGetVersion=lambda: 0,
                          deviceGetAttribute=lambda attribute, _: {36: 10**6, 37: 64}[attribute])


class Copy:
    """Asynchronous copy, made when it is waited for."""

    def __init__(self, values, out):
        self.values, self.out = values, out

    def __call__(self):
        if self.values is not None:
            self.out[...], self.values = self.values, None


class Stream:
    """Stream: pending copies to the host, and the launches of a graph that is recorded."""

    ptr = 1

    def __init__(self, non_blocking=False):
        self.copies, self.launches = [], None

    def use(self):
        globals()["stream"] = self

    def synchronize(self):
        self.refuse_while_recording("waiting")
        while self.copies:
            self.copies.pop(0)()

    def refuse_while_recording(self, what):
        if self.launches is not None:
            raise RuntimeError(f"{what} while a graph is recorded")

    def begin_capture(self):
        if not self.ptr:
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: the default stream")
        self.refuse_while_recording("recording")
        self.launches = []

    def end_capture(self):
        launches, self.launches = self.launches, None
        return SimpleNamespace(launch=lambda: [launch() for launch in launches])


class Event:
    """Event: the copies queued before it in its stream."""

    def __init__(self, block=False, disable_timing=False):
        self.copies = None

    def record(self):
        self.copies = list(stream.copies)

    def synchronize(self):
        stream.refuse_while_recording("waiting")
        for copy in self.copies:
            copy()


def pinned(size):
    """Page-locked memory, of whole pages."""
    stream.refuse_while_recording("allocation")
    return bytearray(-(-size // 512) * 512)


stream = default_stream = Stream()
stream.ptr = 0              # CUDA's default stream
cuda = SimpleNamespace(
    runtime=runtime, get_current_stream=lambda: stream, Stream=Stream, Event=Event,
    alloc_pinned_memory=pinned,
    get_elapsed_time=lambda begun, ended: 1.0)


def library(text, options):
    """Path of the shared library of a text, compiled unless the kernel cache holds it."""
    compiler, version = cpp_compiler.find_compiler()
    inputs = repr((text, options, version))         # the text names the digest of launch.h
    digest = hashlib.sha256(inputs.encode()).hexdigest()[:24]
    path = cpp_compiler.cache_folder() / f"launched-{digest}.so"
    if not path.exists():
        cpp_compiler.compile_library(compiler, options, text, path)
    return path


class RawModule:
    """Kernels of a text, compiled as for CUDA."""

    libraries = {}

    def __init__(self, code, options):
        self.text = kernel_signature.without_comments(code)
        names = kernel_signature.kernel_names(self.text)
        calls = "\n".join(
            f'static void enter_{n}(void** a) {{ device::call({n}, a); }}\n'
            f'extern "C" void launch_{n}(const unsigned* g, const unsigned* b, int waits, void** a)'
            f' {{ device::launch(g, b, waits, enter_{n}, a); }}' for n in names)
        whole = "\n".join([precompiled_header.include(LAUNCH, FLAGS), code, calls])
        options = (*FLAGS, *(o for o in options if o.startswith("-D")))
        self.library = self.loaded((whole, options), library)

    def loaded(self, key, path):
        """Library at path(*key), loaded once."""
        if key not in self.libraries:
            self.libraries[key] = ctypes.CDLL(str(path(*key)))
        return self.libraries[key]

    def get_function(self, name):
        return RawKernel(name, self)


class RawKernel:
    """Kernel that can be launched; arguments that a GPU would misread are refused."""

    max_threads_per_block = MOST

    def __init__(self, name, module):
        self.name, self.parameters = name, kernel_signature.signature(module.text, name)
        self.library = module.library
        self.function = getattr(self.library, f"launch_{name}")
        self.waits = "ROWS" in loop(module.text, name, self.parameters)[0]

    def __call__(self, grid, block, given):
        assert np.prod(block) <= self.max_threads_per_block
        assert max(grid[1:]) <= 65535 and min(*grid, *block) > 0
        assert len(given) == len(self.parameters)
        places = []
        for p, value in zip(self.parameters, given, strict=True):
            wanted = (np.dtype(PackedGrid) if p.kind == "Grid" else np.dtype(np.uint64) if p.array
                      else kernel_signature.KINDS[p.kind])
            assert value.dtype == wanted and value.size == 1, f"{self.name}: {p.name}"
            places.append(np.array(value))
        sizes = [(ctypes.c_uint * 3)(*three) for three in (grid, block)]
        if stream.launches is None:
            self.run(sizes, places)
        else:
            stream.launches.append(lambda: self.run(sizes, places))

    def run(self, sizes, given):
        """Execute a launch; sizes: of the grid and of a block; given: an array per argument."""
        pointers = (ctypes.c_void_p * len(given))(*(a.ctypes.data for a in given))
        self.library.shuffle_launches(ctypes.c_ulonglong(next(seeds)))
        self.function(*sizes, ctypes.c_int(self.waits), pointers)


class Carried(base.Backend):
    """NumPy arrays that are copied to a device for every call of a kernel, and back."""

    def __init__(self, on):
        super().__init__(on.why)
        self.on = on

    def bind(self, op, **constants):
        bound = self.on.bind(op, **constants)

        def call(*values):
            moved = [self.on.from_numpy(v) if p.array and not p.table else v
                     for p, v in zip(bound.parameters, values, strict=True)]
            bound(*moved)
            for p, home, away in zip(bound.parameters, values, moved, strict=True):
                if p.output:
                    home[...] = self.on.to_numpy(away)
        return call
