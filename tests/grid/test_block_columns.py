"""Solid of blocks: lengths of vertical lines inside it, against those of its boxes one by one."""

import numpy as np

from ekm3d.grid.block_columns import BlockColumns


def test_lines_have_the_length_of_their_boxes(rng):
    """Blocks of 4 x 3 x 2 m, a third of them missing, some in sub-blocks; 500 lines, 1e-9."""
    low = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), -1).reshape(-1, 3) * [4, 3, 2] + 1e5
    low = low[rng.random(len(low)) < 0.66]
    high = low + [4, 3, 2]
    half = rng.random(len(low)) < 0.3                   # two halves along x, the upper one thinner
    low2, high2 = low[half].copy(), high[half].copy()
    high[half, 0] -= 2
    low2[:, 0] += 2
    low2[:, 2] += 0.5
    low, high = np.concatenate([low, low2]), np.concatenate([high, high2])
    x, y = rng.uniform(1e5 - 3, 1e5 + 25, (2, 500))
    edges, inside = BlockColumns(low, high).stretches(x, y)
    assert (np.diff(edges, axis=0) >= 0).all()
    found = (np.diff(edges, axis=0) * inside).sum(axis=0)
    own = ((x[:, None] > low[:, 0]) & (x[:, None] < high[:, 0])
           & (y[:, None] > low[:, 1]) & (y[:, None] < high[:, 1]))
    np.testing.assert_allclose(found, own @ (high - low)[:, 2], atol=1e-9)
    assert (found == 0).any() and (found > 6).any()


def test_touching_blocks_are_one_stretch():
    solid = BlockColumns(np.array([[0.0, 0, 2], [0, 0, 0]]), np.array([[1.0, 1, 3], [1, 1, 2]]))
    edges, inside = solid.stretches(np.array([0.5, 1.5]), np.array([0.5, 0.5]))
    assert edges[:, 0].tolist() == [0, 3] and inside.tolist() == [[True, False]]
