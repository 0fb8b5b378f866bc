"""Anderson acceleration of a fixed-point iteration x <- x + g(x) with a residual r(x).

    minimise |r - sum_j a_j dr_j|,       x <- x + g - sum_j a_j (dx_j + dg_j)

with the differences of the last iterations (Anderson 1965, J. ACM 12, 547; for unsaturated flow
Lott et al. 2012, Adv. Water Resour. 38, 92). Where Picard's iteration cycles, because its matrix
leaves out a derivative, the differences stand for it. Sums are reproducible: the result does not
depend on the number of ranks.
"""

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain

DEPTH = 5           # iterations remembered
SMALLEST = 1e-10    # singular value, over the largest, of differences that count


class Anderson:
    """Memory of the last iterations; arrays are allocated when they are first needed."""

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, depth: int = DEPTH):
        self.grid, self.backend, self.domain, self.depth = grid, backend, domain, depth
        self.moves: list[Array] = []            # dx + dg, padded
        self.falls: list[Array] = []            # dr, padded
        self.before: list[Array] = []           # g and r of the last iteration
        self.gram, self.used, self.begun = np.zeros((depth, depth)), 0, False

    def forget(self) -> None:
        """Begin anew: another problem."""
        self.used, self.begun = 0, False

    def mix(self, step: Array, residual: Array) -> None:
        """Turn the plain step g of this iteration into the accelerated one, in place.

        step, residual: padded; of every iteration from the first after `forget` on.
        """
        if not self.before:
            self.before = [self.backend.zeros(self.grid.padded) for _ in range(2)]
            self.moves, self.falls = ([self.backend.zeros(self.grid.padded)
                                       for _ in range(self.depth)] for _ in range(2))
        plain, last = self.before
        if self.begun:
            n = self.used % self.depth
            # here moves[n] is dx, the step that was taken last
            self.moves[n] += step
            self.moves[n] -= plain
            np.subtract(residual, last, out=self.falls[n])
            self.used += 1
            held = min(self.used, self.depth)
            for m in range(held):
                self.gram[n, m] = self.gram[m, n] = self.domain.dot(self.falls[n], self.falls[m])
        np.copyto(plain, step)
        np.copyto(last, residual)
        held = min(self.used, self.depth)
        if held:
            right = np.array([self.domain.dot(fall, residual) for fall in self.falls[:held]])
            share = np.linalg.lstsq(self.gram[:held, :held], right, rcond=SMALLEST)[0]
            for a, move in zip(share, self.moves, strict=False):
                step -= a * move
        np.copyto(self.moves[self.used % self.depth], step)
        self.begun = True
