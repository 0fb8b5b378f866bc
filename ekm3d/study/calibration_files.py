"""Files of a finished calibration: fit.json, three tables as CSV, and calibration.md.

`ensemble.csv` is what `ekm3d validate` reads: one line per set, with a column per parameter.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.study.evaluations import Evaluator
from ekm3d.study.fit import Fit, Member, shares
from ekm3d.study.parameters import Parameter

AWAY = ", its slopes those of a place before, corrected by the steps"
SHOWN = 0.25            # part of a parameter in a direction, from which on it is named


def write(evaluator: Evaluator, fits: Sequence[Fit], members: Sequence[Member]) -> list[str]:
    """Write all files into the directory of the calibration; return their names."""
    out, best = evaluator.out, fits[0]
    (out / "fit.json").write_text(json.dumps(_facts(evaluator, fits, members), indent=1) + "\n",
                                  encoding="utf-8")
    _csv(out / "parameters.csv", parameter_table(evaluator, best))
    _csv(out / "values.csv", value_table(evaluator, best, members))
    names = [p.name for p in evaluator.parameters]
    sets = [("fit", best.found.x)] + [(f"member {n + 1}", m.found.x)
                                      for n, m in enumerate(members) if m.accepted]
    _csv(out / "ensemble.csv", [["set", *names], *([label, *x] for label, x in sets)])
    (out / "calibration.md").write_text(page(evaluator, fits, members), encoding="utf-8")
    return ["fit.json", "parameters.csv", "values.csv", "ensemble.csv", "calibration.md"]


def slopes(directory: Path, evaluator: Evaluator) -> np.ndarray:
    """Return G (values, parameters) of the calibration in a directory, in the order of this one.

    InputError where it has other parameters, priors or measured values.
    """
    names, known, given = _ended(directory)
    here = json.loads(json.dumps([asdict(p) | {"settings": dict(p.settings)}
                                  for p in evaluator.parameters]))
    if [p | {"start": 0} for p in here] != [p | {"start": 0} for p in known]:
        raise InputError(f"--slopes {directory}: its parameters or their priors are others")
    wanted = [m.name for m in evaluator.measured]
    for name in wanted:
        if name not in names:
            raise InputError(f"--slopes {directory}: it has no value {quoted(name)}")
    return given[[names.index(name) for name in wanted]]


def _ended(directory: Path) -> tuple[list[str], list[dict[str, Any]], np.ndarray]:
    """Return names of the values, parameters and slopes (values, parameters) of a fit.json.

    InputError where there is none, or the file is another one.
    """
    file = directory / "fit.json"
    wrong = ("; --slopes takes the results of `ekm3d calibrate`, the DIR of its --out, after it "
             "has ended")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--slopes {directory}: {file} cannot be read: {error.strerror}{wrong}"
                         ) from None
    except ValueError:
        raise InputError(f"--slopes {directory}: {file} is not JSON{wrong}") from None
    keys = ("computed", "parameters", "slopes")
    lacks = [key for key in keys if not isinstance(found, dict) or key not in found]
    if lacks:
        raise InputError(f"--slopes {directory}: {file} is no fit of a calibration, it has no "
                         f"{' and no '.join(map(quoted, lacks))}{wrong}")
    try:
        names, known = [str(name) for name in found["computed"]], [dict(p) for p in
                                                                   found["parameters"]]
        given = np.array(found["slopes"], float)
    except (ValueError, TypeError):
        names, known, given = [], [], np.zeros(0)
    if given.shape != (len(names), len(known)) or not np.isfinite(given).all():
        raise InputError(f"--slopes {directory}: {file} has no slope of every value by every "
                         f"parameter{wrong}")
    return names, known, given


def parameter_table(evaluator: Evaluator, fit: Fit) -> list[list[Any]]:
    """Return head and rows of the parameters: prior, fitted, and how far the data fix it."""
    spread, rows = shares([fit]), []
    low, high = ranges(evaluator.parameters, fit)
    for n, p in enumerate(evaluator.parameters):
        rows.append([p.name, p.unit, prior(p), fit.found.x[n], low[n], high[n], spread[n],
                     (fit.u[n]), verdict(spread[n], n in fit.dead), p.source])
    return [["parameter", "unit", "prior", "fitted", "from", "to", "sd over prior sd",
             "prior sds from its middle", "data", "source of the prior"], *rows]


def prior(p: Parameter) -> str:
    """Return a prior in words."""
    return f"{p.value(0):.3g} times or over {np.exp(p.width):.3g}" if p.log \
        else f"{p.middle:.3g} +- {p.width:.3g}"


def ranges(parameters: Sequence[Parameter], fit: Fit) -> tuple[list[float], list[float]]:
    """Return the values one standard deviation below and above the fit, prior included."""
    sd = np.sqrt(np.diag(fit.covariance))
    return ([p.value(u - s) for p, u, s in zip(parameters, fit.u, sd, strict=True)],
            [p.value(u + s) for p, u, s in zip(parameters, fit.u, sd, strict=True)])


def verdict(share: float, dead: bool = False) -> str:
    """Return how far the data fix a parameter, by sd over prior sd."""
    if dead:
        return "unknown: runs beside the fit have failed"
    return "fixed by the data" if share < 0.3 else "partly" if share < 0.8 else \
        "not identified: the prior rules"


def value_table(evaluator: Evaluator, fit: Fit, members: Sequence[Member]) -> list[list[Any]]:
    """Return head and rows of the measured values beside the fit and the ensemble."""
    good = [m.found.computed for m in members if m.accepted]
    rows = []
    for n, m in enumerate(evaluator.measured):
        here = [values[n] for values in good]
        mean, sd = (np.mean(here), np.std(here, ddof=1)) if len(here) > 1 else ("", "")
        rows.append([m.name, m.case, m.value, m.sd, fit.found.computed[n], mean, sd,
                     evaluator.misfits(fit.found)[n], m.source])
    return [["value", "case", "measured", "sd", "fit", "ensemble mean", "ensemble sd",
             "(fit - measured)/sd", "source"], *rows]


def direction_table(evaluator: Evaluator, fit: Fit) -> list[list[Any]]:
    """Return head and rows of the combinations of parameters, the best known first.

    A combination is of (x - middle)/width of the prior, in ln x where that is log-normal.
    """
    strength, vectors = fit.directions()
    rows = []
    for k, s in enumerate(strength):
        v = vectors[:, k]
        order = [n for n in np.argsort(-abs(v)) if abs(v[n]) >= SHOWN]
        words = " ".join(f"{v[n]:+.2f} {evaluator.parameters[n].name}" for n in order)
        rows.append([k + 1, s, 1.0 / np.sqrt(1.0 + s * s), verdict(1.0 / np.sqrt(1.0 + s * s)),
                     words])
    return [["direction", "singular value", "sd over prior sd", "data", "combination"], *rows]


def page(evaluator: Evaluator, fits: Sequence[Fit], members: Sequence[Member]) -> str:
    """Return the Markdown page of a calibration."""
    best, facts = fits[0], evaluator.facts()
    accepted = sum(m.accepted for m in members)
    far = [(p, u) for p, u in zip(evaluator.parameters, best.u, strict=True) if abs(u) > 2]
    lines = ["# Calibration", "",
             f"Cases: {', '.join(evaluator.cases)}. {facts['sets']} sets of parameters were run "
             f"({facts['runs']} runs), {facts['failed']} with a run that failed. "
             f"{len(fits)} searches ended at 2 J = "
             f"{', '.join(f'{f.cost:.2f} ({f.reason}, {f.steps} steps)' for f in fits)}; "
             f"the first is shown{AWAY * (not best.fresh)}. {accepted} of {len(members)} members "
             "of the ensemble count.",
             "", "## Values", "", *_markdown(value_table(evaluator, best, members)), "",
             "## Parameters", "",
             "`from` and `to`: one standard deviation of the posterior around the fit, linearised.",
             "", *_markdown(parameter_table(evaluator, best)), "",
             "## What the data fix", "",
             "Directions in the space of the parameters, scaled by their priors; data fix those "
             "with singular values above 1.", "", *_markdown(direction_table(evaluator, best)), ""]
    if far:
        lines += ["## Tension with the priors", "", *(
            f"* {p.name}: the fit lies {abs(u):.1f} standard deviations of its prior "
            f"{'above' if u > 0 else 'below'} its middle: {p.value(u):.4g} for {prior(p)} {p.unit}."
            for p, u in far), ""]
    return "\n".join(lines)


def _facts(evaluator: Evaluator, fits: Sequence[Fit], members: Sequence[Member]) -> dict[str, Any]:
    best = fits[0]
    names = [p.name for p in evaluator.parameters]
    return {"values": dict(zip(names, best.found.x, strict=True)), "2J": best.cost,
            "2J_of_all_searches": [f.cost for f in fits],
            "ends_of_all_searches": [f.reason for f in fits],
            "overrides": {label: [text for p, x in zip(evaluator.parameters, best.found.x,
                                                       strict=True)
                                  for text in p.overrides(x, label)] for label in evaluator.cases},
            "computed": dict(zip([m.name for m in evaluator.measured], best.found.computed,
                                 strict=True)),
            "slopes": best.slopes.tolist(), "covariance_of_u": best.covariance.tolist(),
            "singular_values": best.directions()[0].tolist(),
            "directions": best.directions()[1].T.tolist(),
            "members": [{"x": m.found.x, "2J": m.cost, "2J_of_the_fit": m.cost_of_fit,
                         "accepted": m.accepted} for m in members],
            "evaluations": evaluator.facts(),
            "parameters": [asdict(p) | {"settings": dict(p.settings)}
                           for p in evaluator.parameters]}


def _csv(file: Path, rows: Sequence[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        csv.writer(output, lineterminator="\n").writerows(rows)


def _markdown(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table."""
    texts = [[_cell(value) for value in row] for row in rows]
    return ["| " + " | ".join(texts[0]) + " |", "|" + "---|" * len(texts[0]),
            *("| " + " | ".join(row) + " |" for row in texts[1:])]


def _cell(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.3g}"
    return str(value).replace("|", "\\|")
