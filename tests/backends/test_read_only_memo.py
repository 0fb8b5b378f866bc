"""Memory of what follows from arrays that cannot change."""

import gc

import numpy as np

from ekm3d.backends.read_only_memo import ReadOnlyMemo, read_only


def test_only_a_read_only_array_is_recognised():
    """Its second call makes nothing; an array that may change is looked at every time."""
    seen = []

    def doubled(array):
        seen.append(array.copy())
        return 2 * array

    memo, fixed, free = ReadOnlyMemo(doubled), read_only(np.arange(3)), np.arange(3)
    assert memo(fixed) is memo(fixed) and len(seen) == 1
    assert memo(free)[2] == 4
    free[2] = 7
    assert memo(free)[2] == 14 and len(seen) == 3


def test_an_array_in_the_place_of_another_is_a_new_one():
    """Numbers of objects are used again once the object is gone."""
    memo = ReadOnlyMemo(lambda array: float(array.sum()))
    for n in range(50):
        array = read_only(np.full(4, float(n)))
        assert memo(array) == 4.0 * n
        del array
        gc.collect(0)
