"""What [physics.medium] and [physics.mobility] say, as plain data for `medium` and `mobility`.

    zeta = points(pH) (1 + b log10(I/I_ref)),  the bracket at least 0                          [V]
"""

from dataclasses import dataclass, replace

import numpy as np

from ekm3d.case.toml_text import MissingValue
from ekm3d.case.units import QuantityKind, positive
from ekm3d.chemistry.diffusion import by_size, radii
from ekm3d.suggest import suggest

PUREST = 1e-7      # mol/l, the ionic strength of water alone
PH = QuantityKind("", "5.5", 0.0, 14.0)
VOLTS = QuantityKind("V", "-20 mV", -1.0, 1.0)
VOLUME = positive("m3/mol", "36.9 cm3/mol")
EXPONENT = positive("", "3")
OSMOSIS = QuantityKind("m2/V/s", "1.5e-8 m2/V/s")


@dataclass(frozen=True)
class Zeta:
    """The zeta potential of the clay in water of a given pH and ionic strength."""

    pH: np.ndarray             # of the points, rising
    volts: np.ndarray          # at these
    per_decade: float = 0.0    # b: relative change per tenfold I
    reference: float = 0.01    # I_ref, mol/l

    def at(self, move):
        """The same with its points where move(array) brings them."""
        return replace(self, pH=move(self.pH), volts=move(self.volts))

    def __call__(self, pH, strength):
        """V; straight between the points, constant beyond them. strength: I [mol/l]."""
        decades = np.log10(np.maximum(strength, PUREST) / self.reference)
        return np.interp(pH, self.pH, self.volts) * np.maximum(1.0 + self.per_decade * decades, 0.0)


@dataclass(frozen=True)
class Response:
    """Which of the laws of `medium` are on; None: off."""

    volumes: np.ndarray = None         # (M,) m3/mol, for the porosity
    permeability: float | str = None   # "kozeny-carman", or the exponent p
    tortuosity: float = None           # the exponent m
    zeta: Zeta = None

    def rows(self):
        """(what, law) of everything here, for a report."""
        rows = [] if self.volumes is None else [("porosity", "follows the minerals' volumes")]
        if self.permeability is not None:
            law = self.permeability
            rows.append(("permeability", law if law == "kozeny-carman" else f"(n/n_0)^{law:g}"))
        if self.tortuosity is not None:
            rows.append(("tortuosity", f"(n/n_0)^{self.tortuosity:g}"))
        if self.zeta is not None:
            z = self.zeta
            points = ", ".join(f"{1e3 * v:g} mV at pH {p:g}" for p, v in zip(z.pH, z.volts))
            rows.append(("zeta potential", f"{points}; {z.per_decade:+g} per tenfold ionic "
                         f"strength from {z.reference:g} mol/l"))
        return rows


def read_mobility(file, chem, problems):
    """{species: factor} of [physics.mobility]; empty where something is wrong with it."""
    entry, path = file.physics.mobility, ("physics", "mobility")
    if entry is None:
        return {}
    wrong = False
    for key, known in (("factor", chem.species), ("radius", chem.components)):
        for name in getattr(entry, key):
            if name not in known:
                problems.add((*path, key, name), f"the chosen chemistry has no {name!r}"
                             + suggest(name, known))
                wrong = True
    if wrong or entry.size_exponent is None:
        return {} if wrong else dict(entry.factor)
    known = radii() | entry.radius
    sized = [name for name in chem.components if name in known]
    if entry.reference not in known:
        what = "is missing" if entry.reference is None else f"no radius of {entry.reference!r}"
        problems.add((*path, "reference"), f"{what}; name the ion whose factor is 1"
                     + suggest(entry.reference, known))
        return {}
    if not sized:
        problems.add((*path, "size_exponent"), "the radius of no component is known; write e.g. "
                     f"radius = {{ \"{chem.components[-1]}\" = 1.1 }}, in Angstrom")
        return {}
    return by_size(sized, entry.size_exponent, entry.reference, known) | entry.factor


class ResponseReader:
    """Reads [physics.medium]; problems go to `problems`."""

    def __init__(self, chem, problems):
        self.chem, self.problems, self.path = chem, problems, ("physics", "medium")

    def read(self, file):
        """The Response, or None where the medium stays as it is."""
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
        return Response(volumes, permeability, entry.tortuosity, zeta)

    def _wrong(self, key, message):
        self.problems.add((*self.path, key) if key else self.path, message)

    def _volumes(self, given):
        """(M,) molar volumes: the database's, or those given here."""
        chem, volumes = self.chem, np.array(self.chem.volume_m)
        for name, value in given.items():
            if name not in chem.minerals:
                self._wrong("molar_volume", f"unknown mineral {name!r}"
                            + suggest(name, chem.minerals))
            else:
                volumes[chem.minerals.index(name)] = self._number("molar_volume", value, VOLUME)
        lacking = [name for name, volume in zip(chem.minerals, volumes) if not np.isfinite(volume)]
        if lacking:
            self._wrong("molar_volume", f"of {', '.join(lacking)} is not known; write e.g. "
                        f"molar_volume = {{ \"{lacking[0]}\" = \"{VOLUME.example}\" }}")
        if not chem.minerals:
            self._wrong("porosity", "the chosen chemistry has no minerals that could change it")
        return volumes

    def _permeability(self, value):
        if value == "kozeny-carman":
            return value
        if isinstance(value, str):
            self._wrong("permeability", f"{value!r} is not a law; write \"kozeny-carman\" or the "
                        "exponent of a power law, e.g. 3")
            raise MissingValue
        return self._number("permeability", value, EXPONENT)

    def _number(self, key, value, kind):
        try:
            return kind.read(value)
        except ValueError as error:
            self._wrong(key, str(error))
            raise MissingValue from None

    def _zeta(self, file, entry):
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
        if any(a >= b for a, b in zip(pH, pH[1:])):
            self._wrong("zeta", "the pH of the points must rise")
        return Zeta(np.array(pH), np.array([self._number("zeta", point[1], VOLTS)
                                            for point in entry.zeta]),
                    entry.zeta_per_decade, 1e-3 * entry.reference_strength)
