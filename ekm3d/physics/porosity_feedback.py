"""Feedback of the chemistry on the rock: porosity, permeability, tortuosity, electro-osmosis.

    porosity      n = n_0 - sum_m V_m (n_m - n_m0),      water contents in proportion         [1]
    permeability  K = K_0 (n/n_0)^3 ((1 - n_0)/(1 - n))^2  (Kozeny-Carman), or K_0 (n/n_0)^p [m/s]
                  times f(c) of every component that has a table of it: clay takes up water and
                  swells by the salt of its pore water
    tortuosity    tau = tau_0 (n/n_0)^m,      m = 1/3: Millington and Quirk                    [1]
    osmosis       k_e = -(epsilon/eta) zeta(pH, I) theta tau        (Smoluchowski)       [m2/V/s]
                  zeta = points(pH) (1 + b log10(I/I_ref)), at least 0 times points(pH)        [V]

theta tau of the osmosis are those of full pores: in unsaturated ore, whose own laws of the water
scale K and k_e in turn, the porosity stays. Each is optional. The ore's conductivity, unless given,
follows theta tau: the ions carry it. Conduction by the clay's own ions is left out: they do not
move in `transport`, and a current without ions to carry it would break the charge balance.

The water content is that of full pores and no water is added or taken when it changes: the water
displaced by minerals, theta/n times their volume, is not part of the water balance. Amounts are
stored per volume of rock and stay as they are. Pores never close below LEAST of n_0.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Array
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.rock import Rock
from ekm3d.state import State, minerals

EPSILON_ETA = 7.80e-7     # m2/V/s per V: 78.4 x 8.854e-12 F/m over 0.890 mPa s, water at 25 C
LEAST = 0.05              # of the first porosity


def kozeny_carman(n: Array, first: Array) -> Array:
    """Return K/K_0 of a porosity n that was `first`."""
    return (n / first)**3 * ((1.0 - first) / (1.0 - n))**2


class ZetaLaw(Protocol):
    """Zeta potential of the clay [V]."""

    def at(self, move: Callable[[Array], Array]) -> "ZetaLaw":
        """Return the same law with its arrays copied by move(array), such as to a device."""

    def __call__(self, pH: Array, strength: Array) -> Array:
        """Return zeta [V] at pH and ionic strength [mol/l], arrays of one shape."""


class SaltLaw(Protocol):
    """Permeability over that of water without a component, by its dissolved concentration."""

    component: int

    def at(self, move: Callable[[Array], Array]) -> "SaltLaw":
        """Return the same law with its arrays copied by move(array), such as to a device."""

    def __call__(self, concentration: Array) -> Array:
        """Return the factor at concentrations [mol/m3] of water."""


class MediumLaws(Protocol):
    """Laws by which the medium changes; None: the property stays as it is."""

    @property
    def volumes(self) -> np.ndarray | None:
        """(M,) molar volumes [m3/mol]."""

    @property
    def permeability(self) -> float | str | None:
        """Exponent p, or "kozeny-carman"."""

    @property
    def salts(self) -> Sequence[SaltLaw]:
        """Of the permeability."""

    @property
    def tortuosity(self) -> float | None:
        """Exponent m."""

    @property
    def zeta(self) -> ZetaLaw | None:
        """Of the clay."""


class PorosityFeedback:
    """Rock arrays of a run, updated in place from its minerals and pore water.

    porosity: (n,) of the ore voxels, now.
    """

    def __init__(self, voxels: OreVoxels, chem: ChemicalSystem, rock: Rock, porosity: Array,
                 response: MediumLaws, full: Callable[[], tuple[Array, Array]] | None = None):
        """porosity: padded, at t = 0; response: the laws of its change; full: gives water content
        and tortuosity of full pores, padded, now; None: those of the rock."""
        self.voxels, self.rock, self.response = voxels, rock, response
        self.full = full or (lambda: (rock.water_content, rock.tortuosity))
        self.weighted_sum, self.zeta = voxels.backend.weighted_sum, response.zeta
        if self.zeta is not None:
            self.zeta = self.zeta.at(voxels.backend.from_numpy)
        self.salts = [(np.array(chem.nu[:, law.component]), law.at(voxels.backend.from_numpy))
                      for law in response.salts]
        self.ions = 0.5e-3 * chem.z**2                               # I [mol/l] of c [mol/m3]
        self.porosity = voxels.take(porosity)
        self.first = {name: voxels.take(getattr(rock, name)) for name in (
            "water_content", "tortuosity", "hydraulic_conductivity")}
        self.n_0, self.solid_0 = self.porosity.copy(), None

    @property
    def closed(self) -> int:
        """Number of voxels at the minimum porosity."""
        return int(np.count_nonzero(self.porosity <= LEAST * self.n_0))

    def start(self, s: State) -> None:
        """Record the minerals of the given porosity."""
        self.solid_0 = self.voxels.take(minerals(s))
        self.advance(s)

    def advance(self, s: State) -> None:
        """Update the rock from the minerals and the water of the state."""
        r, rock, put = self.response, self.rock, self.voxels.put
        K = self.first["hydraulic_conductivity"]
        if r.volumes is not None:
            grown = self.weighted_sum(r.volumes, self.voxels.take(minerals(s)) - self.solid_0)
            self.porosity = np.maximum(self.n_0 - grown, LEAST * self.n_0)
            share = self.porosity / self.n_0
            put(rock.water_content, self.first["water_content"] * share)
            if r.tortuosity is not None:
                put(rock.tortuosity, self.first["tortuosity"] * share**r.tortuosity)
            if r.permeability is not None:
                change = kozeny_carman(self.porosity, self.n_0) \
                    if r.permeability == "kozeny-carman" else share**r.permeability
                K = K * change
        for parts, law in self.salts:
            K = K * law(self.weighted_sum(parts, self.voxels.take(s.c)))
        if r.permeability is not None or self.salts:
            put(rock.hydraulic_conductivity, K)
        if self.zeta is not None:
            take = self.voxels.take
            zeta = self.zeta(take(s.pH), self.weighted_sum(self.ions, take(s.c)))
            water, tortuosity = self.full()
            put(rock.electroosmosis, -EPSILON_ETA * zeta * take(water) * take(tortuosity))
