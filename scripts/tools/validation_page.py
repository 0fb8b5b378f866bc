"""Page cases/validation.md: the experiments of the paper against the model, made anew.

    python scripts/tools/validation_page.py --out RUNS        all runs that are not in RUNS; hours
    python scripts/tools/validation_page.py --out RUNS --fit  the calibrations as well
    python scripts/tools/validation_page.py --out RUNS --keep 'field*' --tables grids steps
    python scripts/tools/validation_page.py --only-text       the text around the tables alone, and
                                                              the picture of validation.csv

Runs `ekm3d validate`, the mechanisms, grids and steps of the bench column, and puts their tables
into the text of cases/validation/page.md. Runs that have finished are kept. The third form makes a
part: of the facts all but those of the runs named, whose rows say so, and of the other tables those
named. What is not made stands as it did: facts, tables and fits lie in cases/validation.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ekm3d.cli.main import main as ekm3d  # noqa: E402
from ekm3d.study.validation_page import draw  # noqa: E402

CASES = ROOT / "cases"
FOLDER = CASES / "validation"
BENCH, COLUMNS = CASES / "bench_ekm", (CASES / "bench_ekm", CASES / "bench_leaching")
SHOW = ("REE_leachate_mg_per_kg,REE_plate_mg_per_kg,REE_hydroxide_in_ore_mg_per_kg,"
        "impurity_mg_per_kg,recovery_REE,purity_REE,energy_kWh,leachate_L")
ORES = ("recovery_REE,removal_REE_mean,REE_leachate_mg_per_kg,purity_REE,energy_kWh,leachate_L,"
        "residual_N_mg_per_kg")
GRIDS = "grid.spacing=[" + ", ".join(f'["50.13 mm", "56.4 mm", "{dz} mm"]'
                                     for dz in (6.5, 3.25, 1.625)) + "]"
STUDIES = {                                             # of `ekm3d study`: its words
    "mechanisms": (BENCH, "--variants", FOLDER / "mechanisms.toml", "--show", SHOW),
    "ores": (CASES / "field_saturated", "--variants", FOLDER / "ore_kinds.toml", "--show", ORES),
    "grids": (BENCH, "-o", GRIDS, "--show", SHOW),
    "double": (BENCH, "--variants", FOLDER / "double.toml", "--show", SHOW),
    "steps": (BENCH, "-o", "schedule.cfl=[0.9, 0.45]", "--show", SHOW)}
TWO = (*COLUMNS, "--targets", FOLDER / "targets.csv")
THREE = (*COLUMNS, CASES / "bench_ekm_02", "--targets", FOLDER / "targets_joint.csv")
FIRST, SHOWN = (("--parameters", FOLDER / f"parameters_{name}.toml") for name in ("first", "twice"))
BEFORE = ("-o", "electrodes.plate_film=catholyte", "--renew", 6, "--most", 30)
FITS = {                            # of `ekm3d calibrate`: its words; @NAME: results of another
    "first": (*TWO, *FIRST, "--renew", 6, "--most", 3),
    "twice": (*TWO, *SHOWN, "--slopes", "@first", "--most", 4, "--ensemble", 6),
    "joint_first": (*THREE, *FIRST, "--reuse", "@first", "--renew", 6, "--most", 1),
    "joint": (*THREE, *SHOWN, "--slopes", "@joint_first", "--reuse", "@twice", "--most", 4),
    "wide": (*TWO, "--parameters", FOLDER / "parameters_wide.toml", *BEFORE),
    "soils": (*TWO, "--parameters", FOLDER / "parameters.toml", *BEFORE)}


def main() -> int:
    """Make the runs and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("validation_runs"))
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--fit", nargs="*", choices=[*FITS, []], help="calibrations; of none, all")
    parser.add_argument("--keep", nargs="+", default=[], help="runs of facts that are not made")
    parser.add_argument("--tables", nargs="*", choices=[*STUDIES, []], default=list(STUDIES))
    parser.add_argument("--only-text", action="store_true", help="from the tables that are there")
    args = parser.parse_args()
    common = ["--backend", "cpp", "--jobs", args.jobs]
    if args.fit is not None:
        for name in args.fit or FITS:
            words = [args.out / word[1:] if str(word).startswith("@") else word
                     for word in FITS[name]]
            call("calibrate", *words, "--out", args.out / name, *common)
            if (FOLDER / f"fit_{name}.md").exists():            # it stands in the page
                write_fit(args.out / name, FOLDER / f"fit_{name}.md")
            if name == "twice":
                shutil.copy(args.out / name / "ensemble.csv", FOLDER / "ensemble.csv")
    if args.only_text:
        draw(FOLDER / "validation.csv", CASES / "guide" / "validation.png")
    else:
        make(args, common)
    (CASES / "validation.md").write_text(page(), encoding="utf-8")
    return 0


def make(args: argparse.Namespace, common: list[str]) -> None:
    """Make the runs, and put their tables and pictures beside page.md."""
    call("validate", FOLDER, "--out", args.out / "validation", *common,
         *(("--keep", *args.keep) if args.keep else ()))
    for name in args.tables:
        call("study", *STUDIES[name], "--out", args.out / name, *common)
        shutil.copy(args.out / name / "table.md", FOLDER / f"{name}.md")
    shutil.copy(args.out / "validation" / "validation.csv", FOLDER / "validation.csv")
    shutil.copy(args.out / "validation" / "validation.md", FOLDER / "table.md")
    for source, name in (("validation/validation.png", "validation.png"),
                         ("validation/curves.png", "curves.png"),
                         ("mechanisms/study.png", "mechanisms.png")):
        if (args.out / source).exists():
            shutil.copy(args.out / source, CASES / "guide" / name)


def page() -> str:
    """Return page.md with its tables; links are those of the folder above."""
    text = moved((FOLDER / "page.md").read_text(encoding="utf-8"))
    for mark in re.findall(r"<!-- (\w+) -->", text):
        table = (FOLDER / f"{mark.lower()}.md").read_text(encoding="utf-8")
        text = text.replace(f"<!-- {mark} -->", table.strip())
    return text


def moved(text: str) -> str:
    """Return a text of cases/validation with relative links as cases/ has them."""
    def link(match: re.Match[str]) -> str:
        target = match[1]
        if target.startswith("#") or "://" in target:
            return match[0]
        return f"]({target[3:] if target.startswith('../') else f'validation/{target}'})"

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


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
