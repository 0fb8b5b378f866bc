"""Host C++ compiler: search, options, and the cache of compiled libraries."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ekm3d.errors import BackendError

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno",
         "-fno-trapping-math", "-fno-signed-zeros", "-shared", "-fPIC", "-x", "c++")


def find_compiler() -> tuple[str, str]:
    """Return (path, version line) of the C++ compiler: $CXX, else c++, g++ or clang++.

    BackendError if there is none that answers.
    """
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for path in filter(None, map(shutil.which, names)):
        answer = subprocess.run([path, "--version"], capture_output=True, text=True)
        if answer.returncode == 0:
            return path, answer.stdout.splitlines()[0]
    raise BackendError(f"backend 'cpp' needs a C++ compiler: {', '.join(names)} not found "
                       "(apt install g++, or set CXX)")


def compile_library(compiler: str, options: Sequence[str], text: str, path: Path) -> None:
    """Compile a text to a shared library; BackendError with the compiler's message if it fails.

    The library gets its name when it is complete: no process sees half of one.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = Path(folder) / path.name
        answer = subprocess.run([compiler, *options, "-", "-o", str(draft)], input=text,
                                capture_output=True, text=True)
        if answer.returncode:
            raise BackendError(f"{compiler} {' '.join(options)} failed:\n{answer.stderr}")
        os.replace(draft, path)


def cpu() -> str:
    """Return the processor's model and features (Linux), on which -march=native depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keys)}))


def cache_folder() -> Path:
    """Return the folder of compiled kernels: $EKM3D_CACHE, else ekm3d/ in the user's cache folder.

    BackendError if it cannot be made.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("EKM3D_CACHE") or Path(home) / "ekm3d")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackendError(f"backend 'cpp' cannot keep its compiled kernels in {path} ({error}): "
                           "set EKM3D_CACHE to a folder that can be written") from error
    return path
