"""Invariance of every stencil under decomposition: a voxel's result has the same bits in any box.

Compiled as for users, with fused multiply-add: a compiler's vectors and the remainder of a row must
round alike, or results would depend on the number of ranks.
"""

from functools import lru_cache

import numpy as np
import pytest
from helpers import kernel_worlds
from helpers.operators import operators
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.backends import choose
from ekm3d.backends.kernel_signature import KINDS, signature
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.resources import kernel_text

# Between two grids, and many levels at once: see tests/solvers.
OTHERS = {"restrict_residual", "prolong", "small_cycle", "coarsen", "presmooth_from_zero",
          "presmooth", "postsmooth", "postsmooth_and_sum"}
OPERATORS = [*kernel_worlds.TWINS, *(twin for name, twin in operators("solvers").items()
                                     if name not in OTHERS)]
CELLS = 75, 6, 5
SCALARS = {"blend": 1.0, "source_mean": 0.3, "scale": 1.7, "beta": 0.45, "alpha": -0.8,
           "constant": -0.8, "weight": 0.6}


@lru_cache
def world(number):
    """Return one of some worlds, which nothing changes: drawing one takes longer than a kernel."""
    return kernel_worlds.World(CELLS, np.random.default_rng(number), **kernel_worlds.WORLDS["both"])


class Values:
    """Random values for every parameter by its name; conductances positive, a share of them zero.
    """

    def __init__(self, seed):
        self.world = world(seed % 8)
        self.rng, self.grid = np.random.default_rng(seed), self.world.grid

    def of(self, parameter):
        if not parameter.array:
            return SCALARS.get(parameter.name, getattr(self.world, parameter.name, None))
        counts = tuple(int(kernel_worlds.COUNTS.get(n, n)) for n in parameter.each)
        array = getattr(self.world, parameter.name, None)
        if parameter.table or (array is not None and array.shape == (*counts, *self.grid.padded)):
            return array
        values = self.rng.normal(size=(*counts, *self.grid.padded))
        if parameter.name in ("face", "coupling", "inverse_diagonal"):
            values = abs(values) * (self.rng.random(values.shape) < 0.7)
        return values.astype(KINDS[parameter.kind])


def part(values, start, stop, padded):
    """Part of a voxel array of the whole in a box; other values as they are."""
    if not isinstance(values, np.ndarray) or values.shape[-3:] != padded:
        return values
    return values[(Ellipsis, *(slice(a, b + 2 * GHOST) for a, b in zip(
        start, stop, strict=True)))].copy()


@pytest.mark.parametrize("name", ["numpy", "cpp"])
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@settings(max_examples=6, deadline=None)
@given(ends=st.tuples(*(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
                        for n in reversed(CELLS))), seed=st.integers(0, 2**32))
def test_stencils_have_the_same_bits_in_every_box(op, name, ends, seed):
    """Boxes with their corners anywhere, single voxels too, out of 75 x 6 x 5 voxels.

    Faces on the lower side of the box are compared as well, and sums over segments of one voxel.
    """
    v = Values(seed)
    start = [min(pair) for pair in ends]
    stop = [max(pair) + 1 for pair in ends]
    whole = Grid(CELLS, v.grid.spacing, segment=1)
    box = whole.part(start, [b - a for a, b in zip(start, stop, strict=True)])
    parameters = signature(kernel_text(op.source), op.__name__)[1:]
    values = [v.of(p) if p.shape[0] == "ON" else np.zeros(
        (*(int(n) for n in p.each), *whole.shape)) for p in parameters]
    few = [part(a, start, stop, whole.padded) for a in values]
    few = [np.zeros((*a.shape[:-3], *box.shape)) if p.shape[0] == "SEGMENTS" else a
           for p, a in zip(parameters, few, strict=True)]
    bound = choose.choose_backend(name).bind(op, **kernel_worlds.COUNTS)
    values = [a.copy() if isinstance(a, np.ndarray) else a for a in values]
    with np.errstate(all="ignore"):
        bound(whole, *values)
        bound(box, *few)
    for p, all_, own in zip(parameters, values, few, strict=True):
        if not p.output:
            continue
        if p.shape[0] == "SEGMENTS":
            expected = all_[(Ellipsis, *map(slice, start, stop))]
        else:
            expected = part(all_, start, stop, whole.padded)[box.inner]
            own = own[box.inner]
        assert np.array_equal(own, expected, equal_nan=True), p.name
