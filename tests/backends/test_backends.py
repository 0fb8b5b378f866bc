"""Choice of a backend, compilation and cache of kernels, and the checks before a compiled call."""

import os
import re
import stat
import subprocess
import sys
import weakref

import numpy as np
import pytest

from ekm3d.backends import kernel_signature
from ekm3d.backends.base import operator
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.compiled_operator import CompiledOperator
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cpp_compiler import FLAGS
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid
from ekm3d.physics.divergence import accumulate
from ekm3d.physics.potential import face_conductance
from ekm3d.solvers.elliptic import apply_operator

GRID = Grid((4, 3, 2), (0.1, 0.1, 0.1))


@pytest.fixture
def cpp():
    try:
        return choose_backend("cpp")
    except BackendError as error:
        pytest.skip(str(error))


def arguments(grid=GRID):
    """face, b, x, y of the elliptic operator, all ones."""
    return [np.ones((3, *grid.padded)), *(np.ones(grid.padded) for _ in range(3))]


# ---- choice ------------------------------------------------------------------------------

def test_arange_and_cached_are_numpy_arrays_on_the_host(backend):
    """Integers of the type that kernels read; a table is not copied."""
    table = np.array([1.0, 2.0])
    assert backend.arange(4).tolist() == [0, 1, 2, 3] and backend.arange(0).dtype == np.int64
    assert backend.cached(table) is table


def test_auto_takes_the_compiler_and_says_so(cpp):
    """A run's log gives the reason for its speed; the second backend finds the cached libraries."""
    taken = choose_backend("auto")
    assert taken.name == "cpp" and "chosen by auto" in taken.why
    assert "compiled" not in repr(choose_backend("auto"))


@pytest.mark.parametrize("compiler, reason", [
    ("no-such-compiler", "no-such-compiler not found"), ("false", "not found"),
    ("broken", "error: no OpenMP here")])
def test_auto_falls_back_to_numpy_and_says_why(compiler, reason, monkeypatch, tmp_path):
    """No compiler, one that does not answer, or one that answers but cannot compile kernels."""
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\n[ $1 = --version ] && echo broken 1.0 && exit\n"
                      "echo error: no OpenMP here >&2; exit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CXX", compiler)
    taken = choose_backend("auto")
    assert taken.name == "numpy"
    assert "slower" in taken.why and reason in taken.why and "\n" not in taken.why


def test_compile_time_is_printed(monkeypatch, tmp_path):
    """In the line that names the backend, if anything was compiled."""
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    assert re.search(r"kernels compiled, once, in \d+\.\d s", repr(choose_backend("auto")))


def test_numpy_runs_the_reference_itself():
    """No wrapper: the specification is what runs."""
    assert choose_backend("numpy").bind(apply_operator) is apply_operator
    assert choose_backend("numpy").bind(face_conductance, NS=3, NT=1) is face_conductance


def test_cuda_is_refused_with_a_reason_and_an_alternative():
    """Asked for and not available: an error, never a silent slower run."""
    with pytest.raises(BackendError, match="cuda.*cannot run.*--backend numpy or cpp"):
        choose_backend("cuda")


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(BackendError, match="'gpu' is unknown: one of auto, numpy, cpp, cuda"):
        choose_backend("gpu")


def test_cpp_without_a_compiler_says_so(monkeypatch, tmp_path):
    """An empty PATH has no compiler in it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BackendError, match=r"needs a C\+\+ compiler: c\+\+, g\+\+, clang\+\+"):
        choose_backend("cpp")


def test_a_compiler_named_by_CXX_must_exist(monkeypatch):
    """The user's choice is not replaced by another compiler."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(BackendError, match="no-such-compiler not found"):
        choose_backend("cpp")


def test_zeros_and_to_numpy(backend):
    zeros = backend.zeros((2, 3), np.uint8)
    assert zeros.dtype == np.uint8 and zeros.shape == (2, 3) and not zeros.any()
    assert isinstance(backend.to_numpy(zeros), np.ndarray)


def twin_of(source):
    """Mark a function of a test as the NumPy twin of a kernel in that file."""
    def mark(function):
        function = operator(function)
        function.source = source
        return function
    return mark


# ---- compiling -----------------------------------------------------------------------------

def test_an_operator_without_a_kernel_runs_its_reference(cpp):
    """The file may be missing, or hold other kernels only."""
    @twin_of("not_written_yet.cu")
    def first(g, x, y):
        """y = x"""

    @twin_of("solvers/elliptic.cu")
    def second(g, x, y):
        """y = x"""

    assert cpp.bind(first) is first
    assert cpp.bind(second) is second


def test_a_twin_with_other_arguments_is_refused(cpp):
    """The two bodies of an operator must be callable alike."""
    @twin_of("solvers/elliptic.cu")
    def apply_operator(g, face, x, b, y):
        """As the kernel, but b and x have changed places."""

    with pytest.raises(BackendError, match="but its NumPy twin takes.*'x', 'b', 'y'"):
        cpp.bind(apply_operator)


def test_a_missing_compile_time_constant_is_named(cpp):
    with pytest.raises(BackendError, match=r"bind\(face_conductance\) needs NS, NT="):
        cpp.bind(face_conductance)


def test_library_is_compiled_again_only_when_an_input_changes(cpp, monkeypatch, tmp_path):
    """The file's name is a digest of text, options, compiler and CPU; nothing else is left."""
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "deep" / "cache"))
    cpp.bind(apply_operator)
    (first,) = (tmp_path / "deep" / "cache").iterdir()
    stamp = first.stat().st_mtime_ns
    cpp.bind(apply_operator)
    assert [p.stat().st_mtime_ns for p in first.parent.iterdir()] == [stamp]
    CppBackend("other flags", (*FLAGS, "-fno-inline")).bind(apply_operator)
    cpp.stamp = ("another compiler", "another CPU")
    cpp.bind(apply_operator)
    assert len(list(first.parent.iterdir())) == 3


def test_a_header_that_a_kernel_needs_is_pasted_before_it(cpp, monkeypatch, tmp_path):
    """And a change of the header makes another library: its text is part of the digest."""
    own = "// needs sums.cuh\nKERNEL nothing(Grid g, real* y) { EKM_VOXELS(i, j, k, g) y[0] = 1; }"
    texts = {"ekm.cuh": kernel_signature.kernel_text("ekm.cuh"), "sums.cuh": "// sums\n",
             "own.cu": own}
    monkeypatch.setattr(kernel_signature, "kernel_text", texts.__getitem__)
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))

    @twin_of("own.cu")
    def nothing(g, y):
        """y = 1"""

    whole = kernel_signature.pasted("own.cu", texts["own.cu"])
    assert 0 < whole.index("INLINE") < whole.index("// sums") < whole.index("KERNEL nothing")
    for header in ("// sums\n", "// other sums\n"):
        texts["sums.cuh"] = header
        cpp.bind(nothing)
    assert len(list(tmp_path.iterdir())) == 2


def test_statements_of_the_caller_take_their_lines_place():
    text = "double f(double x)\n{\n    // written: body\n}\n// written by hand\n"
    given = kernel_signature.with_statements(text, {"body": "return x;", "other": "never"})
    assert given == "double f(double x)\n{\nreturn x;\n}\n// written by hand\n"
    with pytest.raises(KeyError, match="body"):
        kernel_signature.with_statements(text, {"other": "never"})


def test_a_compiler_error_reaches_the_user_and_leaves_nothing(cpp, monkeypatch, tmp_path):
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    broken = CppBackend("broken", (*FLAGS, "-no-such-option"))
    with pytest.raises(BackendError, match="-no-such-option"):
        broken.bind(apply_operator)
    assert list(tmp_path.iterdir()) == []


def test_only_the_user_may_write_where_libraries_are_opened_from(cpp, monkeypatch, tmp_path):
    """A library is code: nobody else may put one there."""
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path / "new"))
    cpp.bind(apply_operator)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_opening_a_kernel_leaves_denormals_alone(cpp):
    """A library linked with -ffast-math sets flush-to-zero in the whole process.

    NumPy's 1e-310 * 1.0 would become 0. In a process of its own, with the flags in use.
    """
    code = ("import numpy as np; from ekm3d.backends.choose import choose_backend; "
            "from ekm3d.solvers.elliptic import apply_operator; "
            "choose_backend('cpp').bind(apply_operator); "
            "print(np.array([1e-310])[0] * 1.0 > 0)")
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    assert answer.stdout.strip() == "True", answer.stderr


def test_nan_and_infinity_survive_a_kernel(cpp):
    """A NaN in one voxel reaches its neighbours and itself, and no other voxel."""
    face, b, x, y = arguments()
    x[3, 3, 3] = np.nan
    cpp.bind(apply_operator)(GRID, face, b, x, y)
    reference = y.copy()
    apply_operator(GRID, face, b, x, reference)
    assert np.isnan(y).sum() == 6                 # k = 3 is the last layer: five neighbours inside
    assert np.array_equal(np.isnan(y), np.isnan(reference))


# ---- the checks before a call --------------------------------------------------------------

def wrong(index, value):
    """Arguments of the operator, one of them replaced."""
    values = arguments()
    values[index] = value(values[index])
    return values


@pytest.mark.parametrize("values, error, message", [
    (wrong(2, lambda x: x.astype("f4")), TypeError, "x should be .* of float64, not float32"),
    (wrong(1, lambda b: 1.0), TypeError, "b should be .* of float64, not float"),
    (wrong(0, lambda a: a[..., ::2]), ValueError, "face should be contiguous"),
    (wrong(0, np.asfortranarray), ValueError, "face should be contiguous"),
    (wrong(2, lambda x: np.ones(GRID.shape)), ValueError, r"x has .* should be \(6, 7, 8\)"),
    (arguments()[:-1], TypeError, "takes 5 arguments, 4 were given"),
])
def test_wrong_arguments_are_refused(cpp, values, error, message):
    """C would read or write beyond the array, or take bits of one type for another."""
    with pytest.raises(error, match=message):
        cpp.bind(apply_operator)(GRID, *values)


def test_an_output_may_not_be_an_input(cpp):
    """The pointers are __restrict__, and a stencil cannot work in place."""
    face, b, x, _ = arguments()
    with pytest.raises(ValueError, match="output y overlaps x"):
        cpp.bind(apply_operator)(GRID, face, b, x, x)


def test_a_read_only_output_is_refused(cpp):
    values = arguments()
    values[-1].flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        cpp.bind(apply_operator)(GRID, *values)


def test_the_number_of_species_is_checked(cpp):
    """A kernel compiled for three species would read past the end of two."""
    bound = cpp.bind(face_conductance, NS=3, NT=1)
    flat, three = np.ones(GRID.padded), np.ones((3, *GRID.padded))
    flags, table = np.zeros(three.shape, np.uint8), np.ones(3)
    outputs = np.zeros((2, *three.shape))
    bound(GRID, three, flat[None], flat, flat, flags, table, table, 1.0, *outputs)
    with pytest.raises(ValueError, match=r"c has shape \(2, .* it should be \(3, 6, 7, 8\)"):
        bound(GRID, three[:2].copy(), flat[None], flat, flat, flags, table, table, 1.0, *outputs)
    with pytest.raises(ValueError, match=r"z has shape \(2,\), it should be \(3,\)"):
        bound(GRID, three, flat[None], flat, flat, flags, table[:2], table, 1.0, *outputs)


@pytest.mark.parametrize("declaration, kind, array, output, table, each", [
    ("Grid g", "Grid", False, False, (), ()),
    ("real s", "real", False, False, (), ()),
    ("int n", "int", False, False, (), ()),
    ("const real* __restrict__ x", "real", True, False, (), ()),
    ("\n   const real *x", "real", True, False, (), ()),
    ("real* __restrict__ EACH(3) y", "real", True, True, (), ("3",)),
    ("real* __restrict__ EACH(3) EACH(NK) y", "real", True, True, (), ("3", "NK")),
    ("const real z[NS]", "real", True, False, ("NS",), ()),
    ("const real nu[NS][NK]", "real", True, False, ("NS", "NK"), ()),
])
def test_declarations_are_read(declaration, kind, array, output, table, each):
    """The kernel's own signature is the only description of its types."""
    p = kernel_signature.parameter("k", declaration)
    assert (p.kind, p.array, p.output, p.table, p.each) == (kind, array, output, table, each)


@pytest.mark.parametrize("declaration", ["float x", "const real& x", "real** x", "", "a::b n"])
def test_unsupported_declarations_are_refused(declaration):
    with pytest.raises(BackendError, match="kernel k: cannot read the parameter"):
        kernel_signature.parameter("k", declaration)


def test_kernels_in_comments_are_ignored():
    text = "// KERNEL one(Grid g) {\n/* KERNEL two(Grid g)\n{ */ KERNEL three(Grid g, real* y)\n{ }"
    assert kernel_signature.kernel_names(text) == ["three"]
    assert kernel_signature.signature(text, "one") is None
    assert [p.name for p in kernel_signature.signature(text, "three")] == ["g", "y"]


def test_arrays_of_an_earlier_call_are_not_checked_again(cpp, rng, monkeypatch):
    """Scalars are taken from every call; with one other array all of them are checked."""
    checks = []
    check = CompiledOperator._arguments
    monkeypatch.setattr(CompiledOperator, "_arguments",
                        lambda self, values: (checks.append(1), check(self, values))[1])
    collected = cpp.bind(accumulate, NK=1)
    gained, total = rng.random((1, *GRID.padded)), np.zeros((1, *GRID.padded))
    for share in (1.0, 2.0, 4.0):
        collected(GRID, gained, share, total)
    assert len(checks) == 1
    np.testing.assert_allclose(total[GRID.inner], 7.0 * gained[GRID.inner], rtol=1e-15)
    collected(GRID, 2 * gained, 1.0, total)
    assert len(checks) == 2
    np.testing.assert_allclose(total[GRID.inner], 9.0 * gained[GRID.inner], rtol=1e-15)
    for wrong in (gained[:, 1:], gained.astype("f4"), total):
        with pytest.raises((TypeError, ValueError), match="gained|overlaps"):
            collected(GRID, wrong, 1.0, total)
    with pytest.raises(ValueError, match="shape"):
        collected(Grid((2, 3, 4), (0.1, 0.1, 0.1)), gained, 1.0, total)
    with pytest.raises(TypeError, match="takes 4 arguments"):
        collected(GRID, gained, 1.0)
    reference = weakref.ref(gained)
    del gained, wrong
    assert reference() is None          # the cache of checks does not keep arrays alive
