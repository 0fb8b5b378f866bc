"""Backend base: NumPy arrays, and the reference body of every operator.

An operator is a NumPy function, the reference, whose arguments are (grid, inputs, scalars,
outputs); the kernel of the same name in kernels/ takes the same arguments in the same order. A
backend binds an operator once and returns what to call (see `choose`).

Voxel arrays live where the backend says and come from it (zeros, from_numpy) or from each other
(np.zeros_like, ...). What is counted by faces, strips or wells, and tables of numbers, are NumPy's
in every backend.
"""

import inspect
from functools import partial

import numpy as np

from ekm3d.backends import host_memory
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.errors import BackendError
from ekm3d.grid.stencil import flat


def operator(function):
    """Mark a NumPy function as the reference of the kernel of its name, found by its module's path.

    ekm3d/physics/transport.py has its kernels in kernels/physics/transport.cu.
    """
    function.source = "/".join(function.__module__.split(".")[1:]) + ".cu"
    return function


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

    def arange(self, n):
        """The numbers from 0 to n - 1, where this backend works."""
        return self.xp.arange(n, dtype=np.int64)

    def to_numpy(self, array):
        """The array as NumPy sees it; no copy if it is there already."""
        return np.asarray(array)

    def from_numpy(self, array):
        """A NumPy array where this backend works; no copy if it is there already."""
        return array

    def cached(self, array):
        """A small NumPy array where this backend works, brought there when it is first seen."""
        return array

    def free_memory(self):
        """Bytes that can still be had where the arrays live; None where nobody says."""
        return host_memory.free_memory()

    def host_buffer(self, shape, dtype):
        """A NumPy array that `bring` fills fast, for use again and again."""
        return np.empty(shape, dtype)

    def copy_to_host_async(self, array, buffer):
        """Copy an array as it is now to a host buffer; there once `brought()` has been called."""
        buffer[...] = array

    def copies_done(self):
        """What waits, from any thread, until all that was brought so far is there."""
        return lambda: None

    def staging_buffers(self, count, direct=bool):
        """(near, far): buffers of bytes where the arrays live and on the host, here one.

        direct(): whether MPI takes a GPU's own memory; asked only where there is one.
        """
        near = np.empty(count, np.uint8)
        return near, near

    def to_host_buffer(self, near, far):
        """Bring what `near` holds to the host."""

    def to_device_buffer(self, near, far):
        """Bring what `far` holds to where the arrays live."""

    def weighted_sum(self, weights, array):
        """Sum over the leading axis of an array (n, ...) with NumPy weights (..., n).

        Terms are added one after the other (see `ordered`): no voxel's bits depend on the others.
        """
        return WeightedSum(weights)(array).reshape(*np.shape(weights)[:-1], *array.shape[1:])

    def gather(self, array, voxel):
        """NumPy values (..., n) of a padded array (..., padded) at n flat padded indices."""
        return flat(array)[..., voxel]

    def add_at(self, array, voxel, values):
        """Add NumPy values (..., n) to a padded array (..., padded) at n voxels, some twice."""
        places = flat(array)
        for index in np.ndindex(places.shape[:-1]):
            np.add.at(places[index], voxel, values[index])
