"""Judgement of verification runs: errors, orders of convergence, outcomes.

An outcome passes if the error on the last run is within the allowed one, the observed order
reaches the required one, and no other program is closer on as many cells.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path

import numpy as np

from ekm3d.verification import comparison, norms
from ekm3d.verification.comparison import Pairs
from ekm3d.verification.runner import Run, Runs, run_cases
from ekm3d.verification.spec import Compare, Peer, Study, Verification

PeerError = tuple[str, int, float, float]       # name, cells, its error, ours


@dataclass
class Outcome:
    """One row of the table: a comparison of one study."""

    case: str
    family: str
    what: str
    required: float
    required_order: float = nan
    reason: str = ""
    errors: list[float] = field(default_factory=list)           # of every run
    lengths: list[float] = field(default_factory=list)          # relative voxel size, or step [s]
    cells: list[tuple[int, ...]] = field(default_factory=list)  # nx, ny, nz of every run
    worst: str = ""                                             # quantity of the largest error
    peers: list[PeerError] = field(default_factory=list)
    pairs: list[Pairs] = field(default_factory=list)            # of the last run
    failure: str = ""

    @property
    def error(self) -> float:
        """Error of the last run; nan without one."""
        return self.errors[-1] if self.errors else nan

    @property
    def order(self) -> float:
        """Observed order between the last two runs; nan where none can be observed."""
        return norms.order(self.errors, self.lengths)

    @property
    def passed(self) -> bool:
        """True if error, order and the errors of other programs allow it; nan never does."""
        good_order = isnan(self.required_order) or self.order >= self.required_order
        ahead = all(ours <= theirs for _, _, theirs, ours in self.peers)
        return not self.failure and self.error <= self.required and good_order and ahead


def verify(paths: Iterable[Path], which: str = "quick", backend: str = "auto",
           jobs: int = 1) -> Iterator[list[Outcome]]:
    """Run the cases in these directories; yield the outcomes of one after the other.

    which: "quick" or "full"; jobs: number of processes. CaseError for a wrong verify.toml, before
    anything is run.
    """
    verifications = [Verification.read(path) for path in paths]
    for verification, runs in run_cases(verifications, which, backend, jobs):
        yield judge(verification, which, runs)


def judge(verification: Verification, which: str, runs: Runs) -> list[Outcome]:
    """Return the outcomes of a case from its runs."""
    return [outcome(verification, which, n, compare, study, runs)
            for n, compare in enumerate(verification.file.compare)
            for study in verification.studies(compare)]


def outcome(verification: Verification, which: str, n: int, compare: Compare, study: Study,
            runs: Runs) -> Outcome:
    """Return the Outcome of comparison number n for one study."""
    several = len(verification.studies(compare)) > 1
    out = Outcome(verification.name, verification.file.family,
                  f"{compare.what}, {study.name}" if several else compare.what,
                  compare.error[which], compare.order.get(which, nan), compare.reason)
    own = runs[study.name]
    other = runs.get(compare.reference.study, []) if compare.reference.study else []
    failed = [r.failure for r in own + other if r.failure]
    if failed:
        out.failure = failed[0]
        return out
    try:
        last = len(own) - (compare.reference.run == "next")
        for number in range(last):
            out.pairs = _pairs(verification, compare, n, own, number, runs)
            value, out.worst = norms.error(out.pairs, compare.norm, compare.scale)
            out.errors.append(value)
            out.cells.append(own[number].cells)
        out.lengths = lengths(study.refines, own)[:last]
        out.peers = [_peer(verification, compare, peer, out) for peer in compare.peer
                     if peer.cells in map(int, map(np.prod, out.cells))]
    except ValueError as error:
        out.failure = str(error)
    return out


def _pairs(verification: Verification, compare: Compare, n: int, runs: list[Run], number: int,
           all_runs: Runs) -> list[Pairs]:
    """Return the Pairs of run `number` of a study for comparison n."""
    ref, samples = compare.reference, runs[number].samples[n]
    out = []
    for (name, t), value in samples.items():
        if name == ref.quantity:
            continue
        if ref.file is not None:
            rows = comparison.file_rows(verification.path / ref.file, ref.column or name, t)
            compared = comparison.against_rows(value, *rows, ref.rows == "averages")
        elif ref.formula is not None:
            compared = comparison.against_formula(value, ref.formula, t, ref.constants)
        else:
            if ref.quantity is not None:
                other = samples[ref.quantity, t]
            elif ref.run == "next":
                other = runs[number + 1].samples[n][name, t]
            else:
                other = all_runs[ref.study or ""][number].samples[n][name, t]
            compared = comparison.against_sample(value, other, ref.factor)
        out.append(comparison.pairs(name, t, compared, compare.up_to_constant,
                                    comparison.region(compare.where)))
    return comparison.without_offset(out) if compare.up_to_constant else out


def _peer(verification: Verification, compare: Compare, peer: Peer, out: Outcome) -> PeerError:
    """Return the error of another program, stated or from its file, beside ours."""
    ours = out.errors[[int(np.prod(c)) for c in out.cells].index(peer.cells)]
    if peer.error is not None:
        return peer.name, peer.cells, peer.error, ours
    path, ref = verification.path, compare.reference
    theirs = [comparison.pairs(p.quantity, p.time, comparison.against_other_rows(
        comparison.file_rows(path / (peer.file or ""), p.quantity, p.time),
        comparison.file_rows(path / (ref.file or ""), ref.column or p.quantity, p.time)),
        where=comparison.region(compare.where)) for p in out.pairs]
    return peer.name, peer.cells, norms.error(theirs, compare.norm, compare.scale)[0], ours


def lengths(refines: str, runs: list[Run]) -> list[float]:
    """Return the length that the order refers to, of every run.

    The size of a voxel relative to the first run's, or the step [s] where refines is "time".
    """
    if refines == "time":
        return [r.step for r in runs]
    counts = np.array([r.cells for r in runs], dtype=float)
    refined = (counts != counts[0]).any(0)
    if refines == "nothing" or not refined.any():
        return [1.0] * len(runs)
    return list(np.prod(counts[0, refined] / counts[:, refined], axis=1)**(1 / refined.sum()))
