"""Figures on paper: slices at chosen times, and curves; drawn by matplotlib.

Colours have one range over all times of a figure, taken from the ore alone. Electrodes are boxes in
red (anode), blue (cathode) or grey (idle); rods are lines, seen from their end a dot.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.view import extras
from ekm3d.view.curves import Panel
from ekm3d.view.planes import AXES, Plane, ends, long_axis, planes
from ekm3d.view.quantities import Quantity
from ekm3d.view.run import ANODE, CATHODE, IDLE, Run

ROLE_COLOURS = {ANODE: extras.ANODE, CATHODE: extras.CATHODE, IDLE: extras.IDLE}
ROLE_SIGNS = {ANODE: "+", CATHODE: "−", IDLE: ""}
ROLE_WORDS = {ANODE: "anode (+)", CATHODE: "cathode (−)", IDLE: "idle electrode"}
PER_INCH = 8        # letters of a title, of the wider kind


def hour_text(hour: float) -> str:
    """Return a time for a title."""
    return f"{hour:.4g} h"


def slices(run: Run, quantity: Quantity, snapshots: Sequence[int]) -> Any:
    """Return the figure of a quantity on the planes of a block, one column for each snapshot.

    Of a column of voxels: profiles along it.
    """
    plt = extras.pyplot()
    cuts = planes(run)
    if not cuts:
        return _profiles(run, quantity, snapshots)
    limits = quantity.limits(run, snapshots)
    shapes = [plane.extent(run) for plane in cuts]
    widest = max(right - left for left, right, _, _ in shapes)
    heights = [max((top - low) / widest, 0.12) for _, _, low, top in shapes]
    width = 4.1 if len(snapshots) > 1 else 6.5
    figure = plt.figure(figsize=(width * len(snapshots) + 1.5,
                                 width * 0.86 * sum(heights) + 0.75 * len(cuts) + 1.3),
                        layout="constrained")
    axes = figure.subplots(len(cuts), len(snapshots), squeeze=False,
                           gridspec_kw={"height_ratios": heights})
    image = None
    for row, plane in zip(axes, cuts, strict=True):
        for ax, n in zip(row, snapshots, strict=True):
            image = slice_on(ax, run, quantity, plane, n, limits)
            ax.set_title(f"{plane.title}\n{hour_text(run.times[n])}", fontweight="normal")
            ax.label_outer()
    bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, aspect=28)
    bar.set_label(quantity.label)
    _legend(figure, run, [run.times[n] for n in snapshots])
    _head(figure, f"{quantity.title} – {run.title}")
    return figure


def slice_on(ax: Any, run: Run, quantity: Quantity, plane: Plane, n: int,
             limits: tuple[float, float]) -> Any:
    """Draw one slice with its electrodes into axes; return the image."""
    values = plane.of(quantity.values(run, n))
    image = ax.imshow(np.ma.masked_invalid(values), origin="lower", extent=plane.extent(run),
                      cmap=quantity.colours, vmin=limits[0], vmax=limits[1],
                      interpolation="nearest")
    _contours(ax, plane, run, values, limits)
    electrodes_on(ax, run, plane, run.times[n])
    ax.set(xlabel=f"{AXES[plane.across]} (m)", ylabel=f"{AXES[plane.up]} (m)",
           facecolor="#DDDDDD")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    return image


def _contours(ax: Any, plane: Plane, run: Run, values: np.ndarray, limits: tuple[float, float]
              ) -> None:
    """Draw thin lines of equal value, which show gradients in print without colour."""
    levels = np.linspace(*limits, 9)[1:-1]
    finite = values[np.isfinite(values)]
    if min(values.shape) < 3 or not finite.size or not (
            (levels > finite.min()) & (levels < finite.max())).any():
        return
    left, right, low, top = plane.extent(run)
    rows, columns = values.shape
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = low + (np.arange(rows) + 0.5) * (top - low) / rows
    ax.contour(x, y, np.ma.masked_invalid(values), levels, colors="white", linewidths=0.5,
               alpha=0.6)


def electrodes_on(ax: Any, run: Run, plane: Plane, hour: float) -> None:
    """Draw the electrodes that a plane cuts, coloured and signed by their role at the time."""
    roles = run.roles(hour)
    patches = extras.extra("matplotlib.patches", "pictures")
    for row, left, low, width, height in plane.boxes(run):
        role = roles[row]
        ax.add_patch(patches.Rectangle((left, low), width, height, facecolor=ROLE_COLOURS[role],
                                       edgecolor="black", linewidth=0.8))
        ax.text(left + width / 2, low + height / 2, ROLE_SIGNS[role], color="white", ha="center",
                va="center", fontsize=11, fontweight="bold")
    for row, start, end in plane.lines(run):
        role, (x, y) = roles[row], zip(start, end, strict=True)
        for width, colour in ((4.5, "black"), (3.0, ROLE_COLOURS[role])):
            ax.plot(x, y, color=colour, linewidth=width, solid_capstyle="butt", zorder=3)
        ax.plot(*start, marker="o", markersize=9, markerfacecolor=ROLE_COLOURS[role],
                markeredgecolor="black", zorder=4)
        ax.text(*start, ROLE_SIGNS[role], color="white", ha="center", va="center_baseline",
                fontsize=9, fontweight="bold", zorder=5)


def _head(figure: Any, text: str) -> None:
    """Write the title over a figure, on as many lines as it needs."""
    figure.suptitle(textwrap.fill(text, int(PER_INCH * figure.get_figwidth())),
                    fontweight="bold", fontsize=14)


def _legend(figure: Any, run: Run, hours: Sequence[float]) -> None:
    """Explain the colours of the electrodes below a figure."""
    patches = extras.extra("matplotlib.patches", "pictures")
    there = {role for hour in hours for role in run.roles(hour)}
    handles = [patches.Patch(facecolor=ROLE_COLOURS[role], edgecolor="black",
                             label=ROLE_WORDS[role]) for role in ROLE_COLOURS if role in there]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _profiles(run: Run, quantity: Quantity, snapshots: Sequence[int]) -> Any:
    """Return the figure of a column of voxels: values along it, one line for each snapshot."""
    plt = extras.pyplot()
    axis = long_axis(run)
    low, high = ends(run, axis)
    count = run.grid.shape[axis]
    places = low + (np.arange(count) + 0.5) * (high - low) / count
    figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, max(len(snapshots), 1)))
    for n, colour in zip(snapshots, shades, strict=True):
        ax.plot(places, quantity.values(run, n).ravel(), marker="o", markersize=3, color=colour,
                label=hour_text(run.times[n]))
    roles = run.roles(run.times[snapshots[-1]])
    for electrode in run.electrodes:
        cut = electrode.box[axis]
        width = (high - low) / count
        ax.axvspan(low + cut.start * width, low + cut.stop * width, alpha=0.5, linewidth=0,
                   color=ROLE_COLOURS[roles[electrode.row]])
    ax.set(xlabel=f"{AXES[axis]} (m)", ylabel=quantity.label, xlim=(low, high))
    ax.grid(alpha=0.3)
    ax.legend(title="time")
    _legend(figure, run, [run.times[snapshots[-1]]])
    _head(figure, f"{quantity.title} – {run.title}")
    return figure


def curves(title: str, shown: Sequence[Panel]) -> Any:
    """Return the figure of all panels, two abreast."""
    plt = extras.pyplot()
    rows = (len(shown) + 1) // 2
    figure = plt.figure(figsize=(16, 4.1 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    for ax, panel in zip(axes, shown, strict=False):
        _panel_on(ax, panel)
    for ax in axes[len(shown):]:
        ax.set_axis_off()
    figure.suptitle(title, fontweight="bold", fontsize=15)
    return figure


def _panel_on(ax: Any, panel: Panel) -> None:
    """Draw one panel into axes."""
    for line in panel.lines:
        ax.plot(panel.hours, line.values, label=line.name, linewidth=1.8,
                linestyle="--" if line.dashed else "-")
    low, high = ax.get_ylim()
    if panel.zero and low > 0:
        ax.set_ylim(0, high)
    for hour, text in panel.marks:
        ax.axvline(hour, color="#999999", linewidth=0.9, zorder=0)
        ax.annotate(f" {text}", (hour, 0.02), xycoords=("data", "axes fraction"), va="bottom",
                    fontsize=9, color="#666666")
    for value, text, exceeds in panel.claims:
        colour = "#C00000" if exceeds else "#2E7D32"
        ax.axhline(value, color=colour, linewidth=1.8, linestyle=":")
        ax.annotate(f"{text} ", (1.0, value), xycoords=("axes fraction", "data"), ha="right",
                    va="bottom", fontsize=9, color=colour)
    ax.set(xlabel="time (hours)", ylabel=panel.label, title=panel.title)
    ax.margins(x=0.01)
    ax.grid(alpha=0.3)
    if len(panel.lines) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.6,
                  labels=[_folded(line.name) for line in panel.lines])


def _folded(text: str, width: int = 20) -> str:
    """Return a text of a legend on lines that are not long."""
    return "\n".join(textwrap.wrap(text, width))


def save(figure: Any, path: Path) -> Path:
    """Write a figure as PNG and close it; return the path."""
    figure.savefig(path)
    extras.pyplot().close(figure)
    return path
