"""Compiled operators: a kernel of a shared library, called with the arguments of its NumPy twin."""

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ekm3d.backends.kernel_signature import KINDS, Parameter
from ekm3d.grid.grid import Array, PackedGrid

CACHED_CALLS = 32         # sets of arrays of an operator that have been checked


class CompiledOperator:
    """Kernel in a shared library, called with the arguments of its NumPy twin.

    Before every call dtype and contiguity of the arrays are checked, the shape that the declaration
    states, and that no output overlaps another array: TypeError or ValueError. The very arrays of
    an earlier call are not checked again: their shape must not be changed in place.
    """

    def __init__(self, name: str, function: Any, parameters: Sequence[Parameter],
                 constants: Mapping[str, Any]) -> None:
        """function: from the library; constants: compile-time numbers, of counts at least."""
        self.__name__ = name
        self.function, self.parameters = function, parameters
        self._declare()
        index = {p.name: n for n, p in enumerate(parameters)}
        # Of every array: (index, parameter, leading counts, word, index of the word's parameter).
        self.arrays = []
        for n, p in enumerate(parameters):
            if p.array:
                lead = tuple(int(constants.get(count, count)) for count in p.table + p.each)
                word, of = ("TABLE", None) if p.table else p.shape
                self.arrays.append((n, p, lead, word, index[of] if of else 0))
        self.outputs = [n for n, p in enumerate(parameters) if p.output]
        self.others = [n for n, p in enumerate(parameters) if p.array or p.kind == "Grid"]
        self.scalars = sorted({*range(len(parameters))}.difference(self.others))
        # of every parameter the array seen last: (weak reference, shape, address)
        self.seen: list[tuple] = [(object, (), 0)] * len(parameters)
        # ids of arrays -> (weak references to them, arguments of the function)
        self.cache: dict[tuple, tuple[list, list]] = {}

    def _declare(self):
        """Set the C types of the function."""
        self.function.restype = None
        self.function.argtypes = [
            PackedGrid if p.kind == "Grid" else ctypes.c_void_p if p.array
            else np.ctypeslib.as_ctypes_type(KINDS[p.kind]) for p in self.parameters]

    def __call__(self, *values: Any) -> None:
        self._check_count(values)
        arrays = [values[n] for n in self.others]
        key = tuple(map(id, arrays))
        references, arguments = self.cache.get(key, ((), None))
        if arguments and all([old() is new for old, new in zip(references, arrays, strict=True)]):
            for n in self.scalars:
                arguments[n] = values[n]
        else:
            arguments = self._arguments(values)
            if len(self.cache) >= CACHED_CALLS:
                self.cache.clear()
            self.cache[key] = [weakref.ref(array) for array in arrays], arguments
        self.function(*arguments)

    def prepared(self, *values: Any) -> Callable[[], None]:
        """Return the call as a function without arguments, checked now; it keeps the arrays alive.
        """
        arguments = self._arguments(values)

        def call(function=self.function, values=values):
            function(*arguments)
        return call

    def _arguments(self, values):
        """Check all values and return the arguments of the C function."""
        self._check_count(values)
        arguments = list(values)
        for n, p in enumerate(self.parameters):
            if p.kind == "Grid":
                arguments[n] = values[n].packed()
        ranges = []
        for n, p, lead, word, of in self.arrays:
            arguments[n] = self._known_address(n, p, values[n], lead + self._shape(word,
                                                                                 values[of]))
            ranges.append((arguments[n], arguments[n] + values[n].nbytes, n))
        if self._may_overlap(ranges):
            self._refuse_overlap(values, arguments, ranges)
        return arguments

    def _known_address(self, n, p, value, shape):
        """Address of argument n: checked, unless it is the one of the call before."""
        reference, checked, address = self.seen[n]
        if reference() is not value or checked != shape:
            address = self._address(p, value, shape)
            self.seen[n] = weakref.ref(value), shape, address
        return address

    def _may_overlap(self, ranges):
        """Tell whether an output may overlap another array; ranges: (start, stop, number)."""
        reach = of_outputs = 0                  # of all arrays, of outputs before this one
        for start, stop, n in sorted(ranges):
            output = self.parameters[n].output
            if start < of_outputs or output and start < reach:
                return True
            reach = max(reach, stop)
            of_outputs = max(of_outputs, stop) if output else of_outputs
        return False

    def _refuse_overlap(self, values, arguments, ranges):
        """Raise ValueError where an output overlaps another array."""
        for n in self.outputs:
            low, high = arguments[n], arguments[n] + values[n].nbytes
            for start, stop, m in ranges:
                if start < high and low < stop and m != n:
                    raise ValueError(f"{self.__name__}: output {self.parameters[n].name} overlaps "
                                     f"{self.parameters[m].name}")

    def _check_count(self, values):
        if len(values) != len(self.parameters):
            raise TypeError(f"{self.__name__} takes {len(self.parameters)} arguments, "
                            f"{len(values)} were given")

    @staticmethod
    def _shape(word: str, of: Any) -> tuple:
        """Shape behind the leading counts, from the word of the declaration."""
        if word == "ON":
            return of.padded
        if word == "SEGMENTS":
            return *of.shape[:2], of.segments
        return (int(of),) if word == "LIST" else ()

    def _address(self, p: Parameter, value: Array, shape: tuple) -> int:
        """Check an array against its declaration and return its address."""
        where = f"{self.__name__}: {p.name}"
        self._check_type(p, value, where)
        if not value.flags.c_contiguous:
            raise ValueError(f"{where} should be contiguous in memory")
        if value.shape != shape:
            raise ValueError(f"{where} has shape {value.shape}, it should be {shape}")
        return self._pointer(value)

    def _check_type(self, p: Parameter, value: Any, where: str) -> None:
        """Check array type, dtype and writeability."""
        if not isinstance(value, np.ndarray) or value.dtype != KINDS[p.kind]:
            raise TypeError(f"{where} should be a NumPy array of {KINDS[p.kind]}, not "
                            f"{getattr(value, 'dtype', type(value).__name__)}")
        if p.output and not value.flags.writeable:
            raise ValueError(f"{where} is an output and should be writeable")

    @staticmethod
    def _pointer(value: Array) -> int:
        """Address of the first element."""
        return value.__array_interface__["data"][0]
