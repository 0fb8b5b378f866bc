"""Statements of a Newton step, written for one chemical system: nothing is done with its zeros.

The kernel `newton` has the frame of the two functions whose bodies these are. A statement treats
one number of all voxels of a pack (`wide` of ekm.cuh), and entries of the matrix are local
variables: the compiler keeps them in registers, which it cannot where a loop goes through lists of
places. Weights other than 1 are named by their place in the tables of `newton.NewtonTables`, so
that systems that differ in these only share one text.
"""

from collections.abc import Iterator

import numpy as np

from ekm3d.chemistry.equations import Equations


def statements(q: Equations) -> dict[str, str]:
    """Return the bodies {name: C++} of `sum_terms` and `solve`, for `backend.kernel(written=...)`.
    """
    return {"terms": "\n".join(terms(q)), "elimination": "\n".join(Elimination(q).lines())}


def terms(q: Equations) -> Iterator[str]:
    """Yield the statements of every term, and of the equations' sums over them."""
    action, sums = places(q.action), places(q.sums)
    equations = np.flatnonzero(q.sums.any(axis=0))
    for b in equations:
        yield f"Wide error{b} = {{}}, scale{b} = {{}};"
    for t in range(q.S + q.E):
        yield "{"
        yield "    Wide ln_term = {};"
        for f in np.flatnonzero(q.action[t]):
            yield "    " + added("ln_term", q.action[t, f], "action", action[t, f],
                                 f"wide(factors[{f}])")
        yield f"    const Wide term = exponential_of(ln_term, p.source[{t}]);"
        for b in np.flatnonzero(q.sums[t]):
            yield "    " + added(f"error{b}", q.sums[t, b], "sum", sums[t, b], "term")
            yield "    " + added(f"scale{b}", abs(q.sums[t, b]), "size", sums[t, b], "term")
        yield "}"
    for b in equations:
        yield f"wide(p.error[{b}]) = error{b};"
        yield f"wide(p.scale[{b}]) = scale{b};"


def added(to: str, weight: float, table: str, place: int, what: str) -> str:
    """Return the statement that adds a weight, named by its place in a table, times something."""
    if abs(weight) == 1:
        return f"{to} {'+' if weight > 0 else '-'}= {what};"
    return f"{to} += s.{table}[{place}] * {what};"


def places(table: np.ndarray) -> np.ndarray:
    """Return the numbers of a table's entries among its nonzeros, in the order of its rows."""
    return np.cumsum(table.ravel() != 0).reshape(table.shape) - 1


def derivatives(q: Equations) -> np.ndarray:
    """Return the weights (equations, unknowns, sources) of the matrix: an entry is the sum of its
    weights times sources.

    Sources (2 T + E,) are the terms and their derivatives: of species by ln I, of exchange species
    through X by ln a_H, and by ln I.
    """
    count, out = q.S + q.E, np.zeros((q.B, q.B, 2 * (q.S + q.E) + q.E))
    sums = q.sums.T
    out[:, :q.I, :count] = q.products.transpose(1, 2, 0)
    out[:, q.W, :count] = q.watered
    ions = np.any(q.activity.action != 0, axis=1)
    out[:, q.I, count:count + q.S] = sums[:, :q.S] * ions
    out[:, q.H, count + q.S:2 * count] += sums[:, q.S:] * q.exchangers.scaled_by_charge.any(axis=1)
    out[:, q.I, 2 * count:] = sums[:, q.S:] * np.any(q.activity.exchange != 0, axis=1)
    return out


class Elimination:
    """Assembly and LU elimination of Newton's matrix, row by row, and substitution.

    A row is assembled when it has its turn, so that of the rows above only the right parts are
    still in use. `A3_5` is an entry, `x3` the right-hand side, then the solution; rows and columns
    are those of the elimination's order, and the solution goes to `p.x` by unknowns.
    """

    def __init__(self, q: Equations):
        order = q.pivot_order
        self.q, self.order, self.at = q, order, order.position.tolist()
        # of every row: the columns of its entries, with those that elimination adds
        self.columns = [np.flatnonzero(row).tolist() for row in order.lu.fill]
        weights = derivatives(q)
        self.weights, self.places = weights, places(weights)
        # of every row: the equation to assemble, and the phase to insert, at its turn
        self.balances = {self.at[b]: b for b in range(q.B)}
        self.inserted: dict[int, tuple[int, int]] = {}
        for p, k in zip(order.phases, order.masters, strict=True):
            first, last = sorted((self.at[k], self.at[q.B + p]))
            self.balances.pop(last, None)
            self.balances[first], self.inserted[first] = k, (p, k)

    def lines(self) -> Iterator[str]:
        """Yield all statements."""
        rows = range(len(self.columns))
        for row in rows:
            entries = [self.entry(row, c) for c in self.columns[row]]
            yield f"Wide x{row}, {', '.join(entries)};"
        for row in rows:
            if row in self.balances:
                yield from self.balance(self.balances[row])
            if row in self.inserted:
                yield from self.phase(*self.inserted[row])
            yield from self.elimination(row)
        for row in reversed(rows):
            for c in self.right_of(row):
                yield f"x{row} -= {self.entry(row, c)} * x{c};"
            yield f"x{row} *= {self.entry(row, row)};"
        for unknown, row in enumerate(self.at):
            yield f"wide(p.x[{unknown}]) = x{row};"

    @staticmethod
    def entry(row: int, column: int) -> str:
        """Return the name of an entry."""
        return f"A{row}_{column}"

    def right_of(self, row: int) -> list[int]:
        """Return the columns of a row's entries right of the diagonal."""
        return [c for c in self.columns[row] if c > row]

    def balance(self, b: int) -> Iterator[str]:
        """Yield the assembly of the row of equation b, and of its right-hand side."""
        q, row = self.q, self.at[b]
        own, by_h = self.entry(row, row), self.entry(row, self.at[q.H])
        for c in self.columns[row]:
            yield f"{self.entry(row, c)} = Wide{{}};"
        for u, source in np.argwhere(self.weights[b]).tolist():
            yield added(self.entry(row, self.at[u]), self.weights[b, u, source], "direct",
                        self.places[b, u, source], f"wide(p.source[{source}])")
        if b == q.I:
            yield f"{own} -= wide(p.water) * wide(p.strength);"
        if b == q.W:
            yield f"{own} += wide(p.water) * wide(water_activity);"
        if b == q.H:
            for i in range(q.N):
                yield f"{own} -= wide(p.site_slope[{i}]);"
        if q.K <= b < q.I:
            yield f"{by_h} -= wide(p.site_slope[{b - q.K}]);"
            yield f"{own} += one_without(p.site[{b - q.K}]);"
        yield f"x{row} = -wide(p.error[{b}]);"
        if b < q.I:
            yield f"{own} += LEAST * wide(p.scale[{b}]);"
        if b < q.K:
            yield f"{own} += wide(p.absent[{b}]);"
        held = [p for p in range(q.phases.count) if b < q.K and q.phases.nu[p, b]]
        if q.K <= b < q.I or b < q.K and q.additive[b]:
            target = f"p.total[{b}]" if b < q.K else f"p.site[{b - q.K}]"
            active = " + ".join(f"wide(p.active[{p}])" for p in held) or "Wide{}"
            yield f"x{row} = logarithmic(p.error[{b}], {target}, {active}, x{row});"
        for p in held:
            entry = self.entry(row, self.at[q.B + p])
            yield f"{entry} = wide(p.active[{p}]) * s.phase_nu[{p * q.K + b}];"

    def phase(self, p: int, k: int) -> Iterator[str]:
        """Yield the exchange of two rows where phase p is present: its saturation takes the place
        of its master's balance, which moves to the row of the phase's amount."""
        q, row, own = self.q, self.at[self.q.B + p], self.at[k]
        pattern, active = self.order.lu.pattern, f"wide(p.active[{p}])"
        for c in self.columns[row]:
            yield f"{self.entry(row, c)} = Wide{{}};"
        for c in np.flatnonzero(pattern[row] & pattern[own]).tolist():
            yield f"{self.entry(row, c)} = {active} * {self.entry(own, c)};"
            yield f"{self.entry(own, c)} *= 1 - {active};"
        yield f"{self.entry(row, row)} += 1 - {active};"
        yield f"x{row} = {active} * x{own};"
        yield f"x{own} = chosen(p.active[{p}], -wide(p.saturation[{p}]), x{own});"
        for n in np.flatnonzero(q.phases.nu[p]).tolist():
            yield f"{self.entry(own, self.at[n])} += {active} * s.phase_nu[{p * q.K + n}];"
        if q.phases.water[p]:
            yield f"{self.entry(own, self.at[q.W])} += {active} * s.phase_water[{p}];"

    def elimination(self, row: int) -> Iterator[str]:
        """Yield the elimination of what stands left of a row's diagonal; 1 / pivot stays in it."""
        for above in [c for c in self.columns[row] if c < row]:
            yield "{"
            yield (f"    const Wide factor = {self.entry(row, above)} * "
                   f"{self.entry(above, above)};")
            yield f"    x{row} -= factor * x{above};"
            for c in self.right_of(above):
                yield f"    {self.entry(row, c)} -= factor * {self.entry(above, c)};"
            yield "}"
        yield f"{self.entry(row, row)} = 1 / {self.entry(row, row)};"
