"""Quality of a run: its audits against their limits, its warnings, and how to repeat it."""

import re
import shlex
from dataclasses import dataclass

import numpy as np

from ekm3d.diagnostics.audits import LIMITS
from ekm3d.errors import Ekm3dError
from ekm3d.view.numbers import error
from ekm3d.view.run import Run

LOG_FILE = "log.txt"
TOTALS = re.compile(r" with totals \[mol/m3\] [^;]*")     # of `ChemistryError`
REPEATED = "repeated with at most"                      # of `model.retries`
AUDITS = (("mass", "mass_balance", "Mass of every component: what was there and came in is what is "
           "there and left"),
          ("charge", "charge_balance", "Charge: the ions of every voxel balance one another"),
          ("Faraday's law", "faraday_error", "Faraday's law: acid and base made at electrodes "
           "match the charge passed"),
          ("water", "water_balance", "Water: what is fed leaves"),
          ("current", "current_balance", "Current: what enters the ore leaves it"),
          ("energy", "energy_error", "Energy: what the supply gives heats ore, contacts and "
           "electrodes"),
          ("negative amounts", "negative_amounts", "No amount is negative"))


@dataclass(frozen=True)
class Audit:
    """Error of a balance, the largest of the run, with the limit above which a run warns."""

    meaning: str
    error: str
    limit: str
    verdict: str            # "closes" | "warning" | "not known"


def audits(run: Run) -> list[Audit]:
    """Return the audits that the series has columns for."""
    out = []
    for name, column, meaning in AUDITS:
        if column not in run.series:
            continue
        values, limit = run.column(column), LIMITS[name].warning
        worst = None if values is None else float(np.nanmax(np.abs(values)))
        verdict = "not known" if worst is None else "closes" if worst <= limit else "warning"
        out.append(Audit(meaning, error(worst), f"{limit:.0e}", verdict))
    return out


def warnings(run: Run) -> list[str]:
    """Return the warnings of the log, and what else a reader should be warned of."""
    found = []
    try:
        text = (run.directory / LOG_FILE).read_text(encoding="utf-8", errors="replace")
        found = _short([line.strip()[9:] for line in text.splitlines()
                        if line.strip().startswith("warning: ")])
    except OSError:
        found.append("the log could not be read: warnings of the run are not known")
    if not run.components:
        found.append("the run was made by a version that did not note molar masses and groups in "
                     "its results: masses of oxides are not known until it is run again")
    state = _state(run)
    if state != "done":
        found.append(f"the run is not complete (its state is \"{state}\"): numbers are those of "
                     f"{run.end:.4g} h")
    return list(dict.fromkeys(found))


def _short(lines: list[str]) -> list[str]:
    """Return warnings of a log without the totals of voxels and tanks, which the log has.

    Of steps that were repeated the first, with the number of the others.
    """
    lines = [TOTALS.sub("", line) for line in lines]
    again = [line for line in lines if REPEATED in line]
    if len(again) < 2:
        return lines
    first, more = again[0], len(again) - 1
    told = f"{first}; steps were repeated {more} more time{'s' * (more > 1)}, see {LOG_FILE}"
    return [told if line is first else line for line in lines
            if line is first or REPEATED not in line]


def _state(run: Run) -> str:
    """State of the run by its status file."""
    try:
        return str(run.results.status.get("state", "unknown"))
    except Ekm3dError:
        return "unknown"


def provenance(run: Run) -> list[tuple[str, str]]:
    """Return (name, text) of program, machine and times."""
    p = run.provenance
    packages = ", ".join(f"{name} {version}" for name, version in p.get("packages", {}).items())
    commit = str(p.get("commit", "")) + (" with changes" if p.get("dirty") else "")
    rows = [("program", f"ekm3d {p.get('ekm3d', '')}"), ("commit", commit),
            ("case", p.get("case_directory", "")), ("changed values", "  ".join(
                p.get("overrides", [])) or "none"),
            ("backend", f"{p.get('backend', '')}: {p.get('backend_why', '')}"),
            ("computer", f"{p.get('host', '')}, {p.get('platform', '')}, "
             f"{p.get('processors', '')} processors"),
            ("Python", f"{p.get('python', '')}; {packages}"),
            ("real space", _real_space(run)),
            ("begun, ended (UTC)", f"{p.get('started_utc', '')}, {p.get('ended_utc', '')}"),
            ("results", str(run.directory.resolve()))]
    return [(name, str(text)) for name, text in rows if str(text).strip(" :,;")]


def _real_space(run: Run) -> str:
    """Return where the block lies; "" where the case does not say."""
    known = run.facts.get("reference", {})
    if not known:
        return ""
    place = ", ".join(f"{x:.10g}" for x in known["real_origin_m"])
    return f"origin at ({place}) m, turned by {known['rotation_deg']:g} degrees, {known['crs']}"


def repeat(run: Run) -> list[str]:
    """Return the commands that repeat a run."""
    p = run.provenance
    if not p:
        return []
    lines = []
    if p.get("commit"):
        lines.append(f"git checkout {p['commit']}"
                     + ("        # the run had changes that are not committed"
                        if p.get("dirty") else ""))
    changed = [word for override in p.get("overrides", []) for word in ("-o", override)]
    words = ["ekm3d", "run", p.get("case_directory", "CASE"), "--backend",
             p.get("backend", "auto"), *changed, "--out", "repeated"]
    return [*lines, shlex.join(map(str, words)),
            shlex.join(["ekm3d", "compare", str(run.directory), "repeated"])]
