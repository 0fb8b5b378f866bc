"""Slow reactions beside the fast ones: minerals with a rate law, and slow exchange sites.

Slow stores are kept apart from the totals T that equilibrate. Each process in turn takes the
others as frozen, so that it has one equilibrium of its own, n_eq, which its rate cannot change:

    mineral     n(t + dt) = n_eq + (n - n_eq) exp(-lambda dt),        T -= nu_m dn       [mol/m3]
    sites       e(t + dt) = f e_eq + (e - f e_eq) exp(-k dt),         T -= nu_x^T de - [H] dX

e: exchange species on the share f of the sites that is slow (two-site model, van Genuchten and
Wagenet 1989, Soil Sci. Soc. Am. J. 53, 1303), X = sum z_e e_e their charge. Every step is a mean
of now and then: none can overshoot at any dt, and where free energy is convex each lowers it. A
first-order law is exact for one process; a law that depends on the solution takes its lambda
from half-way, second order in dt. The order of the processes turns round with every step.
Minerals and exchange are neutral: the charge sum_k z_k T_k - cec of a voxel is not touched.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from ekm3d.chemistry.chemical_state import ChemicalState
from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.chemistry.ion_exchange import Sites
from ekm3d.chemistry.rate_laws import RateLaw, relaxed
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError, VoxelSolver
from ekm3d.grid.grid import Array
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.rock import Rock
from ekm3d.state import State

NEVER = 1.0e6       # log10 K of a mineral that takes no part: no water is saturated with it
LEFT = 1e-12        # share of a total that slow reactions leave: rounding stays above 0
LN10 = np.log(10.0)


def without(chem: ChemicalSystem, minerals: Iterable[int]) -> ChemicalSystem:
    """Return the system in which the minerals with these numbers cannot form."""
    log_k = chem.log_k_m.copy()
    log_k[list(minerals)] = NEVER
    return replace(chem, log_k_m=log_k)


class SlowProcess(Protocol):
    """A slow reaction: SlowMineral or SlowSites."""

    def start(self, s: State) -> None:
        """Take up the state at t = 0."""

    def advance(self, s: State, dt: float) -> None:
        """Advance totals and the slow amount from t to t + dt."""


class Kinetics:
    """All slow reactions of the ore.

    The amounts are the state's: s.kinetic_minerals and s.slow_sites (exchange species on slow
    sites), per volume of rock. Targets keep their warm starts here: they are not part of the state.
    """

    def __init__(self, voxels: OreVoxels, chem: ChemicalSystem, rock: Rock,
                 laws: Mapping[int, RateLaw], slow_sites: tuple[float, float] | None,
                 engine: Callable[[ChemicalSystem], EquilibriumSolver]):
        """laws: by number of the mineral; slow_sites: (share, rate [1/s]) or None; rock: cec of
        the fast sites, whole_cec with the slow ones; engine: makes a solver.
        """
        self.voxels, self.rock, self.chem, self.laws = voxels, rock, chem, laws
        self.domain, self.weighted_sum = voxels.domain, voxels.backend.weighted_sum
        fast = engine(without(chem, laws))
        self.processes: list[SlowProcess] = [
            SlowMineral(self, m, law, fast, engine(without(chem, set(laws) - {m})))
            for m, law in laws.items()]
        if slow_sites is not None:
            self.processes.append(SlowSites(self, *slow_sites, fast))

    def start(self, s: State) -> None:
        """Bring slow sites into equilibrium with the rest; minerals have their given amounts."""
        for process in self.processes:
            process.start(s)

    def advance(self, s: State, dt: float) -> None:
        """Advance totals and slow amounts from t to t + dt."""
        for process in self.processes[::-1 if s.step % 2 else 1]:
            process.advance(s, dt)

    def theta(self) -> Array:
        """Return the water content (n,) now."""
        return self.voxels.take(self.rock.water_content)

    def solve(self, engine: VoxelSolver, total: Array, sites: Sites,
              warm_start: Array | None) -> ChemicalState:
        """Return the equilibrium Result of all voxels; a ChemistryError names the place."""
        with self.domain.collective_errors(ChemistryError):
            try:
                return engine.solve_list(total, self.theta(), sites, warm_start)
            except ChemistryError as error:
                error.args = (f"slow reactions: {error}; at "
                              f"{self.voxels.places(error.voxels[:3])}",)
                raise

    def affordable(self, total: Array, taken: Array) -> Array:
        """Return the share (n,) of the amounts `taken` (K, n) that leaves every total above 0."""
        most = (1.0 - LEFT) * np.maximum(total, 0.0)
        over = taken > most
        if self.chem.hydrogen is not None:
            over[self.chem.hydrogen] = False
        return np.where(over, most / np.where(over, taken, 1.0), 1.0).min(axis=0)


class SlowMineral:
    """One mineral with a rate law."""

    def __init__(self, kinetics: Kinetics, m: int, law: RateLaw, fast: EquilibriumSolver,
                 goal: EquilibriumSolver):
        """fast: solver without any slow mineral; goal: with this one alone."""
        self.kinetics, self.m, self.law, self.fast, self.goal = kinetics, m, law, fast, goal
        self.voxels, self.chem, self.rock = kinetics.voxels, kinetics.chem, kinetics.rock
        self.nu = self.voxels.backend.from_numpy(self.chem.nu_m[m][:, None])
        self.warm_goal = self.warm_fast = self.first = None

    def start(self, s: State) -> None:
        """Record the initial amount, the reference of reactive surfaces."""
        self.first = self.voxels.take(s.kinetic_minerals[self.m])

    def advance(self, s: State, dt: float) -> None:
        """Advance the mineral and the totals from t to t + dt."""
        voxels, m, nu = self.voxels, self.m, self.nu
        n, total = voxels.take(s.kinetic_minerals[m]), voxels.take(s.totals)
        sites = voxels.sites(self.rock)
        found = self.kinetics.solve(self.goal, total + nu * n, sites, self.warm_goal)
        self.warm_goal, target = found.warm_start, found.solid[m]

        def applied_change(exponent):
            change = relaxed(n, target, exponent) - n
            return change * self.kinetics.affordable(total, nu * change)

        def constant(change):
            pH = saturation = None
            if self.law.depends:
                pH, saturation = self._solution(total - nu * change, sites)
            return self.law.constant(n + change, target, self.first, pH, saturation)

        speed = constant(np.zeros_like(n))
        if self.law.depends:
            speed = constant(applied_change(0.5 * dt * speed))
        change = applied_change(dt * speed)
        voxels.put(s.kinetic_minerals[m], n + change)
        voxels.put(s.totals, total - nu * change)

    def _solution(self, total, sites):
        """pH and ln Omega of the water with these totals."""
        found = self.kinetics.solve(self.fast, total, sites, self.warm_fast)
        self.warm_fast, chem, m = found.warm_start, self.chem, self.m
        ln_a = found.warm_start[:len(chem.components)]
        ln_a_w = found.warm_start[self.fast.equations.W]
        return found.pH, (self.kinetics.weighted_sum(chem.nu_m[m], ln_a) + chem.water_m[m] * ln_a_w
                          - LN10 * chem.log_k_m[m])


class SlowSites:
    """Share of the exchanger whose composition follows with a delay, all ions alike."""

    def __init__(self, kinetics: Kinetics, share: float, rate: float, engine: VoxelSolver):
        self.kinetics, self.share, self.rate, self.engine = kinetics, share, rate, engine
        self.voxels, self.chem, self.rock = kinetics.voxels, kinetics.chem, kinetics.rock
        self.weighted_sum = kinetics.weighted_sum
        self.warm_start = None

    def _capacity(self):
        """eq/m3 (n,) at the reference pH, of all exchangers together."""
        whole = self.voxels.take(self.rock.whole_cec)
        return self.share * whole.reshape(-1, whole.shape[-1]).sum(axis=0)

    def _charge(self, held):
        """eq/m3 (n,) of exchange species (E, n)."""
        return self.weighted_sum(self.chem.z_x, held)

    def _afforded(self, total, held):
        """Exchange species (E, n), reduced to the amount that the totals can give."""
        taken = self.weighted_sum(self.chem.nu_x.T, held)
        return held * self.kinetics.affordable(total, taken)

    def _content(self, held, protons):
        """Component totals (K, n) of exchange species (E, n) less protons released by sites."""
        content = self.weighted_sum(self.chem.nu_x.T, held)
        if self.chem.hydrogen is not None:
            content[self.chem.hydrogen] -= protons
        return content

    def _target(self, total):
        """Exchange species (E, n) on the slow sites in equilibrium."""
        sites = self.voxels.sites(self.rock, slow=True)
        found = self.kinetics.solve(self.engine, total, sites, self.warm_start)
        self.warm_start = found.warm_start
        return self.share * found.exchanged

    def start(self, s: State) -> None:
        """Move the slow sites' share out of the totals, which contain it at first."""
        voxels, total = self.voxels, self.voxels.take(s.totals)
        held = self._afforded(total, self._target(total))
        voxels.put(s.slow_sites, held)
        voxels.put(s.totals, total - self._content(held, self._charge(held) - self._capacity()))

    def advance(self, s: State, dt: float) -> None:
        """Advance the slow sites and the totals from t to t + dt."""
        voxels = self.voxels
        held, total = voxels.take(s.slow_sites), voxels.take(s.totals)
        bound = self._content(held, self._charge(held) - self._capacity())
        change = relaxed(held, self._target(total + bound), self.rate * dt) - held
        change = self._afforded(total, change)
        voxels.put(s.slow_sites, held + change)
        voxels.put(s.totals, total - self._content(change, self._charge(change)))
