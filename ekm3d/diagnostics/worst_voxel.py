"""Voxel where something is worst: its indices, its place and what is in it, as text."""

import numpy as np

from ekm3d.diagnostics.run_view import StateView
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST, Array


class AuditError(ConvergenceError):
    """A run whose results are wrong; the message says by how much, and where if that is known."""


def worst_voxel(sim: StateView, error: Array) -> str:
    """Describe the voxel of the largest error, or the first that is not a number; collective.

    error: padded. Tells indices i, j, k along x, y, z, the centre [m], pH, phi [V], net charge and
    the totals of all components [mol/m3 of rock].
    """
    values = np.asarray(sim.backend.to_numpy(error[sim.grid.inner]))
    n = int(values.argmax())
    found = sim.domain.allgather((float(values.ravel()[n]), _describe(sim, n)))
    numbers = [value for value, _ in found]
    return found[int(np.argmax(numbers))][1]


def _describe(sim, n):
    """Text about the n-th voxel of this rank."""
    g, s = sim.grid, sim.state
    kji = np.unravel_index(n, g.shape)
    at = [g.centres(axis)[v] for axis, v in enumerate(kji)]
    index = [int(x / g.spacing_along(axis)) for axis, x in enumerate(at)]
    padded = tuple(int(v) + GHOST for v in kji)
    totals = ", ".join(f"{name} {float(s.totals[(k, *padded)]):.6g}"
                       for k, name in enumerate(sim.chem.components))
    i, j, k = reversed(index)
    x, y, z = reversed(at)
    return (f"voxel ({i}, {j}, {k}) at ({x:.4g}, {y:.4g}, {z:.4g}) m: "
            f"pH {float(s.pH[padded]):.4g}, phi {float(s.phi[padded]):.6g} V, "
            f"net charge {float(s.charge[padded]):.3g} mol/m3, totals [mol/m3] {totals}")
