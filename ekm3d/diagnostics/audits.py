"""Audits that act: errors of a run at every row of the series, held against two limits.

Above the first limit a run warns, once for each audit; above the second it ends, for what comes
after would be wrong. Limits are far above rounding and what is left by the solvers, whose tolerance
scales those of quantities that come from their solutions.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ekm3d.diagnostics.energy import energy_error
from ekm3d.diagnostics.run_view import AuditView
from ekm3d.diagnostics.worst_voxel import AuditError, worst_voxel
from ekm3d.grid.grid import Array


class Limits(NamedTuple):
    """Errors [1] above which a run warns, and above which it stops."""

    warning: float
    stop: float
    solved: bool = False        # they hold for a tolerance of 1e-10, and scale with a larger one


LIMITS = {"mass": Limits(1e-9, 1e-6), "charge": Limits(1e-6, 1e-3, True),
          "Faraday's law": Limits(1e-6, 1e-3, True), "water": Limits(1e-7, 1e-4, True),
          "current": Limits(1e-6, 1e-3, True), "energy": Limits(1e-6, 1e-3, True),
          "negative amounts": Limits(1e-12, 1e-6)}
ITERATIONS = {"potential": Limits(1000, 20000), "head": Limits(1000, 20000),
              "chemistry": Limits(300, 3000)}       # of a step, of the hardest voxel of a step


class Audits:
    """Errors of a run so far, and what became of them.

    errors: {audit: value} [1] of the last row, the largest of the run where it keeps one;
    warnings: texts, as they came; energy_max: largest error of the energy in a row so far.
    """

    def __init__(self, run: AuditView):
        self.run = run
        self.warnings: list[str] = []
        self.warned: set[str] = set()
        self.errors: dict[str, float | None] = {}
        self.scale = max(1.0, run.case.schedule.tolerance / 1e-10)
        self.energy_max = 0.0
        given = run.case.ore.electric_conductivity is not None      # ions do not carry the current
        self.left_out = {"charge", "Faraday's law"} if given else set()

    def columns(self, row: Mapping[str, float | None] | None = None) -> dict[str, float | None]:
        """Update `errors`; return the columns {name[unit]: value} of those not in the series.

        row: of the series now, which has the errors of the balances; found here if it is not
        given. None where a run cannot know one. Collective.
        """
        row = self.run.balances.columns() if row is None else row
        self.errors = {
            "mass": row["mass_balance[1]"], "charge": row["charge_balance[1]"],
            "Faraday's law": row["faraday_error[1]"], "water": row["water_balance[1]"],
            "current": current_error(self.run),
            "energy": energy_error(self.run), "negative amounts": negative(self.run)}
        self.energy_max = max(self.energy_max, self.errors["energy"] or 0.0)
        return {"current_balance[1]": self.errors["current"],
                "energy_error[1]": self.errors["energy"],
                "negative_amounts[1]": self.errors["negative amounts"]}

    def facts(self) -> dict[str, float | None]:
        """Entries of the summary: the number of warnings, and the largest error of the energy."""
        known = self.run.physics.potential
        return {"audit_warnings": len(self.warnings),
                "energy_error_max": self.energy_max if known else None}

    def check(self) -> list[str]:
        """Return a line for the log about `errors`, and new warnings.

        AuditError where one of them is above the limit that stops the run.
        """
        errors, run = self.errors, self.run
        hour = f"t = {run.state.time / 3600:.6g} h"
        lines = [f"{hour}: " + ", ".join(f"{name} {value:.1e}" for name, value in errors.items()
                                         if value is not None)
                 + f"; iterations {run.potential.iterations} (potential), "
                 f"{run.flow.iterations} (head), {run.reactions.iterations} (chemistry)"]
        for name, value in errors.items():
            if value is not None and name not in self.left_out:
                lines += self._judge(f"{hour}: error of {name}", value, LIMITS[name], name)
        for name, most in self._iterations().items():
            lines += self._judge(f"{hour}: iterations ({name})", most, ITERATIONS[name], name)
        return lines

    def _judge(self, what: str, value: float, limits: Limits, name: str) -> list[str]:
        """Return a new warning, if it is one; AuditError above the limit that stops the run."""
        scale = self.scale if limits.solved else 1.0
        if value <= limits.warning * scale:
            return []
        if not value <= limits.stop * scale:
            raise AuditError(f"{what} {value:.3g}, more than {limits.stop * scale:.3g}; "
                             f"{self._where(name)}")
        if name in self.warned:
            return []
        self.warned.add(name)
        self.warnings.append(f"warning: {what} {value:.3g}, more than "
                             f"{limits.warning * scale:.3g}; {self._where(name)}")
        return [self.warnings[-1]]

    def _iterations(self) -> dict[str, int]:
        """Iterations of the last step, the most of all ranks; collective."""
        run = self.run
        counts = (run.potential.iterations, run.flow.iterations, run.reactions.iterations)
        most = run.domain.allgather_array(np.array(counts)).max(axis=0)
        return dict(zip(ITERATIONS, most.tolist(), strict=True))

    def _where(self, name: str) -> str:
        """Text about the place of an error, of the present fields."""
        run = self.run
        if name == "mass":
            errors = run.balances.mass_errors()
            return "" if errors is None else f"component {run.chem.components[errors.argmax()]}"
        if name == "charge":
            run.electrolyte.imbalance(run.state)
            return worst_voxel(run, run.electrolyte.ratio)
        if name == "negative amounts":
            return worst_voxel(run, deficit(run))
        if name in ("potential", "head"):       # what is left of the last solution
            return f"the largest residual is in {worst_voxel(run, abs(run.potential.elliptic.r))}"
        if name == "chemistry":
            return f"the hardest voxel so far is at {run.reactions.hardest_place()}"
        return "of the whole block"


def current_error(run: AuditView) -> float | None:
    """Sum of all currents into the ore over half the sum of their sizes [1]; None without any."""
    if not run.physics.potential:
        return None
    boundary = run.potential.boundary
    into = boundary.per_place(boundary.into_ore)[0]
    given = 0.0 if run.potential.given is None else run.domain.sum(run.potential.given)
    size = 0.5 * (np.abs(into).sum() + abs(given))
    return float(abs(into.sum() + given) / size) if size > 0.0 else None


def negative(run: AuditView) -> float:
    """Largest negative total over the largest of its component [1], of ore and catholytes.

    Acidity has a sign and is left out. Collective; makes no array of the size of the block.
    """
    lowest, largest = extremes(run)
    s, worst = run.state, 0.0
    for k in range(len(lowest)):
        tank = s.catholyte_totals[k]
        for low, high in ((lowest[k], largest[k]), (tank.min(initial=0.0), np.abs(tank).max(
                initial=0.0))):
            if k != run.chem.hydrogen and high > 0.0:
                worst = max(worst, float(-low / high))
    return worst


def extremes(run: AuditView) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest total of every component in the ore, and its largest size; (K,) mol/m3."""
    totals = [total[run.grid.inner] for total in run.state.totals]
    ends = run.domain.allgather_array(
        np.array([(float(total.min()), float(total.max())) for total in totals]))
    lowest, highest = ends[..., 0].min(0), ends[..., 1].max(0)
    return lowest, np.maximum(highest, -lowest)


def deficit(run: AuditView) -> Array:
    """Return the largest negative total of every voxel over the largest of its component, padded.

    As `negative` has it, in the ore alone [1].
    """
    worst, largest = run.backend.zeros(run.grid.padded), extremes(run)[1]
    for k, total in enumerate(run.state.totals):
        if k != run.chem.hydrogen and largest[k] > 0.0:
            np.maximum(worst, total / -largest[k], out=worst)
    return worst
