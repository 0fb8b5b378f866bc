"""Memory of what follows from arrays that cannot change: indices of faces and wells, tables."""

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

Made = TypeVar("Made")
MOST = 4096         # arrays remembered at once


class ReadOnlyMemo(Generic[Made]):
    """Function of a NumPy array, called once for every array that is read-only.

    The very array of an earlier call is recognised without a look at its content, which repeats
    from step to step and may be large.
    """

    def __init__(self, make: Callable[[np.ndarray], Made]) -> None:
        self.make = make
        self.known: dict[int, tuple[Any, Made]] = {}

    def __call__(self, array: np.ndarray) -> Made:
        known = self.known.get(id(array))
        if known is not None and known[0]() is array and not array.flags.writeable:
            return known[1]
        made = self.make(array)
        if not array.flags.writeable:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[id(array)] = weakref.ref(array), made
        return made


def read_only(array: np.ndarray) -> np.ndarray:
    """Return an array that nobody else writes to, and make it read-only."""
    array.setflags(write=False)
    return array
