"""Parameters with fixed values as constants of a kernel's text, and kernels bound with them."""

import numpy as np
import pytest
from helpers import cuda_stand_in

from ekm3d.backends import base, cpp, kernel_signature
from ekm3d.backends.cuda import CudaBackend
from ekm3d.backends.fixed_parameters import with_constants
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid

TEXT = """INLINE real half(const real* weight) { return weight[0] / 2; }

KERNEL rise(Grid g, const real* __restrict__ a, const real weight[NS], const int at[2][NS],
            real by, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) y[0] = a[0];
}

KERNEL fall(Grid g, const real weight[NS], real* __restrict__ y)
{
}
"""


def test_a_parameter_becomes_a_constant_of_all_kernels():
    """Declared once, before the first kernel, with the repr that a compiler reads back exactly."""
    text = with_constants(TEXT, {"weight": np.array([0.1, -2.0]), "at": [[1, 2], [3, 4]], "by": 3})
    assert text == """INLINE real half(const real* weight) { return weight[0] / 2; }

constexpr __device__ real weight[NS] = {0.1, -2.0};
constexpr __device__ int at[2][NS] = {{1, 2}, {3, 4}};
constexpr __device__ real by = 3.0;
KERNEL rise(Grid g, const real* __restrict__ a, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) y[0] = a[0];
}

KERNEL fall(Grid g, real* __restrict__ y)
{
}
"""


def test_a_text_without_fixed_parameters_keeps_its_meaning():
    text = with_constants(TEXT, {})
    for name in ("rise", "fall"):
        assert kernel_signature.signature(text, name) == kernel_signature.signature(TEXT, name)


@pytest.mark.parametrize("name", ["a", "y", "missing"])
def test_only_scalars_and_tables_can_be_fixed(name):
    with pytest.raises(BackendError, match=name):
        with_constants(TEXT, {name: 1.0})


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(BackendError, match="by = inf"):
        with_constants(TEXT, {"by": np.inf})


@base.operator
def weighed(g, a, weight, by, y):
    """Set y = by (weight[0] a + weight[1])."""
    y[g.inner] = by * (weight[0] * a + weight[1])[g.inner]


KERNEL = """KERNEL weighed(Grid g, const real* __restrict__ a, const real weight[2], real by,
                    real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        y[here] = by * (weight[0] * a[here] + weight[1]);
    }
}
"""
BACKENDS = {"numpy": lambda: base.Backend("test"), "cpp": lambda: cpp.CppBackend("test"),
            "launched": lambda: CudaBackend("test", cuda_stand_in)}


@pytest.fixture
def kernel_file(monkeypatch):
    """The kernel of `weighed` as a file of its own."""
    texts = {"weighed.cu": KERNEL, "ekm.cuh": kernel_signature.kernel_text("ekm.cuh")}
    monkeypatch.setattr(kernel_signature, "kernel_text", texts.__getitem__)
    monkeypatch.setattr(weighed, "source", "weighed.cu")


@pytest.fixture(params=BACKENDS)
def backend(request):
    try:
        return BACKENDS[request.param]()
    except BackendError as error:
        pytest.skip(str(error))


def called(backend, fixed, weight, by):
    """Return the numbers that the kernel makes of a = 3 with these arguments."""
    grid = Grid((3, 2, 1), (1.0, 1.0, 1.0))
    a, y = (backend.from_numpy(np.full(grid.padded, value)) for value in (3.0, np.nan))
    backend.bind(weighed, fixed=fixed)(grid, a, weight, by, y)
    return np.unique(backend.to_numpy(y)[grid.inner])


def test_a_kernel_with_fixed_arguments_is_called_like_any_other(kernel_file, backend):
    """5 x (2 x 3 + 0.5); equal values in another array are the same values."""
    weight = np.array([2.0, 0.5])
    for fixed in ({}, {"weight": weight}, {"weight": weight, "by": 5.0}):
        assert called(backend, fixed, weight.copy(), 5.0) == [32.5]


@pytest.mark.parametrize("factor, by", [(2.0, 5.0), (1.0, 6.0)])
def test_other_values_than_those_it_was_bound_with_are_refused(kernel_file, factor, by):
    """On cuda, where the compiled kernel holds them: it would go on with the old ones."""
    weight = np.array([2.0, 0.5])
    with pytest.raises(ValueError, match="was bound with other values"):
        called(CudaBackend("test", cuda_stand_in), {"weight": weight, "by": 5.0},
               factor * weight, by)
