"""Sides of the block, read from [[side]]: reservoirs, potentials, currents, water and fluxes.

A side that is not listed is closed. A listed one may hold a reservoir (fixed concentrations
behind the face), a potential or a current, a water flux or a head, and fixed fluxes of
components; it is closed for everything else, and without potential or current it carries no net
current.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ekm3d.case.problems import MISSING, KeyPath, Problems
from ekm3d.case.schema import SideEntry
from ekm3d.case.units import QuantityKind, per_area
from ekm3d.case.voxel_values import SourceReader
from ekm3d.case.water import composition
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted

POTENTIAL = QuantityKind("V", "5 V")
CURRENT, DENSITY = QuantityKind("A", "1 A"), QuantityKind("A/m2", "10 A/m2")


@dataclass(frozen=True)
class Side:
    """Side of the block that is not closed."""

    face: str                               # x-, x+, y-, ...
    axis: int                               # array axis 0, 1, 2 = z, y, x across the side
    upper: bool                             # at the upper end of the axis
    composition: dict[str, float] | None = None     # component -> mol/m3 of the reservoir's water
    contact: str = "diffusive"              # diffusive | advective: species enter with water only
    potential: float | np.ndarray | None = None     # V, one or of each face: (nz, ny, nx) less axis
    current: float | None = None            # A into the block, at one common potential
    flux: float | None = None               # m/s, water into the block
    head: float | None = None               # m
    component_flux: dict[str, float] = field(default_factory=dict)  # mol/m2/s into the block


def area(grid: Grid, axis: int) -> float:
    """Return the area [m2] of a whole side across array axis 0, 1, 2 = z, y, x."""
    return float(np.prod(grid.size) / grid.size[2 - axis])


class SideReader:
    """Reader of [[side]]; problems go to `problems`."""

    def __init__(self, chem: ChemicalSystem, sources: SourceReader, problems: Problems):
        self.chem, self.sources, self.problems = chem, sources, problems

    def read(self, entries: Sequence[SideEntry]) -> tuple[Side, ...]:
        """Return the sides; each face may be listed once."""
        seen: dict[str, int] = {}
        for n, entry in enumerate(entries):
            if entry is not MISSING and entry.face is not MISSING:
                if entry.face in seen:
                    self.problems.add(("side", n, "face"), f"{quoted(entry.face)} is also the "
                                      f"face of side {seen[entry.face]}; put all of it in one "
                                      "[[side]]")
                seen.setdefault(entry.face, n)
        return tuple(self.problems.attempt(self._side, ("side", n), entry)
                     for n, entry in enumerate(entries))

    def _side(self, path: KeyPath, entry: SideEntry) -> Side:
        """Return the Side of one [[side]]."""
        add, attempt = self.problems.add, self.problems.attempt
        axis, upper = "zyx".index(entry.face[0]), entry.face[1] == "+"
        for one, other in (("potential", "current"), ("flux", "head")):
            if getattr(entry, one) is not None and getattr(entry, other) is not None:
                add(path, f"has both {one} and {other}; give one of them, the other follows")
        if entry.contact is not None and entry.composition is None:
            add((*path, "contact"), "tells how a reservoir is felt; give its composition, or "
                "leave the contact out")
        reservoir = None
        if entry.composition is not None:
            reservoir = attempt(composition, entry.composition, (*path, "composition"), self.chem,
                                self.problems)
        fluxes = attempt(composition, entry.component_flux, (*path, "component_flux"), self.chem,
                         self.problems, per_area)
        potential = None
        if entry.potential is not None:
            potential = self.sources.faces((*path, "potential"), entry.potential, POTENTIAL, axis,
                                           upper)
        current = None
        if entry.current is not None:
            current = attempt(self._current, (*path, "current"), entry.current, axis)
        return Side(entry.face, axis, upper, reservoir, entry.contact or "diffusive", potential,
                    current, entry.flux, entry.head, fluxes)

    def _current(self, path: KeyPath, value: Any, axis: int) -> float:
        """Return the current [A], given or as a density times the side's area."""
        whole = area(self.sources.grid, axis)
        for kind, scale in ((DENSITY, whole), (CURRENT, 1.0)):
            try:
                if isinstance(value, str) or kind is CURRENT:
                    return float(kind.read(value) * scale)
            except ValueError as e:
                reason = str(e)
        self.problems.add(path, f"{reason}, or {DENSITY.example!r} for a density")
        return MISSING
