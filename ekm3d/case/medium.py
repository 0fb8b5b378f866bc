"""Response of the medium to its minerals and its water, read from [physics.medium].

    zeta = points(pH) (1 + b log10(I/I_ref)),  the bracket at least 0                          [V]

The laws that follow from it are those of `ekm3d.physics.porosity_feedback`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema import CaseFile, MediumEntry
from ekm3d.case.units import QuantityKind, not_negative, positive
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Array
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

PUREST = 1e-7      # mol/l, the ionic strength of pure water
PH = QuantityKind("", "5.5", 0.0, 14.0)
VOLTS = QuantityKind("V", "-20 mV", -1.0, 1.0)
VOLUME = positive("m3/mol", "36.9 cm3/mol")
EXPONENT = QuantityKind("", "3", 0.0, 20.0, above=True)
CONCENTRATION = not_negative("mol/m3", "0.1 mol/l")
FACTOR = QuantityKind("", "0.6", 1e-6, 1e6)
OSMOSIS = QuantityKind("m2/V/s", "1.5e-8 m2/V/s")


@dataclass(frozen=True)
class Zeta:
    """Zeta potential of the clay in water of a given pH and ionic strength."""

    pH: Array                  # (points,) rising
    volts: Array               # (points,) zeta at these and at I_ref [V]
    per_decade: float = 0.0    # b: relative change per tenfold I
    reference: float = 0.01    # I_ref [mol/l]

    def at(self, move: Callable[[Array], Array]) -> "Zeta":
        """Return the same law with its points copied by move(array), such as to a device."""
        return replace(self, pH=move(self.pH), volts=move(self.volts))

    def __call__(self, pH: Array, strength: Array) -> Array:
        """Return zeta [V] at pH and ionic strength [mol/l], arrays of one shape.

        Linear interpolation between the points, constant beyond them.
        """
        decades = np.log10(np.maximum(strength, PUREST) / self.reference)
        return np.interp(pH, self.pH, self.volts) * np.maximum(1.0 + self.per_decade * decades, 0.0)


@dataclass(frozen=True)
class Salt:
    """Permeability over that of water without a component, by its dissolved concentration."""

    component: int
    name: str
    concentration: Array       # (points,) rising [mol/m3 of water]
    factor: Array              # (points,)

    def at(self, move: Callable[[Array], Array]) -> "Salt":
        """Return the same law with its points copied by move(array), such as to a device."""
        return replace(self, concentration=move(self.concentration), factor=move(self.factor))

    def __call__(self, concentration: Array) -> Array:
        """Return the factor at concentrations [mol/m3]: linear between points, constant beyond."""
        return np.interp(concentration, self.concentration, self.factor)


@dataclass(frozen=True)
class Response:
    """Laws by which the medium changes; None: the property stays as it is."""

    volumes: np.ndarray | None = None         # (M,) molar volumes [m3/mol], for the porosity
    permeability: float | str | None = None   # "kozeny-carman", or the exponent p
    tortuosity: float | None = None           # the exponent m
    zeta: Zeta | None = None
    salts: tuple[Salt, ...] = ()              # factors on the permeability

    def rows(self) -> list[tuple[str, str]]:
        """Return (property, law) of every law, for a report."""
        rows = [] if self.volumes is None else [("porosity", "follows the minerals' volumes")]
        if self.permeability is not None:
            law = self.permeability
            rows.append(("permeability", law if isinstance(law, str) else f"(n/n_0)^{law:g}"))
        for salt in self.salts:
            points = ", ".join(f"{f:g} at {c:g} mol/m3" for c, f in
                               zip(salt.concentration, salt.factor, strict=True))
            rows.append((f"permeability by {salt.name}", points))
        if self.tortuosity is not None:
            rows.append(("tortuosity", f"(n/n_0)^{self.tortuosity:g}"))
        if self.zeta is not None:
            z = self.zeta
            points = ", ".join(f"{1e3 * v:g} mV at pH {p:g}" for p, v in
                               zip(z.pH, z.volts, strict=True))
            rows.append(("zeta potential", f"{points}; {z.per_decade:+g} per tenfold ionic "
                         f"strength from {z.reference:g} mol/l"))
        return rows


class ResponseReader:
    """Reader of [physics.medium]; problems go to `problems`."""

    def __init__(self, chem: ChemicalSystem, problems: Problems):
        self.chem, self.problems = chem, problems
        self.path: KeyPath = ("physics", "medium")

    def read(self, file: CaseFile) -> Response | None:
        """Return the Response, or None without the table."""
        entry = file.physics.medium
        if entry is None:
            return None
        if not file.physics.transport:
            self._wrong("", "needs physics.transport; switch it on, or leave the table out")
        attempt, volumes, permeability = self.problems.attempt, None, None
        if entry.porosity:
            volumes = attempt(self._volumes, entry.molar_volume)
        for key in ("permeability", "tortuosity", "molar_volume"):
            if getattr(entry, key) and not entry.porosity:
                self._wrong(key, "follows the porosity; give porosity = true as well")
        if entry.permeability is not None:
            permeability = attempt(self._permeability, entry.permeability)
        zeta = attempt(self._zeta, file, entry)
        salts = [attempt(self._salt, name, points) for name, points in entry.salt.items()]
        self._check_twice(list(entry.salt))
        if entry.salt and not file.physics.flow:
            self._wrong("salt", "changes the flow of water, and physics.flow is off; leave one of "
                        "them out")
        return Response(volumes, permeability, entry.tortuosity, zeta, tuple(salts))

    def _wrong(self, key: str, message: str) -> None:
        """Add a problem with a key of the table, or with the table itself where `key` is ""."""
        self.problems.add((*self.path, key) if key else self.path, message)

    def _volumes(self, given: dict[str, Any]) -> np.ndarray:
        """Return the molar volumes [m3/mol] (M,): the database's, or those given here."""
        chem, volumes = self.chem, np.array(self.chem.volume_m)
        for name, value in given.items():
            if name not in chem.minerals:
                self._wrong("molar_volume", f"unknown mineral {quoted(name)}"
                            + suggest(name, chem.minerals))
            else:
                volumes[chem.minerals.index(name)] = self._number("molar_volume", value, VOLUME)
        lacking = [name for name, volume in zip(chem.minerals, volumes, strict=True)
                   if not np.isfinite(volume)]
        if lacking:
            self._wrong("molar_volume", f"of {', '.join(lacking)} is not known; write e.g. "
                        f"molar_volume = {{ \"{lacking[0]}\" = \"{VOLUME.example}\" }}")
        if not chem.minerals:
            self._wrong("porosity", "the chosen chemistry has no minerals that could change it")
        return volumes

    def _permeability(self, value: Any) -> float | str:
        """Return "kozeny-carman" or the exponent of a power law."""
        if value == "kozeny-carman":
            return value
        if isinstance(value, str):
            self._wrong("permeability", f"{quoted(value)} is not a law; write \"kozeny-carman\" "
                        "or the exponent of a power law, e.g. 3")
            raise MissingValue
        return self._number("permeability", value, EXPONENT)

    def _number(self, key: str, value: Any, kind: QuantityKind) -> float:
        """Return the SI number under `key`."""
        try:
            return kind.read(value)
        except ValueError as error:
            self._wrong(key, str(error))
            raise MissingValue from None

    def _salt(self, name: str, points: Any) -> Salt:
        """Return the law of one component from its points."""
        key, chem = f"salt.{name}", self.chem
        names = (*chem.components, *chem.labels)
        if name not in names or chem.index(name) == chem.hydrogen:
            self._wrong("salt", f"no component {quoted(name)} takes part"
                        + suggest(name, chem.components, chem.labels)
                        if name not in names else "H+ is no salt; name an ion of it")
            raise MissingValue
        if not isinstance(points, list) or not points or not all(
                isinstance(p, list) and len(p) == 2 for p in points):
            self._wrong(key, "should be points of concentration and factor, "
                        "[[\"0 mol/l\", 1.0], [\"0.1 mol/l\", 0.6]]")
            raise MissingValue
        concentration = [self._number(key, point[0], CONCENTRATION) for point in points]
        if any(a >= b for a, b in pairwise(concentration)):
            self._wrong(key, "the concentrations of the points must rise")
        return Salt(chem.index(name), name, np.array(concentration),
                    np.array([self._number(key, point[1], FACTOR) for point in points]))

    def _check_twice(self, names: list[str]) -> None:
        """Refuse tables of one component by both of its names, SO4-2 and SO4."""
        known = (*self.chem.components, *self.chem.labels)
        first: dict[int, str] = {}
        for name in names:
            if name in known:
                same = first.setdefault(self.chem.index(name), name)
                if same != name:
                    self._wrong(f"salt.{name}", f"is the component of {quoted(same)}, which has a "
                                "table already; leave one of them out")

    def _zeta(self, file: CaseFile, entry: MediumEntry) -> Zeta | None:
        """Return the Zeta of the table, None without `zeta`."""
        if entry.zeta is None:
            return None
        given = file.ore.electroosmotic_permeability
        if not (isinstance(given, str) and OSMOSIS.read(given) == 0.0 or given == 0.0):
            self._wrong("zeta", "gives the electro-osmotic permeability; leave out "
                        "ore.electroosmotic_permeability, or zeta")
        if not file.physics.flow:
            self._wrong("zeta", "drives water, and physics.flow is off; leave one of them out")
        if self.chem.hydrogen is None:
            self._wrong("zeta", "depends on pH, and the chosen chemistry does not have H+")
        if not entry.zeta or not all(isinstance(p, list) and len(p) == 2 for p in entry.zeta):
            self._wrong("zeta", "should be points of pH and potential, "
                        "[[3.0, \"0 mV\"], [9.0, \"-40 mV\"]]")
            raise MissingValue
        pH = [self._number("zeta", point[0], PH) for point in entry.zeta]
        if any(a >= b for a, b in pairwise(pH)):
            self._wrong("zeta", "the pH of the points must rise")
        return Zeta(np.array(pH), np.array([self._number("zeta", point[1], VOLTS)
                                            for point in entry.zeta]),
                    entry.zeta_per_decade, 1e-3 * entry.reference_strength)
