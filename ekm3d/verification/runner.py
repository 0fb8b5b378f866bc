"""`ekm3d verify`: runs the verification cases and judges them.

Every run of every study is a task of its own, so that two processes share the work. A run stops
at the times that are compared, and hands back samples; judging needs no simulation any more.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from math import isnan, nan
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ekm3d.backends.choose import BACKENDS
from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.errors import BackendError
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import ALONE
from ekm3d.resources import folder
from ekm3d.suggest import suggest
from ekm3d.verification import comparison, quantities
from ekm3d.verification.spec import FILE, Verification

NOT_PASSED, BAD_INPUT = 1, 2
FIELDS = ("phi", "current", "voltage", "potential", "water", "head", "effluent")


@dataclass
class Run:
    """One finished run: samples[n][(quantity, time)] of comparison n, or why it failed."""

    cells: tuple = ()            # nx, ny, nz
    step: float = nan            # s, of fixed_step or max_step
    steps: int = 0
    seconds: float = 0.0
    samples: dict = field(default_factory=dict)
    failure: str = ""


@dataclass
class Outcome:
    """One line of the table: a comparison of one study."""

    case: str
    family: str
    what: str
    required: float
    required_order: float = nan
    reason: str = ""
    errors: list = field(default_factory=list)       # of every run
    lengths: list = field(default_factory=list)      # voxels' relative size, or s of a step
    cells: list = field(default_factory=list)
    worst: str = ""
    peers: list = field(default_factory=list)        # (name, cells, its error, ours)
    pairs: list = field(default_factory=list)        # of the last run
    failure: str = ""

    @property
    def error(self):
        """On the last run."""
        return self.errors[-1] if self.errors else nan

    @property
    def order(self):
        return comparison.order(self.errors, self.lengths)

    @property
    def passed(self):
        """The error is small enough, the order high enough, no peer on as many cells closer."""
        good_order = isnan(self.required_order) or self.order >= self.required_order
        ahead = all(ours <= theirs for _, _, theirs, ours in self.peers)
        return not self.failure and self.error <= self.required and good_order and ahead


# ---- running ---------------------------------------------------------------------------------

def run(path, which, study_name, overrides, backend):
    """Carry out one run of a study; never raises for what is wrong with the case."""
    try:
        return _run(Verification.read(path), which, study_name, overrides, backend)
    except (ValueError, RuntimeError, OSError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return Run(failure=lines[0] + more)


def _run(verification, which, study_name, overrides, backend):
    begun = time.monotonic()
    study = next(s for s in verification.file.study if s.name == study_name)
    case = Case.read(verification.path, overrides)
    sim = Simulation(case, backend, ALONE)
    record = quantities.Record(sim)
    schedule = case.schedule
    out = Run(case.grid.cells, getattr(schedule, "fixed_step", None) or schedule.max_step)
    wanted = {}                                       # time -> [(number, compare)]
    for n, compare in verification.compares(study):
        for t in times(verification, which, compare, sim.schedule.end):
            wanted.setdefault(t, []).append((n, compare))
    late = [t for t in wanted if t > sim.schedule.end * (1 + 1e-9)]
    if late:
        raise ValueError(f"t = {max(late):g} s is to be compared, but the schedule ends at "
                         f"{sim.schedule.end:g} s")
    with threadpool_limits(1, "blas"):
        for t in sorted(wanted):
            while sim.state.time < t - sim.schedule.slack:
                record.add(sim.step(t))
            for n, compare in wanted[t]:
                out.samples.setdefault(n, {}).update(sample(sim, record, compare, t))
    out.steps, out.seconds = sim.state.step, time.monotonic() - begun
    return out


def times(verification, which, compare, end):
    """Times at which a comparison is made [s]."""
    if compare.times is not None:
        return compare.times[which]
    if compare.reference.file is not None:
        return comparison.file_times(verification.path / compare.reference.file) or [end]
    return [end]


def sample(sim, record, compare, t):
    """{(quantity, time): Sample or number} of a comparison now."""
    where = comparison.region(compare.where)
    names = [name for pattern in compare.quantity for name in quantities.expand(pattern, sim)]
    names += [compare.reference.quantity] * (compare.reference.quantity is not None)
    if any(name.split(":")[0] in FIELDS for name in names):
        sim.fields()                                  # potential and water of this very moment
    return {(name, t): quantities.evaluate(name, sim, record, where) for name in names}


# ---- judging ---------------------------------------------------------------------------------

def judge(verification, which, runs):
    """Outcomes of a case; runs: {study name: [Run, ...]}."""
    return [outcome(verification, which, n, compare, study, runs)
            for n, compare in enumerate(verification.file.compare)
            for study in verification.studies(compare)]


def outcome(verification, which, n, compare, study, runs):
    """The Outcome of one comparison of one study."""
    several = len(verification.studies(compare)) > 1
    out = Outcome(verification.name, verification.file.family,
                  f"{compare.what}, {study.name}" if several else compare.what,
                  compare.error[which], compare.order.get(which, nan), compare.reason)
    mine = runs[study.name]
    failed = [r.failure for r in mine + runs.get(compare.reference.study, []) if r.failure]
    if failed:
        out.failure = failed[0]
        return out
    try:
        last = len(mine) - (compare.reference.run == "next")
        for number in range(last):
            out.pairs = _pairs(verification, compare, n, mine, number, runs)
            value, out.worst = comparison.error(out.pairs, compare.norm, compare.scale)
            out.errors.append(value)
            out.cells.append(mine[number].cells)
        out.lengths = lengths(study.refines, mine)[:last]
        out.peers = [_peer(verification, compare, peer, out) for peer in compare.peer
                     if peer.cells in map(int, map(np.prod, out.cells))]
    except ValueError as error:
        out.failure = str(error)
    return out


def _pairs(verification, compare, n, mine, number, runs):
    """Pairs of run `number` of a study for comparison n."""
    ref, own = compare.reference, mine[number].samples[n]
    out = []
    for (name, t), value in own.items():
        if name == ref.quantity:
            continue
        if ref.file is not None:
            rows = comparison.file_rows(verification.path / ref.file, ref.column or name, t)
            compared = comparison.against_rows(value, *rows, ref.rows == "averages")
        elif ref.formula is not None:
            compared = comparison.against_formula(value, ref.formula, t, ref.constants)
        else:
            other = (own[ref.quantity, t] if ref.quantity is not None else
                     mine[number + 1].samples[n][name, t] if ref.run == "next" else
                     runs[ref.study][number].samples[n][name, t])
            compared = comparison.against_sample(value, other, ref.factor)
        out.append(comparison.pairs(name, t, compared, compare.up_to_constant,
                                    comparison.region(compare.where)))
    return comparison.one_constant(out) if compare.up_to_constant else out


def _peer(verification, compare, peer, out):
    """(name, cells, its error, ours) for a peer's results or its stated error."""
    ours = out.errors[[int(np.prod(c)) for c in out.cells].index(peer.cells)]
    if peer.error is not None:
        return peer.name, peer.cells, peer.error, ours
    path, column = verification.path, compare.reference.column
    theirs = [comparison.pairs(p.quantity, p.time, comparison.against_other_rows(
        comparison.file_rows(path / peer.file, p.quantity, p.time),
        comparison.file_rows(path / compare.reference.file, column or p.quantity, p.time)),
        where=comparison.region(compare.where)) for p in out.pairs]
    return peer.name, peer.cells, comparison.error(theirs, compare.norm, compare.scale)[0], ours


def lengths(refines, runs):
    """What the order refers to: the size of a voxel relative to the first run's, or dt [s]."""
    if refines == "time":
        return [r.step for r in runs]
    counts = np.array([r.cells for r in runs], dtype=float)
    refined = (counts != counts[0]).any(0)
    if refines == "nothing" or not refined.any():
        return [1.0] * len(runs)
    return list(np.prod(counts[0, refined] / counts[:, refined], axis=1)**(1 / refined.sum()))


# ---- many cases ------------------------------------------------------------------------------

def available():
    """{name: directory} of the shipped verification cases."""
    found = sorted((folder("cases") / "verification").glob(f"*/{FILE}"))
    return {path.parent.name: path.parent for path in found}


def chosen(names):
    """Directories of the named cases, of all if none is named; a path names a case as well."""
    known, out = available(), []
    for name in names or known:
        if name not in known and not (Path(name) / FILE).is_file():
            raise CaseError([f"no verification case {name!r}" + suggest(name, known)])
        out.append(known.get(name, Path(name)))
    return out


def verify(paths, which="quick", backend="auto", jobs=1):
    """Outcomes of the cases, one list per case, as they become ready."""
    verifications = [Verification.read(path) for path in paths]
    plan = [(v, [(study.name, overrides) for study in v.file.study
                 for overrides in study.runs(which)]) for v in verifications]
    if jobs == 1:
        for v, tasks in plan:
            done = [run(v.path, which, name, overrides, backend) for name, overrides in tasks]
            yield judge(v, which, _by_study(tasks, done))
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _one_thread) as pool:
        waiting = [(v, tasks, [pool.submit(run, v.path, which, name, overrides, backend)
                               for name, overrides in tasks]) for v, tasks in plan]
        for v, tasks, futures in waiting:
            yield judge(v, which, _by_study(tasks, [f.result() for f in futures]))


def _one_thread():
    """Processes share the cores: none starts threads of its own."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _by_study(tasks, done):
    runs = {}
    for (name, _), result in zip(tasks, done):
        runs.setdefault(name, []).append(result)
    return runs


# ---- the command -----------------------------------------------------------------------------

def add_parser(commands):
    """The grammar of `ekm3d verify`."""
    verify_parser = commands.add_parser(
        "verify", help="run the verification cases against their references")
    verify_parser.add_argument("names", nargs="*", metavar="NAME",
                               help="cases to run, or directories (default: all)")
    verify_parser.add_argument("--backend", choices=BACKENDS, default="auto")
    verify_parser.add_argument("--full", action="store_true",
                               help="the grids that convergence needs, not only the quick ones")
    verify_parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1),
                               metavar="N", help="processes (default: %(default)s)")
    verify_parser.add_argument("--list", action="store_true",
                               help="tell what each case proves, run nothing")


def command(args):
    """`ekm3d verify`: 0 all passed, 1 not all, 2 bad input."""
    which = "full" if args.full else "quick"
    try:
        paths = chosen(args.names)
        if args.list:
            for v in map(Verification.read, paths):
                print(f"{v.name:24s} {v.file.family:22s} {v.file.proves}")
            return 0
        begun, passed, total = time.monotonic(), 0, 0
        print(HEADER, flush=True)
        for outcomes in verify(paths, which, args.backend, max(args.jobs, 1)):
            print("\n".join(map(line, outcomes)), flush=True)
            passed += sum(o.passed for o in outcomes)
            total += len(outcomes)
    except (CaseError, BackendError) as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    print(f"{passed} of {total} passed in {time.monotonic() - begun:.0f} s")
    return 0 if passed == total else NOT_PASSED


HEADER = (f"{'case':22s} {'what is compared':46s} {'cells':>11s} {'error':>9s} {'allowed':>9s} "
          f"{'order':>6s} {'least':>6s}")


def line(o):
    """One row of the table."""
    cells = " x ".join(str(n) for n in o.cells[-1] if n > 1) if o.cells else ""
    text = f"{o.case:22s} {o.what:46.46s} "
    if o.failure:
        return text + f"FAILED: {o.failure}"
    text += (f"{cells.replace(' ', ''):>11s} {o.error:9.2e} {o.required:9.2e} "
             f"{_number(o.order):>6s} {_number(o.required_order):>6s}  "
             f"{'pass' if o.passed else 'FAIL'}")
    for name, cells, theirs, ours in o.peers:
        text += f"\n{'':22s} {name} on {cells} cells: {theirs:.1e}, ours {ours:.1e}"
    return text


def _number(value):
    return "" if isnan(value) else f"{value:.2f}"
