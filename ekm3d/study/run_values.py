"""Values of one finished run for tables: its summary, its series at a time, and some more.

Besides keys of summary.json there are EXTRAS: the time of the leachate richest in REE, and charge,
REE, anions and other cations in equivalents; `cations_eq` are all at the start but acid and
ammonium. Ammonium over these is the stoichiometric ceiling of what it displaces, of each in its
proportion.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ekm3d.constants import FARADAY
from ekm3d.errors import InputError
from ekm3d.output.results import Results, open_results
from ekm3d.study.measured import identifier
from ekm3d.suggest import suggest

EXTRAS = ("leachate_peak_h", "charge_eq", "anions_eq", "REE_eq", "held_eq", "others_eq",
          "cations_eq")


@dataclass(frozen=True)
class Budget:
    """Balance of what a run moved [eq]: charge, anions and cations in the leachate.

    held: REE at the start; moved: REE in leachate and on plates;
    water: leachate [l]; others: cations other than REE in leachate and on plates;
    cations: all cations at the start, without acid and ammonium.
    """

    charge: float
    anions: float
    held: float
    others: float
    moved: float
    water: float
    cations: float = 0.0


class RunValues:
    """Values of the run in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @cached_property
    def results(self) -> Results:
        """The run as it is read back."""
        return open_results(self.directory)

    @cached_property
    def summary(self) -> dict[str, float]:
        """Numbers of the summary; nan where one is undefined."""
        return {identifier(key): math.nan if value is None else float(value)
                for key, value in self.results.summary.items()
                if value is None or isinstance(value, (int, float))}

    @cached_property
    def series(self) -> dict[str, np.ndarray]:
        """Columns of the series by names for formulas; `time` in hours."""
        columns = {identifier(key): v for key, v in self.results.series.items()}
        if self.results.units["time"] != "h":
            columns["time"] = columns["time"] / 3600.0
        return columns

    def value(self, key: str, time: float | None) -> float:
        """Return a value at the end, or a column at a time [s]; InputError for an unknown one."""
        if time is not None:
            if key not in self.series:
                raise InputError(f"series.csv has no column {key}" + suggest(key, self.series))
            hours = self.series["time"]
            return float(np.interp(time / 3600.0, hours, self.series[key], right=math.nan))
        if key in EXTRAS:
            return self._extra(key)
        if key not in self.summary:
            raise InputError(f"summary.json has no {key}" + suggest(key, [*self.summary, *EXTRAS]))
        return self.summary[key]

    def _extra(self, key: str) -> float:
        if key == "leachate_peak_h":
            return self.leachate_peak()
        budget = self.budget()
        return {"charge_eq": budget.charge, "anions_eq": budget.anions, "REE_eq": budget.moved,
                "held_eq": budget.held, "others_eq": budget.others,
                "cations_eq": budget.cations}.get(key, math.nan)

    def leachate_peak(self) -> float:
        """Time [h] at which the leachate that runs off holds most REE per litre; nan without."""
        hours, water = self.series["time"], self.series["leachate"]
        ree = self.series["REE_in_leachate"]
        gained = np.diff(water)
        if not (gained > 1e-3 * max(water[-1], 1e-30) / gained.size).any():
            return math.nan
        rich = np.where(gained > 1e-2 * gained.max(), np.diff(ree) / np.maximum(gained, 1e-30), 0)
        return float(0.5 * (hours[:-1] + hours[1:])[int(np.argmax(rich))])

    @cached_property
    def components(self) -> list[tuple[str, int, str]]:
        """(label, charge, group) of the components, as the run has recorded them."""
        return [(c["label"], round(c["charge"]), c["group"] or "")
                for c in self.results.provenance["facts"]["components"]]

    def budget(self) -> Budget:
        """Return charge and ions that the run has moved, from its own series."""
        last = {key: float(values[-1]) for key, values in self.series.items()}
        first = {key: float(values[0]) for key, values in self.series.items()}
        anions = others = moved = held = cations = 0.0
        for label, charge, group in self.components:
            name = identifier(label)
            out = charge * (last.get(f"leachate_{name}", 0.0) + last.get(f"plate_{name}", 0.0))
            there = charge * (first.get(f"ore_{name}", 0.0) + first.get(f"tanks_{name}", 0.0))
            if charge > 0 and label != "H" and group != "ammonium":
                cations += there
            if group == "REE":
                moved += out
                held += there
            elif charge < 0:
                anions -= charge * last.get(f"leachate_{name}", 0.0)
            elif label != "H":
                others += out
        return Budget(last["charge"] / FARADAY, anions, held, others, moved,
                      last.get("leachate", 0.0), cations)
