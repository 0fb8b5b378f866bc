"""Ghosts from the neighbours: what goes from box to box, several arrays in one message.

Axis after axis, z, y, x: what arrives across one axis goes on across the next, so that edges and
corners come along in six messages. Ghosts beyond the whole grid are neither sent nor written.
Where a box is thinner than the ghosts are deep, layers go one by one, the far one by way of the
neighbour. Stencils without corners take all axes at once.
"""

import numpy as np

from ekm3d.grid.grid import GHOST
from ekm3d.parallel.gpu_sharing import gpu_aware

ALIGNMENT = 8      # bytes: every array's part of a message begins at a multiple


class Box:
    """A process's box in a grid cut by planes: where it lies, and who lies beside it.

    planes: for z, y, x the cuts 0, ..., n; number: of the process, boxes counted x fastest.
    """

    def __init__(self, planes, number):
        self.planes, self.number = planes, number
        self.parts = tuple(len(axis) - 1 for axis in planes)
        self.place = tuple(int(n) for n in np.unravel_index(number, self.parts))
        self.start = tuple(axis[n] for axis, n in zip(planes, self.place))
        self.stop = tuple(axis[n + 1] for axis, n in zip(planes, self.place))
        self.shape = tuple(b - a for a, b in zip(self.start, self.stop))

    def neighbour(self, axis, up):
        """Number of the box next to this one, or None at the border of the grid."""
        place = list(self.place)
        place[axis] += 1 if up else -1
        if not 0 <= place[axis] < self.parts[axis]:
            return None
        return int(np.ravel_multi_index(place, self.parts))

    def index(self):
        """Cuts this box out of the last three axes of an array of the whole grid."""
        return (Ellipsis, *(slice(a, b) for a, b in zip(self.start, self.stop)))

    def thinnest(self, axis):
        """Of all boxes along an axis."""
        return int(np.min(np.diff(self.planes[axis])))

    def rounds(self, axis, layers):
        """Layers (first, last), counted from the border, that go across an axis together."""
        if self.thinnest(axis) >= layers:
            return [(0, layers)]
        return [(layer, layer + 1) for layer in range(layers)]

    def faces(self, axis, up, first, last):
        """(goes, comes): layers first to last for the neighbour and from it; None: there are none.

        Slices along the axis of a padded array.
        """
        n, border = self.shape[axis], self.stop[axis] if up else self.start[axis]
        size = self.planes[axis][-1]
        below, above = (size - border, border) if up else (border, size - border)
        if up:
            goes = slice(GHOST + n - last, GHOST + n - first)
            comes = slice(GHOST + n + first, GHOST + n + last)
        else:
            goes = slice(GHOST + first, GHOST + last)
            comes = slice(GHOST - last, GHOST - first)
        return goes if above >= last else None, comes if below >= last else None

    def beside(self, axis, corners):
        """Slices for all axes but one: voxels, and the ghosts that earlier axes brought."""
        found = [slice(GHOST, GHOST + n) for n in self.shape]
        for other in range(axis if corners else 0):
            low = 0 if self.place[other] > 0 else GHOST
            high = GHOST if self.place[other] + 1 < self.parts[other] else 0
            found[other] = slice(low, self.shape[other] + GHOST + high)
        return found


class Message:
    """One message's bytes: room for the same slab of several arrays, near and on the host."""

    def __init__(self, backend, kinds, slab):
        """kinds: (dtype, leading shape) of the arrays; slab: slices of their last three axes."""
        shape = tuple(s.stop - s.start for s in slab)
        self.backend, self.slab, self.parts, count = backend, (Ellipsis, *slab), [], 0
        for dtype, lead in kinds:
            size = int(np.prod((*lead, *shape))) * dtype.itemsize
            self.parts.append((count, count + size, dtype, (*lead, *shape)))
            count += -(-size // ALIGNMENT) * ALIGNMENT
        self.device_buffer, self.host_buffer = backend.staging_buffers(count, gpu_aware)

    def pairs(self, arrays):
        """(part of the message, slab of the array) for every array."""
        return [(self.device_buffer[a:b].view(dtype).reshape(shape), array[self.slab])
                for (a, b, dtype, shape), array in zip(self.parts, arrays)]


class Exchange:
    """Fills the ghosts of arrays of the same kinds, again and again, through the same buffers.

    comm: an MPI communicator; box: this process's; layers and corners: what to fill; counters:
    counts messages and bytes.
    """

    def __init__(self, comm, box, backend, kinds, layers, corners, counters):
        self.comm, self.backend, self.counters = comm, backend, counters
        rounds = [(axis, *pair) for axis in range(3) for pair in box.rounds(axis, layers)]
        self.stages = [([], [])] if layers == 1 and not corners else []
        for axis, first, last in rounds:
            if corners or layers > 1:
                self.stages.append(([], []))
            for up in (False, True):
                other = box.neighbour(axis, up)
                if other is None:
                    continue
                tags = 2 * axis + up, 2 * axis + (not up)
                for slab, messages, tag in zip(box.faces(axis, up, first, last), self.stages[-1],
                                               tags):
                    if slab is not None:
                        slabs = box.beside(axis, corners)
                        slabs[axis] = slab
                        messages.append((Message(backend, kinds, slabs), other, tag))
        self.stages = [stage for stage in self.stages if any(stage)]
        self.sent = sum(len(goes) for goes, _ in self.stages)
        self.bytes = sum(m.host_buffer.nbytes for goes, _ in self.stages for m, *_ in goes)

    def bound(self, arrays):
        """What run needs of these very arrays."""
        return [tuple([(m, other, tag, m.pairs(arrays)) for m, other, tag in messages]
                      for messages in stage) for stage in self.stages]

    def run(self, bound):
        """Exchange, and return when all ghosts are there."""
        comm, backend = self.comm, self.backend
        for goes, comes in bound:
            receives = [comm.Irecv(m.host_buffer, other, tag) for m, other, tag, _ in comes]
            sends = []
            for message, other, tag, pairs in goes:
                for part, slab in pairs:
                    part[...] = slab
                backend.to_host_buffer(message.device_buffer, message.host_buffer)
                sends.append(comm.Isend(message.host_buffer, other, tag))
            for request, (message, _, _, pairs) in zip(receives, comes):
                request.Wait()
                backend.to_device_buffer(message.device_buffer, message.host_buffer)
                for part, slab in pairs:
                    slab[...] = part
            for request in sends:
                request.Wait()
        self.counters.messages += self.sent
        self.counters.bytes += self.bytes
