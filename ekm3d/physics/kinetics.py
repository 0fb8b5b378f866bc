"""Slow reactions beside the fast ones: minerals with a rate law, and slow exchange sites.

What reacts slowly is kept apart from the totals T that equilibrate. Each process in turn sees the
others frozen, so that it has one equilibrium of its own, n_eq, which its rate cannot change:

    mineral     n(t + dt) = n_eq + (n - n_eq) exp(-lambda dt),        T -= nu_m dn       [mol/m3]
    sites       e(t + dt) = f e_eq + (e - f e_eq) exp(-k dt),         T -= nu_x^T de - [H] dX

e: exchange species on the share f of the sites that is slow (two-site model, van Genuchten and
Wagenet 1989, Soil Sci. Soc. Am. J. 53, 1303), X = sum z_e e_e their charge. Every step is a mean
of now and then: none can overshoot at any dt, and where free energy is convex each lowers it. A
first-order law is exact for one process; a law that depends on the solution takes its lambda
from half-way, second order in dt. The order of the processes turns round with every step.
Minerals and exchange are neutral: the charge sum_k z_k T_k - cec of a voxel is not touched.
"""

from dataclasses import replace

import numpy as np

from ekm3d.chemistry.equilibrium import ChemistryError
from ekm3d.chemistry.rate_laws import relaxed

NEVER = 1.0e6       # log10 K of a mineral that takes no part: no water is saturated with it
LEFT = 1e-12        # of a component's total, which no slow reaction takes: rounding stays above 0
LN10 = np.log(10.0)


def without(chem, minerals):
    """The chemistry in which the minerals with these numbers cannot form."""
    log_k = chem.log_k_m.copy()
    log_k[list(minerals)] = NEVER
    return replace(chem, log_k_m=log_k)


class Kinetics:
    """All slow reactions of the ore; one verb.

    The amounts are the state's: s.kinetic_minerals and s.slow_sites (exchange species on slow sites),
    per volume of rock. Targets keep their warm starts here: they are not part of the state.
    """

    def __init__(self, voxels, chem, rock, laws, slow_sites, engine):
        """laws: {number of a mineral: law}; slow_sites: (share, rate [1/s]) or None; rock: "cec"
        of the fast sites, "whole_cec" with the slow ones; engine: makes a solver of a Chemistry.
        """
        self.voxels, self.rock, self.chem, self.laws = voxels, rock, chem, laws
        self.weighted_sum = voxels.backend.weighted_sum
        fast = engine(without(chem, laws))
        self.processes = [
            SlowMineral(self, m, law, fast, engine(without(chem, set(laws) - {m})))
            for m, law in laws.items()]
        if slow_sites is not None:
            self.processes.append(SlowSites(self, *slow_sites, fast))

    def start(self, s):
        """Slow sites in equilibrium with the rest; minerals have their given amounts."""
        for process in self.processes:
            process.start(s)

    def advance(self, s, dt):
        """Totals and slow amounts from t to t + dt."""
        for process in self.processes[::-1 if s.step % 2 else 1]:
            process.advance(s, dt)

    def theta(self):
        """Water content (n,) now."""
        return self.voxels.take(self.rock["water_content"])

    def solve(self, engine, total, sites, warm_start):
        """Cells of all voxels in equilibrium, with the place in what it may complain about."""
        with self.voxels.domain.collective_errors(ChemistryError):
            try:
                return engine.solve_list(total, self.theta(), sites, warm_start)
            except ChemistryError as error:
                error.args = (f"slow reactions: {error}; at "
                              f"{self.voxels.places(error.voxels[:3])}",)
                raise

    def affordable(self, total, taken):
        """Share (n,) of what is to be taken (K, n) that leaves every total above 0."""
        most = (1.0 - LEFT) * np.maximum(total, 0.0)
        over = taken > most
        if self.chem.hydrogen is not None:
            over[self.chem.hydrogen] = False
        return np.where(over, most / np.where(over, taken, 1.0), 1.0).min(axis=0)


class SlowMineral:
    """One mineral with a rate law."""

    def __init__(self, kinetics, m, law, fast, goal):
        """fast: solver without any slow mineral; goal: with this one alone."""
        self.kinetics, self.m, self.law, self.fast, self.goal = kinetics, m, law, fast, goal
        self.nu = kinetics.voxels.backend.from_numpy(kinetics.chem.nu_m[m][:, None])
        self.warm_goal = self.warm_fast = self.first = None

    def start(self, s):
        """Note what there is at the beginning, which surfaces are counted from."""
        self.first = self.kinetics.voxels.take(s.kinetic_minerals[self.m])

    def advance(self, s, dt):
        voxels, m, nu = self.kinetics.voxels, self.m, self.nu
        n, total = voxels.take(s.kinetic_minerals[m]), voxels.take(s.totals)
        sites = voxels.sites(self.kinetics.rock)
        found = self.kinetics.solve(self.goal, total + nu * n, sites, self.warm_goal)
        self.warm_goal, target = found.warm_start, found.solid[m]

        def moved(exponent):
            change = relaxed(n, target, exponent) - n
            return change * self.kinetics.affordable(total, nu * change)

        def constant(change):
            pH = saturation = None
            if self.law.depends:
                pH, saturation = self._solution(total - nu * change, sites)
            return self.law.constant(n + change, target, self.first, pH, saturation)

        speed = constant(np.zeros_like(n))
        if self.law.depends:
            speed = constant(moved(0.5 * dt * speed))
        change = moved(dt * speed)
        voxels.put(s.kinetic_minerals[m], n + change)
        voxels.put(s.totals, total - nu * change)

    def _solution(self, total, sites):
        """pH and ln Omega of the water that holds these totals."""
        found = self.kinetics.solve(self.fast, total, sites, self.warm_fast)
        self.warm_fast, chem, m = found.warm_start, self.kinetics.chem, self.m
        ln_a, ln_a_w = found.warm_start[:len(chem.components)], found.warm_start[self.fast.equations.W]
        return found.pH, (self.kinetics.weighted_sum(chem.nu_m[m], ln_a) + chem.water_m[m] * ln_a_w
                          - LN10 * chem.log_k_m[m])


class SlowSites:
    """The share of the exchanger whose composition follows with a delay, all ions alike."""

    def __init__(self, kinetics, share, rate, engine):
        self.kinetics, self.share, self.rate, self.engine = kinetics, share, rate, engine
        self.warm_start = None

    def _capacity(self):
        """eq/m3 (n,) at the reference pH, of all exchangers together."""
        whole = self.kinetics.voxels.take(self.kinetics.rock["whole_cec"])
        return self.share * whole.reshape(-1, whole.shape[-1]).sum(axis=0)

    def _charge(self, held):
        """eq/m3 (n,) of exchange species (E, n)."""
        return self.kinetics.weighted_sum(self.kinetics.chem.z_x, held)

    def _afforded(self, total, held):
        """As much of the exchange species (E, n) as the totals can give."""
        taken = self.kinetics.weighted_sum(self.kinetics.chem.nu_x.T, held)
        return held * self.kinetics.affordable(total, taken)

    def _content(self, held, protons):
        """Component totals (K, n) of exchange species (E, n) and of protons that sites gave off."""
        chem = self.kinetics.chem
        content = self.kinetics.weighted_sum(chem.nu_x.T, held)
        if chem.hydrogen is not None:
            content[chem.hydrogen] -= protons
        return content

    def _target(self, total):
        """Exchange species (E, n) on the slow sites in equilibrium."""
        sites = self.kinetics.voxels.sites(self.kinetics.rock, "whole_cec", "whole_slope")
        found = self.kinetics.solve(self.engine, total, sites, self.warm_start)
        self.warm_start = found.warm_start
        return self.share * found.exchanged

    def start(self, s):
        """Part what slow sites hold from totals that count it in."""
        voxels, total = self.kinetics.voxels, self.kinetics.voxels.take(s.totals)
        held = self._afforded(total, self._target(total))
        voxels.put(s.slow_sites, held)
        voxels.put(s.totals, total - self._content(held, self._charge(held) - self._capacity()))

    def advance(self, s, dt):
        voxels = self.kinetics.voxels
        held, total = voxels.take(s.slow_sites), voxels.take(s.totals)
        bound = self._content(held, self._charge(held) - self._capacity())
        change = relaxed(held, self._target(total + bound), self.rate * dt) - held
        change = self._afforded(total, change)
        voxels.put(s.slow_sites, held + change)
        voxels.put(s.totals, total - self._content(change, self._charge(change)))
