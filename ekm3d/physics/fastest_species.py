"""Species that may empty a voxel first: those that no other exceeds in D and in both mobilities."""

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem


def fastest_species(chem: ChemicalSystem) -> np.ndarray:
    """Return (n, 3): D, and D |z| of a cation and of an anion, of species that no other exceeds."""
    rows = {(d, d * max(z, 0), d * max(-z, 0))
            for d, z in zip(chem.diffusion, chem.z, strict=True)}
    return np.array([row for row in sorted(rows) if not any(
        other != row and all(o >= r for o, r in zip(other, row, strict=True))
        for other in rows)])
