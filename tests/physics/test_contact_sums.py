"""Sums over the faces of every electrode and side, by each backend."""

from types import SimpleNamespace

import numpy as np

from ekm3d.backends.choose import choose_backend
from ekm3d.physics.contact_sums import ContactSums


def test_sums_over_places_are_those_of_their_faces_one_after_the_other(cuda, rng):
    """As np.bincount adds them, to the last bit: places of none to many faces, of either sign."""
    counts = np.array([0, 1, 16, 17, 0, 100, 31])
    owner, k = np.repeat(np.arange(counts.size), counts), 3
    contacts = SimpleNamespace(faces=SimpleNamespace(strip=owner), count=counts.size)
    values = rng.normal(size=(k, owner.size)) * 10.0 ** rng.uniform(-9, 9, (k, owner.size))
    wanted = [[np.bincount(owner, row, minlength=counts.size) for row in rows]
              for rows in (values, np.maximum(-values, 0.0))]
    for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
        sums = ContactSums(on, contacts, k + 1)
        sums.rows[:k] = on.from_numpy(values)
        assert np.array_equal([on.to_numpy(a) for a in sums(k)], wanted)
        assert np.array_equal(sums.of(*map(on.from_numpy, values[:2])), wanted[0][:2])
        assert np.array_equal(on.to_numpy(sums(1)[0]), wanted[0][:1])


def test_a_block_without_faces_has_no_sums():
    contacts = SimpleNamespace(faces=SimpleNamespace(strip=np.zeros(0, int)), count=0)
    assert ContactSums(choose_backend("cpp"), contacts, 2).of(np.zeros(0)).shape == (1, 0)
