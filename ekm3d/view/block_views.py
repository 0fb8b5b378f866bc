"""Views of the block in three dimensions, drawn off-screen by pyvista.

Ask `probe.why_not` first: where VTK finds no way to draw, it ends the process.
"""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ekm3d.view import extras
from ekm3d.view.figures import ROLE_COLOURS, ROLE_SIGNS, hour_text
from ekm3d.view.numbers import levels, round_parts
from ekm3d.view.quantities import STANDARD, Quantity
from ekm3d.view.run import ANODE, RodAxis, Run

SIZE = (1600, 1200)
THIN = 0.004            # of the block: radius of the thinnest rod that is drawn
TEXT = "#222222"
MATT = {"ambient": 0.5, "diffuse": 0.55, "specular": 0.0}       # so that colours are the bar's
REE, PH, POTENTIAL, CURRENT = STANDARD
View = Callable[["BlockViews", int], Any]


class BlockViews:
    """Scenes of one run; `window`: width and height in pixels."""

    def __init__(self, run: Run, window: tuple[int, int] = SIZE) -> None:
        self.run, self.window = run, window
        self.pv = extras.extra("pyvista", "views in three dimensions")
        extent = run.grid.cells
        self.block = self.pv.ImageData(dimensions=[n + 1 for n in extent],
                                       spacing=run.grid.spacing, origin=run.grid.origin)
        logger = extras.extra("vtkmodules.vtkCommonCore", "views in 3D").vtkLogger
        logger.SetStderrVerbosity(logger.VERBOSITY_OFF)     # tries of X before EGL are no news
        self.size = float(np.linalg.norm(np.multiply(extent, run.grid.spacing)))
        self.limits: dict[str, tuple[float, float]] = {}

    def range(self, quantity: Quantity) -> tuple[float, float]:
        """Range of the colours of a quantity: one for the first, middle and last snapshot."""
        if quantity.key not in self.limits:
            count = len(self.run.times)
            self.limits[quantity.key] = quantity.limits(
                self.run, sorted({0, count // 2, count - 1}))
        return self.limits[quantity.key]

    def scene(self, heading: str, n: int) -> Any:
        """Return an empty scene with the block's outline, electrodes, axes and a heading."""
        plotter = self.pv.Plotter(off_screen=True, window_size=self.window)
        plotter.set_background("white")
        plotter.enable_anti_aliasing("ssaa")
        plotter.add_mesh(self.block.outline(), color="#555555", line_width=2)
        self.electrodes(plotter, n)
        plotter.add_text(heading, position="upper_edge", font_size=self._points(15), color=TEXT)
        plotter.add_text(f"{self.run.title}\nt = {hour_text(self.run.times[n])}",
                         position="lower_left", font_size=self._points(10), color=TEXT)
        plotter.show_bounds(mesh=self.block, color=TEXT, xtitle="x (m)", ytitle="y (m)",
                            ztitle="z (m)", location="outer", ticks="outside", fmt="%.3g",
                            font_size=self._points(21), use_3d_text=False, **self._labels())
        return plotter

    def _labels(self) -> dict[str, int]:
        """Number of the labels of every axis: 5 on the longest, fewer on short ones."""
        lengths = np.multiply(self.run.grid.cells, self.run.grid.spacing)
        return {f"n_{axis}labels": max(2, round(5 * length / lengths.max()))
                for axis, length in zip("xyz", lengths, strict=True)}

    def _remark(self, plotter: Any, text: str) -> None:
        """Write a sentence into the middle of a scene."""
        plotter.add_text(text, position=(0.3, 0.5), viewport=True, font_size=self._points(12),
                         color=TEXT)

    def _points(self, size: float) -> int:
        """Size of letters for the window."""
        return max(6, round(size * self.window[1] / SIZE[1]))

    def electrodes(self, plotter: Any, n: int) -> None:
        """Draw every electrode, box or rod, in the colour of its role, with its row's name above.
        """
        roles = self.run.roles(self.run.times[n])
        for electrode in self.run.electrodes:
            plotter.add_mesh(self._box(electrode.box), color=ROLE_COLOURS[roles[electrode.row]],
                             show_edges=False, ambient=0.25)
        for rod in self.run.rods:
            plotter.add_mesh(self._tube(rod), color=ROLE_COLOURS[roles[rod.row]], ambient=0.25)
        places: list[tuple[float, ...]] = []
        names: list[str] = []
        for row, name in enumerate(self.run.rows):
            shapes = [self._box(e.box) for e in self.run.electrodes if e.row == row]
            shapes += [self._tube(rod) for rod in self.run.rods if rod.row == row]
            if shapes:
                corners = np.array([shape.bounds for shape in shapes])
                low, high = corners[:, ::2].min(0), corners[:, 1::2].max(0)
                above = 0.03 + 0.06 * (len(names) % 2 if len(self.run.rows) > 4 else 0)
                top = high[2] + above * self.size       # many names, on two lines
                places.append((0.5 * (low[0] + high[0]), high[1], top))
                names.append(f"{name} {ROLE_SIGNS[roles[row]]}".strip())
        if places and len(places) <= 12:
            plotter.add_point_labels(
                np.array(places), names, font_size=self._points(23), text_color=TEXT, bold=True,
                shape="rect", shape_color="white", shape_opacity=0.7, margin=2,
                show_points=False, always_visible=True)

    def _tube(self, rod: RodAxis) -> Any:
        """Return a rod as a mesh, thick enough to be seen."""
        return self.pv.Line(rod.start, rod.end).tube(radius=max(rod.radius, THIN * self.size),
                                                     n_sides=12)

    def _box(self, box: tuple[slice, slice, slice]) -> Any:
        """Return the box of an electrode as a mesh."""
        bounds = []
        for axis, cut in enumerate(reversed(box)):
            spacing, origin = self.run.grid.spacing[axis], self.run.grid.origin[axis]
            bounds += [origin + cut.start * spacing, origin + cut.stop * spacing]
        return self.pv.Box(bounds)

    def cells(self, values: np.ndarray, name: str) -> Any:
        """Return the block with a field of voxels, without voxels that hold no ore."""
        block = self.block.copy()
        block.cell_data[name] = values.ravel()
        keep = np.flatnonzero(np.isfinite(values).ravel())
        return block.extract_cells(keep)

    def points(self, values: np.ndarray, name: str) -> Any:
        """Return the block without air, with a field at its points; in metal that of near ore."""
        nearest = ndimage.distance_transform_edt(~np.isfinite(values), return_distances=False,
                                                 return_indices=True)
        block = self.block.copy()
        block.cell_data[name] = values[tuple(nearest)].ravel()
        air = self.run.blank & (self.run.rows_of_metal == 0)
        mesh = block.cell_data_to_point_data()
        return mesh.extract_cells(np.flatnonzero(~air.ravel())) if air.any() else mesh

    def bar(self, quantity: Quantity) -> dict[str, Any]:
        """Return the settings of a colour bar."""
        unit = f"\n({quantity.unit})" if quantity.unit else ""
        low, high = self.range(quantity)
        return {"title": f"{textwrap.fill(quantity.title, 18)}{unit}\n ", "color": TEXT,
                "vertical": True, "position_x": 0.87, "position_y": 0.16, "height": 0.6,
                "width": 0.05, "title_font_size": self._points(24),
                "label_font_size": self._points(24), "fmt": "%.4g",
                "n_labels": round_parts(low, high) + 1}

    def look(self, plotter: Any) -> Any:
        """Set the camera: from the front, the right and above, with room for the colour bar."""
        centre = np.array(self.block.center)
        plotter.camera_position = [tuple(centre + self.size * np.array((-1.1, -1.75, 1.05))),
                                   tuple(centre), (0, 0, 1)]
        plotter.reset_camera(bounds=self.block.bounds)
        low_x, high_x, low_y, high_y, low_z, high_z = self.block.bounds
        tall = high_z - low_z > 1.2 * max(high_x - low_x, high_y - low_y)
        plotter.camera.zoom(0.8 if tall else 0.92)
        plotter.camera.focal_point = tuple(centre + self.size * np.array((0.07, -0.03, 0.0)))
        return plotter

    def cut_volume(self, quantity: Quantity, n: int, heading: str = "") -> Any:
        """Return a scene of the block with its near upper quarter taken out, voxels in colour."""
        plotter = self.scene(heading or f"{quantity.title} (block cut open)", n)
        values = self.opened(quantity.values(self.run, n))
        plotter.add_mesh(self.cells(values, quantity.label), scalars=quantity.label,
                         cmap=quantity.colours, clim=self.range(quantity),
                         scalar_bar_args=self.bar(quantity), **MATT)
        return self.look(plotter)

    @staticmethod
    def opened(values: np.ndarray) -> np.ndarray:
        """Return a field with NaN in the upper near part of the block, where it is thick enough."""
        nz, ny, _ = values.shape
        if min(values.shape) > 2:
            values = values.copy()
            values[nz // 3:, :(ny + 1) // 2, :] = np.nan
        return values

    def potential(self, n: int) -> Any:
        """Return a scene of surfaces of equal potential."""
        return self.surfaces(POTENTIAL, n, "Surfaces of equal electric potential, every {} volt", 9)

    def ph_front(self, n: int) -> Any:
        """Return a scene of surfaces of equal pH: the acid and the alkaline front."""
        return self.surfaces(PH, n, "Fronts of pH: surfaces of equal pH, every {}", 8)

    def surfaces(self, quantity: Quantity, n: int, heading: str, count: int) -> Any:
        """Return a scene of some `count` surfaces of equal value; {} in the heading: their step."""
        values = quantity.values(self.run, n)
        heights = levels(values, count)
        step = f"{heights[1] - heights[0]:.3g}" if len(heights) > 1 else "step"
        plotter = self.scene(heading.format(step), n)
        mesh = self.points(values, quantity.label)
        surfaces = mesh.contour(heights, scalars=quantity.label) if heights else None
        if surfaces is not None and surfaces.n_points:
            plotter.add_mesh(surfaces, scalars=quantity.label, cmap=quantity.colours,
                             clim=self.range(quantity), opacity=0.6, smooth_shading=True,
                             scalar_bar_args=self.bar(quantity), **MATT)
        else:
            self._remark(plotter, "one value everywhere: no surface to show")
        return self.look(plotter)

    def streamlines(self, n: int) -> Any:
        """Return a scene of current lines, coloured by the current density along them."""
        plotter = self.scene("Lines of current, from anode to cathode", n)
        lines, top = self.current_lines(n), self.range(CURRENT)[1]
        if lines is None:
            self._remark(plotter, "no current flows at this time")
        else:
            plotter.add_mesh(lines.tube(radius=0.002 * self.size), scalars=CURRENT.label,
                             cmap="plasma", clim=(0.01 * top, top), log_scale=True,
                             scalar_bar_args=self.bar(CURRENT) | {"n_labels": 3}, **MATT)
        return self.look(plotter)

    def current_lines(self, n: int) -> Any:
        """Return lines of current with the current density along them; None without a current."""
        vectors = self.run.results.field("current_density", n).astype(float)
        vectors[self.run.blank] = 0.0
        block = self.block.copy()
        block.cell_data["j"] = vectors.reshape(-1, 3)
        mesh = block.cell_data_to_point_data()
        mesh[CURRENT.label] = np.linalg.norm(mesh["j"], axis=1)
        seeds = self._seeds(n)
        if not mesh[CURRENT.label].max() > 1e-2 * self.range(CURRENT)[1] or seeds is None:
            return None                 # power is off: what flows is small circles of diffusion
        lines = mesh.streamlines_from_source(
            seeds, vectors="j", integration_direction="both", max_length=4 * self.size,
            initial_step_length=0.3, max_steps=4000, terminal_speed=1e-12)
        return lines if lines.n_points else None

    def _seeds(self, n: int, most: int = 110) -> Any:
        """Return starting points of current lines: ore beside anodes, else anywhere; None without.
        """
        roles = self.run.roles(self.run.times[n])
        driving = [row + 1 for row, role in enumerate(roles) if role == ANODE]
        beside = ndimage.binary_dilation(np.isin(self.run.rows_of_metal, driving)
                                         | np.isin(self.run.voxels_of_rods, driving))
        ore = np.argwhere(beside & ~self.run.blank if driving else ~self.run.blank)
        if not len(ore):
            return None
        chosen = ore[np.linspace(0, len(ore) - 1, min(len(ore), most)).astype(int)]
        spacing, origin = np.array(self.run.grid.spacing), np.array(self.run.grid.origin)
        return self.pv.PolyData(origin + (chosen[:, ::-1] + 0.5) * spacing)


def views(run: Run) -> dict[str, View]:
    """Return {name of the picture: how it is made}, of what a run has."""
    found: dict[str, View] = {}
    if "REE_mg_per_kg" in run.names and np.nan_to_num(REE.values(run, 0)).any():
        found["ore_body"] = lambda v, n: v.cut_volume(REE, 0, "Ore body and electrodes: rare "
                                                      "earths at the start")
        found["ree_left"] = lambda v, n: v.cut_volume(REE, n)
    if "phi" in run.names:
        found["potential"] = BlockViews.potential
    if "current_density" in run.names:
        found["current"] = BlockViews.streamlines
    if "pH" in run.names and np.isfinite(run.field("pH", -1)).any():
        found["pH_front"] = BlockViews.ph_front
    return found


def picture(plotter: Any, path: Path) -> Path:
    """Write a scene as PNG and close it; return the path."""
    plotter.screenshot(str(path))
    plotter.close()
    return path
