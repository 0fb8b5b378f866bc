"""Charts of a report: SVG that is complete without a script, with data for one that shows values.

Colours are classes (c0, c1, ...) of the page's style sheet, so that a chart suits light and dark
and prints.
"""

import html
import json
import math
from dataclasses import replace

import numpy as np

from ekm3d.view.curves import Line, Panel
from ekm3d.view.numbers import nice_step, short, ticks

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 44
POINTS = 300            # of a curve that are drawn


def chart(panel: Panel) -> str:
    """Return the <figure> of a panel: title, chart, legend, note."""
    shown = thinned(panel)
    area = Area(shown)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="'
             f'{html.escape(panel.title)}">', area.frame(panel)]
    parts += [f'<polyline class="line c{n % 8}{" dashed" if line.dashed else ""}" points="{run}"/>'
              for n, line in enumerate(shown.lines) for run in area.runs(shown.hours, line.values)]
    parts += [area.claim(*claim) for claim in panel.claims]
    parts.append(f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="0" x2="0"/></svg>')
    legend = "".join(f'<li><span class="key c{n % 8}{" dashed" if line.dashed else ""}"></span>'
                     f'{html.escape(line.name)}</li>' for n, line in enumerate(panel.lines))
    note = f'<p class="note">{html.escape(panel.note)}</p>' if panel.note else ""
    return (f'<figure class="chart" data-chart="{html.escape(data(shown, area), quote=True)}">'
            f'<figcaption>{html.escape(panel.title)}</figcaption><div class="plot">'
            f'{"".join(parts)}<div class="tip" hidden></div></div>'
            f'<ul class="legend">{legend}</ul>{note}</figure>')


def thinned(panel: Panel) -> Panel:
    """Return a panel with at most POINTS hours, the first and the last among them."""
    count = len(panel.hours)
    if count <= POINTS:
        return panel
    kept = np.unique(np.linspace(0, count - 1, POINTS).astype(int))
    lines = tuple(Line(line.name, line.values[kept], line.dashed) for line in panel.lines)
    return replace(panel, hours=panel.hours[kept], lines=lines)


def data(panel: Panel, area: "Area") -> str:
    """Return the data of a chart as JSON: hours, values, and where they lie."""
    def numbers(values: np.ndarray) -> list[float | None]:
        return [float(f"{v:.4g}") if math.isfinite(v) else None for v in values]

    return json.dumps({"t": numbers(panel.hours), "x": [area.x0, area.x1, LEFT, WIDTH - RIGHT],
                       "unit": panel.unit,
                       "lines": [{"name": line.name, "v": numbers(line.values)}
                                 for line in panel.lines]}, separators=(",", ":"))


class Area:
    """Map from hours and values to the paper; y0, y1: ends of the upright axis."""

    def __init__(self, panel: Panel) -> None:
        finite = np.concatenate([line.values[np.isfinite(line.values)] for line in panel.lines]
                                + [np.array([claim[0] for claim in panel.claims])])
        low, high = float(finite.min()), float(finite.max())
        if panel.zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            low, high = low - 0.5, high + 0.5 if high == 0 else high + 0.5 * abs(high)
        step = nice_step((high - low) / 6)
        self.y0 = math.floor(low / step + 1e-9) * step
        self.y1 = math.ceil(high / step - 1e-9) * step
        self.x0, self.x1 = float(panel.hours[0]), float(panel.hours[-1])
        if self.x1 <= self.x0:
            self.x1 = self.x0 + 1.0

    def x(self, hour: float) -> float:
        """Place of an hour."""
        return LEFT + (hour - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Place of a value."""
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def runs(self, hours: np.ndarray, values: np.ndarray) -> list[str]:
        """Points of a line, parted where a value is missing."""
        out: list[list[str]] = [[]]
        for hour, value in zip(hours, values, strict=True):
            if math.isfinite(value):
                out[-1].append(f"{self.x(hour):.1f},{self.y(value):.1f}")
            elif out[-1]:
                out.append([])
        return [" ".join(points) for points in out if len(points) > 1]

    def frame(self, panel: Panel) -> str:
        """Return axes, grid lines, their numbers and titles, and the marks of stages."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value in ticks(self.y0, self.y1, 6):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
                         f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">'
                         f'{short(value, self.y1 - self.y0)}</text>')
        for value in ticks(self.x0, self.x1, 6):
            x = self.x(value)
            parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" '
                         f'y2="{bottom + 5}"/><text x="{x:.1f}" y="{bottom + 19}" '
                         f'text-anchor="middle">{short(value, self.x1 - self.x0)}</text>')
        for hour, text in panel.marks:
            if self.x0 < hour < self.x1:
                x = self.x(hour)
                parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" '
                             f'y2="{bottom}"/><text class="mark" x="{x + 4:.1f}" y="{bottom - 5}">'
                             f'{html.escape(text)}</text>')
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
                     f'<text class="title" x="{(LEFT + right) / 2}" y="{HEIGHT - 7}" '
                     f'text-anchor="middle">{html.escape(panel.across)}</text><text class="title" '
                     f'transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" '
                     f'text-anchor="middle">{html.escape(panel.label)}</text>')
        return "".join(parts)

    def claim(self, value: float, text: str, exceeds: bool) -> str:
        """Return the line of a claim, red where it exceeds what is possible."""
        y, kind = self.y(value), "beyond" if exceeds else "within"
        return (f'<line class="claim {kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" '
                f'y2="{y:.1f}"/><text class="claim {kind}" x="{WIDTH - RIGHT - 4}" '
                f'y="{y + 15 if y < TOP + 16 else y - 6:.1f}" text-anchor="end">'
                f'{html.escape(text)}</text>')
