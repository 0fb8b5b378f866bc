"""Coefficients of the activity model from records, at a temperature; see `chemistry.activity`.

Laws of a record, as PHREEQC has them: its own `size` and `linear` (WATEQ); `gamma = "llnl"` with
A, B and the linear term of a table over temperatures, linear between its entries; `gamma = "co2"`,
with coefficients c1 to c5 and T in K,

    ln gamma = (c1 + c2 T + c3/T) I - (c4 + c5 T) I/(1 + I)             (Drummond 1981);

else Davies for ions, `neutral` times I for uncharged species, and 1 for exchange species. In a
database of the model "llnl" Debye-Hueckel's A is that of the table, and 0 in the laws of WATEQ and
Davies: ions without a size there have 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.chemistry import water_properties
from ekm3d.chemistry.activity import LN10
from ekm3d.constants import TEMPERATURE, ZERO_CELSIUS

# Ionic strength [mol/l] up to which the coefficients are accepted: Davies (1962); Truesdell and
# Jones (1974) and Helgeson (1969), both up to about that of seawater and NaCl of 1 mol/kg.
VALID = {"davies": 0.5, "wateq": 1.0, "llnl": 1.0, "ideal": np.inf}


@dataclass(frozen=True)
class Coefficients:
    """log10 gamma = -A z2 sqrt I/(1 + size sqrt I) + linear I + saturating I/(1 + I); (n,) each."""

    A: np.ndarray
    size: np.ndarray             # l^1/2/mol^1/2
    linear: np.ndarray           # l/mol
    saturating: np.ndarray


class ActivityModel:
    """Activity model of the table [activity] at a temperature [K]."""

    def __init__(self, activity: Mapping[str, Any], temperature: float):
        self.table, self.model, self.T = activity, activity["model"], temperature
        self.water_activity = float(activity["water_activity"])
        self.valid_strength = VALID[self.model]
        if self.model != "ideal":
            (A_25, _), (A_T, self.B) = map(water_properties.debye_hueckel,
                                           (TEMPERATURE, temperature))
            self.A = 0.0 if self.model == "llnl" else float(activity["A"]) * (A_T / A_25)

    def of_species(self, rows: Sequence[Mapping[str, Any]], z: np.ndarray) -> Coefficients:
        """Return the coefficients of dissolved species: records and charges (n,)."""
        ones, none = np.ones(len(z)), np.zeros(len(z))
        if self.model == "ideal":
            return Coefficients(none, ones, none.copy(), none.copy())
        neutral = self.table["neutral"]
        found = Coefficients(self.A * ones, ones.copy(),
                             np.where(z == 0, neutral, 0.3 * self.A * z**2), none)
        for s, record in enumerate(rows if self.model != "davies" else ()):
            self._set(found, s, record, z[s])
        return found

    def of_exchange(self, rows: Sequence[Mapping[str, Any]], z: np.ndarray) -> Coefficients:
        """Return the coefficients of exchange species: records and the sites they take (n,)."""
        none = np.zeros(len(z))
        found = Coefficients(none, none.copy(), none.copy(), none.copy())
        for e, record in enumerate(rows):
            if self.model == "ideal" or not {"size", "gamma"} & set(record):
                continue
            law = record.get("gamma")
            found.A[e] = self.A
            if law is None:
                found.size[e], found.linear[e] = self.B * record["size"], record["linear"]
            elif law == "davies" or self.model == "davies":
                found.size[e], found.linear[e] = 1.0, 0.3 * self.A * z[e]**2
            else:
                self._set(found, e, record, z[e])
        return found

    def _set(self, found, n, record, z):
        """Set the coefficients of one record that has its own."""
        law = record.get("gamma")
        if law == "llnl":
            found.A[n], found.size[n] = self._at("dh_a"), self._at("dh_b") * record["size"]
            found.linear[n] = self._at("bdot") if z else 0.0
        elif law == "co2":
            c1, c2, c3, c4, c5 = self.table["co2"]
            found.linear[n] = (c1 + c2 * self.T + c3 / self.T) / LN10
            found.saturating[n] = -(c4 + c5 * self.T) / LN10
        elif "size" in record:
            found.size[n], found.linear[n] = self.B * record["size"], record["linear"]

    def _at(self, name):
        """Return the number of a table at the temperature."""
        order = np.argsort(self.table["temperatures"])
        celsius, values = (np.array(self.table[key], float)[order]
                           for key in ("temperatures", name))
        return float(np.interp(self.T - ZERO_CELSIUS, celsius, values))
