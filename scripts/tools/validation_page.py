"""Page cases/validation.md: the experiments of the paper against the model, made anew.

    python scripts/tools/validation_page.py --out RUNS        all runs that are not in RUNS; hours
    python scripts/tools/validation_page.py --out RUNS --fit  the calibrations as well

Runs `ekm3d validate`, the mechanisms, grids and steps of the bench column, and puts their tables
into the text of cases/validation/page.md. Runs that have finished are kept.
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ekm3d.cli.main import main as ekm3d  # noqa: E402

CASES = ROOT / "cases"
FOLDER = CASES / "validation"
BENCH = CASES / "bench_ekm"
SHOW = ("REE_leachate_mg_per_kg,REE_plate_mg_per_kg,REE_hydroxide_in_ore_mg_per_kg,"
        "impurity_mg_per_kg,recovery_REE,purity_REE,energy_kWh,leachate_L")
ORES = ("recovery_REE,removal_REE_mean,REE_leachate_mg_per_kg,purity_REE,energy_kWh,leachate_L,"
        "residual_N_mg_per_kg")
GRIDS = "grid.spacing=[" + ", ".join(f'["50.13 mm", "56.4 mm", "{dz} mm"]'
                                     for dz in (6.5, 3.25, 1.625)) + "]"
STEPS = "schedule.cfl=[0.9, 0.45]"
FITS = {"twice": FOLDER / "parameters_twice.toml", "wide": FOLDER / "parameters_wide.toml",
        "soils": FOLDER / "parameters.toml"}


def main() -> int:
    """Make the runs and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--only-page", action="store_true", help="from the tables that are there")
    args = parser.parse_args()
    common = ["--backend", "cpp", "--jobs", args.jobs]
    if args.fit:
        for name, file in FITS.items():
            call("calibrate", BENCH, CASES / "bench_leaching", "--targets", FOLDER / "targets.csv",
                 "--parameters", file, "--out", args.out / name, "--renew", 6, "--most", 30,
                 *(("--starts", 2, "--ensemble", 10) if name == "twice" else ()), *common)
            write_fit(args.out / name, FOLDER / f"fit_{name}.md")
        shutil.copy(args.out / "twice" / "ensemble.csv", FOLDER / "ensemble.csv")
    if not args.only_page:
        call("validate", FOLDER, "--out", args.out / "validation", *common)
        call("study", BENCH, "--variants", FOLDER / "mechanisms.toml", "--show", SHOW, "--out",
             args.out / "mechanisms", *common)
        call("study", CASES / "field_saturated", "--variants", FOLDER / "ore_kinds.toml", "--show",
             ORES, "--out", args.out / "ores", *common)
        call("study", BENCH, "-o", GRIDS, "--show", SHOW, "--out", args.out / "grids", *common)
        call("study", BENCH, "-o", STEPS, "--show", SHOW, "--out", args.out / "steps", *common)
    for source, name in (("validation/validation.png", "validation.png"),
                         ("validation/curves.png", "curves.png"),
                         ("mechanisms/study.png", "mechanisms.png")):
        if (args.out / source).exists():
            shutil.copy(args.out / source, CASES / "guide" / name)
    shutil.copy(args.out / "validation" / "validation.csv", FOLDER / "validation.csv")
    text = (FOLDER / "page.md").read_text(encoding="utf-8")
    for mark, file in (("TABLE", args.out / "validation" / "validation.md"),
                       ("MECHANISMS", args.out / "mechanisms" / "table.md"),
                       ("ORES", args.out / "ores" / "table.md"),
                       ("GRIDS", args.out / "grids" / "table.md"),
                       ("STEPS", args.out / "steps" / "table.md"),
                       ("FIT_TWICE", FOLDER / "fit_twice.md"),
                       ("FIT_WIDE", FOLDER / "fit_wide.md"),
                       ("FIT_SOILS", FOLDER / "fit_soils.md")):
        text = text.replace(f"<!-- {mark} -->", file.read_text(encoding="utf-8").strip())
    (CASES / "validation.md").write_text(text, encoding="utf-8")
    return 0


def call(*words: object) -> None:
    """Call the command line; a run that fails is a row of its table."""
    code = ekm3d([str(word) for word in words])
    if code not in (0, 3):
        raise SystemExit(code)


def write_fit(folder: Path, file: Path) -> None:
    """Write the page of a calibration, its headings two levels down."""
    lines = (folder / "calibration.md").read_text(encoding="utf-8").splitlines()[2:]
    file.write_text("\n".join("##" + line if line.startswith("#") else line for line in lines)
                    + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
