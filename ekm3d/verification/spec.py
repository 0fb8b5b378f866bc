"""verify.toml: claim, grids and references of a verification case.

    proves, family
    [[study]]   runs of the case that belong together: on finer and finer grids, or with shorter
                and shorter steps. `quick` and `full` list the overrides of each run.
    [[compare]] a quantity against a reference: its norm, the error allowed on the last run, the
                order required between the last two, and the reason for both numbers.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.problems import CaseError
from ekm3d.case.toml_tables import Table, parse
from ekm3d.case.toml_text import load
from ekm3d.case.units import not_negative
from ekm3d.quoting import quoted
from ekm3d.text_file import read_text

FILE = "verify.toml"
SETS = ("quick", "full")
TIME, NUMBER = not_negative("s", "1 h"), not_negative("", "1e-3")


def _times(value: Any) -> dict[str, list[float]]:
    """Read times [s]: a list or a single one, the same for all sets or one each."""
    if not isinstance(value, dict):
        value = dict.fromkeys(SETS, value)
    return {which: [TIME.read(v) for v in (times if isinstance(times, list) else [times])]
            for which, times in _by_set(value).items()}


def _names(value: Any) -> list[Any]:
    """Read a list of names or a single one."""
    return value if isinstance(value, list) else [value]


def _by_set(value: Any) -> dict[str, Any]:
    """Return {set: value} of one value for all sets, or of one each."""
    if not isinstance(value, dict):
        value = dict.fromkeys(SETS, value)
    if set(value) != set(SETS):
        raise ValueError("should be one value for all sets, or { quick = ..., full = ... }")
    return value


def _numbers(value: Any) -> dict[str, float]:
    """Read a number for all sets, or one each."""
    return {which: NUMBER.read(v) for which, v in _by_set(value).items()}


Names = Annotated[list[str], BeforeValidator(_names)]
Times = Annotated[dict[str, list[float]], BeforeValidator(_times)]
Numbers = Annotated[dict[str, float], BeforeValidator(_numbers)]


class Study(Table):
    """Runs that belong together; without `full` the set "full" is the quick one.

    refines: the quantity that gets smaller from run to run.
    """

    name: str = "grid"
    refines: Literal["space", "time", "nothing"] = "space"
    always: list[str] = []
    quick: list[list[str]] = [[]]
    full: list[list[str]] | None = None

    def runs(self, which: str) -> list[list[str]]:
        """Return the overrides of every run of the set "quick" or "full"."""
        chosen = self.full if which == "full" and self.full is not None else self.quick
        return [[*self.always, *run] for run in chosen]


class Reference(Table):
    """Source of the expected values: one of file, formula, quantity (of the same run),
    run = "next", study.
    """

    file: str | None = None
    column: str | None = None            # default: the quantity's name
    rows: Literal["averages", "points"] = "points"
    formula: str | None = None
    constants: dict[str, float] = {}
    quantity: str | None = None
    run: Literal["next"] | None = None
    study: str | None = None
    factor: float = 1.0                  # times another quantity or another study's


class Peer(Table):
    """Another program on the same problem: its error on as many cells as one of our runs."""

    name: str
    cells: int
    error: float | None = None           # as stated, or
    file: str | None = None              # its cells, compared with the reference as ours are


class Compare(Table):
    """One line of the table."""

    what: str
    study: Names | None = None           # default: every study
    quantity: Names
    times: Times | None = None           # default: those of the file, else the end of the run
    where: str | None = None             # a condition on x, y, z
    reference: Reference
    up_to_constant: bool = False
    norm: Literal["max", "rms", "mean", "relative"] = "max"
    scale: float | None = None           # default: the largest expected value
    error: Numbers
    order: Numbers = {}
    reason: str = Field(examples=['"why these numbers"'])
    peer: list[Peer] = []


class VerifyFile(Table):
    """Contents of verify.toml."""

    proves: str = Field(examples=['"what this case shows"'])
    family: str = Field(examples=['"transport"'])
    study: list[Study] = [Study()]
    compare: list[Compare]


@dataclass(frozen=True)
class Verification:
    """A verification case: its directory and its verify.toml."""

    path: Path
    name: str
    file: VerifyFile

    @classmethod
    def read(cls, path: str | Path) -> "Verification":
        """Read the verify.toml of a directory; CaseError lists its mistakes."""
        path = Path(path)
        try:
            text = read_text(path / FILE)
        except OSError as error:
            raise CaseError([f"{path / FILE}: {error.strerror}"]) from None
        data, problems = load(text, file=FILE)
        file = parse(VerifyFile, data, problems)
        problems.attempt(_check, file, path, problems)
        problems.raise_if_any()
        return cls(path, path.name, file)

    def studies(self, compare: Compare) -> list[Study]:
        """Return the studies that a comparison is made for."""
        return [s for s in self.file.study if compare.study is None or s.name in compare.study]

    def compares(self, study: Study) -> list[tuple[int, Compare]]:
        """Return (number, Compare) of the comparisons that need the runs of a study."""
        return [(n, c) for n, c in enumerate(self.file.compare)
                if study in self.studies(c) or c.reference.study == study.name]


def _check(file: VerifyFile, path: Path, problems: Any) -> None:
    """Check names of studies, files, and that every comparison has one reference."""
    studies = [study.name for study in file.study]
    for n, compare in enumerate(file.compare):
        here, ref = ("compare", n), compare.reference
        given = [key for key in ("file", "formula", "quantity", "run", "study")
                 if getattr(ref, key) is not None]
        if len(given) != 1:
            problems.add((*here, "reference"), "should hold one of file, formula, quantity, run, "
                         f"study, not {' and '.join(given) or 'none'}")
        for study in [*(compare.study or ()), *([ref.study] if ref.study else ())]:
            if study not in studies:
                problems.add((*here, "study"), f"no study {quoted(study)}; there are "
                             + ", ".join(studies))
        for name in [ref.file, *(peer.file for peer in compare.peer)]:
            if name is not None and not (path / name).is_file():
                problems.add(here, f"there is no file {quoted(name)} beside verify.toml")
        for peer in compare.peer:
            if (peer.file is None) == (peer.error is None):
                problems.add((*here, "peer"), f"{quoted(peer.name)} needs either an error or a "
                                              "file")
