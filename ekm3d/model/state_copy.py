"""Copy of a run in memory: all that a checkpoint holds, to go back to when a step has failed.

It is taken every EVERY steps and costs a tenth of one of them. From it the same steps lead to the
same bits, so that the state before any later step can be had again.
"""

import platform
from typing import Any

import numpy as np

from ekm3d.backends import host_memory
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.model import run_memory

EVERY = 50                  # steps between copies
Simulation = Any            # of `simulation`, which imports this module's users


class StateCopy:
    """The last copy of one run; its arrays are kept for the next.

    time: at which it was taken [s]; -inf before the first.
    """

    def __init__(self, sim: Simulation, series: TimeSeries, diagnostics: tuple) -> None:
        """diagnostics: objects that add up a run, as `run_memory` has them."""
        self.sim, self.series, self.diagnostics = sim, series, diagnostics
        self.voxels: dict[str, np.ndarray] = {}
        self.small: dict[str, np.ndarray] = {}
        self.facts: dict[str, Any] = {}
        self.time = -np.inf

    def fits(self) -> bool:
        """Return True if every rank has memory for a copy, with as much again left; collective."""
        needed, here = sum(int(np.prod(shape)) * 8 for shape in self._shapes()), platform.node()
        beside = sum(size for size, host in self.sim.domain.allgather((needed, here))
                     if host == here)
        free = host_memory.free_memory()
        return all(self.sim.domain.allgather(free is None or free > 2 * beside))

    def _shapes(self):
        """Shapes of the voxel fields, which are nearly all that is copied."""
        return [getattr(self.sim.state, name).shape for name, field in self.sim.state.fields.items()
                if field.where == "voxels" and field.restart]

    def take(self) -> None:
        """Copy the run as it is now; collective."""
        sim, voxels = self.sim, {}
        for name, array in run_memory.voxels(sim, self.series):
            buffer = self.voxels.pop(name, None)
            if buffer is None or buffer.shape != array.shape:
                buffer = np.empty(array.shape, array.dtype)
            np.copyto(buffer, array)
            voxels[name] = buffer
        self.voxels = voxels
        self.small = {name: np.array(array)
                      for name, array in run_memory.small(sim, self.diagnostics).items()}
        self.facts = run_memory.numbers(sim, self.series, self.diagnostics)
        self.time = sim.state.time

    def give_back(self) -> None:
        """Have the run be as it was; collective. Caches that a failure may have spoilt are new."""
        sim = self.sim
        sim.potential.boundary.responses.found.clear()
        run_memory.forget_guesses(sim, self.voxels)
        run_memory.restore(sim, self.series, self.diagnostics, self.facts, self.voxels,
                           {name: array.copy() for name, array in self.small.items()})
        sim.potential.elliptic.operator_of = ""
