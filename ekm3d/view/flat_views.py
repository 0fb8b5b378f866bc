"""Views of the block without pyvista: the same pictures as far as matplotlib can draw them.

Voxels of the block cut open stand for surfaces of equal value, and current lines are drawn in the
planes of the slices.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ekm3d.view import extras
from ekm3d.view.figures import ROLE_COLOURS, electrodes_on, hour_text
from ekm3d.view.planes import AXES, Plane, planes
from ekm3d.view.quantities import STANDARD, Quantity
from ekm3d.view.run import Run

MOST = 26               # voxels along an axis that are drawn one by one
REE, PH, POTENTIAL, CURRENT = STANDARD
View = Callable[[Run, int], Any]


def views(run: Run) -> dict[str, View]:
    """Return {name of the picture: how its figure is made}, as `block_views.views` does."""
    found: dict[str, View] = {}
    solid = min(run.grid.shape) > 1
    if solid and "REE_mg_per_kg" in run.names and np.nan_to_num(REE.values(run, 0)).any():
        found["ore_body"] = lambda r, n: cut_block(r, REE, 0, "Ore body and electrodes: rare "
                                                   "earths at the start")
        found["ree_left"] = lambda r, n: cut_block(r, REE, n)
    if solid and "phi" in run.names:
        found["potential"] = lambda r, n: cut_block(r, POTENTIAL, n)
    if "current_density" in run.names and planes(run):
        found["current"] = current_lines
    if solid and "pH" in run.names and np.isfinite(run.field("pH", -1)).any():
        found["pH_front"] = lambda r, n: cut_block(r, PH, n)
    return found


def _range(run: Run, quantity: Quantity) -> tuple[float, float]:
    count = len(run.times)
    return quantity.limits(run, sorted({0, count // 2, count - 1}))


def cut_block(run: Run, quantity: Quantity, n: int, heading: str = "") -> Any:
    """Return the figure of the block with its near upper part taken out, voxels in colour."""
    plt = extras.pyplot()
    colors = extras.extra("matplotlib.colors", "pictures")
    strides = tuple(-(-size // MOST) for size in run.grid.shape)
    thin = tuple(slice(stride // 2, None, stride) for stride in strides)
    values, rows = quantity.values(run, n)[thin], run.rows_of_metal[thin]
    nz, ny, _ = values.shape
    shown = np.isfinite(values)
    shown[nz // 3:, :(ny + 1) // 2, :] = False
    norm = colors.Normalize(*_range(run, quantity))
    paint = plt.get_cmap(quantity.colours)(norm(np.nan_to_num(values)))
    roles = run.roles(run.times[n])
    for row in range(1, len(run.rows) + 1):
        paint[rows == row] = colors.to_rgba(ROLE_COLOURS[roles[row - 1]])
        shown |= rows == row
    figure = plt.figure(figsize=(11, 8.5), layout="constrained")
    ax = figure.add_subplot(projection="3d")
    edges = [run.grid.origin[axis] + run.grid.spacing[axis] * np.minimum(
        np.arange(values.shape[2 - axis] + 1) * strides[2 - axis], run.grid.cells[axis])
        for axis in range(3)]
    corners = np.meshgrid(*edges, indexing="ij")
    ax.voxels(*corners, shown.T, facecolors=paint.transpose(2, 1, 0, 3), shade=True)
    for rod in run.rods:            # before all voxels, of which each has an order of its own
        ax.plot(*zip(rod.start, rod.end, strict=True), color=ROLE_COLOURS[roles[rod.row]],
                linewidth=3, zorder=10 + shown.size)
    ax.set(xlabel="x (m)", ylabel="y (m)", zlabel="z (m)")
    ax.set_box_aspect([np.ptp(edge) for edge in edges], zoom=0.9)
    ax.view_init(elev=24, azim=-122)
    bar = figure.colorbar(plt.cm.ScalarMappable(norm, quantity.colours), ax=ax, shrink=0.65)
    bar.set_label(quantity.label)
    figure.suptitle(f"{heading or quantity.title + ' (block cut open)'}\n{run.title}, "
                    f"t = {hour_text(run.times[n])}", fontweight="bold", fontsize=14)
    return figure


def current_lines(run: Run, n: int) -> Any:
    """Return the figure of current lines in the planes of the slices."""
    plt = extras.pyplot()
    cuts = planes(run)
    figure, axes = plt.subplots(1, len(cuts), figsize=(7.2 * len(cuts) + 1, 6.4), squeeze=False,
                                layout="constrained")
    limits, image = _range(run, CURRENT), None
    for ax, plane in zip(axes[0], cuts, strict=True):
        image = ax.imshow(np.ma.masked_invalid(plane.of(CURRENT.values(run, n))), origin="lower",
                          extent=plane.extent(run), cmap=CURRENT.colours, vmin=limits[0],
                          vmax=limits[1], interpolation="nearest")
        _stream(ax, run, plane, n)
        electrodes_on(ax, run, plane, run.times[n])
        ax.set(xlabel=f"{AXES[plane.across]} (m)", ylabel=f"{AXES[plane.up]} (m)",
               title=plane.title, facecolor="#DDDDDD")
    figure.colorbar(image, ax=axes, shrink=0.8).set_label(CURRENT.label)
    figure.suptitle(f"Lines of current\n{run.title}, t = {hour_text(run.times[n])}",
                    fontweight="bold", fontsize=14)
    return figure


def _stream(ax: Any, run: Run, plane: Plane, n: int) -> None:
    """Draw current lines in a plane, where there is a current."""
    vectors = np.nan_to_num(run.results.field("current_density", n).astype(float))
    u, v = (plane.of(vectors[..., 2 - axis]) for axis in (plane.across, plane.up))
    if np.hypot(u, v).max() <= 1e-2 * _range(run, CURRENT)[1] or min(u.shape) < 2:
        return                          # power is off: what flows is small circles of diffusion
    left, right, low, top = plane.extent(run)
    rows, columns = u.shape
    ax.streamplot(left + (np.arange(columns) + 0.5) * (right - left) / columns,
                  low + (np.arange(rows) + 0.5) * (top - low) / rows, u, v, color="white",
                  linewidth=0.8, density=1.1, arrowsize=0.9)
    ax.set(xlim=(left, right), ylim=(low, top))
