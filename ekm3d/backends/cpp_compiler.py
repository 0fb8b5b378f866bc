"""Host C++ compiler: search, options, and the cache of compiled libraries.

A library ends in a seal, a digest of its bytes: one that a power cut, a full disk or another
program has damaged is compiled anew. Opening a library runs it: folder and library must belong to
this user or to root, and nobody else may write to them. A compiler that hangs is ended.
"""

import atexit
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from ekm3d.errors import BackendError
from ekm3d.regular_file import opened

FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fno-math-errno",
         "-fno-trapping-math", "-fno-signed-zeros", "-shared", "-fPIC", "-x", "c++")
VERSION_LIMIT, TRIAL_LIMIT, COMPILE_LIMIT = 20.0, 60.0, 900.0      # s until a compiler is ended
SEAL = b"\nekm3d sha256 "
LARGEST = 2**28                                                     # bytes of a library
SEALED = len(SEAL) + 64                                             # bytes of a seal


def find_compiler() -> tuple[str, str]:
    """Return (path, version line) of the C++ compiler: $CXX, else c++, g++ or clang++.

    BackendError if there is none that answers.
    """
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    silent = ""
    for path in filter(None, map(shutil.which, names)):
        try:
            code, text, _ = _answer([path, "--version"], VERSION_LIMIT)
        except BackendError as error:
            silent += f"; {error}"
            continue
        if code == 0:
            return path, next(iter(text.splitlines()), "of no version")
    raise BackendError(f"backend 'cpp' needs a C++ compiler: {', '.join(names)} not found"
                       f"{silent} (apt install g++, or set CXX)")


def compile_library(compiler: str, options: Sequence[str], text: str, path: Path,
                    limit: float = COMPILE_LIMIT) -> None:
    """Compile a text to a shared library; BackendError with the compiler's message if it fails.

    limit: s that it may take. The library gets its name when it is complete and sealed: no process
    sees half of one.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(folder) / path.name
            code, _, errors = _answer([compiler, *options, "-", "-o", str(draft)], limit, text)
            if code:
                raise BackendError(f"{compiler} failed:\n{errors}\nwith {' '.join(options)}")
            seal = _seal(path.name, draft.read_bytes())
            with draft.open("ab") as file:
                file.write(seal)
            draft.chmod(0o755)
            os.replace(draft, path)
    except OSError as error:
        raise BackendError(f"{compiler} left no library {path}: {error}") from error


def _seal(name: str, contents: bytes) -> bytes:
    """Return the last bytes of a library: a digest of its name and of all before them."""
    return SEAL + hashlib.sha256(name.encode() + contents).hexdigest().encode()


def intact(path: Path) -> bool:
    """Return True if a file is a library as `compile_library` left it, under its own name.

    Opening an empty, cut or altered one could end the process by a signal; one of another user
    would do as that user wants.
    """
    try:
        with os.fdopen(opened(path, LARGEST), "rb") as file:
            if _foreign(os.fstat(file.fileno())):
                return False
            contents = file.read()
    except OSError:
        return False
    whole, seal = contents[:-SEALED], contents[-SEALED:]
    return len(seal) == SEALED and seal == _seal(path.name, whole)


def _answer(command: Sequence[str], limit: float, text: str = "") -> tuple[int, str, str]:
    """Return (exit code, output, errors) of a command; BackendError if it takes too long.

    limit: s. The command and what it has started are ended then.
    """
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
                                   start_new_session=True)
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        out, errors = process.communicate(text, timeout=limit)
    except BaseException as error:                  # Ctrl-C as well
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:                                   # Windows: what it has started stays
                process.kill()
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BackendError(f"{command[0]} has not answered within {limit:g} s") from None
        raise
    return process.returncode, out, errors


def cpu() -> str:
    """Return the processor's model and features (Linux), on which -march=native depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    keys = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(keys)}))


def user_cache() -> Path:
    """Return the folder for compiled kernels: $EKM3D_CACHE, else ekm3d/ in the user's cache folder.

    It may not exist.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EKM3D_CACHE") or Path(home) / "ekm3d")


def cache_folder() -> Path:
    """Return the folder that new kernels are written to: the user's cache, made if need be.

    Where that cannot be written, a temporary folder of this process: see `cache_remark`.
    """
    path = user_cache()
    if _writable(path) is None:
        return path
    try:
        return _temporary_folder(os.getpid())
    except OSError as error:
        raise BackendError(f"compiled kernels can be kept nowhere: neither in {path} nor in a "
                           f"temporary folder ({error.strerror}); set EKM3D_CACHE to a folder "
                           "that can be written") from None


def trusted(path: Path) -> bool:
    """Return True for a folder in which only this user, or root, can have put libraries."""
    try:
        return not _foreign(path.stat())
    except OSError:
        return False


def _foreign(status: os.stat_result) -> str:
    """Return why a file or folder is not this user's alone, "" if it is."""
    if not hasattr(os, "getuid"):           # Windows tells neither owners nor modes
        return ""
    if status.st_uid not in (os.getuid(), 0):
        return "it belongs to another user"
    if status.st_mode & 0o022:
        return "others may write to it; chmod go-w makes it private"
    return ""


def cache_remark() -> str:
    """Return why kernels will be compiled again by the next process; "" where they are kept."""
    reason = _writable(user_cache())
    return reason and (f"kernels are kept for this process only, as {user_cache()} cannot be "
                       f"used ({reason}): set EKM3D_CACHE to a folder that can") or ""


def _writable(path: Path) -> str | None:
    """Make a folder; return None, or the reason why nothing can be written there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror
    if not trusted(path):
        return _foreign(path.stat())
    return None if os.access(path, os.W_OK | os.X_OK) else "it is read-only"


@cache
def _temporary_folder(process: int) -> Path:
    """Return a folder that only this user can enter; it is removed when the process ends."""
    path = Path(tempfile.mkdtemp(prefix="ekm3d-kernels-"))
    atexit.register(lambda: shutil.rmtree(path, True) if os.getpid() == process else None)
    return path
