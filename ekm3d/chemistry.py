"""Chemical equilibrium of a voxel: water, exchanger and minerals from the components' totals.

Unknowns of a voxel: ln a of each component, ln x of the empty exchange site, ln I, ln a_w, and
the amount n_m of each mineral. Species follow from mass action, exchangers from Gaines-Thomas
with variable charge, activity coefficients from Davies (all logarithms natural, c in mol/l):

    ln c_s = ln K_s + sum_k nu_sk ln a_k + w_s ln a_w - ln gamma_s(I)
    n_e    = X/z_e K_e prod_k a_k^nu_ek x^z_e,        X = clip(cec + slope (pH - pH_ref))

and the unknowns from as many equations (amounts in mol per m3 of bulk):

    0 = theta sum_s nu_sk c_s + sum_e nu_ek n_e + sum_m nu_mk n_m - [k = H](X - cec) - total_k
    0 = sum_e z_e n_e - X
    0 = 1/2 sum_s z_s^2 c_s - I
    0 = 1 - w sum_s c_s - a_w
    0 = min(n_m, -ln Omega_m),       ln Omega_m = sum_k nu_mk ln a_k + w_m ln a_w - ln K_m

Counting the exchanger's own protons X - cec in total_H makes sum_k z_k total_k - cec the net
charge of a voxel, exactly. Damped Newton with the analytic Jacobian solves the system; the
ionic strength is one of its unknowns, so convergence is quadratic. With I, a_w and X fixed the
balances are the gradient of a convex function and the minerals its linear constraints: the
solution is unique, and a start without history (`cold`) finds it by adding and removing one
mineral at a time.
"""

from dataclasses import dataclass

import numpy as np

LN10 = np.log(10.0)
MISSING = -1.0e4          # stands for ln 0: exp(MISSING) is exactly 0
LITRES = 1000.0           # per m3


class ChemistryError(RuntimeError):
    """No equilibrium found: `voxels` are the flat indices, `total` (K, n) their totals [mol/m3]."""

    def __init__(self, reason, components, voxels, total):
        self.voxels, self.total = np.asarray(voxels), np.asarray(total)
        shown = ", ".join(f"{name} {value:.6g}" for name, value in zip(components, self.total.T[0]))
        super().__init__(f"{reason} in {self.voxels.size} voxel(s), first in voxel "
                         f"{self.voxels[0]} with totals [mol/m3] {shown}")


@dataclass(frozen=True)
class Sites:
    """The exchanger: cec + slope (pH - reference_pH), kept within `limits` times cec.

    cec [eq/m3 of bulk] and slope [eq/m3/pH] are numbers or one value per voxel.
    """

    cec: object = 0.0
    slope: object = 0.0
    reference_pH: float = 7.0
    limits: tuple = (0.3, 2.5)


@dataclass(frozen=True)
class Result:
    """Equilibrium of n voxels; `warm` starts the next call."""

    c: np.ndarray                # (S, n) species, mol per m3 of water
    exchanged: np.ndarray        # (E, n) mol per m3 of bulk
    solid: np.ndarray            # (M, n) minerals, mol per m3 of bulk
    site: np.ndarray             # (n,) X, eq per m3 of bulk
    ionic_strength: np.ndarray   # (n,) mol/l
    water_activity: np.ndarray   # (n,)
    pH: np.ndarray               # (n,) -log10 of the activity of H+; NaN in a system without it
    warm: np.ndarray             # (K + 3 + M, n) the unknowns
    iterations: np.ndarray       # (n,) Newton steps taken
    converged: np.ndarray        # (n,) bool


def acidity_from_neutrality(chem, total, cec=0.0):
    """total_H [mol/m3] that makes voxels neutral: cec - sum_{k != H} z_k total_k.

    total (K, ...) mol/m3 with any value in the row of H+; cec eq/m3.
    """
    others = np.array(chem.charge)
    others[chem.hydrogen] = 0.0
    return cec - np.tensordot(others, total, 1)


class Equilibrium:
    """Solves the equilibrium of many voxels of one chemical system."""

    chunk = 512               # voxels worked on at once: their matrices fit the cache
    warm_steps, cold_steps = 25, 300

    def __init__(self, chem, tolerance=1e-12):
        """tolerance: of every balance, relative to the sum of its absolute terms."""
        self.chem, self.tolerance = chem, tolerance
        K, S = len(chem.components), len(chem.species)
        E, M = len(chem.exchange), len(chem.minerals)
        self.K, self.S, self.E, self.M = K, S, E, M
        self.H = chem.hydrogen
        ions = np.concatenate([chem.z**2, np.zeros(E)])
        neutral = np.concatenate([chem.z == 0, np.zeros(E)])
        dissolved = np.concatenate([np.ones(S), np.zeros(E)])
        sites = np.concatenate([np.zeros(S), chem.z_x])
        water = np.concatenate([chem.water, np.zeros(E)])
        self.nu = np.vstack([chem.nu, chem.nu_x])
        constant = LN10 * np.concatenate([chem.log_k, chem.log_k_x])
        constant[S:] -= np.log(chem.z_x)
        # ln of the terms (theta c_s, n_e) = action @ [u, v, ln a_w, f(I), I, ln W, ln X, 1]
        self.action = np.column_stack([
            self.nu, sites, water, LN10 * chem.davies_A * ions, -LN10 * chem.neutral * neutral,
            dissolved, 1 - dissolved, constant])
        self.rows = np.column_stack([self.nu, sites, ions / 2, chem.water_activity * dissolved])
        columns = np.column_stack([self.nu, sites, self.action[:, K + 2:K + 4], water,
                                   1 - dissolved])
        self.products = (self.rows[:, :, None] * columns[:, None, :]).reshape(S + E, -1)
        self.involves = self.nu != 0
        self.involves_m = chem.nu_m != 0
        self.signless = np.all(self.nu >= 0, axis=0)

    def solve(self, total, theta, sites=Sites(), warm=None):
        """Equilibrium of n voxels: total (K, n) mol/m3 of bulk, theta (n,) m3 water per m3."""
        K, M = self.K, self.M
        total = np.asarray(total, float)
        n = total.shape[1]
        problem = self._problem(total, theta, sites)
        out = _Out(np.empty((self.S + self.E, n)), np.empty((K + 3 + M, n)), np.empty(n),
                   np.zeros(n, int), np.zeros(n, bool))
        for start in range(0, n, self.chunk):
            index = np.arange(start, min(start + self.chunk, n))
            if warm is not None:
                index = self._newton(problem, index, np.array(warm[:, index]), out, False)
            if index.size:
                index = self._newton(problem, index, self._cold(problem, index), out, True)
        failed = np.flatnonzero(~out.converged)
        if failed.size:
            raise ChemistryError("no equilibrium found", self.chem.components, failed,
                                 total[:, failed])
        water = np.exp(problem["lnw"])
        c = out.terms[:self.S] / water * LITRES
        return Result(c, out.terms[self.S:], out.y[K + 3:], out.site, 0.5e-3 * (self.chem.z**2 @ c),
                      np.exp(out.y[K + 2]), -out.y[self.H] / LN10, out.y, out.iterations,
                      out.converged)

    def _problem(self, total, theta, sites):
        n = total.shape[1]
        cec = np.broadcast_to(np.asarray(sites.cec, float), n)
        slope = np.broadcast_to(np.asarray(sites.slope, float), n)
        lnw = np.log(LITRES * np.broadcast_to(np.asarray(theta, float), n))
        return dict(total=total, lnw=lnw, cec=cec, slope=slope,
                    low=sites.limits[0] * cec, high=sites.limits[1] * cec,
                    ref=np.full(n, sites.reference_pH))

    def _cold(self, problem, index):
        K = self.K
        y = np.zeros((K + 3 + self.M, index.size))
        T = problem["total"][:, index] / np.exp(problem["lnw"][index])
        with np.errstate(divide="ignore"):
            y[:K] = np.maximum(np.log(np.maximum(T, 0)), -60) - 1
        if self.H is not None:
            y[self.H] = -7 * LN10
        y[K] = -3
        y[K + 1] = np.log(0.1)
        return y

    def _evaluate(self, y, active, p):
        K, S, H = self.K, self.S, self.H
        r = {}
        total = p["total"]
        absent = total <= 0
        if H is not None:
            absent[H] = False
        any_absent = absent.any()
        u = y[:K]
        if any_absent:
            u = np.where(absent, MISSING, u)
        I = np.exp(y[K + 1]); root = np.sqrt(I)
        si = self.chem.nu_m @ u + self.chem.water_m[:, None] * y[K + 2] - LN10 * self.chem.log_k_m[:, None]
        if any_absent:
            si = np.where(self.involves_m @ absent, -np.inf, si)
        raw = p["cec"] + p["slope"] * (-u[H] / LN10 - p["ref"]) if H is not None else p["cec"]
        X = np.clip(raw, p["low"], p["high"])
        dX = np.where(X == raw, -p["slope"] / LN10, 0.0)
        bare = X <= 0
        v = np.where(bare, 0.0, y[K])
        factors = np.vstack([u, v, y[K + 2], root / (1 + root) - 0.3 * I, I, p["lnw"],
                             np.where(bare, MISSING, np.log(np.where(bare, 1.0, X))), np.ones(len(I))])
        t = np.exp(np.minimum(self.action @ factors, 60.0))
        if any_absent:
            t[self.involves @ absent] = 0.0
        n = y[K + 3:]
        F = self.rows.T @ t
        F[:K] += self.chem.nu_m.T @ n
        P = F[:K].copy()
        F[:K] -= total
        W = np.exp(p["lnw"])
        aw = np.exp(y[K + 2])
        F[K] -= X
        F[K + 1] -= W * I
        F[K + 2] -= W * (1 - aw)
        scale = np.empty_like(F)
        scale[:K] = np.abs(self.nu).T @ t + np.abs(self.chem.nu_m).T @ np.abs(n) + np.abs(total)
        if H is not None:
            F[H] -= X - p["cec"]
            scale[H] += np.abs(X - p["cec"])
        scale[K] = np.where(bare, 1.0, X)
        scale[K + 1] = W * I + F[K+1]
        scale[K + 2] = W
        scale[:K][absent] = 1.0
        F[:K][absent] = 0
        F[K][bare] = 0
        return dict(t=t, F=F, scale=scale, si=si, X=X, dX=dX, I=I, root=root, P=P, absent=absent, bare=bare, W=W, aw=aw)

    def _newton(self, problem, index, y, out, cold):
        K, M, H = self.K, self.M, self.H
        N = K + 3 + M
        p = {k: v[..., index] for k, v in problem.items()}
        active = np.zeros((M, index.size), bool) if cold else y[K + 3:] > 0
        left = index
        frozen = np.full(index.size, cold)
        limit, last = np.full(index.size, self.limit), np.zeros_like(y)
        for step in range((self.cold_steps if cold else self.warm_steps) + 1):
            e = self._evaluate(y, active, p)
            si = e["si"]
            small = np.abs(e["F"]) <= 1e-6 * e["scale"]
            small[K + 1:] |= frozen
            loose = np.all(small, axis=0)
            good = ~frozen & np.all(np.abs(e["F"]) <= self.tolerance * e["scale"], axis=0)
            if M:
                nm = y[K + 3:]
                sat = np.abs(np.where(active, si, 0.0))
                loose &= np.all(sat < 1e-6, axis=0)
                sets = active.copy()
                if cold:
                    worst = np.argmin(np.where(active, nm, np.inf), axis=0); cols = np.arange(len(worst))
                    drop = loose & (np.where(active, nm, np.inf).min(axis=0) < 0)
                    sets[worst[drop], cols[drop]] = False
                    over = np.where(active, -np.inf, si)
                    best = np.argmax(over, axis=0)
                    add = loose & ~drop & (over.max(axis=0) > 1e-10)
                    sets[best[add], cols[add]] = True
                else:
                    sig = e["scale"][:K].max(axis=0)
                    sets = ((nm > 0) & (nm / sig + si > 0)) | ((nm <= 0) & (si > 1e-10))
                good &= np.all(sat <= 1e-10, axis=0) & np.all(sets == active, axis=0)
                settled = np.all(active == sets, axis=0)
                active = sets
                good &= np.all(active | (nm == 0), axis=0)
            if cold:
                thaw = frozen & loose & settled
                if thaw.any():
                    y[K + 1, thaw] = np.log(np.maximum((e["F"][K + 1] / e["W"] + e["I"])[thaw], 1e-12))
                    y[K + 2, thaw] = np.log(np.maximum((1-(e["F"][K + 2] / e["W"] - 1 + e["aw"]))[thaw], 0.3))
                    frozen &= ~thaw
                    e = self._evaluate(y, active, p)
            if good.any():
                done = left[good]
                out.terms[:, done] = e["t"][:, good]
                out.y[:, done] = y[:, good]
                out.site[done] = e["X"][good]
                out.iterations[done] += step
                out.converged[done] = True
                keep = ~good
                left = left[keep]
                if not left.size:
                    break
                frozen, limit, last = frozen[keep], limit[keep], last[:, keep]
                y, active = y[:, keep], active[:, keep]
                p = {k: v[..., keep] for k, v in p.items()}
                e = {k: v[..., keep] for k, v in e.items()}
            delta = self._step(y, active, p, e, frozen)
            size = np.abs(delta[:K + 3]).max(axis=0)
            f = np.minimum(1.0, limit / np.maximum(size, 1e-300))
            turn = (f * delta * last)[:K + 1].sum(axis=0)
            norm = np.sqrt(((f * delta)[:K+1]**2).sum(axis=0)) * np.sqrt((last[:K+1]**2).sum(axis=0))
            back = turn < -0.3 * norm
            limit = np.where(back & False, 0.5 * np.minimum(limit, size), np.where((turn > 0.3 * norm), np.minimum(2 * limit, self.limit), limit))
            f = np.minimum(1.0, limit / np.maximum(size, 1e-300))
            last = f * delta
            y = y + last
            if M:
                y[K + 3:][~active] = 0.0
        else:
            out.iterations[left] += step
        return left

    limit = 3.0

    def _step(self, y, active, p, e, frozen):
        K, M, H = self.K, self.M, self.H
        n = y.shape[1]
        N = K + 3 + M
        G = (e["t"].T @ self.products).reshape(n, K + 3, K + 5)
        J = np.zeros((n, N, N))
        I, root, W, X = e["I"], e["root"], e["W"], e["X"]
        J[:, :K + 3, :K + 1] = G[:, :, :K + 1]
        slope = 0.5 * root / (1 + root) ** 2 - 0.3 * I
        J[:, :K + 3, K + 1] = slope[:, None] * G[:, :, K + 1] + I[:, None] * G[:, :, K + 2]
        J[:, :K + 3, K + 2] = G[:, :, K + 3]
        if H is not None:
            J[:, :K + 3, H] += np.where(e["bare"], 0, e["dX"] / np.where(e["bare"], 1, X))[:, None] * G[:, :, K + 4]
            J[:, H, H] -= e["dX"]
            J[:, K, H] -= e["dX"]
        J[:, K + 1, K + 1] -= W * I
        J[:, K + 2, K + 2] += W * e["aw"]
        F = e["F"].copy()
        # logarithmic form
        touched = (np.abs(self.chem.nu_m).T @ active) > 0
        T, P = p["total"], e["P"]
        logform = ~touched & self.signless[:, None] & ~e["absent"] & (P > 0)
        with np.errstate(all="ignore"):
            F[:K] = np.where(logform, P * np.log(P / T), F[:K])
            S_ = F[K] + X
            F[K] = np.where(e["bare"] | (S_ <= 0), F[K], S_ * np.log(S_ / X))
        inv = 1 / e["scale"]
        J[:, :K + 3] *= inv.T[:, :, None]
        b = np.empty((n, N))
        b[:, :K + 3] = -(F * inv).T
        d = np.arange(K)
        J[:, d, d] += e["absent"].T + 1e-300
        J[:, K, K] += e["bare"]
        for m in range(M):
            on = active[m].astype(float)
            J[:, :K, K + 3 + m] = on[:, None] * self.chem.nu_m[m] * inv[:K].T
            J[:, K + 3 + m, :K] = on[:, None] * self.chem.nu_m[m]
            J[:, K + 3 + m, K + 2] = on * self.chem.water_m[m]
            J[:, K + 3 + m, K + 3 + m] = 1 - on
            b[:, K + 3 + m] = -np.where(active[m], e["si"][m], y[K + 3 + m])
        if frozen.any():
            J[frozen, K + 1:K + 3] = 0
            J[frozen, K + 1, K + 1] = J[frozen, K + 2, K + 2] = 1
            b[frozen, K + 1:K + 3] = 0
        try:
            return np.linalg.solve(J, b[..., None])[..., 0].T
        except np.linalg.LinAlgError:
            for i in range(n):
                try: np.linalg.solve(J[i],b[i])
                except np.linalg.LinAlgError:
                    np.set_printoptions(linewidth=200,precision=3)
                    print(i,J[i],b[i],y[:,i],p['total'][:,i]); print(e['t'][:,i]); raise


@dataclass
class _Out:
    terms: np.ndarray
    y: np.ndarray
    site: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
