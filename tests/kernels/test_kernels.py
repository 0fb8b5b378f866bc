"""Every kernel: compiled for GPUs without one, and the rules of their texts.

The elliptic operator beside its NumPy twin; for the others see test_twins.
"""

import re
from itertools import product

import numpy as np
import pytest
from helpers import nvrtc
from helpers.field_voxels import ENGINE
from helpers.kernel_outputs import SHAPES, assert_only_inner, poisoned
from helpers.kernel_worlds import COUNTS
from helpers.operators import operators, sources

from ekm3d import constants
from ekm3d.backends import choose, kernel_signature
from ekm3d.backends.base import Backend
from ekm3d.backends.fixed_parameters import with_constants
from ekm3d.chemistry import newton
from ekm3d.grid import stencil
from ekm3d.grid.grid import Grid
from ekm3d.physics import potential
from ekm3d.resources import kernel_text
from ekm3d.solvers import elliptic, multigrid

SOURCES, OPERATORS = sources(), list(operators().values())
WHOLE_MODULE = {"newton"}          # kernels whose reference is more than one function
DEFINES = [f"-D{name}=12" for name in COUNTS]


# ---- NVRTC: the CUDA compiler as a library, no device and no driver ------------------------

def bound_newton():
    """(fixed arguments, statements, compile-time constants) of the field block's Newton."""
    bound = []

    class Recorder(Backend):
        def kernel(self, source, name, fixed, written, **constants):
            bound.append((fixed, written, constants))

    newton.Newton(ENGINE.equations, Recorder("test"))
    return bound[0]


# By default the oldest architecture and the type of most kernels, all others in the slow suite.
TARGETS = [("sm_80", "double"), *(
    pytest.param(arch, real, marks=pytest.mark.slow) for arch, real in (
        ("sm_80", "float"), *product(("sm_90", "sm_100"), ("double", "float"))))]


@pytest.mark.parametrize("arch, real", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_kernel_compiles_for_the_gpu(needs_nvrtc, source, arch, real):
    """NVRTC gives an ELF file that names each kernel: what a device of that kind would load.

    Newton's kernel is written for the field block, as on `cuda`. A text with a line
    `// host only` says why it is empty for a GPU.
    """
    text, defines = kernel_text(source), DEFINES
    if source == newton.SOURCE:
        fixed, written, constants = bound_newton()
        text = with_constants(kernel_signature.with_statements(text, written), fixed)
        defines = [f"-D{name}={value}" for name, value in constants.items()]
    options = ["--std=c++17", f"-arch={arch}", f"-DREAL={real}", *defines, "--fmad=false"]
    code, log = nvrtc.compiled(kernel_signature.pasted(source, text), source, options)
    assert code is not None, log
    assert code.startswith(b"\x7fELF")
    on_gpu = not re.search("^// host only: ", text, flags=re.M)
    for name in kernel_signature.kernel_names(text):
        assert (name.encode() in code) == on_gpu


def test_a_broken_kernel_is_reported_by_its_own_file_and_line(needs_nvrtc):
    """The gate can fail, and #line keeps the pasted header out of the message."""
    text = "\nKERNEL broken(Grid g, real* y)\n{\n    EKM_VOXELS(i, j, k, g) y[0] = nothing;\n}\n"
    code, log = nvrtc.compiled(kernel_signature.pasted("broken.cu", text), "whole.cu",
                               ["--std=c++17", "-arch=sm_80", "-DREAL=double"])
    assert code is None
    assert "broken.cu(4)" in log and "nothing" in log


# ---- the text ----------------------------------------------------------------------------

def doubles(text):
    """Decimals and spacings of the grid outside of real(...): numbers that stay double."""
    return re.findall(r"\d+\.\d*|\b\w+\.d[xyz]\b", re.sub(r"\breal\([^()]*\)", "", text))


@pytest.mark.parametrize("text, found", [
    ("y = 0.5 * x + real(0.5) / 2;", ["0.5"]),
    ("const real v = g.dx * real(g.dy) * real(coarse.dz);", ["g.dx"])])
def test_doubles_are_found(text, found):
    assert doubles(text) == found


@pytest.mark.parametrize("source", [*SOURCES, *sources(suffix="cuh")])
def test_kernels_hold_to_the_rules_of_shared_sources(source):
    """One text for two compilers: no includes, barriers, shared memory or bare doubles.

    A bare 0.5, or g.dx, is a double: on the GPU it drags float kernels through slow arithmetic.
    """
    text = kernel_signature.without_comments(kernel_text(source))
    if source == "ekm.cuh":         # one word of the header is a barrier: for a whole block alone
        text = text.replace("#define BLOCK_WAIT() __syncthreads()", "")
    assert not re.search(r"#\s*include|__shared__|__syncthreads|atomic", text)
    assert [f"{source}: {number} is a double, write real({number})"
            for number in doubles(text)] == []


def test_every_kernel_has_a_twin():
    """A kernel without a reference has no specification.

    Those of kernels/physics are compared with theirs in test_twins, others by their own module.
    """
    every = {name for source in SOURCES for name in kernel_signature.kernel_names(
        kernel_text(source))}
    assert every - {twin.__name__ for twin in OPERATORS} == WHOLE_MODULE


@pytest.mark.parametrize("twin", OPERATORS, ids=lambda twin: twin.__name__)
def test_inputs_are_const_and_outputs_come_last(twin):
    """The order (grid, inputs, scalars, outputs), with __restrict__ on every pointer."""
    parameters = kernel_signature.signature(kernel_text(twin.source), twin.__name__)
    kinds = ["grid" if p.kind == "Grid" else "output" if p.output else "input" if p.array
             else "scalar" for p in parameters]
    assert kinds == sorted(kinds, key=["grid", "input", "scalar", "output"].index)
    text = kernel_signature.without_comments(kernel_text(twin.source))
    declared = re.search(rf"KERNEL\s+{twin.__name__}\s*\((.*?)\)\s*\{{", text, flags=re.S)[1]
    assert declared.count("*") == declared.count("__restrict__")


# ---- the host: kernel against reference ----------------------------------------------------

@pytest.mark.parametrize("cells", SHAPES)
@pytest.mark.parametrize("closed", [0.0, 0.3, 1.0])
def test_apply_operator_is_its_twin(host, rng, cells, closed):
    """Both bodies add the same seven terms, in another order.

    Conductances spread over 1e-9 to 1e3 and a share `closed` of them is zero; values have both
    signs and the ghosts hold numbers that a wrong offset would bring in. Reordering seven
    terms costs at most seven roundings of their absolute sum: 7 x 2.2e-16 is the bound.
    """
    grid = Grid(cells, (0.1, 0.2, 0.3))
    face = 10.0 ** rng.uniform(-9, 3, (3, *grid.padded))
    face *= rng.random(face.shape) >= closed
    b = 10.0 ** rng.uniform(-9, 3, grid.padded) * (rng.random(grid.padded) >= closed)
    x = rng.normal(0, 30, grid.padded)
    reference, compiled = poisoned(grid.padded), poisoned(grid.padded)
    elliptic.apply_operator(grid, face, b, x, reference)
    host.bind(elliptic.apply_operator)(grid, face, b, x, compiled)
    assert_only_inner(grid, reference, compiled)
    scale = (b * abs(x))[grid.inner]
    for axis, a in enumerate(face):
        f = stencil.faces(a, axis) * (stencil.below(abs(x), axis) + stencil.above(abs(x), axis))
        lower, upper = np.split(f, [1], axis)[1], np.split(f, [f.shape[axis] - 1], axis)[0]
        scale = scale + lower + upper
    error = abs(compiled - reference)[grid.inner]
    assert (error <= 7 * np.finfo(float).eps * scale).all()


def test_apply_operator_sees_every_face_once(host):
    """x is 1 in one voxel: its neighbours answer -a of the face between, itself the sum.

    Six different primes as conductances, so that no two faces can be mistaken.
    """
    grid = Grid((5, 4, 3), (1.0, 1.0, 1.0))
    face, (b, x) = np.zeros((3, *grid.padded)), np.zeros((2, *grid.padded))
    k, j, i = 3, 4, 4                                   # padded indices, all neighbours inside
    x[k, j, i], b[k, j, i] = 1.0, 17.0
    face[2, k, j, i - 1], face[2, k, j, i] = 2.0, 3.0
    face[1, k, j - 1, i], face[1, k, j, i] = 5.0, 7.0
    face[0, k - 1, j, i], face[0, k, j, i] = 11.0, 13.0
    y = np.zeros(grid.padded)
    host.bind(elliptic.apply_operator)(grid, face, b, x, y)
    wanted = np.zeros(grid.padded)
    wanted[k, j, i] = 2 + 3 + 5 + 7 + 11 + 13 + 17
    wanted[k, j, i - 1], wanted[k, j, i + 1] = -2, -3
    wanted[k, j - 1, i], wanted[k, j + 1, i] = -5, -7
    wanted[k - 1, j, i], wanted[k + 1, j, i] = -11, -13
    assert np.array_equal(y, wanted)


def test_kernels_and_python_share_their_constants(host):
    """FARADAY and F_RT of ekm.cuh are those of constants.py to the last bit.

    One face between two voxels of one species with z = 1, D = 1, m = 1, c = 1 and a cube of
    1 m: S = F (F/RT) exactly, as every other factor is 1.
    """
    grid = Grid((2, 1, 1), (1.0, 1.0, 1.0))
    one = np.ones(1)
    c, flat = np.ones((1, *grid.padded)), np.ones(grid.padded)
    safe = np.zeros((3, *grid.padded), np.uint8)
    conductance, current = np.zeros((2, 3, *grid.padded))
    host.bind(potential.face_conductance, NS=1, NT=1)(
        grid, c, flat[None], flat, flat, safe, one, one, 1.0, conductance, current)
    assert conductance[2][grid.inner][0, 0, 0] == constants.FARADAY * constants.F_RT


# ---- what the words of a declaration check -----------------------------------------------------

@pytest.mark.parametrize("declaration, shape, each", [
    ("const real* __restrict__ x", ("ON", None), ()),
    ("single* __restrict__ ON(coarse) x", ("ON", "coarse"), ()),
    ("real* __restrict__ EACH(5) SEGMENTS(g) sums", ("SEGMENTS", "g"), ("5",)),
    ("const int* __restrict__ LIST(count) steps", ("LIST", "count"), ())])
def test_shapes_are_read_from_the_declaration(declaration, shape, each):
    p = kernel_signature.parameter("k", declaration)
    assert (p.shape, p.each, p.array) == (shape, each, True)


def test_arrays_of_another_grid_spans_and_lists_are_checked(host):
    """A coarse array where a fine one belongs, a segment too few, a list shorter than it says."""
    fine, coarse = Grid((4, 4, 4), (1.0, 1.0, 1.0)), Grid((2, 2, 2), (1.0, 1.0, 1.0))
    a, b = np.zeros(fine.padded, "f4"), np.zeros(coarse.padded, "f4")
    up = host.bind(multigrid.prolong)
    up(fine, coarse, b, a)
    with pytest.raises(ValueError, match=r"coarse_x has shape \(8, 8, 8\), it should be \(6, 6, 6"):
        up(fine, coarse, a.copy(), a)
    with pytest.raises(TypeError, match="x should be a (Num|Cu)Py array of float32, not f"):
        up(fine, coarse, b, a.astype(float))
    face, coupling = np.zeros((3, *fine.padded)), np.zeros(fine.padded)
    with pytest.raises(ValueError, match=r"shape \(5, 4, 4, 3\), it should be \(5, 4, 4, 4\)"):
        host.bind(multigrid.sum_coefficients)(fine, face, coupling,
                                              np.zeros((5, 4, 4, 3)))
    with pytest.raises(ValueError, match=r"table has shape \(4,\), it should be \(8,\)"):
        host.bind(multigrid.small_cycle)(fine, np.zeros(4, "i8"), np.zeros(2, "i4"), 8, 2, 9,
                                         np.zeros(9, "f4"))


@pytest.mark.parametrize("host", ["cpp"], indirect=True)
def test_a_prepared_call_is_checked_once_and_sees_later_values(host):
    """Wrong arrays are refused when it is prepared; the call works on what they hold by then.

    On every backend: NumPy's operators have nothing to check.
    """
    grid = Grid((3, 2, 1), (1.0, 1.0, 1.0))
    z, p = (np.zeros(grid.padded, "f4") for _ in range(2))
    for place in (host, choose.choose_backend("numpy")):
        call = place.prepare(place.bind(elliptic.update_direction), grid, z, 0.5, p)
        z[grid.inner], p[grid.inner] = 3.0, 4.0
        call()
        assert (p[grid.inner] == 5.0).all()
    with pytest.raises(ValueError, match="output p overlaps z"):
        host.prepare(host.bind(elliptic.update_direction), grid, p, 0.5, p)
