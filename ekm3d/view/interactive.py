"""Interactive page of the block: turned and zoomed in a browser, without a network.

vtk.js by way of trame, exported by pyvista. Surfaces and lines only, thinned where there are many
triangles: volume rendering does not survive the export.
"""

import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.view import extras, probe
from ekm3d.view.block_views import CURRENT, MATT, POTENTIAL, REE, BlockViews
from ekm3d.view.figures import hour_text
from ekm3d.view.numbers import levels
from ekm3d.view.run import Run

MOST_TRIANGLES = 60_000         # of one surface: a page of a few MB
WINDOW = (1200, 900)
ICONS = "https://kitware.github.io/vtk-js/icon/"        # that vtk.js would fetch for the tab
WASM = "trame.widgets.vtklocal"
TITLE = "<title>VTK.js | Example - OfflineLocalView</title>"


def interactive(run: Run, path: Path, say: Callable[[str], None]) -> Path | None:
    """Write the page of the last snapshot; None where it cannot be made, with the reason said."""
    if min(run.grid.shape) < 2:
        say("no interactive page: the block is one voxel thin")
        return None
    if reason := probe.why_not():
        say(f"no interactive page: {reason}")
        return None
    try:
        for name in ("trame_vtk", "trame_pyvista", "nest_asyncio2"):
            extras.extra(name, "interactive pages")
    except extras.ViewError as error:
        say(f"no interactive page: {str(error).replace('[viz]', '[web]')}")
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    plotter = scene(run)
    with without_download():
        plotter.trame.export_html(str(path))
    plotter.close()
    page = path.read_text(encoding="utf-8").replace(ICONS, "data:,")
    path.write_text(page.replace(TITLE, f"<title>{html.escape(run.title)}</title>"),
                    encoding="utf-8")
    return path


@contextmanager
def without_download() -> Iterator[None]:
    """Keep trame from fetching VTK for WebAssembly, which the page does not use, from the web."""
    before = sys.modules.get(WASM, sys)             # sys: it was not imported
    sys.modules[WASM] = None                        # type: ignore[assignment]
    try:
        yield
    finally:
        if before is sys:
            del sys.modules[WASM]
        else:
            sys.modules[WASM] = before


def scene(run: Run) -> Any:
    """Return the scene: REE on the cut block, surfaces of the potential, lines of current."""
    n = len(run.times) - 1
    views = BlockViews(run, WINDOW)
    plotter = views.pv.Plotter(off_screen=True, window_size=WINDOW)
    plotter.set_background("white")
    plotter.add_mesh(views.block.outline(), color="#555555", line_width=2)
    views.electrodes(plotter, n)
    if "REE_mg_per_kg" in run.names:
        values = views.opened(REE.values(run, n))
        mesh = thinned(views.cells(values, REE.label))
        plotter.add_mesh(mesh, scalars=REE.label, cmap=REE.colours, clim=views.range(REE),
                         scalar_bar_args=views.bar(REE), **MATT)
    if "phi" in run.names:
        values = POTENTIAL.values(run, n)
        heights = levels(values, 6)
        surfaces = views.points(values, POTENTIAL.label).contour(heights, scalars=POTENTIAL.label) \
            if heights else None
        if surfaces is not None and surfaces.n_points:
            plotter.add_mesh(thinned(surfaces), color="#888888", opacity=0.25)
    if "current_density" in run.names and (lines := views.current_lines(n)) is not None:
        plotter.add_mesh(lines, scalars=CURRENT.label, cmap="plasma", log_scale=True,
                         clim=(0.01 * views.range(CURRENT)[1], views.range(CURRENT)[1]),
                         line_width=3, show_scalar_bar=False, lighting=False)
    plotter.add_text(f"{run.title}, t = {hour_text(run.times[n])}", font_size=10, color="#222222")
    return views.look(plotter)


def thinned(mesh: Any) -> Any:
    """Return the surface of a mesh with at most MOST_TRIANGLES triangles, in float32."""
    surface = mesh.extract_surface(algorithm=None).triangulate()
    if surface.n_cells > MOST_TRIANGLES:
        surface = surface.cell_data_to_point_data().decimate(1 - MOST_TRIANGLES / surface.n_cells)
    surface.points = surface.points.astype(np.float32)
    for data in (surface.cell_data, surface.point_data):
        for name in list(data):
            if name.startswith("vtkOriginal"):
                del data[name]
    return surface
