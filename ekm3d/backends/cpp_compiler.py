"""The host's C++ compiler: finding it, what it is asked for, and where its libraries are kept."""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from ekm3d.errors import BackendError

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno",
         "-fno-trapping-math", "-fno-signed-zeros", "-shared", "-fPIC", "-x", "c++")


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
