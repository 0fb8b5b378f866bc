"""Distance between the anodes and the cathodes of a stage, over which a gradient is a voltage.

Rows that face one another are as far apart as their centres. Where they do not (one row around the
other, electrodes scattered, rows at different distances) it is the distance of the nearest anode
and cathode, from centre to centre: there the field is strongest, and no electrode sees a steeper
mean gradient than the one asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

SAME = 0.01         # relative difference of rows' distances that still counts as equal
STRAIGHT = 0.1      # spread of a row across itself, over the distance to the other, if it is a line


class PlacedRow(Protocol):
    """Row of electrodes with their centres (x, y, z) [m]."""

    centre: Sequence[float]
    centres: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Distance:
    """Distance [m] and what it lies between, in words."""

    metres: float
    between: str


def distance(anodes: Sequence[PlacedRow], cathodes: Sequence[PlacedRow]) -> Distance:
    """Return the distance of anodes and cathodes; at least one of each."""
    pairs = [(a, c) for a in anodes for c in cathodes]
    apart = [float(np.linalg.norm(np.subtract(a.centre, c.centre))) for a, c in pairs]
    if max(apart) <= (1 + SAME) * min(apart) and all(_face(a, c) for a, c in pairs):
        return Distance(float(np.mean(apart)), "the rows' centres")
    one, other = (np.concatenate([np.atleast_2d(row.centres) for row in rows])
                  for rows in (anodes, cathodes))
    gaps = np.linalg.norm(one[:, None] - other[None], axis=-1)
    nearest = np.concatenate([gaps.min(axis=1), gaps.min(axis=0)])
    low, high = float(nearest.min()), float(nearest.max())
    return Distance(low, "the nearest opposite electrodes" + (
        f" (from electrode to electrode up to {high:.4g} m)" if high > (1 + SAME) * low else ""))


def _face(one, other):
    """True if two rows are parallel lines, or single electrodes, that face one another."""
    way = np.subtract(other.centre, one.centre)
    length = np.linalg.norm(way)
    return length > 0 and all(np.ptp(np.atleast_2d(row.centres) @ (way / length))
                              <= STRAIGHT * length for row in (one, other))
