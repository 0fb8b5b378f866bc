"""Header of the constants that Python and the kernels share, generated from the Python values.

A module states the constants of the kernel files of its own path:

    KERNEL_CONSTANTS = {"WIDTH": 26, "SHARP": 10.0}     # physics/transport.py: for
                                                        # kernels/physics/transport.cu and .cuh
Those of `constants` and `grid.grid` are in every kernel. An int becomes an int, a float a `real`
(a `double` where float32 has no such number), a np.float32 a `single`; the text of a float is
Python's repr, which the compiler reads back to the same bits.
"""

import importlib
import math
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

TINY: float = np.finfo(np.float32).tiny.item()
HUGE: float = np.finfo(np.float32).max.item()
FOR_ALL = ("ekm3d.constants", "ekm3d.grid.grid")


def constants_header(sources: Iterable[str]) -> str:
    """Return the header for a kernel text that is put together from these files of kernels/."""
    modules = dict.fromkeys([*FOR_ALL, *map(module_name, sources)])
    return "".join(line for name in modules for line in declarations(module_constants(name)))


def module_name(source: str) -> str:
    """Return the module of a kernel file: ekm3d.physics.transport of physics/transport.cu."""
    return "ekm3d." + source.rpartition(".")[0].replace("/", ".")


def module_constants(name: str) -> Mapping[str, int | float | np.float32]:
    """Return KERNEL_CONSTANTS of a module; empty if it has none or does not exist."""
    return getattr(_module(name), "KERNEL_CONSTANTS", {})


@cache
def _module(name):
    """A module of the package; None if it does not exist, which takes a search of its folders."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise                               # it exists, but a module that it imports does not
        return None


def declarations(constants: Mapping[str, int | float | np.float32]) -> list[str]:
    """Return C++ declarations, one line each. TypeError or ValueError for a value that has none.

    The types are written REAL and float: `real` and `single` of ekm.cuh, which follows the header.
    """
    lines = []
    for name, value in constants.items():
        if isinstance(value, int) and not isinstance(value, bool):
            lines.append(f"constexpr int {name} = {value};\n")
        elif isinstance(value, float | np.float32):
            beyond = value != 0 and not TINY <= abs(float(value)) <= HUGE       # of float32
            kind = "float" if isinstance(value, np.float32) else "double" if beyond else "REAL"
            if not math.isfinite(value):
                raise ValueError(f"kernel constant {name} = {value} should be finite")
            lines.append(f"constexpr {kind} {name} = {kind}({float(value)!r});\n")
        else:
            raise TypeError(f"kernel constant {name} should be an int, a float or a np.float32, "
                            f"not {type(value).__name__}")
    return lines
