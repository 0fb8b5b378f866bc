"""`ekm3d check`: validate a case and print the plan of its run: data, memory, steps."""

import argparse

from ekm3d.case.case import Case
from ekm3d.cli.case_arguments import add_case_arguments
from ekm3d.cli.self_test import backend_of
from ekm3d.diagnostics import ionic_strength, well_heads
from ekm3d.model import memory_estimate
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import ALONE


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d check`."""
    add_case_arguments(commands.add_parser(
        "check", help="validate a case and print what would be run"))


def command(args: argparse.Namespace) -> int:
    """Read the case, describe it and take its first step; writes no file.

    InputError or BackendError for bad input, ConvergenceError where the step fails.
    """
    case = Case.read(args.case, args.overrides)
    print(case.describe())
    backend = backend_of(args.backend)
    print(memory_estimate.text(case.grid, case.chemistry, backend, case.rates.processes))
    sim = Simulation(case, backend, ALONE)
    print(estimate(sim))
    told = ionic_strength.warning(sim.chem, ionic_strength.largest(sim))
    if told:
        print(f"warning: {told}")
    return 0


def estimate(sim: Simulation) -> str:
    """Take the first step; return what it tells of the wells, and the number of steps, as text."""
    sim.step()
    steps = sum(stage.duration for stage in sim.schedule.stages) / sim.dt
    told = "".join(f"warning: {line}\n" for line in well_heads.warnings(sim))
    return (f"{told}expected: about {steps:.0f} steps of {sim.dt:.0f} s at the start's rate (more "
            f"where fields steepen); backend {sim.backend}")
