"""Parser of kernel declarations: names, types and shapes of parameters, headers needed.

A declaration is the only description of a kernel's types:

    KERNEL name(Grid g, const real* EACH(NS) c, real dt, real* y) { ... }

The first parameter is the grid that the arrays belong to. `const` arrays are inputs, the others
outputs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from ekm3d.backends.kernel_constants import constants_header
from ekm3d.errors import BackendError
from ekm3d.resources import kernel_text

KINDS: dict = {"Grid": None, "real": np.dtype(np.float64), "single": np.dtype(np.float32),
               "int": np.dtype(np.int32), "Offset": np.dtype(np.int64), "Flag": np.dtype(np.uint8)}

NOTHING: Mapping[str, str] = MappingProxyType({})
TRIAL = "KERNEL trial(Grid g) { EKM_VOXELS(i, j, k, g) {} }"     # compiled to test a compiler


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel, as its declaration states it.

    Grid g                      the grid, by value
    real s                      a scalar
    const real nu[NS][NK]       a table of NS x NK numbers
    const real* c               a padded voxel array, input
    real* EACH(NS) c            NS padded voxel arrays, output
    real* ON(coarse) c          a padded voxel array of another grid, the parameter `coarse`
    real* EACH(3) SEGMENTS(g) c    3 numbers for every segment of voxels: (3, nz, ny, segments)
    int* LIST(n) c              n numbers, n a parameter
    """

    name: str
    kind: str                   # the C type
    array: bool
    output: bool
    table: tuple[str, ...]      # the counts within [ ]
    each: tuple[str, ...]       # the counts within EACH( )
    shape: tuple[str, str | None] = ("ON", None)   # ON, SEGMENTS or LIST, and the name within ( )


def kernel_text_or_none(source: str) -> str | None:
    """Return the text of a kernel file, or None if it does not exist."""
    try:
        return kernel_text(source)
    except FileNotFoundError:
        return None


def declared(source: str, name: str, constants: Mapping[str, object],
             written: Mapping[str, str] = NOTHING
             ) -> tuple[str | None, tuple[Parameter, ...] | None]:
    """Return (text, parameters) of a kernel; parameters is None if it does not exist.

    written: see `with_statements`. BackendError if a count in its declaration is missing in the
    compile-time `constants`.
    """
    text = kernel_text_or_none(source)
    if text and written:
        text = with_statements(text, written)
    parameters = signature(text, name) if text else None
    counts = {count for p in parameters or () for count in p.each + p.table}
    missing = sorted(c for c in counts - set(constants) if not c.isdigit())
    if missing:
        raise BackendError(f"{source}: bind({name}) needs {', '.join(missing)}=...: "
                           "a compile-time constant of the kernel")
    return text, parameters


def defines(constants: Mapping[str, Any]) -> list[str]:
    """Return the compiler options that define compile-time constants as macros.

    TypeError for anything but an integer: some of them count what a case lists.
    """
    for name, value in constants.items():
        if not isinstance(value, (int, np.integer)):
            raise TypeError(f"kernel constant {name} should be an integer, not "
                            f"{type(value).__name__}")
    return ["-DREAL=double"] + [f"-D{k}={int(v)}" for k, v in sorted(constants.items())]


def contraction(text: str) -> tuple[str, ...]:
    """Return the compiler options for a * b + c: fused only in a text with a line `// may fuse`.

    Elsewhere the compiler would fuse in a loop's vectors and not in its remainder, or choose the
    other product: a voxel's last digit would depend on its place in a row, and so on the
    decomposition. Kernels that gain by it fuse by name (`fused` of ekm.cuh), or keep to the same
    operations everywhere.
    """
    return () if re.search("^// may fuse", text, flags=re.M) else ("-ffp-contract=off",)


def pasted(source: str, text: str) -> str:
    """Return the kernel text behind its headers, as one text: the input of every compiler.

    First come the generated constants (`kernel_constants`) and ekm.cuh, then the headers of lines
    `// needs name.cuh`. Caches that key on the text then see a change of a header too. #line makes
    the compiler's messages point at the real files.
    """
    needs = re.findall(r"^// needs (\S+)", text, flags=re.M)
    parts = [("constants.cuh", constants_header([*needs, source])),
             *((name, kernel_text(name)) for name in ["ekm.cuh", *needs]), (source, text)]
    return "\n".join(f'#line 1 "{name}"\n{part}' for name, part in parts)


def with_statements(text: str, written: Mapping[str, str]) -> str:
    """Return the text of a kernel file with statements that its caller has written.

    written: C++ by name, each in the place of a line `// written: NAME`. KeyError if one is
    missing.
    """
    return re.sub(r"^ *// written: (\w+)$", lambda match: written[match[1]], text, flags=re.M)


def kernel_names(text: str) -> list[str]:
    """Return the names of the kernels in a text."""
    return re.findall(r"\bKERNEL\s+(\w+)\s*\(", without_comments(text))


@lru_cache(maxsize=1024)
def signature(text: str, name: str) -> tuple[Parameter, ...] | None:
    """Return the parameters of kernel `name` in a text, or None if it is not there."""
    declaration = _declarations(text).get(name)
    return tuple(parameter(name, p) for p in declaration.split(",")) if declaration else None


@lru_cache
def _declarations(text):
    """Return the parameters of the kernels in a text, as it states them, by name."""
    found = re.findall(r"\bKERNEL\s+(\w+)\s*\((.*?)\)\s*\{", without_comments(text), flags=re.S)
    return dict(reversed(found))            # the first of a name counts


def without_comments(text: str) -> str:
    """Return the text without its comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def parameter(kernel: str, text: str) -> Parameter:
    """Parse one parameter of a kernel's declaration; BackendError if it is not understood."""
    words = text.replace("__restrict__", " ")
    match = re.fullmatch(r"\s*(const\s+)?(\w+)\s*(\*?)\s*((?:EACH\(\w+\)\s*)*)"
                         r"(?:(ON|SEGMENTS|LIST)\((\w+)\))?\s*(\w+)\s*((?:\[\w+\])*)\s*", words)
    if not match or match[2] not in KINDS:
        raise BackendError(f"kernel {kernel}: cannot read the parameter {text.strip()!r}: it should"
                           f" look like 'const real* x', 'real* EACH(NS) x', 'const real x[NS]' or "
                           f"'real x', with one of the types {', '.join(KINDS)}")
    const, kind, star, each, word, of, name, table = match.groups()
    array = bool(star or table)
    table, each = (tuple(re.findall(r"[\[(](\w+)", counts)) for counts in (table, each))
    return Parameter(name, kind, array, array and not const, table, each, (word or "ON", of))
