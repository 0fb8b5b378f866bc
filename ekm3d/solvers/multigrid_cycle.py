"""Multigrid preconditioner: z = M r with M close to the inverse of the 7-point operator A.

Cell-centred multigrid in float32 with the smoother and the transfer of `multigrid`.
Semi-coarsening by connection strength: only axes whose mean conductance is at least half of the
largest are coarsened, down to one voxel, where the solution is exact.

W-cycle: large coarse levels are visited twice where that costs little, which halves the
iterations. Halved faces correct twice too much across weakly connected clusters, though, and a
second visit squares that, which may cost M its positivity; `use_v_cycle` goes back to the V-cycle,
which is always positive.

Where the backend sweeps levels, the steps on a whole level are taken two by two (`level_sweeps`),
with the same bits.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.solvers import level_sweeps as sweeps
from ekm3d.solvers import multigrid as mg
from ekm3d.solvers.agglomeration import Hierarchy, allocate_level
from ekm3d.solvers.multigrid import FIRST, FROM_ZERO, PROLONG, RESTRICT, SECOND, SMOOTH, SOLVE

Cells = tuple[int, ...]              # voxels along x, y, z

W_CYCLE_VOXELS = 2000                # a coarse level of at least so many voxels is visited twice
KEPT = 2                             # hierarchies: operators in turn may coarsen other axes


def coarse_cells(cells: Cells, mean: Sequence[float]) -> list[Cells]:
    """Return the cells of every coarser grid, down to one voxel; at least one grid.

    mean: mean conductance of the faces across x, y, z on the finest grid. On the coarser grids
    they follow: halving an axis halves its own faces' conductance and doubles the others'.
    """
    coarser: list[Cells] = []
    while max(cells) > 1 or not coarser:
        largest = max((m for n, m in zip(cells, mean, strict=True) if n > 1), default=0.0)
        halved = [n > 1 and 2 * m >= largest for n, m in zip(cells, mean, strict=True)]
        mean = [m * 2.0 ** (sum(halved) - 2 * h) for m, h in zip(mean, halved, strict=True)]
        cells = tuple((n + 1) // 2 if h else n for n, h in zip(cells, halved, strict=True))
        coarser.append(cells)
    return coarser


def cycle_steps(sizes: Sequence[int], level: int, w_cycle: bool = False, end: int | None = None,
                zero: bool = True) -> list[tuple[int, int]]:
    """Return (step, level) of a cycle from `level` down, beginning at x = 0 or at x as it is.

    sizes: voxels of every level. w_cycle: visit a level twice if it has W_CYCLE_VOXELS voxels and
    no more than 0.3 of those above it, so that a cycle takes 2.5 times the work of its first level
    at most. From level `end` on small_cycle does the rest: (FROM_ZERO or SMOOTH, end) stands for
    it.
    """
    start = FROM_ZERO if zero else SMOOTH
    if level == end:
        return [(start, level)]
    if level + 1 == len(sizes):
        return [(SOLVE, level)]
    coarse = cycle_steps(sizes, level + 1, w_cycle, end)
    if w_cycle and W_CYCLE_VOXELS <= sizes[level + 1] <= 0.3 * sizes[level]:
        coarse += cycle_steps(sizes, level + 1, w_cycle, end, zero=False)
    return [(start, level), (RESTRICT, level), *coarse, (PROLONG, level), (SMOOTH, level)]


class Multigrid:
    """Hierarchy of one grid and its cycle.

        set_operator(face, b, name)   an operator; sets coupling_sum (sum of b), active_count
        build_hierarchy()             its coarse levels
        apply()                       finest.x = M finest.b; returns their product
        use_v_cycle()                 from now on, for operators of that name

    finest: the finest level, this rank's part; hierarchy: of the present operator; w_cycle: False
    after use_v_cycle.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain) -> None:
        self.grid, self.backend, self.domain = grid, backend, domain
        operators = [mg.smooth_from_zero, mg.smooth, mg.smooth_and_sum, mg.restrict_residual,
                     mg.prolong, mg.small_cycle, mg.sum_coefficients, mg.scale_operator,
                     mg.coarsen, mg.invert_diagonal]
        if backend.sweeps_levels:
            operators += [sweeps.presmooth_from_zero, sweeps.presmooth, sweeps.postsmooth,
                          sweeps.postsmooth_and_sum]
        self.do = {op.__name__: backend.bind(op) for op in operators}
        self.finest = allocate_level(grid, backend)
        self.fill_operator = domain.ghost_updater(self.finest.face, self.finest.inverse_diagonal)
        self.fill_last = domain.ghost_updater(self.finest.y)
        self.sums = backend.zeros((5, *grid.shape[:2], grid.segments))
        self.product = backend.zeros((1, *grid.shape[:2], grid.segments))
        self.add_sums, self.add_product = (
            domain.segment_reducer(self.sums),
            domain.segment_reducer(self.product),
        )
        self.hierarchy: Hierarchy                    # of these cells
        self.cells: tuple[Cells, ...] = ()
        self.kept: dict[tuple[Cells, ...], tuple[Hierarchy, dict]] = {}  # with the calls of cycles
        self.name, self.w_cycle = "", True
        self.v_cycles: set[str] = set()              # names of operators that need them

    def set_operator(self, face: Array, b: Array, name: str = "") -> None:
        """Set the finest level from an operator (float64, see `elliptic`), and its sums.

        face: (3, padded); b: padded.
        name: of the problem, which keeps its kind of cycle.
        """
        self.name, self.w_cycle = name, name not in self.v_cycles
        self.do["sum_coefficients"](self.grid, face, b, self.sums)
        *faces, self.coupling_sum, active = self.add_sums()
        self.active_count, self.is_built = int(active), False
        cells = self.domain.whole.cells
        voxels = np.prod(cells)
        self.mean_conductance = [total * n / (max(n - 1, 1) * voxels)
                                 for total, n in zip(reversed(faces), cells, strict=True)]
        size = max(*self.mean_conductance, self.coupling_sum / voxels)
        self.do["scale_operator"](self.grid, face, b, 1.0 / size if size > 0 else 1.0,
                                  *self.finest.operator)
        self.fill_operator()

    def build_hierarchy(self) -> None:
        """Compute the operators of the coarse levels, unless they are those of this operator."""
        if self.is_built:
            return
        h = self._choose_hierarchy()
        for (fine, coarse), domain in zip(pairwise(h.local_levels), h.domains[1:], strict=True):
            self._coarsen(fine, coarse)
            domain.ghost_updater(coarse.face)()
            self.do["invert_diagonal"](coarse.grid, *coarse.operator)
            domain.ghost_updater(coarse.inverse_diagonal)()
        h.gather_operator()
        for fine, coarse in pairwise(h.levels[h.agglomerated:]):
            self._coarsen(fine, coarse)
            self.do["invert_diagonal"](coarse.grid, *coarse.operator)
        self.is_built = True

    def _coarsen(self, fine, coarse):
        self.do["coarsen"](fine.grid, coarse.grid, fine.face, fine.coupling, coarse.face,
                           coarse.coupling)

    def _choose_hierarchy(self):
        """Take the hierarchy of the grids that suit the operator, made at first; return it."""
        cells = tuple(coarse_cells(self.domain.whole.cells, self.mean_conductance))
        if cells not in self.kept:
            while len(self.kept) >= KEPT:
                del self.kept[next(iter(self.kept))]
            self.kept[cells] = Hierarchy(self.finest, self.domain, self.backend, cells), {}
        self.cells, (self.hierarchy, self.cycles) = cells, self.kept[cells]
        self._schedule()
        return self.hierarchy

    def _schedule(self):
        """Take the calls of a cycle, prepared at first."""
        if self.w_cycle not in self.cycles:
            self.cycles[self.w_cycle] = self._prepared_cycle()
        self.run_cycle = self.cycles[self.w_cycle]

    def _prepared_cycle(self):
        """Return one function that makes the calls of a cycle."""
        h, finest = self.hierarchy, self.finest
        self.small_steps = {
            start: self.backend.from_numpy(np.array([
                (step, level - h.small) for step, level in cycle_steps(
                    h.sizes, h.small, self.w_cycle, zero=start == FROM_ZERO)], np.int32))
            for start in (FROM_ZERO, SMOOTH)}
        steps, calls = cycle_steps(h.sizes, 0, self.w_cycle, h.small), list[Callable]()
        while steps:
            step, n = steps.pop(0)
            if self._is_swept(n):                    # with the step that follows, on this level
                steps.pop(0)
                calls.append(self._sweep(step, n))
            else:
                calls += self._calls(step, n)
        if self._is_swept(0):
            return self.domain.sequence(calls)
        calls = calls[:-1]                           # the last one computes the product, too
        if h.agglomerated == 0:
            calls = [h.gather_level, *calls, self._scatter_finest]
        calls.append(self.backend.prepare(
            self.do["smooth_and_sum"], self.grid, *finest.operator, finest.b, finest.y, SECOND,
            finest.x, self.product[0]))
        return self.domain.sequence(calls)

    def use_v_cycle(self) -> None:
        """Visit every level once per cycle from now on, for operators of the present name."""
        self.w_cycle = False
        self.v_cycles.add(self.name)
        self._schedule()

    def _calls(self, step: int, n: int) -> list[Callable]:
        """Return the prepared calls of one step of the cycle on level n."""
        h, do, prepare = self.hierarchy, self.do, self.backend.prepare
        level = h.levels[n]
        filler = (h.domains[n] if n < h.agglomerated else self.domain.alone()).ghost_updater
        if n == h.small:
            steps = self.small_steps[step].reshape(-1)
            return [prepare(do["small_cycle"], level.grid, h.table, steps, h.table.size,
                            steps.size, h.store.size, h.store)]
        if step == FROM_ZERO:
            return [filler(level.b), prepare(do["smooth_from_zero"], level.grid, *level.operator,
                                             level.b, level.x)]
        if step == SMOOTH:
            return [call for x, weight, y in ((level.x, FIRST, level.y),
                                              (level.y, SECOND, level.x))
                    for call in (filler(x), prepare(do["smooth"], level.grid, *level.operator,
                                                    level.b, x, weight, y))]
        to_agglomerated = h.is_cut and n + 1 == h.agglomerated
        coarse = h.local if to_agglomerated else h.levels[n + 1]
        if step == RESTRICT:
            calls = [filler(level.x), prepare(do["restrict_residual"], level.grid, coarse.grid,
                                              level.face, level.coupling, level.b, level.x,
                                              coarse.b)]
            return calls + [h.gather_level] * to_agglomerated
        return [h.scatter_level] * to_agglomerated + [
            prepare(do["prolong"], level.grid, coarse.grid, coarse.x, level.x)]

    def _is_swept(self, n: int) -> bool:
        """Tell if level n is whole, so that no ghosts are needed between two steps, and not small.
        """
        h = self.hierarchy
        return self.backend.sweeps_levels and n < h.small and (
            not h.is_cut or n >= max(h.agglomerated, 1))

    def _sweep(self, step: int, n: int) -> Callable:
        """Return the prepared call of a step of the cycle and of the one after it on level n.

        The steps before the coarse level leave y of the level, those after it x.
        """
        level, coarse = self.hierarchy.levels[n:n + 2]
        given = level.grid, coarse.grid, *level.operator, level.b
        if step == FROM_ZERO:
            return self.backend.prepare(self.do["presmooth_from_zero"], *given, level.y, coarse.b)
        if step == SMOOTH:
            return self.backend.prepare(self.do["presmooth"], *given, level.x, level.y, coarse.b)
        values = *given, coarse.x, level.y, level.x
        if n:
            return self.backend.prepare(self.do["postsmooth"], *values)
        return self.backend.prepare(self.do["postsmooth_and_sum"], *values, self.product[0])

    def _scatter_finest(self):
        """Take this rank's part of an agglomerated finest level, before the last smoothing step.
        """
        self.domain.extract(self.hierarchy.levels[0].y, self.finest.y)
        self.fill_last()

    def apply(self) -> float:
        """Set finest.x = M finest.b; return the sum of their product over all ranks."""
        self.run_cycle()
        product, = self.add_product()
        return product
