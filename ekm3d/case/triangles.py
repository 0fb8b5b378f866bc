"""Triangulated files of a case (STL, OBJ, PLY, VTP), and where vertical lines cross triangles."""

from importlib import import_module
from pathlib import Path

import numpy as np

from ekm3d.grid.solids import FAR, Stretches, lines_within
from ekm3d.quoting import quoted
from ekm3d.regular_file import MIB

ENDINGS = (".stl", ".obj", ".ply", ".vtp")
MOST, LARGEST = 2_000_000, 512 * MIB
NUDGE = (0.7390851e-7, 0.5671433e-7)        # of the extent: lines do not meet edges of triangles


def read_triangles(file: Path) -> np.ndarray:
    """Return the triangles (m, 3, 3) of a file [m]; ValueError with a message for the user."""
    name = file.name
    if file.suffix.lower() not in ENDINGS:
        raise ValueError(f"{quoted(name)} is none of {', '.join(ENDINGS)}")
    if not file.is_file():
        raise ValueError(f"there is no file {quoted(name)} in {file.parent}")
    if file.stat().st_size > LARGEST:
        raise ValueError(f"{quoted(name)} has more than the {LARGEST // MIB} MiB that are read")
    try:
        pyvista = import_module("pyvista")      # of the extra `viz`
    except ImportError:
        raise ValueError(f"{name}: triangulated files need the package pyvista; "
                         "pip install \"ekm3d[viz]\"") from None
    try:
        mesh = pyvista.read(file).extract_surface(algorithm="dataset_surface").triangulate()
    except Exception as e:                      # pyvista and VTK raise what they like
        raise ValueError(f"cannot read {name}: {e}") from None
    faces = np.asarray(mesh.faces).reshape(-1, 4)[:, 1:]
    if not len(faces):
        raise ValueError(f"{name} holds no triangles")
    if len(faces) > MOST:
        raise ValueError(f"{name} has {len(faces):,} triangles, more than {MOST:,}; thin it out")
    corners = np.asarray(mesh.points, float)[faces]
    if not np.isfinite(corners).all():
        raise ValueError(f"{name} has corners that are no numbers")
    return corners


def vertical_crossings(triangles: np.ndarray, x: np.ndarray, y: np.ndarray
                       ) -> tuple[np.ndarray, np.ndarray]:
    """Return (line, z) of all crossings of vertical lines at x, y (n,) with triangles (m, 3, 3).

    Lines are moved by less than 1e-7 of their extent, so that none meets an edge.
    """
    extent = max(float(np.ptp(x)), float(np.ptp(y)), 1e-3)
    x, y = x + NUDGE[0] * extent, y + NUDGE[1] * extent
    line, which = lines_within(triangles[..., :2].min(axis=1), triangles[..., :2].max(axis=1), x, y)
    z, hit = _height(triangles[which], x[line], y[line])
    return line[hit], z[hit]


def _height(triangles: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (z, hit) of lines at x, y (n,) with one triangle each (n, 3, 3)."""
    (x0, y0, z0), (x1, y1, z1), (x2, y2, z2) = (triangles[:, n].T for n in range(3))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    flat = area == 0.0
    safe = np.where(flat, 1.0, area)
    s = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / safe
    t = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / safe
    hit = ~flat & (s >= 0) & (t >= 0) & (s + t <= 1)
    return z0 + s * (z1 - z0) + t * (z2 - z0), hit


class ClosedMesh:
    """Body within closed triangles (m, 3, 3) [m]; name: of the file, for messages."""

    def __init__(self, triangles: np.ndarray, name: str):
        self.triangles, self.name = triangles, name

    def stretches(self, x: np.ndarray, y: np.ndarray) -> Stretches:
        """Return the stretches of vertical lines at x, y (n,) [m]; ValueError for an open mesh."""
        line, z = vertical_crossings(self.triangles, x, y)
        count = np.bincount(line, minlength=x.size)
        if (count % 2).any():
            n = int((count % 2).argmax())
            raise ValueError(f"{quoted(self.name)} is not closed: a vertical line at "
                             f"({x[n]:g}, {y[n]:g}) m crosses it {count[n]} times; take it as a "
                             "surface, or close it")
        order = np.lexsort((z, line))
        line, z = line[order], z[order]
        most = max(int(count.max(initial=0)), 2)
        edges = np.full((most, x.size), FAR)
        edges[np.arange(line.size) - np.repeat(np.cumsum(count) - count, count), line] = z
        inside = np.arange(most - 1)[:, None] % 2 == 0
        return edges, inside & (np.arange(1, most)[:, None] < count)
