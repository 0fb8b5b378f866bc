"""Connectivity of a set of voxels through their faces."""

import numpy as np

ROUNDS = 4          # enough around walls and boxes; a maze takes more


def connected_parts(voxels: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (parts, their number) of a mask (nz, ny, nx); parts: number from 1, 0 outside of it.

    A flood from one voxel settles the common case of one part; importing scipy.ndimage, which
    settles all others, takes half a second.
    """
    if is_one_part(voxels):
        return voxels.astype(np.int8), 1
    from scipy.ndimage import label
    return label(voxels)


def is_one_part(voxels: np.ndarray) -> bool:
    """Return True if a flood from the first voxel of a mask fills it within ROUNDS rounds.

    A round sweeps up and down along each axis. False proves nothing.
    """
    if voxels.all():
        return True
    if not voxels.any():
        return False
    flood = np.zeros_like(voxels)
    flood.flat[np.argmax(voxels)] = True
    for _ in range(ROUNDS):
        for axis in range(3):
            layers = list(zip(np.moveaxis(flood, axis, 0), np.moveaxis(voxels, axis, 0),
                              strict=True))
            for order in (layers, layers[::-1]):
                for (last, _), (here, allowed) in zip(order, order[1:], strict=False):
                    here |= last & allowed
        if np.array_equal(flood, voxels):
            return True
    return False
