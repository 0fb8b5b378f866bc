"""Kernels as NVRTC compiles them, executed on the host; what the watcher of memory finds.

In the slow suite all twins run so (fixture `host`, "ptx"), and whole steps (test_ptx_steps). Here
some kernels, compiled as for a run: with fused products.
"""

import numpy as np
import pytest
from helpers.elliptic_problems import conductances

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import OPTIONS, CudaBackend, LaunchedOperator
from ekm3d.backends.kernel_signature import pasted, signature
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers.elliptic import apply_operator

GRID = Grid((40, 3, 2), (0.1, 0.2, 0.3))
# Kernels that do one thing wrong, and some that do nothing wrong.
FAULTY = Grid((40, 1, 1), (1.0, 1.0, 1.0))
FAULTS = """
KERNEL fine(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) { const Offset a = at(i, j, k, g); y[a] = 2 * x[a] + x[a + 1]; }
}
KERNEL product(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) { const Offset a = at(i, j, k, g); y[a] = x[a] * y[a] - 1; }
}
KERNEL reads_beside(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) { const Offset a = at(i, j, k, g); y[a] = x[a]; y[a] += y[a + 1]; }
}
KERNEL writes_one(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) y[at(0, 0, 0, g)] = x[at(i, j, k, g)];
}
KERNEL reaches_out(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) y[at(i, j, k, g)] = x[at(i, j, k, g) + 100000];
}
KERNEL between(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        y[a] = *(const real*)((const char*)(x + a) + 4);
    }
}
KERNEL read_only(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        real loaded;
        asm("ld.global.nc.f64 %0, [%1];" : "=d"(loaded) : "l"(y + a));
        y[a] = loaded + x[a];
    }
}
KERNEL passes_on(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_BLOCK_ROWS(j, k, g) EKM_ALONG(i, g.nx) y[at(i, j, k, g)] = x[at(i, j, k, g)];
    BLOCK_WAIT();
    real sum = 0;
    EKM_BLOCK_ROWS(j, k, g) EKM_ALONG(i, g.nx) sum += y[at(g.nx - 1 - i, j, k, g)];
    BLOCK_WAIT();
    if (threadIdx.y == 0) y[at(int(threadIdx.x), 0, 0, g)] = sum;
}
KERNEL does_not_wait(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_BLOCK_ROWS(j, k, g) EKM_ALONG(i, g.nx) y[at(i, j, k, g)] = x[at(i, j, k, g)];
    real sum = 0;
    EKM_BLOCK_ROWS(j, k, g) EKM_ALONG(i, g.nx) sum += y[at(g.nx - 1 - i, j, k, g)];
    BLOCK_WAIT();
    if (threadIdx.y == 0) y[at(int(threadIdx.x), 0, 0, g)] = sum;
}
"""
WRONG = {"reads_beside": "race: (reads what|writes what)",
         "writes_one": "two threads write different values",
         "reaches_out": "outside of all arrays", "between": "misaligned",
         "read_only": "writes what a read-only load reads|read-only load of what is written",
         "does_not_wait": "race: (reads what|writes what)"}


@pytest.fixture(scope="module")
def watched(needs_nvrtc):
    """The cuda backend on PTX, every access looked at."""
    from helpers.ptx_modules import OnPtx
    return CudaBackend("test", OnPtx(watch=True))


def faulty(backend, name):
    """The kernel `name` of FAULTS, its input and its output."""
    module = backend.xp.RawModule(code=pasted("faults.cu", FAULTS), options=(*OPTIONS,
                                                                            "-DREAL=double"))
    bound = LaunchedOperator(backend, module, FAULTS, name, signature(FAULTS, name), {})
    x, y = (backend.from_numpy(np.arange(FAULTY.padded[2] * 25.0).reshape(FAULTY.padded) + n)
            for n in range(2))
    return bound, x, y


@pytest.mark.parametrize("name", WRONG)
def test_what_a_kernel_does_wrong_is_found(watched, name):
    from helpers.ptx_modules import PtxFault
    bound, x, y = faulty(watched, name)
    with pytest.raises(PtxFault, match=f"{name}: .*({WRONG[name]})"):
        bound(FAULTY, x, y)


def test_nothing_is_found_in_kernels_that_are_right(watched):
    """Neighbours are read where nobody writes; behind a barrier, what others wrote may be read.

    y = 2 x + (x + 1) by hand; then the values of the row's mirror image, 32 apart, added up.
    """
    bound, x, y = faulty(watched, "fine")
    bound(FAULTY, x, y)
    x = watched.to_numpy(x)[FAULTY.inner].ravel()
    assert np.array_equal(watched.to_numpy(y)[FAULTY.inner].ravel(), 3 * x + 1)
    bound, x, y = faulty(watched, "passes_on")
    bound(FAULTY, x, y)
    x, y = (watched.to_numpy(a)[FAULTY.inner].ravel() for a in (x, y))
    assert np.array_equal(y[:32], [x[::-1][lane::32].sum() for lane in range(32)])


def test_products_are_fused_as_a_gpu_fuses_them(watched):
    """a b + c with one rounding: (1 + e)(1 - e) - 1 = -e^2, and 0 with two; e = 2^-30."""
    bound, a, b = faulty(watched, "product")
    small = 2.0**-30
    a[...], b[...] = 1 + small, 1 - small
    bound(FAULTY, a, b)
    assert (watched.to_numpy(b)[FAULTY.inner] == -small**2).all()


def test_the_elliptic_operator_is_its_twin(watched, rng):
    """Seven terms, of (b + 12 a) |x| at most, and as many roundings, fused or not."""
    a, _ = conductances(rng, GRID, 10.0)
    b, x = rng.random(GRID.padded), rng.normal(size=GRID.padded)
    host, device = np.zeros(GRID.padded), watched.zeros(GRID.padded)
    apply_operator(GRID, a, b, x, host)
    watched.bind(apply_operator)(GRID, *map(watched.from_numpy, (a, b, x)), device)
    terms = (b.max() + 12 * np.max(a)) * np.abs(x).max()
    error = np.abs(watched.to_numpy(device) - host)[GRID.inner].max()
    assert 0 < error < 7 * np.finfo(float).eps * terms, "0 would be the host's own rounding"


def test_sums_have_the_bits_of_the_host(watched, rng):
    """Reproducible sums: the same tree of additions over the lanes of a warp, on every machine."""
    array = rng.normal(size=GRID.padded) * 10.0 ** rng.uniform(-8, 8, GRID.padded)
    here, there = (Domain(GRID, backend) for backend in (choose_backend("numpy"), watched))
    assert there.sum(watched.from_numpy(array)) == here.sum(array)
