"""Chemical system: dissolved species, exchange species, minerals and gases as arrays.

Built by `thermodata.build` from records. Three names are reserved: "H+" (the component that
counts acidity), "H2O" (the solvent, whose activity is below 1 in brines) and "X-" (an empty site,
where the data name no exchangers).
Constants are log10 at the system's temperature:

    species     sum nu_i component_i + w H2O = species                    (formation)
    exchange    component + z X- = exchange species                       (half reaction)
    mineral     mineral = sum nu_i component_i + w H2O                    (dissolution)
    gas         gas = sum nu_i component_i + w H2O                        (dissolution)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

import numpy as np

from ekm3d.chemistry.chemical_state import Array
from ekm3d.constants import TEMPERATURE
from ekm3d.errors import InputError
from ekm3d.quoting import quoted, some

HYDROGEN, WATER, SITE = "H+", "H2O", "X-"
WATER_MASS = 18.015e-3       # kg/mol


def _none():
    return field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class ChemicalSystem:
    """The chemical system as arrays: K components, S species, E exchange species on
    N exchangers, M minerals, G gases.

    The first K species are the free components, in the components' order.
    """

    components: tuple[str, ...]
    labels: tuple[str, ...]      # short names for reports: "NH4"
    groups: tuple[str, ...]      # "", "REE", "impurity", ...
    charge: np.ndarray           # (K,) charge of the free component
    molar_mass: np.ndarray       # (K,) kg/mol
    species: tuple[str, ...]
    z: np.ndarray                # (S,) charge
    diffusion: np.ndarray        # (S,) in free water at infinite dilution, m2/s
    nu: np.ndarray               # (S, K) components per species
    water: np.ndarray            # (S,) H2O consumed in forming the species
    log_k: np.ndarray            # (S,) log10 of the formation constant; 0 for free components
    exchange: tuple[str, ...]
    nu_x: np.ndarray             # (E, K)
    z_x: np.ndarray              # (E,) sites taken, positive
    log_k_x: np.ndarray          # (E,)
    minerals: tuple[str, ...]
    nu_m: np.ndarray             # (M, K) components set free by dissolution
    water_m: np.ndarray          # (M,) H2O set free
    log_k_m: np.ndarray          # (M,)
    debye_A: Array | float       # log10 gamma = -A z2 sqrt I/(1 + size sqrt I) + linear I; or (S,)
    size: np.ndarray             # (S,) l^1/2/mol^1/2; 1: Davies, with linear = 0.3 A z2
    linear: np.ndarray           # (S,) l/mol; all 0, with A = 0: ideal
    water_activity: float        # a_w = 1 - water_activity sum m; 0: a_w = 1
    mobility_coefficient: float  # f(I) = 1/(1 + mobility_coefficient sqrt I)
    exchangers: tuple[str, ...] = ()    # N names
    conventions: tuple[str, ...] = ()   # of each, see `ion_exchange`: "gaines-thomas", ...
    site_of: np.ndarray = _none()   # (E,) the exchanger of each exchange species
    volume_m: np.ndarray = _none()  # (M,) molar volume of the minerals, m3/mol; NaN if not known
    gases: tuple[str, ...] = ()
    nu_g: np.ndarray = _none()   # (G, K) components set free by dissolution
    water_g: np.ndarray = _none()   # (G,) H2O set free
    log_k_g: np.ndarray = _none()   # (G,) of gas [atm] = components
    pressure_g: np.ndarray = _none()   # (G,) atm, constant
    saturating: np.ndarray = _none()   # (S,) of I/(1 + I) in log10 gamma, see `activity`; or empty
    debye_x: np.ndarray = _none()   # (E,) A, size and linear of exchange species, with z = z_x,
    size_x: np.ndarray = _none()   # or empty: their activity is that of their convention alone
    linear_x: np.ndarray = _none()
    valid_strength: float = np.inf  # mol/l, up to which the activity coefficients hold
    temperature: float = TEMPERATURE    # K

    def __post_init__(self):
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @property
    def hydrogen(self) -> int | None:
        """Index of the component H+, or None in a system without acidity."""
        return self.components.index(HYDROGEN) if HYDROGEN in self.components else None

    @property
    def inverse_temperature(self) -> float:
        """298.15 K over the temperature [1]: of F/(RT) over that of 25 C."""
        return TEMPERATURE / self.temperature

    @property
    def unknowns(self) -> int:
        """Number of unknowns of a warm start of one voxel."""
        exchangers = max(1, len(self.exchangers)) + self.conventions.count("vanselow")
        return len(self.components) + exchangers + 2 + len(self.minerals)

    def index(self, name: str) -> int:
        """Return the index of a component by name or label; InputError if there is none."""
        for names in (self.components, self.labels):
            if name in names:
                return names.index(name)
        raise InputError(unknown("component", name, self.components + self.labels))

    def species_index(self, name: str) -> int:
        """Return the index of a species by name; InputError if there is none."""
        if name in self.species:
            return self.species.index(name)
        raise InputError(unknown("species", name, self.species))

    def group(self, name: str) -> list[int]:
        """Return the indices of the components of a group."""
        return [k for k, group in enumerate(self.groups) if group == name]

    def hydroxides(self, group: str) -> list[tuple[int, int]]:
        """Return (component, mineral) of every hydroxide M(OH)n of a component of a group."""
        pairs = []
        for m in range(len(self.minerals)):
            metals = [int(k) for k in np.flatnonzero(self.nu_m[m]) if k != self.hydrogen]
            if len(metals) == 1 and self.groups[metals[0]] == group:
                pairs.append((metals[0], m))
        return pairs

    def mineral_mass(self, m: int) -> float:
        """Return the molar mass of mineral `m`, its water included [kg/mol]."""
        return self.nu_m[m] @ self.molar_mass + self.water_m[m] * WATER_MASS

    def mobility(self, ionic_strength: Array) -> Array:
        """Return f(I) [1], the mobility of ions at ionic strength I [mol/l] relative to I = 0."""
        return 1.0 / (1.0 + self.mobility_coefficient * np.sqrt(ionic_strength))

    def ideal(self) -> "ChemicalSystem":
        """Return the system with all activity coefficients and the water activity equal to 1."""
        zero, none = np.zeros_like(self.linear), np.zeros(0)
        return replace(self, debye_A=0.0, linear=zero, water_activity=0.0, saturating=none,
                       valid_strength=np.inf).without_exchange_coefficients()

    def without_exchange_coefficients(self) -> "ChemicalSystem":
        """Return the system whose exchange species have no activity coefficients."""
        none = np.zeros(0)
        return replace(self, debye_x=none, size_x=none, linear_x=none)


def unknown(what: str, name: object, known: Iterable[object]) -> str:
    """Return a message on an unknown name with the nearest known one, or else all of them."""
    import difflib  # imported here: it costs 5 ms, and only mistakes need it

    names = sorted({str(n) for n in known})
    near = difflib.get_close_matches(str(name), names, 1, 0.6) if len(str(name)) < 100 else []
    hint = f"did you mean '{near[0]}'?" if near else f"known are {some(names, 40)}"
    return f"unknown {what} {quoted(str(name))}, {hint}"
