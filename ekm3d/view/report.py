"""Report of a run: one HTML page that answers a planner's questions, without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.view import curves, quality
from ekm3d.view.bounds import bounds
from ekm3d.view.figures import ROLE_WORDS
from ekm3d.view.headline import Fact, Headline, fact, share_fact
from ekm3d.view.ledger import (
    ROUNDING,
    Entry,
    ledger,
    share,
    total,
    ways,
    without_rounding,
)
from ekm3d.view.numbers import UNKNOWN, error, percent, show
from ekm3d.view.page import filled
from ekm3d.view.planes import planes
from ekm3d.view.prices import prices
from ekm3d.view.quantities import standard
from ekm3d.view.run import Run
from ekm3d.view.svg_chart import chart
from ekm3d.view.svg_slices import slides
from ekm3d.view.targets import claims, targets

Errors = dict[str, float | None]        # component -> error of its ledger
SPACE = "\u00a0"         # between a number and its unit
LEDGER = (("at the start and brought in", "available"), ("in pore water", "dissolved"),
          ("on clay", "on_clay"), ("precipitated", "solid"), ("in tanks", "tanks"),
          ("on plates", "plate"), ("in leachate", "leachate"), ("lost", "lost"))
QUESTIONS = (("How much", "amounts"), ("When", "times"), ("How pure", "purity"),
             ("What it takes", "per_tonne"), ("What stays in the ore", "stays"))


@dataclass(frozen=True)
class Sources:
    """Files beside the results: prices, targets; scene: address of an interactive page."""

    prices: Path | None = None
    targets: Path | None = None
    scene: str = ""


def report(run: Run, sources: Sources) -> str:
    """Return the page of a run; ViewError without the extra, InputError for a wrong file."""
    exact = ledger(run)
    entries, errors = without_rounding(exact), {e.component.name: e.error for e in exact}
    headline = Headline(run, entries, prices(run, sources.prices))
    quantities = standard(run)
    shown = slides(run, quantities)
    along = [] if planes(run) else [chart(curves.profiles(run, q, few(run))) for q in quantities]
    series = curves.panels(run)
    return filled(
        "report.html", shown, heading=run.title, what=what(run), scene=sources.scene,
        description=" ".join(str(run.facts.get("description", "")).split()),
        contents=[(key, name) for key, name, there in (
            ("brief", "In brief", True), ("curves", "Against time", series),
            ("slices", "Inside the block", shown or along), ("ledger", "Ledger", True),
            ("bounds", "What is possible", True), ("balances", "Balances", True),
            ("repeat", "How to repeat it", True)) if there],
        warnings=quality.warnings(run), brief=brief(headline),
        cards=cards(headline),
        read=read_rows(run), known=bool(run.facts), ways=way_rows(run),
        targets=target_rows(run, sources.targets),
        charts=[chart(panel) for panel in series], profiles=along,
        roles=tuple(ROLE_WORDS.items()) if run.electrodes or run.rods else (),
        ledger_head=["", *(name for name, _ in LEDGER), "error"],
        ledger=ree_rows(headline.ree, errors),
        all_components=[mole_row(e, errors) for e in entries], rounding=f"{ROUNDING:.0e}",
        bounds=bound_section(run, sources.targets), audits=quality.audits(run),
        provenance=quality.provenance(run), repeat=quality.repeat(run),
        case_text=run.provenance.get("case.toml", ""),
        summary=[(key, _number(key, value)) for key, value in run.summary.items()])


def _number(key: str, value: Any) -> str:
    """Return a value of the summary as text; real coordinates with all their digits."""
    if value is None:
        return UNKNOWN
    digits = ".12g" if key.startswith("real_") else ".6g"
    return f"{value:{digits}}" if isinstance(value, float) else str(value)


def read_rows(run: Run) -> list[tuple[str, ...]]:
    """Return (file, quantity, as read, on the grid, difference) of the mine's own files."""
    def differs(percents):
        return UNKNOWN if percents is None else f"{round(percents, 2) + 0.0:+.2f}{SPACE}%"

    return [(r["source"], r["name"] + (f" ({r['note']})" if r["note"] else ""),
             show(r["read"], r["unit"]), show(r["held"], r["unit"]),
             differs(r["difference_percent"])) for r in run.facts.get("readings", ())]


def few(run: Run) -> list[int]:
    """Return four snapshots from the first to the last, or as many as there are."""
    return sorted({round(n) for n in np.linspace(0, len(run.times) - 1, 4)})


def what(run: Run) -> str:
    """Return one sentence about what was run."""
    nx, ny, nz = run.grid.cells
    size = " × ".join(f"{n * d:.4g}" for n, d in zip(run.grid.cells, run.grid.spacing, strict=True))
    ore = run.summary.get("ore_kg")
    return (f"A block of {size} m in {nx} × {ny} × {nz} voxels"
            + (f", {show(1e-3 * ore, 't')} of dry ore" if ore else "")
            + (f", {len(run.electrodes) + len(run.rods)} electrodes in {len(run.rows)} rows"
               if run.rows else
               ", without electrodes") + f", {run.end:.4g} hours.")


def cards(h: Headline) -> list[tuple[str, list[Fact]]]:
    """Return (question, lines); of a case without rare earths those that have an answer."""
    found = [(question, getattr(h, name)()) for question, name in QUESTIONS]
    if h.ree or not h.run.components:
        return found
    found = [(question, [line for line in lines if line.text != UNKNOWN])
             for question, lines in found]
    return [(question, lines) for question, lines in found if lines]


def brief(h: Headline) -> list[Fact]:
    """Return the numbers that stand in large letters."""
    s = h.run.summary
    if h.run.components and not h.ree:
        return [Fact("among the components", "no rare earths"),
                fact("energy", h.run.last("energy"), "kWh"),
                fact("time", h.run.end, "hours", "")]
    facts = {line.name: line for line in h.per_tonne()}
    lines = [fact("of rare-earth oxides (REO) recovered", h.gained, "kg"),
             share_fact("of the rare earths of the ore", share(h.gained, h.held)),
             share_fact("purity: REE of REE and impurities", s.get("purity_REE"))]
    lines += [Fact(f"{name}, {line.text.partition(SPACE)[2]}" if line.value is not None else name,
                   line.text.partition(SPACE)[0] if line.value is not None else line.text)
              for name, line in facts.items() if line.name in (h.salt()[0], "electricity",
                                                               "water fed")]
    return lines


def way_rows(run: Run) -> list[tuple[str, ...]]:
    """Return the cells of wells and sides."""
    return [(way.name, way.kind, way.direction, show(way.water), show(way.oxides),
             show(way.nitrogen)) for way in ways(run)]


def target_rows(run: Run, file: Path | None) -> list[tuple[str, ...]]:
    """Return the cells of the targets."""
    return [(t.quantity, t.text, show(t.value), t.verdict, t.where) for t in targets(run, file)]


def ree_rows(entries: Sequence[Entry], errors: Errors) -> list[list[tuple[str, str]]]:
    """Return the cells (kg, share) of the rare earths, with their sum where there are several."""
    rows = []
    for e in entries:
        mass = e.component.molar_mass
        cells = [(_kg(getattr(e, key), mass), percent(share(getattr(e, key), e.available))
                  if key != "available" and getattr(e, key) is not None else "")
                 for _, key in LEDGER]
        rows.append([(e.component.label, ""), *cells, (error(errors[e.component.name]), "")])
    if len(entries) > 1:
        rows.append([("all", ""), *(_sum_cell(entries, key) for _, key in LEDGER), ("", "")])
    return rows


def _sum_cell(entries: Sequence[Entry], key: str) -> tuple[str, str]:
    masses = [(getattr(e, key), e.available, e.component.molar_mass) for e in entries]
    part = total(*(None if n is None else n * m for n, _, m in masses))
    whole = total(*(None if n is None else n * m for _, n, m in masses))
    known = part is not None and key != "available"
    return show(part), percent(share(part, whole)) if known else ""


def _kg(moles: float | None, mass: float) -> str:
    return show(None if moles is None else moles * mass)


def mole_row(e: Entry, errors: Errors) -> list[str]:
    """Return the cells of a component in mol."""
    return [e.component.label, *(show(getattr(e, key), digits=4) for _, key in LEDGER),
            error(errors[e.component.name])]


def bound_section(run: Run, file: Path | None) -> dict[str, Any] | None:
    """Return chart, numbers and verdicts of the bounds; None where they are not known."""
    found, claimed = bounds(run), claims(run, file)
    panel = curves.charge(run, claimed)
    if found is None or panel is None:
        return None
    lines = [fact("charge passed", float(found.charge[-1]), "equivalents"),
             fact("anions gone with the water", float(found.anions[-1]), "equivalents"),
             fact("rare earths gone from the ore", float(found.moved[-1]), "equivalents"),
             fact("rare earths in the ore at the start", found.held, "equivalents"),
             share_fact("by charge alone could leave at most", float(found.charge[-1] / found.held),
                        "if nothing else carried the current"),
             share_fact("by charge and anions together at most", found.most_removal)]
    verdict = ("The rare earths of this run exceed the bound: its numbers cannot be right."
               if found.exceeded else "The rare earths of this run are within the bound.")
    texts = [(f"{text[0].upper()}{text[1:]} – "
              + ("not possible with this charge and this water." if part > found.most_removal
                 else "possible with this charge and this water."),
              "bad" if part > found.most_removal else "good") for text, part in claimed]
    return {"chart": chart(panel), "lines": lines, "verdict": verdict, "claims": texts,
            "exceeded": found.exceeded}
