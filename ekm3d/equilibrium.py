"""The equations of a voxel's chemical equilibrium: residual, Jacobian and Newton step.

Unknowns: ln a_k of each component, ln x of the empty exchange site, ln I, ln a_w, and the amount
n_m of each mineral. Species follow from mass action, exchange species from Gaines-Thomas with
variable charge, activity coefficients from Davies (c and I in mol/l, amounts per m3 of bulk):

    ln c_s = ln K_s + sum_k nu_sk ln a_k + w_s ln a_w - ln gamma_s(I)
    n_e    = X/z_e K_e prod_k a_k^nu_ek x^z_e,            X = clip(cec + slope (pH - pH_ref))

and the unknowns from as many equations:

    0 = theta sum_s nu_sk c_s + sum_e nu_ek n_e + sum_m nu_mk n_m - [k = H](X - cec) - total_k
    0 = sum_e z_e n_e - X
    0 = 1/2 sum_s z_s^2 c_s - I
    0 = a_w - 1 + w sum_s c_s
    0 = min(n_m, -ln Omega_m),       ln Omega_m = sum_k nu_mk ln a_k + w_m ln a_w - ln K_m

The amounts theta c_s and n_e are called terms. The protons X - cec of the exchanger itself count
in total_H, so that sum_k z_k total_k - cec is the net charge of the voxel, exactly.
"""

from dataclasses import dataclass, fields

import numpy as np

from ekm3d.elimination import Elimination

LN10 = np.log(10.0)
LITRES = 1000.0           # per m3
MISSING = -1.0e4          # stands for ln 0: exp(MISSING) is exactly 0
SMALLEST = 1.0e-100       # of a sum: keeps a pivot whose terms underflow
TRACE = 1e-250            # mol/m3, below which a component counts as absent
LARGEST = 60.0            # ln of a term [mol/m3] that no solution reaches; keeps exp finite


class _Columns:
    """Arrays whose last axis counts voxels."""

    def take(self, index):
        """The same for some of the voxels."""
        return type(self)(**{f.name: getattr(self, f.name)[..., index] for f in fields(self)})


@dataclass
class Voxels(_Columns):
    """What is given for n voxels."""

    total: np.ndarray            # (K, n) mol/m3 of bulk
    water: np.ndarray            # (n,) litres per m3 of bulk
    cec: np.ndarray              # (n,) eq/m3
    slope: np.ndarray            # (n,) eq/m3 per pH
    reference_pH: np.ndarray     # (n,)
    least: np.ndarray            # (n,) limits of X - cec, eq/m3
    most: np.ndarray


@dataclass
class Residual(_Columns):
    """The equations at a trial state."""

    terms: np.ndarray            # (S + E, n) mol/m3 of bulk
    error: np.ndarray            # (K + 3, n) left sides; 0 for what a voxel does not hold
    scale: np.ndarray            # (K + 3, n) sums of absolute terms
    saturation: np.ndarray       # (M, n) ln Omega
    site: np.ndarray             # (n,) X
    site_slope: np.ndarray       # (n,) dX/dln a_H
    strength: np.ndarray         # (n,) I of the trial state
    absent: np.ndarray           # (K, n) components with no total
    bare: np.ndarray             # (n,) no exchanger

    def balanced(self, tolerance):
        """Voxels whose equations hold to `tolerance` of their absolute terms."""
        return np.all(np.abs(self.error) <= tolerance * self.scale, axis=0)


class Equations:
    """The equations of one chemical system, for many voxels at once.

    States y are (K + 3 + M, n) in the order of the unknowns above; active (M, n) says which
    minerals are held at saturation, the others at amount 0.
    """

    def __init__(self, chem):
        self.chem = chem
        K, S = len(chem.components), len(chem.species)
        E, M = len(chem.exchange), len(chem.minerals)
        self.K, self.S, self.E, self.M, self.H = K, S, E, M, chem.hydrogen

        def over_terms(of_species, of_exchange):
            return np.concatenate([np.broadcast_to(of_species, S), np.broadcast_to(of_exchange, E)])

        self.nu = np.vstack([chem.nu, chem.nu_x])
        self.nu_m = chem.nu_m
        sites, dissolved = over_terms(0, chem.z_x), over_terms(1, 0)
        ions = over_terms(chem.z**2, 0)
        constant = LN10 * over_terms(chem.log_k, chem.log_k_x) - np.log(over_terms(1, chem.z_x))
        # ln of the terms = action @ [ln a_k, ln x, ln a_w, davies(I), I, ln water, ln X, 1]
        self.action = np.column_stack([
            self.nu, sites, over_terms(chem.water, 0), LN10 * chem.debye_A * ions,
            -LN10 * over_terms(chem.linear - 0.3 * chem.debye_A * chem.z**2, 0), dissolved, 1 - dissolved, constant])
        # equations as sums over the terms, and their derivatives
        self.sums = np.column_stack([self.nu, sites, ions / 2, chem.water_activity * dissolved])
        growth = np.column_stack([self.nu, sites, self.action[:, K + 2:K + 4],
                                  over_terms(chem.water, 0), 1 - dissolved])
        products = (self.sums[:, :, None] * growth[:, None, :]).reshape(S + E, K + 3, K + 5)
        self._arrange(products)
        self.additive = np.all(self.nu >= 0, axis=0)

    def rarest(self, scale):
        """Scale of each mineral's amount: that of its scarcest component but H+; (M, n)."""
        parts = self.chem.nu_m != 0
        if self.H is not None:
            parts[:, self.H] = False
        return np.array([scale[:self.K][part].min(axis=0) for part in parts]).reshape(
            self.M, scale.shape[1])

    def residual(self, y, voxels, held=None):
        """The equations at y; with `held` (n,) given, X is cec + held, and I and a_w are y's."""
        K, H, chem = self.K, self.H, self.chem
        absent = voxels.total <= TRACE
        if H is not None:
            absent[H] = False
        lost = absent.any()
        u = np.where(absent, MISSING, y[:K]) if lost else y[:K]
        saturation = self.nu_m @ u + chem.water_m[:, None] * y[K + 2]
        saturation -= LN10 * chem.log_k_m[:, None]

        released, site_slope = np.zeros_like(voxels.cec), np.zeros_like(voxels.cec)
        if held is not None:
            released = held
        elif H is not None:
            line = -voxels.slope * (u[H] / LN10 + voxels.reference_pH)
            released = np.clip(line, voxels.least, voxels.most)
            site_slope = np.where(released == line, -voxels.slope / LN10, 0.0)
        X = voxels.cec + released
        bare = X <= 0
        I, a_w = np.exp(y[K + 1:K + 3])
        root = np.sqrt(I)
        factors = np.vstack([
            u, np.where(bare, 0.0, y[K]), y[K + 2], root / (1 + root) - 0.3 * I, I,
            np.log(voxels.water), np.where(bare, MISSING, np.log(np.where(bare, 1.0, X))),
            np.ones_like(I)])
        terms = np.exp(np.minimum(self.action @ factors, LARGEST))
        if lost:
            terms[(self.nu != 0) @ absent] = 0.0
            saturation[(self.nu_m != 0) @ absent] = -np.inf

        error = self.sums.T @ terms
        scale = np.empty_like(error)
        scale[:K] = np.abs(self.nu).T @ terms + np.abs(voxels.total)
        scale[K] = np.where(bare, 1.0, X)
        scale[K + 1] = error[K + 1] + voxels.water * (I + 1e-6)
        scale[K + 2] = voxels.water
        error[:K] -= voxels.total
        error[K:] -= X, voxels.water * I, voxels.water * (1 - a_w)
        if self.M:
            error[:K] += self.nu_m.T @ y[K + 3:]
            scale[:K] += np.abs(self.nu_m).T @ np.abs(y[K + 3:])
        if H is not None:
            error[H] -= released
            scale[H] += np.abs(released)
        error[K, bare] = 0.0
        if lost:
            error[:K][absent], scale[:K][absent] = 0.0, 1.0
        if held is not None:
            error[K + 1:] = 0.0
        return Residual(terms, error, scale, saturation, X, site_slope, I, absent, bare)

    def _arrange(self, products):
        """Order the elimination and pack the derivatives that are not always 0."""
        K, M = self.K, self.M
        size, count = K + 3 + M, len(products)
        linked = np.any(products != 0, axis=0)
        pattern = np.zeros((size, size), bool)
        pattern[:K + 3, :K + 1] = linked[:, :K + 1]
        pattern[:K + 3, K + 1] = linked[:, K + 1] | linked[:, K + 2]
        pattern[:K + 3, K + 2] = linked[:, K + 3]
        if self.H is not None:
            pattern[:K + 3, self.H] |= linked[:, K + 4]
            pattern[K, self.H] = True
        self.masters = _masters(self.nu_m != 0, self.H, self.chem.minerals)
        pattern[:K, K + 3:] = (self.nu_m != 0).T
        for m, k in enumerate(self.masters):             # the two rows may change places
            pattern[K + 3 + m] = pattern[k]
            pattern[k, :K] |= self.nu_m[m] != 0
            pattern[k, K + 2] |= self.chem.water_m[m] != 0
        pattern |= np.eye(size, dtype=bool)
        order = _order(pattern, list(range(K + 3, size)) + self.masters, [K, K + 1, K + 2])
        self.place = np.argsort(order)
        self.elimination = Elimination(pattern[np.ix_(order, order)])
        rows, columns = np.nonzero(linked[:, :K + 1])
        self.direct = np.ascontiguousarray(products[:, rows, columns].T)
        self.direct_at = self.place[rows], self.place[columns]
        self.indirect = products[:, :, K + 1:].transpose(2, 1, 0).reshape(-1, count)

    def step(self, y, active, voxels, r, damping=None):
        """Newton's change of y. damping (n,): as in Levenberg-Marquardt, and I, a_w, X held."""
        K, M, H, at = self.K, self.M, self.H, self.place
        size, n = K + 3 + M, y.shape[1]
        main = at[:K + 3]
        A = np.zeros((size, size + 1, n))
        A[self.direct_at] = self.direct @ r.terms
        A[main, -1] = -self._logarithmic(r, active, voxels)
        if damping is None:
            I, root = r.strength, np.sqrt(r.strength)
            davies = 0.5 * root / (1 + root)**2 - 0.3 * I     # d davies(I)/dln I
            ions, neutral, water, exchange = (self.indirect @ r.terms).reshape(4, K + 3, n)
            A[main, at[K + 1]] = davies * ions + I * neutral
            A[main, at[K + 2]] = water
            A[at[K + 1], at[K + 1]] -= voxels.water * I
            A[at[K + 2], at[K + 2]] += voxels.water * np.exp(y[K + 2])
            if H is not None:
                A[main, at[H]] += r.site_slope / np.where(r.bare, 1.0, r.site) * exchange
                A[at[[H, K]], at[H]] -= r.site_slope
        else:
            A[at[K + 1:K + 3]] = 0.0
            A[at[K + 1:K + 3], at[K + 1:K + 3]] = 1.0
            A[at[:K + 1], at[:K + 1]] *= 1 + damping
        A[at[:K], at[:K]] += r.absent + SMALLEST * r.scale[:K]
        A[at[K], at[K]] += r.bare + SMALLEST * r.scale[K]
        used = active.any(axis=1)
        for m in np.flatnonzero(used):
            A[at[:K], at[K + 3 + m]] = active[m] * self.nu_m[m][:, None]
        for m, k in enumerate(self.masters):
            row, own = at[K + 3 + m], at[k]
            if used[m]:                      # saturation takes the place of the master's balance
                on = active[m]
                A[row] = on * A[own]
                A[row, row] += ~on
                A[own] *= ~on
                A[own, at[:K]] += on * self.nu_m[m][:, None]
                if damping is None:
                    A[own, at[K + 2]] += on * self.chem.water_m[m]
                A[own, -1] -= np.where(on, r.saturation[m], 0.0)
            else:
                A[row, row] = 1.0
        skip = {at[K + 3 + m] for m in np.flatnonzero(~used)}
        return self.elimination.solve(A, skip)[at]

    def _logarithmic(self, r, active, voxels):
        """The errors, P ln(P/T) in place of P - T where the sum P has only positive terms.

        The same Newton step to first order, but exact where one term rules the sum.
        """
        K = self.K
        error = r.error.copy()
        target = np.vstack([voxels.total, r.site])
        P = error[:K + 1] + target
        plain = np.append(~self.additive, False)[:, None] | (P <= 0) | (target <= 0)
        if self.M:
            plain[:K] |= (self.nu_m != 0).T @ active
        P, target = np.where(plain, 1.0, P), np.where(plain, 1.0, target)
        error[:K + 1] = np.where(plain, error[:K + 1], P * np.log(P / target))
        return error


def _masters(involved, hydrogen, minerals):
    """For each mineral a component of its own, other than H+ (augmenting paths)."""
    owner = {}

    def claim(m, tried):
        for k in sorted(np.flatnonzero(involved[m]), key=lambda k: involved[:, k].sum()):
            if k != hydrogen and k not in tried:
                tried.add(k)
                if k not in owner or claim(owner[k], tried):
                    owner[k] = m
                    return True
        return False

    for m, name in enumerate(minerals):
        if not claim(m, set()):
            raise ValueError(f"mineral '{name}': shares all its components with other minerals, "
                             "leave one of them out")
    return [k for _, k in sorted((m, int(k)) for k, m in owner.items())]


def _order(pattern, first, last):
    """Elimination order: `first`, the others by growing number of neighbours, `last`."""
    links = pattern | pattern.T
    order = list(first)
    for p in first:
        links |= np.outer(links[:, p], links[p])
    rest = [p for p in range(len(links)) if p not in first and p not in last]
    while rest:
        later = rest + last
        p = min(rest, key=lambda q: links[q, later].sum())
        rest.remove(p)
        order.append(p)
        links |= np.outer(links[:, p], links[p])
    return order + last
