"""Slices of a report: small PNG pictures of voxels in SVG frames, one for each time of a slider.

A voxel is one pixel (fewer where a plane has very many); axes, electrodes and colour bars are SVG
in the colours of the page.
"""

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.view import extras
from ekm3d.view.figures import hour_text
from ekm3d.view.numbers import round_parts, short, ticks
from ekm3d.view.planes import AXES, Plane, planes
from ekm3d.view.quantities import Quantity
from ekm3d.view.run import Run

MOST_PIXELS = 220           # of a side
MOST_FRAMES = 25
BUDGET = 3_000_000          # bytes of all pictures together
ROD = 2.5                   # radius of a rod seen from its end, and its width from the side
PLOT, LEFT, BOTTOM, TOP, BAR = 205, 46, 40, 10, 62


@dataclass(frozen=True)
class Slides:
    """Slices of a report; frames: JSON of {id: [picture, ...]}; hours: of the slider."""

    figures: tuple[str, ...]
    frames: str
    hours: tuple[str, ...]
    roles: str


def slides(run: Run, quantities: Sequence[Quantity], last_only: bool = False) -> Slides | None:
    """Return the slices of a run; None where there is no plane to cut along, or nothing to show.

    last_only: those of the last snapshot.
    """
    cuts = planes(run)
    if not cuts or not quantities:
        return None
    count = 1 if last_only else min(len(run.times), MOST_FRAMES)
    while True:
        shown = np.unique(np.linspace(0, len(run.times) - 1, count).astype(int)) \
            if count > 1 else np.array([len(run.times) - 1])
        frames, figures = _drawn(run, quantities, cuts, shown)
        if count <= 3 or sum(len(uri) for uris in frames.values() for uri in uris) <= BUDGET:
            break
        count = max(3, count // 2)
    return Slides(tuple(figures), json.dumps(frames),
                  tuple(hour_text(run.times[n]) for n in shown),
                  json.dumps([run.roles(run.times[n]) for n in shown]))


def _drawn(run: Run, quantities: Sequence[Quantity], cuts: tuple[Plane, ...], shown: np.ndarray
           ) -> tuple[dict[str, list[str]], list[str]]:
    """Return ({id: pictures}, figures) of all quantities at some snapshots."""
    frames: dict[str, list[str]] = {}
    figures = []
    for q, quantity in enumerate(quantities):
        limits = quantity.limits(run, [int(n) for n in shown])
        for n in shown:
            values = quantity.values(run, int(n))
            for p, plane in enumerate(cuts):
                frames.setdefault(f"s{q}-{p}", []).append(
                    picture(plane.of(values), limits, quantity.colours))
        panes = "".join(_pane(run, plane, f"s{q}-{p}", frames[f"s{q}-{p}"][-1],
                              run.roles(run.times[shown[-1]])) for p, plane in enumerate(cuts))
        figures.append(f'<figure class="slices"><figcaption>{html.escape(quantity.label)}'
                       f'</figcaption><div class="panes">{panes}{_bar(quantity, limits)}</div>'
                       "</figure>")
    return frames, figures


def picture(values: np.ndarray, limits: tuple[float, float], colours: str) -> str:
    """Return a plane (up, across) as the data URI of a PNG; NaN is transparent."""
    image = extras.extra("PIL.Image", "slices")
    stride = -(-max(values.shape) // MOST_PIXELS)
    values = values[::stride, ::stride][::-1]                   # the uppermost row first
    share = (values - limits[0]) / (limits[1] - limits[0])
    index = np.where(np.isfinite(share), np.clip(np.nan_to_num(share), 0, 1) * 254, 255)
    png = image.fromarray(index.round().astype(np.uint8))
    png = png.convert("P") if png.mode != "P" else png
    png.putpalette(palette(colours).tobytes())
    buffer = io.BytesIO()
    png.save(buffer, "PNG", transparency=255, optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def palette(colours: str) -> Any:
    """Return the 256 colours (256, 3) of a colour map; the last stands for no value."""
    table = extras.pyplot().get_cmap(colours)(np.linspace(0, 1, 255))[:, :3]
    return np.vstack([(255 * table).round(), [200, 200, 200]]).astype(np.uint8)


def _pane(run: Run, plane: Plane, key: str, uri: str, roles: Sequence[str]) -> str:
    """Return the SVG of one plane."""
    left, right, low, top = plane.extent(run)
    scale = PLOT / max(right - left, top - low)
    width, height = (right - left) * scale, (top - low) * scale
    whole = max(LEFT + width + 12, 2 * LEFT + 40)           # room for the title
    inset = LEFT + max(0.0, (whole - LEFT - 12 - width) / 2)
    parts = [f'<svg viewBox="0 0 {whole:.0f} {TOP + height + BOTTOM + 18:.0f}" '
             f'style="max-width:{whole * 1.25:.0f}px" role="img" '
             f'aria-label="{html.escape(plane.title)}">'
             f'<text class="title" x="{inset + width / 2:.0f}" y="{TOP + 4}" text-anchor="middle">'
             f'{html.escape(plane.title)}</text><g transform="translate({inset:.0f} {TOP + 14})">'
             f'<image id="{key}" href="{uri}" width="{width:.1f}" height="{height:.1f}" '
             f'preserveAspectRatio="none"/>']
    for row, x, y, w, h in plane.boxes(run):
        parts.append(f'<rect class="electrode {roles[row]}" data-row="{row}" '
                     f'x="{(x - left) * scale:.1f}" y="{(top - y - h) * scale:.1f}" '
                     f'width="{w * scale:.1f}" height="{h * scale:.1f}"><title>'
                     f'{html.escape(run.rows[row])}</title></rect>')
    for row, start, end in plane.lines(run):
        (x, y), (u, v) = (((a - left) * scale, (top - b) * scale) for a, b in (start, end))
        about = f'class="electrode {roles[row]}" data-row="{row}"'
        name = f"<title>{html.escape(run.rows[row])}</title>"
        reach = max(float(np.hypot(u - x, v - y)), 1e-9)
        if reach < 2 * ROD:
            parts.append(f'<circle {about} cx="{x:.1f}" cy="{y:.1f}" r="{ROD:g}">{name}</circle>')
            continue
        a, b = (v - y) / reach * ROD / 2, (x - u) / reach * ROD / 2        # across the rod
        corners = " ".join(f"{p:.1f},{q:.1f}" for p, q in (
            (x + a, y + b), (u + a, v + b), (u - a, v - b), (x - a, y - b)))
        parts.append(f'<polygon {about} points="{corners}">{name}</polygon>')
    parts.append(f'<rect class="frame" width="{width:.1f}" height="{height:.1f}"/>')
    for value in ticks(left, right, max(1, min(4, int(width / 40)))):
        x = (value - left) * scale
        parts.append(f'<text x="{x:.1f}" y="{height + 15:.1f}" text-anchor="middle">'
                     f'{value:.4g}</text>')
    for value in ticks(low, top, max(1, min(4, int(height / 25)))):
        y = (top - value) * scale
        parts.append(f'<text x="-6" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    parts.append(f'<text class="title" x="{width / 2:.1f}" y="{height + 31:.1f}" '
                 f'text-anchor="middle">{AXES[plane.across]} (m)</text><text class="title" '
                 f'transform="translate(-34 {height / 2:.1f}) rotate(-90)" text-anchor="middle">'
                 f'{AXES[plane.up]} (m)</text></g></svg>')
    return "".join(parts)


def _bar(quantity: Quantity, limits: tuple[float, float]) -> str:
    """Return the SVG of a colour bar."""
    strip = picture(np.linspace(*limits, 128)[:, None], limits, quantity.colours)
    count = round_parts(*limits)
    parts = [f'<svg class="bar" viewBox="0 0 {BAR} {PLOT + 24}" role="img" aria-label="colours">'
             f'<image href="{strip}" x="2" y="12" width="14" height="{PLOT}" '
             'preserveAspectRatio="none"/>']
    for n in range(count + 1):
        value = limits[0] + n / count * (limits[1] - limits[0])
        shown = short(value, limits[1] - limits[0])
        parts.append(f'<text x="21" y="{12 + PLOT * (1 - n / count) + 4:.1f}">{shown}</text>')
    return "".join([*parts, "</svg>"])
