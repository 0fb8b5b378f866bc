"""Elliptic problems: random media with their sparse matrix, and an ore body with electrodes."""

import numpy as np
from scipy.sparse import coo_matrix

from ekm3d.grid.grid import GHOST
from ekm3d.grid.stencil import above, below, faces


def padded(grid, values):
    """Return inner values as a padded array with zero ghosts."""
    return np.pad(np.reshape(values, grid.shape), GHOST)


def conductances(rng, grid, contrast, isolated=0):
    """Return (face conductances (3, padded), mask); conductances are log-uniform over `contrast`.

    Outer faces are closed. isolated: number of random voxels that lose all their faces; mask:
    these voxels, inner.
    """
    face = np.zeros((3, *grid.padded))
    inactive = np.zeros(grid.padded, bool)
    flat = rng.choice(np.prod(grid.shape), isolated, replace=False)
    inactive[grid.inner][np.unravel_index(flat, grid.shape)] = True
    inside = np.zeros(grid.padded, bool)
    inside[grid.inner] = True
    for axis in range(3):
        shape = faces(face[axis], axis).shape
        values = contrast ** rng.uniform(-0.5, 0.5, shape)
        active = inside & ~inactive
        faces(face[axis], axis)[...] = values * (below(active, axis) & above(active, axis))
    return face, inactive[grid.inner]


def couplings(rng, grid, share):
    """Return couplings to fixed values, 0.1 to 10, at a share of the voxels; padded."""
    return padded(grid, rng.uniform(0.1, 10, grid.shape) * (rng.random(grid.shape) < share))


def matrix(grid, face, b):
    """Return the operator as a sparse matrix over the inner voxels, assembled face by face."""
    number = np.full(grid.padded, -1)
    number[grid.inner] = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    rows, columns, values = [], [], []
    for axis in range(3):
        conductance = faces(face[axis], axis).ravel()
        low, high = below(number, axis).ravel(), above(number, axis).ravel()
        for n in np.flatnonzero(conductance):
            p, q, a = low[n], high[n], conductance[n]
            rows += [p, q, p, q]
            columns += [p, q, q, p]
            values += [a, a, -a, -a]
    all_rows = np.arange(number[grid.inner].size)
    rows, columns = np.append(rows, all_rows), np.append(columns, all_rows)
    return coo_matrix((np.append(values, b[grid.inner].ravel()), (rows, columns))).tocsr()


def correlated(rng, shape, voxels):
    """Return a Gaussian random field of mean 0, variance 1 and correlation length `voxels`."""
    field = rng.standard_normal(shape)
    waves = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij", sparse=True)
    filtered = np.exp(-2 * (np.pi * voxels)**2 * sum(w**2 for w in waves))
    field = np.fft.ifftn(np.fft.fftn(field) * filtered).real
    return (field - field.mean()) / field.std()


def ore(grid, sigma, stretch=1.0):
    """Return (face, b, f) of a body of conductivity sigma (inner), three electrode rows.

    Harmonic means between voxels; electrode voxels conduct nothing themselves, their neighbours
    are coupled to -1, 1 and -1 V. Conductances along z are multiplied by `stretch`.
    """
    nz, ny, nx = grid.shape
    level = np.zeros(grid.shape)
    for i, volts in ((nx // 6, -1.0), (nx // 2, 1.0), (5 * nx // 6, -1.0)):
        level[:max(1, 3 * nz // 4), ny // 8::max(1, ny // 4), i] = volts
    metal = level != 0
    face, b, f = np.zeros((3, *grid.padded)), np.zeros(grid.padded), np.zeros(grid.padded)
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        low, high = tuple(low), tuple(high)
        both = sigma[low] + sigma[high]
        g = 2 * sigma[low] * sigma[high] / np.where(both > 0, both, 1)
        g = g * (stretch if axis == 0 else 1.0)
        face[axis][grid.inner][low] = g * ~(metal[low] | metal[high])
        for here, neighbour in ((low, high), (high, low)):
            coupling = g * (~metal[here] & metal[neighbour])
            b[grid.inner][here] += coupling
            f[grid.inner][here] += coupling * level[neighbour]
    return face, b, f
