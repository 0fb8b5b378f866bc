"""The whole grid's values by slabs of layers, brought to the process that writes them.

Nobody ever holds the whole grid: the leading process sees one slab after the other, from below
upwards, and the others wait until it has theirs.
"""

import numpy as np

THICK = 32     # layers; as many as a file compresses together (`snapshots`)
TAG = 7001     # of the messages


def slabs(domain, array, thick=THICK):
    """Yield (first layer, (layers, ny, nx, ...)) of the whole grid in the leading process.

    array: (nz, ny, nx, ...) of this process's box. Elsewhere nothing is yielded, but the loop has
    to be run: it sends. domain: has `whole`, `boxes` ((lower, upper) corner [k, j, i] of every
    process's), `comm` and `is_root`.
    """
    nz, ny, nx = domain.whole.shape
    layers = [range(lower[0], upper[0]) for lower, upper in domain.boxes]
    mine = layers[domain.comm.rank]
    for low in range(0, nz, thick):
        high = min(low + thick, nz)
        cuts = [range(max(low, r.start), min(high, r.stop)) for r in layers]
        cut = cuts[domain.comm.rank]
        own = np.ascontiguousarray(array[cut.start - mine.start:cut.stop - mine.start]
                                   if cut else array[:0])
        if not domain.is_root:
            if cut:
                domain.comm.Ssend(own, 0, TAG)
            continue
        slab = np.empty((high - low, ny, nx, *array.shape[3:]), array.dtype)
        for number, (cut, (lower, upper)) in enumerate(zip(cuts, domain.boxes)):
            if not cut:
                continue
            part = own
            if number != domain.comm.rank:
                part = np.empty((len(cut), upper[1] - lower[1], upper[2] - lower[2],
                                 *array.shape[3:]), array.dtype)
                domain.comm.Recv(part, number, TAG)
            slab[cut.start - low:cut.stop - low, lower[1]:upper[1], lower[2]:upper[2]] = part
        yield low, slab
