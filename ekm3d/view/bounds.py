"""Bounds that no process escapes: charge passed, and anions that went with the water.

Rare earths leave the ore as cations. The current carries at most one equivalent of them per Faraday
of charge; water carries them only together with anions, for water stays neutral. So

    equivalents of REE that left the ore  <=  charge passed / F + equivalents of anions that left

Anions that stay may be replaced by protons and hydroxide made at electrodes; the charge passed
counts those. A claim above the sum cannot be met by this current and this water.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.constants import FARADAY
from ekm3d.view.run import Component, Run


@dataclass(frozen=True)
class Bounds:
    """Equivalents [eq] at every row of the series.

    charge: passed; anions: gone with the water; moved: REE out of the ore, net of what came back;
    held: of REE in the ore at the start, one number.
    """

    hours: np.ndarray
    charge: np.ndarray
    anions: np.ndarray
    moved: np.ndarray
    held: float

    @property
    def most(self) -> np.ndarray:
        """Equivalents of REE that could have left at most."""
        return self.charge + self.anions

    @property
    def most_removal(self) -> float:
        """Share of the ore's REE that could have left at most, at the end [1]."""
        return float(self.most[-1] / self.held)

    @property
    def exceeded(self) -> bool:
        """True where the REE of the run itself are beyond the bound: its numbers are then wrong."""
        return bool((self.moved > self.most * (1 + 1e-6) + 1e-9 * self.held).any())


def bounds(run: Run) -> Bounds | None:
    """Return the bounds of a run; None without REE, charge, or facts about its components."""
    charge = run.column("charge")
    ore = [(run.column(f"ore_{c.label}"), c.charge) for c in run.group("REE")]
    if charge is None or not ore or any(column is None for column, _ in ore):
        return None
    held = np.asarray(sum(z * column for column, z in ore if column is not None))
    if not held[0] > 0:
        return None
    anions = np.zeros_like(charge)
    for c in run.components:
        if c.charge < 0:
            anions = anions - c.charge * _left(run, c)
    return Bounds(run.hours, charge / FARADAY, anions, held[0] - held, float(held[0]))


def _left(run: Run, c: Component) -> np.ndarray:
    """Amount of a component that left the ore by wells, sides and into tanks [mol]."""
    columns = [run.column(f"{way}_out_{c.label}") for way in run.well_kinds()]
    tanks = run.column(f"tanks_{c.label}")
    if tanks is not None:
        columns.append(np.maximum(tanks - tanks[0], 0.0))
    return np.asarray(sum((column for column in columns if column is not None),
                          start=np.zeros(len(run.hours))))
