"""Page of a validation: one table as Markdown and CSV, the misses with their budgets, a figure."""

import csv
import math
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ekm3d.errors import InputError
from ekm3d.study import picture
from ekm3d.study.run_values import RunValues
from ekm3d.study.runs import Outcome
from ekm3d.study.validation import Row, Validation
from ekm3d.text_file import NotUTF8, read_text

HEAD = ("id", "quantity", "paper", "compared with", "fit", "ensemble", "status", "error", "remark")
CSV_HEAD = ("id", "experiment", "quantity", "paper", "unit", "number", "sd", "fit", "mean",
            "spread", "sets", "status", "error", "missed", "budget", "remark", "where")
LABEL = 100         # letters of a label in the picture
WORDS = {"fitted": "fitted", "predicted": "predicted", "input": "input of the case",
         "derived": "arithmetic", "none": "no comparable model quantity"}


def write(validation: Validation, rows: Sequence[Row], out: Path, facts: Mapping[str, Any],
          outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Write validation.md, .csv, .png and curves.png into `out`; return which, and why not all."""
    with (out / "validation.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([CSV_HEAD, *map(_csv_row, rows)])
    (out / "validation.md").write_text(page(validation, rows, facts), encoding="utf-8")
    missing = draw(out / "validation.csv", out / "validation.png")
    panels = curves(validation.folder / "curves.toml", outcomes)
    if panels and not missing:
        picture.draw_curves(panels, out / "curves.png")
    return "validation.md, validation.csv" + (f"; {missing}" if missing else ", validation.png")


def page(validation: Validation, rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Return the Markdown text."""
    compared = [row for row in rows if row.values and math.isfinite(row.error)]
    lines = [f"{len(rows)} rows; {len(compared)} hold the model against a number, "
             f"{sum(r.missed for r in compared)} of them miss it (by more than 15 % and twice its "
             f"uncertainty): {facts['runs']} runs, {facts['failed']} of them failed.", "",
             "Ensemble: mean and standard deviation of its members; \"-\": of the fit alone, or "
             "the same in all.", ""]
    for experiment in dict.fromkeys(row.comparison.fact["experiment"] for row in rows):
        chosen = [r for r in rows if r.comparison.fact["experiment"] == experiment]
        lines += [f"### {experiment}", "", "| " + " | ".join(HEAD) + " |",
                  "|" + "---|" * len(HEAD), *map(_line, chosen), ""]
    misses = [row for row in compared if row.missed]
    lines += ["### Misses", "", *(_miss(row) for row in misses), ""]
    return "\n".join(lines)


def _line(row: Row) -> str:
    """Return a row of the table."""
    c, fact = row.comparison, row.comparison.fact
    paper = fact["value"] + (f" {fact['unit']}" if fact["unit"] not in ("", "-") else "")
    against = "" if math.isnan(c.number) else f"{c.number:.4g}" + f" +- {c.sd:.2g}" * (c.sd > 0)
    spread = f"{_number(row.mean)} +- {row.spread:.2g}"
    cells = (fact["id"], fact["quantity"], paper, against, _number(row.fit),
             spread if row.spread > 1e-6 * abs(row.mean) else "-", WORDS[c.status],
             f"{100 * row.error:+.0f} %" if math.isfinite(row.error) else "",
             c.remark or fact["remark"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _miss(row: Row) -> str:
    """Return a miss in words, with the budget that allows or forbids the paper's number."""
    c = row.comparison
    text = (f"* {c.fact['id']}, {c.fact['quantity']}: {_number(c.number)} measured, "
            f"{_number(row.fit)} computed ({100 * row.error:+.0f} %, {c.status}).")
    if row.budget:
        text += f" The measured value {row.budget}."
    return text + (f" {c.remark}" if c.remark else "")


def _number(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "-"


def _csv_row(row: Row) -> list[Any]:
    c, fact = row.comparison, row.comparison.fact
    values = [row.fit, row.mean, row.spread]
    return [fact["id"], fact["experiment"], fact["quantity"], fact["value"], fact["unit"],
            *("" if math.isnan(v) else f"{v:.6g}" for v in (c.number, c.sd)),
            *("" if math.isnan(v) else f"{v:.6g}" for v in values), len(row.values), c.status,
            "" if math.isnan(row.error) else f"{row.error:.4f}", row.missed if row.values else "",
            row.budget, c.remark, fact["where"]]


def draw(table: Path, path: Path) -> str:
    """Draw model over paper of every row of validation.csv that has a number, into a file.

    Return "" or why there is no picture. OSError, ValueError or KeyError for another file.
    """
    shown = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["sets"] == "0" or not row["error"] or float(row["number"]) == 0.0:
                continue
            number, remark = float(row["number"]), f" ({row['remark']})" * bool(row["remark"])
            label = f"{row['experiment']}: {row['quantity']}{remark}"
            mean, spread = (float(row[key] or "nan") for key in ("mean", "spread"))
            shown.append(picture.Ratio(
                textwrap.shorten(label, LABEL, placeholder=" ..."), float(row["fit"]) / number,
                mean / number, spread / abs(number), row["status"] == "fitted",
                row["missed"] == "True"))
    return picture.draw_ratios(shown, path)


def curves(file: Path, outcomes: Mapping[str, Sequence[Outcome]]) -> list[picture.Panel]:
    """Return the panels of curves.toml, of the fit's runs that were made; [] without it."""
    if not file.exists():
        return []
    panels = []
    try:
        for entry in tomllib.loads(read_text(file))["panel"]:
            found = {}
            for run, label in entry["runs"].items():
                first = outcomes[run][0] if run in outcomes else None
                if first is not None and first.summary:
                    series = RunValues(first.directory).series
                    begin = entry.get("begins", {}).get(run, entry.get("from", 0.0))
                    hours = series["time"] - begin
                    later = hours >= -1e-9
                    found[label] = (hours[later],
                                    entry.get("sign", 1) * series[entry["column"]][later])
            if found:
                panels.append(picture.Panel(entry["title"], found, entry.get("points", [])))
    except (OSError, NotUTF8, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{file} cannot be used: {type(error).__name__}: {error}") from None
    return panels
