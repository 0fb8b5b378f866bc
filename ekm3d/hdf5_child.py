"""HDF5 files that a case names, read in a process of its own.

The HDF5 library crashes on some damaged files, decompresses without end and follows links to other
files. The child has a limit of memory, its parent a limit of time, and whatever ends it becomes a
message.

    request    {"path", "name", "shape", "roots"}\\n
    answer     {"error"}\\n, or {}\\n and the float64 numbers of the array
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from ekm3d.hdf5_file import opened
from ekm3d.quoting import legible, quoted
from ekm3d.suggest import suggest

resource: Any
try:
    import resource
except ImportError:             # Windows has no such limits
    resource = None

TIME, SPARE = 120.0, 2**30      # s for one dataset; bytes beside twice the array
DEEPEST = 3                     # datasets that are composed of composed ones
# A child of an MPI process is none of its job.
FOREIGN = ("PMI", "OMPI_", "HYD", "MPI", "SLURM_", "OMP_", "OPENBLAS_")
START = ("import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
         "from ekm3d.hdf5_child import serve; serve()")


class Hdf5Child:
    """Process that reads datasets, started when the first one is asked for."""

    def __init__(self, limit: float = TIME) -> None:
        """limit: s for one dataset."""
        self.limit = limit
        self._process: Any = None

    def read(self, path: Path, name: str, shape: tuple[int, ...],
             roots: Sequence[Path]) -> np.ndarray:
        """Return the dataset as float64 (shape); ValueError with a message for the user.

        roots: folders in which files must lie that the dataset is composed of.
        """
        request = {"path": str(path), "name": name, "shape": shape, "roots": list(map(str, roots))}
        try:
            process = self._started()
            timer = threading.Timer(self.limit, process.kill)
            timer.start()
            try:
                array = _answer(process, request)
            finally:
                timer.cancel()
        except OSError as error:
            raise ValueError(f"{path.name} cannot be read: no process can be started "
                             f"({error.strerror})") from None
        if array is None:
            raise ValueError(f"cannot read {path.name} as HDF5: {self._end()}; it is damaged")
        return array

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def _started(self) -> Any:
        """Return the running process."""
        if self._process is None:
            environment = {key: value for key, value in os.environ.items()
                           if not key.startswith(FOREIGN)}
            environment |= {"OPENBLAS_NUM_THREADS": "1", "MPI4PY_RC_INITIALIZE": "0"}
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, json.dumps(sys.path)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        return self._process

    def _end(self) -> str:
        """Return how the process has ended."""
        with suppress(OSError):
            self._process.stdin.close()
        code = self._process.wait()
        self._process.stdout.close()
        self._process = None
        if code == -getattr(signal, "SIGKILL", 9):
            return f"the HDF5 library has not come to an end within {self.limit:g} s"
        return "the HDF5 library crashes on it"


def _answer(process: Any, request: dict[str, Any]) -> np.ndarray | None:
    """Return the array that a request is answered with, None if the process ends before.

    ValueError with the child's message.
    """
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line.endswith(b"\n"):
        return None
    answer = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    array = np.empty(int(np.prod(request["shape"])))
    whole = process.stdout.readinto(array.data.cast("B")) == array.nbytes
    return array.reshape(request["shape"]) if whole else None


def serve() -> None:
    """Answer requests on standard input until it ends; the child's whole work."""
    answers: BinaryIO = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            _limit(8 * int(np.prod(request["shape"], dtype=float)))
            array = _dataset(Path(request["path"]), request["name"], tuple(request["shape"]),
                             list(map(Path, request["roots"])))
        except (ValueError, OSError, RuntimeError, TypeError, KeyError, MemoryError) as error:
            reason = str(error) if type(error) is ValueError else _reason(Path(request["path"]),
                                                                         error)
            answers.write(json.dumps({"error": legible(reason)}).encode() + b"\n")
        else:
            answers.write(b"{}\n")
            answers.write(array.reshape(-1).data.cast("B"))
        answers.flush()


def _limit(size: int) -> None:
    """Limit the memory of this process to what it has, twice an array of `size` bytes, and SPARE.

    Without a limit where the system has none, or does not tell what the process has.
    """
    if resource is None:
        return
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except OSError:
        return
    most = pages * os.sysconf("SC_PAGE_SIZE") + 2 * size + SPARE
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _reason(path: Path, error: Exception) -> str:
    """Return the message of an error of the library."""
    text = "it takes too much memory" if isinstance(error, MemoryError) else \
        getattr(error, "strerror", None) or str(error)
    return f"cannot read {path.name} as HDF5: {legible(text, 200)}"


def _dataset(path: Path, name: str, shape: tuple[int, ...], roots: list[Path]) -> np.ndarray:
    """Return the dataset of a file as float64; ValueError, and errors of h5py."""
    with opened(path) as file:
        known: list[str] = []
        file.visititems(lambda key, item: known.append(key)
                        if isinstance(item, h5py.Dataset) else None)
        if name not in known:                  # links to other files are not followed
            raise ValueError(f"{path.name} has no dataset {quoted(name)}" + suggest(name, known))
        data = file[name]
        check_numbers(data, shape, f"{path.name}: {name}")
        _check_storage(data, path, roots)
        return np.array(data[...], dtype=float, order="C")


def check_numbers(array: Any, shape: tuple[int, ...], what: str) -> None:
    """Check shape and type of an array, or of a dataset before it is read; ValueError."""
    if array.shape != shape:
        raise ValueError(f"{what} has the shape {_shape(array.shape)}; the grid needs "
                         f"{_shape(shape)}, which is (nz, ny, nx)")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{what} holds {legible(str(array.dtype), 60)}, not numbers")


def _shape(shape: tuple[int, ...] | None) -> str:
    """Return a shape as text, "(6, 4, 5)"; None is that of a dataset without data."""
    shown = [*map(str, (shape or ())[:8])] + ["..."] * (len(shape or ()) > 8)
    return f"({', '.join(shown)})"


def _check_storage(data: h5py.Dataset, path: Path, roots: list[Path], depth: int = 0) -> None:
    """Check that all numbers of a dataset lie in files that the case may read; ValueError."""
    if data.external:
        raise ValueError(f"{path.name}: its numbers lie in another file, {data.external[0][0]}, "
                         "which is not read; store them in the dataset itself")
    if not data.is_virtual:
        return
    if depth == DEEPEST:
        raise ValueError(f"{path.name}: a dataset composed of composed ones {DEEPEST} deep")
    for name, source in sorted({(v.file_name, v.dset_name) for v in data.virtual_sources()}):
        place = path if name == "." else path.parent / name
        if not any(Path(os.path.realpath(place)).is_relative_to(root) for root in roots):
            raise ValueError(f"{path.name}: it is composed of {quoted(name)}, which lies outside "
                             "of the folders of the case")
        with h5py.File(place, "r", locking=False) as file:
            if source not in file:
                raise ValueError(f"{path.name}: it is composed of {quoted(name)}, which has no "
                                 f"dataset {quoted(source)}")
            _check_storage(file[source], place, roots, depth + 1)
