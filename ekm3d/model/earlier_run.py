"""Begin of a run at the end of another one: `[start] run = "../prewet/out"`.

The block has the same electrodes and chemistry, and the same voxels or others that fill the same
space (`regrid`). Taken over are the contents of all voxels and of the tanks, and the guesses of the
solvers; the clock, the ledgers (leachate, charge, what was injected), and the plates begin anew.
References of the rock's response and of reactive
surfaces stay those of the ore as this case describes it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.constants import HOUR
from ekm3d.errors import InputError, OutputError
from ekm3d.model import run_memory
from ekm3d.model.regrid import AMOUNTS, GUESSES, Regridding, same_extent
from ekm3d.output import checkpoints
from ekm3d.output.checkpoint_file import small_arrays, voxel_arrays
from ekm3d.output.checkpoints import Checkpoint
from ekm3d.retention_curves import RESIDUAL, SATURATED
from ekm3d.state import UNSATURATED

Simulation = Any            # of `simulation`, which imports this module
TANKS = "catholyte_totals"
GRID = {"voxels", "spacing [m]", "origin [m]", "voxels of the electrodes"}
SPILT = 1e-3                # water content that a run's own errors may leave beyond full pores
NEUTRAL = 1e-6              # net charge of a voxel over its ions that regridding may leave


def block(sim: Simulation) -> dict[str, Any]:
    """Return what two runs must have in common for one to begin from the other; for JSON."""
    whole, chem = sim.domain.whole, sim.chem
    ore = np.packbits(sim.electrodes.ore)
    return {"voxels": list(whole.cells), "spacing [m]": list(whole.spacing),
            "origin [m]": list(whole.origin), "components": list(chem.components),
            "species": list(chem.species), "exchange species": list(chem.exchange),
            "minerals": list(chem.minerals),
            "slow processes": sorted(sim.case.processes),
            "response of the medium": bool(sim.nonequilibrium.media),
            "electrodes": list(sim.electrodes.names),
            "voxels of the electrodes": hashlib.sha256(ore.tobytes()).hexdigest()[:12]}


def require(directory: Path, tell: Callable[[str], Any] = lambda line: None) -> Checkpoint:
    """Return the checkpoint that a run would begin from; InputError where there is none.

    tell: is given a line about every damaged one.
    """
    try:
        return checkpoints.newest(directory, tell)
    except OutputError as error:
        raise InputError(f"[start] run: {error}") from None


def begin_from(sim: Simulation, directory: Path) -> str:
    """Give a new simulation the contents at the end of another run; return a line for the log.

    Collective. InputError where there is no checkpoint, or the block is another one; another grid
    of the same block is told.
    """
    notes: list[str] = []
    found = require(directory, notes.append)
    theirs, own = found.facts["block"], block(sim)
    different = [f"{name}: {_shown(theirs.get(name))} there, {_shown(value)} here"
                 for name, value in own.items() if theirs.get(name) != value]
    names = {name for name, value in own.items() if theirs.get(name) != value}
    other_grid = bool(names & GRID) and names <= GRID and same_extent(theirs, sim.domain.whole)
    if other_grid and sim.nonequilibrium.media:
        different.append("a medium that responds goes on with the same voxels only")
        other_grid = False
    if other_grid and UNSATURATED in sim.case.processes:
        different.append("unsaturated ore goes on with the same voxels only")
        other_grid = False
    if (UNSATURATED in theirs.get("slow processes", ())) != (UNSATURATED in sim.case.processes):
        different.append("the pores of one of them are always full; give both [ore.retention] and "
                         "the same physics.unsaturated")
    if different and not other_grid:
        raise InputError(f"[start] run: {directory} is a run of another block:\n  "
                         + "\n  ".join(different))
    with voxel_arrays(found.path, sim.domain) as stored:
        if other_grid:
            notes.append(_regrid(sim, stored.data, theirs))
        else:
            run_memory.restore_voxels(sim, stored)
            if "state.immobile_c" not in stored:
                sim.nonequilibrium.begin_immobile(sim.state)
    if UNSATURATED in sim.case.processes:
        _check_water(sim, directory)
    s, arrays = sim.state, small_arrays(found.path)
    s.catholyte_totals[...] = arrays[f"state.{TANKS}"]
    for name in run_memory.FACES:               # where the same faces pass current: a first guess
        if arrays[f"faces.{name}"].shape == getattr(sim.potential.boundary, name).shape:
            setattr(sim.potential.boundary, name, arrays[f"faces.{name}"])
    sim.catholytes.start(s)
    s.gas_uptake[...] = 0.0
    notes.append(f"begins from the contents at t = {found.time / HOUR:g} h of {directory} "
                 f"({found.path.name}), with clean plates")
    return "\n".join(notes)


def _check_water(sim: Simulation, directory: Path) -> None:
    """Raise InputError where the pores of this case cannot hold the water. Collective."""
    curve, inner, at = sim.case.ore.retention.curve, sim.grid.inner, sim.holds_ore
    water = sim.backend.to_numpy(sim.state.water_content[inner])[at]
    for index, key, sign in ((SATURATED, "saturated", 1.0), (RESIDUAL, "residual", -1.0)):
        bound = sim.domain.local_view(np.broadcast_to(curve[index], sim.domain.whole.shape))[at]
        worst = sim.domain.max(sign * (water - bound))
        if worst > SPILT:
            raise InputError(
                f"[start] run: a voxel of {directory} has {worst:.3g} m3/m3 of water "
                f"{'more' if sign > 0 else 'less'} than ore.retention.{key}; give the pores of "
                "that run, or begin without it")


def _regrid(sim: Simulation, stored: Any, block: dict[str, Any]) -> str:
    """Fill the voxels from those of another grid; return a line for the log. Collective."""
    s, grid = sim.state, sim.grid
    regridding = Regridding(block, stored["state.transport_factor"], grid, sim.holds_ore)
    put = sim.backend.from_numpy
    for names, take in ((AMOUNTS, regridding.means), (GUESSES, regridding.nearest_of)):
        for name in names:
            if hasattr(s, name) and f"state.{name}" in stored:
                getattr(s, name)[grid.inner] = put(take(stored[f"state.{name}"]))
                sim.domain.fill(getattr(s, name))
    s.warm_start_rate[...] = 0.0
    s.totals_at_last_solve[grid.inner] = put(
        np.broadcast_to(np.where(sim.holds_ore, np.nan, 0.0), s.totals[grid.inner].shape).copy())
    for name in ("phi", "phi_trend", "head_trend"):
        getattr(s, name)[...] = 0.0
    sim.reactions.advance(s)
    sim.nonequilibrium.equilibrate(s)
    charge = sim.electrolyte.imbalance(s)
    if not charge <= NEUTRAL:
        raise InputError(f"[start] run: on this grid the ore holds other exchangers than on that "
                         f"of the run: the net charge of a voxel is {charge:.3g} of its ions; give "
                         "properties of the ore that do not depend on the grid")
    lost, gained = (float(np.sum(sim.domain.allgather(volume)))
                    for volume in (regridding.lost, regridding.gained))
    cells = " x ".join(map(str, block["voxels"]))
    change = ("amounts are conserved" if max(lost, gained) <= 1e-9 * grid.voxel_volume else
              f"contents per volume of ore are kept, and {lost:.4g} m3 of ore are metal now, "
              f"{gained:.4g} m3 of metal ore")
    return (f"regridded from {cells} voxels to {' x '.join(map(str, sim.domain.whole.cells))}, by "
            f"the volumes that they share; {change}")


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
