"""Write the mine's files of cases/hillside: survey, block model and drill holes, all synthetic.

    python scripts/tools/make_hillside.py [DIRECTORY]

    topography.csv   surveyed points of the ground, real coordinates
    bedrock.csv      top of the fresh granite below the holes and around them, real coordinates
    blocks.csv       block model, as Vulcan exports it: -99 where nothing was assayed
    collar.csv, survey.csv, assay.csv    twelve drill holes

A weathering crust on granite: topsoil, fully weathered granite (the ore), semi-weathered granite
below it. Heavy rare earths gather lower than light ones: LREE/HREE falls from about 4 at the top
to about 1 at the bottom, as in Wang et al. 2022; every other number is made up.
"""

import sys
from pathlib import Path

import numpy as np

SEED = 20260117                         # arbitrary
CORNER = np.array([412300.0, 2763100.0, 180.0])         # real coordinates of the case's 0, 0, 0
TURNED = np.radians(25.0)               # of the case's x axis, counter-clockwise from east
SIZE = np.array([30.0, 20.0])           # m, in plan
BLOCK = np.array([2.5, 2.5, 1.0])       # m
BEYOND = 2.5                            # m that survey and model reach beyond the case
SOIL, ORE = 1.0, 7.0                    # m, thickness of topsoil and of fully weathered granite
MISSING = "-99.0"


def ground(x, y):
    """Height of the ground [m]: 15.6 at the crest (x = 0) to about 10.7 at the foot (x = 30)."""
    return 15.6 - 4.9 * np.clip(x / 30.0, 0.0, None) ** 1.2 + 0.25 * np.sin(0.35 * y + 0.2 * x)


def bedrock(x, y):
    """Height of the fresh granite [m]."""
    return 1.6 - 0.025 * x + 0.2 * np.cos(0.3 * y - 0.15 * x)


def soil_base(x, y):
    """Height of the base of the topsoil [m]."""
    return ground(x, y) - SOIL - 0.2 * np.sin(0.5 * x + 0.3 * y)


def ore_base(x, y):
    """Height of the base of the fully weathered granite [m], which thins out towards the foot."""
    return soil_base(x, y) - ORE + 0.06 * x + 0.5 * np.cos(0.25 * x - 0.2 * y)


def rock(x, y, z):
    """Names of the rock at places."""
    return np.where(z > soil_base(x, y), "SOIL", np.where(z > ore_base(x, y), "FWG", "SWG"))


def real(places):
    """Return real coordinates of places (n, 3) of the case."""
    c, s = np.cos(TURNED), np.sin(TURNED)
    return CORNER + places @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def smooth_noise(rng, count=60):
    """Function of places (n, 3): random waves of some 6 m in plan and 3 m in height, variance 1."""
    wave = rng.standard_normal((count, 3)) / (6.0, 6.0, 3.0)
    phase = rng.uniform(0.0, 2.0 * np.pi, count)
    return lambda places: np.sqrt(2.0 / count) * np.cos(places @ wave.T + phase).sum(1)


def grades(places, noise):
    """LREE and HREE [mg/kg] at places (n, 3); topsoil is leached."""
    x, y, z = places.T
    depth = (ground(x, y) - z) / (ground(x, y) - bedrock(x, y))
    kind = rock(x, y, z)
    total = np.where(kind == "SOIL", 90.0, np.where(kind == "FWG", 950.0, 420.0))
    total = total * np.exp(0.3 * noise(places) - 0.045)
    ratio = 4.0 ** (1.0 - np.clip(depth, 0.0, 1.0))
    return total * ratio / (1.0 + ratio), total / (1.0 + ratio)


def write(path, lines):
    """Write lines of text."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path}: {len(lines)} lines")


def surfaces(directory, rng):
    """Write the survey of the ground, and the top of the bedrock."""
    xs = np.arange(-BEYOND, SIZE[0] + BEYOND + 0.1, 2.5)
    ys = np.arange(-BEYOND, SIZE[1] + BEYOND + 0.1, 2.5)
    x, y = (a.ravel() for a in np.meshgrid(xs, ys))
    inner = (x > xs[0]) & (x < xs[-1]) & (y > ys[0]) & (y < ys[-1])
    x, y = (a + inner * rng.uniform(-0.5, 0.5, x.size) for a in (x, y))
    for name, height in (("topography.csv", ground), ("bedrock.csv", bedrock)):
        places = real(np.stack([x, y, height(x, y)], 1))
        write(directory / name, ["x,y,z", *(f"{a:.2f},{b:.2f},{c:.2f}" for a, b, c in places)])


def block_model(directory, noise, rng):
    """Write the block model: all blocks whose centres lie between bedrock and ground."""
    xs, ys = (np.arange(0.5 * d, s, d) for d, s in zip(BLOCK[:2], SIZE, strict=True))
    z, y, x = (a.ravel() for a in np.meshgrid(np.arange(0.5, 17.0), ys, xs, indexing="ij"))
    inside = (z < ground(x, y) + 0.6) & (z > bedrock(x, y) - 0.6)
    places = np.stack([x, y, z], 1)[inside]
    kind = rock(*places.T)
    light, heavy = grades(places, noise)
    density = np.select([kind == "SOIL", kind == "FWG"], [1.35, 1.50], 1.70)
    density = density + 0.02 * rng.standard_normal(len(density))
    lines = ["centroid_x,centroid_y,centroid_z,dim_x,dim_y,dim_z,rock,density,lree,hree",
             "variable descriptions:,,,,,,rock type,t/m3 dry,\"La to Eu, ppm\",\"Gd to Lu and Y, "
             "ppm\"",
             "variable types:,,,,,,name,double,double,double",
             "variable defaults:,,,,,,none,-99.0,-99.0,-99.0"]
    for (a, b, c), name, sg, la, he in zip(real(places), kind, density, light, heavy, strict=True):
        assayed = name != "SOIL"
        lines.append(f"{a:.3f},{b:.3f},{c:.1f},2.5,2.5,1,{name},{sg:.2f},"
                     + (f"{la:.0f},{he:.0f}" if assayed else f"{MISSING},{MISSING}"))
    write(directory / "blocks.csv", lines)


def drill_holes(directory, noise, rng):
    """Write collars, surveys (some holes are inclined) and assays of every metre."""
    collar, survey = ["BHID,XCOLLAR,YCOLLAR,ZCOLLAR"], ["BHID,AT,BRG,DIP"]
    assay = ["BHID,FROM,TO,LREE,HREE,AL,CA"]
    for n, (x, y) in enumerate((x, y) for x in (3.0, 11.0, 19.0, 27.0) for y in (3.0, 10.0, 17.0)):
        name, place = f"LYW{n + 1:03d}", np.array([x, y, 0.0]) + (*rng.uniform(-0.8, 0.8, 2), 0.0)
        place[2] = ground(*place[:2])
        collar.append("{},{:.2f},{:.2f},{:.2f}".format(name, *real(place[None])[0]))
        dip, azimuth = (90.0, 0.0) if n % 4 else (78.0, float(rng.integers(0, 360)))
        survey += [f"{name},{at},{azimuth:.0f},{dip:.0f}" for at in (0, 6)]
        flat, down = np.cos(np.radians(dip)), np.sin(np.radians(dip))
        bearing = np.radians(90.0 - azimuth) - TURNED           # from the case's x axis
        way = np.array([flat * np.cos(bearing), flat * np.sin(bearing), -down])
        for top in range(20):
            middle = place + (top + 0.5) * way
            if middle[2] < bedrock(*middle[:2]):
                break
            light, heavy = grades(middle[None], noise)
            kind = str(rock(*middle))
            al = {"SOIL": 320.0, "FWG": 160.0, "SWG": 70.0}[kind] * np.exp(
                0.2 * rng.standard_normal())
            ca = {"SOIL": 90.0, "FWG": 60.0, "SWG": 140.0}[kind] * np.exp(
                0.2 * rng.standard_normal())
            values = [f"{v:.0f}" for v in (float(light[0]), float(heavy[0]), al, ca)]
            if rng.uniform() < 0.03:
                values = ["-99"] * 4                    # a lost core
            assay.append(f"{name},{top},{top + 1}," + ",".join(values))
    for name, lines in (("collar", collar), ("survey", survey), ("assay", assay)):
        write(directory / f"{name}.csv", lines)


def main():
    """Write the files."""
    case = Path(__file__).resolve().parents[2] / "cases" / "hillside"
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else case
    rng = np.random.default_rng(SEED)
    noise = smooth_noise(rng)
    surfaces(directory, rng)
    block_model(directory, noise, rng)
    drill_holes(directory, noise, rng)


if __name__ == "__main__":
    main()
