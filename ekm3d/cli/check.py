"""`ekm3d check`: validate a case and print the plan of its run: data, memory, steps."""

import argparse
import time

from ekm3d.case.case import Case
from ekm3d.cli.case_arguments import add_case_arguments, print_warnings
from ekm3d.cli.help_page import page
from ekm3d.cli.self_test import backend_of
from ekm3d.constants import HOUR
from ekm3d.diagnostics import ionic_strength, well_heads
from ekm3d.model import memory_estimate, plan
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import ALONE


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d check`."""
    add_case_arguments(commands.add_parser("check", **page(
        "validate a case and print what would be run",
        "ekm3d check site     values in SI, voxels, memory, steps, run time",
        'ekm3d check site -o grid.spacing="5 cm"     would that fit?')))


def command(args: argparse.Namespace) -> int:
    """Read the case, describe it and take its first step; writes no file.

    InputError or BackendError for bad input, ConvergenceError where the step fails.
    """
    case = Case.read(args.case, args.overrides)
    print(case.describe())
    print_warnings(case.warnings)
    backend = backend_of(args.backend)
    print(memory_estimate.text(case.grid, case.chemistry, backend, case.rates.processes))
    sim = Simulation(case, backend, ALONE)
    text, remarks = estimate(sim)
    print(text)
    print_warnings(remarks)
    told = ionic_strength.warning(sim.chem, ionic_strength.largest(sim))
    if told:
        print_warnings([told])
    return 0


def estimate(sim: Simulation) -> tuple[str, list[str]]:
    """Take one step, or two; return figures of the plan with steps and run time, and warnings."""
    sim.step()
    first, figures = sim.dt, plan.plan_of(sim)
    steps, remarks = sim.schedule.end / first, plan.warnings(figures)
    seconds = steps * _seconds_of_step(sim)
    if steps > plan.STEPS or seconds > plan.WEEKS * 7 * plan.DAY:
        remarks.append(f"schedule: about {steps:.3g} steps, {seconds / plan.DAY:.3g} days of "
                       "computing; take larger voxels or a shorter schedule")
    return "\n".join([*plan.lines(figures), *well_heads.lines(sim), (
        f"expected: about {steps:.0f} steps of {first:.0f} s at the start's rate (more where "
        f"fields steepen), {_duration(seconds)} of computing; backend {sim.backend}")]), remarks


def _seconds_of_step(sim: Simulation) -> float:
    """Return the time [s] that a step takes once all is prepared."""
    if sim.state.time >= sim.schedule.end - sim.schedule.slack:
        return 0.0
    begun = time.perf_counter()
    sim.step()
    return time.perf_counter() - begun


def _duration(seconds: float) -> str:
    """Return "20 s", "3 min", "5 h" or "4 days"."""
    for unit, name, most in ((1.0, "s", 120.0), (60.0, "min", 120.0), (HOUR, "h", 48.0)):
        if seconds < most * unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds / plan.DAY:.2g} days"
