"""Write cases/verification/README.md: every family with its equations, numbers and pictures.

    python scripts/tools/verification_pages.py [--quick] [NAMES]

Runs the verification cases on their full grids (half an hour; --quick: the quick ones). Needs
matplotlib: pip install -e ".[docs]". With NAMES the sections of the others stay as they are.
"""

import argparse
import os
import re
from math import isnan
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ekm3d.cli.verify import line
from ekm3d.verification.catalogue import chosen
from ekm3d.verification.judge import Outcome, verify
from ekm3d.verification.spec import Verification

PAGE = Path(__file__).resolve().parents[2] / "cases" / "verification" / "README.md"
PICTURES = PAGE.parent / "pictures"
FAMILIES = {"potential": "Potential", "electrodes": "Electrodes",
            "electro-diffusion": "Electro-diffusion", "electromigration": "Electromigration",
            "electrolysis": "Electrolysis", "transport": "Transport with water",
            "reactions": "Reactions", "water": "Water driven by the field",
            "unsaturated water": "Unsaturated water"}
INTRODUCTION = """# Verification

Results of `ekm3d verify`. Every case compares one part of the program with a reference that this
program did not produce: an exact formula, a converged solution of another code, or PHREEQC. Each
case is a directory here, with case.toml, with verify.toml (references, norms, allowed errors, and
a reason for each), and with the reference data and their source.

    ekm3d verify                 quick grids, a few minutes on two cores
    ekm3d verify --full          grids fine enough to show convergence, half an hour
    ekm3d verify c1 e            some cases, by the whole name or the part before "_"
    ekm3d verify --list          one sentence per case

An error is the largest difference divided by the largest expected value unless verify.toml says
otherwise. The order is observed between the last two grids (or time steps). This page and its
pictures are written by `scripts/tools/verification_pages.py`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    args = parser.parse_args()
    paths = chosen(args.names)
    which = "quick" if args.quick else "full"
    PICTURES.mkdir(exist_ok=True)
    sections = kept() if args.names else {}
    for path, outcomes in zip(paths, verify(paths, which, args.backend, args.jobs), strict=True):
        print("\n".join(map(line, outcomes)), flush=True)
        sections[path.name] = section(path.name, Verification.read(path), outcomes)
        picture(path.name, outcomes)
    PAGE.write_text(page(sections, which), encoding="utf-8")


# ---- the page --------------------------------------------------------------------------------

def kept() -> dict[str, str]:
    """Return {case: its section} of the present page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = re.split(r"^(?=##+ )", text, flags=re.M)
    names = [re.search(r"^!\[(\w+)\]", part, flags=re.M) for part in parts]
    return {name[1]: part.rstrip("\n") + "\n"
            for name, part in zip(names, parts, strict=True) if name}


def page(sections: dict[str, str], which: str) -> str:
    """Return the whole text; sections: {case: its text}."""
    cases = {name: Verification.read(PAGE.parent / name) for name in sorted(sections)}
    results = [row for text in sections.values() for row in text.splitlines()
               if row.startswith("| ") and not row.startswith("| what")]
    passed = sum(row.endswith("| pass |") for row in results)
    text = [INTRODUCTION, f"{passed} of {len(results)} comparisons pass on the {which} grids.\n"]
    families = dict.fromkeys([*FAMILIES, *(v.file.family for v in cases.values())])
    for family in families:
        members = [name for name, v in cases.items() if v.file.family == family]
        if members:
            text.append(f"## {FAMILIES.get(family, family.capitalize())}\n")
            text += [sections[name] for name in members]
    return "\n".join(text).rstrip() + "\n"


def section(name: str, verification: Verification, outcomes: list[Outcome]) -> str:
    """Return the text of one case: its claim, equations, table and picture."""
    title, body = (PAGE.parent / name / "README.md").read_text(encoding="utf-8").split("\n", 1)
    equations = body.split("\nFiles:")[0].strip("\n")
    rows = ["| what is compared | cells | error | allowed | order | least | |",
            "|---|---|---|---|---|---|---|"]
    rows += [row(o) for o in outcomes]
    peers = [f"* {peer}, {o.what}: {theirs:.1e} on {cells} cells; this program {ours:.1e}."
             for o in outcomes for peer, cells, theirs, ours in o.peers]
    return "\n".join([f"### {title.lstrip('# ')}", "", f"Proves: {verification.file.proves}.", "",
                      equations, "", *rows, "", *peers, *([""] if peers else []),
                      f"![{name}](pictures/{name}.png)", ""])


def row(o: Outcome) -> str:
    """Return one line of a table."""
    if o.failure:
        return f"| {o.what} | | | | | | {o.failure} |"
    cells = " x ".join(str(n) for n in o.cells[-1] if n > 1)
    order, least = ("" if isnan(v) else f"{v:.2f}" for v in (o.order, o.required_order))
    if o.error < 1e-9:
        order = ""                                    # rounding has no order
    return (f"| {o.what} | {cells} | {o.error:.1e} | {o.required:.1e} | {order} | {least} | "
            f"{'pass' if o.passed else '**miss**'} |")


# ---- the pictures ----------------------------------------------------------------------------

def picture(name: str, outcomes: list[Outcome]) -> None:
    """Draw the last run and its reference (left), errors over voxel size or step (right)."""
    shown = [o for o in outcomes if o.pairs]
    if not shown:
        return
    several = [o for o in shown if len(o.errors) > 1 and min(o.errors) > 1e-12]
    figure = Figure(figsize=(9 if several else 5.4, 3.4))
    axes = np.atleast_1d(figure.subplots(1, 1 + bool(several)))
    profile(axes[0], next((o for o in shown if axis_of(o)), shown[0]))
    if several:
        errors(axes[1], several)
    figure.tight_layout()
    figure.savefig(PICTURES / f"{name}.png", dpi=70)


def axis_of(outcome: Outcome) -> str | None:
    """Return the coordinate along which the points of a comparison form a line, or None."""
    coordinates = outcome.pairs[0].coordinates
    if not coordinates:
        return None
    varying = [c for c, v in coordinates.items() if np.ptp(v) > 0]
    return varying[0] if len(varying) == 1 and outcome.pairs[0].computed.size > 4 else None


def profile(axes: Axes, outcome: Outcome) -> None:
    """Draw computed values (dots) and expected ones (lines).

    Along a line, over time, or one against the other.
    """
    along, pairs = axis_of(outcome), outcome.pairs
    names = list(dict.fromkeys(p.quantity for p in pairs))[:4]
    times = len({p.time for p in pairs})
    for n, name in enumerate(names):
        same, colour = [p for p in pairs if p.quantity == name], f"C{n}"
        if along:
            for p in same:
                x = (p.coordinates or {})[along]
                axes.plot(x, p.expected, "-", color=colour, lw=0.8)
                axes.plot(x, p.computed, ".", color=colour, ms=3)
        elif same[0].coordinates is None and times > 1:
            t = [p.time for p in same]
            axes.plot(t, [p.expected[0] for p in same], "-", color=colour, lw=0.8)
            axes.plot(t, [p.computed[0] for p in same], ".", color=colour, ms=4)
        else:
            computed = np.concatenate([p.computed for p in same])
            expected = np.concatenate([p.expected for p in same])
            axes.plot(expected, computed, ".", color=colour, ms=3)
            ends = [expected.min(), expected.max()]
            axes.plot(ends, ends, "k-", lw=0.5)
        axes.plot([], [], ".", color=colour, label=name)
    over_time = pairs[0].coordinates is None and times > 1
    axes.set_xlabel(f"{along} [m]" if along else "t [s]" if over_time else "expected")
    axes.set_title(f"{outcome.what}: dots this program, lines reference", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=6)


def errors(axes: Axes, outcomes: list[Outcome]) -> None:
    """Draw errors over the size of a voxel or of a step, both relative to the first run's."""
    for o in outcomes:
        size = np.array(o.lengths) / o.lengths[0]
        axes.plot(size, o.errors, "o-", ms=3, lw=0.8, label=o.what[:34])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("size of voxel or step, of the first run's", fontsize=8)
    axes.set_title("error", fontsize=8)
    axes.tick_params(labelsize=7, which="both")
    if len(outcomes) <= 8:
        axes.legend(fontsize=5)


if __name__ == "__main__":
    main()
