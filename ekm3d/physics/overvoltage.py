"""Overvoltage of driven metal that grows with its current density (Tafel 1905).

    eta = a + b ln(i / i_0),    and its tangent through the origin where i < i_0 exp(1 - a/b)

of anode and cathode, on every face, beside the constant overpotential. It is concave: Newton's
iterates, eta ~ e + r I with r = d eta/dI, come to the solution from one side.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.boundaries.boundary_faces import ANODE, BARE_CATHODE, TANK

CLOSE = 1e-10       # V: change of eta that ends the iteration
TINY = 1e-300


class Overvoltage:
    """Overvoltage of n faces, linear in their current: sign (shift) + slope I.

    active: True where any is given; shift [V], signed by the role; slope [ohm]: (n,).
    """

    def __init__(self, area: np.ndarray, tafel: Sequence[Sequence[float] | None]):
        """area: (n,) m2; tafel: (a [V], b [V], i_0 [A/m2]) of anodes and of cathodes, or None."""
        self.area, self.tafel = area, tuple(tafel)
        self.active = any(one is not None for one in self.tafel)
        self.shift, self.slope, self.eta = (np.zeros(area.size) for _ in range(3))
        self.sign, self.duty = np.zeros(area.size), 1.0

    def start(self, kinds: np.ndarray, into: np.ndarray, duty: float) -> None:
        """Begin a solution from the last currents into the ore [A]; kinds: of the faces; duty: of
        averaged pulses, over which currents and voltages are means."""
        if not self.active:
            return
        anode, cathode = self.tafel
        self.sign = np.zeros(self.area.size)
        if anode is not None:
            self.sign[kinds == ANODE] = 1.0
        if cathode is not None:
            self.sign[np.isin(kinds, (BARE_CATHODE, TANK))] = -1.0
        self.duty = duty if duty > 0.0 else 1.0
        self.update(into)

    def update(self, into: np.ndarray) -> bool:
        """Take the tangent at the currents found [A]; True if eta differs from that solved for."""
        if not self.active:
            return False
        assumed = self.shift + self.slope * into
        self.shift[:] = self.slope[:] = self.eta[:] = 0.0
        for sign, law in zip((1.0, -1.0), self.tafel, strict=True):
            at = np.flatnonzero(self.sign == sign)
            if law is None or not at.size:
                continue
            a, b, i_0 = law
            scale = self.duty * self.area[at]
            density = np.maximum(sign * into[at], 0.0) / scale
            first = max(i_0 * np.exp(1.0 - a / b), TINY)
            high = density > first
            eta = np.where(high, a + b * np.log(np.where(high, density, i_0) / i_0),
                           b * density / first)
            slope = b / np.maximum(density, first)
            self.eta[at] = sign * self.duty * eta
            self.shift[at] = sign * self.duty * (eta - slope * density)
            self.slope[at] = slope / self.area[at]
        return bool((np.abs(self.eta - assumed) > CLOSE).any())
