"""Curves of a run: what is drawn against time, for pictures on paper and in a report alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ekm3d.view.bounds import bounds
from ekm3d.view.ledger import oxides
from ekm3d.view.planes import AXES, ends, long_axis
from ekm3d.view.quantities import Quantity
from ekm3d.view.run import Run

LITRE = 1e-3
MOST_MARKS = 8                  # stages that are marked one by one
NAME_SHARE = 0.1                # of the axis, for the name of a stage


@dataclass(frozen=True)
class Line:
    """One curve: name and values; `dashed` sets it apart."""

    name: str
    values: np.ndarray
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Curves over the same hours with one unit; note: what a reader should know.

    across: title of the level axis, where it is not time; unit: of its numbers, in words.
    """

    key: str
    title: str
    label: str                  # of the vertical axis, with its unit
    hours: np.ndarray
    lines: tuple[Line, ...]
    note: str = ""
    marks: tuple[tuple[float, str], ...] = ()       # (hour, text) of upright lines
    zero: bool = True           # the axis begins at 0
    claims: tuple[tuple[float, str, bool], ...] = ()        # (value, text, exceeds)
    across: str = "time (hours)"
    unit: str = "hours"


def panels(run: Run) -> tuple[Panel, ...]:
    """Return all panels that the series of a run has data for."""
    makers = (current, recovery, breakthrough, impurities, energy, intensity, nitrogen, water, acid)
    found = [maker(run) for maker in makers] if run.series else []
    return tuple(panel for panel in found if panel is not None)


def stage_marks(run: Run) -> tuple[tuple[float, str], ...]:
    """Return the hours at which stages begin, but the first, with names that can be read.

    Of more than MOST_MARKS stages, groups that take turns are one mark, where the first of them
    begins. A name that would lie over the one before stands behind it, after a comma.
    """
    marks = run.stage_ends()
    if len(marks) > MOST_MARKS:
        names = ["", *(re.sub(r" group \d+$", "", text) for _, text in marks)]
        marks = [(hour, name) for (hour, _), name, before
                 in zip(marks, names[1:], names[:-1], strict=True) if name != before]
    out: list[tuple[float, str]] = []
    first = 0                           # of those that share one place for their names
    for hour, text in marks:
        if out and hour - out[first][0] < NAME_SHARE * run.hours[-1]:
            out[first] = (out[first][0], f"{out[first][1]}, {text}")
            out.append((hour, ""))
        else:
            first = len(out)
            out.append((hour, text))
    return tuple(out)


def _panel(run: Run, key: str, title: str, label: str, lines: list[Line | None], note: str = "",
           zero: bool = True) -> Panel | None:
    """Return a panel of the lines that there are; None without one that has a value."""
    there = tuple(line for line in lines
                  if line is not None and np.isfinite(line.values).any())
    if not any(np.nan_to_num(line.values).any() for line in there):
        return None                                     # nothing but zeros says nothing
    return Panel(key, title, label, run.hours, there, note, stage_marks(run),
                 zero) if there else None


def _line(run: Run, name: str, column: str, scale: float = 1.0, dashed: bool = False
          ) -> Line | None:
    values = run.column(column)
    return None if values is None else Line(name, scale * values, dashed)


def current(run: Run) -> Panel | None:
    """Current of every row; positive into the ore."""
    return _panel(run, "current", "Current by electrode row", "current (ampere)",
                  [_line(run, name, f"current_{name}") for name in run.rows],
                  "While the power is on. Above zero: anode; below: cathode.")


def recovery(run: Run) -> Panel | None:
    """Recovery of REE together and one by one."""
    ree = run.group("REE")
    lines = [_line(run, "all rare earths", "recovery_REE", 100.0)]
    if len(ree) > 1:
        lines += [_line(run, c.label, f"recovery_{c.label}", 100.0) for c in ree]
    lines.append(_line(run, "removed from the ore", "removal_REE", 100.0, dashed=True))
    return _panel(run, "recovery", "Recovery of rare earths", "share of what was there (%)", lines,
                  "In leachate and on cathode plates, of what the ore held and what was fed; "
                  "dashed: gone from clay and pore water of the ore, by mass.")


def breakthrough(run: Run) -> Panel | None:
    """Concentration in the leachate that arrives between two rows of the series."""
    litres = run.column("leachate")
    if litres is None or not run.flows(litres):
        return None
    lines: list[Line | None] = []
    for c in (*run.group("REE"), *run.group("ammonium"), *run.group("impurity")):
        amount = run.column(f"leachate_{c.label}")
        if amount is not None:
            grams = 1e3 * c.molar_mass * rate(amount, litres)
            lines.append(Line(c.label, 1e3 * grams, dashed=c.group != "REE"))
    return _panel(run, "breakthrough", "Breakthrough in the leachate", "milligram per litre", lines,
                  "Of the leachate that has arrived since the row before; dashed: ammonium and "
                  "impurities.")


def rate(amount: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Return d amount / d against between rows, at the later one; NaN where nothing has come."""
    step = np.diff(against)
    out = np.full(len(amount), np.nan)
    flowing = step > 1e-9 * max(float(np.abs(against).max(initial=0.0)), 1e-300)
    out[1:][flowing] = np.diff(amount)[flowing] / step[flowing]
    return out


def impurities(run: Run) -> Panel | None:
    """Mass of REE and of every impurity in the leachate."""
    lines: list[Line | None] = []
    for c in (*run.group("REE"), *run.group("impurity")):
        lines.append(_line(run, c.label, f"leachate_{c.label}", c.molar_mass,
                           dashed=c.group == "REE"))
    return _panel(run, "impurities", "Impurities in the leachate", "kilogram", lines,
                  "Dashed: rare earths, for comparison.")


def energy(run: Run) -> Panel | None:
    """Energy used so far."""
    return _panel(run, "energy", "Energy used", "kilowatt-hour",
                  [_line(run, "energy", "energy")])


def intensity(run: Run) -> Panel | None:
    """Energy per mass of REE oxides recovered so far."""
    used, mass = run.column("energy"), oxides(run)
    if used is None or mass is None or not mass[-1] > 0 or not used[-1] > 0:
        return None
    enough = mass > 0.02 * mass[-1]             # before, a quotient of next to nothing
    per = np.divide(used, mass, out=np.full(len(mass), np.nan), where=enough)
    return _panel(run, "intensity", "Energy per rare-earth oxides", "kWh per kg of REO recovered",
                  [Line("energy per REO", per)],
                  "Energy so far over oxides recovered so far, from 2 % of the final recovery on.")


def nitrogen(run: Run) -> Panel | None:
    """Ammonium: added, in pore water, on clay, out."""
    kg = 14.007e-3
    names = (("added", "NH4_added"), ("on clay", "NH4_on_clay"),
             ("in pore water", "NH4_in_pore_water"), ("gone out", "NH4_out"))
    return _panel(run, "nitrogen", "Ammonium: where the nitrogen is", "kilogram of nitrogen",
                  [_line(run, name, column, kg, dashed=name == "added") for name, column in names])


def water(run: Run) -> Panel | None:
    """Water fed, collected and lost."""
    lines = [_line(run, name, column, LITRE) for name, column in
             (("fed", "water_fed"), ("leachate", "leachate"), ("lost", "water_lost"))]
    lines = [line if line is None or line.name != "leachate" else Line(line.name, line.values, True)
             for line in lines]
    return _panel(run, "water", "Water", "cubic metre", lines)


def acid(run: Run) -> Panel | None:
    """Values of pH at probes and in catholytes."""
    idle = {f"pH_catholyte_{row}" for row in run.rows if not _is_cathode(run, row)}
    names = [name for name in run.series if name.startswith("pH_") and name not in idle]
    lines = [_line(run, name[3:].replace("catholyte_", "catholyte of "), name,
                   dashed=name.startswith("pH_catholyte_")) for name in names]
    return _panel(run, "pH", "pH at probes and in catholytes", "pH", lines, zero=False)


def profiles(run: Run, quantity: Quantity, snapshots: Sequence[int]) -> Panel:
    """Return the panel of a quantity along a column of voxels, one line for each snapshot."""
    axis = long_axis(run)
    low, high = ends(run, axis)
    count = run.grid.shape[axis]
    places = low + (np.arange(count) + 0.5) * (high - low) / count
    lines = tuple(Line(f"{run.times[n]:.4g} hours", quantity.values(run, n).ravel())
                  for n in snapshots)
    return Panel(f"profile_{quantity.key}", f"{quantity.title} along the column",
                 quantity.unit or quantity.title, places, lines, zero=False,
                 across=f"{AXES[axis]} (m)", unit="m")


def _is_cathode(run: Run, row: str) -> bool:
    """Return whether a row is the cathode at some time."""
    values = run.column(f"current_{row}")
    return values is not None and bool((values < 0).any())


def charge(run: Run, claims: tuple[tuple[str, float], ...] = ()) -> Panel | None:
    """Charge passed beside charge moved; claims: (text, share of the REE that left the ore)."""
    found = bounds(run)
    if found is None:
        return None
    drawn = tuple((part * found.held, text, part > found.most_removal) for text, part in claims)
    return Panel("charge", "Charge passed against charge moved", "equivalents (mol of charge)",
                 found.hours,
                 (Line("most that could leave: the two below together", found.most, True),
                  Line("charge passed", found.charge),
                  Line("anions gone with the water", found.anions),
                  Line("rare earths gone from the ore", found.moved)),
                 "", stage_marks(run), True, drawn)
