"""Where the arrays live and which body of an operator runs: numpy | cpp | cuda.

An operator is a NumPy function, the reference, whose arguments are (grid, inputs, scalars,
outputs); the kernel of the same name in kernels/*.cu takes the same arguments in the same
order. A backend binds an operator once and hands back what to call:

    numpy   the function itself
    cpp     the kernel through the host's C++ compiler and OpenMP, where one is written,
            and the function itself where none is
    cuda    the kernel on a GPU, by way of CuPy (cuda.py); the function, which NumPy hands on to
            CuPy, where none is written
    auto    cpp where the compiler works, else numpy; cuda is taken by its name only

What cannot be had is an error where it was asked for, never a silent fall-back. Voxel arrays live
where the backend says and come from it (zeros, from_numpy) or from each other (np.zeros_like, ...).
What is counted by faces, strips or wells, and tables of numbers, are NumPy's in every backend.
"""

import ctypes
import hashlib
import inspect
import time
import weakref
from functools import partial
from pathlib import Path

import numpy as np

from ekm3d import hostmemory
from ekm3d.grid import PackedGrid
from ekm3d.hostcompiler import (FLAGS, BackendError, cache_folder, compile_library, cpu,
                                find_compiler)
from ekm3d.kernelsource import KINDS, contraction, declared, defines, pasted
from ekm3d.ordered import Mix
from ekm3d.stencil import flat
from ekm3d.waiting import choose_waiting

BACKENDS = ("auto", "numpy", "cpp", "cuda")
AUTOMATIC = ("cpp",)      # of "auto", best first; cuda has yet to run on a device
REMEMBERED = 32           # calls of an operator whose arrays are known
TRIAL = "KERNEL trial(Grid g) { EKM_VOXELS(i, j, k, g) {} }"


def operator(source):
    """Mark a NumPy function as the reference of the kernel of the same name in `source`."""
    def mark(function):
        function.source = source
        return function
    return mark


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


class Backend:
    """NumPy arrays and the reference body of every operator."""

    name = "numpy"
    xp = np
    device = None           # what tells one GPU from another

    def __init__(self, why):
        self.why = why

    def __repr__(self):
        return f"{self.name} ({self.why})"

    def bind(self, op, **constants):
        """What to call for an operator; `constants`: the kernel's compile-time numbers (NS=12)."""
        bound = self.kernel(op.source, op.__name__, **constants)
        if bound is None:
            return op
        names, theirs = list(inspect.signature(op).parameters), [p.name for p in bound.parameters]
        if names != theirs:
            raise BackendError(f"{op.source}: {op.__name__} takes {theirs}, "
                               f"but its NumPy twin takes {names}")
        return bound

    def kernel(self, source, name, **constants):
        """A kernel whose reference is more than one function; None where this backend has none."""
        return None

    def prepare(self, bound, *values):
        """bound(*values) as a call without arguments, made many times: checked now, not then.

        Scalars keep the values they have now; arrays are used as they are at every call.
        """
        return partial(bound, *values)

    def sequence(self, calls):
        """Prepared calls as one, which makes them in turn: always these, with these arrays.

        None among them is nothing to be done.
        """
        def run(calls=tuple(call for call in calls if call is not None)):
            for call in calls:
                call()
        return run

    def zeros(self, shape, dtype=np.float64):
        """An array of zeros where this backend works."""
        return self.xp.zeros(shape, dtype)

    def count(self, n):
        """The numbers from 0 to n - 1, where this backend works."""
        return self.xp.arange(n, dtype=np.int64)

    def to_numpy(self, array):
        """The array as NumPy sees it; no copy if it is there already."""
        return np.asarray(array)

    def from_numpy(self, array):
        """A NumPy array where this backend works; no copy if it is there already."""
        return array

    def remembered(self, array):
        """A small NumPy array where this backend works, brought there when it is first seen."""
        return array

    def free_memory(self):
        """Bytes that can still be had where the arrays live; None where nobody says."""
        return hostmemory.free_memory()

    def host_buffer(self, shape, dtype):
        """A NumPy array that `bring` fills fast, for use again and again."""
        return np.empty(shape, dtype)

    def bring(self, array, buffer):
        """Copy an array as it is now to a host buffer; there once `brought()` has been called."""
        buffer[...] = array

    def brought(self):
        """What waits, from any thread, until all that was brought so far is there."""
        return lambda: None

    def staging(self, count):
        """(near, far): buffers of bytes where the arrays live and on the host, here one."""
        near = np.empty(count, np.uint8)
        return near, near

    def to_far(self, near, far):
        """Bring what `near` holds to the host."""

    def to_near(self, near, far):
        """Bring what `far` holds to where the arrays live."""

    def mix(self, weights, array):
        """Sum over the leading axis of an array (n, ...) with NumPy weights (..., n).

        Terms are added one after the other (see `ordered`): no voxel's bits depend on the others.
        """
        return Mix(weights)(array).reshape(*np.shape(weights)[:-1], *array.shape[1:])

    def gather(self, array, voxel):
        """NumPy values (..., n) of a padded array (..., padded) at n flat padded indices."""
        return flat(array)[..., voxel]

    def add_at(self, array, voxel, values):
        """Add NumPy values (..., n) to a padded array (..., padded) at n voxels, some twice."""
        places = flat(array)
        for index in np.ndindex(places.shape[:-1]):
            np.add.at(places[index], voxel, values[index])


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


def cuda(why):
    """The cuda backend; CuPy is looked for here, where it is asked for, and nowhere else."""
    from ekm3d.cuda import CudaBackend
    try:
        import cupy
    except ImportError as error:
        first = str(error).strip().split("\n")[0]
        raise BackendError("backend 'cuda' cannot run: CuPy is not installed, or not complete "
                           f"({first}); pip install 'ekm3d[cuda12]' or 'ekm3d[cuda13]'") from None
    return CudaBackend(why, cupy)


BUILDERS = {"numpy": Backend, "cpp": CppBackend, "cuda": cuda}


# ---- calling compiled code ---------------------------------------------------------------

class CompiledOperator:
    """A kernel in a shared library, called with the arguments of its NumPy twin.

    Checked before every call, as C would not: dtype, contiguity, the shape that the
    declaration states, and that no output overlaps another array. The very arrays of an earlier
    call are not looked at again: their shape is not to be changed in place.
    """

    def __init__(self, name, function, parameters, constants):
        self.__name__ = name
        self.function, self.parameters = function, parameters
        self._declare()
        number = {p.name: n for n, p in enumerate(parameters)}
        # Of every array: (place, parameter, leading counts, word, place of what it refers to).
        self.arrays = []
        for n, p in enumerate(parameters):
            if p.array:
                lead = tuple(int(constants.get(count, count)) for count in p.table + p.each)
                word, of = ("TABLE", None) if p.table else p.shape
                self.arrays.append((n, p, lead, word, number[of] if of else 0))
        self.outputs = [n for n, p in enumerate(parameters) if p.output]
        self.others = [n for n, p in enumerate(parameters) if p.array or p.kind == "Grid"]
        self.scalars = sorted({*range(len(parameters))}.difference(self.others))
        self.known = {}                         # arrays of earlier calls, and their addresses

    def _declare(self):
        """Tell ctypes what the function takes."""
        self.function.restype = None
        self.function.argtypes = [
            PackedGrid if p.kind == "Grid" else ctypes.c_void_p if p.array
            else np.ctypeslib.as_ctypes_type(KINDS[p.kind]) for p in self.parameters]

    def __call__(self, *values):
        self._count(values)
        arrays = [values[n] for n in self.others]
        key = tuple(map(id, arrays))
        known, given = self.known.get(key, ((), None))
        if given and all([old() is array for old, array in zip(known, arrays)]):
            for n in self.scalars:
                given[n] = values[n]
        else:
            given = self._addresses(values)
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            self.known[key] = [weakref.ref(array) for array in arrays], given
        self.function(*given)

    def prepared(self, *values):
        """The same call without arguments, checked here once; it keeps the arrays alive."""
        addresses = self._addresses(values)

        def call(function=self.function, kept=values):
            function(*addresses)
        return call

    def _addresses(self, values):
        """What the C function takes, after all checks."""
        self._count(values)
        given = list(values)
        for n, p in enumerate(self.parameters):
            if p.kind == "Grid":
                given[n] = values[n].packed()
        spans = []
        for n, p, lead, word, of in self.arrays:
            wanted = lead + self._shape(word, values[of])
            given[n] = self._address(p, values[n], wanted)
            spans.append((given[n], given[n] + values[n].nbytes, n))
        for n in self.outputs:
            low, high = given[n], given[n] + values[n].nbytes
            for start, stop, m in spans:
                if start < high and low < stop and m != n:
                    raise ValueError(f"{self.__name__}: output {self.parameters[n].name} overlaps "
                                     f"{self.parameters[m].name}")
        return given

    def _count(self, values):
        if len(values) != len(self.parameters):
            raise TypeError(f"{self.__name__} takes {len(self.parameters)} arguments, "
                            f"{len(values)} were given")

    @staticmethod
    def _shape(word, of):
        """Shape that the declaration states, behind its leading counts."""
        if word == "ON":
            return of.padded
        if word == "SPANS":
            return *of.shape[:2], of.spans
        return (int(of),) if word == "LIST" else ()

    def _address(self, p, value, wanted):
        """Address of an array once it is what the declaration says."""
        where = f"{self.__name__}: {p.name}"
        self._check(p, value, where)
        if not value.flags.c_contiguous:
            raise ValueError(f"{where} should be contiguous in memory")
        if value.shape != wanted:
            raise ValueError(f"{where} has shape {value.shape}, it should be {wanted}")
        return self._place(value)

    @staticmethod
    def _check(p, value, where):
        """Type and place of an array."""
        if not isinstance(value, np.ndarray) or value.dtype != KINDS[p.kind]:
            raise TypeError(f"{where} should be a NumPy array of {KINDS[p.kind]}, not "
                            f"{getattr(value, 'dtype', type(value).__name__)}")
        if p.output and not value.flags.writeable:
            raise ValueError(f"{where} is an output and should be writeable")

    @staticmethod
    def _place(value):
        """Where an array begins in memory."""
        return value.__array_interface__["data"][0]
