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

LN10 = np.log(10.0)
LITRES = 1000.0           # per m3
MISSING = -1.0e4          # stands for ln 0: exp(MISSING) is exactly 0
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
        ions, neutral = over_terms(chem.z**2, 0), over_terms(chem.z == 0, 0)
        constant = LN10 * over_terms(chem.log_k, chem.log_k_x) - np.log(over_terms(1, chem.z_x))
        # ln of the terms = action @ [ln a_k, ln x, ln a_w, davies(I), I, ln water, ln X, 1]
        self.action = np.column_stack([
            self.nu, sites, over_terms(chem.water, 0), LN10 * chem.davies_A * ions,
            -LN10 * chem.neutral * neutral, dissolved, 1 - dissolved, constant])
        # equations as sums over the terms, and their derivatives
        self.sums = np.column_stack([self.nu, sites, ions / 2, chem.water_activity * dissolved])
        growth = np.column_stack([self.nu, sites, self.action[:, K + 2:K + 4],
                                  over_terms(chem.water, 0), 1 - dissolved])
        self.products = (self.sums[:, :, None] * growth[:, None, :]).reshape(S + E, -1)
        self.additive = np.all(self.nu >= 0, axis=0)

    def residual(self, y, voxels, site=None):
        """The equations at y; with `site` given, X is held there and I and a_w at y's."""
        K, H, chem = self.K, self.H, self.chem
        absent = voxels.total <= 0
        if H is not None:
            absent[H] = False
        lost = absent.any()
        u = np.where(absent, MISSING, y[:K]) if lost else y[:K]
        saturation = self.nu_m @ u + chem.water_m[:, None] * y[K + 2]
        saturation -= LN10 * chem.log_k_m[:, None]

        released, site_slope = np.zeros_like(voxels.cec), np.zeros_like(voxels.cec)
        if site is not None:
            released = site
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
        scale[K + 1] = error[K + 1] + voxels.water * I
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
        if site is not None:
            error[K + 1:] = 0.0
        return Residual(terms, error, scale, saturation, X, site_slope, I, absent, bare)

    def step(self, y, active, voxels, r, damping=None):
        """Newton's change of y. damping (n,): as in Levenberg-Marquardt, and I, a_w, X held."""
        K, M, H = self.K, self.M, self.H
        n = y.shape[1]
        held = damping is not None
        G = (r.terms.T @ self.products).reshape(n, K + 3, K + 5)
        I, root, bare = r.strength, np.sqrt(r.strength), r.bare
        J = np.zeros((n, K + 3 + M, K + 3 + M))
        J[:, :K + 3, :K + 1] = G[:, :, :K + 1]
        if held:
            J[:, K + 1, :], J[:, K + 2, :] = 0.0, 0.0
            J[:, [K + 1, K + 2], [K + 1, K + 2]] = r.scale[K + 1:].T
        else:
            davies = 0.5 * root / (1 + root)**2 - 0.3 * I     # d davies(I)/dln I
            J[:, :K + 3, K + 1] = davies[:, None] * G[:, :, K + 1] + I[:, None] * G[:, :, K + 2]
            J[:, :K + 3, K + 2] = G[:, :, K + 3]
            J[:, K + 1, K + 1] -= voxels.water * I
            J[:, K + 2, K + 2] += voxels.water * np.exp(y[K + 2])
            if H is not None:
                growth = r.site_slope / np.where(bare, 1.0, r.site)
                J[:, :K + 3, H] += growth[:, None] * G[:, :, K + 4]
                J[:, [H, K], [H, H]] -= r.site_slope[:, None]
        b = np.empty((n, K + 3 + M))
        b[:, :K + 3] = -(self._logarithmic(r, active, voxels) / r.scale).T
        J[:, :K + 3] /= r.scale.T[:, :, None]
        diagonal = np.arange(K + 1)
        if held:
            J[:, diagonal, diagonal] *= 1 + damping[:, None]
        J[:, diagonal, diagonal] += np.vstack([r.absent, bare]).T + 1e-200
        for m in range(M):
            on, at = active[m].astype(float), K + 3 + m
            J[:, :K, at] = on[:, None] * (self.nu_m[m] / r.scale[:K].T)
            J[:, at, :K] = on[:, None] * self.nu_m[m]
            J[:, at, K + 2] = 0.0 if held else on * self.chem.water_m[m]
            J[:, at, at] = 1 - on
            b[:, at] = -np.where(active[m], r.saturation[m], y[at])
        return np.linalg.solve(J, b[..., None])[..., 0].T

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
