"""Compiled operators: a kernel of a shared library, called with the arguments of its NumPy twin."""

import ctypes
import weakref

import numpy as np

from ekm3d.backends.kernel_signature import KINDS
from ekm3d.grid.grid import PackedGrid

REMEMBERED = 32           # calls of an operator whose arrays are known


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
        if word == "SEGMENTS":
            return *of.shape[:2], of.segments
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
