"""Every operator's compiled body beside its NumPy one, on arguments made from its signature.

What a parameter is called decides what it holds, what the declaration says how much of it; the
worlds below drive every branch. Outputs start as NaN, and so do all ghosts that no stencil may
read. The bound is a number of roundings of the sum of all absolute terms of an entry.
"""

from functools import lru_cache

import numpy as np
import pytest
from helpers.kernel_worlds import (
    BRANCHING,
    COUNTS,
    FLOOR,
    LARGE,
    SHAPES,
    TWINS,
    WORLDS,
    World,
    compared,
    entries,
    flux_scale,
    places,
)

from ekm3d.grid.stencil import ends, faces
from ekm3d.physics import transport

ALL_TWINS = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)


@lru_cache(maxsize=len(SHAPES))
def world(cells, name):
    """Return a world of a shape and a name, drawn from one seed, for several twins in turn."""
    return World(cells, np.random.default_rng(20231), **WORLDS[name])


def assert_twins(twin, bound, w):
    """Equal but for the order of additions and products, which costs ten roundings at the most.

    Each of the terms that `scale` adds up went through about ten of them; as a sum they are
    nearly always below three. What is not an entry stays as it was.
    """
    for (wanted, given), terms, where in zip(compared(twin, bound, w), TWINS[twin](w),
                                             places(twin), strict=True):
        mask = entries(w.grid, where, given.shape)
        for made in (given, wanted):
            assert np.isnan(made[~mask]).all() if made.dtype == float else (made[~mask] == 99).all()
        assert not (wanted.dtype == float and np.isnan(wanted[mask]).any()), (
            "the NumPy twin leaves an output unwritten, or reads it before; if it adds to what is "
            "there, the kernel has to say so by += or -=")
        error = abs(given.astype(float) - wanted)[mask]
        assert (error <= 10 * np.finfo(float).eps * terms[mask] + FLOOR).all(), (
            f"{w.grid.cells}; an operator whose terms have both signs needs a scale in SCALES")


# What a kernel computes is the same text for every host: launched block by block, it runs in the
# worlds that drive most branches, and in all of them in the slow suite.
PLACES = [pytest.param(kind, name, id=f"{kind}-{name}", marks=marks)
          for kind, marks in (("cpp", ()), ("launched", ()), ("ptx", pytest.mark.slow),
                              ("gpu", pytest.mark.gpu))
          for name in (BRANCHING if kind == "launched" else WORLDS)]
PLACES += [pytest.param("launched", name, id=f"launched-{name}", marks=pytest.mark.slow)
           for name in WORLDS if name not in BRANCHING]


@ALL_TWINS
@pytest.mark.parametrize("host, name", PLACES, indirect=["host"])
def test_a_kernel_is_its_twin(twin, name, host):
    """In all worlds, on every small shape."""
    bound = host.bind(twin, **COUNTS)
    for cells in SHAPES:
        assert_twins(twin, bound, world(cells, name))


@ALL_TWINS
@pytest.mark.parametrize("name", BRANCHING)
def test_a_kernel_is_its_twin_on_a_large_grid(twin, name, host):
    """Strips cut in three, tiles, threads: cuts see where a voxel lies, not what it holds."""
    assert_twins(twin, host.bind(twin, **COUNTS), world(LARGE, name))


@pytest.mark.parametrize("cells", [*SHAPES, LARGE], ids=str)
def test_voxels_gain_what_their_faces_let_through(cells, host):
    """gain is flux in minus flux out, whichever tile a face was worked out in.

    Without fluxes to keep it is the same to the last bit. A voxel adds up its faces species by
    species, a flux all species of its face: bound as of a twin, ten roundings of all terms.
    """
    w = world(cells, "both")
    flux_and_gain, gain_alone = (host.bind(op, **COUNTS) for op in (transport.component_flux,
                                                                    transport.component_gain))
    (_, flux), (_, gain) = compared(transport.component_flux, flux_and_gain, w)
    ((_, alone),) = compared(transport.component_gain, gain_alone, w)
    inner, net, terms = w.grid.inner, 0.0, flux_scale(w)[1]
    for axis in range(3):
        lower, upper = ends(faces(flux[axis], axis), axis)
        net = net + lower - upper
    assert np.array_equal(gain[inner], alone[inner])
    assert (abs(gain[inner] - net) <= 10 * np.finfo(float).eps * terms[inner]).all()
