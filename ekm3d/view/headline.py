"""Headline numbers of a run, in the order of a planner's questions.

How much, when, how pure; what it takes per tonne of rare-earth oxides (REO); what stays, what left.
Lines are (name, text, remark); what is not known says so.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.constants import NEGLIGIBLE
from ekm3d.view.ledger import Entry, oxides, share, time_of_share, total
from ekm3d.view.numbers import percent, show
from ekm3d.view.prices import Prices
from ekm3d.view.run import Run

MASS_N = 14.007e-3              # kg/mol
SALTS = {"SO4": ("ammonium sulfate", 132.14e-3 / 2), "Cl": ("ammonium chloride", 53.49e-3),
         "NO3": ("ammonium nitrate", 80.04e-3)}     # kg of salt per mol of NH4
PARTS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Fact:
    """Line of a table; remark: how it was worked out. value: the number, for comparisons."""

    name: str
    text: str
    remark: str = ""
    value: float | None = None


def fact(name: str, value: float | None, unit: str = "", remark: str = "") -> Fact:
    """Return the line of a number with its unit."""
    return Fact(name, show(value, unit), remark, value)


def share_fact(name: str, value: float | None, remark: str = "") -> Fact:
    """Return the line of a share, in %."""
    return Fact(name, percent(value), remark, value)


class Headline:
    """Headline numbers of a run; entries: its ledger."""

    def __init__(self, run: Run, entries: tuple[Entry, ...], money: Prices | None = None) -> None:
        self.run, self.money = run, money
        self.ree = tuple(e for e in entries if e.component.group == "REE")
        self.ammonium = tuple(e for e in entries if e.component.group == "ammonium")
        self.entries = entries
        self.gained = _sum(self.ree, "recovered")           # kg REO
        self.held = _sum(self.ree, "available")
        self.product = None if self.gained is None or self.gained <= NEGLIGIBLE * (
            self.held or 0.0) else self.gained      # None too where it is rounding

    def amounts(self) -> list[Fact]:
        """Amounts of REO: altogether, and of every rare earth."""
        lines = [fact("REO recovered", self.gained, "kg", "in leachate and on cathode plates"),
                 share_fact("share recovered", share(self.gained, self.held),
                            "of the oxides that the ore held, and that were fed"),
                 fact("REO in the ore at the start", self.held, "kg")]
        for e in self.ree if len(self.ree) > 1 else ():
            if e.available == 0.0:
                continue                            # in the database, not in this ore
            part = share(e.recovered, e.available)
            mass = None if e.recovered is None else e.recovered * e.component.oxide_mass
            lines.append(Fact(f"{e.component.label} recovered",
                              f"{show(mass, 'kg')} ({percent(part)})", "as oxide", mass))
        return lines

    def times(self) -> list[Fact]:
        """Hours at which parts of the final recovery had come, and the best leachate."""
        mass, hours = oxides(self.run), self.run.hours
        lines = []
        for part in PARTS:
            when = None if mass is None else time_of_share(hours, mass, part)
            lines.append(fact(f"{part:.0%} of it had come after", when, "hours"))
        litres = self.run.column("leachate")
        leached = oxides(self.run, ("leachate",))
        if litres is not None and not self.run.flows(litres):
            lines.append(Fact("leachate on average", "none came"))
        elif leached is not None and litres is not None:
            step = np.diff(litres)
            strength = np.divide(np.diff(leached), step, out=np.zeros(len(step)),
                                 where=step > 1e-9 * litres[-1])
            lines.append(fact("richest leachate", 1e3 * float(strength.max(initial=0.0)),
                              "g of REO per litre",
                              f"at {show(float(hours[1 + strength.argmax()]), 'hours')}"))
            lines.append(fact("leachate on average", 1e3 * float(leached[-1] / litres[-1]),
                              "g of REO per litre"))
        return lines

    def purity(self) -> list[Fact]:
        """Purity: REE over REE and impurities, and the impurities, most of all first."""
        s = self.run.summary
        lines = [share_fact("purity", s.get("purity_REE"),
                            "REE of REE and impurities by mass, in leachate and on plates"),
                 share_fact("purity of the leachate", s.get("purity_REE_leachate"))]
        if s.get("purity_REE_plate") is not None:
            lines.append(share_fact("purity of the plates", s["purity_REE_plate"]))
        worst = sorted(((e.leachate * e.component.molar_mass, e.component.label)
                        for e in self.entries
                        if e.component.group == "impurity" and e.leachate is not None),
                       reverse=True)
        lines += [fact(f"{label} in the leachate", mass, "kg") for mass, label in worst]
        return lines

    def per_tonne(self) -> list[Fact]:
        """Consumption per tonne of REO recovered: salt, electricity, water, money."""
        name, kg = self.salt()
        energy, water = self.run.last("energy"), self.run.last("water_fed")
        lines = [
            fact(name, per(kg, self.product), "t per t of REO",
                 "all ammonium of the ore's pore water and clay at the start, and fed"),
            fact("electricity", per(energy, self.product, 1e3), "kWh per t of REO",
                 f"{show(energy, 'kWh')} in all"),
            fact("water fed", per(water, self.product), "m³ per t of REO",
                 f"{show(None if water is None else 1e-3 * water, 'm³')} in all, without that of "
                 "the prewetting")]
        lines += [fact(f"acid dosed into catholytes, as {c.label}", per(dosed * c.molar_mass,
                       self.product), "t per t of REO")
                  for c in self.run.components
                  if (dosed := self.run.last(f"dosed_{c.label}")) is not None]
        return lines + self.costs(kg, energy, water)

    def salt(self) -> tuple[str, float | None]:
        """Name and mass [kg] of the ammonium salt that was given."""
        added = self.run.last("NH4_added") if self.ammonium else None
        labels = {c.label for c in self.run.components}
        name, mass = next((salt for anion, salt in SALTS.items() if anion in labels),
                          ("ammonium (as NH4)", 18.04e-3))
        return name, None if added is None else added * mass

    def costs(self, salt: float | None, energy: float | None, water: float | None) -> list[Fact]:
        """Money per tonne of REO; [] without prices."""
        p = self.money
        if p is None:
            return []
        parts = {"electricity": times(energy, p.electricity),
                 "ammonium salt": times(salt, p.salt, 1e-3), "water": times(water, p.water, 1e-3)}
        given = {name: cost for name, cost in parts.items() if cost is not None}
        spent = sum(given.values()) if given else None
        lines = [fact("cost of " + ", ".join(given), per(spent, self.product, 1e3),
                      f"{p.currency} per t of REO",
                      ", ".join(f"{name} {show(per(cost, self.product, 1e3))}"
                                for name, cost in given.items()))]
        value = self.value()
        if p.oxides:
            lines.append(fact("value of the oxides", per(value, self.product, 1e3),
                              f"{p.currency} per t of REO"))
            rest = None if value is None or spent is None else value - spent
            lines.append(fact("value less these costs", per(rest, self.product, 1e3),
                              f"{p.currency} per t of REO",
                              "without wages, plant, and treatment of the leachate"))
        return lines

    def value(self) -> float | None:
        """Value of the oxides recovered; None where a price or an amount is not known."""
        prices = self.money.oxides if self.money else {}
        return total(*(times(e.recovered, prices.get(e.component.label, prices.get(
            e.component.name, prices.get("all"))), e.component.oxide_mass) for e in self.ree))

    def at_points(self) -> str:
        """Return " at the sampling points" where a case has any, which older runs did not note."""
        points = self.run.facts.get("sampling_points")
        return (" at the sampling points, if there are any" if points is None else
                " at the sampling points" * bool(points))

    def stays(self) -> list[Fact]:
        """Remains: REE and ammonium in pore water, on clay and in solids."""
        lines = []
        for title, key in (("in pore water", "dissolved"), ("on the clay", "on_clay"),
                           ("precipitated", "solid")):
            lines.append(fact(f"REO {title}", _sum(self.ree, key), "kg"))
        for title, key in (("in pore water", "dissolved"), ("on the clay", "on_clay")):
            n = total(*(getattr(e, key) for e in self.ammonium)) if self.ammonium else None
            lines.append(fact(f"ammonium {title}", None if n is None else MASS_N * n, "kg of N"))
        s = self.run.summary
        lines.append(fact("water-soluble N" + self.at_points(), s.get("residual_N_mg_per_kg"),
                          "mg per kg of ore"))
        lines += [fact(f"{word} pH of the ore", s.get(key))
                  for word, key in (("lowest", "pH_min"), ("highest", "pH_max"))]
        return lines


def _sum(entries: tuple[Entry, ...], key: str) -> float | None:
    """Mass of REO [kg] of one column of the ledger; None without REE."""
    if not entries:
        return None
    return total(*(times(getattr(e, key), e.component.oxide_mass) for e in entries))


def times(*factors: float | None) -> float | None:
    """Return the product; None where a factor is not known."""
    out = 1.0
    for value in factors:
        if value is None:
            return None
        out *= value
    return out


def per(amount: float | None, mass: float | None, scale: float = 1.0) -> float | None:
    """Return scale amount / mass; None where either is not known, or there is no mass."""
    return None if amount is None or mass is None or not mass > 0 else scale * amount / mass
