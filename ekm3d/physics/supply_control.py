"""Supplies of a stage: which of its limits rules each, and the levels of all terminals.

Each supply raises its anodes above its cathodes as far as the first of its limits lets it: voltage,
current or power. Terminals are sets of rows; supplies that share one are wired there, others are
isolated from one another. As the field is linear, with K = dJ/dV of the terminals [S],

    J + K dV = sum over supplies of +-i,     V_anodes - V_cathodes = U, or i = I, or U i = P

is a small system; which limits rule is found by switching the one that is exceeded most.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.boundaries.schedule import Supply
from ekm3d.errors import ConvergenceError

SLACK = 1e-9
MAX_SWITCHES = 100
MAX_NEWTON = 60


class SupplyNetwork:
    """Terminals and supplies under one drive.

    terminals: sets of rows, the first one at 0 V; current, voltage: (supplies,) of the last
    solution, means over pulses [A, V]; the voltage without the overpotential.
    """

    def __init__(self, supplies: Sequence[Supply], terminals: Sequence[tuple], overpotential: float,
                 duty: float):
        self.supplies, self.terminals = tuple(supplies), tuple(terminals)
        self.overpotential, self.duty = overpotential * duty, duty
        self.ends = [(self.terminals.index(s.anodes), self.terminals.index(s.cathodes))
                     for s in self.supplies]
        self.current, self.voltage = (np.zeros(len(self.supplies)) for _ in range(2))

    def values(self) -> dict[str, tuple[float, float]]:
        """Return {supply: (V at its terminals, A)} of the last solution, while on."""
        return {s.name: (float((u + self.overpotential) / self.duty), float(i / self.duty))
                for s, u, i in zip(self.supplies, self.voltage, self.current, strict=True)}

    def limits(self, s: int) -> dict[str, float]:
        """Return {"voltage", "current", "power": limit} of supply s, of means over pulses."""
        one, found = self.supplies[s], {}
        if one.voltage is not None:
            found["voltage"] = one.voltage * self.duty
        if one.current is not None:
            found["current"] = one.current * self.duty
        if one.power is not None:
            found["power"] = one.power * self.duty
        return found

    def solve(self, present: np.ndarray, gains: np.ndarray, level: np.ndarray,
              terminal: Sequence[int | None], wanted: np.ndarray, ground: bool) -> np.ndarray:
        """Return the change of level [V] of every controlled group.

        present, wanted: (n,) current into the ore now, and of groups that are no terminals the
        one they are to have [A]; gains: (n, n) dI/dV; level: (n,) now [V]; terminal: number of
        each group's, or None; ground: whether the first terminal passes current.
        """
        where: dict[int, int] = {t: a for a, t in enumerate(terminal) if t is not None}
        open_ends = set(where) | ({0} if ground else set())
        modes = ["off" if not set(ends) <= open_ends else next(iter(self.limits(s)))
                 for s, ends in enumerate(self.ends)]
        for _ in range(MAX_SWITCHES):
            change = self._levels(modes, present, gains, level, where, wanted)
            worst, s, key = max(
                ((value / limit, s, key) for s, mode in enumerate(modes) if mode != "off"
                 for key, limit in self.limits(s).items() if key != mode
                 for value in [self._value(s, key)]), default=(0.0, 0, ""))
            if worst <= 1.0 + SLACK:
                return change
            modes[s] = key
        raise ConvergenceError("potential: it is not clear which limits rule the supplies")

    def _value(self, s, key):
        """Voltage at the terminals, current or power of supply s in the last solution."""
        volts = self.voltage[s] + self.overpotential
        return {"voltage": volts, "current": self.current[s],
                "power": volts * self.current[s] / self.duty}[key]

    def _levels(self, modes, present, gains, level, where, wanted):
        """Change of all levels with one limit ruling each supply; Newton's method for powers."""
        powers = [s for s, mode in enumerate(modes) if mode == "power"]
        guess = self._guess(modes, powers, present, gains, level, where, wanted)
        for _ in range(MAX_NEWTON):
            change = self._linear(modes, guess, present, gains, level, where, wanted)
            new = {s: (self.voltage[s] + self.overpotential, self.current[s]) for s in powers}
            if all(abs(a - b) <= 1e-13 * abs(a) for s in powers
                   for a, b in zip(new[s], guess[s], strict=True)):
                break
            guess = new
        return change

    def _guess(self, modes, powers, present, gains, level, where, wanted):
        """{supply: (volts, amperes)} to begin with, for supplies at their power.

        One volt is tried; volts + overpotential grow from it to the power, currents in proportion.
        """
        if not powers:
            return {}
        tried = ["one volt" if s in powers else mode for s, mode in enumerate(modes)]
        self._linear(tried, {}, present, gains, level, where, wanted)
        guess = {}
        for s in powers:
            conductance, v = max(self.current[s], 1e-12), self.overpotential
            power = self.limits(s)["power"] * self.duty / conductance
            net = 0.5 * (np.sqrt(v * v + 4.0 * power) - v)
            guess[s] = (net + v, conductance * net)
        return guess

    def _linear(self, modes, guess, present, gains, level, where, wanted):
        """Change of level of every group; sets voltage and current of every supply."""
        n, m = len(present), len(modes)
        A, b = np.zeros((n + m, n + m)), np.zeros(n + m)
        A[:n, :n], b[:n] = gains, -present + wanted
        for s, ((anode, cathode), mode) in enumerate(zip(self.ends, modes, strict=True)):
            row, net = n + s, np.zeros(n + m)
            lift = 0.0
            for end, sign in ((anode, 1.0), (cathode, -1.0)):
                if end in where:
                    A[where[end], row] -= sign
                    net[where[end]] += sign
                    lift += sign * level[where[end]]
            if mode in ("voltage", "one volt"):
                volts = 1.0 if mode == "one volt" else max(
                    self.limits(s)["voltage"] - self.overpotential, 0.0)
                A[row], b[row] = net, volts - lift
            elif mode == "power":
                v, i = guess[s]
                A[row], A[row, row] = i * net, v
                b[row] = self.limits(s)["power"] * self.duty + v * i - i * (
                    lift + self.overpotential)
            else:
                A[row, row] = 1.0
                b[row] = self.limits(s)["current"] if mode == "current" else 0.0
        x = np.linalg.lstsq(A, b, rcond=1e-13)[0]
        for s, (anode, cathode) in enumerate(self.ends):
            volts = [level[where[end]] + x[where[end]] if end in where else 0.0
                     for end in (anode, cathode)]
            self.voltage[s], self.current[s] = volts[0] - volts[1], x[n + s]
        return x[:n]
