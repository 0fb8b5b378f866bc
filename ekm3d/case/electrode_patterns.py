"""Patterns of upright rods: rows of either sign in turn, or hexagons of anodes around cathodes.

Rows alternate, beginning with anodes. Hexagons are the points of a triangular lattice: every third
one is a cathode, and its six neighbours are anodes, each of which belongs to three cathodes. The
pattern lies in the middle of its area. Every line of rods gives a row of the case for each sign,
"NAME anode 1", "NAME cathode 1" and so on, so that stages can drive "NAME anode*".
"""

import numpy as np

from ekm3d.case.problems import KeyPath, MissingValue, Problems
from ekm3d.case.schema_electrodes import ElectrodeRow, Pattern, Rods

MOST = 10_000       # rods of a pattern
SLACK = 1e-9


def pattern_rows(pattern: Pattern, path: KeyPath, problems: Problems) -> list[ElectrodeRow]:
    """Return the rows of a pattern; MissingValue where it has not both signs, or too many rods."""
    lines = _lines(pattern)
    total = sum(len(places) for places in lines.values())
    if total > MOST or len({sign for sign, _ in lines}) < 2:
        problems.add((*path, "spacing"), f"{pattern.spacing:g} m makes "
                     + (f"{total:,} rods; {MOST:,} are the most" if total > MOST else
                        "no anode beside a cathode in this area") + "; give another")
        raise MissingValue
    of_rods = ("bottom", "top", "radius", "width", "thickness", "facing", "resistance", "fed")
    of_row = ("contact_resistance", "contact_resistivity", "catholyte_volume")
    return [ElectrodeRow.model_construct(
        name=f"{pattern.name} {sign} {n}", rods=Rods.model_construct(
            x=xs, y=ys, **{key: getattr(pattern, key) for key in of_rods}),
        **{key: getattr(pattern, key) for key in of_row})
        for (sign, n), places in lines.items() for xs, ys in [_xy(pattern, places)]]


def _xy(pattern, places):
    """Lists of x and of y; places: (across the lines, along them)."""
    across, along = (list(map(float, a)) for a in zip(*places, strict=True))
    return (across, along) if pattern.along == "y" else (along, across)


def _middle(low, high, step):
    """Places with a distance `step` in the middle between two ends."""
    count = int((high - low) / step + SLACK) + 1
    return 0.5 * (low + high) + step * (np.arange(count) - 0.5 * (count - 1))


def _lines(pattern):
    """{(sign, number from 1): places (across, along) [m]} of every line of rods."""
    d = 0 if pattern.along == "y" else 1
    (low, high), (begin, end) = (
        (pattern.area[0][a], pattern.area[1][a]) for a in (d, 1 - d))
    lines: dict[tuple[str, int], list[tuple[float, float]]] = {}
    if pattern.kind == "rows":
        along = _middle(begin, end, pattern.spacing)
        for n, x in enumerate(_middle(low, high, pattern.row_spacing or pattern.spacing)):
            lines["anode" if n % 2 == 0 else "cathode", n // 2 + 1] = [(x, y) for y in along]
        return lines
    step = pattern.row_spacing or pattern.spacing * np.sqrt(0.75)
    along = _middle(begin, end - 0.5 * pattern.spacing, pattern.spacing)
    for n, x in enumerate(_middle(low, high, step)):
        for c, y in enumerate(along + 0.5 * pattern.spacing * (n % 2)):
            sign = "cathode" if (c - n // 2 - n) % 3 == 1 else "anode"
            lines.setdefault((sign, n + 1), []).append((x, y))
    return lines
