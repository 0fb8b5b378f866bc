"""Parameters of kernels whose values are fixed when they are bound, as constants of the text.

A GPU's compiler then knows them: it unrolls loops over lists, leaves out products with zero, and
keeps arrays that such lists index in registers instead of a thread's stack. Of

    KERNEL rise(Grid g, const real weight[NS], real* y) { ... }

with weight = [0.5, 2] this makes

    constexpr __device__ real weight[NS] = {0.5, 2.0};
    KERNEL rise(Grid g, real* y) { ... }
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ekm3d.backends.kernel_signature import Parameter, parameter
from ekm3d.errors import BackendError

DECLARATION = r"\bKERNEL\s+(\w+)\s*\(([^{]*?)\)\s*\{"


def with_constants(text: str, values: Mapping[str, Any]) -> str:
    """Return the text of a kernel file with the parameters named in `values` as constants.

    values: scalars and tables of numbers. They apply to all kernels of the file that have a
    parameter of that name. BackendError if one of them is no scalar or table of any kernel.
    """
    made: dict[str, str] = {}

    def shortened(match: re.Match) -> str:
        kept = []
        for part in match[2].split(","):
            p = parameter(match[1], part)
            if p.name in values and not p.output and (p.table or not p.array):
                made[p.name] = declaration(p, values[p.name])
            else:
                kept.append(part.strip())
        return f"KERNEL {match[1]}({', '.join(kept)})\n{{"

    text = re.sub(DECLARATION, shortened, text)
    if missing := sorted(set(values) - set(made)):
        raise BackendError(f"no kernel has a scalar or a table {', '.join(missing)}")
    first = re.search(DECLARATION, text)
    begin = first.start() if first else 0
    return text[:begin] + "".join(made.values()) + text[begin:]


def declaration(p: Parameter, value: Any) -> str:
    """Return the constant that takes the place of a parameter, one line."""
    counts = "".join(f"[{count}]" for count in p.table)
    return f"constexpr __device__ {p.kind} {p.name}{counts} = {literal(p, value)};\n"


def literal(p: Parameter, value: Any) -> str:
    """Return a number, or a table as nested lists, as C++. BackendError if it is not finite."""
    if np.ndim(value):
        return "{" + ", ".join(literal(p, part) for part in value) + "}"
    if p.kind == "int":
        return str(int(value))
    if not math.isfinite(value):
        raise BackendError(f"{p.name} = {value} should be finite")
    return repr(float(value))
