"""Cation exchangers: their charge as a function of pH, and conventions of exchanger activity.

Exchanger i holds X_i = clip(cec_i + slope_i (pH - pH_ref,i)) equivalents per volume of bulk. Half
reactions  ion + z X- = species  give, with x the activity of its empty site and K that of the
record, the activity of every species e on it, by convention

    Gaines-Thomas   the equivalent fraction   z n_e / X = K a_ion x^z
    Vanselow        the mole fraction         n_e / q   = K a_ion x^z,     q = sum of n on it
    Gapon           the equivalent fraction   z n_e / X = (K a_ion)^(1/z) x

x cancels between any two species of an exchanger. Gapon counts by the equivalent: a record may
equally be written per equivalent (1/z ion + X-), with the z-th root of K; PHREEQC, which has
Gaines-Thomas only, expresses Gapon in this way. All are of one form,

    amount_e = scale K' prod a^nu' x^z',     sum over e of z' amount_e = X;

at a fixed scale the amounts are gradients of a convex function.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from ekm3d.chemistry.activity import LN10
from ekm3d.chemistry.chemical_state import Array
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.errors import InputError

CONVENTIONS = ("gaines-thomas", "vanselow", "gapon")


@dataclass(frozen=True)
class Sites:
    """The N exchangers: X = cec + slope (pH - reference_pH), within `limits` times cec.

    cec [eq/m3 of bulk] and slope [eq/m3 per pH] are numbers, one value per voxel, or (N, n) where
    there are several exchangers; (N, 1) for values that are the same in all voxels.
    """

    cec: Array | float = 0.0
    slope: Array | float = 0.0
    reference_pH: Array | float = 7.0
    limits: tuple[float, float] = (0.3, 2.5)


NO_SITES = Sites()         # cec = 0


@dataclass
class Columns:
    """Base of dataclasses of arrays whose last axis counts voxels."""

    def take(self, index: np.ndarray) -> Self:
        """Return the same for the voxels `index`, numbers or bool."""
        return type(self)(**{f.name: getattr(self, f.name)[..., index] for f in fields(self)})


@dataclass
class Voxels(Columns):
    """Inputs of the equilibrium of n voxels with N exchangers."""

    total: np.ndarray            # (K, n) mol/m3 of bulk
    water: np.ndarray            # (n,) litres per m3 of bulk
    cec: np.ndarray              # (N, n) eq/m3
    slope: np.ndarray            # (N, n) eq/m3 per pH
    reference_pH: np.ndarray     # (N, n)
    least: np.ndarray            # (N, n) limits of X - cec, eq/m3
    most: np.ndarray

    def released(self, pH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the protons given off, X - cec (N, n) eq/m3, at pH (n,); True (N, n) off limits.

        Off its limits X depends on pH.
        """
        line = self.slope * (pH - self.reference_pH)
        charge = np.clip(line, self.least, self.most)
        return charge, charge == line


class Exchangers:
    """Exchange species of a system in the common form of the module's text.

    A system without any has one exchanger without charge. Attributes, E exchange species on
    `count` exchangers: per (E,) amounts n_e per mole of species; nu (E, K) and z (E,) exponents
    nu' and z'; on (E, N) 1 where species e is on exchanger i; vanselow: numbers of the V Vanselow
    exchangers; scaled_by_charge (E, N), scaled_by_sum (E, V): 1 where the scale is X or q;
    constant (E,) ln K'.

    Raises InputError for an unknown convention.
    """

    def __init__(self, chem: ChemicalSystem):
        E, self.count = len(chem.exchange), max(1, len(chem.exchangers))
        for name, convention in zip(chem.exchangers, chem.conventions, strict=True):
            if convention not in CONVENTIONS:
                raise InputError(f"exchanger '{name}': convention = '{convention}', must be "
                                 + ", ".join(CONVENTIONS))
        kind = [chem.conventions[i] for i in chem.site_of]
        gapon, vanselow = (np.array([k == name for k in kind], bool)
                           for name in ("gapon", "vanselow"))
        self.per = np.where(gapon, chem.z_x, 1.0)
        self.nu = chem.nu_x / self.per[:, None]
        self.z = chem.z_x / self.per
        self.on = np.zeros((E, self.count))
        self.on[np.arange(E), chem.site_of] = 1.0
        self.vanselow = [i for i, name in enumerate(chem.conventions) if name == "vanselow"]
        self.scaled_by_charge = self.on * ~vanselow[:, None]
        self.scaled_by_sum = self.on[:, self.vanselow]
        self.constant = LN10 * chem.log_k_x / self.per - np.where(vanselow, 0.0, np.log(self.z))
