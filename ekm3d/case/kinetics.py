"""Processes away from equilibrium, read from [[chemistry.kinetics]] and [ore.immobile].

Rate laws of minerals and exchange sites, and exchange with immobile water. Areas are per mass or
per mol of the mineral, seeds per kg of dry ore.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema import CaseFile
from ekm3d.case.schema_chemistry import Kinetic
from ekm3d.case.units import QuantityKind, factor, per_kg, positive
from ekm3d.case.voxel_values import SourceReader
from ekm3d.chemistry.rate_laws import FirstOrder, Term, TransitionState
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.quoting import quoted
from ekm3d.state import IMMOBILE, IMMOBILE_FIELD, KINETICS, SLOW_SITES
from ekm3d.suggest import suggest

SHARE = QuantityKind("", "0.3", 0.0, 1.0, below=True)
RATE = positive("1/s", "1e-6 1/s")
TORTUOSITY = QuantityKind("", "0.4", 0.0, 1.0, above=True)
SURFACE_TERMS = ("acid", "neutral", "base")


@dataclass(frozen=True)
class Rates:
    """Processes of a case that are not at equilibrium."""

    laws: dict[str, FirstOrder | TransitionState] = field(default_factory=dict)   # by mineral
    slow_sites: tuple[float, float] | None = None     # share of the exchange sites [1], rate [1/s]
    immobile: tuple[np.ndarray, np.ndarray] | None = None    # share of the water [1] and rate of
    # exchange with the moving water [1/s] of every voxel, (nz, ny, nx) each
    immobile_field: bool = False    # current and ions pass from voxel to voxel in it, too
    immobile_tortuosity: np.ndarray | None = None    # in it [1], (nz, ny, nx); None: the ore's

    @property
    def processes(self) -> tuple[str, ...]:
        """Those of `state.PROCESSES` that take part."""
        there = {KINETICS: bool(self.laws), SLOW_SITES: self.slow_sites is not None,
                 IMMOBILE: self.immobile is not None, IMMOBILE_FIELD: self.immobile_field}
        return tuple(name for name, used in there.items() if used)

    def rows(self) -> list[tuple[str, str]]:
        """Return (process, rate) of every process, for a report."""
        rows = [(mineral, str(law)) for mineral, law in self.laws.items()]
        if self.slow_sites is not None:
            share, rate = self.slow_sites
            rows.append((f"{share:g} of the exchange sites", f"{rate:g} 1/s towards equilibrium"))
        if self.immobile is not None:
            shares, rates = (" to ".join(f"{v:g}" for v in sorted({values.min(), values.max()}))
                             for values in self.immobile)
            rows.append((f"{shares} of the water immobile",
                         f"{rates} 1/s towards the moving water; it "
                         + ("carries current and ions" if self.immobile_field
                            else "is cut off from the field")))
        return rows


@dataclass(frozen=True)
class Area(QuantityKind):
    """Surface per mol of a mineral, or per mass if its molar mass is known."""

    molar_mass: float = np.nan      # kg/mol

    def factor(self, unit: str) -> float:
        """Return the m2/mol of one `unit`, which may be per mol or per mass."""
        try:
            return factor(unit, "m2/mol")
        except ValueError:
            return factor(unit, "m2/kg") * self.molar_mass

    def bare(self, number: float) -> float:
        """Raise ValueError: an area needs its unit."""
        raise ValueError("the unit is missing (m2/g and m2/mol differ)")

    _unitless = bare


class RateReader:
    """Reader of slow processes; problems go to `problems`."""

    def __init__(self, chem: ChemicalSystem, sources: SourceReader, problems: Problems):
        self.chem, self.sources, self.problems = chem, sources, problems

    def read(self, file: CaseFile, density: np.ndarray) -> Rates:
        """Return the Rates of a case file; density [kg/m3] of the dry ore, (nz, ny, nx)."""
        laws: dict[str, Any] = {}
        slow_sites = None
        for n, entry in enumerate(file.chemistry.kinetics):
            path = ("chemistry", "kinetics", n)
            if not file.physics.chemistry or not file.physics.transport:
                self.problems.add(path, "needs physics.chemistry and physics.transport; switch "
                                  "them on, or leave the law out")
            if (entry.mineral is None) == (entry.sites is None):
                self.problems.add(path, "needs either mineral = \"...\", or sites = 0.4, the "
                                  "share of the exchanger's sites that are slow")
            elif entry.sites is not None:
                if slow_sites is not None:
                    self.problems.add(path, "slow sites are given twice; one share with one rate "
                                      "can be")
                slow_sites = self.problems.attempt(self._sites, path, entry.sites, entry)
            elif entry.mineral is not None:
                law = self.problems.attempt(self._mineral, path, entry, density)
                if entry.mineral in laws:
                    self.problems.add((*path, "mineral"),
                                      f"{quoted(entry.mineral)} has a law already")
                laws[entry.mineral] = law
        still = file.ore.immobile
        return Rates(laws, slow_sites, self._immobile(file), still is not None and still.field,
                     self._immobile_tortuosity(still))

    def _sites(self, path: KeyPath, share: float, entry: Kinetic) -> tuple[float, float]:
        """Return (share, rate [1/s]) of the slow exchange sites."""
        if not self.chem.exchange:
            self.problems.add((*path, "sites"), "the chosen chemistry has no exchange species; "
                              "leave the law out")
        rate = self._first_order(path, entry)
        return share, rate

    def _first_order(self, path: KeyPath, entry: Kinetic) -> float:
        """Return the rate [1/s] of a first-order law; keys of the other law are problems."""
        surplus = [key for key in (*SURFACE_TERMS, "area", "seed")
                   if getattr(entry, key) is not None]
        surplus += sorted(entry.model_fields_set & {"omega_power", "affinity_power",
                                                    "area_exponent"})
        for key in surplus:
            self.problems.add((*path, key), "belongs to law = \"transition state\" of a mineral")
        if entry.law != "first order":
            self.problems.add((*path, "law"), "of exchange sites can only be \"first order\"")
        if entry.rate is None:
            self.problems.add((*path, "rate"), "is missing; write e.g. rate = \"1e-6 1/s\"")
            raise MissingValue
        return entry.rate

    def _mineral(self, path: KeyPath, entry: Kinetic, density: np.ndarray
                 ) -> FirstOrder | TransitionState:
        """Return the law of one mineral."""
        if entry.mineral not in self.chem.minerals:
            self.problems.add((*path, "mineral"), "the chosen chemistry has no mineral "
                              + quoted(entry.mineral)
                              + suggest(entry.mineral, self.chem.minerals))
            raise MissingValue
        if entry.law == "first order":
            return FirstOrder(self._first_order(path, entry))
        if entry.rate is not None:
            self.problems.add((*path, "rate"), "belongs to law = \"first order\"; give acid, "
                              "neutral or base = { rate = \"1e-9 mol/m2/s\", order = 0.5 }")
        terms = {key: getattr(entry, key) for key in SURFACE_TERMS
                 if getattr(entry, key) is not None}
        if not terms:
            self.problems.add(path, "a transition state law needs at least one of acid, neutral "
                              "and base, e.g. neutral = { rate = \"1e-9 mol/m2/s\" }")
        for key, term in terms.items():
            self._order((*path, key, "order"), key, term.order)
        mass = self.chem.mineral_mass(self.chem.minerals.index(entry.mineral))
        if entry.area is None:
            self.problems.add((*path, "area"), "is missing; write e.g. area = \"1 m2/g\"")
            raise MissingValue
        area = self._quantity((*path, "area"), entry.area,
                              Area("m2/mol", "1 m2/g", 0.0, above=True, molar_mass=mass))
        seed = 0.0 if entry.seed is None else self._quantity(
            (*path, "seed"), entry.seed, per_kg(molar_mass=mass))
        return TransitionState(tuple(Term(t.rate, t.order) for t in terms.values()), area,
                               entry.area_exponent, seed * density, entry.omega_power,
                               entry.affinity_power)

    def _order(self, path, key, order):
        """Check the sign of an order: the acid term grows with a_H, the base term decreases."""
        wanted = {"acid": order > 0, "neutral": order == 0, "base": order < 0}[key]
        if not wanted:
            right = {"acid": "above 0", "neutral": "left out", "base": "below 0"}[key]
            self.problems.add(path, f"{order:g} is the order in the activity of H+; that of the "
                              f"{key} term is {right}")
        elif order and self.chem.hydrogen is None:
            self.problems.add(path, "the chosen chemistry does not have H+, so no pH; give a "
                              "neutral term only")

    def _quantity(self, path, value, kind):
        """Return the SI number of a value."""
        try:
            return kind.read(value)
        except ValueError as error:
            self.problems.add(path, str(error))
            raise MissingValue from None

    def _immobile(self, file):
        """Return (share, rate [1/s]) of the immobile water, (nz, ny, nx) each, or None."""
        entry = file.ore.immobile
        if entry is None:
            return None
        if not file.physics.transport:
            self.problems.add(("ore", "immobile"), "needs physics.transport; switch it on, or "
                              "leave it out")
        share, rate = (self.sources.field(("ore", "immobile", key), getattr(entry, key), kind)
                       for key, kind in (("share", SHARE), ("rate", RATE)))
        return share, rate

    def _immobile_tortuosity(self, entry):
        """Return the tortuosity [1] of the immobile water, (nz, ny, nx); None for the ore's."""
        if entry is None or entry.tortuosity is None:
            return None
        path = ("ore", "immobile", "tortuosity")
        if not entry.field:
            self.problems.add(path, "acts on what the field moves, and field = false; leave one "
                              "of them out")
        return self.sources.field(path, entry.tortuosity, TORTUOSITY)
