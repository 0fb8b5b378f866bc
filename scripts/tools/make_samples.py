"""Write cases/field_block/samples.csv: 24 synthetic sampling points of the field block.

    python scripts/tools/make_samples.py [FILE]

The paper gives the means of its 24 points (878 mg/kg exchangeable REE, 14 % water) and the trend
of LREE/HREE from about 4 at the top to about 1 at the bottom, not the points. Positions and
scatter are synthetic: six places on each of four levels, away from the electrodes, and
log-normal scatter of the REE. Both means are exact to the printed digit.
"""

import sys
from pathlib import Path

import numpy as np

SEED = 20220822            # arbitrary
TOTAL = 878.0              # mg/kg, mean of LREE + HREE
WATER = 14.0               # %, mean
SCATTER = 0.25             # standard deviation of ln(REE)
LEVELS = (0.27, 0.73, 1.22, 1.71)                                   # z, m
PLACES = [(x, y) for x in (0.52, 1.47) for y in (0.38, 0.82, 1.18)]   # m
JITTER = (0.16, 0.09, 0.08)                                         # m, largest shift

HEADER = """\
# 24 sampling points of the field block. SYNTHETIC: the positions and the scatter were made up by
# scripts/tools/make_samples.py. Only the means (878 mg/kg exchangeable REE, 14 % water) and the
# trend of LREE/HREE from about 4 at the top to about 1 at the bottom are those of Wang et al. 2022.
# Coordinates from the block's corner, z upwards from its bottom; REE per kg of dry ore.
# The water content is that before wetting; the simulation starts from wetted ore (case.toml).
name,x_m,y_m,z_m,LREE_mg_per_kg,HREE_mg_per_kg,water_content_percent
"""


def tenths_with_mean(values, mean):
    """Return values in tenths, scaled to a mean and rounded such that the mean is exact."""
    exact = 10 * np.asarray(values) * mean / np.mean(values)
    tenths = np.floor(exact).astype(int)
    missing = round(10 * mean * len(tenths)) - tenths.sum()
    tenths[np.argsort(tenths - exact)[:missing]] += 1
    return tenths


def samples():
    """Return the rows of the table: name, x, y, z [m], LREE, HREE [mg/kg], water [%]."""
    rng = np.random.default_rng(SEED)
    places = np.array([(x, y, z) for z in LEVELS for x, y in PLACES])
    places = np.round(places + rng.uniform(-1, 1, places.shape) * JITTER, 2)
    total = tenths_with_mean(np.exp(SCATTER * rng.standard_normal(len(places))), TOTAL)
    rise = (places[:, 2] - LEVELS[0]) / (LEVELS[-1] - LEVELS[0])
    ratio = 4.0 ** rise * np.exp(0.06 * rng.standard_normal(len(places)))
    light = np.rint(total * ratio / (1 + ratio)).astype(int)
    water = tenths_with_mean(1 + 0.12 * rng.standard_normal(len(places)), WATER)
    rows = zip(places, light, total, water, strict=True)
    return [(f"S{n:02d}", *place, part / 10, (whole - part) / 10, wet / 10)
            for n, (place, part, whole, wet) in enumerate(rows, 1)]


def main():
    """Write the table."""
    case = Path(__file__).resolve().parents[2] / "cases" / "field_block"
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else case / "samples.csv"
    rows = ["{},{:.2f},{:.2f},{:.2f},{:.1f},{:.1f},{:.1f}\n".format(*row) for row in samples()]
    file.write_text(HEADER + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
