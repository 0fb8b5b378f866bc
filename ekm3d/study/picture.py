"""Picture of a study: the chosen values against the first key that varies, by matplotlib.

Values with one unit stand on an axis of numbers, all others side by side; many of these are bars,
one below the other, with a line at the first. The other keys make a line each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ekm3d.study.points import numeric
from ekm3d.study.runs import Outcome
from ekm3d.study.tables import heading

MOST = 6                # panels
MANY = 8                # texts beside each other
LIMITS = (0.05, 20.0)   # of ratios
MISSING = "no picture: matplotlib is not installed; pip install 'ekm3d[viz]'"


def draw(outcomes: Sequence[Outcome], keys: Sequence[str], path: Path) -> str:
    """Write the picture; return "" or, in one sentence, why there is none."""
    done = [o for o in outcomes if o.summary]
    keys = [key for key in keys if key != "wall_s"][:MOST]
    if len(done) < 2 or not keys or not done[0].point.shown:
        return "no picture: it takes two runs that have finished, and a key that varies"
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return MISSING
    columns = min(len(keys), 3)
    rows = -(-len(keys) // columns)
    texts = list(dict.fromkeys(next(iter(o.point.shown.values())) for o in done))
    bars = len(texts) > MANY and len(done[0].point.shown) == 1 and numeric(texts) is None
    figure = Figure(figsize=(4.2 * columns, (0.9 + 0.19 * len(texts) if bars else 3.3) * rows),
                    layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=bars).ravel()
    for panel, key in zip(panels, keys, strict=False):
        (_bars if bars else _panel)(panel, done, key)
    for panel in panels[len(keys):]:
        panel.set_visible(False)
    if len(done[0].point.shown) > 1:
        panels[0].legend(fontsize=8)
    figure.savefig(path, dpi=150)
    return ""


def _bars(panel: Any, done: Sequence[Outcome], key: str) -> None:
    """Draw one value as bars, from the top, and a line at that of the first."""
    words, unit, factor = heading(key)
    values = [o.summary.get(key) for o in done]
    numbers = [factor * v if isinstance(v, (int, float)) else math.nan for v in values]
    panel.barh(range(len(done)), numbers, height=0.7)
    panel.axvline(numbers[0], color="0.3", lw=0.8)
    panel.set_yticks(range(len(done)), [next(iter(o.point.shown.values())) for o in done],
                     fontsize=7)
    panel.set_ylim(len(done) - 0.5, -0.5)
    panel.set_xlabel(f"{words} [{unit}]" if unit else words, fontsize=8, wrap=True)
    panel.grid(alpha=0.3, axis="x")


def _panel(panel: Any, done: Sequence[Outcome], key: str) -> None:
    """Draw one value."""
    first, *_ = done[0].point.shown
    texts = list(dict.fromkeys(o.point.shown[first] for o in done))
    axis = numeric(texts)
    place = dict(zip(texts, axis[0] if axis else range(len(texts)), strict=True))
    words, unit, factor = heading(key)
    lines: dict[str, list[tuple[float, float]]] = {}
    for o in done:
        rest = ", ".join(f"{name.rpartition('.')[2]} = {value}"
                         for name, value in o.point.shown.items() if name != first)
        value = o.summary.get(key)
        if isinstance(value, (int, float)):
            lines.setdefault(rest, []).append((place[o.point.shown[first]], factor * value))
    for name, dots in lines.items():
        panel.plot(*zip(*sorted(dots), strict=True), "o-", label=name)
    if axis is None:
        panel.set_xticks(list(place.values()), list(place), rotation=30, ha="right", fontsize=8)
    panel.set_xlabel(f"{first} [{axis[1]}]" if axis and axis[1] else first, fontsize=9)
    panel.set_ylabel(f"{words} [{unit}]" if unit else words, fontsize=9, wrap=True)
    panel.grid(alpha=0.3)


@dataclass(frozen=True)
class Ratio:
    """Computed over measured value of one row; mean and spread of an ensemble, nan without one."""

    label: str
    value: float
    mean: float
    spread: float
    filled: bool
    missed: bool


def draw_ratios(rows: Sequence[Ratio], path: Path) -> str:
    """Write the picture of ratios on a logarithmic axis; return "" or why there is none."""
    if not rows:
        return "no picture: no row has a number to compare with"
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return MISSING
    figure = Figure(figsize=(10, 1.2 + 0.26 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axvspan(1 / 1.15, 1.15, color="0.9")
    axes.axvline(1, color="0.4", lw=0.8)
    low, high = LIMITS
    for n, row in enumerate(reversed(rows)):
        place, colour = min(max(row.value, low), high), "tab:red" if row.missed else "tab:blue"
        axes.plot(place, n, "o", color=colour, mfc=colour if row.filled else "white")
        if place != row.value:
            axes.annotate("<" if row.value < low else ">", (place, n), ha="center", va="center",
                          fontsize=7)
        if math.isfinite(row.spread):
            ends = [min(max(row.mean + sign * row.spread, low), high) for sign in (-1, 1)]
            axes.plot(ends, [n, n], "-", color=colour, lw=1)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.2, high * 1.2)
    axes.set_ylim(-1, len(rows))
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)], fontsize=7)
    figure.supxlabel("computed over measured; filled: fitted, open: predicted, red: missed; "
                     "grey: 15 %; line: ensemble", fontsize=8)     # of the figure: it is wider
    figure.savefig(path, dpi=130)
    return ""


@dataclass(frozen=True)
class Panel:
    """Curves of one column: {label: (hours, values)}, and points (hours, value, label)."""

    title: str
    curves: dict[str, tuple[Any, Any]]
    points: Sequence[tuple[float, float, str]]


def draw_curves(panels: Sequence[Panel], path: Path) -> str:
    """Write the picture of curves; a point has the colour of its label; "" or why there is none."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return MISSING
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.4 * columns, 3.3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(places, panels, strict=False):
        colours = {}
        for label, (hours, values) in panel.curves.items():
            colours[label] = axes.plot(hours, values, label=label)[0].get_color()
        for hours, value, label in panel.points:
            axes.plot(hours, value, "o", mec="k", color=colours.get(label, "k"))
        axes.set_title(panel.title, fontsize=9)
        axes.set_xlabel("time [h]", fontsize=8)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    for axes in places[len(panels):]:
        axes.set_visible(False)
    figure.savefig(path, dpi=110)
    return ""
