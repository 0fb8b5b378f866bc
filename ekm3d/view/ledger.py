"""Ledger of every component: where it was at the start, where it is at the end, what left.

    ore + tanks at the start + brought in = water + clay + solids + tanks + plates + leachate + lost

Amounts in mol; from series.csv, and the split of the ore into water, clay and solids from the last
snapshot. None where a number is not known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ekm3d.view.run import Component, Run

ROUNDING = 1e-12        # of the largest amount of a component, below which another is rounding
ABSENT = 1e-15          # of the largest of all components, below which one is not there


@dataclass(frozen=True)
class Entry:
    """Amounts of one component [mol]; lost: what left other than as leachate."""

    component: Component
    start: float | None
    brought: float | None
    dissolved: float | None
    on_clay: float | None
    solid: float | None
    ore: float | None           # the three together
    tanks: float | None
    plate: float | None
    leachate: float | None
    lost: float | None

    @property
    def available(self) -> float | None:
        """Amount that there was at the start, and was brought in since [mol]."""
        return total(self.start, self.brought)

    @property
    def recovered(self) -> float | None:
        """Amount in the leachate and on plates [mol]."""
        return total(self.leachate, self.plate)

    @property
    def error(self) -> float | None:
        """Error of the ledger over what was available [1]."""
        held = total(self.ore, self.tanks, self.plate, self.leachate, self.lost)
        if held is None or not self.available:
            return None
        return abs(self.available - held) / self.available


def total(*parts: float | None) -> float | None:
    """Return the sum; None where a part is not known."""
    return None if any(part is None for part in parts) else sum(p for p in parts if p is not None)


def share(part: float | None, whole: float | None) -> float | None:
    """Return part / whole; None where either is not known or the whole is nothing."""
    return None if part is None or not whole else part / whole


def ledger(run: Run) -> tuple[Entry, ...]:
    """Return an entry of every component but acidity, in the order of the case."""
    return tuple(entry(run, component) for component in run.components)


def without_rounding(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries with 0 for what rounding has left: see ROUNDING and ABSENT."""
    names = [f.name for f in fields(Entry) if f.name != "component"]
    sizes = [max((abs(getattr(e, n) or 0.0) for n in names), default=0.0) for e in entries]
    most = max(sizes, default=0.0)
    out = []
    for e, size in zip(entries, sizes, strict=True):
        least = np.inf if size < ABSENT * most else ROUNDING * size
        nothing: dict[str, Any] = {
            n: 0.0 for n in names if (value := getattr(e, n)) is not None and abs(value) < least}
        out.append(replace(e, **nothing))
    return tuple(out)


def entry(run: Run, c: Component) -> Entry:
    """Return the entry of a component at the end of the series."""
    in_ore, tanks = run.column(f"ore_{c.label}"), run.column(f"tanks_{c.label}")
    start = total(*(None if column is None else float(column[0]) for column in (in_ore, tanks)))
    dissolved, on_clay, solid = phases(run, c, -1) if _same_time(run) else (None, None, None)
    return Entry(c, start, _ways(run, c, "in"), dissolved, on_clay, solid,
                 run.last(f"ore_{c.label}"), run.last(f"tanks_{c.label}"),
                 run.last(f"plate_{c.label}"), run.last(f"leachate_{c.label}"),
                 _ways(run, c, "lost"))


def _same_time(run: Run) -> bool:
    """Return whether the last snapshot and the last row of the series are of one time."""
    return bool(len(run.hours)) and abs(run.times[-1] - run.hours[-1]) <= 1e-6 * run.times[-1]


def phases(run: Run, c: Component, n: int
           ) -> tuple[float | None, float | None, float | None]:
    """Amounts (dissolved, on clay, in solids) of a component in the ore at a snapshot [mol].

    None for fields that the run was told not to write.
    """
    water = _summed(run, n, f"{c.label}_dissolved", "water_content")
    return water, _summed(run, n, f"{c.label}_exchanged"), _summed(run, n, f"{c.label}_solid")


def _summed(run: Run, n: int, *fields: str) -> float | None:
    """Sum of the product of some fields over the ore [mol]; None where one is not in the file."""
    if any(name not in run.names for name in fields):
        return None
    product = np.prod([run.field(name, n) for name in fields], axis=0)
    return float(np.nansum(product)) * run.grid.voxel_volume


def _ways(run: Run, c: Component, which: str) -> float | None:
    """Sum over wells, sides, gases and dosing of what came in, or left not as leachate [mol]."""
    if not run.series:
        return None
    out = 0.0
    for way, kind in run.well_kinds().items():
        if which == "in":
            out += run.last(f"{way}_in_{c.label}") or 0.0
        elif kind != "collector":
            out += run.last(f"{way}_out_{c.label}") or 0.0
    if which == "in":
        out += run.last(f"dosed_{c.label}") or 0.0
    return out + (run.last(f"gas_{'in' if which == 'in' else 'out'}_{c.label}") or 0.0)


@dataclass(frozen=True)
class Way:
    """Water [m3], REE oxides [kg] and ammonium [kg of N] that passed a well, boundary or side."""

    name: str
    kind: str                   # in words: "injection", "rain", "drainage, collected", "side"
    direction: str              # "in" | "out" | "runoff": rain that did not enter
    water: float | None
    oxides: float | None
    nitrogen: float | None


def ways(run: Run) -> list[Way]:
    """Return what passed every well, boundary of the ground and side, in and out."""
    out = []
    for way, kind in run.way_words().items():
        for direction in ("in", "out", "runoff"):
            water = run.last(f"{way}_{direction}_water")
            if water is None:
                continue
            ree = [(run.last(f"{way}_{direction}_{c.label}"), c.oxide_mass)
                   for c in run.group("REE")]
            nitrogen = [run.last(f"{way}_{direction}_{c.label}") for c in run.group("ammonium")]
            out.append(Way(
                way.partition("_")[2], kind, direction, 1e-3 * water,
                total(*(None if n is None else n * mass for n, mass in ree)) if ree else None,
                total(*(None if n is None else n * 14.007e-3 for n in nitrogen))
                if nitrogen else None))
    return out


def oxides(run: Run, prefixes: tuple[str, ...] = ("leachate", "plate")) -> np.ndarray | None:
    """Mass of REE oxides recovered so far, at every row of the series [kg]; None without REE."""
    columns = [(run.column(f"{prefix}_{c.label}"), c.oxide_mass)
               for c in run.group("REE") for prefix in prefixes]
    if not columns or any(column is None for column, _ in columns):
        return None
    return np.asarray(sum(column * mass for column, mass in columns if column is not None))


def time_of_share(hours: np.ndarray, amount: np.ndarray, part: float) -> float | None:
    """Return when a growing amount has reached a part of its last value [h]; None without any."""
    if not amount.size or not amount[-1] > 0:
        return None
    reached = np.flatnonzero(amount >= part * amount[-1])[0]
    if reached == 0:
        return float(hours[0])
    low, high = amount[reached - 1], amount[reached]
    weight = (part * amount[-1] - low) / (high - low)
    return float(hours[reached - 1] + weight * (hours[reached] - hours[reached - 1]))
