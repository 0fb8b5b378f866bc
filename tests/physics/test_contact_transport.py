"""Sums over the faces of every electrode and side, by each backend."""

import numpy as np

from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import Grid
from ekm3d.physics.contact_transport import sum_places


def test_sums_over_places_are_those_of_their_faces_one_after_the_other(cuda, rng):
    """As np.bincount adds them, to the last bit: places of none to many faces, of either sign."""
    counts = np.array([0, 1, 16, 17, 0, 100, 31])
    starts, k = np.concatenate([[0], np.cumsum(counts)]), 3
    out = rng.normal(size=(k, counts.sum())) * 10.0 ** rng.uniform(-9, 9, (k, counts.sum()))
    owner = np.repeat(np.arange(counts.size), counts)
    wanted = [[np.bincount(owner, row, minlength=counts.size) for row in rows]
              for rows in (out, np.maximum(-out, 0.0))]
    for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
        sums = [on.zeros((k, counts.size)) for _ in range(2)]
        on.bind(sum_places, NK=k)(Grid((counts.size, k, 1), (1.0, 1.0, 1.0)), on.from_numpy(out),
                                  on.from_numpy(starts), out.shape[1], starts.size, counts.size,
                                  *sums)
        assert np.array_equal([on.to_numpy(a) for a in sums], wanted)
