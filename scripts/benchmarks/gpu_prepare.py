"""Folder that a machine with a GPU and no network needs beside the checkout.

    python scripts/benchmarks/gpu_prepare.py [--folder .gpu] [--no-wheels] [--small]

    wheels/            packages of gpu_wheels.txt for Python 3.12 on Linux: 3 MB
    field_10.json ...  summaries of the field block (264 h) on `cpp`, 10 and 5 cm, with which the
                       GPU's are compared

Some minutes on two cores, most of them at 5 cm. Run it again after a change of the physics.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64", "manylinux1_x86_64")
SPACINGS, SMALL = (10, 5), (25,)                                    # cm
SHORT = ("schedule.stage.0.duration=2 h", "schedule.stage.1.duration=2 h")      # with --small


def overrides(spacing, small):
    """Overrides of the field block for a spacing [cm]."""
    return (f"grid.spacing={spacing:g} cm", *(SHORT if small else ()))


def wheels(folder):
    """Download the packages of gpu_wheels.txt for the GPU's machine."""
    words = [word for name in PLATFORMS for word in ("--platform", name)]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                    "--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp",
                    *words, "-d", str(folder), "-r",
                    str(Path(__file__).with_name("gpu_wheels.txt"))], check=True)


def summary(spacing, small, backend):
    """Return the summary of a run of the field block in a folder that is removed afterwards."""
    from ekm3d import Case, Simulation
    from ekm3d.resources import case_path
    case = Case.read(case_path("field_saturated"), overrides(spacing, small))
    with tempfile.TemporaryDirectory() as folder:
        Simulation(case, backend).run(Path(folder) / "out", quiet=True)
        return json.loads((Path(folder) / "out" / "summary.json").read_text())


def main():
    """Fill the folder."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--folder", type=Path, default=ROOT / ".gpu")
    parse.add_argument("--no-wheels", action="store_true")
    parse.add_argument("--small", action="store_true", help="coarse and short, to see that it runs")
    given = parse.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not given.no_wheels:
        wheels(given.folder / "wheels")
    for spacing in SMALL if given.small else SPACINGS:
        found = summary(spacing, given.small, "cpp")
        (given.folder / f"field_{spacing}.json").write_text(json.dumps(found, indent=1))
        print(f"field_{spacing}.json: {len(found)} numbers")


if __name__ == "__main__":
    main()
