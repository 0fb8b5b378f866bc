"""A case by many processes beside the same case by one, step by step: every bit is compared.

    mpiexec -n 3 python lockstep.py BACKEND STEPS CASE [KEY=VALUE ...] [-- BACKEND STEPS CASE ...]

Several cases, one after the other, save the start of the processes. The backend `quick` is cpp with
the flags of tests/helpers/quick_flags.py. Every process steps the whole block alone, too, and
compares its own part of it.
"""

import sys

import numpy as np
from helpers import compile_once
from helpers.quick_flags import QUICK

from ekm3d import Case, Simulation
from ekm3d.backends.cpp import CppBackend
from ekm3d.parallel.team import join


def values(sim):
    """{name: (array, whether it lies on voxels)} of what a step leaves behind."""
    found = {name: (getattr(sim.state, name), field.where == "voxels")
             for name, field in sim.state.fields.items()}
    for name, array in (("conductance", sim.potential.conductance), ("water", sim.flow.water),
                        ("sigma", sim.electrolyte.sigma), ("gains", sim.transport.ore)):
        found[name] = array, True
    for name in ("time", "step", "leachate_volume", "drained_volume", "injected_volume"):
        found[name] = np.array(getattr(sim.state, name)), False
    found["dt"] = np.array(sim.dt), False
    audits = (*(box.error() for box in sim.balances.boxes), sim.balances.charge_max)
    found["audits"] = np.array(audits, float), False                 # nan: not known
    found["mass"] = np.array(sim.balances.mass_errors(), float), False
    return found


def differing(mine, alone):
    """Names of what is not the same to the last bit."""
    theirs, names = values(alone), []
    for name, (array, voxels) in values(mine).items():
        other = theirs[name][0]
        if voxels:
            array = array[mine.grid.inner]
            other = mine.domain.local_view(other[alone.grid.inner])
        if not np.array_equal(array, other, equal_nan=True):
            names.append(name)
    return names


def compared(team, backend, steps, path, *overrides):
    """Exit code 1 where something differs, with its name and step."""
    case = Case.read(path, overrides)
    chosen = CppBackend("test", QUICK) if backend == "quick" else backend
    mine, alone = Simulation(case, chosen, team), Simulation(case, chosen)
    for step in range(int(steps)):
        names = [n for found in mine.domain.allgather(differing(mine, alone)) for n in found]
        if names:
            print(f"{path}: step {step} of {team.size} processes: "
                  f"{', '.join(dict.fromkeys(names))} differ")
            return 1
        if mine.state.time >= mine.schedule.end:
            break
        mine.step()
        alone.step()
    print(f"{steps} steps by {team.size} processes, {mine.domain.whole.cells}: the same")
    return 0


def main(*words):
    """Compare all cases; exit code 1 where one differs."""
    compile_once.install()
    team, code, begin = join(asked=True), 0, 0
    for end in (*(n for n, word in enumerate(words) if word == "--"), len(words)):
        code |= compared(team, *words[begin:end])
        begin = end + 1
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
