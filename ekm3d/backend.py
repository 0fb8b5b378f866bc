"""Where the arrays live and which body of an operator runs: numpy | cpp | cuda.

An operator is a NumPy function, the reference, whose arguments are (grid, inputs, scalars,
outputs); the kernel of the same name in kernels/*.cu takes the same arguments in the same
order. A backend binds an operator once and hands back what to call:

    numpy   the function itself
    cpp     the kernel through the host's C++ compiler and OpenMP, where one is written,
            and the function itself where none is
    auto    cpp where the compiler works, else numpy
    cuda    not in this version: asking for it is an error, never a silent fall-back
"""

import ctypes
import hashlib
import inspect
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ekm3d.grid import PackedGrid
from ekm3d.resources import kernel_text

BACKENDS = ("auto", "numpy", "cpp", "cuda")

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno",
         "-fno-trapping-math", "-fno-signed-zeros", "-shared", "-fPIC", "-x", "c++")


class BackendError(Exception):
    """The backend that was asked for cannot run; the text says why and what would help."""


def operator(source):
    """Mark a NumPy function as the reference of the kernel of the same name in `source`."""
    def mark(function):
        function.source = source
        return function
    return mark


def choose_backend(name="auto"):
    """The backend of that name; BackendError with the reason if it cannot run here."""
    if name == "auto":
        return automatic()
    if name not in BUILDERS:
        raise BackendError(f"backend {name!r} is unknown: one of {', '.join(BACKENDS)}")
    return BUILDERS[name]("asked for")


def automatic():
    """cpp where the host's compiler works, else numpy, which says why it is the slower one."""
    try:
        backend = CppBackend("chosen by auto")
        backend.library("trial.cu", "KERNEL trial(Grid g) { EKM_VOXELS(i, j, k, g) {} }", {})
        return backend
    except BackendError as error:
        reason = " ".join(str(error).split())
        return Backend(f"chosen by auto, though slower, for there is no other: {reason[:300]}")


class Backend:
    """NumPy arrays and the reference body of every operator."""

    name = "numpy"
    xp = np

    def __init__(self, why):
        self.why = why

    def __repr__(self):
        return f"{self.name} ({self.why})"

    def bind(self, op, **constants):
        """What to call for an operator; `constants`: the kernel's compile-time numbers (NS=12)."""
        return op

    def kernel(self, source, name, **constants):
        """A kernel whose reference is more than one function; None where this backend has none."""
        return None

    def prepare(self, bound, *values):
        """bound(*values) as a call without arguments, made many times: checked now, not then.

        Scalars keep the values they have now; arrays are used as they are at every call.
        """
        return partial(bound, *values)

    def zeros(self, shape, dtype=np.float64):
        """An array of zeros where this backend works."""
        return self.xp.zeros(shape, dtype)

    def to_numpy(self, array):
        """The array as NumPy sees it; no copy if it is there already."""
        return np.asarray(array)


class CppBackend(Backend):
    """NumPy arrays; kernels compiled by the host's C++ compiler, the reference for the rest."""

    name = "cpp"

    def __init__(self, why, flags=FLAGS):
        self.compiler, version = find_compiler()
        self.flags = flags
        # OpenMP's threads spin while they wait: on a shared machine that costs ms per kernel.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        self.stamp = (version, cpu())
        self.compiling = 0.0                # s spent on compiling
        super().__init__(f"{why}; {version}; operators without a kernel run in NumPy")

    def __repr__(self):
        once = f"; kernels compiled, once, in {self.compiling:.1f} s" if self.compiling else ""
        return f"{self.name} ({self.why}{once})"

    def bind(self, op, **constants):
        bound = self.kernel(op.source, op.__name__, **constants)
        if bound is None:
            return op
        names, theirs = list(inspect.signature(op).parameters), [p.name for p in bound.parameters]
        if names != theirs:
            raise BackendError(f"{op.source}: {op.__name__} takes {theirs}, "
                               f"but its NumPy twin takes {names}")
        return bound

    def kernel(self, source, name, **constants):
        text = kernel_text_or_none(source)
        parameters = text and signature(text, name)
        if not parameters:
            return None
        counts = {count for p in parameters for count in p.each + p.table}
        missing = sorted(c for c in counts - set(constants) if not c.isdigit())
        if missing:
            raise BackendError(f"{source}: bind({name}) needs {', '.join(missing)}=...: "
                               "a compile-time constant of the kernel")
        library = self.library(source, text, constants)
        return CompiledOperator(name, getattr(library, name), parameters, constants)

    def prepare(self, bound, *values):
        if isinstance(bound, CompiledOperator):
            return bound.prepared(*values)
        return super().prepare(bound, *values)

    def library(self, source, text, constants):
        """The kernels of one file as an opened shared library, compiled unless cached."""
        defines = ["-DREAL=double"] + [f"-D{k}={v}" for k, v in sorted(constants.items())]
        options = (*self.flags, *defines)
        whole = pasted(source, text)
        digest = hashlib.sha256(repr((whole, options, self.stamp)).encode()).hexdigest()[:24]
        path = cache_folder() / f"{Path(source).stem}-{digest}.so"
        if not path.exists():
            begun = time.monotonic()
            compile_library(self.compiler, options, whole, path)
            self.compiling += time.monotonic() - begun
        return ctypes.CDLL(str(path))


def refuse_cuda(why):
    """Say why CUDA cannot be had: the first thing missing on this machine."""
    try:
        import cupy
        devices = cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        reason = "CuPy is not installed (pip install 'ekm3d[cuda12]' or 'ekm3d[cuda13]')"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        reason = f"no CUDA device answers ({error})"
    else:
        reason = f"CuPy and {devices} device(s) are there"
    raise BackendError(f"backend 'cuda' {why}, but it cannot run: {reason}; and this version has "
                       "kernels for a part of the operators only. Use --backend numpy or cpp")


BUILDERS = {"numpy": Backend, "cpp": CppBackend, "cuda": refuse_cuda}


# ---- the kernel's text -------------------------------------------------------------------

KINDS = {"Grid": None, "real": np.dtype(np.float64), "single": np.dtype(np.float32),
         "int": np.dtype(np.int32), "Offset": np.dtype(np.int64), "Flag": np.dtype(np.uint8)}


@dataclass(frozen=True)
class Parameter:
    """One argument of a kernel, as its declaration states it.

    Grid g                      the grid, by value
    real s                      a scalar
    const real nu[NS][NK]       a table of NS x NK numbers
    const real* c               a padded voxel array, read
    real* EACH(NS) c            NS padded voxel arrays, written
    real* ON(coarse) c          a padded voxel array of another grid, the parameter `coarse`
    real* EACH(3) ROWS(g) c     3 numbers for every row of voxels: (3, nz, ny)
    int* LIST(n) c              n numbers, n a parameter
    """

    name: str
    kind: str                   # the C type
    array: bool
    output: bool
    table: tuple                # what stands within [ ]
    each: tuple                 # what stands within EACH( )
    shape: tuple = ("ON", None)     # ON, ROWS or LIST, and what stands within ( )


def kernel_text_or_none(source):
    """Text of a kernel file, or None as long as it is not written."""
    try:
        return kernel_text(source)
    except FileNotFoundError:
        return None


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
                         r"(?:(ON|ROWS|LIST)\((\w+)\))?\s*(\w+)\s*((?:\[\w+\])*)\s*", words)
    if not found or found[2] not in KINDS:
        raise BackendError(f"kernel {kernel}: cannot read the parameter {text.strip()!r}: it should"
                           f" look like 'const real* x', 'real* EACH(NS) x', 'const real x[NS]' or "
                           f"'real x', with one of the types {', '.join(KINDS)}")
    const, kind, star, each, word, of, name, table = found.groups()
    array = bool(star or table)
    table, each = (tuple(re.findall(r"[\[(](\w+)", counts)) for counts in (table, each))
    return Parameter(name, kind, array, array and not const, table, each, (word or "ON", of))


# ---- calling compiled code ---------------------------------------------------------------

class CompiledOperator:
    """A kernel in a shared library, called with the arguments of its NumPy twin.

    Checked before every call, as C would not: dtype, contiguity, the shape that the
    declaration states, and that no output overlaps another array.
    """

    def __init__(self, name, function, parameters, constants):
        self.__name__ = name
        self.function, self.parameters = function, parameters
        function.restype = None
        function.argtypes = [self._c_type(p) for p in parameters]
        number = {p.name: n for n, p in enumerate(parameters)}
        # Of every array: (place, parameter, leading counts, word, place of what it refers to).
        self.arrays = []
        for n, p in enumerate(parameters):
            if p.array:
                lead = tuple(int(constants.get(count, count)) for count in p.table + p.each)
                word, of = ("TABLE", None) if p.table else p.shape
                self.arrays.append((n, p, lead, word, number[of] if of else 0))
        self.outputs = [n for n, p in enumerate(parameters) if p.output]

    @staticmethod
    def _c_type(p):
        if p.kind == "Grid":
            return PackedGrid
        return ctypes.c_void_p if p.array else np.ctypeslib.as_ctypes_type(KINDS[p.kind])

    def __call__(self, *values):
        self.function(*self._addresses(values))

    def prepared(self, *values):
        """The same call without arguments, checked here once; it keeps the arrays alive."""
        addresses = self._addresses(values)

        def call(function=self.function, kept=values):
            function(*addresses)
        return call

    def _addresses(self, values):
        """What the C function takes, after all checks."""
        if len(values) != len(self.parameters):
            raise TypeError(f"{self.__name__} takes {len(self.parameters)} arguments, "
                            f"{len(values)} were given")
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

    @staticmethod
    def _shape(word, of):
        """Shape that the declaration states, behind its leading counts."""
        if word == "ON":
            return of.padded
        if word == "ROWS":
            return of.shape[:2]
        return (int(of),) if word == "LIST" else ()

    def _address(self, p, value, wanted):
        """Address of an array once it is what the declaration says."""
        where = f"{self.__name__}: {p.name}"
        if not isinstance(value, np.ndarray) or value.dtype != KINDS[p.kind]:
            raise TypeError(f"{where} should be a NumPy array of {KINDS[p.kind]}, not "
                            f"{getattr(value, 'dtype', type(value).__name__)}")
        if not value.flags.c_contiguous or p.output and not value.flags.writeable:
            raise ValueError(f"{where} should be contiguous in memory, and writeable if an output")
        if value.shape != wanted:
            raise ValueError(f"{where} has shape {value.shape}, it should be {wanted}")
        return value.__array_interface__["data"][0]


# ---- the host's compiler -----------------------------------------------------------------

def find_compiler():
    """(path, version line) of the C++ compiler: $CXX, else c++, g++ or clang++."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for path in filter(None, map(shutil.which, names)):
        answer = subprocess.run([path, "--version"], capture_output=True, text=True)
        if answer.returncode == 0:
            return path, answer.stdout.splitlines()[0]
    raise BackendError(f"backend 'cpp' needs a C++ compiler: {', '.join(names)} not found "
                       "(apt install g++, or set CXX)")


def compile_library(compiler, options, text, path):
    """Compile to `path` by way of a private name, so that no process sees half a library."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        answer = subprocess.run([compiler, *options, "-", "-o", str(draft)], input=text,
                                capture_output=True, text=True)
        if answer.returncode:
            raise BackendError(f"{compiler} {' '.join(options)} failed:\n{answer.stderr}")
        os.replace(draft, path)


def cpu():
    """What -march=native depends on: on Linux the processor's model and its list of features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keys)}))


def cache_folder():
    """Where compiled kernels are kept: $EKM3D_CACHE, else ekm3d/ in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("EKM3D_CACHE") or Path(home) / "ekm3d")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"backend 'cpp' cannot keep its compiled kernels in {path} ({error}): "
                           "set EKM3D_CACHE to a folder that can be written") from error
    return path
