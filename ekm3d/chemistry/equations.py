"""Equations of a voxel's chemical equilibrium: residual, Jacobian and Newton step.

Unknowns: ln a_k of each component, ln x of each exchanger's empty site, ln q of each Vanselow
exchanger, ln I, ln a_w, and the amount n_p of each phase (minerals, then gases at fixed pressure).
Species follow from mass action, exchange species from `ion_exchange`, activity coefficients from
`activity` (c and I in mol/l, amounts per m3 of bulk):

    ln c_s = ln K_s + sum_k nu_sk ln a_k + w_s ln a_w - ln gamma_s(I)
    n_e    = (X_i or q_i) K_e' prod_k a_k^nu_ek x_i^z_e,     X_i = clip(cec_i + slope (pH - pH_ref))

and the unknowns satisfy as many equations:

    0 = theta sum_s nu_sk c_s + sum_e nu_ek n_e + sum_p nu_pk n_p - [k = H] sum_i (X_i - cec_i)
        - total_k
    0 = sum_e z_e n_e - X_i,     0 = sum_e n_e - q_i          over the species of exchanger i
    0 = 1/2 sum_s z_s^2 c_s - I
    0 = a_w - 1 + w sum_s c_s
    0 = min(n_p, -ln Omega_p) for a mineral,     0 = ln Omega_p for a gas

The amounts theta c_s and n_e are called terms. The protons X - cec of an exchanger itself count
in total_H, so that sum_k z_k total_k - sum_i cec_i is the net charge of the voxel, exactly.

The matrix has one pattern for all voxels, so its elimination is a fixed list of instructions
(see `sparse_lu`). The work of a thread for one voxel: the terms, one exponential each; sums over
products of stoichiometric coefficients, constants of the system; the elimination of a matrix of
fixed size. Where a mineral is present its saturation replaces the balance of one component, its
master, which moves to the row of the mineral's amount: a copy and a select, no search. Only
minerals that compete for the same components need more than one such pivot order: one for the
voxels whose minerals fit it, and one for every other set that occurs.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry.activity import LN10, Activity
from ekm3d.chemistry.ion_exchange import Columns, Exchangers, Voxels
from ekm3d.chemistry.phases import Phases, groups
from ekm3d.chemistry.sparse_lu import SparseLU, elimination_order
from ekm3d.chemistry.system import ChemicalSystem

LITRES = 1000.0           # per m3
MISSING = -1.0e4          # stands for ln 0: exp(MISSING) is exactly 0
SMALLEST = 1.0e-100       # relative; added to pivots in case all their terms underflow
TRACE = 1e-250            # mol/m3, below which a component counts as absent
SATURATED = 1e-10         # ln Omega that counts as 0
LARGEST = 60.0            # ln of a term [mol/m3], above any solution's; keeps exp finite


@dataclass
class Residual(Columns):
    """Residual of the equations at a trial state."""

    terms: np.ndarray            # (S + E, n) mol/m3 of bulk
    error: np.ndarray            # (B, n) right sides; 0 for components and sites that are absent
    scale: np.ndarray            # (B, n) sums of absolute terms
    saturation: np.ndarray       # (P, n) ln Omega
    site: np.ndarray             # (N, n) X
    site_slope: np.ndarray       # (N, n) dX/dln a_H
    strength: np.ndarray         # (n,) I of the trial state
    absent: np.ndarray           # (K, n) components with no total
    bare: np.ndarray             # (N, n) no exchanger

    def balanced(self, tolerance: float) -> np.ndarray:
        """Return the voxels (n,) whose equations hold to `tolerance` of their absolute terms."""
        return np.all(np.abs(self.error) <= tolerance * self.scale, axis=0)


class Equations:
    """Equations of one chemical system, for many voxels at once.

    Unknowns y are (B + P, n), B in the order of the module's text and P amounts; active (P, n) is
    True for phases at saturation, False for those of amount 0.

    Attributes: K components, S species, E exchange species, N exchangers, M minerals; H number of
    the component H+ or None; rows of the unknowns: Q first ln q, I ln I, W ln a_w, B first amount.
    Tables by term (S + E rows): nu (K columns) components; action, sums, products, watered: see
    the comments; pivot_order: the PivotOrder of most voxels.
    """

    def __init__(self, chem: ChemicalSystem):
        self.chem, self.H = chem, chem.hydrogen
        self.activity, self.exchangers = Activity(chem), Exchangers(chem)
        self.phases = Phases(chem)
        ex = self.exchangers
        K, S, E = len(chem.components), len(chem.species), len(chem.exchange)
        N, V = ex.count, len(ex.vanselow)
        self.K, self.S, self.E, self.M, self.N = K, S, E, self.phases.M, N
        self.Q = K + N
        self.I, self.W, self.B = K + N + V, K + N + V + 1, K + N + V + 2

        def over_terms(of_species, of_exchange):
            """Return a table whose rows are the terms; a number stands for all rows."""
            width = np.shape(np.asarray(of_species))[1:] or np.shape(np.asarray(of_exchange))[1:]
            return np.concatenate([np.broadcast_to(of_species, (S, *width)),
                                   np.broadcast_to(of_exchange, (E, *width))])

        self.nu = over_terms(chem.nu, ex.nu)
        sites, sums = over_terms(0, ex.on * ex.z[:, None]), over_terms(0, ex.scaled_by_sum)
        water, dissolved = over_terms(chem.water, 0), over_terms(1, 0)
        # ln of the terms = action @ [ln a_k, ln x, ln q, ln a_w, factors(I), ln water, ln X, 1]
        self.action = np.column_stack([
            self.nu, sites, sums, water,
            over_terms(self.activity.action, self.activity.exchange), dissolved,
            over_terms(0, ex.scaled_by_charge), over_terms(LN10 * chem.log_k, ex.constant)])
        # equations as sums over the terms, and their derivatives
        self.sums = np.column_stack([self.nu, sites, sums, over_terms(chem.z**2 / 2, 0),
                                     chem.water_activity * dissolved])
        growth = self.action[:, :self.I]
        self.products = self.sums[:, :, None] * growth[:, None, :]
        self.watered = (self.sums * water[:, None]).T
        self._sums = {name: WeightedSum(weights) for name, weights in (
            ("action", self.action), ("sums", self.sums.T), ("sizes", np.abs(self.nu).T),
            ("watered", self.watered), ("of_species", self.sums[:S].T),
            ("of_exchange", self.sums[S:].T), ("growth", self.activity.action),
            ("growth_x", self.activity.exchange),
            ("by_charge", ex.scaled_by_charge), ("saturation", self.phases.nu),
            ("in_phases", self.phases.nu.T), ("in_phases_sizes", np.abs(self.phases.nu).T))}
        self.additive = np.all(self.nu >= 0, axis=0)
        self.may_lack = ~np.any(self.phases.nu[self.phases.gas] != 0, axis=0)
        if self.H is not None:
            self.may_lack[self.H] = False
        self.pivot_order = PivotOrder(self, *self.phases.masters())
        self._other_orders: dict[bytes, PivotOrder] = {}     # by active phases that do not fit

    def mineral_scale(self, scale: np.ndarray) -> np.ndarray:
        """Return the scale (M, n) of each mineral's amount: of its scarcest component but H+."""
        parts = self.chem.nu_m != 0
        if self.H is not None:
            parts[:, self.H] = False
        return np.array([scale[:self.K][part].min(axis=0) for part in parts]).reshape(
            self.M, scale.shape[1])

    def absent(self, total: np.ndarray) -> np.ndarray:
        """Return the components (K, n) without a total: neither acidity nor supplied by a gas."""
        return (total <= TRACE) & self.may_lack[:, None]

    def residual(self, y: np.ndarray, voxels: Voxels, fixed_pH: np.ndarray | None = None
                 ) -> Residual:
        """Return the Residual at y; with fixed_pH (n,), X is that at this pH, and q, I and a_w
        are not unknowns."""
        K, H, Q, phases = self.K, self.H, self.Q, self.phases
        absent = self.absent(voxels.total)
        any_absent = absent.any()
        u = np.where(absent, MISSING, y[:K]) if any_absent else y[:K]
        weighted = self._sums
        saturation = (weighted["saturation"](u) + phases.water[:, None] * y[self.W]
                      - phases.constant[:, None])

        released, site_slope = np.zeros_like(voxels.cec), np.zeros_like(voxels.cec)
        if fixed_pH is not None:
            released, _ = voxels.released(fixed_pH)
        elif H is not None:
            released, variable = voxels.released(-u[H] / LN10)
            site_slope = np.where(variable, -voxels.slope / LN10, 0.0)
        X = voxels.cec + released
        bare = X <= 0
        empty = bare[self.exchangers.vanselow]
        q = np.where(empty, 0.0, np.exp(y[Q:self.I]))
        strength, a_w = np.exp(y[self.I:self.B])
        factors = np.vstack([
            u, np.where(bare, 0.0, y[K:Q]), np.where(empty, MISSING, y[Q:self.I]), y[self.W],
            self.activity.factors(strength), np.log(voxels.water),
            np.where(bare, MISSING, np.log(np.where(bare, 1.0, X))), np.ones_like(strength)])
        terms = np.exp(np.minimum(weighted["action"](factors), LARGEST))
        if any_absent:
            terms[(self.nu != 0) @ absent] = 0.0
            saturation[(phases.nu != 0) @ absent] = -np.inf

        error = weighted["sums"](terms)
        scale = np.empty_like(error)
        scale[:K] = weighted["sizes"](terms) + np.abs(voxels.total)
        scale[K:Q] = np.where(bare, 1.0, X)
        scale[Q:self.I] = np.where(empty, 1.0, q)
        scale[self.I] = error[self.I] + voxels.water * (strength + 1e-6)
        scale[self.W] = voxels.water
        error[:K] -= voxels.total
        error[K:Q] -= X
        error[Q:self.I] -= q
        error[self.I:] -= voxels.water * strength, voxels.water * (1 - a_w)
        if phases.count:
            error[:K] += weighted["in_phases"](y[self.B:])
            scale[:K] += weighted["in_phases_sizes"](np.abs(y[self.B:]))
        if H is not None:
            error[H] -= sum_rows(released)
            scale[H] += sum_rows(np.abs(released))
        error[K:Q][bare] = 0.0
        if any_absent:
            error[:K][absent], scale[:K][absent] = 0.0, 1.0
        if fixed_pH is not None:
            error[Q:] = 0.0
        return Residual(terms, error, scale, saturation, X, site_slope, strength, absent, bare)

    def step(self, y: np.ndarray, active: np.ndarray, voxels: Voxels, r: Residual,
             damping: np.ndarray | None = None) -> np.ndarray:
        """Return the Newton step (B + P, n).

        damping (n,): that of Levenberg-Marquardt, with q, I, a_w and X fixed.
        """
        parts = list(self._by_pivot_order(active))
        if len(parts) == 1:
            return self._step(parts[0][0], y, active, voxels, r, damping)
        change = np.empty_like(y)
        for order, part in parts:
            change[:, part] = self._step(
                order, y[:, part], active[:, part], voxels.take(part), r.take(part),
                None if damping is None else damping[part])
        return change

    def _by_pivot_order(self, active):
        """Yield (PivotOrder, voxels) for all voxels; the order depends on active phases only."""
        usual, left = self.pivot_order, np.arange(active.shape[1])
        if not usual.left_out.size:
            yield usual, left
            return
        fits = usual.fits(active)
        if fits.any():
            yield usual, left[fits]
        left = left[~fits]
        if left.size:
            for group in groups(active[:, left]):
                present = active[:, left[group[0]]]
                if present.tobytes() not in self._other_orders:
                    self._other_orders[present.tobytes()] = PivotOrder(
                        self, *self.phases.masters(present))
                yield self._other_orders[present.tobytes()], left[group]

    def _step(self, order, y, active, voxels, r, damping):
        """Return `step` for voxels whose active phases fit one PivotOrder."""
        size, at = self.B + self.phases.count, order.position
        A = np.zeros((size, size + 1, y.shape[1]))
        A[order.direct_at] = order.direct(r.terms)
        A[at[:self.B], -1] = -self._logarithmic(r, active, voxels)
        self._differentiate(A, at, y, voxels, r, damping)
        skip = self._insert_phases(A, order, active, r, damping)
        return order.lu.solve(A, skip)[at]

    def _differentiate(self, A, at, y, voxels, r, damping):
        """Add to A the derivatives that are not direct; see PivotOrder."""
        K, Q, H, S, B, weighted = self.K, self.Q, self.H, self.S, self.B, self._sums
        main = at[:B]
        if damping is None:
            growth = weighted["growth"](self.activity.slopes(r.strength))       # -d ln gamma/d ln I
            A[main, at[self.I]] = weighted["of_species"](growth * r.terms[:S])
            if self.activity.exchange.any():
                growth = weighted["growth_x"](self.activity.slopes(r.strength))
                A[main, at[self.I]] += weighted["of_exchange"](growth * r.terms[S:])
            A[main, at[self.W]] = weighted["watered"](r.terms)
            A[at[self.I], at[self.I]] -= voxels.water * r.strength
            A[at[self.W], at[self.W]] += voxels.water * np.exp(y[self.W])
            if H is not None:
                by_site = r.site_slope / np.where(r.bare, 1.0, r.site)
                A[main, at[H]] += weighted["of_exchange"](
                    weighted["by_charge"](by_site) * r.terms[S:])
                A[at[H], at[H]] -= sum_rows(r.site_slope)
                A[at[K:Q], at[H]] -= r.site_slope
            for v, i in enumerate(self.exchangers.vanselow):
                A[at[Q + v], at[Q + v]] += np.where(r.bare[i], 1.0, -np.exp(y[Q + v]))
        else:
            A[at[Q:B]] = 0.0
            A[at[Q:B], at[Q:B]] = 1.0
            A[at[:Q], at[:Q]] *= 1 + damping
        A[at[:K], at[:K]] += r.absent + SMALLEST * r.scale[:K]
        A[at[K:Q], at[K:Q]] += r.bare + SMALLEST * r.scale[K:Q]

    def _insert_phases(self, A, order, active, r, damping):
        """Insert the phases' saturation into A; return the pivots with nothing below them."""
        K, B, at, phases, used = self.K, self.B, order.position, self.phases, active.any(axis=1)
        for p in order.left_out:
            A[at[B + p], at[B + p]] = 1.0
        for p in np.flatnonzero(used):
            A[at[:K], at[B + p]] = active[p] * phases.nu[p][:, None]
        for p, k in zip(order.phases, order.masters, strict=True):
            row, own = at[B + p], at[k]
            if used[p]:                      # saturation replaces the master's balance
                on = active[p]
                A[row] = on * A[own]
                A[row, row] += ~on
                A[own] *= ~on
                A[own, at[:K]] += on * phases.nu[p][:, None]
                if damping is None:
                    A[own, at[self.W]] += on * phases.water[p]
                A[own, -1] -= np.where(on, r.saturation[p], 0.0)
            else:
                A[row, row] = 1.0
        return {at[B + p] for p in range(phases.count) if not used[p]}

    def _logarithmic(self, r, active, voxels):
        """Return the errors (B, n), P ln(P/T) for P - T where the sum P has positive terms only.

        The same Newton step to first order, but exact where one term dominates the sum.
        """
        K, Q = self.K, self.Q
        error = r.error.copy()
        target = np.vstack([voxels.total, r.site])
        P = error[:Q] + target
        plain = np.append(~self.additive, np.zeros(Q - K, bool))[:, None] | (P <= 0) | (target <= 0)
        if self.phases.count:
            plain[:K] |= (self.phases.nu != 0).T @ active
        P, target = np.where(plain, 1.0, P), np.where(plain, 1.0, target)
        error[:Q] = np.where(plain, error[:Q], P * np.log(P / target))
        return error


class PivotOrder:
    """Elimination order for voxels whose active phases are among some of the phases.

    Attributes: phases and their masters; left_out: the other phases, active in none of these
    voxels; together: True where all of the phases must be active; position (B + P,): row and
    column of each unknown; direct, direct_at: derivatives that are sums of constants times terms,
    packed, and their rows and columns; lu: the SparseLU.
    """

    def __init__(self, equations: Equations, phases: list[int], masters: list[int],
                 together: bool):
        q, K, B = equations, equations.K, equations.B
        nu, water = q.phases.nu, q.phases.water
        self.phases, self.masters, self.together = phases, masters, together
        self.left_out = np.setdiff1d(np.arange(q.phases.count), phases)
        pattern = self._pattern(q)
        for p in phases:
            pattern[:K, B + p] = nu[p] != 0
        for p, k in zip(phases, masters, strict=True):    # the two rows may change places
            pattern[B + p] = pattern[k]
            pattern[k, :K] |= nu[p] != 0
            pattern[k, q.W] |= water[p] != 0
        pattern |= np.eye(len(pattern), dtype=bool)
        first = [B + p for p in [*self.left_out, *phases]] + masters
        order = elimination_order(pattern, first, list(range(K, B)))
        self.position = np.argsort(order)
        self.lu = SparseLU(pattern[np.ix_(order, order)])
        rows, columns = np.nonzero(np.any(q.products != 0, axis=0))
        self.direct = WeightedSum(q.products[:, rows, columns].T)
        self.direct_at = self.position[rows], self.position[columns]

    def fits(self, active: np.ndarray) -> np.ndarray:
        """Return the voxels (n,) whose active phases (P, n) allow this order."""
        fits = np.asarray(~active[self.left_out].any(axis=0))
        return fits & active[self.phases].all(axis=0) if self.together else fits

    @staticmethod
    def _pattern(q):
        """Return where derivatives of the balances, but by amounts, may differ from 0."""
        pattern = np.zeros((q.B + q.phases.count,) * 2, bool)

        def couples(growth):
            return np.any((q.sums != 0) & (growth != 0)[:, None], axis=0)

        pattern[:q.B, :q.I] = np.any(q.products != 0, axis=0)
        ions = np.abs(np.vstack([q.activity.action, q.activity.exchange])).sum(axis=1)
        pattern[:q.B, q.I] = couples(ions)
        pattern[:q.B, q.W] = np.any(q.watered != 0, axis=1)
        if q.H is not None:
            pattern[:q.B, q.H] |= couples(np.append(np.zeros(q.S), np.ones(q.E)))
            pattern[q.K:q.Q, q.H] = True
        return pattern
