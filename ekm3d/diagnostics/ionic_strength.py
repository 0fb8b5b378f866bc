"""Largest ionic strength of a run, and the warning where the activity model does not hold there."""

from typing import Any

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.diagnostics.run_view import FieldView
from ekm3d.diagnostics.sampling import Sample


class PeakStrength:
    """Largest ionic strength of a run at its start and in the rows of its series [mol/l]."""

    def __init__(self, run: FieldView):
        self.run, self.value = run, 0.0

    def update(self) -> None:
        """Take the state as it is now into account; collective."""
        self.value = max(self.value, largest(self.run))

    def facts(self) -> dict[str, Any]:
        """Return the lines of the summary: the value, and a warning where the model fails."""
        told = warning(self.run.chem, self.value)
        return {"ionic_strength_max_mol_per_l": self.value} | ({"warning": told} if told else {})


def largest(run: FieldView) -> float:
    """Return the largest ionic strength in pore water, catholytes and reservoirs now [mol/l]."""
    s, squares = run.state, 0.5e-3 * run.chem.z**2
    water = run.backend.to_numpy(s.weighted_sum(squares, s.c[run.grid.inner]))
    outside = squares @ s.reservoir_species
    return float(np.max([Sample(run).of(water).largest, *outside]))


def warning(chem: ChemicalSystem, strength: float) -> str:
    """Return the warning on an ionic strength [mol/l], "" where the activity model holds."""
    if strength <= chem.valid_strength:
        return ""
    return (f"the ionic strength reaches {strength:.3g} mol/l, but the activity coefficients hold "
            f"up to about {chem.valid_strength:g} mol/l; see [chemistry] activity")
