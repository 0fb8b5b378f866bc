"""What the text of a kernel says of itself: its name, its arguments, its headers.

A declaration is the only description of a kernel's types. This is how one is read:

    KERNEL name(Grid g, const real* EACH(NS) c, real dt, real* y) { ... }

The first argument is the grid that the arrays belong to, what is `const` is read, the rest written.
"""

import re
from dataclasses import dataclass

import numpy as np

from ekm3d.errors import BackendError
from ekm3d.resources import kernel_text

KINDS = {"Grid": None, "real": np.dtype(np.float64), "single": np.dtype(np.float32),
         "int": np.dtype(np.int32), "Offset": np.dtype(np.int64), "Flag": np.dtype(np.uint8)}

TRIAL = "KERNEL trial(Grid g) { EKM_VOXELS(i, j, k, g) {} }"     # shows that a compiler works


@dataclass(frozen=True)
class Parameter:
    """One argument of a kernel, as its declaration states it.

    Grid g                      the grid, by value
    real s                      a scalar
    const real nu[NS][NK]       a table of NS x NK numbers
    const real* c               a padded voxel array, read
    real* EACH(NS) c            NS padded voxel arrays, written
    real* ON(coarse) c          a padded voxel array of another grid, the parameter `coarse`
    real* EACH(3) SEGMENTS(g) c    3 numbers for every segment of voxels: (3, nz, ny, segments)
    int* LIST(n) c              n numbers, n a parameter
    """

    name: str
    kind: str                   # the C type
    array: bool
    output: bool
    table: tuple                # what stands within [ ]
    each: tuple                 # what stands within EACH( )
    shape: tuple = ("ON", None)     # ON, SEGMENTS or LIST, and what stands within ( )


def kernel_text_or_none(source):
    """Text of a kernel file, or None as long as it is not written."""
    try:
        return kernel_text(source)
    except FileNotFoundError:
        return None


def declared(source, name, constants):
    """(text, parameters) of a kernel; parameters is None where it is not written."""
    text = kernel_text_or_none(source)
    parameters = text and signature(text, name)
    counts = {count for p in parameters or () for count in p.each + p.table}
    missing = sorted(c for c in counts - set(constants) if not c.isdigit())
    if missing:
        raise BackendError(f"{source}: bind({name}) needs {', '.join(missing)}=...: "
                           "a compile-time constant of the kernel")
    return text, parameters


def defines(constants):
    """Compiler options that make numbers of the kernel constants."""
    return ["-DREAL=double"] + [f"-D{k}={v}" for k, v in sorted(constants.items())]


def contraction(text):
    """Compiler options about a * b + c: rounded once only where a line `// may fuse` allows it.

    Elsewhere the compiler would fuse in a loop's vectors and not in what is left over, or choose
    another product: a voxel's last digit would depend on where in its row it lies, and so on how a
    block is cut for many processes. What gains by it fuses by name (`fused` of ekm.cuh), or keeps
    to the same operations everywhere.
    """
    return () if re.search("^// may fuse", text, flags=re.M) else ("-ffp-contract=off",)


def pasted(source, text):
    """The kernel text behind its headers, as one text: what every compiler is given.

    ekm.cuh comes first, then those that lines `// needs name.cuh` ask for. Caches that key on the
    text then see a change of a header too. #line keeps the compiler's messages pointing at the
    real files.
    """
    headers = ["ekm.cuh", *re.findall(r"^// needs (\S+)", text, flags=re.M)]
    parts = [*((name, kernel_text(name)) for name in headers), (source, text)]
    return "\n".join(f'#line 1 "{name}"\n{part}' for name, part in parts)


def kernel_names(text):
    """Names of the kernels in a text."""
    return re.findall(r"\bKERNEL\s+(\w+)\s*\(", without_comments(text))


def signature(text, name):
    """The parameters of kernel `name`, read from its own text; None if it is not there."""
    found = re.search(rf"\bKERNEL\s+{name}\s*\((.*?)\)\s*\{{", without_comments(text), flags=re.S)
    return found and tuple(parameter(name, p) for p in found[1].split(","))


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def parameter(kernel, text):
    """One parameter of a kernel from its declaration."""
    words = text.replace("__restrict__", " ")
    found = re.fullmatch(r"\s*(const\s+)?(\w+)\s*(\*?)\s*((?:EACH\(\w+\)\s*)*)"
                         r"(?:(ON|SEGMENTS|LIST)\((\w+)\))?\s*(\w+)\s*((?:\[\w+\])*)\s*", words)
    if not found or found[2] not in KINDS:
        raise BackendError(f"kernel {kernel}: cannot read the parameter {text.strip()!r}: it should"
                           f" look like 'const real* x', 'real* EACH(NS) x', 'const real x[NS]' or "
                           f"'real x', with one of the types {', '.join(KINDS)}")
    const, kind, star, each, word, of, name, table = found.groups()
    array = bool(star or table)
    table, each = (tuple(re.findall(r"[\[(](\w+)", counts)) for counts in (table, each))
    return Parameter(name, kind, array, array and not const, table, each, (word or "ON", of))
