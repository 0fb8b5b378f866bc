"""Picture of the README: the field block opened at a corner, with the acid and the current.

    ekm3d run cases/field_block
    python scripts/tools/first_picture.py cases/field_block/out

REE on the ore as a share of what was there, at the end of the run; the surfaces to which the acid
of the two anode rows has come (pH 4); lines of current to the middle row, the cathode. Needs the
extra [viz]. It writes cases/guide/field_block.png.
"""

import argparse
from pathlib import Path

import numpy as np
import pyvista as pv

from ekm3d import open_results
from ekm3d.output.results import Results

PICTURE = Path(__file__).resolve().parents[2] / "cases" / "guide" / "field_block.png"
ANODE, CATHODE = "#d62728", "#1f5fb4"
ACID = 4.0                      # pH of the surfaces
SHARES = (40.0, 120.0)          # % of the REE, at the ends of the colours
CUT = (0.75, 0.9)               # m along y and z, from where the nearest corner is taken away


def block(results: Results) -> pv.ImageData:
    """Return the block at the end with `left` [%], pH and `current` [A/m2] at its corners."""
    grid = results.grid
    image = pv.ImageData(dimensions=[n + 1 for n in grid.cells], spacing=grid.spacing,
                         origin=grid.origin)
    before, after = (results.field("REE_mg_per_kg", n) for n in (0, -1))
    metal = results.field("electrode_row") != 0
    left = 100.0 * np.divide(after, before, out=np.ones_like(after), where=before > 0)
    pH = results.field("pH")
    for values, neutral in ((left, np.nan), (pH, np.nan)):
        values[metal] = neutral
        _fill(values)
    image.cell_data["left"], image.cell_data["pH"] = left.ravel(), pH.ravel()
    image.cell_data["current"] = results.field("current_density").reshape(-1, 3)
    return image.cell_data_to_point_data()


def _fill(values: np.ndarray) -> None:
    """Give voxels of metal the mean of their neighbours along y, in place."""
    for k, j, i in np.argwhere(np.isnan(values)):
        near = [values[k, n, i] for n in (j - 1, j + 1) if 0 <= n < values.shape[1]]
        values[k, j, i] = np.nanmean(near)


def draw(results: Results, path: Path) -> None:
    """Write the picture."""
    image = block(results)
    x, y, z = (n * d for n, d in zip(results.grid.cells, results.grid.spacing, strict=True))
    plotter = pv.Plotter(off_screen=True, window_size=(1360, 1000))
    plotter.set_background("white")
    ore = image.clip_box((-1.0, x + 1.0, -1.0, CUT[0], CUT[1], z + 1.0), invert=True)
    plotter.add_mesh(ore, scalars="left", cmap="viridis", clim=SHARES, ambient=0.55,
                     diffuse=0.5,
                     scalar_bar_args={"title": "REE left on the ore [% of the start]\n",
                                      "color": "black", "fmt": "%.0f", "n_labels": 5,
                                      "position_x": 0.22, "position_y": 0.02, "width": 0.56,
                                      "title_font_size": 26, "label_font_size": 24})
    acid = image.contour([ACID], scalars="pH")
    if acid.n_points:
        plotter.add_mesh(acid, color="#ff9d3b", opacity=0.45, smooth_shading=True)
    for row, colour in ((0.03, ANODE), (0.97, CATHODE), (1.97, ANODE)):
        for at in (0.25, 0.75, 1.25):
            plotter.add_mesh(pv.Box((row, row + 0.05, at - 0.05, at + 0.05, 0.9, z + 0.12)),
                             color=colour, ambient=0.3)
    seeds = pv.PolyData([(x - 0.16, a, b) for a in np.linspace(0.08, y - 0.08, 7)
                         for b in np.linspace(0.5, z - 0.1, 6)])
    lines = image.streamlines_from_source(seeds, vectors="current", integration_direction="both",
                                          max_length=4.0)
    if lines.n_points:
        plotter.add_mesh(lines.tube(radius=0.006), color="#222222", opacity=0.8)
    plotter.add_mesh(image.outline(), color="black", line_width=2)
    plotter.camera_position = [(-2.3, -4.0, 3.6), (0.5 * x, 0.5 * y, 0.36 * z), (0.0, 0.0, 1.0)]
    plotter.camera.zoom(0.96)
    plotter.enable_anti_aliasing("ssaa")
    path.parent.mkdir(parents=True, exist_ok=True)
    plotter.screenshot(path)


def main() -> None:
    """Read the results named on the command line and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", help="directory of the run")
    parser.add_argument("--to", type=Path, default=PICTURE, help="file to write")
    args = parser.parse_args()
    draw(open_results(args.results), args.to)


if __name__ == "__main__":
    main()
