"""Backend base: NumPy arrays, and the reference body of every operator.

An operator is a NumPy function, the reference, whose arguments are (grid, inputs, scalars,
outputs); the kernel of the same name in kernels/ has the same arguments in the same order. A
backend binds an operator once and returns the function to call (see `choose`).

Voxel arrays live where the backend keeps them and are made by it (zeros, from_numpy) or from one
another (np.zeros_like, ...), and so do arrays over boundary faces and openings of wells, of which a
large site has millions. Arrays over electrodes or wells, indices, and tables of numbers are NumPy
arrays in every backend.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from ekm3d.backends import host_memory
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.backends.read_only_memo import ReadOnlyMemo, read_only
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Array
from ekm3d.grid.stencil import flat

Call = Callable[..., Any]
NONE: Mapping[str, Any] = MappingProxyType({})      # no argument is fixed


def operator(function: Any) -> Any:
    """Mark a NumPy function as the reference of the kernel of its name, found by its module's path.

    ekm3d/physics/transport.py has its kernels in kernels/physics/transport.cu.
    """
    function.source = "/".join(function.__module__.split(".")[1:]) + ".cu"
    return function


class Backend:
    """NumPy arrays and the reference body of every operator."""

    name = "numpy"
    xp: Any = np                # array module
    device: Any = None          # identity of the GPU
    bundles_slabs = False       # True where a launch costs more than an index of every ghost
    sweeps_levels = False       # True where passes over a grid are better made in one kernel

    def __init__(self, why: str) -> None:
        """Take the reason for this backend and its description, for the log."""
        self.why = why
        self.rounds = ReadOnlyMemo(without_repeats)

    def __repr__(self) -> str:
        return f"{self.name} ({self.why})"

    def bind(self, op: Any, fixed: Mapping[str, Any] = NONE, **constants: Any) -> Call:
        """Return the function to call for an operator, with the arguments of its reference.

        fixed: scalars and tables among the arguments that will have the same values at every call,
        by name; constants: compile-time numbers of the kernel (NS=12). BackendError if kernel and
        reference have different arguments, or a constant is missing.
        """
        bound = self.kernel(op.source, op.__name__, fixed=fixed, **constants)
        if bound is None:
            return op
        names, theirs = list(op.__code__.co_varnames[:op.__code__.co_argcount]), [
            p.name for p in bound.parameters]
        if names != theirs:
            raise BackendError(f"{op.source}: {op.__name__} takes {theirs}, "
                               f"but its NumPy twin takes {names}")
        return bound

    def kernel(self, source: str, name: str, fixed: Mapping[str, Any] = NONE,
               written: Mapping[str, str] = NONE, **constants: Any) -> Any:
        """Return a compiled kernel of a file in kernels/; None where this backend has none.

        fixed, constants: see `bind`. written: statements for the lines `// written: NAME` of the
        text, by name.
        """
        return None

    def prepare(self, bound: Call, *values: Any) -> Callable[[], None]:
        """Return bound(*values) as a function without arguments, with the checks made now.

        Scalars keep their present values; arrays are used as they are at every call.
        """
        return partial(bound, *values)

    def sequence(self, calls: Iterable[Callable[[], Any] | None]) -> Callable[[], None]:
        """Return one function that makes these prepared calls in order, None left out."""
        def run(calls=tuple(call for call in calls if call is not None)):
            for call in calls:
                call()
        return run

    def zeros(self, shape: int | Sequence[int], dtype: Any = np.float64) -> Array:
        """Return an array of zeros."""
        return self.xp.zeros(shape, dtype)

    def arange(self, n: int) -> Array:
        """Return the integers (int64) from 0 to n - 1."""
        return self.xp.arange(n, dtype=np.int64)

    def to_numpy(self, array: Array) -> np.ndarray:
        """Return an array as a NumPy array; not copied if it is one."""
        return np.asarray(array)

    def from_numpy(self, array: np.ndarray) -> Array:
        """Return a NumPy array as an array of this backend; not copied if that is the same."""
        return array

    def cached(self, array: np.ndarray) -> Array:
        """Return a small NumPy array as an array of this backend, copied once per content."""
        return array

    def free_memory(self) -> int | None:
        """Return the bytes that arrays can still be given; None if unknown."""
        return host_memory.free_memory()

    def host_buffer(self, shape: int | Sequence[int], dtype: Any) -> np.ndarray:
        """Return a NumPy array for repeated, fast copies by `copy_to_host_async`."""
        return np.empty(shape, dtype)

    def copy_to_host_async(self, array: Array, buffer: np.ndarray) -> None:
        """Start an asynchronous copy of `array` into `buffer`; complete after `copies_done()()`."""
        buffer[...] = array

    def copies_done(self) -> Callable[[], None]:
        """Return a function that blocks until every copy queued so far has reached the host.

        It may be called from any thread.
        """
        return lambda: None

    def staging_buffers(self, count: int, direct: Callable[[], bool] = bool
                        ) -> tuple[Array, np.ndarray]:
        """Return (device_buffer, host_buffer) of `count` bytes; one array where the two are one.

        direct: called where there is a GPU; True if MPI accepts its memory.
        """
        buffer = np.empty(count, np.uint8)
        return buffer, buffer

    def to_host_buffers(self, buffers: Sequence[tuple[Array, np.ndarray]]) -> None:
        """Copy every device buffer to its host buffer, and wait once for all."""

    def to_device_buffers(self, buffers: Sequence[tuple[Array, np.ndarray]]) -> None:
        """Copy every host buffer to its device buffer, and wait once for all."""

    def weighted_sum(self, weights: np.ndarray, array: Array) -> Array:
        """Return weights (..., n) @ array (n, ...), summed over the array's leading axis.

        On the host, terms are added one after the other (`fixed_order_sum`): no voxel's bits depend
        on the others.
        """
        return WeightedSum(weights)(array).reshape(*np.shape(weights)[:-1], *array.shape[1:])

    def sum_where(self, array: Array, mask: Array) -> Array:
        """Return the sums (...) of an array (..., n) over the entries where a mask (n,) is true."""
        return array[..., mask].sum(-1)

    def to_numpy_all(self, arrays: Sequence[Array]) -> list[np.ndarray]:
        """Return arrays of one type as NumPy arrays; the host waits for a GPU once."""
        return [self.to_numpy(array) for array in arrays]

    def at_voxels(self, array: Array, voxel: np.ndarray) -> Array:
        """Return the values (..., n) of an array (..., padded) at n flat padded indices."""
        return flat(array)[..., self.cached(voxel)]

    def gather(self, array: Array, voxel: np.ndarray) -> np.ndarray:
        """Return `at_voxels` as a NumPy array."""
        return self.to_numpy(self.at_voxels(array, voxel))

    def add_at(self, array: Array, voxel: np.ndarray, values: np.ndarray) -> None:
        """Add values (..., n), NumPy's or the backend's, to an array (..., padded) at n voxels.

        Repeats accumulate, in order.
        """
        voxels, added = flat(array), self.from_numpy(values)
        for once, which in self.rounds(voxel):
            voxels[..., self.cached(once)] += (
                added if which is None else added[..., self.cached(which)])


def without_repeats(voxel: np.ndarray) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Return indices (n,) as rounds without repeats, each with the numbers of its entries.

    An entry is in the round of as many equal ones as come before it; None: all, in one round.
    """
    order = np.argsort(voxel, kind="stable")
    equal = np.searchsorted(voxel[order], voxel[order])         # first of the equal ones
    before = np.empty(len(voxel), int)
    before[order] = np.arange(len(voxel)) - equal
    if not before.any():
        return [(voxel, None)]
    rounds = [read_only(np.flatnonzero(before == n)) for n in range(before.max() + 1)]
    return [(read_only(voxel[which]), which) for which in rounds]
