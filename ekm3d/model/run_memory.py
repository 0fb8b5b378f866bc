"""Memory of a run from one step to the next: all that a checkpoint holds.

    voxels      fields of the state that a restart needs, the rock where it responds, guesses of
                the solvers: everything that the next step reads before it writes it
    small       the same of strips, faces and the whole run
    numbers     clock, step control, sums of balances and of the time series

A simulation that is made anew and then given these numbers goes on bit for bit, on any number of
ranks. What follows from the case, such as the content at t = 0, is computed anew.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ekm3d.diagnostics.summary import stage_currents
from ekm3d.output.checkpoint_file import VoxelArrays
from ekm3d.physics.charge_damping import Stirring
from ekm3d.physics.reactions import HardestVoxel

MEDIUM = ("water_content", "tortuosity", "hydraulic_conductivity", "electroosmosis")
LISTS = ("warm_start", "warm_goal", "warm_fast", "last_totals", "porosity")   # (..., ore voxels)
FACES = ("into_ore", "drop", "level", "previous_drop", "metal_phi",           # of the boundary
         "splitting")
SIMULATION = ("dt", "_wanted", "_feedback", "_reach")
Simulation = Any            # of `simulation`, which imports this module's users
Series = Any                # a TimeSeries
Diagnostics = tuple         # objects that add up a run: Balances, TimeSeries, ...


def voxels(sim: Simulation, series: Series) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, (..., nz, ny, nx)) of every voxel array of this rank, as NumPy arrays."""
    inner, to_numpy = sim.grid.inner, sim.backend.to_numpy
    for name, array in _padded(sim):
        yield name, to_numpy(array[inner])
    yield "series.initial_ree", series.initial_ree
    for n, u in sorted(sim.potential.boundary.responses.found.items()):
        yield f"response.{n}", to_numpy(u[inner])
    for name, owner, attribute in _lists(sim):
        values = getattr(owner, attribute)
        if values is not None:
            padded = sim.backend.zeros((*values.shape[:-1], *sim.grid.padded))
            sim.voxels.put(padded, values)
            yield name, to_numpy(padded[inner])


def small(sim: Simulation, diagnostics: Diagnostics) -> dict[str, np.ndarray]:
    """Return all arrays that are the same on every rank, by name."""
    s = sim.state
    arrays = {f"state.{name}": getattr(s, name) for name, field in s.fields.items()
              if field.restart and field.where != "voxels"}
    arrays |= {f"faces.{name}": sim.backend.to_numpy(getattr(sim.potential.boundary, name))
               for name in FACES}
    arrays |= {"flow.out": sim.backend.to_numpy(sim.flow.out),
               "tanks.suspended": sim.catholytes.suspended}
    return arrays | {name: value for name, _, _, value in _sums(diagnostics)
                     if isinstance(value, np.ndarray)}


def numbers(sim: Simulation, series: Series, diagnostics: Diagnostics) -> dict[str, Any]:
    """Return all numbers, for JSON; collective."""
    s, r = sim.state, sim.reactions
    asked, skipped, restarted, hardest = zip(*sim.domain.allgather(
        (r.asked, r.skipped, r.restarted, r.struggled)), strict=True)
    found = [voxel for voxel in hardest if voxel is not None]
    worst = min(found, key=lambda voxel: (-voxel.steps, voxel.time)) if found else None
    return {
        "state": {name: value for name, value in vars(s).items() if _is_number(value)},
        "simulation": {name: getattr(sim, name) for name in SIMULATION},
        "refused": sim.heun.refused,
        "reactions": {"asked": sum(asked), "skipped": sum(skipped), "restarted": sum(restarted)},
        "hardest": worst and vars(worst),
        "levels": {str(n): float(v)
                   for n, v in sim.potential.boundary.controlled_level.items()},
        "v_cycles": sorted(sim.potential.elliptic.multigrid.v_cycles),
        "residual": float(sim.flow.residual), "stirring": list(sim.transport.stirring),
        "sums": {name: value for name, _, _, value in _sums(diagnostics)
                 if not isinstance(value, np.ndarray)},
        "currents": [[stage, float(current)] for stage, current in (
            *((stage, current) for stage, both in stage_currents(series).items()
              for current in both), *series.currents[-1:])]}


def restore(sim: Simulation, series: Series, diagnostics: Diagnostics,
            facts: dict[str, Any], stored: VoxelArrays | dict[str, np.ndarray],
            arrays: dict[str, np.ndarray]) -> None:
    """Give a simulation that was made anew, and its time series, what a run remembered.

    facts: `numbers` of that run; stored: its voxel arrays; arrays: its small ones. Collective.
    """
    restore_voxels(sim, stored)
    _restore_responses(sim, stored)
    series.initial_ree = stored["series.initial_ree"]
    s, boundary = sim.state, sim.potential.boundary
    for name in s.fields:
        if f"state.{name}" in arrays:
            getattr(s, name)[...] = arrays[f"state.{name}"]
    for name in FACES:
        setattr(boundary, name, sim.backend.from_numpy(arrays[f"faces.{name}"].copy()))
    sim.flow.out[...] = sim.backend.from_numpy(arrays["flow.out"])
    sim.catholytes.suspended = arrays["tanks.suspended"]
    for name, value in facts["state"].items():
        setattr(s, name, value)
    for name, value in facts["simulation"].items():
        setattr(sim, name, value)
    sim.heun.refused, sim.flow.residual = facts["refused"], facts["residual"]
    sim.transport.stirring = Stirring(*facts["stirring"])
    boundary.controlled_level = {int(n): v for n, v in facts["levels"].items()}
    sim.potential.elliptic.multigrid.v_cycles = set(facts["v_cycles"])
    _restore_effort(sim, facts)
    for name, owner, attribute, value in list(_sums(diagnostics)):
        kept = arrays.get(name) if isinstance(value, np.ndarray) else facts["sums"].get(name)
        if kept is not None:
            setattr(owner, attribute, kept)
    series.currents = [(stage, current) for stage, current in facts["currents"]]
    sim.drive = sim.schedule.drive(s.time)


def _restore_effort(sim, facts):
    """Statistics of the chemistry, which rank 0 keeps for all."""
    r = sim.reactions
    r.asked, r.skipped, r.restarted, r.struggled = 0, 0, 0, None
    if sim.domain.is_root:
        r.asked, r.skipped, r.restarted = (
            facts["reactions"][name] for name in ("asked", "skipped", "restarted"))
        if facts["hardest"]:
            r.struggled = HardestVoxel(**facts["hardest"])


def _restore_responses(sim, stored):
    """Unit responses of controlled groups, from which their next solutions start."""
    for name in stored:
        if name.startswith("response."):
            u = sim.backend.zeros(sim.grid.padded)
            u[sim.grid.inner] = sim.backend.from_numpy(stored[name])
            sim.domain.fill(u)
            sim.potential.boundary.responses.found[int(name.partition(".")[2])] = u


def restore_voxels(sim: Simulation, stored: VoxelArrays | dict[str, np.ndarray]) -> None:
    """Copy the stored arrays into the simulation's own; ghosts of other ranks are filled."""
    inner, put = sim.grid.inner, sim.backend.from_numpy
    for name, array in _padded(sim):
        if name in stored:
            array[inner] = put(stored[name])
            sim.domain.fill(array)
    for name, owner, attribute in _lists(sim):
        if name in stored:
            values = stored[name]
            padded = sim.backend.zeros((*values.shape[:-3], *sim.grid.padded))
            padded[inner] = put(values)
            setattr(owner, attribute, sim.voxels.take(padded))
    sim.flow.take_up(sim.state)
    if sim.nonequilibrium.media or sim.wetting:
        sim.nonequilibrium.update_rock()


def forget_guesses(sim: Simulation, stored: VoxelArrays | dict[str, np.ndarray]) -> None:
    """Drop guesses that a run has made since it stored these arrays."""
    for name, owner, attribute in _lists(sim):
        if name not in stored:
            setattr(owner, attribute, None)


def _padded(sim):
    """(name, padded array) of the arrays that exist from the start."""
    s = sim.state
    for name, field in s.fields.items():
        if field.where == "voxels" and field.restart:
            yield f"state.{name}", getattr(s, name)
    yield "reactions.strength", sim.reactions.strength
    if sim.nonequilibrium.media:
        for name in MEDIUM:
            yield f"rock.{name}", getattr(sim.rock, name)


def _lists(sim):
    """(name, owner, attribute) of lists of the ore's voxels: guesses of slow processes."""
    owners: list = [*sim.nonequilibrium.media]
    for process in sim.nonequilibrium.processes:
        owners += [process, *getattr(process, "processes", ())]
    for n, owner in enumerate(owners):
        for attribute in LISTS:
            if hasattr(owner, attribute):
                yield f"slow.{n}.{attribute}", owner, attribute


def _sums(diagnostics):
    """(name, owner, attribute, value) of what diagnostics add up: numbers, arrays (n,), (n, m)."""
    for owner in diagnostics:
        yield from _members(type(owner).__name__, owner)


def _members(name, owner):
    """The same of one object of `diagnostics`, and of those that it keeps."""
    for attribute, value in vars(owner).items():
        path = f"{name}.{attribute}"
        array = isinstance(value, np.ndarray) and value.ndim in (1, 2) and value.dtype == float
        if array or _is_number(value):
            yield path, owner, attribute, value
        for n, part in enumerate(value if isinstance(value, list) else [value]):
            if type(part).__module__.startswith("ekm3d.diagnostics"):
                yield from _members(f"{path}.{n}", part)


def _is_number(value):
    return isinstance(value, (float, int)) and not isinstance(value, bool)
