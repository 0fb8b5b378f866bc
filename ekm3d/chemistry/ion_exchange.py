"""Cation exchangers: how much charge each holds, and what counts as activity of the exchanged.

Exchanger i holds X_i = clip(cec_i + slope_i (pH - pH_ref,i)) equivalents per volume of bulk. Half
reactions  ion + z X- = species  give, with x the activity of its empty site and K that of the
record, the activity of every species e on it, which is by convention

    Gaines-Thomas   the equivalent fraction   z n_e / X = K a_ion x^z
    Vanselow        the mole fraction         n_e / q   = K a_ion x^z,     q = sum of n on it
    Gapon           the equivalent fraction   z n_e / X = (K a_ion)^(1/z) x

x cancels between any two species of an exchanger. Gapon counts by the equivalent: a record may as
well be written so (1/z ion + X-), with the z-th root of K; PHREEQC, which has Gaines-Thomas only,
expresses Gapon in this way. All are of one form, amount_e = scale K' prod a^nu' x^z', whose sum
over e of z' amount_e is X; with the scale held, the amounts are gradients of a convex function.
"""

from dataclasses import dataclass, fields

import numpy as np

from ekm3d.chemistry.activity import LN10

CONVENTIONS = ("gaines-thomas", "vanselow", "gapon")


@dataclass(frozen=True)
class Sites:
    """The N exchangers: X = cec + slope (pH - reference_pH), kept within `limits` times cec.

    cec [eq/m3 of bulk] and slope [eq/m3 per pH] are numbers, one value per voxel, or (N, n) where
    there are several exchangers; (N, 1) where these are the same in all voxels.
    """

    cec: object = 0.0
    slope: object = 0.0
    reference_pH: object = 7.0
    limits: tuple = (0.3, 2.5)


class Columns:
    """A dataclass of arrays whose last axis counts voxels."""

    def take(self, index):
        """The same for some of the voxels."""
        return type(self)(**{f.name: getattr(self, f.name)[..., index] for f in fields(self)})


@dataclass
class Voxels(Columns):
    """What is given for n voxels with N exchangers."""

    total: np.ndarray            # (K, n) mol/m3 of bulk
    water: np.ndarray            # (n,) litres per m3 of bulk
    cec: np.ndarray              # (N, n) eq/m3
    slope: np.ndarray            # (N, n) eq/m3 per pH
    reference_pH: np.ndarray     # (N, n)
    least: np.ndarray            # (N, n) limits of X - cec, eq/m3
    most: np.ndarray

    def released(self, pH):
        """(X - cec, where it follows pH): protons given off at pH (n,), and (N, n) bool."""
        line = self.slope * (pH - self.reference_pH)
        charge = np.clip(line, self.least, self.most)
        return charge, charge == line


class Exchangers:
    """The exchange species of a chemistry in the form of the module's text.

    A system without any has one exchanger that holds nothing.
    """

    def __init__(self, chem):
        E, self.count = len(chem.exchange), max(1, len(chem.exchangers))
        for name, convention in zip(chem.exchangers, chem.conventions):
            if convention not in CONVENTIONS:
                raise ValueError(f"exchanger '{name}': convention = '{convention}', must be "
                                 + ", ".join(CONVENTIONS))
        kind = [chem.conventions[i] for i in chem.site_of]
        gapon, vanselow = (np.array([k == name for k in kind], bool)
                           for name in ("gapon", "vanselow"))
        self.per = np.where(gapon, chem.z_x, 1.0)        # (E,) amounts per mole of species
        self.nu = chem.nu_x / self.per[:, None]
        self.z = chem.z_x / self.per
        self.on = np.zeros((E, self.count))              # species e is on exchanger i
        self.on[np.arange(E), chem.site_of] = 1.0
        self.mixed = [i for i, name in enumerate(chem.conventions) if name == "vanselow"]
        self.scaled_by_charge = self.on * ~vanselow[:, None]
        self.scaled_by_sum = self.on[:, self.mixed]      # (E, V)
        self.constant = LN10 * chem.log_k_x / self.per - np.where(vanselow, 0.0, np.log(self.z))
