"""Memory of the stand-in's arrays: who owns which addresses; poison in what is given back."""

import ctypes
import weakref
from types import SimpleNamespace

import numpy as np

memory = {}             # first address -> bytes of every array that owns its memory
used = SimpleNamespace(now=0, peak=0)          # bytes of all of these


def own(host):
    """Note the array behind a view, to poison its memory when it is given back."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    address = host.__array_interface__["data"][0]
    if host.nbytes and host.flags.owndata and address not in memory:
        memory[address] = host.nbytes
        used.now += host.nbytes
        used.peak = max(used.peak, used.now)
        weakref.finalize(host, give_back, address).atexit = False


def give_back(address):
    """Poison memory that its array is about to leave; NumPy calls this before it frees it."""
    size = memory.pop(address)
    used.now -= size
    ctypes.memset(address, 0xFF, size)


def poison(array):
    """Fill an array with bytes 0xFF: NaN as floating-point numbers."""
    ctypes.memset(array.__array_interface__["data"][0], 0xFF, array.nbytes)


def array_around(address):
    """Return (first, last + 1) address of the array that an address belongs to.

    (address, address), a range without a byte, if it belongs to none.
    """
    first = max((known for known in list(memory) if known <= address), default=0)  # freed meanwhile
    last = first + memory.get(first, 0)
    return (first, last) if address < last else (address, address)
