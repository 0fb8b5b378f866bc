"""Places in the mine's own files as those of the case.

    case = R(-rotation) (file - origin)    coordinates = "case": rotation, origin of the entry
    case = o + R(-rotation) (file - P)     coordinates = "real": those of the grid, `GeoReference`

In real coordinates the entry's rotation is that of a block model in real space, whose blocks must
lie along the axes of the grid.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema_ore_files import BlockModelEntry, DrillHolesEntry
from ekm3d.grid.georeference import GeoReference

ALONG = 1e-6        # degrees between axes that count as parallel


def placed(points: np.ndarray, origin: Sequence[float], rotation: float) -> np.ndarray:
    """Return points (n, 3) of a file in the case's coordinates.

    origin: place in the file of the case's (0, 0, 0) [m]; rotation: degrees by which the case's x
    axis is turned from the file's, counter-clockwise seen from above.
    """
    out = np.asarray(points, float) - origin
    if rotation:
        c, s = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
        out[:, 0], out[:, 1] = c * out[:, 0] + s * out[:, 1], c * out[:, 1] - s * out[:, 0]
    return out


def in_case(points: np.ndarray, entry: BlockModelEntry | DrillHolesEntry, reference: GeoReference
            ) -> np.ndarray:
    """Return points (n, 3) of the file of an entry in the case's coordinates."""
    if entry.coordinates == "real":
        return reference.to_local(points)
    return placed(points, entry.origin, entry.rotation)


def across(entry: BlockModelEntry, reference: GeoReference) -> bool:
    """Return True where the blocks' x axis lies along the case's y axis."""
    return entry.coordinates == "real" and _quarters(entry, reference) % 2 == 1


def check_place(entry: BlockModelEntry | DrillHolesEntry, reference: GeoReference, path: KeyPath,
                problems: Problems) -> None:
    """Refuse an origin, or a rotation that does not fit, of what is in real coordinates.

    Adds a problem and raises MissingValue.
    """
    if entry.coordinates == "case":
        return
    if any(entry.origin):
        problems.add((*path, "origin"), "is the place of the case in a file with coordinates of "
                     'its own; leave it out beside coordinates = "real", where grid.real_origin '
                     "and grid.rotation place the case")
        raise MissingValue
    if isinstance(entry, DrillHolesEntry):
        if entry.rotation:
            problems.add((*path, "rotation"), "is that of a file with coordinates of its own; "
                         'leave it out beside coordinates = "real"')
            raise MissingValue
        return
    turn = reference.rotation - entry.rotation
    if abs(turn - 90.0 * _quarters(entry, reference)) > ALONG:
        problems.add((*path, "rotation"), f"the blocks are turned by {entry.rotation:g} degrees in "
                     f"real space and the grid by {reference.rotation:g} (grid.rotation), but they "
                     "must lie along its axes; turn the grid with the model, or give the model's "
                     "own rotation here")
        raise MissingValue


def _quarters(entry, reference):
    """Number of quarter turns from the axes of the blocks to the grid's."""
    return round((reference.rotation - entry.rotation) / 90.0)
