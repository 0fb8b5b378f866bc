"""Memory of the stand-in's arrays: who owns which addresses; poison in what is given back."""

import ctypes
import weakref

import numpy as np

memory = {}             # first address -> bytes of every array that owns its memory


def own(host):
    """Note the array behind a view, to poison its memory when it is given back."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    address = host.__array_interface__["data"][0]
    if host.nbytes and host.flags.owndata and address not in memory:
        memory[address] = host.nbytes
        weakref.finalize(host, give_back, address).atexit = False


def give_back(address):
    """Poison memory that its array is about to leave; NumPy calls this before it frees it."""
    ctypes.memset(address, 0xFF, memory.pop(address))


def poison(array):
    """Fill an array with bytes 0xFF: NaN as floating-point numbers."""
    ctypes.memset(array.__array_interface__["data"][0], 0xFF, array.nbytes)


def array_around(address):
    """Return (first, last + 1) address of the array that an address belongs to.

    (address, address), a range without a byte, if it belongs to none.
    """
    first = max((known for known in memory if known <= address), default=0)
    last = first + memory.get(first, 0)
    return (first, last) if address < last else (address, address)
