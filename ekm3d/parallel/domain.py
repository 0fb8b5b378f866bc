"""The part of the grid that this process works on: all of it, or a box among those of other ranks.

The physics asks the domain for what needs more than one voxel's neighbourhood: ghosts filled from
elsewhere, sums and maxima over the whole block, values at places that somebody holds. Every answer
is the same on all ranks, and the same to the last bit for every number of ranks: sums are exact
(`sums`), everything else only moves numbers. MPI is known here and nowhere else.
"""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.errors import LaunchError
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel import gather_slabs
from ekm3d.parallel.decomposition import decompose
from ekm3d.parallel.gpu_sharing import refuse_sharing
from ekm3d.parallel.halo_exchange import Box, Exchange
from ekm3d.parallel.reproducible_sum import EMPTY, ReproducibleSums, finish
from ekm3d.parallel.team import collective_errors

NUMPY = Backend("reference")


def domain_of(whole, backend, comm=None):
    """The part of a grid that this process works on; comm: an MPI communicator, None alone."""
    if comm is None:
        return Domain(whole, backend)
    refuse_sharing(comm, backend)
    try:
        return MpiDomain(whole, backend, comm)
    except ValueError as error:
        raise LaunchError(str(error)) from None


class Domain:
    """One process, the whole block; its ghosts are closed, so `fill` has nothing to bring.

    whole, grid: the block's grid and this process's part of it; start: (k, j, i) of the part's
    first voxel; is_root: true on one process, which prints and writes; counters: messages, bytes and
    reductions so far.
    """

    is_root = True

    def __init__(self, whole, backend=NUMPY):
        self.whole, self.backend = whole, backend
        self.box = self._box()
        self.start = self.box.start
        self.grid = whole.part(self.start, self.box.shape)
        self.counters = SimpleNamespace(messages=0, bytes=0, reductions=0)
        self.parts, self.kept = ReproducibleSums(self.grid, backend), {}

    def _box(self):
        return Box([[0, n] for n in self.whole.shape], 0)

    def barrier(self):
        """Wait until every process has come here."""

    def allgather(self, value):
        """What every process has for `value`, in the same order everywhere."""
        return [value]

    def collective_errors(self, *errors):
        """A context: an error of these classes in one process is a RuntimeError in the others."""
        return nullcontext()

    def _allgather(self, values):
        """A NumPy array of every process, stacked: (processes, ...)."""
        return np.asarray(values)[None]

    def _allgatherv(self, piece, shapes):
        """An array of every process, of these shapes, in the order of the processes."""
        return [piece]

    # ---- ghosts ----

    def fill(self, *arrays):
        """Bring the ghosts of padded arrays (..., padded) up to date, edges and corners too.

        All layers that another process holds, in one message per neighbour and axis; ghosts beyond
        the whole block stay as they are.
        """

    def filler(self, *arrays):
        """The call that brings the first layer of ghosts of these very arrays, without corners."""
        return lambda: None

    def sequence(self, calls):
        """The call that makes calls without arguments, the same ones every time."""
        return self.backend.sequence(calls)

    # ---- sums and maxima ----

    def adder(self, sums):
        """The call that adds up these very sums by segment, (n, nz, ny, segments), over all: n numbers.

        Any other last axes will do.
        """
        bins = self.parts.binner(sums)
        return lambda: self._finished(bins())

    def sum(self, array):
        """Sum over the inner voxels of a padded array."""
        return self._finished(self.parts.of_voxels(array))[0]

    def sums(self, array):
        """The same for every leading index of an array (..., padded): NumPy (...)."""
        bins = self.parts.of_many(array.reshape(-1, *self.grid.padded))
        return np.reshape(self._finished(bins), array.shape[:-3])

    def dots(self, arrays, b):
        """Sum of a b over the inner voxels for each a of arrays (n, padded), b padded: NumPy (n,).
        """
        return np.array(self._finished(self.parts.of_many(arrays, b)))

    def dot(self, a, b):
        """Sum of a b over the inner voxels of two padded arrays."""
        return self._finished(self.parts.of_products(a, b))[0]

    def subregion(self, ends):
        """The Window of the voxels between two of the whole along each axis: (first, last + 1)."""
        return Subregion(self, ends)

    def sum_within(self, windows, parts):
        """Sums over Windows; parts: for each the values of those inner voxels, `window.part`."""
        return self._finished(np.concatenate([w.bins(part) for w, part in zip(windows, parts)]))

    def _finished(self, bins):
        """Numbers from the bins (n, entries) of every process."""
        every = self._allgather(bins)
        return [finish(every[:, n]) for n in range(every.shape[1])]

    def max(self, array):
        """Largest value of an array of any shape; nan if there is one, -inf of nothing."""
        own = float(array.max()) if array.size else -np.inf
        return float(np.max(self._allgather([own])))

    def any(self, array):
        """Whether any entry of an array of any shape is true."""
        return bool(self._allgather([bool(array.any())]).any())

    def count(self, array):
        """Number of entries of an array of any shape that are true."""
        return int(self._allgather([int((array != 0).sum())]).sum())

    # ---- voxels by their number ----

    def points(self, voxel):
        """Places at global flat padded indices, the same on all processes."""
        return PointSet(self, voxel)

    def gather(self, array, voxel):
        """NumPy values (..., n) of a padded array at global flat padded indices (n,)."""
        return self._kept(voxel).gather(array)

    def add_at(self, array, voxel, values):
        """Add NumPy values (..., n) to a padded array at such indices; some may come twice."""
        self._kept(voxel).add(array, values)

    def _kept(self, voxel):
        """The Places of indices, made once for all calls with the same."""
        key = np.asarray(voxel, int).tobytes()
        if key not in self.kept:
            self.kept[key] = self.points(voxel)
        return self.kept[key]

    def local_part(self, data):
        """A dataclass with this process's part of all that is (..., nz, ny, nx) in it.

        What has fewer axes is the same everywhere, and so are None and numbers.
        """
        if dataclasses.is_dataclass(data):
            return dataclasses.replace(data, **{field.name: self.local_part(getattr(data, field.name))
                                                for field in dataclasses.fields(data)})
        if isinstance(data, dict):
            return {key: self.local_part(value) for key, value in data.items()}
        return self.local_view(data) if np.ndim(data) >= 3 else data

    def local_view(self, array, halo=0):
        """This process's part of an array (..., nz, ny, nx) of the whole: a view.

        halo: with so many layers of the neighbours, where there are any.
        """
        return array[(Ellipsis, *(slice(max(a - halo, 0), b + halo)
                                  for a, b in zip(self.box.start, self.box.stop)))]

    # ---- the whole grid ----

    def assemble(self, part, whole):
        """whole (..., padded of the whole grid): the inner voxels of every process's `part`."""
        whole[self.whole.inner] = part[self.grid.inner]

    def extract(self, whole, part):
        """part (..., padded): this process's voxels of `whole`, without ghosts."""
        part[self.grid.inner] = self.local_view(whole[self.whole.inner])

    def slabs(self, array):
        """Yield (first layer, (layers, ny, nx, ...)) of the whole where it is written (`slabs`).

        array: NumPy (nz, ny, nx, ...) without ghosts. All processes must walk through.
        """
        yield 0, array

    @property
    def boxes(self):
        """((k, j, i) of the first voxel, of the one behind the last) of every process's part."""
        return [(box.start, box.stop) for box in self._boxes()]

    def _boxes(self):
        """The boxes of all processes."""
        return [self.box]

    def coarsened(self, whole):
        """The domain of a grid with some axes halved; None if planes between boxes cannot be."""
        return Domain(whole, self.backend)

    def alone(self):
        """The whole grid as a domain that every process has to itself."""
        return Domain(self.whole, self.backend)


class MpiDomain(Domain):
    """One box of many; the processes of an MPI communicator, in the order of their ranks."""

    def __init__(self, whole, backend, comm, planes=None):
        """planes: where the whole grid is cut, as `decompose` has it if not given."""
        self.comm, self.planes = comm, planes or decompose(whole, comm.size)
        self.exchanges = {}
        super().__init__(whole, backend)
        self.is_root = comm.rank == 0

    def _box(self):
        return Box(self.planes, self.comm.rank)

    def _boxes(self):
        return [Box(self.planes, number) for number in range(self.comm.size)]

    def _allgather(self, values):
        own = np.ascontiguousarray(values)
        every = np.empty((self.comm.size, *own.shape), own.dtype)
        self.comm.Allgather(own, every)
        self.counters.reductions += 1
        return every

    def _allgatherv(self, piece, shapes):
        sizes = [int(np.prod(shape)) for shape in shapes]
        starts = np.cumsum([0, *sizes])
        every = np.empty(starts[-1], piece.dtype)
        self.comm.Allgatherv(np.ascontiguousarray(piece), [every, sizes])
        self.counters.messages += self.comm.size - 1
        self.counters.bytes += piece.nbytes * (self.comm.size - 1)
        return [every[a:b].reshape(shape) for a, b, shape in zip(starts, starts[1:], shapes)]

    def assemble(self, part, whole):
        own = self.backend.to_numpy(part[self.grid.inner])
        lead = own.shape[:-3]
        boxes = self._boxes()
        pieces = self._allgatherv(own, [(*lead, *box.shape) for box in boxes])
        inner = np.empty((*lead, *self.whole.shape), own.dtype)
        for box, piece in zip(boxes, pieces):
            inner[box.index()] = piece
        whole[self.whole.inner] = self.backend.from_numpy(inner)

    def fill(self, *arrays):
        exchange = self._exchange(arrays, GHOST, True)
        exchange.run(exchange.bound(arrays))

    def filler(self, *arrays):
        exchange = self._exchange(arrays, 1, False)
        bound = exchange.bound(arrays)
        return lambda: exchange.run(bound)

    def sequence(self, calls):
        def all_of_them():                  # messages are no kernels: the device has no say
            for call in calls:
                call()
        return all_of_them

    def _exchange(self, arrays, layers, corners):
        """The Exchange for arrays of such kinds."""
        kinds = tuple((np.dtype(a.dtype), tuple(a.shape[:-3])) for a in arrays)
        key = kinds, layers, corners
        if key not in self.exchanges:
            self.exchanges[key] = Exchange(self.comm, self.box, self.backend, kinds, layers,
                                           corners, self.counters)
        return self.exchanges[key]

    def slabs(self, array):
        return gather_slabs.slabs(self, array)

    def barrier(self):
        self.comm.Barrier()

    def allgather(self, value):
        return self.comm.allgather(value)

    def collective_errors(self, *errors):
        return collective_errors(self.comm, errors)

    def coarsened(self, whole):
        planes = []
        for axis, size in zip(self.planes, whole.shape):
            if axis[-1] == size:
                planes.append(axis)
            elif any(plane % 2 for plane in axis[1:-1]):
                return None
            else:
                planes.append([*(plane // 2 for plane in axis[:-1]), size])
        coarse = MpiDomain(whole, self.backend, self.comm, planes)
        coarse.counters = self.counters
        return coarse


class Subregion:
    """A box of voxels anywhere in the block; part: slices of the inner voxels in it that are here.
    """

    def __init__(self, domain, ends):
        self.domain, self.ends = domain, tuple(ends)
        here = [np.clip([low, high], a, b) - a for (low, high), a, b in zip(
            self.ends, domain.box.start, domain.box.stop)]
        self.part = tuple(slice(int(a), int(b)) for a, b in here)
        self.shape = tuple(int(b - a) for a, b in here)
        self.sums = None
        if np.prod(self.shape):
            cells = tuple(reversed(self.shape))
            self.sums = ReproducibleSums(Grid(cells, domain.whole.spacing, segment=1), domain.backend)

    def bins(self, values):
        """What values (nz, ny, nx) of `part` add to a sum over all processes: (1, ENTRIES)."""
        if self.sums is None:
            return EMPTY[None]
        return self.sums.binner(values.copy()[None])()

    def holds(self, voxel):
        """Which of flat indices in the padded whole are in it."""
        index = np.unravel_index(voxel, self.domain.whole.padded)
        return np.all([(low + GHOST <= n) & (n < high + GHOST)
                       for n, (low, high) in zip(index, self.ends)], axis=0)


class PointSet:
    """Voxels anywhere in the block, by their flat index in the padded whole grid."""

    def __init__(self, domain, voxel):
        """voxel: NumPy, the same on every process; a voxel may come more than once."""
        self.domain, self.count = domain, len(voxel)
        where = np.array(np.unravel_index(np.asarray(voxel, int), domain.whole.padded)) - GHOST
        box = domain.box
        low, high = np.array(box.start)[:, None], np.array(box.stop)[:, None]
        self.here = np.flatnonzero(((where >= low) & (where < high)).all(axis=0))
        local = where[:, self.here] - low + GHOST
        self.voxel = np.ravel_multi_index(tuple(local), domain.grid.padded)
        sizes = domain._allgather([self.here.size]).ravel().tolist()
        if sum(sizes) != self.count:
            raise ValueError("places: a voxel lies outside the block")
        self.shapes = [(size,) for size in sizes]
        self.order = np.argsort(np.concatenate(domain._allgatherv(self.here, self.shapes)))

    def gather(self, array):
        """NumPy values (..., n), on every process, of a padded array (..., padded)."""
        own = self.domain.backend.gather(array, self.voxel)
        pieces = self.domain._allgatherv(own, [(*own.shape[:-1], *shape) for shape in self.shapes])
        return np.concatenate(pieces, axis=-1)[..., self.order]

    def add(self, array, values):
        """Add NumPy values (..., n), the same on every process, to a padded array."""
        self.domain.backend.add_at(array, self.voxel, values[..., self.here])
