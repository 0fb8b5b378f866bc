"""Ore body of a case, read from [ore] and the exchangers: rock and inventory of every voxel.

Every value may be any of the sources of `ekm3d.case.voxel_values`. Amounts are per kg of dry ore in
the case, and per m3 of bulk ore in `OreBody`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.retention import Retention, RetentionReader
from ekm3d.case.rocks import Ground, RockValues
from ekm3d.case.schema import ChemistryChoice, Exchanger, Ore
from ekm3d.case.schema_shapes import RockEntry
from ekm3d.case.units import QuantityKind, not_negative, per_kg, positive
from ekm3d.case.voxel_values import SourceReader
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.retention_curves import water_content
from ekm3d.suggest import suggest

ROCK = {    # key in [ore] -> attribute of OreBody, kind of quantity
    "density": ("density", positive("kg/m3", "1500 kg/m3")),
    "porosity": ("porosity", QuantityKind("", "0.45", 0.0, 1.0, above=True)),
    "water_content": ("water_content", QuantityKind("", "0.42", 0.0, 1.0, above=True)),
    "tortuosity": ("tortuosity", QuantityKind("", "0.67", 0.0, 1.0, above=True)),
    "permeability": ("hydraulic_conductivity", positive("m/s", "3.5e-7 m/s")),
    "electroosmotic_permeability": ("electroosmosis", QuantityKind("m2/V/s", "1.5e-8 m2/V/s")),
    "dispersivity": ("dispersivity", QuantityKind("m", "5 cm", 0.0, 1e3)),
}
SITES = not_negative("eq/kg", "65 meq/kg")
BY_AXIS = ("tortuosity", "permeability", "electroosmotic_permeability")     # may differ by axis
OPTIONAL = {    # the same of properties that are None unless they are given
    "conductivity": ("electric_conductivity", positive("S/m", "0.1 S/m")),
    "current_source": ("current_source", QuantityKind("A/m3", "1 A/m3")),
    "transverse_dispersivity": ("transverse_dispersivity", QuantityKind("m", "5 mm", 0.0, 1e3)),
    "surface_mobility": ("surface_mobility", QuantityKind("", "0.01", 0.0, 1.0)),
    "storage": ("storage", not_negative("1/m", "1e-4 1/m")),
}
ALL = Ground()
NOMINAL_DENSITY = 1000.0     # kg/m3, for reports per kg where no amount of the case is per kg


@dataclass(frozen=True)
class OreBody:
    """Ore data as float64 arrays (nz, ny, nx), without ghost layers.

    Where `cec` is given and exceeds the charge of `exchangeable`, protons hold the rest. With
    several exchangers cec, cec_slope and reference_pH have them along a first axis.
    """

    density: np.ndarray                  # kg of dry ore per m3
    porosity: np.ndarray                 # m3 of pores per m3 of bulk
    water_content: np.ndarray            # m3 of water per m3 of bulk
    tortuosity: np.ndarray               # diffusion in the ore / diffusion in water, per water
    hydraulic_conductivity: np.ndarray   # m/s
    electroosmosis: np.ndarray           # m2/V/s, water flux per field, towards the cathode
    dispersivity: np.ndarray             # m
    cec: np.ndarray                      # eq per m3 of bulk at the reference pH
    cec_slope: np.ndarray                # eq per m3 of bulk and pH unit
    exchangeable: dict[str, np.ndarray] = field(default_factory=dict)  # component -> mol/m3 bulk
    minerals: dict[str, np.ndarray] = field(default_factory=dict)      # mineral -> mol/m3 bulk
    reference_pH: float | np.ndarray = 7.0      # pH at which `cec` is counted
    electric_conductivity: np.ndarray | None = None  # S/m of the wet ore; None: from the ions
    current_source: np.ndarray | None = None    # A/m3; None: only electrodes and sides
    storage: np.ndarray | None = None           # 1/m, specific storage; None: 0
    transverse_dispersivity: np.ndarray | None = None    # m; None: none across the flow
    surface_mobility: np.ndarray | None = None    # of cations on clay over that in free water
    retention: Retention | None = None          # of rock that may be unsaturated
    along: dict[str, np.ndarray] = field(default_factory=dict)     # attribute -> (3, nz, ny, nx):
    # value along z, y, x over that along x, which is what the attribute has; if they differ
    ground: Ground = field(default_factory=Ground)      # voxels that take part, and rock types

    @property
    def fixed_charge(self) -> np.ndarray:
        """Sum of the exchangers' capacities [eq per m3 of bulk] (nz, ny, nx)."""
        return self.cec if self.cec.ndim == 3 else self.cec.sum(axis=0)


class OreReader:
    """Reader of [ore] and the exchangers; problems go to `problems`."""

    def __init__(self, chem: ChemicalSystem, sources: SourceReader, problems: Problems,
                 ground: Ground = ALL):
        self.chem, self.sources, self.problems = chem, sources, problems
        self.grid, self.rocks = sources.grid, RockValues(ground, sources, problems)

    def read(self, ore: Ore, choice: ChemistryChoice, flow: bool = True, prewetted: bool = False,
             unsaturated: bool = True) -> OreBody:
        """Return the OreBody of a validated [ore] and [chemistry].

        Without `flow` the permeability may be left out. The density may be left out where no
        amount is per kg of ore, neither here nor in the water (`prewetted`). Without `unsaturated`
        the retention curves are checked and left aside.
        """
        wanted = ore.retention if unsaturated else None
        exchangers = self.problems.attempt(self._exchangers, choice)
        sources = {key: getattr(ore, key) for key in ROCK}
        given = self.rocks.given
        amounts = (prewetted or ore.exchangeable or ore.minerals or any(
            x.cec != "from inventory" or x.variable_charge != 0.0 for _, x in exchangers)
            or given("cec") or given("variable_charge")
            or any(given("exchangeable").values()) or any(given("minerals").values()))
        if ore.density is None and not amounts and not given("density"):
            sources["density"] = NOMINAL_DENSITY
        self.problems.attempt(self.sources.weigh, ore.density, ROCK["density"][1])
        rock: dict[str, Any] = {}
        along: dict[str, Any] = {}
        for key, (attribute, kind) in ROCK.items():
            if sources[key] is None and (key, flow) == ("permeability", False):
                rock[attribute] = self.problems.attempt(lambda: np.zeros(self.grid.shape))
            elif sources[key] is None and given(key):
                rock[attribute] = self.rocks.field(("ore", key), None, kind, key)
            elif sources[key] is None and key == "water_content" and wanted is not None:
                rock[attribute] = None
            elif sources[key] is None:
                aside = ("; its retention curve gives it no more, as physics.unsaturated is off"
                         if key == "water_content" and ore.retention and not unsaturated else "")
                self.problems.add(("ore", key), f"is missing; write e.g. {key} = {kind.example!r}"
                                  + aside)
                rock[attribute] = MISSING
            elif key in BY_AXIS and by_axis(sources[key]) and given(key):
                self.problems.add(("ore", key), "differs from axis to axis, and a rock type gives "
                                  "one value for all of them; give one value in both")
                rock[attribute] = MISSING
            elif key in BY_AXIS and by_axis(sources[key]):
                rock[attribute], along[attribute] = self._by_axis(key, sources[key], kind)
            else:
                rock[attribute] = self.rocks.field(("ore", key), sources[key], kind, key)
        optional = {attribute: self._optional(key, getattr(ore, key), kind)
                    for key, (attribute, kind) in OPTIONAL.items()
                    if getattr(ore, key) is not None or (
                        key in RockEntry.model_fields and given(key))}
        retention, curves = None, RetentionReader(self.sources, self.problems, self.rocks)
        if wanted is None and ore.retention is not None:
            self.problems.attempt(curves.curve, ore.retention, rock["porosity"])
        if wanted is not None:
            retention = self.problems.attempt(curves.read, wanted, rock["water_content"],
                                              rock["porosity"])
            if rock["water_content"] is None:
                rock["water_content"] = self.problems.attempt(
                    lambda: water_content(retention.pressure_head, retention.curve))
        elif unsaturated and given("retention"):
            self.problems.add(("ore", "retention"), "is missing: rock types have a retention "
                              "curve; write [ore.retention], which tells the water at the start")
        if "surface_mobility" in optional and not len(self.chem.z_x):
            self.problems.add(("ore", "surface_mobility"), "moves exchangeable cations, and the "
                              "chemistry has no exchange species; leave one of them out")
        if "surface_mobility" in optional and ore.conductivity is not None:
            self.problems.add(("ore", "surface_mobility"), "adds to the conductivity of the ions, "
                              "and ore.conductivity takes its place; leave one of them out")
        if "transverse_dispersivity" in optional:
            self.problems.attempt(self._check_transverse, optional["transverse_dispersivity"],
                                  rock["dispersivity"])
        self.problems.attempt(self._check_water_content, rock["water_content"], rock["porosity"])
        exchangeable = self.problems.attempt(self._exchangeable, ore.exchangeable)
        minerals = self.problems.attempt(self._minerals, ore.minerals)
        slope = [self.rocks.field((*path, "variable_charge"), x.variable_charge, SITES,
                                  *self._of_site("variable_charge", x)) for path, x in exchangers]
        sites = [self._sites(path, x) for path, x in exchangers]
        cec = self.problems.attempt(self._cec, sites, exchangeable,
                                    [path for path, _ in exchangers])
        density = rock["density"]
        if along and ore.conductivity is not None and "tortuosity" in along:
            self.problems.add(("ore", "conductivity"), "is the same along all axes and takes the "
                              "place of the ions' conductivity, to which a tortuosity for each "
                              "axis leads; leave one of them out")
        if any(ratio is MISSING for ratio in along.values()):
            raise MissingValue
        return OreBody(**rock, **optional, along=along, retention=retention,
                       cec=_one_or_all(cec) * density, cec_slope=_one_or_all(slope) * density,
                       exchangeable={k: v * density for k, v in exchangeable.items()},
                       minerals={k: v * density for k, v in minerals.items()},
                       reference_pH=_one_or_all([x.reference_pH for _, x in exchangers]),
                       ground=self.rocks.ground)

    def _optional(self, key: str, source: Any, kind: QuantityKind) -> Any:
        """Return the values of a property that need not be given."""
        if key not in RockEntry.model_fields:
            return self.sources.field(("ore", key), source, kind)
        if source is None and key == "storage":
            source = 0.0
        return self.rocks.field(("ore", key), source, kind, key)

    @staticmethod
    def _of_site(key: str, exchanger: Exchanger) -> tuple[str, ...]:
        """Return the keys of a rock type under which it gives a value of an exchanger."""
        name = getattr(exchanger, "name", None)
        return (key,) if name is None else (key, name)

    def _sites(self, path: KeyPath, exchanger: Exchanger) -> Any:
        """Return the capacity of an exchanger; None where it follows from the inventory."""
        keys = self._of_site("cec", exchanger)
        follows = exchanger.cec == "from inventory"
        if follows and not self.rocks.given(*keys):
            return None
        return self.rocks.field((*path, "cec"), None if follows else exchanger.cec, SITES, *keys)

    def _by_axis(self, key: str, source: Any, kind: QuantityKind) -> tuple[Any, Any]:
        """Return (values along x, ratios along z, y, x to these) of a value for each axis."""
        named = dict(zip("xyz", source, strict=False)) if isinstance(source, list) else source
        if set(named) != set("xyz") or len(source) != 3:
            self.problems.add(("ore", key), f"has {len(source)} values, not one each for x, y and "
                              "z; write three values for x, y and z, such as "
                              f"{key} = [{', '.join(3 * [repr(kind.example)])}], or one for all")
            return MISSING, MISSING
        x, y, z = (self.sources.field(("ore", key, axis), named[axis], kind) for axis in "xyz")
        if any(value is MISSING for value in (x, y, z)):
            return MISSING, MISSING
        if ((x == 0) & ((y != 0) | (z != 0))).any():
            self.problems.add(("ore", key, "x"), "is 0 where the values along y or z are not; give "
                              "a value above 0, however small")
            return MISSING, MISSING
        ratios = [np.divide(value, x, out=np.ones(x.shape), where=x != 0) for value in (z, y, x)]
        return x, np.array(ratios)

    def _exchangers(self, choice: ChemistryChoice) -> list[tuple[KeyPath, Exchanger]]:
        """Return (path in the case, entry) of every exchanger of the database, in its order."""
        several, known = choice.exchangers, self.chem.exchangers
        if not several:
            if len(known) > 1:
                self.problems.add(("chemistry",), f"the database has {len(known)} exchangers; give "
                                  "each a [[chemistry.exchangers]] with its name and cec: "
                                  + ", ".join(known))
            return [(("chemistry", "exchanger"), choice.exchanger or Exchanger())]
        path = ("chemistry", "exchangers")
        if choice.exchanger is not None:
            self.problems.add(("chemistry", "exchanger"), "there are [[chemistry.exchangers]] as "
                              "well; leave one of them out")
        self.problems.check_names(several, path, "exchanger")
        entries = {x.name: ((*path, n), x) for n, x in enumerate(several)}
        for name, (place, _) in entries.items():
            if name not in known:
                self.problems.add((*place, "name"), f"the database has no exchanger '{name}'"
                                  + suggest(name, known))
        for name in known:
            if name not in entries:
                self.problems.add(path, f"exchanger '{name}' of the database is missing; add one "
                                  "with its name, and cec = 0 if the ore has none of it")
        return [entries[name] for name in known if name in entries] or list(entries.values())

    def _check_transverse(self, transverse: np.ndarray, dispersivity: np.ndarray) -> None:
        """Check that water disperses no more across its flow than along it."""
        over = transverse > dispersivity
        if over.any():
            self.problems.add(("ore", "transverse_dispersivity"),
                              f"{transverse[over][0]:g} m is above ore.dispersivity "
                              f"({dispersivity[over][0]:g} m) in {over.sum()} of {over.size} "
                              "voxels; across the flow it is a tenth of that or less")

    def _check_water_content(self, water: np.ndarray, porosity: np.ndarray) -> None:
        """Check that the water content does not exceed the porosity."""
        over = (water > porosity * (1 + 1e-12)) & self.rocks.rest(())
        if over.any():
            first = tuple(np.argwhere(over)[0])
            self.problems.add(("ore", "water_content"),
                              f"{water[first]:g} is above the porosity {porosity[first]:g} in "
                              f"{over.sum()} of {over.size} voxels, the first at "
                              f"{self.sources.place(over)}; it must not exceed the porosity")

    def _exchangeable(self, table: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return {component: mol per kg of dry ore}."""
        chem = self.chem
        amounts: dict[str, np.ndarray] = {}
        for path, name, source in self._listed("exchangeable", table):
            if name not in chem.components + chem.labels:
                self.problems.add(path, "unknown component"
                                  + suggest(name, chem.components, chem.labels))
                continue
            n = chem.index(name)
            if chem.components[n] in amounts:
                self.problems.add(path, f"{chem.components[n]} is given twice, by name and label")
            elif chem.charge[n] <= 0:
                self.problems.add(path, f"{chem.components[n]} has charge {chem.charge[n]:g}; only "
                                  "cations can be exchangeable")
            elif not (chem.nu_x[:, n] > 0).any():
                self.problems.add(path, f"no exchange reaction of "
                                  f"{chem.components[n]} takes part; exchangeable can be "
                                  + ", ".join(c for k, c in enumerate(chem.components)
                                              if (chem.nu_x[:, k] > 0).any()))
            else:
                kind = per_kg(chem.charge[n], chem.molar_mass[n])
                amounts[chem.components[n]] = self.rocks.field(path, source, kind,
                                                               "exchangeable", name)
        return amounts

    def _minerals(self, table: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return {mineral: mol per kg of dry ore}."""
        amounts = {}
        for path, name, source in self._listed("minerals", table):
            if name not in self.chem.minerals:
                self.problems.add(path, "unknown mineral" + suggest(name, self.chem.minerals))
                continue
            mass = self.chem.mineral_mass(self.chem.minerals.index(name))
            amounts[name] = self.rocks.field(path, source, per_kg(molar_mass=mass), "minerals",
                                             name)
        return amounts

    def _listed(self, key: str, table: dict[str, Any]) -> list[tuple[KeyPath, str, Any]]:
        """Return (path, name, source) of amounts of [ore], then of those of rock types alone."""
        out: list[tuple[KeyPath, str, Any]] = [(("ore", key, name), name, source)
                                               for name, source in table.items()]
        seen = {*table}
        for rock, entry in self.rocks.ground.entries.items():
            for name in getattr(entry, key):
                if name not in seen:
                    seen.add(name)
                    out.append((("rocks", rock, key, name), name, 0.0))
        return out

    def _cec(self, sites: list[Any], exchangeable: dict[str, np.ndarray], paths: list[KeyPath]
             ) -> Any:
        """Return the capacity [eq/kg] of every exchanger.

        None among `sites` stands for the charge of the inventory less the other capacities.
        """
        charge = sum((self.chem.charge[self.chem.index(name)] * n
                      for name, n in exchangeable.items()), np.zeros(self.grid.shape))
        unknown = [n for n, given in enumerate(sites) if given is None]
        given = sum((s for s in sites if s is not None), np.zeros(self.grid.shape))
        if len(unknown) > 1:
            self.problems.add((*paths[unknown[1]], "cec"), "only one exchanger's cec can follow "
                              "\"from inventory\"")
            return MISSING
        self._check_exchange_species(sites, paths)
        if len(unknown) == 1:
            return [np.maximum(charge - given, 0.0) if s is None else s for s in sites]
        if self.chem.hydrogen is None or not (self.chem.nu_x[:, self.chem.hydrogen] > 0).any():
            spare = (given > charge * (1 + 1e-9)) & self.rocks.rest(())
            if spare.any():
                k, j, i = np.argwhere(spare)[0]
                self.problems.add((*paths[0], "cec"),
                                  f"{1e3 * given[k, j, i]:g} meq/kg is more than the exchangeable "
                                  f"inventory of {1e3 * charge[k, j, i]:g} meq/kg, and no exchange "
                                  "species of H+ takes part to hold the rest; give less, or "
                                  "\"from inventory\"")
        over = (charge > given * (1 + 1e-9)) & self.rocks.rest(())
        if over.any():
            k, j, i = np.argwhere(over)[0]
            self.problems.add((*paths[0], "cec"),
                              f"{1e3 * given[k, j, i]:g} meq/kg cannot hold the exchangeable "
                              f"inventory of {1e3 * charge[k, j, i]:g} meq/kg; give more, or "
                              "\"from inventory\"")
        return sites

    def _check_exchange_species(self, sites: list[Any], paths: list[KeyPath]) -> None:
        """Check that every capacity above 0 has exchange species that can fill it."""
        for n, given in enumerate(sites):
            if given is not None and given.any() and not (self.chem.site_of == n).any():
                self.problems.add((*paths[n], "cec"), "is above 0, but no exchange species of the "
                                  "chosen components takes part; choose some, or set cec = 0")
                raise MissingValue


def by_axis(source: Any) -> bool:
    """Return True where a source gives a value for each axis: a list, or a table of x, y and z."""
    return isinstance(source, list) or isinstance(source, dict) and bool(set(source) & set("xyz"))


def _one_or_all(values: Sequence[Any]) -> Any:
    """Return the value of one exchanger as it is, those of several along a first axis."""
    return values[0] if len(values) == 1 else np.array(values)
