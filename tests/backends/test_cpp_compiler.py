"""Cache of compiled kernels, compilers that hang, fail or lack OpenMP, and forked processes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ekm3d.backends import cpp as cpp_backend
from ekm3d.backends import cpp_compiler, kernel_signature
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cpp_compiler import intact
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid
from ekm3d.physics.divergence import accumulate
from ekm3d.solvers.elliptic import apply_operator

GRID = Grid((4, 3, 2), (0.1, 0.1, 0.1))
FORK = """import os
import numpy as np
from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import Grid
from ekm3d.physics.divergence import accumulate
g = Grid((64, 64, 64), (1, 1, 1))
add = choose_backend("cpp").bind(accumulate, NK=2)
x = np.ones((2, *g.padded))
y = np.zeros_like(x)
add(g, x, 1.0, y)
child = os.fork()
add(g, x, 1.0, y)
right = y[g.inner].min() == y.max() == 2.0
if not child:
    os._exit(0 if right else 1)
print(right and os.waitpid(child, 0)[1] == 0)
"""


@pytest.fixture(autouse=True)
def soon_compiled(quick_kernels):
    """No bits are compared here: -Og for all libraries that are compiled again and again."""


@pytest.fixture
def cpp():
    try:
        return choose_backend("cpp")
    except BackendError as error:
        pytest.skip(str(error))


def test_a_cache_that_cannot_be_written_is_named_and_replaced(monkeypatch, tmp_path):
    """Kernels of a process whose cache is a file lie in a folder of its own; the log says so."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "file"))
    backend = choose_backend("auto")
    assert backend.name == "cpp" and "this process only" in backend.why
    assert f"{tmp_path / 'file'} cannot be used" in backend.why and "EKM3D_CACHE" in backend.why
    assert works(backend)


def works(backend):
    """True if y = A x of ones is 6 x 0 + 1 in an inner voxel: the kernel runs."""
    values = [np.ones((3, *GRID.padded)), *np.ones((3, *GRID.padded))]      # face, b, x, y
    backend.bind(apply_operator)(GRID, *values)
    return values[-1][3, 3, 3] == 1.0


@pytest.mark.parametrize("damage", [
    lambda b: b"", lambda b: b[:1000], lambda b: b[:-1],
    lambda b: b[:5000] + bytes([b[5000] ^ 255]) + b[5001:],
    lambda b: b"not a library", lambda b: b[:-78]], ids=[
    "empty", "cut", "a byte short", "altered", "foreign", "without its seal"])
def test_a_damaged_library_is_compiled_anew(cpp, monkeypatch, tmp_path, damage):
    """Opening one of them would end the process: OSError, or a bus error where pages are missing.

    The file is renewed, and is found intact by the next backend.
    """
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    cpp.bind(apply_operator)
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.unlink()               # a new file: the old one stays as it is where it has been opened
    file.write_bytes(damage(good))
    again = CppBackend("again")
    assert works(again) and again.compile_time > 0 and intact(file)
    once_more = CppBackend("once more")
    assert works(once_more) and once_more.compile_time == 0


def test_a_library_under_the_name_of_another_is_compiled_anew(cpp, monkeypatch, tmp_path):
    """Its seal is right for its own name only."""
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    cpp.bind(accumulate, NK=2)
    (other,) = tmp_path.iterdir()
    cpp.bind(apply_operator)
    (mine,) = set(tmp_path.iterdir()) - {other}
    mine.unlink()
    mine.write_bytes(other.read_bytes())
    assert works(CppBackend("again")) and intact(mine)


def test_a_read_only_cache_serves_what_it_holds(cpp, monkeypatch, tmp_path):
    """A cache that an administrator filled for all: its libraries are opened, others made apart."""
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    cpp.bind(apply_operator)
    access = os.access              # root may write anywhere: the folder refuses by itself
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and access(path, mode))
    backend = CppBackend("read-only")
    assert works(backend) and backend.compile_time == 0 and "read-only" in backend.why
    backend.bind(accumulate, NK=2)
    assert backend.compile_time > 0 and len(list(tmp_path.iterdir())) == 1


def test_a_library_that_another_user_may_have_planted_is_not_opened(cpp, monkeypatch, tmp_path):
    """A cache in which others may write, with a library whose seal is right.

    Anyone can compute a seal. The library is compiled in a folder of this process, and the log says
    why; made private, the folder serves what it holds.
    """
    folder = tmp_path / "shared"
    monkeypatch.setenv("EKM3D_CACHE", str(folder))
    cpp.bind(apply_operator)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    cpp_compiler._temporary_folder.cache_clear()
    backend = CppBackend("shared")
    assert works(backend) and backend.compile_time > 0
    assert "others may write to it" in backend.why and len(list(folder.iterdir())) == 1
    folder.chmod(0o755)
    assert works(CppBackend("mine")) and CppBackend("mine").compile_time == 0
    (library,) = folder.iterdir()
    library.chmod(0o777)
    assert not intact(library)
    library.chmod(0o755)
    assert intact(library)
    if os.getuid() == 0:                # root alone can give a file away
        os.chown(library, 12345, -1)
        assert not intact(library)
        os.chown(folder, 12345, -1)
        assert "belongs to another user" in CppBackend("foreign").why


def test_without_any_folder_for_kernels_auto_takes_numpy(monkeypatch, tmp_path):
    """A cache that is a file, and no temporary folder: NumPy computes, and says why."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    cpp_compiler._temporary_folder.cache_clear()
    taken = choose_backend("auto")
    assert taken.name == "numpy" and "kept nowhere" in taken.why


def script(path, text):
    """Write an executable script of the shell."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("text, reason", [
    ("sleep 600", "has not answered within 1 s"),
    ("[ $1 = --version ] && echo c 1.0 && exit; sleep 600", "has not answered within 1 s"),
    ("exit 0", "left no library"),
    ("[ $1 = --version ] && echo c && exit; for o; do :; done; echo text > $o", "cannot be opened"),
], ids=["hangs", "hangs when it compiles", "writes nothing", "writes text"])
def test_a_compiler_that_hangs_or_writes_nonsense_is_left(monkeypatch, tmp_path, text, reason):
    """auto goes on in NumPy and says why; what the compiler started is ended with it."""
    limit = 1.0 if "sleep" in text else 60.0
    monkeypatch.setattr(cpp_compiler, "VERSION_LIMIT", limit)
    monkeypatch.setattr(cpp_backend, "TRIAL_LIMIT", limit)
    monkeypatch.setenv("CXX", script(tmp_path / "compiler", text))
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "cache"))
    taken = choose_backend("auto")
    assert taken.name == "numpy" and reason in taken.why
    with pytest.raises(BackendError, match=reason):
        choose_backend("cpp").library("trial.cu", kernel_signature.TRIAL, {})


def test_a_compiler_without_OpenMP_makes_kernels_for_one_thread(cpp, monkeypatch, tmp_path):
    """It refuses -fopenmp, as Apple's clang does; the same numbers, and the log says why slowly."""
    real = cpp.compiler
    monkeypatch.setenv("CXX", script(tmp_path / "compiler", 'for o; do [ "$o" = -fopenmp ] && '
                                     'echo unsupported option -fopenmp >&2 && exit 1; done; '
                                     f'exec {real} "$@"'))
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "cache"))
    taken = choose_backend("auto")
    assert taken.name == "cpp" and "one thread only, as the compiler has no OpenMP" in taken.why
    assert works(taken)


def test_a_forked_process_computes(cpp):
    """OpenMP's threads stay behind in the parent; waiting for them, a child would hang for ever.

    262 144 voxels: enough that the kernel takes threads. In a process of its own, with two.
    """
    answer = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True,
                            timeout=120, env=dict(os.environ, OMP_NUM_THREADS="2",
                                                  PYTHONPATH=os.pathsep.join(sys.path)))
    assert answer.stdout.strip() == "True", answer.stderr
