"""Place of the block in real space: where the grid's origin lies, and how the block is turned.

    X = P + R (x - o)        R: rotation about the vertical axis, counter-clockwise seen from above

x: coordinates of the case, o: grid.origin, X: real coordinates in the `crs`, P: real place of o.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class GeoReference:
    """Place P [m], rotation [degrees] and coordinate reference system (text) of a block.

    origin: o, coordinates [m] of the block's lower corner in the case; place: None where these are
    real already.
    """

    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    place: tuple[float, ...] | None = None
    rotation: float = 0.0
    crs: str = ""

    @property
    def real_origin(self) -> tuple[float, ...]:
        """P: real coordinates x, y, z of the block's lower corner [m]."""
        return self.origin if self.place is None else self.place

    @property
    def given(self) -> bool:
        """True where the case says anything of it."""
        return self.place is not None or self.rotation != 0.0 or self.crs != ""

    @cached_property
    def matrix(self) -> np.ndarray:
        """R (3, 3); exact for multiples of 90 degrees."""
        turns, rest = divmod(self.rotation, 90.0)
        if rest == 0.0:
            c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(turns) % 4]
        else:
            c, s = np.cos(np.radians(self.rotation)), np.sin(np.radians(self.rotation))
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    def to_real(self, points: Any) -> np.ndarray:
        """Return the real coordinates (..., 3) of points of the case (..., 3) [m]."""
        if not self.given:
            return np.asarray(points, float)
        return np.asarray(self.real_origin) + (np.asarray(points, float) - self.origin
                                               ) @ self.matrix.T

    def to_local(self, points: Any) -> np.ndarray:
        """Return the coordinates in the case (..., 3) of real points (..., 3) [m]."""
        if not self.given:
            return np.asarray(points, float)
        return np.asarray(self.origin) + (np.asarray(points, float) - self.real_origin
                                          ) @ self.matrix

    def facts(self) -> dict[str, Any]:
        """Return what results store of it."""
        return {"crs": self.crs, "rotation_deg": self.rotation,
                "real_origin_m": list(self.real_origin), "local_origin_m": list(self.origin)}
