"""The slow parts of a case: rate laws of [[chemistry.kinetics]], immobile water of [ore.immobile].

Areas are per mass or per mol of the mineral, seeds per kg of dry ore.
"""

from dataclasses import dataclass, field

import numpy as np

from ekm3d.case.toml_text import MissingValue
from ekm3d.case.units import QuantityKind, factor, per_kg, positive
from ekm3d.chemistry.rate_laws import FirstOrder, Term, TransitionState
from ekm3d.suggest import suggest

SHARE = QuantityKind("", "0.3", 0.0, 1.0, below=True)
RATE = positive("1/s", "1e-6 1/s")
OF_SURFACES = ("acid", "neutral", "base")


@dataclass(frozen=True)
class Rates:
    """Everything of a case that is not at equilibrium."""

    laws: dict = field(default_factory=dict)     # mineral -> law
    slow_sites: tuple = None                     # (share of the exchanger's sites, 1/s), or None
    immobile: tuple = None                       # (share of the water, 1/s) of voxels, or None

    @property
    def any(self):
        """Whether there is anything."""
        return bool(self.laws) or self.slow_sites is not None or self.immobile is not None

    def rows(self):
        """(what, how fast) of everything here, for a report."""
        rows = [(mineral, str(law)) for mineral, law in self.laws.items()]
        if self.slow_sites is not None:
            share, rate = self.slow_sites
            rows.append((f"{share:g} of the exchange sites", f"{rate:g} 1/s towards equilibrium"))
        if self.immobile is not None:
            share, rate = (" to ".join(f"{v:g}" for v in sorted({values.min(), values.max()}))
                           for values in self.immobile)
            rows.append((f"{share} of the water immobile", f"{rate} 1/s towards the moving water"))
        return rows


@dataclass(frozen=True)
class Area(QuantityKind):
    """Surface per mol of a mineral of known molar mass [kg/mol]."""

    molar_mass: float = np.nan

    def factor(self, unit):
        try:
            return factor(unit, "m2/mol")
        except ValueError:
            return factor(unit, "m2/kg") * self.molar_mass

    def bare(self, number):
        raise ValueError("the unit is missing (m2/g and m2/mol differ)")

    _unitless = bare


class RateReader:
    """Turns tables into Rates; problems go to `problems`."""

    def __init__(self, chem, sources, problems):
        self.chem, self.sources, self.problems = chem, sources, problems

    def read(self, file, density):
        """The Rates of a case file; density [kg/m3] of the dry ore, (nz, ny, nx)."""
        laws, slow_sites = {}, None
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
                slow_sites = self.problems.attempt(self._sites, path, entry)
            else:
                law = self.problems.attempt(self._mineral, path, entry, density)
                if entry.mineral in laws:
                    self.problems.add((*path, "mineral"), f"{entry.mineral!r} has a law already")
                laws[entry.mineral] = law
        return Rates(laws, slow_sites, self._immobile(file))

    def _sites(self, path, entry):
        if not self.chem.exchange:
            self.problems.add((*path, "sites"), "the chosen chemistry has no exchange species; "
                              "leave the law out")
        self._first_order(path, entry)
        return entry.sites, entry.rate

    def _first_order(self, path, entry):
        """Complain of what only a law of surfaces has, and of a missing rate."""
        surplus = [key for key in (*OF_SURFACES, "area", "seed") if getattr(entry, key) is not None]
        surplus += sorted(entry.model_fields_set & {"omega_power", "affinity_power",
                                                    "area_exponent"})
        for key in surplus:
            self.problems.add((*path, key), "belongs to law = \"transition state\" of a mineral")
        if entry.law != "first order":
            self.problems.add((*path, "law"), "of exchange sites can only be \"first order\"")
        if entry.rate is None:
            self.problems.add((*path, "rate"), "is missing; write e.g. rate = \"1e-6 1/s\"")
            raise MissingValue

    def _mineral(self, path, entry, density):
        """The law of one mineral."""
        if entry.mineral not in self.chem.minerals:
            self.problems.add((*path, "mineral"), f"the chosen chemistry has no mineral "
                              f"{entry.mineral!r}" + suggest(entry.mineral, self.chem.minerals))
            raise MissingValue
        if entry.law == "first order":
            self._first_order(path, entry)
            return FirstOrder(entry.rate)
        if entry.rate is not None:
            self.problems.add((*path, "rate"), "belongs to law = \"first order\"; give acid, "
                              "neutral or base = { rate = \"1e-9 mol/m2/s\", order = 0.5 }")
        terms = {key: getattr(entry, key) for key in OF_SURFACES if getattr(entry, key) is not None}
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
        """Signs as in compilations: the acid term grows with a_H, the base term falls."""
        wanted = {"acid": order > 0, "neutral": order == 0, "base": order < 0}[key]
        if not wanted:
            right = {"acid": "above 0", "neutral": "left out", "base": "below 0"}[key]
            self.problems.add(path, f"{order:g} is the order in the activity of H+; that of the "
                              f"{key} term is {right}")
        elif order and self.chem.hydrogen is None:
            self.problems.add(path, "the chosen chemistry does not have H+, so no pH; give a "
                              "neutral term only")

    def _quantity(self, path, value, kind):
        try:
            return kind.read(value)
        except ValueError as error:
            self.problems.add(path, str(error))
            raise MissingValue from None

    def _immobile(self, file):
        entry = file.ore.immobile
        if entry is None:
            return None
        if not file.physics.transport:
            self.problems.add(("ore", "immobile"), "needs physics.transport; switch it on, or "
                              "leave it out")
        share, rate = (self.sources.field(("ore", "immobile", key), getattr(entry, key), kind)
                       for key, kind in (("share", SHARE), ("rate", RATE)))
        return share, rate
