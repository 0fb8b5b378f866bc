"""Face fluxes are computed twice where two tiles or two ranks meet: both have the same bits.

A voxel's gain must not depend on its tile, lane or box, nor on the other faces of its strip:
limiters, flagged faces, water. So the same field is divided in different ways.
"""

import numpy as np
import pytest
from helpers.kernel_worlds import COUNTS, WORLDS, World
from helpers.quick_flags import QUICK

from ekm3d.backends.cpp import CppBackend
from ekm3d.errors import BackendError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import faces
from ekm3d.physics import potential, transport

CELLS = (150, 19, 21)
CUTS = [(0, 40, 0, 19, 0, 21), (3, 149, 2, 11, 5, 21), (17, 18, 4, 5, 6, 7),
        (70, 76, 0, 19, 1, 3), (5, 133, 7, 8, 0, 21)]
MIXED = dict(drop=0.02, water=1e-8, decades=(-6, 3), closed=0.1)     # some faces central, some not
OPERATORS = [transport.component_flux, transport.component_gain, potential.face_conductance]


@pytest.fixture(scope="module")
def cpp():
    try:
        return CppBackend("test")
    except BackendError as error:
        pytest.skip(str(error))


def called(bound, op, w, grid):
    """Outputs of a bound operator on a world's fields, nan where nothing is written."""
    parameters = bound.parameters[1:]
    inputs = [getattr(w, p.name) for p in parameters if not p.output]
    outputs = [np.full((*(int(COUNTS.get(n, n)) for n in p.each), *grid.padded), np.nan)
               for p in parameters if p.output]
    bound(grid, *inputs, *outputs)
    return outputs


class Part:
    """Box of a world between voxels (i0, i1, j0, j1, k0, k1), ghosts included."""

    def __init__(self, w, cut):
        i0, i1, j0, j1, k0, k1 = cut
        self.window = np.s_[..., k0:k1 + 2 * GHOST, j0:j1 + 2 * GHOST, i0:i1 + 2 * GHOST]
        self.grid = Grid((i1 - i0, j1 - j0, k1 - k0), (0.1, 0.2, 0.3))
        for name, value in vars(w).items():
            padded = isinstance(value, np.ndarray) and value.shape[-3:] == w.grid.padded
            if name != "grid":
                setattr(self, name, np.ascontiguousarray(value[self.window]) if padded else value)


def whole(rng, settings):
    """World whose water and flagged faces fill only parts of it, so that strips differ."""
    w = World(CELLS, rng, **settings)
    w.water[..., :9, :, :] = 0.0
    w.use_smaller_side[..., 30:] = 0
    return w


@pytest.mark.parametrize("world", ["mixed", "both", "central", "wild", "traces", "upwind"])
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_fluxes_of_a_box_cut_out_of_another_have_the_same_bits(op, world, cpp, rng):
    """Tiles, lanes and neighbours in a strip change with the box; numbers must not.

    Edges of the whole are nan where no stencil may read; a part has numbers there, or nan.
    """
    w = whole(rng, MIXED if world == "mixed" else WORLDS[world])
    bound = cpp.bind(op, **COUNTS)
    full = called(bound, op, w, w.grid)
    for cut in CUTS:
        part = Part(w, cut)
        for mine, theirs in zip(called(bound, op, part, part.grid), full, strict=True):
            theirs, written = theirs[part.window], ~np.isnan(mine)
            assert written[..., GHOST:-GHOST, GHOST:-GHOST, GHOST:-GHOST].all()
            assert np.array_equal(mine[written], theirs[written])


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_fluxes_do_not_depend_on_the_strip_length(op, cpp, rng):
    """Strips of at most 16 and of 128 voxels: other tiles, other lanes, other neighbours.

    Nor on the compiler's optimisation, -Og for the short ones: no term may be added elsewhere.
    """
    w = whole(rng, MIXED)
    usual = called(cpp.bind(op, **COUNTS), op, w, w.grid)
    short = called(CppBackend("test", QUICK).bind(op, **COUNTS, LANES=16), op, w, w.grid)
    for a, b in zip(usual, short, strict=True):
        assert np.array_equal(a, b, equal_nan=True)


def test_neighbouring_boxes_agree_on_the_face_between_them(cpp, rng):
    """Two ranks: outflow of one through the common face is inflow of the other, bit for bit.

    Along x, where the face is the last lane of one strip and the first of the other's.
    """
    w = whole(rng, MIXED)
    bound = cpp.bind(transport.component_flux, **COUNTS)
    left, right = (Part(w, cut) for cut in ((0, 33, 0, 19, 0, 21), (33, 150, 0, 19, 0, 21)))
    ends = [faces(called(bound, transport.component_flux, part, part.grid)[0][2], 2)
            for part in (left, right)]
    assert np.isfinite(ends[0]).all() and (ends[0][..., -1] != 0).any()
    assert np.array_equal(ends[0][..., -1], ends[1][..., 0])
