"""Begin of a run at the end of another one: `[start] run = "../prewet/out"`.

The block has the same voxels, electrodes and chemistry. Taken over are the contents of all voxels
and of the tanks, and the guesses of the solvers; the clock, the ledgers (leachate, charge, what
was injected), and the plates begin anew. References of the rock's response and of reactive
surfaces stay those of the ore as this case describes it.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.constants import HOUR
from ekm3d.errors import InputError, OutputError
from ekm3d.model import run_memory
from ekm3d.output import checkpoints
from ekm3d.output.checkpoint_file import small_arrays, voxel_arrays

Simulation = Any            # of `simulation`, which imports this module
TANKS = "catholyte_totals"


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


def begin_from(sim: Simulation, directory: Path) -> str:
    """Give a new simulation the contents at the end of another run; return a line for the log.

    Collective. InputError where there is no checkpoint, or the block is another one.
    """
    notes: list[str] = []
    try:
        found = checkpoints.newest(directory, notes.append)
    except OutputError as error:
        raise InputError(f"[start] run: {error}") from None
    theirs, own = found.facts["block"], block(sim)
    different = [f"{name}: {_shown(theirs.get(name))} there, {_shown(value)} here"
                 for name, value in own.items() if theirs.get(name) != value]
    if different:
        raise InputError(f"[start] run: {directory} is a run of another block:\n  "
                         + "\n  ".join(different))
    with voxel_arrays(found.path, sim.domain) as stored:
        run_memory.restore_voxels(sim, stored)
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


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
