"""Targets of a case: what others report, or a plan asks for, beside what the run gives.

`targets.csv` or `paper.csv` in the case directory, or another file of this form:

    key,scale,quantity,target,where
    removal_REE_mean,100,"removal (%)","> 90",a plan

key: of summary.json; scale: turns its value into the unit of the text; the column of the target may
be called `paper`. A number, alone or after <, <=, >, >=, is compared; other words are shown.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from ekm3d.errors import InputError
from ekm3d.text_file import NotUTF8, read_text
from ekm3d.view.run import Run

LIMITS = ("<", "<=", ">", ">=")
FILES = ("targets.csv", "paper.csv")
NUMBER = r"[+-]?\d+(?:[ ,]\d{3})*(?:\.\d+)?(?:[eE][+-]?\d+)?"
SHARES = ("removal_REE_mean", "recovery_REE")       # keys whose claims are held against the bounds


@dataclass(frozen=True)
class Target:
    """Line of a table of targets; value: of the run, in the unit of the text, None: not known."""

    key: str
    quantity: str
    text: str
    where: str
    value: float | None
    scale: float

    @property
    def wanted(self) -> tuple[str, float] | None:
        """Comparison ("<", ">=", "") and number at the beginning of the text; None without one."""
        match = re.match(rf"\s*(<=|>=|<|>|about)?\s*({NUMBER})\s*(\(|%|$)?", self.text)
        if not match or match[3] is None and match[1] not in LIMITS:
            return None                                 # "315 on 14 t" is no number to compare with
        return match[1] or "", float(re.sub("[ ,]", "", match[2]))

    @property
    def verdict(self) -> str:
        """"met" or "missed" for a limit, the ratio to a plain number, "" where neither is known."""
        if self.wanted is None or self.value is None:
            return ""
        sign, number = self.wanted
        if sign in LIMITS:
            met = {"<": self.value < number, "<=": self.value <= number,
                   ">": self.value > number, ">=": self.value >= number}[sign]
            return "met" if met else "missed"
        return f"{self.value / number:.2f} times" if number else ""


def case_folder(run: Run) -> Path | None:
    """Return the directory of the case, where it can be found; None elsewhere."""
    places = [run.directory.parent] if run.directory.name == "out" else []
    if run.provenance.get("case_directory"):
        places.append(Path(run.provenance["case_directory"]))
    return next((place for place in places if (place / "case.toml").is_file()), None)


def targets(run: Run, file: Path | None = None) -> list[Target]:
    """Return the targets of a run; [] where its case has none. InputError for a wrong file."""
    folder = case_folder(run)
    if file is None and folder is not None:
        file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        return []
    try:
        lines = [line for line in read_text(file).splitlines() if not line.startswith("#")]
        return [_target(run, row) for row in csv.DictReader(lines)]
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file} is no table of targets ({type(error).__name__}: {error}); its "
                         "columns are key, scale, quantity, target, where") from None


def _target(run: Run, row: dict[str, str]) -> Target:
    scale, value = float(row.get("scale") or 1.0), run.summary.get(row["key"])
    return Target(row["key"], row["quantity"], row["target"] if "target" in row else row["paper"],
                  row.get("where") or "", None if value is None else scale * float(value), scale)


def claims(run: Run, file: Path | None = None) -> tuple[tuple[str, float], ...]:
    """Return (text, share) of every target that claims a share of the REE."""
    out = []
    for target in targets(run, file):
        if target.key in SHARES and target.wanted is not None:
            sign, number = target.wanted
            out.append((f"claimed: {sign} {number:g} % of the rare earths".replace("  ", " "),
                        number / target.scale))
    return tuple(out)
