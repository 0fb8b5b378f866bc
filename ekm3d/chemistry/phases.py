"""Minerals and gases: stoichiometry, sets that can coexist, and the components they determine.

A phase p is at saturation where

    ln Omega_p = sum_k nu_pk ln a_k + w_p ln a_w - ln K_p = 0        (gas: = ln of its pressure)

A gas is always at its pressure and its amount has either sign; a mineral is either at saturation
with an amount n >= 0, or undersaturated and absent. Phases present together must be independent
(rows of nu). With nu_e = sum_j lambda_j nu_j over those present, phase e is more stable than an
equivalent mixture of them where

    ln Omega_e - sum_j lambda_j ln Omega_j > 0,

for any solution; it then replaces the one it exhausts first, as in the simplex method:
n_e = t, n_j -> n_j - lambda_j t, t = min n_j / lambda_j. All balances stay the same.
"""

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.errors import InputError

DEPENDENT = 1e-9          # relative remainder of a stoichiometry that counts as 0


class Phases:
    """The M minerals and, after them, the G gases of a system: P = M + G phases.

    Attributes: count P; nu (P, K) and water (P,) components and H2O set free by dissolution;
    constant (P,) ln K, of a gas ln K + ln of its pressure; gas (P,) True for gases; independent:
    True where all phases can be present together.

    Raises InputError for a gas without a pressure, and for phases that depend on the gases.
    """

    def __init__(self, chem: ChemicalSystem):
        self.M, self.G = len(chem.minerals), len(chem.gases)
        self.count, self.hydrogen = self.M + self.G, chem.hydrogen
        K = len(chem.components)
        if len(chem.pressure_g) != self.G or not np.all(np.asarray(chem.pressure_g) > 0):
            raise InputError(f"gases {', '.join(chem.gases)}: each needs a pressure above 0 atm; "
                             "leave out a gas that the water is closed to")
        self.nu = np.vstack([chem.nu_m.reshape(-1, K), chem.nu_g.reshape(-1, K)])
        self.water = np.append(chem.water_m, chem.water_g)
        self.constant = np.append(LN10 * chem.log_k_m,
                                  LN10 * chem.log_k_g + np.log(chem.pressure_g))
        self.gas = np.arange(self.count) >= self.M
        self._shares: dict[tuple[bytes, int], np.ndarray | None] = {}
        names, always = chem.minerals + chem.gases, np.zeros(self.count, bool)
        for p in [*range(self.M, self.count), *range(self.M)]:
            if self._share(always, p) is not None:
                raise InputError(f"'{names[p]}': the gases at fixed pressure leave it no freedom, "
                                 "leave it out")
            always[p] = self.gas[p]
        self.independent = self.count == 0 or np.linalg.matrix_rank(self.nu) == self.count

    def _share(self, present, p):
        """Return lambda (P,) of phase p over those present; None where p is independent."""
        key = present.tobytes(), p
        if key not in self._shares:
            rows = np.flatnonzero(present)
            share = np.zeros(self.count)
            share[rows] = np.linalg.lstsq(self.nu[rows].T, self.nu[p], rcond=None)[0]
            rest = np.abs(share @ self.nu - self.nu[p]).max()
            depends = rest < DEPENDENT * np.abs(self.nu[p]).max()
            share = np.where(np.abs(share) < DEPENDENT, 0.0, share)
            self._shares[key] = share if depends else None
        return self._shares[key]

    def enter(self, active: np.ndarray, wanted: np.ndarray, amount: np.ndarray,
              saturation: np.ndarray) -> None:
        """Activate the phases `wanted` (P, n), the most oversaturated first.

        Updates active and amount (P, n). A phase that depends on those present replaces one of
        them, or stays out.
        """
        if self.independent:
            active |= wanted
            return
        entering = wanted & ~active
        while entering.any():
            voxels = np.flatnonzero(entering.any(axis=0))
            first = np.where(entering, saturation, -np.inf)[:, voxels].argmax(axis=0)
            entering[first, voxels] = False
            for group in groups(np.vstack([active[:, voxels], first])):
                p, alike = first[group[0]], voxels[group]
                share = self._share(active[:, alike[0]], p)
                if share is None:
                    active[p, alike] = True
                else:
                    self._replace(active, amount, saturation, p, share, alike)

    def _replace(self, active, amount, saturation, p, share, voxels):
        """Replace by phase p the one it exhausts first, in voxels where p is more stable."""
        leaving = np.flatnonzero((share > 0) & ~self.gas)
        gain = saturation[p, voxels] - WeightedSum(share)(saturation[:, voxels])[0]
        voxels = voxels[gain > 0]
        if leaving.size == 0 or voxels.size == 0:
            return
        ratio = np.maximum(amount[np.ix_(leaving, voxels)], 0) / share[leaving, None]
        t, exhausted = ratio.min(axis=0), leaving[ratio.argmin(axis=0)]
        amount[:, voxels] -= share[:, None] * t
        amount[exhausted, voxels] = 0.0
        amount[p, voxels] += t
        active[exhausted, voxels] = False
        active[p, voxels] = True

    def remove_dependent(self, active: np.ndarray, amount: np.ndarray) -> None:
        """Remove all minerals from voxels where they cannot be present together.

        Updates active and amount (P, n).
        """
        if self.independent:
            return
        for group in groups(active):
            present = active[:, group[0]]
            if np.linalg.matrix_rank(self.nu[present]) < present.sum():
                active[:, group] = self.gas[:, None]
                amount[:, group] = 0.0

    def masters(self, present: np.ndarray | None = None) -> tuple[list[int], list[int], bool]:
        """Return (phases, components, together): phases and the master component of each.

        In a row of the Newton matrix a phase's saturation replaces the balance of its master.
        All gases and as many minerals as possible get one, such that any subset of the minerals
        may be present. present (P,), if given: phases that must be among them; where these have
        no such order, they are the only ones, and all must be present (together).

        After the gases are eliminated the square matrix nu[minerals, components] is triangular,
        rows and columns permuted alike: built by repeatedly taking a component that a single
        mineral contains, or a mineral with a single component. Where there is none, or none is
        left for a mineral, one of the most components, the least stable, is left out.
        """
        phases, components = self.pivots(self.gas)
        nu = self.nu.copy()
        for p, k in zip(phases, components, strict=True):
            others = np.arange(self.count) != p
            nu[others] -= np.outer(nu[others, k] / nu[p, k], nu[p])
        contains = np.abs(nu) > DEPENDENT
        if self.hydrogen is not None:
            contains[:, self.hydrogen] = False   # neutral minerals never need it
        users = (self.nu != 0).sum(axis=0)
        required = self.gas if present is None else present
        order = sorted(range(self.M), key=lambda p: (contains[p].sum(), self.constant[p]))
        free = sorted(set(range(nu.shape[1])) - set(components), key=lambda k: (users[k], k))
        closed: list[int] = []                       # components closed to all later minerals
        for part in ([p for p in order if required[p]], [p for p in order if not required[p]]):
            left = [p for p in part if not contains[p, closed].any()]
            while left:
                p, k = _single_entry(contains, left, free)
                if k is None:
                    if required[p]:
                        return *self.pivots(required), True
                    left.remove(p)
                    continue
                if contains[p, free].sum() > 1:
                    closed.append(k)
                phases.append(p)
                components.append(k)
                left.remove(p)
                free.remove(k)
        return phases, components, False

    def pivots(self, present: np.ndarray) -> tuple[list[int], list[int]]:
        """Return (phases, components) of just the phases present (P,), which are independent.

        The order is that of an elimination with full pivoting.
        """
        rows, nu = np.flatnonzero(present), self.nu[present].copy()
        size = np.abs(nu).max(axis=1)
        allowed = np.ones(nu.shape[1])
        if self.hydrogen is not None:
            allowed[self.hydrogen] *= 1e-3          # a last resort
        phases: list[int] = []
        components: list[int] = []
        for _ in rows:
            worth = np.abs(nu) / size[:, None] * allowed
            p, k = np.unravel_index(worth.argmax(), worth.shape)
            nu -= np.outer(nu[:, k] / nu[p, k], nu[p])
            nu[p], allowed[k] = 0.0, 0.0
            phases.append(int(rows[p]))
            components.append(int(k))
        return phases, components


def _single_entry(contains, left, free):
    """Return (mineral, component) where the entry is the only one of its row or its column.

    Rows are the minerals `left`, columns the components `free`. Where there is none, or a mineral
    has no free component, (mineral to leave out, None).
    """
    empty = [p for p in left if not contains[p, free].any()]
    if empty:
        return empty[-1], None
    for k in free:
        if contains[left, k].sum() == 1:
            return next(p for p in left if contains[p, k]), k
    for p in left:
        if contains[p, free].sum() == 1:
            return p, next(k for k in free if contains[p, k])
    return left[-1], None


def groups(columns: np.ndarray) -> list[np.ndarray]:
    """Return the index arrays of equal columns of a table (rows, n)."""
    _, which = np.unique(columns, axis=1, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    return np.split(order, 1 + np.flatnonzero(np.diff(which[order])))
