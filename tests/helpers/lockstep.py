"""A case by many processes beside the same case by one, step by step: every bit is compared.

    mpiexec -n 3 python lockstep.py BACKEND STEPS CASE [KEY=VALUE ...] [-- BACKEND STEPS CASE ...]

Several cases, one after the other, save the start of the processes. The backend `quick` is cpp with
the flags of tests/helpers/quick_flags.py, `stand-in` is cuda on the stand-in for CuPy. The
first process steps the whole block alone, too, and each compares its part; beside the stand-in also
by cpp, whose compiler fuses products and sums, so that a solver ends elsewhere within its
tolerance: to SAME of the largest value.
"""

import sys

import numpy as np
from helpers import compile_once, cuda_stand_in
from helpers.quick_flags import QUICK
from helpers.quiet_ranks import wait_for_all

from ekm3d import Case, Simulation
from ekm3d.backends.cpp import CppBackend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.parallel.team import join

SAME = 1e-9
LEAST = dict.fromkeys(("phi", "phi_trend"), 0.025)          # V, RT/F: of a block without power
OF_ROUNDING = ("audits", "mass", "charge", "immobile_charge")    # in size


def values(sim):
    """{name: (array on the host, whether it lies on voxels)} of what a step leaves behind."""
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
    on_host = sim.backend.to_numpy
    return {name: (on_host(array), voxels) for name, (array, voxels) in found.items()}


def inner_values(sim):
    """The same without ghosts."""
    return {name: (array[sim.grid.inner] if voxels else array, voxels)
            for name, (array, voxels) in values(sim).items()}


def differing(mine, theirs, share=0.0):
    """Names of what is not the same to the last bit, or to a share of the largest value.

    theirs: the inner values of the whole block.
    """
    names = []
    for name, (array, voxels) in inner_values(mine).items():
        if share and name in OF_ROUNDING:
            continue
        whole = theirs[name][0]
        other = mine.domain.local_view(whole) if voxels else whole
        if share:
            with np.errstate(invalid="ignore"):
                apart = np.abs(array - other).max(initial=0.0)
            same = not apart > share * np.abs(whole).max(initial=LEAST.get(name, 0.0))
        else:
            same = np.array_equal(array, other, equal_nan=True)
        if not same:
            names.append(name)
    return names


def chosen(name):
    """Name or backend for a simulation; all processes share the stand-in's only device."""
    if name == "stand-in":
        cuda_stand_in.cuda.runtime.memGetInfo = lambda: (2**34, 2**34)
        return CudaBackend("test", cuda_stand_in)
    return CppBackend("test", QUICK) if name == "quick" else name


def compared(team, backend, steps, path, *overrides):
    """Exit code 1 where something differs, with its name and step."""
    case = Case.read(path, overrides)
    mine, alone = Simulation(case, chosen(backend), team), []
    if mine.domain.is_root:
        alone = [Simulation(case, chosen(backend))]
        alone += [Simulation(case, "cpp")] if backend == "stand-in" else []
    for step in range(int(steps)):
        wait_for_all(team.comm)
        whole, *by_cpp = mine.domain.allgather([inner_values(sim) for sim in alone])[0]
        unlike = differing(mine, whole) + [
            f"{name} (of cpp)" for theirs in by_cpp for name in differing(mine, theirs, SAME)]
        names = [n for found in mine.domain.allgather(unlike) for n in found]
        if names:
            print(f"{path}: step {step} of {team.size} processes: "
                  f"{', '.join(dict.fromkeys(names))} differ")
            return 1
        if mine.state.time >= mine.schedule.end:
            break
        for sim in (mine, *alone):
            sim.step()
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
