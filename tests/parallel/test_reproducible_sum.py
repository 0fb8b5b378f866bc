"""Reproducible sums: against exact sums, and for every distribution of the numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.reproducible_sum import (
    AT_ONCE,
    ENTRIES,
    ReproducibleSums,
    bin_values,
    dot_segments,
    finish,
    merge_bins,
    segments,
    sum_segments,
)

SPACING = (0.1, 0.2, 0.3)
GRIDS = [Grid(cells, SPACING, segment=segment) for cells, segment in (
    ((7, 5, 3), 1), ((1, 6, 4), 1), ((32, 2, 3), 32), ((33, 3, 2), 32), ((75, 4, 2), 32),
    ((1, 9, 8), 32), ((40, 2, 3), 1), ((64, 3, 2), 1), ((70, 28, 30), 32))]


def wide(rng, shape, decades=12):
    """Random numbers of both signs over so many decades."""
    return rng.normal(size=shape) * 10.0 ** rng.uniform(-decades, 0, shape)


def binned(values):
    """Bins of numbers (layers, n), by the reference."""
    bins = np.zeros(ENTRIES * len(values))
    grid = Grid((values.shape[1], 1, len(values)), SPACING)
    bin_values(grid, values.reshape(-1), values.size, bins.size, bins)
    return bins.reshape(-1, ENTRIES)


def merged(bins):
    """Bins (ENTRIES,) merged from those of all layers (layers, ENTRIES), by the reference."""
    out = np.full(ENTRIES, np.nan)
    merge_bins(Grid((len(bins), 1, 1), SPACING), bins.reshape(-1), bins.size, out.size, out)
    return out


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: f"{g.cells} by {g.segment}")
def test_kernels_have_the_bits_of_their_twins(host, rng, grid):
    """A segment is the same tree of halves in NumPy, over lanes of a warp, and in vectors.

    Products are rounded once each, so nothing else could differ; bins are exact.
    """
    a, b = wide(rng, (2, *grid.padded))
    found = np.full((2, 2, *grid.shape[:2], grid.segments), np.nan)
    for n, do in enumerate((lambda op: op, host.bind)):
        do(sum_segments)(grid, a, found[n, 0])
        do(dot_segments)(grid, a, b, found[n, 1])
    assert np.array_equal(found[0], found[1])
    layers = Grid((grid.shape[1] * grid.segments, 1, grid.shape[0]), SPACING)
    for numbers in (found[0, 0], np.zeros_like(found[0, 0]), 1e-300 * found[0, 0],
                    1e290 * found[0, 0]):
        bins = np.full((2, ENTRIES * grid.shape[0]), np.nan)
        for n, do in enumerate((lambda op: op, host.bind)):
            do(bin_values)(layers, numbers.reshape(-1), numbers.size, bins[n].size, bins[n])
        assert np.array_equal(bins[0], bins[1])
        ends = np.full((2, ENTRIES), np.nan)
        rows = Grid((grid.shape[0], 1, 1), SPACING)
        for n, do in enumerate((lambda op: op, host.bind)):
            do(merge_bins)(rows, bins[n], bins[n].size, ENTRIES, ends[n])
        assert np.array_equal(ends[0], ends[1])


@pytest.mark.parametrize("invalid", [None, np.nan, np.inf, -np.inf])
def test_layers_of_all_magnitudes_merge_as_in_the_twin(host, rng, invalid):
    """Three sums of 50 layers over 160 decades: many lie below the last bin of the highest.

    nan or inf makes its own sum nan, even in the lowest layer, and no other.
    """
    values = wide(rng, (150, 7), 8) * 10.0 ** rng.uniform(-160, 0, (150, 1))
    bins = binned(values)
    if invalid is not None:
        bins[50 + bins[50:100, 0].argmin(), 3] = invalid
    found = np.full((2, 3, ENTRIES), np.nan)
    for n, do in enumerate((lambda op: op, host.bind)):
        do(merge_bins)(Grid((50, 1, 3), SPACING), bins.reshape(-1), bins.size, found[n].size,
                       found[n].reshape(-1))
    assert np.array_equal(found[0], found[1], equal_nan=True)
    assert np.isnan(found[0, :, 1:]).any(axis=1).tolist() == [False, invalid is not None, False]


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: f"{g.cells} by {g.segment}")
def test_sums_are_exact_but_for_roundings_within_segments(backend, rng, grid):
    """Against math.fsum, which rounds once: 6 roundings within a segment of 32, none between.

    Bound of the error: the sum of absolute values times 6 half units in the last place.
    """
    a, b = wide(rng, (2, *grid.padded), decades=3)
    domain = Domain(grid, backend)
    for found, terms in ((domain.sum(a), a), (domain.dot(a, b), a * b)):
        terms = terms[grid.inner].ravel().tolist()
        assert abs(found - math.fsum(terms)) <= 6 * 2.0**-53 * math.fsum(map(abs, terms))
    assert list(domain.sums(np.stack([a, b]))) == [domain.sum(a), domain.sum(b)]
    assert list(domain.dots(np.stack([a, b]), b)) == [domain.dot(a, b), domain.dot(b, b)]
    assert domain.sums(np.zeros((0, *grid.padded))).shape == (0,)


def test_a_segment_is_a_tree_of_halves(rng):
    """32 numbers, (x0 + x16) + (x8 + x24), ... in this order; a short segment ends in zeros."""
    grid = Grid((45, 1, 1), SPACING, segment=32)
    x = rng.normal(size=45)
    lanes = np.append(x, np.zeros(19)).reshape(2, 32)
    for half in 16, 8, 4, 2, 1:
        lanes = np.array([[row[n] + row[n + half] for n in range(half)] for row in lanes])
    assert np.array_equal(segments(grid, x.reshape(1, 1, -1)).ravel(), lanes.ravel())


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), decades=st.sampled_from([1, 9, 30, 200]),
       scale=st.sampled_from([1e-300, 1e-100, 1.0, 2.0**26, 1e95]))
def test_sums_do_not_depend_on_the_distribution(seed, decades, scale):
    """400 numbers over up to 200 decades, distributed anew over layers, layers over ranks.

    The sum is exact but for parts 77 bits below the largest number: the bound is 400 such parts
    and one rounding.
    """
    rng = np.random.default_rng(seed)
    x = scale * wide(rng, 400, decades)
    found = set()
    for layers, ranks in ((1, 1), (4, 1), (4, 2), (16, 5), (80, 8)):
        dealt = rng.permutation(x).reshape(layers, -1)
        owner = rng.integers(0, ranks, layers)
        parts = [merged(binned(dealt[owner == p])) for p in range(ranks) if (owner == p).any()]
        found.add(finish(np.array(parts).tolist()))
    assert len(found) == 1
    exact = math.fsum(x)
    assert abs(found.pop() - exact) <= 2.0**-53 * abs(exact) + 400 * 2.0**-77 * abs(x).max()


def test_numbers_below_the_last_bin_are_lost_for_any_distribution():
    """2^60 - 2^60 + 2^-40: the last is below the fourth bin of the first, on any rank.

    2^-20 is within it.
    """
    for small, left in ((2.0**-40, 0.0), (2.0**-20, 2.0**-20)):
        values = np.array([[2.0**60, -2.0**60], [small, 0.0]])
        assert finish([merged(binned(values)).tolist()]) == left
        assert finish([merged(binned(part)).tolist() for part in (values[:1], values[1:])]) == left


@pytest.mark.parametrize("bits", range(0, 27))
def test_numbers_on_the_border_between_bins(bits):
    """Half units round to even, and a number that fills its bin is not in another one as well.

    2^bits - 1, its negative, its half and its double, and a large one in another layer.
    """
    x = 2.0**bits - 1
    values = np.array([[x, -x / 2, 2 * x, 0.5], [2.0**25, -1.0, 2.0**bits / 2, 2.0**-53]])
    exact = math.fsum(values.ravel().tolist())
    assert finish([merged(binned(values)).tolist()]) == exact
    assert finish([merged(binned(part)).tolist() for part in (values[:1], values[1:])]) == exact


@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf])
def test_a_sum_with_nan_or_inf_is_nan(backend, rng, invalid):
    grid = GRIDS[4]
    a = rng.normal(size=grid.padded)
    a[GHOST + 1, GHOST, GHOST + 40] = invalid
    assert math.isnan(Domain(grid, backend).sum(a))


def test_a_sum_of_zeros_is_zero(backend):
    """Ghosts do not count."""
    grid = GRIDS[3]
    a = np.full(grid.padded, np.nan)
    a[grid.inner] = 0.0
    assert Domain(grid, backend).sum(a) == 0.0


def test_bins_of_boxes_are_those_of_the_whole(backend, rng):
    """Divided at segments, boxes fill the same bins; only their top bins may be lower."""
    whole = Grid((100, 6, 5), SPACING, segment=32)
    a = wide(rng, whole.padded, 30)
    parts = []
    for i0, i1 in ((0, 32), (32, 96), (96, 100)):
        for k0, k1 in ((0, 2), (2, 5)):
            box = whole.part((k0, 0, i0), (k1 - k0, 6, i1 - i0))
            inside = np.s_[k0:k1 + 2 * GHOST, :, i0:i1 + 2 * GHOST]
            parts.append(ReproducibleSums(box, backend).of_voxels(a[inside].copy())[0])
    assert finish(np.array(parts)) == finish(ReproducibleSums(whole, backend).of_voxels(a))


def test_many_sums_are_the_single_ones_and_take_little_memory(backend, rng):
    """Twenty arrays, with a factor and without: bins of each alone, AT_ONCE segments are kept."""
    grid = GRIDS[3]
    sums = ReproducibleSums(grid, backend)
    arrays, factor = wide(rng, (20, *grid.padded)), wide(rng, grid.padded)
    alone = [sums.of_voxels(a)[0] for a in arrays]
    times = [sums.of_products(a, factor)[0] for a in arrays]
    assert np.array_equal(sums.of_many(arrays), alone)
    assert np.array_equal(sums.of_many(arrays, factor), times)
    assert sums.of_many(arrays[:0]).shape == (0, ENTRIES)
    assert sorted(sums.rows) == [20 % AT_ONCE, AT_ONCE]
