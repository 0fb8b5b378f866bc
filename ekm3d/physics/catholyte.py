"""Catholytes: ions, base and water that reach the cathodes.

Every cathode strip owns one well-mixed tank of constant volume. Each step, in this order, the
fast before the slow: air and dosed acid come in (`catholyte_treatment`), the plate captures REE
hydroxide in its alkaline film, the rest equilibrates, suspended solids settle on the plate, and
the drain takes its share of the remainder, dissolved and suspended. Dosed acid then makes up for
what the drain has taken of it.

    capture    d n_k/dt = k_pl (I/A) c_k A, at most 3 mol OH- made per mol of M3+   [mol/s]
    settling   d n_m/dt = k_dep,m n_m                                               [mol/s]

Two rules say what the plate can hold of c_k. `film` "catholyte": all of it, but nothing while the
catholyte is acid (pH below 7 before or after transport has filled it, and the hydroxide not among
its suspended solids). "current": what is hydroxide in the water at the plate. Water comes to the
plate with the velocity k_pl i, and the current makes i/F of base there, so that this water is
catholyte with 1/(F k_pl) mol/m3 of base, at any current; its acid and Al take their part of that
first (equilibrium in the layer at a cathode: Monk and others 1997, J. Chem. Soc. Faraday Trans. 93,
3991). Base that is left over mixes with the catholyte.
"""

import numpy as np

from ekm3d.boundaries.treatment import Air, Conditioning
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError, VoxelSolver
from ekm3d.constants import FARADAY
from ekm3d.physics.catholyte_treatment import Treatment
from ekm3d.state import State

NEUTRAL = 7.0     # pH above which the cathode's film is alkaline


def sum_over_strips(amounts: np.ndarray) -> np.ndarray:
    """Return the sum (components,) of amounts (components, strips), strip after strip."""
    return sum(amounts.T, np.zeros(len(amounts)))


class Catholytes:
    """All tanks of a run, including those of strips that are idle or anodes now.

    left, absorbed, dosed: (components, strips) drained, taken up from gases and the air, and dosed
    in the last step [mol]; treatment: None without air and dosing.
    """

    def __init__(self, chem: ChemicalSystem, engine: VoxelSolver, volume: np.ndarray,
                 capture: float, deposition: float | np.ndarray, air: Air | None = None,
                 conditioning: Conditioning | None = None, film: str = "catholyte"):
        """engine: equilibrium solver; volume (strips,) m3; capture m/s per A/m2.

        deposition: (minerals,) or one for all [1/s]; air, conditioning: of all tanks; film: whose
        base it needs, "catholyte" or "current".
        """
        self.chem, self.engine = chem, engine
        self.volume, self.capture, self.film = volume, capture, film
        self.deposition = np.broadcast_to(deposition, len(chem.minerals))
        self.tanks = np.flatnonzero(volume > 0)                     # strips that have one
        self.hydroxides = chem.hydroxides("REE")
        self.suspended = np.zeros((len(chem.minerals), self.tanks.size))    # mol/m3
        self.left = np.zeros((len(chem.components), volume.size))
        self.absorbed, self.dosed = np.zeros_like(self.left), np.zeros_like(self.left)
        self.treatment = None if air is None and conditioning is None else Treatment(
            chem, volume[self.tanks], air, conditioning)

    def advance(self, s: State, dt: float, drained: np.ndarray, collected: np.ndarray,
                current: np.ndarray) -> None:
        """Advance the tanks from t to t + dt after transport has filled them.

        drained (strips,) m3/s of water that leaves each tank; collected: share of it that counts
        as leachate; current (strips,) A into each cathode. Raises ChemistryError.
        """
        if not self.volume.size:
            return
        self.absorbed[...] = 0.0
        self._treat(s, dt, current)
        self._capture(s, dt, current, drained)
        solid = self._equilibrate(s, s.catholyte_warm_start)
        settles = (1.0 - np.exp(-self.deposition * dt))[:, None]
        settled = settles * solid * self.volume[self.tanks]
        moved = (settled.T @ self.chem.nu_m).T
        s.catholyte_totals[:, self.tanks] -= moved
        s.plate_totals[:, self.tanks] += moved
        self.left = self._share(drained * dt) * s.catholyte_totals
        s.catholyte_totals[...] -= self.left
        s.leachate[...] += sum_over_strips(collected * self.left)
        s.drained[...] += sum_over_strips((1.0 - collected) * self.left)
        self._hold(s, current)
        self._equilibrate(s, s.catholyte_warm_start)

    def _treat(self, s, dt, current):
        """Air and dosed acid, before what reacts with them."""
        if self.treatment is None or not self.tanks.size:
            return
        totals = s.catholyte_totals[:, self.tanks]
        self.treatment.advance(totals, dt, current[self.tanks], self._with_amounts(s))
        s.catholyte_totals[:, self.tanks] = totals
        self.absorbed[:, self.tanks] += self.treatment.absorbed
        self.dosed[:, self.tanks] = self.treatment.dosed
        s.gas_uptake[...] += sum_over_strips(self.treatment.absorbed)
        s.dosed[...] += sum_over_strips(self.treatment.dosed)

    def _hold(self, s, current):
        """Dosed acid that makes up for what the drain has taken."""
        if self.treatment is None or self.treatment.conditioning is None or not self.tanks.size:
            return
        totals = s.catholyte_totals[:, self.tanks]
        self.treatment.hold(totals, current[self.tanks], self._with_amounts(s))
        s.catholyte_totals[:, self.tanks] = totals
        self.dosed[:, self.tanks] += self.treatment.dosed
        s.dosed[...] += sum_over_strips(self.treatment.dosed)

    def _with_amounts(self, s):
        """Return solve(totals (K, n) [mol], n numbers of tanks): their equilibria."""
        return lambda amounts, chosen: self._solve(s, self.tanks[chosen], s.catholyte_warm_start,
                                                   amounts)

    def _share(self, water):
        """Share of each tank that `water` [m3] takes away; all of it where there is no tank."""
        turns = np.divide(water, self.volume, out=np.full_like(water, np.inf),
                          where=self.volume > 0)
        return 1.0 - np.exp(-turns)

    def start(self, s: State) -> None:
        """Equilibrate the tanks as they were filled."""
        if self.tanks.size:
            self._equilibrate(s, None)

    def _equilibrate(self, s, warm_start):
        """Set the species of all tanks; returns suspended solids (minerals, tanks) mol/m3."""
        tanks = self.tanks
        found = self._solve(s, tanks, warm_start)
        s.catholyte_species[:, tanks], s.catholyte_pH[tanks] = found.c, found.pH
        s.catholyte_warm_start[:, tanks] = found.warm_start
        if self.chem.gases:
            taken = (self.volume[tanks, None] * (found.gas.T @ self.chem.nu_g)).T
            s.catholyte_totals[:, tanks] += taken
            s.gas_uptake[...] += sum_over_strips(taken)
            self.absorbed[:, tanks] += taken
        self.suspended = found.solid
        return found.solid

    def _solve(self, s, tanks, warm_start, totals=None):
        """Equilibrium of the catholytes of some strips; nothing is changed.

        totals: (components, n) mol, instead of theirs.
        """
        totals = s.catholyte_totals[:, tanks] if totals is None else totals
        try:
            return self.engine.solve_numpy(
                totals / self.volume[tanks], np.ones(tanks.size),
                warm_start=None if warm_start is None else warm_start[:, tanks])
        except ChemistryError as error:
            error.args = (f"{error}; this is the catholyte of tank {tanks[error.voxels[0]]}, "
                          "counted from 0 over all rows",)
            raise

    def _films(self, s, current):
        """Share (hydroxides, strips) of each REE that can stand as a film, 0 without a current."""
        if self.film == "current":
            return self._at_the_plate(s, current)
        minerals, tanks = [m for _, m in self.hydroxides], self.tanks
        films = np.zeros((len(minerals), current.size), bool)
        films[:, tanks] = (s.catholyte_pH[tanks] > NEUTRAL) | (self.suspended[minerals] > 0.0)
        films &= current > 0.0
        asked = np.flatnonzero(films.any(axis=0))
        if asked.size:
            now = self._solve(s, asked, s.catholyte_warm_start)
            films[:, asked] &= (now.pH > NEUTRAL) | (now.solid[minerals] > 0.0)
        return films.astype(float)

    def _at_the_plate(self, s, current):
        """Share that is solid in catholyte with the base of the current, 1/(F k_pl) mol/m3."""
        films = np.zeros((len(self.hydroxides), current.size))
        asked = self.tanks[current[self.tanks] > 0.0]
        if asked.size:
            totals = s.catholyte_totals[:, asked].copy()
            totals[self.chem.hydrogen] -= self.volume[asked] / (FARADAY * self.capture)
            solid = self._solve(s, asked, None, totals).solid * self.volume[asked]
            for film, (k, m) in zip(films, self.hydroxides, strict=True):
                held, there = solid[m] * self.chem.nu_m[m, k], totals[k]
                film[asked] = np.divide(held, there, out=np.zeros_like(held), where=there > 0)
        return np.minimum(films, 1.0)

    def _capture(self, s, dt, current, drained):
        """Growth of REE(OH)3 on the plate at a rate set by the current, within Faraday's law.

        Capture and drain empty the tank side by side: the plate's share of the amount that both
        take is k / (k + d), k = k_pl I / V and d = Q / V  [1/s].
        """
        if not self.hydroxides or self.capture == 0.0:
            return
        share, tanks = np.zeros_like(current), self.tanks
        caught = self.capture * current[tanks]
        both = caught + drained[tanks]
        share[tanks] = np.divide(caught, both, out=np.zeros_like(both), where=both > 0) * (
            1.0 - np.exp(-both * dt / self.volume[tanks]))
        base = np.maximum(current, 0.0) * dt / FARADAY
        wanted = [(m, film * share * s.catholyte_totals[k])
                  for (k, m), film in zip(self.hydroxides, self._films(s, current), strict=True)]
        needs = sum(-self.chem.nu_m[m, self.chem.hydrogen] * amount for m, amount in wanted)
        cap = np.minimum(1.0, np.divide(base, needs, out=np.ones_like(base), where=needs > base))
        for m, amount in wanted:
            moved = self.chem.nu_m[m][:, None] * (cap * amount)
            s.catholyte_totals[...] -= moved
            s.plate_totals[...] += moved
