"""Halo exchange: ghost layers from the neighbouring boxes, several arrays in one message.

The axes z, y, x follow one another: ghosts received across one axis are sent on across the next, so
that edges and corners are filled with six messages. Ghosts beyond the whole grid are neither sent
nor written. Where a box is thinner than the ghost layers are deep, layers go one at a time, the
outer one by way of the neighbour. An exchange without corners serves all axes at once.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import GHOST, Array
from ekm3d.grid.stencil import flat
from ekm3d.parallel.counters import Counters
from ekm3d.parallel.gpu_sharing import gpu_aware

ALIGNMENT = 8      # bytes: every array's part of a message begins at a multiple


class Box:
    """Box of a rank in a decomposed grid: its voxels [start, stop), and its neighbours.

    planes: for z, y, x the cuts 0, ..., n; rank: number of the box, counted x fastest; counts:
    boxes along z, y, x; position: of this one among them.
    """

    def __init__(self, planes: list[list[int]], rank: int) -> None:
        self.planes, self.rank = planes, rank
        self.counts = tuple(len(axis) - 1 for axis in planes)
        self.position = tuple(int(n) for n in np.unravel_index(rank, self.counts))
        self.start = tuple(axis[n] for axis, n in zip(planes, self.position, strict=True))
        self.stop = tuple(axis[n + 1] for axis, n in zip(planes, self.position, strict=True))
        self.shape = tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    def neighbour(self, axis: int, up: bool) -> int | None:
        """Return the rank of the next box along an axis, or None at the border of the grid."""
        position = list(self.position)
        position[axis] += 1 if up else -1
        if not 0 <= position[axis] < self.counts[axis]:
            return None
        return int(np.ravel_multi_index(position, self.counts))

    def index(self) -> tuple:
        """Return the index that cuts this box out of an array (..., nz, ny, nx) of the whole."""
        return (Ellipsis, *(slice(a, b) for a, b in zip(self.start, self.stop, strict=True)))

    def thinnest(self, axis: int) -> int:
        """Return the voxels of the thinnest box along an axis."""
        return int(np.min(np.diff(self.planes[axis])))

    def rounds(self, axis: int, layers: int) -> list[tuple[int, int]]:
        """Return the layers (first, last + 1), counted from the border, of each message."""
        if self.thinnest(axis) >= layers:
            return [(0, layers)]
        return [(layer, layer + 1) for layer in range(layers)]

    def faces(self, axis: int, up: bool, first: int, last: int
              ) -> tuple[slice | None, slice | None]:
        """Return (sent, received): slices along the axis of a padded array, of some layers.

        first, last: layers from the border, last excluded; None where the grid has none.
        """
        n, border = self.shape[axis], self.stop[axis] if up else self.start[axis]
        size = self.planes[axis][-1]
        below, above = (size - border, border) if up else (border, size - border)
        if up:
            sent = slice(GHOST + n - last, GHOST + n - first)
            received = slice(GHOST + n + first, GHOST + n + last)
        else:
            sent = slice(GHOST + first, GHOST + last)
            received = slice(GHOST - last, GHOST - first)
        return sent if above >= last else None, received if below >= last else None

    def beside(self, axis: int, corners: bool) -> list[slice]:
        """Return slices of the inner voxels for all axes.

        corners: with the ghosts that the exchange across earlier axes has filled.
        """
        slices = [slice(GHOST, GHOST + n) for n in self.shape]
        for other in range(axis if corners else 0):
            low = 0 if self.position[other] > 0 else GHOST
            high = GHOST if self.position[other] + 1 < self.counts[other] else 0
            slices[other] = slice(low, self.shape[other] + GHOST + high)
        return slices


class Message:
    """Buffers of one message, on the device and on the host, for the same slab of several arrays.
    """

    def __init__(self, backend: Backend, kinds: Any, slab: Any) -> None:
        """kinds: (dtype, leading shape) of the arrays; slab: slices of their last three axes."""
        shape = tuple(s.stop - s.start for s in slab)
        self.backend, self.slab, self.parts, count = backend, (Ellipsis, *slab), [], 0
        for dtype, lead in kinds:
            size = int(np.prod((*lead, *shape))) * dtype.itemsize
            self.parts.append((count, count + size, dtype, (*lead, *shape)))
            count += -(-size // ALIGNMENT) * ALIGNMENT
        self.device_buffer, self.host_buffer = backend.staging_buffers(count, gpu_aware)

    def pairs(self, arrays: tuple[Array, ...]) -> list[tuple[Array, Array]]:
        """Return (part of the device buffer, slab of the array) for every array, both views."""
        return [(self.device_buffer[a:b].view(dtype).reshape(shape), array[self.slab])
                for (a, b, dtype, shape), array in zip(self.parts, arrays, strict=True)]


class Separate:
    """Slabs of several arrays, a message with buffers of its own for each."""

    def __init__(self, backend: Backend, kinds: Any, slabs: list[Any]) -> None:
        self.made = [Message(backend, kinds, slab) for slab in slabs]
        self.messages = [m.host_buffer for m in self.made]
        self.buffers = [(m.device_buffer, m.host_buffer) for m in self.made]

    def bind(self, arrays: tuple[Array, ...]) -> list[tuple[Array, Array]]:
        """Return the argument of `pack` and `unpack` for these arrays (..., padded)."""
        return [pair for m in self.made for pair in m.pairs(arrays)]

    @staticmethod
    def pack(bound: list[tuple[Array, Array]]) -> None:
        """Copy the slabs to the device buffers."""
        for part, slab in bound:
            part[...] = slab

    @staticmethod
    def unpack(bound: list[tuple[Array, Array]]) -> None:
        """Copy the device buffers to the slabs."""
        for part, slab in bound:
            slab[...] = part


class Bundle:
    """Slabs of one padded array in one buffer: on a GPU a launch or two gather them all, and one
    copy takes them to the host, where every slab is a message.
    """

    def __init__(self, backend: Backend, dtype: np.dtype, padded: tuple[int, ...],
                 slabs: list[Any]) -> None:
        index = [np.ravel_multi_index(np.ix_(*(np.arange(s.start, s.stop) for s in slab)),
                                      padded).ravel() for slab in slabs]
        ends = np.cumsum([0, *(part.size for part in index)])
        self.index = backend.from_numpy(np.concatenate([np.zeros(0, int), *index]))
        device, host = backend.staging_buffers(int(ends[-1]) * dtype.itemsize, gpu_aware)
        self.buffers = [(device, host)]
        self.device, on_host = device.view(dtype), host.view(dtype)
        self.messages = [on_host[a:b] for a, b in pairwise(ends.tolist())]

    @staticmethod
    def bind(arrays: tuple[Array, ...]) -> Array:
        """Return the argument of `pack` and `unpack` for this only array (padded)."""
        return flat(arrays[0])

    def pack(self, bound: Array) -> None:
        """Copy the slabs to the device buffer."""
        self.device[...] = bound[self.index]

    def unpack(self, bound: Array) -> None:
        """Copy the device buffer to the slabs."""
        bound[self.index] = self.device


class Exchange:
    """Halo exchange for arrays of given types, repeated through the same buffers."""

    def __init__(self, comm: Any, box: Box, backend: Backend, kinds: tuple, layers: int,
                 corners: bool, counters: Counters) -> None:
        """comm: an MPI communicator; box: of this rank; kinds: (dtype, leading shape) per array.

        layers, corners: number of ghost layers, edges and corners included or not; counters: of
        messages and bytes, added to by `run`. On a GPU the slabs of a single array are bundled.
        """
        self.comm, self.backend, self.counters = comm, backend, counters
        rounds = [(axis, *pair) for axis in range(3) for pair in box.rounds(axis, layers)]
        stages: list[tuple[list, list]] = [([], [])] if layers == 1 and not corners else []
        for axis, first, last in rounds:
            if corners or layers > 1:
                stages.append(([], []))
            for up in (False, True):
                other = box.neighbour(axis, up)
                if other is None:
                    continue
                tags = 2 * axis + up, 2 * axis + (not up)
                slabs = box.faces(axis, up, first, last)
                for slab, messages, tag in zip(slabs, stages[-1], tags, strict=True):
                    if slab is not None:
                        slices = box.beside(axis, corners)
                        slices[axis] = slab
                        messages.append((slices, other, tag))
        padded = tuple(n + 2 * GHOST for n in box.shape)
        bundled = backend.bundles_slabs and len(kinds) == 1 and not kinds[0][1]

        def buffers(messages: list) -> tuple[Separate | Bundle, list]:
            slabs = [slab for slab, *_ in messages]
            made = (Bundle(backend, kinds[0][0], padded, slabs) if bundled
                    else Separate(backend, kinds, slabs))
            return made, [(buffer, other, tag) for buffer, (_, other, tag) in zip(
                made.messages, messages, strict=True)]
        self.stages = [tuple(map(buffers, stage)) for stage in stages if any(stage)]
        sent = [buffer for (_, messages), _ in self.stages for buffer, *_ in messages]
        self.message_count, self.byte_count = len(sent), sum(buffer.nbytes for buffer in sent)

    def bind(self, arrays: tuple[Array, ...]) -> list:
        """Return the argument of `run` for exactly these arrays (..., padded)."""
        return [tuple((slabs, slabs.bind(arrays), messages) for slabs, messages in stage)
                for stage in self.stages]

    def run(self, bound: list) -> None:
        """Send and receive; all ghosts are updated on return."""
        comm, backend = self.comm, self.backend
        for (out, of, sent), (back, to, received) in bound:
            receives = [comm.Irecv(*message) for message in received]
            out.pack(of)
            backend.to_host_buffers(out.buffers)
            sends = [comm.Isend(*message) for message in sent]
            for request in receives:
                request.Wait()
            backend.to_device_buffers(back.buffers)
            back.unpack(to)
            for request in sends:
                request.Wait()
        self.counters.messages += self.message_count
        self.counters.bytes += self.byte_count
