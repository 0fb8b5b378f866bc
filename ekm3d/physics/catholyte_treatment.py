"""Supply of catholytes beside current and water: a gas of the air, and acid that holds a pH.

    air    dn/dt = k_L A (c* - c),         c of the dissolved gas, c* in equilibrium with the air
                                           (film theory: Whitman 1923)                  [mol/s]
    acid   as much as brings a catholyte that is more alkaline to the pH that is set      [mol]

Air passes into every tank, and out of one that holds more of the gas; a step is implicit,
n(t + dt) - n(t) = k_L A dt (c* - c(t + dt)). Acid goes to tanks whose electrode is a cathode with
current: against the base that has come, before the plate and the solids see it, and once more at
the end of the step, as the water that has left is replaced by water without it. Both find the
amount by regula falsi between bounds, with the equilibrium of the tank.
"""

from collections.abc import Callable

import numpy as np

from ekm3d.boundaries.treatment import STRONGEST, Air, Conditioning
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import Result
from ekm3d.errors import PlanError

CLOSE = 1e-10           # of an amount over its bounds; of pH
ROUNDS = 100            # of regula falsi; some ten are usual
AT_FIRST = 1e3          # mol of gas per m3 of catholyte in a step, the first bound of what comes
HELD_BACK = 1e-6        # share of a component that air never takes out of a tank in a step

Solve = Callable[[np.ndarray, np.ndarray], Result]      # totals (K, n) mol of tanks (n,)


class Treatment:
    """Amounts that air and dosing bring to the catholytes in a step.

    absorbed, dosed: (K, tanks) [mol], of the last call; each solves with `solve(totals, tanks)`.
    """

    def __init__(self, chem: ChemicalSystem, volume: np.ndarray, air: Air | None = None,
                 conditioning: Conditioning | None = None):
        """volume: (tanks,) m3, all above 0; air, conditioning: None where there is none."""
        self.chem, self.volume, self.air, self.conditioning = chem, volume, air, conditioning
        self.absorbed = np.zeros((len(chem.components), volume.size))
        self.dosed = np.zeros_like(self.absorbed)
        if air is not None:
            self.gas = chem.species_index(air.species)
        if conditioning is not None and chem.hydrogen is not None:
            anion = chem.index(conditioning.acid)
            self.parts = np.zeros(len(chem.components))     # components per mol of acid
            self.parts[anion], self.parts[chem.hydrogen] = 1.0, -chem.charge[anion]

    @property
    def exchanged(self) -> np.ndarray:
        """Mask (K,) of the components that pass between the catholytes and the air."""
        if self.air is None:
            return np.zeros(len(self.chem.components), bool)
        return self.chem.nu[self.gas] != 0

    @property
    def given(self) -> np.ndarray:
        """Mask (K,) of the components that are dosed."""
        if self.conditioning is None:
            return np.zeros(len(self.chem.components), bool)
        return self.parts != 0

    def advance(self, totals: np.ndarray, dt: float, current: np.ndarray, solve: Solve) -> None:
        """Add to totals (K, tanks) [mol] what comes in dt [s]; current (tanks,) A into cathodes."""
        if self.air is not None:
            self._breathe(totals, dt, solve)
        self.hold(totals, current, solve)

    def hold(self, totals: np.ndarray, current: np.ndarray, solve: Solve) -> None:
        """Add to totals (K, tanks) [mol] the acid that brings tanks to the pH, as `advance`."""
        if self.conditioning is not None:
            self._dose(totals, current, solve)

    def _breathe(self, totals, dt, solve):
        """Uptake from the air, or loss to it, of every tank."""
        air, parts, tanks = self.air, self.chem.nu[self.gas], np.arange(self.volume.size)
        passing = air.velocity * air.area * dt                                      # m3
        now = solve(totals, tanks).c[self.gas]
        most = passing * (air.saturation - now)
        held = np.array([k for k in np.flatnonzero(parts > 0) if k != self.chem.hydrogen])
        most = np.maximum(most, -(1.0 - HELD_BACK) * (totals[held] / parts[held][:, None]).min(0))
        going = np.flatnonzero(np.abs(most) > 0.0)

        def excess(share, chosen):
            at = going[chosen]
            there = totals[:, at] + parts[:, None] * (share * most[at])
            return passing * (air.saturation - solve(there, at).c[self.gas]) / most[at] - share

        low, high = np.zeros(going.size), np.ones(going.size)
        taken = most[going] > 0.0       # far more than a catholyte can hold has no equilibrium
        high[taken] = np.minimum(1.0, AT_FIRST * self.volume[going[taken]] / most[going[taken]])
        short = np.flatnonzero(high < 1.0)
        while short.size:
            short = short[excess(high[short], short) > 0.0]
            low[short], high[short] = high[short], np.minimum(2.0 * high[short], 1.0)
            short = short[high[short] < 1.0]
        share = falling_root(excess, low, high, CLOSE)
        self.absorbed[...] = 0.0
        self.absorbed[:, going] = parts[:, None] * (share * most[going])
        totals += self.absorbed

    def _dose(self, totals, current, solve):
        """Acid into the tanks of cathodes that are more alkaline than the pH that is set."""
        wanted, parts = self.conditioning.pH, self.parts
        self.dosed[...] = 0.0
        driven = np.flatnonzero(current > 0.0)
        if not driven.size:
            return
        going = driven[solve(totals[:, driven], driven).pH > wanted + CLOSE]

        def excess(amount, chosen):
            at = going[chosen]
            return solve(totals[:, at] + parts[:, None] * amount, at).pH - wanted

        base = np.abs(totals[self.chem.hydrogen, going]) / parts[self.chem.hydrogen]
        high, low = np.maximum(base, 1e-3 * self.volume[going]), np.zeros(going.size)
        short = np.arange(going.size)
        while short.size:
            short = short[excess(high[short], short) > 0.0]
            low[short], high[short] = high[short], 2.0 * high[short]
            if (high[short] > STRONGEST * self.volume[going[short]]).any():
                raise PlanError(f"electrodes.conditioning: no amount of acid of "
                                f"{self.conditioning.acid} brings a catholyte to pH {wanted:g}; "
                                "take a higher pH or a stronger acid")
        amount = falling_root(excess, low, high, CLOSE)
        self.dosed[:, going] = parts[:, None] * amount
        totals += self.dosed


def falling_root(value: Callable[[np.ndarray, np.ndarray], np.ndarray], low: np.ndarray,
                 high: np.ndarray, close: float) -> np.ndarray:
    """Return the roots (n,) of falling functions between low and high, (n,) each.

    value(x, chosen): of the functions with these numbers at x. Regula falsi (Illinois), until the
    value or the bounds (over their first distance) are `close` to nothing; a bound where there is
    no root between both.
    """
    low, high = low.copy(), high.copy()
    every = np.arange(low.size)
    below, above = value(low, every), value(high, every)
    x = np.where(below <= 0.0, low, high)
    width, side = high - low, np.zeros(low.size)
    left = np.flatnonzero((below > close) & (above < -close))
    for _ in range(ROUNDS):
        if not left.size:
            break
        x[left] = (low[left] * above[left] - high[left] * below[left]) / (above[left] - below[left])
        found = value(x[left], left)
        up, down = left[found > 0.0], left[found <= 0.0]
        low[up], below[up] = x[up], found[found > 0.0]
        high[down], above[down] = x[down], found[found <= 0.0]
        above[up[side[up] > 0]] *= 0.5
        below[down[side[down] < 0]] *= 0.5
        side[up], side[down] = 1.0, -1.0
        left = left[(np.abs(found) > close) & ((high - low)[left] > close * width[left])]
    return x
